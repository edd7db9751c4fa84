package peer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Submit sends a signed transaction to the ordering service: to one node after the
// other, in random order, until one takes it. It waits for nothing else.
func (g *gateway) Submit(ctx context.Context, request *gatewaypb.SubmitRequest) (*gatewaypb.SubmitResponse, error) {
	if request == nil {
		return nil, status.Error(codes.InvalidArgument, "a submit request is required")
	}
	if err := g.enter(); err != nil {
		return nil, err
	}
	defer g.leave()
	envelope := request.GetPreparedTransaction()
	if envelope == nil {
		return nil, status.Error(codes.InvalidArgument, "a prepared transaction is required")
	}
	if len(envelope.GetSignature()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "prepared transaction must be signed")
	}
	c, ok := g.peer.channelNamed(request.GetChannelId())
	if !ok {
		return nil, status.Errorf(codes.FailedPrecondition, "channel '%s' not found: this peer has not joined it", request.GetChannelId())
	}
	targets := append([]link.Target(nil), c.ordererTargets()...)
	if len(targets) == 0 {
		return nil, status.Error(codes.Unavailable, "no orderer nodes available")
	}
	rand.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	return g.submit(ctx, c, request.GetTransactionId(), envelope, targets)
}

func (g *gateway) submit(ctx context.Context, c *channel, txID string, envelope *commonpb.Envelope, targets []link.Target) (*gatewaypb.SubmitResponse, error) {
	var details []*gatewaypb.ErrorDetail
	for _, target := range targets {
		response, err := g.broadcast.send(ctx, target, txID, envelope)
		if ctx.Err() != nil {
			return nil, contextStatus(ctx.Err(), "submit timeout expired while broadcasting to ordering service")
		}
		code := response.GetStatus()
		switch {
		case err != nil:
			details = append(details, &gatewaypb.ErrorDetail{Address: target.Addr, MspId: g.ordererMSP(c, target), Message: plainError(err)})
			continue
		case code == commonpb.Status_SUCCESS:
			g.peer.record(trace.Event{Kind: trace.Submitted, Other: target.Name, Channel: c.name, TxID: txID})
			return &gatewaypb.SubmitResponse{}, nil
		}
		message := fmt.Sprintf("received unsuccessful response from orderer: status=%s, info=%s", code, response.GetInfo())
		if code >= 400 && code < 500 {
			return nil, status.Error(codes.Aborted, message) // a verdict on the transaction; no other node would differ
		}
		details = append(details, &gatewaypb.ErrorDetail{Address: target.Addr, MspId: g.ordererMSP(c, target), Message: message})
	}
	return nil, statusWithDetails(codes.Unavailable, "no orderers could successfully process transaction", details...)
}

// ordererMSP is the organisation of an ordering node, as far as the configuration
// tells.
func (g *gateway) ordererMSP(c *channel, target link.Target) string {
	orgs := c.settings().bundle.Orderers()
	for _, org := range orgs {
		for _, endpoint := range org.Endpoints {
			if endpoint == target.Addr {
				return org.MSPID
			}
		}
	}
	if len(orgs) == 1 {
		return orgs[0].MSPID
	}
	return ""
}

// broadcasters keeps streams to ordering nodes open between transactions. A stream
// carries one message at a time, so every answer is certain to be its own.
type broadcasters struct {
	peer *Peer

	mu   sync.Mutex
	idle map[connectionKey][]*broadcastStream
}

// maxIdleStreams is how many unused streams are kept for each ordering node.
const maxIdleStreams = 64

type broadcastStream struct {
	client ordererpb.AtomicBroadcast_BroadcastClient
	cancel context.CancelFunc
	used   bool // it has carried a message before
}

func newBroadcasters(p *Peer) *broadcasters {
	return &broadcasters{peer: p, idle: map[connectionKey][]*broadcastStream{}}
}

// send gives one envelope to one node. A kept stream may have died unnoticed; then
// a new one is tried, unless the node may have seen the envelope.
func (b *broadcasters) send(ctx context.Context, target link.Target, txID string, envelope *commonpb.Envelope) (*ordererpb.BroadcastResponse, error) {
	ctx, cancel := b.peer.within(ctx, txID, b.peer.config.Limits.BroadcastTimeout)
	defer cancel()
	for {
		s, err := b.take(ctx, target)
		if err != nil {
			return nil, err
		}
		again := s.used
		response, err := s.exchange(ctx, envelope)
		if err == nil {
			s.used = true
			b.keep(target, s, response.GetStatus() == commonpb.Status_SUCCESS)
			return response, nil
		}
		s.cancel()
		if !again || !errors.Is(err, errNotSent) || ctx.Err() != nil {
			return nil, err
		}
	}
}

// errNotSent: the envelope did not leave this computer.
var errNotSent = errors.New("the stream was closed")

// exchange sends and waits for the answer, or for the end of ctx.
func (s *broadcastStream) exchange(ctx context.Context, envelope *commonpb.Envelope) (*ordererpb.BroadcastResponse, error) {
	defer context.AfterFunc(ctx, s.cancel)()
	if err := s.client.Send(envelope); err != nil {
		_, reason := s.client.Recv() // Send itself says only that the stream ended
		return nil, fmt.Errorf("%w: %w", errNotSent, reason)
	}
	return s.client.Recv()
}

// take gives a kept stream, or opens one.
func (b *broadcasters) take(ctx context.Context, target link.Target) (*broadcastStream, error) {
	b.mu.Lock()
	if list := b.idle[keyOf(target)]; len(list) > 0 {
		s := list[len(list)-1]
		b.idle[keyOf(target)] = list[:len(list)-1]
		b.mu.Unlock()
		return s, nil
	}
	b.mu.Unlock()
	conn, err := b.peer.connections.to(target)
	if err != nil {
		return nil, err
	}
	// The stream outlives this call, but not its attempt to open.
	streamCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	client, err := ordererpb.NewAtomicBroadcastClient(conn).Broadcast(streamCtx)
	stop()
	if err != nil {
		cancel()
		return nil, err
	}
	return &broadcastStream{client: client, cancel: cancel}, nil
}

// keep puts a stream back. After anything but a success the node closes it.
func (b *broadcasters) keep(target link.Target, s *broadcastStream, open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if list := b.idle[keyOf(target)]; open && len(list) < maxIdleStreams {
		b.idle[keyOf(target)] = append(list, s)
		return
	}
	s.cancel()
}
