package link

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// A process that hangs (kill -STOP, a computer without memory) still accepts
// connections: the kernel does that for it. Whoever waits for an answer must not take
// silence for work. So every server answers one call that needs nothing but a process
// that runs; it is no message of the protocol, and is neither recorded nor held.
const (
	aliveService = "fabriscope.v1.Link"
	methodAlive  = "/" + aliveService + "/Alive"
)

// ErrHung: a node accepts connections and does not answer.
var ErrHung = errors.New("it does not answer: its process hangs or is overloaded")

// How long a node may be silent.
const (
	quietTime = time.Second             // of a call, until it is asked whether it is there
	aliveTime = 3500 * time.Millisecond // to answer that, on an undisturbed link: a busy computer takes seconds at times
)

func registerAlive(server grpc.ServiceRegistrar) {
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: aliveService,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Alive",
			Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				return &emptypb.Empty{}, decode(&emptypb.Empty{})
			},
		}},
	}, nil)
}

// Alive asks whether the node at the other end runs. Any answer is one, a refusal and
// a link that is cut too: those fail a call by themselves. A node of this process
// always runs.
func (e *Endpoint) Alive(ctx context.Context, to Target, conn grpc.ClientConnInterface) bool {
	if e.net.near.has(to.Addr) {
		return true
	}
	out, in := e.net.links.shapes(e.name, to.Name)
	ctx, cancel := context.WithTimeout(ctx, aliveTime+handshakeTrips*(out.longest()+in.longest()))
	defer cancel()
	err := conn.Invoke(ctx, methodAlive, &emptypb.Empty{}, &emptypb.Empty{})
	return status.Code(err) != codes.DeadlineExceeded
}

// handshakeTrips is how often a message may go there and back before the first answer:
// the connection, TLS, and the call.
const handshakeTrips = 4

// longest is how late a piece of data may be on a link, but for rare losses.
func (s Shape) longest() time.Duration {
	late := s.Latency + s.Jitter
	if s.Loss > 0 {
		late += 3 * retransmission
	}
	return late
}

// Guard calls giveUp with ErrHung if the node stops answering, until stop is called or
// ctx ends. Whoever waits for one node out of several waits under a guard.
func (e *Endpoint) Guard(ctx context.Context, to Target, conn grpc.ClientConnInterface, giveUp context.CancelCauseFunc) (stop func()) {
	if e.net.near.has(to.Addr) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex // the timer may fire before it has its name
	var timer *time.Timer
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(quietTime, func() {
		alive := e.Alive(ctx, to, conn)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case ctx.Err() != nil:
		case alive:
			timer.Reset(quietTime)
		default:
			giveUp(fmt.Errorf("%s: %w", to.Name, ErrHung))
		}
	})
	return func() {
		cancel()
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
	}
}
