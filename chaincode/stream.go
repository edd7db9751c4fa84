package chaincode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
)

// Invocation is one call of a chaincode.
type Invocation struct {
	Channel  string
	TxID     string
	Init     bool // run the chaincode's Init instead of Invoke
	Input    *peerpb.ChaincodeInput
	Proposal *peerpb.SignedProposal // the shim takes creator and transient data from it

	// Answer serves one request of the chaincode (GET_STATE and so on) and gives the
	// payload of the RESPONSE. Its error becomes an ERROR reply "TYPE failed:
	// transaction ID: TXID: error", which the chaincode sees; the invocation goes on.
	// It is called in the goroutine of Execute, never twice at once. It must return
	// soon after ctx ends.
	Answer func(ctx context.Context, req *peerpb.ChaincodeMessage) (payload []byte, err error)
}

// wire is a gRPC stream of chaincode messages: the server side if the chaincode
// dialled the peer, the client side if the peer dialled the chaincode. What travels
// is the same.
type wire interface {
	Send(*peerpb.ChaincodeMessage) error
	Recv() (*peerpb.ChaincodeMessage, error)
}

// Reasons why the Host ends a stream.
var (
	errProtocol = errors.New("the chaincode broke the protocol")
	errStuck    = errors.New("the chaincode does not read its stream")
	errFlood    = errors.New("the chaincode floods the stream with requests for transactions that are not running")
	errGone     = errors.New("the chaincode closed the stream")
)

// maxStrays is how many messages that belong to no running invocation a stream may
// carry before they outweigh the ones that do. A few are normal: a chaincode goes on
// for a while after its invocation has timed out.
const maxStrays = 1000

// stream speaks the chaincode protocol (wire.md B) with one chaincode, from
// registration to loss. Any number of invocations share it. Requests are routed by
// channel and transaction id to the goroutine that waits in execute, which answers
// them itself, so a request costs no goroutine and the endorser's simulator is used
// by one goroutine only.
type stream struct {
	id    string // package id it registered with
	wire  wire
	slots chan struct{} // one for each invocation that may run at once
	stall time.Duration // how long a Send may be stuck after an invocation gave up

	lock  chan struct{} // holds a token while somebody sends
	sends atomic.Uint64 // odd while a Send is going on

	mu    sync.Mutex
	calls map[callKey]*call
	err   error         // why it ended
	done  chan struct{} // closed when it has ended
	onEnd func()        // called once, before done is closed

	// Only the receive loop uses these.
	useful uint64
	strays uint64
}

type callKey struct{ channel, txid string }

// call is one running invocation.
type call struct {
	in       chan *peerpb.ChaincodeMessage // a request, the final message, or both in this order
	busy     bool                          // a request is in the channel or being answered; guarded by stream.mu
	finished bool                          // the final message came; guarded by stream.mu
}

func newStream(id string, w wire, concurrent int, stall time.Duration, onEnd func()) *stream {
	return &stream{
		id: id, wire: w, stall: stall, onEnd: onEnd,
		slots: make(chan struct{}, concurrent),
		lock:  make(chan struct{}, 1),
		calls: make(map[callKey]*call),
		done:  make(chan struct{}),
	}
}

// Batches says which of the 3.x batch messages the chaincode may use, and how big
// they may get. It is sent with READY; shims older than that ignore it.
type Batches struct {
	Off         bool   // send an empty READY, as a 2.5 peer does
	Write       uint32 // writes in one WRITE_BATCH_STATE; 0: 1000
	GetMultiple uint32 // keys in one GET_STATE_MULTIPLE; 0: 1000
}

func (b Batches) payload() []byte {
	if b.Off {
		return nil
	}
	p := &peerpb.ChaincodeAdditionalParams{
		UseWriteBatch: true, MaxSizeWriteBatch: b.Write,
		UseGetMultipleKeys: true, MaxSizeGetMultipleKeys: b.GetMultiple,
	}
	if p.MaxSizeWriteBatch == 0 {
		p.MaxSizeWriteBatch = 1000
	}
	if p.MaxSizeGetMultipleKeys == 0 {
		p.MaxSizeGetMultipleKeys = 1000
	}
	out, err := proto.Marshal(p)
	if err != nil {
		panic(err) // four numbers always marshal
	}
	return out
}

// registeredName checks a stream's first message and gives the name in it.
func registeredName(m *peerpb.ChaincodeMessage) (string, error) {
	if m.GetType() != peerpb.ChaincodeMessage_REGISTER {
		return "", fmt.Errorf("%w: its first message is %s, not REGISTER", errProtocol, m.GetType())
	}
	var id peerpb.ChaincodeID
	if err := proto.Unmarshal(m.Payload, &id); err != nil {
		return "", fmt.Errorf("%w: REGISTER holds no chaincode id: %w", errProtocol, err)
	}
	if id.Name == "" {
		return "", fmt.Errorf("%w: REGISTER holds an empty name", errProtocol)
	}
	return id.Name, nil
}

