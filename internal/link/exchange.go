package link

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// exchange is one call over a line.
type exchange struct {
	line   *line
	method string
	caller context.Context         // the client's
	ctx    context.Context         // the handler's: nothing of the client's but deadline and metadata
	cancel context.CancelCauseFunc // the cause is what the client's call fails with

	mu      sync.Mutex
	header  metadata.MD
	trailer metadata.MD
	begun   chan struct{} // closed once the header is final
	once    sync.Once
}

// begin makes the call known to both ends.
func (l *line) begin(caller context.Context, method string) *exchange {
	x := &exchange{line: l, method: method, caller: caller, begun: make(chan struct{})}
	x.ctx, x.cancel = context.WithCancelCause(l.ctx)
	if deadline, ok := caller.Deadline(); ok {
		limited, stop := context.WithDeadline(x.ctx, deadline)
		end := x.cancel
		x.ctx, x.cancel = limited, func(cause error) { end(cause); stop() }
	}
	md, _ := metadata.FromOutgoingContext(caller)
	if md == nil {
		md = metadata.MD{}
	}
	x.ctx = grpc.NewContextWithServerTransportStream(metadata.NewIncomingContext(x.ctx, md), x)
	return x
}

// failure is what the client's call fails with once a context has ended before the answer.
func (x *exchange) failure() error {
	if err := x.caller.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	cause := context.Cause(x.ctx)
	if x.line.ctx.Err() != nil {
		cause = context.Cause(x.line.ctx)
	}
	if _, ok := status.FromError(cause); ok {
		return cause
	}
	return status.FromContextError(cause).Err()
}

// outcome is what the client gets of a handler's error: a status, as if it had travelled.
func outcome(err error) error {
	if err == nil {
		return nil
	}
	s, ok := status.FromError(err)
	if !ok {
		s = status.FromContextError(err)
	}
	return s.Err()
}

// Method, SetHeader, SendHeader and SetTrailer are what grpc.SetTrailer and its like use.
func (x *exchange) Method() string { return x.method }

func (x *exchange) SetHeader(md metadata.MD) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.header = metadata.Join(x.header, md)
	return nil
}

func (x *exchange) SendHeader(md metadata.MD) error {
	err := x.SetHeader(md)
	x.once.Do(func() { close(x.begun) })
	return err
}

func (x *exchange) SetTrailer(md metadata.MD) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.trailer = metadata.Join(x.trailer, md)
	return nil
}

func (x *exchange) trailers() metadata.MD {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.trailer
}

// options are those of a call that a line knows to follow.
type options struct {
	trailer       *metadata.MD
	send, receive int // limits of messages
}

// readOptions is false if there is one that only the wire follows.
func readOptions(all []grpc.CallOption) (o options, ok bool) {
	o.send, o.receive = maxMessage, maxMessage
	for _, option := range all {
		switch option := option.(type) {
		case grpc.TrailerCallOption:
			o.trailer = option.TrailerAddr
		case grpc.MaxSendMsgSizeCallOption:
			o.send = option.MaxSendMsgSize
		case grpc.MaxRecvMsgSizeCallOption:
			o.receive = option.MaxRecvMsgSize
		case grpc.FailFastCallOption, grpc.StaticMethodCallOption: // nothing to wait for, nothing to count
		default:
			return o, false
		}
	}
	return o, true
}

// fits refuses what is larger than one of the limits, in gRPC's words.
func fits(message proto.Message, send, receive int) (size int, err error) {
	size = proto.Size(message)
	switch {
	case size > send:
		return size, status.Errorf(codes.ResourceExhausted, "trying to send message larger than max (%d vs. %d)", size, send)
	case size > receive:
		return size, status.Errorf(codes.ResourceExhausted, "grpc: received message larger than max (%d vs. %d)", size, receive)
	}
	return size, nil
}

// unary is the interceptor for calls with one answer.
func (d *direct) unary(ctx context.Context, full string, request, response any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, given ...grpc.CallOption) error {
	asked, ok := request.(proto.Message)
	settings, known := readOptions(given)
	l := d.line(ctx, conn)
	if !ok || !known || l == nil {
		return invoke(ctx, full, request, response, conn, given...)
	}
	m := l.server.methods[full]
	if m == nil || m.unary == nil {
		return invoke(ctx, full, request, response, conn, given...)
	}
	if _, err := fits(asked, settings.send, maxMessage); err != nil {
		return err
	}
	return l.call(ctx, full, m, asked, response, settings)
}

// answer is what a handler gives.
type answer struct {
	message any
	due     time.Time
	err     error
}

