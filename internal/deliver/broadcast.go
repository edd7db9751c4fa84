package deliver

import (
	"context"
	"errors"
	"fmt"
	"sync"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"

	"github.com/fabriscope/fabriscope/internal/link"
)

// Broadcasts sends envelopes to ordering nodes. It keeps streams open between them,
// and each carries one envelope at a time: every answer is certain to be its own, and
// a held or slow envelope never delays the answer to another.
type Broadcasts struct {
	connections *Connections

	mu   sync.Mutex
	idle map[nodeKey][]*broadcastStream
}

// maxIdleStreams is how many unused streams are kept for each ordering node.
const maxIdleStreams = 256

type broadcastStream struct {
	client ordererpb.AtomicBroadcast_BroadcastClient
	cancel context.CancelFunc
	used   bool // it has carried an envelope before
}

// NewBroadcasts makes a pool over these connections. It ends with them.
func NewBroadcasts(connections *Connections) *Broadcasts {
	return &Broadcasts{connections: connections, idle: map[nodeKey][]*broadcastStream{}}
}

// Send gives one envelope to one node and waits for its answer, or for the end of
// ctx, or until the node hangs. A kept stream may have died unnoticed; then a new one
// is tried, unless the node may have seen the envelope.
func (b *Broadcasts) Send(ctx context.Context, node link.Target, envelope *commonpb.Envelope) (*ordererpb.BroadcastResponse, error) {
	ctx, release := b.connections.Guarded(ctx, node)
	defer release()
	response, err := b.send(ctx, node, envelope)
	return response, Failure(ctx, err)
}

func (b *Broadcasts) send(ctx context.Context, node link.Target, envelope *commonpb.Envelope) (*ordererpb.BroadcastResponse, error) {
	for {
		s, err := b.stream(ctx, node)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, s.cancel)
		response, err := s.exchange(envelope)
		alive := stop()
		if err == nil {
			// After anything but a success the node ends the stream.
			if alive && response.GetStatus() == commonpb.Status_SUCCESS {
				b.keep(node, s)
			} else {
				s.cancel()
			}
			return response, nil
		}
		s.cancel()
		if !s.used || !errors.Is(err, errNotSent) || ctx.Err() != nil {
			return nil, err
		}
	}
}

// errNotSent: the envelope did not leave this computer.
var errNotSent = errors.New("the stream was closed")

// exchange sends and waits for the answer.
func (s *broadcastStream) exchange(envelope *commonpb.Envelope) (*ordererpb.BroadcastResponse, error) {
	if err := s.client.Send(envelope); err != nil {
		_, reason := s.client.Recv() // Send itself says only that the stream ended
		return nil, fmt.Errorf("%w: %w", errNotSent, reason)
	}
	return s.client.Recv()
}

// stream gives a kept stream, or opens one.
func (b *Broadcasts) stream(ctx context.Context, node link.Target) (*broadcastStream, error) {
	if s := b.kept(node); s != nil {
		return s, nil
	}
	conn, err := b.connections.To(node)
	if err != nil {
		return nil, err
	}
	// The stream outlives this call, but not its attempt to open.
	streamCtx, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, cancel)
	client, err := ordererpb.NewAtomicBroadcastClient(conn).Broadcast(streamCtx)
	stop()
	if err != nil {
		cancel()
		return nil, err
	}
	return &broadcastStream{client: client, cancel: cancel}, nil
}

// kept gives a stream that is idle, nil if there is none.
func (b *Broadcasts) kept(node link.Target) *broadcastStream {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.idle[keyOf(node)]
	if len(list) == 0 {
		return nil
	}
	s := list[len(list)-1]
	b.idle[keyOf(node)] = list[:len(list)-1]
	return s
}

// keep keeps a stream for the next envelope.
func (b *Broadcasts) keep(node link.Target, s *broadcastStream) {
	s.used = true
	b.mu.Lock()
	defer b.mu.Unlock()
	if list := b.idle[keyOf(node)]; len(list) < maxIdleStreams {
		b.idle[keyOf(node)] = append(list, s)
		return
	}
	s.cancel()
}
