package link

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// The metadata by which both ends of a call know that they speak of the same
// messages: "<run> <number> <name of the caller>". Programs from outside neither
// send it nor look at it.
const (
	callKey   = "fabriscope-call"
	answerKey = "fabriscope-answer" // a trailer: the error comes from the handler, not from the connection
)

// outsider is how a caller is shown that says nothing about itself.
const outsider = "outside"

// Describer is a message that tells what it is about. The link knows Fabric's
// messages; Fabriscope's own between ordering nodes describe themselves. Set
// Kind, Channel, TxID, Block, Key and Note as far as they are known. Msg is for
// messages that may overtake one another on a stream: a number that no other
// message in that direction has. The rest is the link's.
type Describer interface {
	DescribeMessage() trace.Event
}

// Payloader is a message that is not protobuf and gives its bytes for the inspector.
type Payloader interface {
	TracePayload() trace.Payload
}

// call is one gRPC call as seen from one end.
type call struct {
	net     *Net
	method  *method
	id      uint64 // common to both ends when both are ours
	self    string
	other   string
	outside bool // the other end records nothing
	serving bool // our end is the server

	about trace.Event // what the call is about: answers that do not say it themselves inherit it
}

// messageID numbers the messages of a call: both ends compute the same.
func (c *call) messageID(answer bool, position uint64) uint64 {
	position <<= 1
	if answer {
		position |= 1
	}
	if id := mix(c.id ^ mix(position)); id != 0 {
		return id
	}
	return 1
}

// mix spreads a number over all 64 bits (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// dialled describes a call that our end makes, and announces it in the metadata.
func (e *Endpoint) dialled(ctx context.Context, to Target, full string) (*call, context.Context) {
	n := e.net
	c := &call{net: n, method: n.method(full), id: mix(n.calls.Add(1)), self: e.name, other: to.Name, outside: to.Outside}
	if to.Outside {
		return c, ctx
	}
	buffer := make([]byte, 0, len(n.run)+len(e.name)+20)
	buffer = append(append(buffer, n.run...), ' ')
	buffer = append(strconv.AppendUint(buffer, c.id, 16), ' ')
	buffer = append(buffer, e.name...)
	return c, metadata.AppendToOutgoingContext(ctx, callKey, string(buffer))
}

// served describes a call that arrives. The caller's number and name count only
// with this run's mark; otherwise he is called what his certificate says.
func (e *Endpoint) served(ctx context.Context, full string) *call {
	n := e.net
	c := &call{net: n, method: n.method(full), self: e.name, serving: true, outside: true}
	for _, value := range metadata.ValueFromIncomingContext(ctx, callKey) {
		run, rest, _ := strings.Cut(value, " ")
		number, name, ok := strings.Cut(rest, " ")
		id, err := strconv.ParseUint(number, 16, 64)
		if ok && err == nil && run == n.run {
			c.id, c.other, c.outside = id, name, false
			return c
		}
	}
	c.id = mix(n.calls.Add(1))
	if c.other, _ = PeerName(ctx); c.other == "" {
		c.other = outsider
	}
	return c
}

// off reports that nobody wants to know: neither a recorder nor a hold.
func (n *Net) off() bool { return n.trace == nil && n.holds.active.Load() == 0 }

// record adds an event, with the message itself when it is to be kept here.
func (n *Net) record(e trace.Event, message any, keep bool) {
	if n.trace == nil {
		return
	}
	if keep {
		switch m := message.(type) {
		case proto.Message:
			n.trace.RecordMessage(e, m)
			return
		case Payloader:
			n.trace.RecordPayload(e, m.TracePayload())
			return
		}
	}
	n.trace.Record(e)
}

// event describes a message of this call.
func (c *call) event(dir trace.Dir, answer bool, position uint64, message any) trace.Event {
	e := trace.Event{Dir: dir, Node: c.self, Other: c.other, Msg: c.messageID(answer, position), Kind: c.method.request, Key: c.method.key}
	if answer {
		e.Kind = c.method.response
	}
	c.describe(&e, answer, message)
	clip(&e)
	return e
}

// sending records that our end hands a message to the connection, and waits if
// a hold stops it. An error means that it must not be sent.
func (c *call) sending(ctx context.Context, e *trace.Event, message any) error {
	c.net.record(*e, message, true)
	return c.net.wait(ctx, c.net.stop(e, message))
}

// taking records that our end takes a message. One from outside can only be
// held here, because its sender is none of ours.
func (c *call) taking(ctx context.Context, e *trace.Event, message any) error {
	if c.outside {
		if err := c.net.wait(ctx, c.net.stop(e, message)); err != nil {
			return err
		}
	}
	c.net.record(*e, message, c.outside)
	return nil
}

