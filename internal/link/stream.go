package link

import (
	"context"
	"io"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// maxUnanswered bounds the requests of a stream that wait for their answers. A
// stream with more of them shows its answers without their transactions.
const maxUnanswered = 4096

// stream is one end of a gRPC stream.
type stream struct {
	*call
	ctx  context.Context
	send func(message any) error
	recv func(message any) error

	mu         sync.Mutex // guards what follows, and call.other and call.about
	sent       uint64     // messages handed over by our end
	received   uint64
	unanswered []trace.Event // requests without an answer yet, for methods of order answered
	behind     map[string]chan struct{}

	sendLock sync.Mutex // serialises sends on a perTx stream; guards ended
	ended    bool

	pump  sync.Once
	ready chan delivered // messages behind a parked one; nil until the first is parked
}

// delivered is a message that the pump took from the connection.
type delivered struct {
	message proto.Message
	err     error
}

type streamKey struct{}

// NameStream tells the link who is at the other end of a stream that a server
// handles, once the protocol has said it: events from now on carry that name.
// ctx is the stream's context. Without it a chaincode is called after the label
// in its REGISTER message, "asset@peer0.org1.example.com".
func (e *Endpoint) NameStream(ctx context.Context, name string) {
	if s, ok := ctx.Value(streamKey{}).(*stream); ok {
		s.mu.Lock()
		s.other = name
		s.mu.Unlock()
	}
}

// dialStream wraps the streams that our end opens.
func (e *Endpoint) dialStream(to Target) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, full string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
		c, ctx := e.dialled(ctx, to, full)
		raw, err := open(ctx, desc, conn, full, options...)
		if err != nil {
			return nil, err
		}
		s := &stream{call: c, send: raw.SendMsg, recv: raw.RecvMsg}
		s.ctx = context.WithValue(raw.Context(), streamKey{}, s)
		return &clientStream{raw, s}, nil
	}
}

// serveStream wraps the streams that our end handles.
func (e *Endpoint) serveStream(server any, raw grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer e.rescue(info.FullMethod, &err)
	s := &stream{call: e.served(raw.Context(), info.FullMethod), send: raw.SendMsg, recv: raw.RecvMsg}
	s.ctx = context.WithValue(raw.Context(), streamKey{}, s)
	defer s.end()
	return handle(server, &serverStream{raw, s})
}

type clientStream struct {
	grpc.ClientStream
	s *stream
}

func (c *clientStream) Context() context.Context  { return c.s.ctx }
func (c *clientStream) SendMsg(message any) error { return c.s.hand(message) }
func (c *clientStream) RecvMsg(message any) error { return c.s.take(message) }

type serverStream struct {
	grpc.ServerStream
	s *stream
}

func (c *serverStream) Context() context.Context  { return c.s.ctx }
func (c *serverStream) SendMsg(message any) error { return c.s.hand(message) }
func (c *serverStream) RecvMsg(message any) error { return c.s.take(message) }

// end keeps parked messages from being sent after the handler has returned.
func (s *stream) end() {
	s.sendLock.Lock()
	s.ended = true
	s.sendLock.Unlock()
}

// next describes the stream's next message in one direction. messages without a
// recorder or hold are only counted, so that both ends keep the same numbers.
func (s *stream) next(dir trace.Dir, message any) (e trace.Event, described bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counter := &s.sent
	if dir == trace.Received {
		counter = &s.received
	}
	position := *counter
	*counter++
	if s.net.off() {
		return trace.Event{}, false
	}
	answer := s.serving == (dir == trace.Sent)
	if s.method.order == answered && answer && len(s.unanswered) > 0 {
		s.about = s.unanswered[0]
		s.unanswered = s.unanswered[1:]
	}
	e = s.event(dir, answer, position, message)
	switch {
	case answer || s.method.order == perTx:
	case s.method.order == inOrder:
		s.about = e
	case len(s.unanswered) < maxUnanswered:
		s.unanswered = append(s.unanswered, e)
	}
	if e.Kind == trace.ChaincodeRegister && s.other == outsider {
		label, _, _ := strings.Cut(e.Key, ":")
		s.other = label + "@" + s.self
		e.Other = s.other
	}
	return e, true
}

// hand sends a message, or parks it.
func (s *stream) hand(message any) error {
	e, described := s.next(trace.Sent, message)
	if s.method.order == perTx {
		return s.handPerTx(e, described, message)
	}
	if !described {
		return s.send(message)
	}
	if err := s.sending(s.ctx, &e, message); err != nil {
		return status.FromContextError(err).Err()
	}
	err := s.send(message)
	if err != nil {
		s.loseSent(e, err)
	}
	return err
}

// loseSent records a message that could not be sent. gRPC says io.EOF then; the
// receiving side of the stream knows the reason.
func (s *stream) loseSent(e trace.Event, err error) {
	if err == io.EOF {
		e.Name = e.Dir.String()
		e.Dir, e.What, e.Note = trace.Lost, trace.LostGone, "the connection is gone"
		s.net.trace.Record(e)
		return
	}
	s.lose(e, err)
}

