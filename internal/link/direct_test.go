package link_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/internal/link"
)

// Nodes of one process need no wire; with Sockets they take it.
func TestWayBetweenNodes(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"direct", "wire"} {
		w := MustWorld(t)
		w.Net = link.New(link.Config{Sockets: name == "wire"})
		service := &endorser{answer: func(ctx context.Context, _ *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
			p, _ := grpcpeer.FromContext(ctx)
			seen[name] = p.Addr.Network()
			return &peerpb.ProposalResponse{}, nil
		}}
		addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", service.register)
		client := peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr}))
		for range 2 { // the first may come before the server serves: over the wire, which waits for it
			if _, err := client.ProcessProposal(t.Context(), MustProposal(t, "aa")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if seen["direct"] != "memory" || seen["wire"] != "tcp" {
		t.Errorf("callers came through %v", seen)
	}
}

// What a handler learns of its caller: the certificate, the metadata and the deadline,
// and nothing else that the caller's context holds.
func TestWhatHandlersSee(t *testing.T) {
	inBothWays(t, func(t *testing.T, w *world) {
		type key struct{}
		service := &endorser{answer: func(ctx context.Context, p *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
			name, cert := link.PeerName(ctx)
			if name != "alice" || cert == nil || cert.Subject.CommonName != "alice" {
				t.Errorf("the caller is %q, certificate %v", name, cert)
			}
			if got := metadata.ValueFromIncomingContext(ctx, "fruit"); len(got) != 1 || got[0] != "apple" {
				t.Errorf("metadata: %q", got)
			}
			if _, ok := ctx.Deadline(); !ok {
				t.Error("no deadline")
			}
			if ctx.Value(key{}) != nil {
				t.Error("a handler sees values of its caller's context")
			}
			if method, _ := grpc.Method(ctx); method != "/protos.Endorser/ProcessProposal" {
				t.Errorf("method %q", method)
			}
			return nil, status.Error(codes.NotFound, "no such thing")
		}}
		addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", service.register)
		client := peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr}))
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, 1), time.Hour)
		defer cancel()
		_, err := client.ProcessProposal(metadata.AppendToOutgoingContext(ctx, "Fruit", "apple"), MustProposal(t, "aa"))
		if status.Code(err) != codes.NotFound || status.Convert(err).Message() != "no such thing" {
			t.Errorf("the handler's error arrived as %v", err)
		}
	})
}

// Who cannot prove who he is gets nowhere, and neither does one who does not believe the node.
func TestStrangers(t *testing.T) {
	inBothWays(t, func(t *testing.T, w *world) {
		var asked atomic.Int64
		service := &endorser{answer: func(context.Context, *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
			asked.Add(1)
			return &peerpb.ProposalResponse{}, nil
		}}
		addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", service.register)
		elsewhere := MustAuthority(t)
		for name, end := range map[string]*link.Endpoint{
			"a certificate of another authority": w.Endpoint("alice", elsewhere.MustIssue(t, "alice"), w.ca.pool),
			"another authority trusted":          w.Endpoint("alice", w.ca.MustIssue(t, "alice"), elsewhere.pool),
		} {
			client := peerpb.NewEndorserClient(w.MustDial(end, link.Target{Name: peer0, Addr: addr}))
			for range 2 {
				if _, err := client.ProcessProposal(t.Context(), MustProposal(t, "aa")); status.Code(err) != codes.Unavailable {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		client := peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr, ServerName: "peer9"}))
		if _, err := client.ProcessProposal(t.Context(), MustProposal(t, "aa")); status.Code(err) != codes.Unavailable {
			t.Errorf("another name than the node's: %v", err)
		}
		if n := asked.Load(); n != 0 {
			t.Errorf("the handler was asked %d times", n)
		}
	})
}

// A client does not wait for a handler that does not look at its context, and a handler
// hears that nobody waits.
func TestGivingUp(t *testing.T) {
	inBothWays(t, func(t *testing.T, w *world) {
		heard, release := make(chan struct{}), make(chan struct{})
		defer close(release)
		begun := make(chan struct{})
		service := &endorser{answer: func(ctx context.Context, _ *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
			close(begun)
			<-ctx.Done()
			close(heard)
			<-release
			return &peerpb.ProposalResponse{}, nil
		}}
		addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", service.register)
		client := peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr}))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-begun; cancel() }()
		if _, err := client.ProcessProposal(ctx, MustProposal(t, "aa")); status.Code(err) != codes.Canceled {
			t.Errorf("got %v", err)
		}
		<-heard
	})
}

// echo sends every envelope back as a block's number: the count of its bytes.
func echo(s ordererpb.AtomicBroadcast_DeliverServer) error {
	for {
		e, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return status.Error(codes.Aborted, "that was all")
		}
		if err != nil {
			return err
		}
		block := &commonpb.Block{Header: &commonpb.BlockHeader{Number: uint64(len(e.GetPayload()))}}
		if err := s.Send(&ordererpb.DeliverResponse{Type: &ordererpb.DeliverResponse_Block{Block: block}}); err != nil {
			return err
		}
	}
}