// errorNote is a call's error in words: code, unless it is Unknown, and message.
func errorNote(err error) string {
	s := status.Convert(err)
	if s.Code() == codes.Unknown {
		return cut(s.Message(), maxNote)
	}
	return cut(s.Code().String()+": "+s.Message(), maxNote)
}

// whyLost is the cause of a message's loss. A cut link's error has passed through gRPC,
// which keeps nothing of it but the text; the sentence is our own.
func whyLost(err error) trace.What {
	s := status.Convert(err)
	switch {
	case errors.Is(err, ErrCut) || strings.Contains(s.Message(), ErrCut.Error()):
		return trace.LostCut
	case s.Code() == codes.DeadlineExceeded || s.Code() == codes.Canceled:
		return trace.LostGivenUp
	}
	return trace.LostGone
}

// answerFailed makes an event the error that a call came back with.
func answerFailed(e *trace.Event, err error) {
	e.What, e.A, e.Note = trace.Failed, int64(status.Code(err)), errorNote(err)
}

// lose records that a message did not arrive.
func (c *call) lose(e trace.Event, err error) {
	e.Name = e.Dir.String()
	e.Dir, e.What, e.A, e.Note = trace.Lost, whyLost(err), int64(status.Code(err)), errorNote(err)
	c.net.trace.Record(e)
}

// dialUnary wraps the calls that our end makes.
func (e *Endpoint) dialUnary(to Target) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, full string, request, response any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if e.net.off() || full == methodAlive {
			return invoke(ctx, full, request, response, conn, options...)
		}
		c, ctx := e.dialled(ctx, to, full)
		asked := c.event(trace.Sent, false, 0, request)
		c.about = asked
		if err := c.sending(ctx, &asked, request); err != nil {
			return status.FromContextError(err).Err()
		}
		var trailer metadata.MD
		err := invoke(ctx, full, request, response, conn, append(options, grpc.Trailer(&trailer))...)
		if err == nil {
			answer := c.event(trace.Received, true, 0, response)
			if err := c.taking(ctx, &answer, response); err != nil {
				return status.FromContextError(err).Err()
			}
			return nil
		}
		answer := c.event(trace.Received, true, 0, nil)
		answerFailed(&answer, err)
		if len(trailer.Get(answerKey)) == 0 && lost(err) {
			c.lose(answer, err)
			return err
		}
		e.net.trace.Record(answer)
		return err
	}
}

// lost reports whether an error may mean that no answer came.
func lost(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return true
	}
	return false
}

// serveUnary wraps the calls that our end handles.
func (e *Endpoint) serveUnary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (response any, err error) {
	defer e.rescue(info.FullMethod, &err)
	if e.net.off() {
		return handle(ctx, request)
	}
	c := e.served(ctx, info.FullMethod)
	asked := c.event(trace.Received, false, 0, request)
	c.about = asked
	if err := c.taking(ctx, &asked, request); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	response, err = e.handle(ctx, request, info, handle)
	if err != nil {
		answer := c.event(trace.Sent, true, 0, nil)
		answerFailed(&answer, err)
		_ = grpc.SetTrailer(ctx, metadata.Pairs(answerKey, "1")) // fails only outside a call
		if held := c.sending(ctx, &answer, nil); held != nil {
			return nil, status.FromContextError(held).Err()
		}
		return nil, err
	}
	answer := c.event(trace.Sent, true, 0, response)
	if err := c.sending(ctx, &answer, response); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	return response, nil
}

// handle calls the handler and turns a panic into an error that is recorded as the answer.
func (e *Endpoint) handle(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (response any, err error) {
	defer e.rescue(info.FullMethod, &err)
	return handle(ctx, request)
}

// maxStack bounds the stack that a panic leaves in the trace.
const maxStack = 4096

// rescue keeps a panic in one handler from ending every node of the process.
func (e *Endpoint) rescue(full string, err *error) {
	cause := recover()
	if cause == nil {
		return
	}
	stack := debug.Stack()
	e.net.log.Error("panic in a handler", "node", e.name, "method", full, "cause", cause, "stack", string(stack))
	note := fmt.Sprintf("panic in %s: %v\n%s", full, cause, stack[:min(len(stack), maxStack)])
	e.net.trace.Record(trace.Event{Kind: trace.ErrorEvent, What: trace.Told, Node: e.name, Note: note})
	*err = status.Errorf(codes.Internal, "%s failed inside %s: %v; the trace has the details, please report it", full, e.name, cause)
}
