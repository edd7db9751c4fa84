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

// forwards passes envelopes from this node to those that lead, over one stream to
// each of them.
type forwards struct {
	node *Node

	mu      sync.Mutex
	streams map[string]*forwardStream
}

// forwardStream is the stream to one leader.
type forwardStream struct {
	name    string
	stream  clusterpb.ForwardClient
	cancel  context.CancelFunc
	sending sync.Mutex

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan Verdict
	broken  error
}

// send passes an envelope to the leader and returns its verdict.
func (f *forwards) send(ctx context.Context, leader, channel string, s submission) Verdict {
	stream, err := f.open(leader)
	if err != nil {
		return unavailable("pass the transaction to the Raft leader %s: %v", leader, err)
	}
	ctx, cancel := f.node.config.Link.Net().WithTimeout(ctx, s.message.TxID, forwardTime)
	defer cancel()
	verdict, err := stream.exchange(ctx, &clusterpb.ForwardRequest{
		Channel: channel, TxId: s.message.TxID,
		Payload: s.message.Envelope.Payload, Signature: s.message.Envelope.Signature, Unknown: s.message.Envelope.ProtoReflect().GetUnknown(),
		Sequence: s.sequence, Checked: s.config == nil,
	})
	if err != nil {
		return unavailable("pass the transaction to the Raft leader %s: %v", leader, err)
	}
	return verdict
}

// open returns the stream to a node.
func (f *forwards) open(leader string) (*forwardStream, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.streams[leader]; s != nil && s.err() == nil {
		return s, nil
	}
	connection, err := f.node.peers.Connection(leader, f.node.addressOf(leader))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(f.node.ctx)
	stream, err := clusterpb.OpenForward(ctx, connection)
	if err != nil {
		cancel()
		return nil, err
	}
	s := &forwardStream{name: leader, stream: stream, cancel: cancel, waiting: make(map[uint64]chan Verdict)}
	f.streams[leader] = s
	go s.receive()
	return s, nil
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
	timer := time.AfterFunc(forwardTime, s.cancel)
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
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return
	}
	s.broken = err
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

// orderForwarded orders what a follower has checked. It is checked again only if
// the configuration is another one here; configuration updates always are.
func (n *Node) orderForwarded(ctx context.Context, c *chain, request *clusterpb.ForwardRequest) Verdict {
	envelope := &commonpb.Envelope{Payload: request.GetPayload(), Signature: request.GetSignature()}
	envelope.ProtoReflect().SetUnknown(request.GetUnknown())
	s := submission{sequence: request.GetSequence()}
	if request.GetChecked() && s.sequence == c.bundle.Load().Sequence() {
		s.message = &Message{Envelope: envelope, Channel: c.name, TxID: request.GetTxId()}
	} else {
		m, verdict := ReadMessage(envelope)
		if !verdict.OK() {
			return verdict
		}
		if s, verdict = c.checked(m); !verdict.OK() {
			return verdict
		}
	}
	return c.order(ctx, s, forwardTime, false)
}
