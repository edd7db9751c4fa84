package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Listen opens a listener for the endpoint's server. addr is "host:port" (port 0
// takes any free one) or "unix:/path". Nodes of the same process reach it
// through memory, see pipe.go; everybody else through the socket.
//
// A port that is in use gives one sentence with the remedy; a socket file that a
// dead process left behind is replaced.
func (e *Endpoint) Listen(addr string) (net.Listener, error) {
	socket, err := Listen(addr)
	if err != nil || e.net.sockets || socket.Addr().Network() != "tcp" {
		return socket, err
	}
	l := &listener{Listener: socket, near: &e.net.near, arrived: make(chan net.Conn), closed: make(chan struct{})}
	l.near.add(socket.Addr().String(), l)
	return l, nil
}

// near finds the listeners of this process by address.
type near struct {
	mu        sync.Mutex
	listeners map[string]*listener
	memory    pieces
}

func (n *near) add(addr string, l *listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = make(map[string]*listener)
	}
	n.listeners[addr] = l
}

func (n *near) remove(addr string, l *listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[addr] == l {
		delete(n.listeners, addr)
	}
}

// connect opens a connection through memory; both results are nil when nobody
// here listens on addr.
func (n *near) connect(ctx context.Context, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[addr]
	n.mu.Unlock()
	if l == nil {
		return nil, nil
	}
	dialled, accepted := newPipe(addr, &n.memory)
	select {
	case l.arrived <- accepted:
		return dialled, nil
	case <-l.closed:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listener accepts from a socket and through memory.
type listener struct {
	net.Listener
	near    *near
	arrived chan net.Conn // through memory
	closed  chan struct{}
	once    sync.Once
	start   sync.Once
	sockets chan accepted
}

type accepted struct {
	conn net.Conn
	err  error
}

// Accept waits for the next connection of either sort.
func (l *listener) Accept() (net.Conn, error) {
	l.start.Do(func() {
		l.sockets = make(chan accepted)
		go l.acceptSockets()
	})
	select {
	case conn := <-l.arrived:
		return conn, nil
	case next := <-l.sockets:
		return next.conn, next.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) acceptSockets() {
	for {
		conn, err := l.Listener.Accept()
		select {
		case l.sockets <- accepted{conn, err}:
		case <-l.closed:
			if err == nil {
				_ = conn.Close() // nobody will serve it
			}
			return
		}
	}
}

// Close ends the listener; connections that were accepted stay.
func (l *listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		l.near.remove(l.Addr().String(), l)
		close(l.closed)
		err = l.Listener.Close()
	})
	return err
}

// Listen is Endpoint.Listen without the way through memory.
func Listen(addr string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return listenUnix(path)
	}
	listener, err := net.Listen("tcp", addr)
	switch {
	case err == nil:
		return listener, nil
	case errors.Is(err, syscall.EADDRINUSE):
		_, port, _ := net.SplitHostPort(addr)
		return nil, fmt.Errorf("listen on %s: the port is in use; stop the program that has it (ss -ltnp 'sport = :%s' shows which), or choose another port (0 takes any free one): %w", addr, port, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen on %s: not allowed; choose a port above 1023: %w", addr, err)
	default:
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
}

// maxSocketPath is how long a Unix socket's path may be on Linux, without its
// closing zero; other systems allow a few bytes less.
const maxSocketPath = 107

func listenUnix(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("listen on unix:%s: the path has %d bytes, a socket's path may have %d; use a shorter data directory", path, len(path), maxSocketPath)
	}
	listener, err := net.Listen("unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		if err != nil {
			return nil, fmt.Errorf("listen on unix:%s: %w", path, err)
		}
		return listener, nil
	}
	probe, probeErr := net.DialTimeout("unix", path, time.Second)
	if probeErr == nil {
		_ = probe.Close() // nothing was said on it
		return nil, fmt.Errorf("listen on unix:%s: another process listens there; stop it or use another data directory: %w", path, err)
	}
	if info, statErr := os.Lstat(path); statErr != nil || info.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("listen on unix:%s: something that is not a socket is in the way: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return nil, fmt.Errorf("listen on unix:%s: remove the socket of a dead process: %w", path, err)
	}
	listener, err = net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on unix:%s: %w", path, err)
	}
	return listener, nil
}
