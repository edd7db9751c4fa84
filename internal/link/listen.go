package link

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Listen opens a listener for the endpoint's server. addr is "host:port" (port 0
// takes any free one) or "unix:/path". Nodes of the same process reach its
// server without it, see direct.go; everybody else through the socket.
//
// A port that is in use gives one sentence with the remedy or, if the node moves, another
// port of the same host; a socket file that a dead process left behind is replaced.
func (e *Endpoint) Listen(addr string, moves bool) (net.Listener, error) {
	socket, err := Listen(addr)
	if host, _, bad := net.SplitHostPort(addr); moves && bad == nil && errors.Is(err, syscall.EADDRINUSE) {
		socket, err = Listen(net.JoinHostPort(host, "0"))
	}
	if err != nil || e.net.sockets || socket.Addr().Network() != "tcp" {
		return socket, err
	}
	l := &listener{Listener: socket, near: &e.net.near}
	l.near.add(socket.Addr().String(), l)
	return l, nil
}

// Listen is Endpoint.Listen for everybody, nodes of this process too.
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
