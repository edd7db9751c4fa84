package link

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// Nodes of one process call each other's handlers: no HTTP/2, no TLS records, and
// messages are handed over instead of encoded and decoded. Everything else is as on the
// wire: who is who comes out of a TLS handshake between the two, rules slow and cut it,
// and what gRPC promises (deadlines, metadata, limits, what a call fails with) holds.
// It is an interceptor, the last before the wire, so recording and holds do not know.
// Whatever it cannot do, or does not find, goes over the wire: calls with uncommon
// options, links that are cut, nodes that are not there.

// What calls fail with when their line ends, unless a rule ends it.
var (
	errClosing = status.Error(codes.Canceled, "the connection was closed by its owner")
	errStopped = status.Error(codes.Unavailable, "the node was stopped")
)

// direct is the way of one client to the node at an address, as long as that is in this
// process.
type direct struct {
	end   *Endpoint
	to    Target
	creds credentials.TransportCredentials

	now     atomic.Pointer[line]
	turn    chan struct{} // has room for whoever may make the next line
	refused *Server       // whose handshake has failed
	again   time.Time     // when it is tried again; until then the wire says what is wrong
}

func newDirect(end *Endpoint, to Target, creds credentials.TransportCredentials) *direct {
	return &direct{end: end, to: to, creds: creds, turn: make(chan struct{}, 1)}
}

// line is a connection without a wire.
type line struct {
	links    *links
	server   *Server
	from, to string
	out, in  lane
	ctx      context.Context // of all its calls; the cause of its end is what they fail with
	end      context.CancelCauseFunc
}

// line gives the present line, or a new one; nil if the call must go over the wire.
func (d *direct) line(ctx context.Context, conn *grpc.ClientConn) *line {
	if conn.GetState() == connectivity.Shutdown {
		return nil
	}
	if l := d.now.Load(); l != nil && l.ctx.Err() == nil {
		return l
	}
	server := d.end.net.near.find(d.to.Addr)
	if server == nil || server.ctx.Err() != nil {
		return nil
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return nil
	}
	if l := d.now.Load(); l != nil && l.ctx.Err() == nil {
		return l
	}
	if d.refused == server && time.Now().Before(d.again) {
		return nil
	}
	l, err := d.connect(ctx, server)
	if err != nil {
		if !errors.Is(err, ErrCut) && ctx.Err() == nil {
			d.refused, d.again = server, time.Now().Add(lastRetry)
		}
		return nil
	}
	d.refused = nil
	d.now.Store(l)
	go l.watch(conn)
	return l
}

// connect makes a line: both ends prove who they are, as on the wire.
func (d *direct) connect(ctx context.Context, server *Server) (*line, error) {
	n := d.end.net
	theirs, err := d.handshake(ctx, server)
	if err != nil {
		return nil, err
	}
	l := &line{links: &n.links, server: server, from: d.end.name, to: d.to.Name}
	caller := &grpcpeer.Peer{Addr: nearAddr(d.to.Addr), LocalAddr: nearAddr(d.to.Addr), AuthInfo: theirs}
	l.ctx, l.end = context.WithCancelCause(grpcpeer.NewContext(server.ctx, caller))
	return l, n.links.join(l, n.seed)
}

// handshake is that of TLS, over a pipe that nothing else passes through, and gives what
// the server knows of the client. A slow link slows it.
func (d *direct) handshake(ctx context.Context, server *Server) (credentials.AuthInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	near, far := net.Pipe()
	defer far.Close()
	shaped, err := d.end.net.links.open(d.end.name, d.to.Name, d.end.net.seed, near)
	if err != nil {
		return nil, err
	}
	shaped.buffered = true // a refusal is written while the other end still writes
	defer shaped.Close()
	stop := context.AfterFunc(ctx, func() { _ = shaped.Close() })
	defer stop()
	type served struct {
		info credentials.AuthInfo
		err  error
	}
	accepted := make(chan served, 1)
	go func() {
		config := server.end.serverTLS()
		config.SessionTicketsDisabled = true // nobody would read them
		_, info, err := credentials.NewTLS(config).ServerHandshake(far)
		accepted <- served{info, err}
	}()
	conn, _, err := d.creds.Clone().ClientHandshake(ctx, d.creds.Info().ServerName, shaped)
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, conn) }() // a refusal comes after our end is done
	other := <-accepted
	return other.info, other.err
}

// nearAddr is the address of a node of this process.
type nearAddr string

func (nearAddr) Network() string  { return "memory" }
func (a nearAddr) String() string { return string(a) }

// watch ends the line when its client is closed, and forgets it when it has ended.
func (l *line) watch(conn *grpc.ClientConn) {
	for state := conn.GetState(); state != connectivity.Shutdown; state = conn.GetState() {
		if !conn.WaitForStateChange(l.ctx, state) {
			break
		}
	}
	l.end(errClosing)
	l.links.forget(l)
}

func (l *line) ends() (from, to string) { return l.from, l.to }

// cut ends all calls, on purpose.
func (l *line) cut() {
	l.end(status.Error(codes.Unavailable, cutError(l.from, l.to).Error()))
}

func (l *line) shape(out, in Shape) {
	l.out.set(out)
	l.in.set(in)
}

// lane is one direction of a line: when what is sent now arrives.
type lane struct {
	slow   atomic.Pointer[Shape] // nil = undisturbed
	mu     sync.Mutex
	random *rand.Rand
	last   time.Time // the newest arrival: nothing overtakes it
}

func (l *lane) set(s Shape) { setShape(&l.slow, s) }

// due is when a message arrives that is sent now; the zero time is at once.
func (l *lane) due() time.Time {
	shape := l.slow.Load()
	if shape == nil {
		return time.Time{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if due := time.Now().Add(shape.delay(l.random)); due.After(l.last) {
		l.last = due
	}
	return l.last
}

// await waits until due; false if one of the contexts ends before.
func await(due time.Time, a, b context.Context) bool {
	if due.IsZero() {
		return true
	}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-a.Done():
	case <-b.Done():
	}
	return false
}

// near finds the servers of this process by address.
type near struct {
	mu        sync.RWMutex
	listeners map[string]*listener
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

// has tells whether somebody here listens on addr.
func (n *near) has(addr string) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.listeners[addr] != nil
}

// find gives the server behind addr, nil if there is none here that serves.
func (n *near) find(addr string) *Server {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if l := n.listeners[addr]; l != nil {
		return l.server.Load()
	}
	return nil
}

// listener is one that nodes of this process need not connect to.
type listener struct {
	net.Listener
	near   *near
	server atomic.Pointer[Server] // nil until it serves
	once   sync.Once
}

// Close ends the listener; connections that were accepted stay.
func (l *listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		l.near.remove(l.Addr().String(), l)
		err = l.Listener.Close()
	})
	return err
}

// clientTLS is how the endpoint connects, unless the target says otherwise.
func (e *Endpoint) clientTLS(to Target) *tls.Config {
	if to.TLS != nil {
		return to.TLS
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: e.roots.Load(), ServerName: to.ServerName, CurvePreferences: curves()}
	if config.ServerName == "" {
		config.ServerName = to.Name
	}
	if len(e.cert.Certificate) > 0 {
		config.Certificates = []tls.Certificate{e.cert}
	}
	return config
}