// welcome completes the handshake: REGISTERED and, at once, READY (wire.md B.2).
func (s *stream) welcome(b Batches) error {
	for _, m := range []*peerpb.ChaincodeMessage{
		{Type: peerpb.ChaincodeMessage_REGISTERED},
		{Type: peerpb.ChaincodeMessage_READY, Payload: b.payload()},
	} {
		if err := s.send(context.Background(), m); err != nil {
			return err
		}
	}
	return nil
}

// serve is the receive loop; it returns when the stream has ended.
func (s *stream) serve() {
	for {
		m, err := s.wire.Recv()
		switch {
		case errors.Is(err, io.EOF):
			s.end(errGone)
			return
		case err != nil:
			s.end(fmt.Errorf("receive: %w", err))
			return
		}
		if err := s.route(m); err != nil {
			s.end(err)
			return
		}
	}
}

// end ends the stream, the first time for the given reason.
func (s *stream) end(reason error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = reason
	s.mu.Unlock()
	s.onEnd()
	close(s.done)
}

// reason says why the stream ended, nil while it lives.
func (s *stream) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// terminated is what invocations get when the stream has ended.
func (s *stream) terminated() error {
	return fmt.Errorf("error sending: %w", ErrStreamTerminated)
}

// route takes one message from the chaincode. Its error ends the stream.
func (s *stream) route(m *peerpb.ChaincodeMessage) error {
	switch m.Type {
	case peerpb.ChaincodeMessage_COMPLETED, peerpb.ChaincodeMessage_ERROR:
		return s.finish(m)
	case peerpb.ChaincodeMessage_KEEPALIVE:
		return s.count(false)
	}
	if !isRequest(m.Type) {
		return fmt.Errorf("%w: it sent %s", errProtocol, m.Type)
	}
	s.mu.Lock()
	c := s.calls[callKey{m.ChannelId, m.Txid}]
	if c != nil && !c.busy && !c.finished {
		c.busy = true
		c.in <- m // has room: busy was false
		s.mu.Unlock()
		return s.count(true)
	}
	s.mu.Unlock()
	if c != nil {
		// One request at a time: a real peer drops the second without a word, and a
		// reply nobody waits for would end the stream at the other side.
		return s.count(false)
	}
	if err := s.count(false); err != nil {
		return err
	}
	return s.send(context.Background(), failure(m, errors.New("no ledger context")))
}

// finish hands the final message of an invocation to the one who waits. One that
// comes late, after a timeout, is dropped.
func (s *stream) finish(m *peerpb.ChaincodeMessage) error {
	s.mu.Lock()
	c := s.calls[callKey{m.ChannelId, m.Txid}]
	if c == nil || c.finished {
		s.mu.Unlock()
		return s.count(false)
	}
	c.finished = true
	c.in <- m // has room: one request at most is before it
	s.mu.Unlock()
	return s.count(true)
}

// count notices a flood.
func (s *stream) count(useful bool) error {
	if useful {
		s.useful++
		return nil
	}
	if s.strays++; s.strays > maxStrays && s.strays > s.useful {
		return errFlood
	}
	return nil
}

func isRequest(t peerpb.ChaincodeMessage_Type) bool {
	switch t {
	case peerpb.ChaincodeMessage_GET_STATE, peerpb.ChaincodeMessage_PUT_STATE, peerpb.ChaincodeMessage_DEL_STATE,
		peerpb.ChaincodeMessage_INVOKE_CHAINCODE, peerpb.ChaincodeMessage_GET_STATE_BY_RANGE,
		peerpb.ChaincodeMessage_GET_QUERY_RESULT, peerpb.ChaincodeMessage_QUERY_STATE_NEXT,
		peerpb.ChaincodeMessage_QUERY_STATE_CLOSE, peerpb.ChaincodeMessage_GET_HISTORY_FOR_KEY,
		peerpb.ChaincodeMessage_GET_STATE_METADATA, peerpb.ChaincodeMessage_PUT_STATE_METADATA,
		peerpb.ChaincodeMessage_GET_PRIVATE_DATA_HASH, peerpb.ChaincodeMessage_PURGE_PRIVATE_DATA,
		peerpb.ChaincodeMessage_WRITE_BATCH_STATE, peerpb.ChaincodeMessage_GET_STATE_MULTIPLE:
		return true
	}
	return false
}

func failure(req *peerpb.ChaincodeMessage, cause error) *peerpb.ChaincodeMessage {
	return &peerpb.ChaincodeMessage{
		Type: peerpb.ChaincodeMessage_ERROR, Txid: req.Txid, ChannelId: req.ChannelId,
		Payload: fmt.Appendf(nil, "%s failed: transaction ID: %s: %s", req.Type, req.Txid, cause),
	}
}