// handPerTx sends a message on a stream that several transactions share. One
// that is held is copied and sent later; the stream goes on.
func (s *stream) handPerTx(e trace.Event, described bool, message any) error {
	var stopped *held
	if described {
		s.net.record(e, message, true)
		stopped = s.net.stop(&e, message)
	}
	before, mine := s.queue("out "+e.TxID, stopped != nil)
	if stopped == nil && before == nil {
		return s.sendNow(message)
	}
	kept := message
	if m, ok := message.(proto.Message); ok {
		kept = proto.Clone(m)
	}
	go func() {
		defer s.leave("out "+e.TxID, mine)
		if !s.turn(before, stopped) {
			return
		}
		if err := s.sendNow(kept); err != nil {
			s.loseSent(e, err)
		}
	}()
	return nil
}

// sendNow sends under the lock that parked messages need too.
func (s *stream) sendNow(message any) error {
	s.sendLock.Lock()
	defer s.sendLock.Unlock()
	if s.ended {
		return io.EOF
	}
	return s.send(message)
}

// queue says after which parked message of the same transaction this one must
// go, nil for none. If this one is parked (because of that one, or because park
// says so) mine is what the next one waits for.
func (s *stream) queue(lane string, park bool) (before, mine chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before = s.behind[lane]
	if before == nil && !park {
		return nil, nil
	}
	if s.behind == nil {
		s.behind = make(map[string]chan struct{})
	}
	mine = make(chan struct{})
	s.behind[lane] = mine
	return before, mine
}

// leave lets the next parked message of the lane go.
func (s *stream) leave(lane string, mine chan struct{}) {
	s.mu.Lock()
	if s.behind[lane] == mine {
		delete(s.behind, lane)
	}
	s.mu.Unlock()
	close(mine)
}

// turn waits until a parked message may go on; false when the stream has ended.
func (s *stream) turn(before chan struct{}, stopped *held) bool {
	if s.net.wait(s.ctx, stopped) != nil {
		return false
	}
	if before == nil {
		return true
	}
	select {
	case <-before:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// take receives a message.
func (s *stream) take(message any) error {
	if s.method.order == perTx {
		return s.takePerTx(message)
	}
	if err := s.recv(message); err != nil {
		return err
	}
	e, described := s.next(trace.Received, message)
	if !described {
		return nil
	}
	if err := s.taking(s.ctx, &e, message); err != nil {
		return status.FromContextError(err).Err()
	}
	return nil
}

// takePerTx receives a message on a stream that several transactions share. From
// the first held one on, a goroutine reads ahead, so that messages of other
// transactions pass the one that stands still.
func (s *stream) takePerTx(message any) error {
	if s.pumping() {
		return s.takeReady(message)
	}
	if err := s.recv(message); err != nil {
		return err
	}
	m, ok := message.(proto.Message)
	if !ok || !s.arrive(m) {
		return nil
	}
	s.pump.Do(func() { go s.readAhead(m.ProtoReflect().New().Interface()) })
	return s.takeReady(message)
}

func (s *stream) pumping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready != nil
}

// arrive records a message that came in. It reports whether the message was
// parked: a copy then comes out of ready later.
func (s *stream) arrive(m proto.Message) (parked bool) {
	e, described := s.next(trace.Received, m)
	if !described {
		return false
	}
	var stopped *held
	if s.outside {
		stopped = s.net.stop(&e, m)
	}
	before, mine := s.queue("in "+e.TxID, stopped != nil)
	if stopped == nil && before == nil {
		s.net.record(e, m, s.outside)
		return false
	}
	s.mu.Lock()
	if s.ready == nil {
		s.ready = make(chan delivered)
	}
	s.mu.Unlock()
	kept := proto.Clone(m)
	go func() {
		defer s.leave("in "+e.TxID, mine)
		if !s.turn(before, stopped) {
			return
		}
		s.net.record(e, kept, s.outside)
		s.deliver(delivered{message: kept})
	}()
	return true
}

// readAhead takes messages from the connection until it ends.
func (s *stream) readAhead(sample proto.Message) {
	for {
		m := sample.ProtoReflect().New().Interface()
		if err := s.recv(m); err != nil {
			s.deliver(delivered{err: err})
			return
		}
		if !s.arrive(m) && !s.deliver(delivered{message: m}) {
			return
		}
	}
}

// deliver hands a message to takeReady; false when the stream has ended.
func (s *stream) deliver(d delivered) bool {
	select {
	case s.ready <- d:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// takeReady fills message with the next one that may go on.
func (s *stream) takeReady(message any) error {
	select {
	case d := <-s.ready:
		if d.err != nil {
			return d.err
		}
		target := message.(proto.Message) // takePerTx saw that it is one
		proto.Reset(target)
		proto.Merge(target, d.message)
		return nil
	case <-s.ctx.Done():
		return status.FromContextError(s.ctx.Err()).Err()
	}
}
