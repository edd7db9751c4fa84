package chaincode

import (
	"context"
	"errors"
	"fmt"
	"time"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/chaincode/external"
	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/internal/link"
)

const (
	// maxLobby is how many streams may be open without having registered.
	maxLobby = 64
	// registerTimeout is how long a stream may stay so.
	registerTimeout = 10 * time.Second
)

// registrar is the service that chaincodes dial.
type registrar struct {
	peerpb.UnimplementedChaincodeSupportServer
	host *Host
}

// Register serves one chaincode's stream from REGISTER to its end.
func (g *registrar) Register(w peerpb.ChaincodeSupport_RegisterServer) error {
	h := g.host
	select {
	case h.lobby <- struct{}{}:
	default:
		return status.Errorf(codes.ResourceExhausted, "%d chaincodes are registering at once", maxLobby)
	}
	s, err := h.greet(w)
	<-h.lobby
	if err != nil {
		h.cfg.Log.Warn("chaincode refused", "peer", h.cfg.Peer, "error", err)
		return status.Error(codes.PermissionDenied, err.Error())
	}
	// Returning is what ends a stream at the server's side, so the receive loop is
	// in another goroutine.
	go s.serve()
	h.keepAlive(s)
	if err := s.reason(); !errors.Is(err, errGone) {
		return status.Error(codes.Aborted, err.Error())
	}
	return nil
}

// greet takes REGISTER, checks the name and completes the handshake.
func (h *Host) greet(w peerpb.ChaincodeSupport_RegisterServer) (*stream, error) {
	first, err := receiveFirst(w.Context(), w, registerTimeout)
	if err != nil {
		return nil, err
	}
	name, err := registeredName(first)
	if err != nil {
		return nil, err
	}
	r, s, err := h.admit(name, w)
	if err != nil {
		return nil, err
	}
	h.cfg.Link.NameStream(w.Context(), r.node)
	if err := s.welcome(h.cfg.Batches); err != nil {
		return nil, err
	}
	r.registered <- s
	return s, nil
}

// admit accepts a name that is being launched and has not registered yet. Everybody who
// can reach the socket could claim a name; only the one who was started gets it.
func (h *Host) admit(name string, w wire) (*running, *stream, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.active[name]
	switch {
	case h.closed:
		return nil, nil, ErrClosed
	case r == nil || r.instance == nil && r.address != "":
		return nil, nil, fmt.Errorf("chaincode %q is not being launched by peer %s", launch.Clip(name), h.cfg.Peer)
	case r.stream != nil || r.admitted:
		return nil, nil, fmt.Errorf("chaincode %q is registered already with peer %s", launch.Clip(name), h.cfg.Peer)
	}
	r.admitted = true
	return r, h.newStream(r, w), nil
}

func (h *Host) newStream(r *running, w wire) *stream {
	return newStream(r.id, w, h.cfg.Concurrent, min(time.Second, h.cfg.ExecuteTimeout/2), func() { h.forget(r) })
}

// receiveFirst receives one message, but not for ever.
func receiveFirst(ctx context.Context, w wire, timeout time.Duration) (*peerpb.ChaincodeMessage, error) {
	type result struct {
		m   *peerpb.ChaincodeMessage
		err error
	}
	got := make(chan result, 1)
	go func() {
		m, err := w.Recv()
		got <- result{m, err}
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case r := <-got:
		return r.m, r.err
	case <-timer.C:
		return nil, fmt.Errorf("it did not register within %s", timeout)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// keepAlive returns when the stream has ended, and sends KEEPALIVE until then if the
// configuration says so.
func (h *Host) keepAlive(s *stream) {
	var tick <-chan time.Time
	if h.cfg.Keepalive > 0 {
		t := time.NewTicker(h.cfg.Keepalive)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-s.done:
			return
		case <-h.ctx.Done():
			s.end(ErrClosed)
		case <-tick:
			_ = s.send(h.ctx, &peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_KEEPALIVE}) // a failed send has ended the stream
		}
	}
}

// dial connects to a chaincode that is a server, and takes its registration: there the
// peer dials, but the chaincode still speaks first.
func (h *Host) dial(ctx context.Context, r *running, to *external.Connection) (*stream, error) {
	config, err := to.TLS()
	if err != nil {
		return nil, err
	}
	target := link.Target{Name: r.node, Addr: to.Address, Outside: true, TLS: config}
	dial := h.cfg.Link.DialPlain
	if config != nil {
		dial = h.cfg.Link.Dial
	}
	conn, err := dial(target)
	if err != nil {
		return nil, err
	}
	// The stream outlives the launch.
	life, end := context.WithCancel(h.ctx)
	s, err := h.open(ctx, life, r, conn, to)
	if err != nil {
		end()
		return nil, errors.Join(fmt.Errorf("chaincode at %s: %w", to.Address, err), conn.Close())
	}
	go s.serve()
	h.tasks.Go(func() {
		h.keepAlive(s)
		end()
		if err := conn.Close(); err != nil {
			h.cfg.Log.Debug("close connection to chaincode", "package", r.id, "error", err)
		}
	})
	return s, nil
}

// open waits for the connection, opens the stream on it and completes the handshake.
func (h *Host) open(ctx, life context.Context, r *running, conn *grpc.ClientConn, to *external.Connection) (*stream, error) {
	dialling, cancel := context.WithTimeout(ctx, to.Timeout())
	defer cancel()
	conn.Connect()
	for state := conn.GetState(); state != connectivity.Ready && conn.WaitForStateChange(dialling, state); state = conn.GetState() {
	}
	// If it is not ready by now, this call fails and its error says why.
	w, err := peerpb.NewChaincodeClient(conn).Connect(life)
	if err != nil {
		return nil, err
	}
	first, err := receiveFirst(ctx, w, registerTimeout)
	if err != nil {
		return nil, err
	}
	name, err := registeredName(first)
	if err != nil {
		return nil, err
	}
	if name != r.id {
		return nil, fmt.Errorf("it registered as %q; start it with CHAINCODE_ID=%s (or CORE_CHAINCODE_ID_NAME)", launch.Clip(name), r.id)
	}
	s := h.newStream(r, w)
	return s, s.welcome(h.cfg.Batches)
}