// send writes one message; writers take turns. It gives up waiting for its turn when
// ctx ends, but not in the middle of a message.
func (s *stream) send(ctx context.Context, m *peerpb.ChaincodeMessage) error {
	select {
	case s.lock <- struct{}{}:
	default:
		select {
		case s.lock <- struct{}{}:
		case <-s.done:
			return s.terminated()
		case <-ctx.Done():
			return expired(ctx)
		}
	}
	s.sends.Add(1)
	err := s.wire.Send(m)
	s.sends.Add(1)
	<-s.lock
	if err != nil {
		s.end(fmt.Errorf("send %s: %w", m.Type, err))
		return s.terminated()
	}
	return nil
}

// watchStuck ends the stream if the Send that is going on now is still going on after
// the stall time. It is called when an invocation's time is up: then either nobody is
// sending, or the chaincode has stopped reading and every invocation hangs.
func (s *stream) watchStuck() {
	now := s.sends.Load()
	if now%2 == 0 {
		return
	}
	time.AfterFunc(s.stall, func() {
		if s.sends.Load() == now {
			s.end(errStuck)
		}
	})
}

// execute runs one invocation. ctx carries its deadline. The answer is the
// chaincode's COMPLETED or ERROR message.
func (s *stream) execute(ctx context.Context, inv *Invocation) (*peerpb.ChaincodeMessage, error) {
	first, err := opening(inv)
	if err == nil {
		err = tooLarge(first)
	}
	if err != nil {
		return nil, err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-s.done:
		return nil, s.terminated()
	case <-ctx.Done():
		return nil, expired(ctx)
	}
	key := callKey{inv.Channel, inv.TxID}
	c, err := s.enter(key)
	if err != nil {
		return nil, err
	}
	defer s.leave(key, c)
	defer context.AfterFunc(ctx, s.watchStuck)()
	if err := s.send(ctx, first); err != nil {
		return nil, err
	}
	for {
		select {
		case m := <-c.in:
			if m.Type == peerpb.ChaincodeMessage_COMPLETED || m.Type == peerpb.ChaincodeMessage_ERROR {
				return m, nil
			}
			if err := s.answer(ctx, inv, c, m); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, expired(ctx)
		case <-s.done:
			return nil, s.terminated()
		}
	}
}

// maxMessage is what a shim takes; the rest is for what is around the large fields.
const maxMessage = 100<<20 - 64<<10

// tooLarge refuses what no shim would take: sending it would end the stream, with
// everybody else's invocations on it.
func tooLarge(m *peerpb.ChaincodeMessage) error {
	size := len(m.Payload) + len(m.GetProposal().GetProposalBytes())
	if size <= maxMessage {
		return nil
	}
	return fmt.Errorf("error sending: a message of %d bytes to the chaincode, at most %d are possible: send less data in one transaction", size, maxMessage)
}

// opening is the message that starts an invocation.
func opening(inv *Invocation) (*peerpb.ChaincodeMessage, error) {
	input, err := proto.Marshal(inv.Input)
	if err != nil {
		return nil, fmt.Errorf("write the chaincode input: %w", err)
	}
	t := peerpb.ChaincodeMessage_TRANSACTION
	if inv.Init {
		t = peerpb.ChaincodeMessage_INIT
	}
	return &peerpb.ChaincodeMessage{Type: t, Payload: input, Txid: inv.TxID, ChannelId: inv.Channel, Proposal: inv.Proposal}, nil
}

// answer serves one request and replies. The request counts as finished before the
// reply is written: the chaincode's next one may come before Send returns.
func (s *stream) answer(ctx context.Context, inv *Invocation, c *call, req *peerpb.ChaincodeMessage) error {
	payload, err := inv.Answer(ctx, req)
	reply := &peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_RESPONSE, Payload: payload, Txid: req.Txid, ChannelId: req.ChannelId}
	if err == nil {
		err = tooLarge(reply)
	}
	if err != nil {
		reply = failure(req, err)
	}
	s.mu.Lock()
	c.busy = false
	s.mu.Unlock()
	// Without ctx: the chaincode waits for this reply even if nobody waits for the
	// chaincode any more.
	return s.send(context.Background(), reply)
}

func (s *stream) enter(key callKey) (*call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.terminated()
	}
	if s.calls[key] != nil {
		return nil, fmt.Errorf("error sending: txid: %s(%s) %w", key.txid, key.channel, ErrTxExists)
	}
	c := &call{in: make(chan *peerpb.ChaincodeMessage, 2)}
	s.calls[key] = c
	return c, nil
}

// leave forgets the invocation. A request that came too late to be served is still
// answered, because the chaincode waits for it.
func (s *stream) leave(key callKey, c *call) {
	s.mu.Lock()
	delete(s.calls, key)
	alive := s.err == nil
	s.mu.Unlock()
	select {
	case m := <-c.in:
		if alive && isRequest(m.Type) {
			_ = s.send(context.Background(), failure(m, errors.New("no ledger context"))) // a failed send has ended the stream
		}
	default:
	}
}

// expired is what an invocation gets when its ctx has ended: ErrTimeout if its time
// was up, otherwise the reason why the caller gave up.
func expired(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("error sending: %w", ErrTimeout)
	}
	return fmt.Errorf("error sending: the caller gave up: %w", context.Cause(ctx))
}
