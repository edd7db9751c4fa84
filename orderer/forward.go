package orderer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/orderer/clusterpb"
)

const (
	forwardTime = 7 * time.Second // as in Fabric
	maxForwards = 4096            // envelopes on their way to one leader
)

// forwards passes envelopes from this node to those that lead, over one stream for
// each of them and channel.
type forwards struct {
	node *Node

	mu   sync.Mutex
	ways map[forwardKey]*forwardWay
}

type forwardKey struct{ leader, channel string }

// forwardWay is where the stream to one leader is, or will be.
type forwardWay struct {
	opening sync.Mutex // held while the stream is opened
	stream  *forwardStream
	cancel  context.CancelCauseFunc // ends the stream, also while it is opened; under forwards.mu
}

// errDeposed: the node that an envelope was passed to does not lead any more. If it
// hangs it will never say so.
var errDeposed = errors.New("it does not lead any more")

// forwardStream is the stream to one leader.
type forwardStream struct {
	stream  clusterpb.ForwardClient
	ctx     context.Context
	cancel  context.CancelCauseFunc
	sending sync.Mutex

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan Verdict
	broken  error
}

// send passes an envelope to the leader and returns its verdict.
func (f *forwards) send(ctx context.Context, leader string, c *chain, s submission) Verdict {
	stream, err := f.open(leader, c)
	if err != nil {
		return unavailable("pass the transaction to the Raft leader %s: %v", leader, err)
	}
	ctx, cancel := f.node.config.Link.Net().WithTimeout(ctx, s.message.TxID, forwardTime)
	defer cancel()
	verdict, err := stream.exchange(ctx, &clusterpb.ForwardRequest{
		Channel: c.name, TxId: s.message.TxID,
		Payload: s.message.Envelope.Payload, Signature: s.message.Envelope.Signature, Unknown: s.message.Envelope.ProtoReflect().GetUnknown(),
	})
	if err != nil {
		return unavailable("pass the transaction to the Raft leader %s: %v", leader, err)
	}
	return verdict
}

// open returns the stream to a node.
func (f *forwards) open(leader string, c *chain) (*forwardStream, error) {
	f.mu.Lock()
	way := f.ways[forwardKey{leader, c.name}]
	if way == nil {
		way = &forwardWay{}
		f.ways[forwardKey{leader, c.name}] = way
	}
	f.mu.Unlock()
	way.opening.Lock()
	defer way.opening.Unlock()
	if s := way.stream; s != nil && s.err() == nil {
		return s, nil
	}
	connection, err := f.node.peers.Connection(leader, f.node.addressOf(leader))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(f.node.ctx)
	f.mu.Lock()
	way.cancel = cancel
	f.mu.Unlock()
	if c.leaderName() != leader { // after cancel is set: one of the two notices
		cancel(errDeposed)
	}
	timer := time.AfterFunc(forwardTime, func() { cancel(context.DeadlineExceeded) })
	stream, err := clusterpb.OpenForward(ctx, connection)
	if timer.Stop(); err != nil {
		cancel(err)
		return nil, context.Cause(ctx)
	}
	way.stream = &forwardStream{stream: stream, ctx: ctx, cancel: cancel, waiting: make(map[uint64]chan Verdict)}
	go way.stream.receive()
	return way.stream, nil
}

// leave gives up what is on its way to a node that does not lead a channel any more.
func (f *forwards) leave(leader, channel string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if way := f.ways[forwardKey{leader, channel}]; way != nil && way.cancel != nil {
		way.cancel(errDeposed)
	}
}

func (s *forwardStream) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// exchange sends a request and waits for its answer.
func (s *forwardStream) exchange(ctx context.Context, request *clusterpb.ForwardRequest) (Verdict, error) {
	answer := make(chan Verdict, 1)
	s.mu.Lock()
	switch {
	case s.broken != nil:
		s.mu.Unlock()
		return Verdict{}, s.broken
	case len(s.waiting) >= maxForwards:
		s.mu.Unlock()
		return Verdict{}, fmt.Errorf("%d transactions wait for its answer already", maxForwards)
	}
	s.last++
	request.Id = s.last
	s.waiting[request.Id] = answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.waiting, request.Id)
		s.mu.Unlock()
	}()
	if err := s.write(request); err != nil {
		return Verdict{}, err
	}
	select {
	case verdict, ok := <-answer:
		if !ok {
			return Verdict{}, s.err()
		}
		return verdict, nil
	case <-ctx.Done():
		return Verdict{}, fmt.Errorf("no answer: %w", ctx.Err())
	}
}

// write sends one request. A leader that reads nothing any more blocks it, which
// ends the stream after a while.
func (s *forwardStream) write(request *clusterpb.ForwardRequest) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	timer := time.AfterFunc(forwardTime, func() { s.cancel(context.DeadlineExceeded) })
	defer timer.Stop()
	if err := s.stream.Send(request); err != nil {
		s.fail(err)
		return err
	}
	return nil
}

// receive takes answers until the stream ends.
func (s *forwardStream) receive() {
	for {
		reply, err := s.stream.Recv()
		if err != nil {
			s.fail(err)
			return
		}
		s.mu.Lock()
		answer := s.waiting[reply.GetId()]
		delete(s.waiting, reply.GetId())
		s.mu.Unlock()
		if answer != nil {
			answer <- Verdict{Status: commonpb.Status(reply.GetStatus()), Info: reply.GetInfo()}
		}
	}
}

// fail ends the stream and everybody's waiting.
func (s *forwardStream) fail(err error) {
	if errors.Is(err, io.EOF) {
		err = errors.New("the leader ended the stream")
	}
	s.cancel(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return
	}
	s.broken = context.Cause(s.ctx)
	for _, answer := range s.waiting {
		close(answer)
	}
	clear(s.waiting)
}

// Forward takes envelopes from followers. Each is ordered here or not at all: it
// is never passed on a second time.
func (n *Node) Forward(stream clusterpb.ForwardServer) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		c := n.chain(request.GetChannel())
		if err := n.allowed(stream.Context(), c); err != nil {
			return status.Error(codes.PermissionDenied, err.Error())
		}
		verdict := n.orderForwarded(stream.Context(), c, request)
		reply := &clusterpb.ForwardReply{Id: request.GetId(), TxId: request.GetTxId(), Status: int32(verdict.Status), Info: verdict.Info}
		if err := stream.Send(reply); err != nil {
			return err
		}
	}
}

// orderForwarded orders what a follower has checked, and believes nothing of that:
// the leader looks at it as if a client had sent it. One envelope in a block that
// peers refuse would stop the channel for ever.
func (n *Node) orderForwarded(ctx context.Context, c *chain, request *clusterpb.ForwardRequest) Verdict {
	envelope := &commonpb.Envelope{Payload: request.GetPayload(), Signature: request.GetSignature()}
	envelope.ProtoReflect().SetUnknown(request.GetUnknown())
	m, verdict := ReadMessage(envelope)
	if !verdict.OK() {
		return verdict
	}
	s, verdict := c.checked(m)
	if !verdict.OK() {
		return verdict
	}
	return c.order(ctx, s, forwardTime, false)
}