// call hands the request to the handler and its answer to the client, who does not wait
// for a handler that does not notice the end of its context.
func (l *line) call(ctx context.Context, full string, m *handler, request proto.Message, response any, settings options) error {
	x := l.begin(ctx, full)
	arrival := l.out.due()
	done := make(chan answer, 1)
	go func() {
		defer x.cancel(context.Canceled)
		if !await(arrival, ctx, x.ctx) {
			return
		}
		message, err := m.unary.Handler(m.impl, x.ctx, func(into any) error { return hand(into, request) }, l.server.unary)
		if err = outcome(err); err == nil {
			switch m := message.(type) {
			case nil: // stands for an empty one, as on the wire
			case proto.Message:
				_, err = fits(m, maxMessage, settings.receive)
			default:
				err = errNoMessage(message)
			}
		}
		if x.ctx.Err() != nil {
			return // nobody hears it
		}
		done <- answer{message, l.in.due(), err}
	}()
	var a answer
	select {
	case a = <-done:
	case <-ctx.Done():
		x.cancel(ctx.Err())
		return x.failure()
	case <-x.ctx.Done():
		select {
		case a = <-done: // its end is the end of the context
		default:
			return x.failure()
		}
	}
	if !await(a.due, ctx, l.ctx) {
		return x.failure()
	}
	if settings.trailer != nil {
		*settings.trailer = x.trailers()
	}
	if a.err != nil || a.message == nil {
		return a.err
	}
	return hand(response, a.message)
}

// hand gives the receiver what the sender has sent: a message of its own whose parts are
// the sender's. Nobody changes a message that was sent or received, see DESIGN.md.
func hand(into, from any) error {
	dst, src := into.(proto.Message).ProtoReflect(), from.(proto.Message).ProtoReflect()
	if dst.Type() != src.Type() {
		bytes, err := proto.Marshal(src.Interface())
		if err == nil {
			err = proto.Unmarshal(bytes, dst.Interface())
		}
		return err
	}
	proto.Reset(dst.Interface())
	src.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		dst.Set(field, value)
		return true
	})
	if unknown := src.GetUnknown(); len(unknown) > 0 {
		dst.SetUnknown(unknown)
	}
	return nil
}

// stream is the interceptor for calls with more than one message in a direction.
func (d *direct) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, full string, open grpc.Streamer, given ...grpc.CallOption) (grpc.ClientStream, error) {
	settings, known := readOptions(given)
	l := d.line(ctx, conn)
	if !known || settings.trailer != nil || l == nil {
		return open(ctx, desc, conn, full, given...)
	}
	m := l.server.methods[full]
	if m == nil || m.stream == nil {
		return open(ctx, desc, conn, full, given...)
	}
	x := l.begin(ctx, full)
	there, back := newBox(l, &l.out), newBox(l, &l.in)
	stop := context.AfterFunc(ctx, func() { x.cancel(ctx.Err()) })
	served := &servedStream{x: x, in: there, out: back}
	go func() {
		info := &grpc.StreamServerInfo{FullMethod: full, IsClientStream: m.stream.ClientStreams, IsServerStream: m.stream.ServerStreams}
		err := l.server.stream(m.impl, served, info, m.stream.Handler)
		if x.ctx.Err() == nil {
			back.finish(outcome(err)) // otherwise nobody hears it
		}
		stop()
		x.cancel(context.Canceled)
	}()
	return &dialledStream{x: x, out: there, in: back, many: desc.ServerStreams, settings: settings}, nil
}

// dialledStream is the client's end.
type dialledStream struct {
	x        *exchange
	out, in  *box
	many     bool // answers
	settings options
}

func (s *dialledStream) Header() (metadata.MD, error) {
	select {
	case <-s.x.begun:
	case <-s.x.ctx.Done():
	}
	s.x.mu.Lock()
	defer s.x.mu.Unlock()
	return s.x.header, nil
}

func (s *dialledStream) Trailer() metadata.MD     { return s.x.trailers() }
func (s *dialledStream) Context() context.Context { return s.x.caller }

func (s *dialledStream) CloseSend() error {
	s.out.finish(nil)
	return nil
}

func (s *dialledStream) SendMsg(message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return errNoMessage(message)
	}
	size, err := fits(m, s.settings.send, maxMessage)
	if err != nil {
		s.x.cancel(err)
		return err
	}
	if !s.out.put(s.x.ctx, m, size) {
		return io.EOF // RecvMsg says why
	}
	return nil
}

func (s *dialledStream) RecvMsg(into any) error {
	m, err := s.next()
	if err != nil {
		return err
	}
	if _, err := fits(m, maxMessage, s.settings.receive); err != nil {
		s.x.cancel(err)
		return err
	}
	if !s.many { // the handler's end belongs to its only answer
		if _, end := s.next(); end != nil && !errors.Is(end, io.EOF) {
			return end
		}
	}
	return hand(into, m)
}

