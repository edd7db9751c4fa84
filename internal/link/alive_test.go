package link_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc"

	"github.com/fabriscope/fabriscope/internal/link"
)

// A node that accepts connections and says nothing, as the kernel does for a process
// that hangs, is given up; one that runs is not, and the question is in no trace.
func TestGuard(t *testing.T) {
	t.Parallel()
	w, far := MustWorld(t), MustWorld(t)
	far.ca = w.ca
	dial := func(addr string) (link.Target, *grpc.ClientConn) {
		to := link.Target{Name: "node", Addr: addr}
		conn, err := w.MustEndpoint("client").Dial(to)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return to, conn
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	to, conn := dial(silent.Addr().String())
	stop := w.MustEndpoint("client").Guard(ctx, to, conn, cancel)
	defer stop()

	// The other process: what it serves is not near for the first.
	to, conn = dial(far.MustServe(far.MustEndpoint("node").NewServer(), "127.0.0.1:0", func(grpc.ServiceRegistrar) {}))
	if !w.MustEndpoint("client").Alive(t.Context(), to, conn) {
		t.Error("a node that runs counts as hanging")
	}
	if events, _, _ := w.trace.Since(0, 10); len(events) > 0 {
		t.Errorf("the question is in the trace: %+v", events)
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, link.ErrHung) {
		t.Errorf("given up because of %v", cause)
	}
}