func TestStreams(t *testing.T) {
	inBothWays(t, func(t *testing.T, w *world) {
		var over sync.WaitGroup
		service := &ordering{deliver: func(s ordererpb.AtomicBroadcast_DeliverServer) error {
			over.Add(1)
			defer over.Done()
			return echo(s)
		}}
		server := w.MustEndpoint(peer0).NewServer()
		addr := w.MustServe(server, "127.0.0.1:0", service.register)
		alice := w.MustEndpoint("alice")
		open := func() (ordererpb.AtomicBroadcast_DeliverClient, *grpc.ClientConn) {
			conn := w.MustDial(alice, link.Target{Name: peer0, Addr: addr})
			s, err := ordererpb.NewAtomicBroadcastClient(conn).Deliver(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return s, conn
		}
		swap := func(s ordererpb.AtomicBroadcast_DeliverClient, size int) {
			t.Helper()
			if err := s.Send(&commonpb.Envelope{Payload: make([]byte, size)}); err != nil {
				t.Fatal(err)
			}
			answer, err := s.Recv()
			if got := answer.GetBlock().GetHeader().GetNumber(); err != nil || got != uint64(size) {
				t.Fatalf("%d came back as %d, %v", size, got, err)
			}
		}
		s, _ := open()
		for size := range 100 {
			swap(s, size)
		}
		// A rule set while the stream is open slows it both ways, and order is kept.
		const latency = 30 * time.Millisecond
		if err := w.SetRules(link.Rules{Links: []link.Rule{{From: "alice", To: peer0, Shape: link.Shape{Latency: latency, Jitter: latency}}}}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		swap(s, 7)
		if took := time.Since(begin); took < 2*latency {
			t.Errorf("there and back on a slow link took %v", took)
		}
		for size := range 20 {
			if err := s.Send(&commonpb.Envelope{Payload: make([]byte, size)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		for size := range 20 {
			answer, err := s.Recv()
			if got := answer.GetBlock().GetHeader().GetNumber(); err != nil || got != uint64(size) {
				t.Fatalf("the answer to %d is %d, %v", size, got, err)
			}
		}
		// The end comes after everything else, with the handler's error.
		if _, err := s.Recv(); status.Code(err) != codes.Aborted || status.Convert(err).Message() != "that was all" {
			t.Errorf("the end: %v", err)
		}
		// Cut, closed by the client, stopped by the node: each says so.
		cut, _ := open()
		swap(cut, 1)
		if err := w.SetRules(link.Rules{Groups: [][]string{{"alice"}, {peer0}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := cut.Recv(); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "the link is cut") {
			t.Errorf("cut: %v", err)
		}
		if err := cut.Send(&commonpb.Envelope{}); !errors.Is(err, io.EOF) {
			t.Errorf("a message on a stream that has ended: %v", err)
		}
		if err := w.SetRules(link.Rules{}); err != nil {
			t.Fatal(err)
		}
		closed, conn := open()
		swap(closed, 1)
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := closed.Recv(); status.Code(err) != codes.Canceled {
			t.Errorf("closed: %v", err)
		}
		stopped, _ := open()
		swap(stopped, 1)
		server.Stop()
		if _, err := stopped.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("stopped: %v", err)
		}
		over.Wait() // and no handler stays behind
	})
}

// What nobody reads is bounded: the sender waits.
func TestStreamIsBounded(t *testing.T) {
	inBothWays(t, func(t *testing.T, w *world) {
		const piece, limit = 64 << 10, 16 << 20
		var sent atomic.Int64
		ended := make(chan struct{})
		service := &ordering{deliver: func(s ordererpb.AtomicBroadcast_DeliverServer) error {
			defer close(ended)
			block := &commonpb.Block{Data: &commonpb.BlockData{Data: [][]byte{make([]byte, piece)}}}
			for sent.Load() < limit {
				if err := s.Send(&ordererpb.DeliverResponse{Type: &ordererpb.DeliverResponse_Block{Block: block}}); err != nil {
					return err
				}
				sent.Add(piece)
			}
			return nil
		}}
		addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", service.register)
		ctx, cancel := context.WithCancel(t.Context())
		s, err := ordererpb.NewAtomicBroadcastClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr})).Deliver(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
		cancel()
		<-ended
		if n := sent.Load(); n >= limit {
			t.Errorf("%d bytes were sent to somebody who does not read", n)
		}
	})
}

// A handler that gives nothing answers with an empty message; one that is not there, with
// gRPC's words.
func TestNoAnswer(t *testing.T) {
	inBothWays(t, func(t *testing.T, w *world) {
		nothing := grpc.ServiceDesc{ServiceName: "test.Nothing", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{MethodName: "Say",
			Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				return nil, decode(&peerpb.SignedProposal{})
			}}}}
		addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", func(s grpc.ServiceRegistrar) { s.RegisterService(&nothing, nil) })
		conn := w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr})
		if err := conn.Invoke(t.Context(), "/test.Nothing/Say", MustProposal(t, "aa"), &peerpb.ProposalResponse{}); err != nil {
			t.Errorf("got %v", err)
		}
		if err := conn.Invoke(t.Context(), "/test.Nothing/Sing", MustProposal(t, "aa"), &peerpb.ProposalResponse{}); status.Code(err) != codes.Unimplemented {
			t.Errorf("a method that is not there: %v", err)
		}
	})
}

func TestTooLarge(t *testing.T) {
	inBothWays(t, func(t *testing.T, w *world) {
		addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", (&endorser{}).register)
		client := peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr}))
		large := &peerpb.SignedProposal{ProposalBytes: make([]byte, 101<<20)}
		for name, options := range map[string][]grpc.CallOption{"ours": nil, "the node's": {grpc.MaxCallSendMsgSize(1 << 30)}} {
			if _, err := client.ProcessProposal(t.Context(), large, options...); status.Code(err) != codes.ResourceExhausted {
				t.Errorf("above %s limit: %v", name, err)
			}
		}
		if _, err := client.ProcessProposal(t.Context(), MustProposal(t, "aa"), grpc.MaxCallRecvMsgSize(3)); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("an answer above the caller's limit: %v", err)
		}
	})
}