func (s *dialledStream) next() (proto.Message, error) {
	m, err := s.in.take(s.x.caller, s.x.ctx)
	if errors.Is(err, errOver) {
		err = s.x.failure()
	}
	return m, err
}

// servedStream is the handler's end.
type servedStream struct {
	x       *exchange
	in, out *box
}

func (s *servedStream) SetHeader(md metadata.MD) error  { return s.x.SetHeader(md) }
func (s *servedStream) SendHeader(md metadata.MD) error { return s.x.SendHeader(md) }
func (s *servedStream) SetTrailer(md metadata.MD)       { _ = s.x.SetTrailer(md) }
func (s *servedStream) Context() context.Context        { return s.x.ctx }

func (s *servedStream) SendMsg(message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return errNoMessage(message)
	}
	size, err := fits(m, maxMessage, maxMessage)
	if err != nil {
		return err
	}
	s.x.once.Do(func() { close(s.x.begun) })
	if !s.out.put(s.x.ctx, m, size) {
		return status.FromContextError(s.x.ctx.Err()).Err()
	}
	return nil
}

func (s *servedStream) RecvMsg(into any) error {
	m, err := s.in.take(s.x.ctx, s.x.ctx)
	switch {
	case errors.Is(err, errOver):
		return status.FromContextError(s.x.ctx.Err()).Err()
	case err != nil:
		return err
	}
	return hand(into, m)
}

func errNoMessage(message any) error {
	return status.Errorf(codes.Internal, "a %T is no protobuf message", message)
}

// boxMessages bounds the messages on their way in one direction of a stream; their bytes
// are bounded as on the wire.
const boxMessages = 4096

// errOver: a context has ended before a message came.
var errOver = errors.New("over")

// box holds what is on its way in one direction of a stream. One goroutine puts, one takes.
type box struct {
	line *line
	lane *lane // of the line

	mu     sync.Mutex
	queue  []parcel
	bytes  int
	ended  bool
	err    error     // with which it ended; nil is io.EOF
	due    time.Time // of the end
	filled chan struct{}
	room   chan struct{}
}

type parcel struct {
	message proto.Message
	size    int
	due     time.Time
}

func newBox(l *line, way *lane) *box {
	return &box{line: l, lane: way, filled: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put sends a message. It waits while too much is on its way; false if ctx ends first or
// nothing more is taken.
func (b *box) put(ctx context.Context, message proto.Message, size int) bool {
	for {
		if ctx.Err() != nil {
			return false
		}
		b.mu.Lock()
		if b.ended {
			b.mu.Unlock()
			return false
		}
		if len(b.queue) == 0 || b.bytes+size <= streamWindow && len(b.queue) < boxMessages {
			b.queue = append(b.queue, parcel{message, size, b.lane.due()})
			b.bytes += size
			b.mu.Unlock()
			signal(b.filled)
			return true
		}
		b.mu.Unlock()
		select {
		case <-b.room:
		case <-ctx.Done():
		}
	}
}

// finish says that nothing comes after what is on its way.
func (b *box) finish(err error) {
	b.mu.Lock()
	if !b.ended {
		b.ended, b.err, b.due = true, err, b.lane.due()
	}
	b.mu.Unlock()
	signal(b.filled)
}

// take gives the next message once it has arrived, or the end. errOver: the receiver's
// context or that of the call ended first.
func (b *box) take(mine, call context.Context) (proto.Message, error) {
	for over := false; ; {
		b.mu.Lock()
		if len(b.queue) > 0 {
			due := b.queue[0].due
			b.mu.Unlock()
			if !await(due, mine, b.line.ctx) {
				return nil, errOver
			}
			return b.pop(), nil
		}
		ended, err, due := b.ended, b.err, b.due
		b.mu.Unlock()
		switch {
		case ended && !await(due, mine, b.line.ctx):
			return nil, errOver
		case ended && err == nil:
			return nil, io.EOF
		case ended:
			return nil, err
		case over:
			return nil, errOver
		}
		select {
		case <-b.filled:
		case <-mine.Done():
			return nil, errOver
		case <-call.Done():
			over = true // unless its end is that of the call
		}
	}
}

func (b *box) pop() proto.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := b.queue[0]
	b.queue[0] = parcel{}
	if b.queue = b.queue[1:]; len(b.queue) == 0 {
		b.queue = nil
	}
	b.bytes -= first.size
	signal(b.room)
	return first.message
}
