package deliver_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
)

const node = "orderer.example.com"

// service is an ordering node that only answers.
type service struct {
	ordererpb.UnimplementedAtomicBroadcastServer
	blocks  *deliver.Server
	streams atomic.Int32
	// answer gives the status for an envelope; anything but SUCCESS ends the stream.
	answer func(*commonpb.Envelope) commonpb.Status
}

func (s *service) Deliver(stream ordererpb.AtomicBroadcast_DeliverServer) error {
	return s.blocks.Serve(deliver.Stream{
		Context: stream.Context(), Recv: stream.Recv,
		Block: func(_ *deliver.Request, b *commonpb.Block) error {
			return stream.Send(&ordererpb.DeliverResponse{Type: &ordererpb.DeliverResponse_Block{Block: b}})
		},
		Status: func(code commonpb.Status) error {
			return stream.Send(&ordererpb.DeliverResponse{Type: &ordererpb.DeliverResponse_Status{Status: code}})
		},
	})
}

func (s *service) Broadcast(stream ordererpb.AtomicBroadcast_BroadcastServer) error {
	s.streams.Add(1)
	for {
		envelope, err := stream.Recv()
		if err != nil {
			return err
		}
		code := s.answer(envelope)
		if err := stream.Send(&ordererpb.BroadcastResponse{Status: code}); err != nil || code != commonpb.Status_SUCCESS {
			return err
		}
	}
}

// MustClient starts the service and gives connections that can reach it at target.
func (s *service) MustClient(t *testing.T) (connections *deliver.Connections, target link.Target, reader deliver.Reader) {
	t.Helper()
	o, err := msp.Generate(msp.OrgSpec{MSPID: "OrgMSP", Domain: "example.com", Orderer: true, Nodes: []msp.NodeSpec{{Name: "orderer"}}})
	if err != nil {
		t.Fatal(err)
	}
	net, member := link.New(link.Config{}), o.Node(node)
	end := net.Endpoint(node, member.TLS, o.TLSRoots())
	listener, err := end.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	server := end.NewServer()
	ordererpb.RegisterAtomicBroadcastServer(server, s)
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	connections = deliver.NewConnections(net.Endpoint("client", member.TLS, o.TLSRoots()), errClientClosed)
	t.Cleanup(connections.Close)
	return connections, link.Target{Name: node, Addr: listener.Addr().String()}, deliver.Reader{Channel: "trade", Signer: member.Signer}
}

var errClientClosed = errors.New("the client is closed")

func success(*commonpb.Envelope) commonpb.Status { return commonpb.Status_SUCCESS }

func TestReader(t *testing.T) {
	s := &service{blocks: &deliver.Server{Lookup: serverOf(&deliver.Channel{Source: newChain(5), Judge: allow}).Lookup}}
	connections, target, reader := s.MustClient(t)
	conn, err := connections.To(target)
	if err != nil {
		t.Fatal(err)
	}
	next, err := reader.Blocks(t.Context(), conn, &ordererpb.SeekInfo{Start: deliver.At(3), Stop: deliver.At(4)})
	if err != nil {
		t.Fatal(err)
	}
	for want := uint64(3); want < 5; want++ {
		if block, err := next(); err != nil || block.GetHeader().GetNumber() != want {
			t.Fatalf("got block %d and %v, want block %d", block.GetHeader().GetNumber(), err, want)
		}
	}
	if _, err := next(); !errors.Is(err, deliver.ErrEnded) {
		t.Errorf("after the last block: %v, want ErrEnded", err)
	}
	newest, err := reader.NewestBlock(t.Context(), conn, ordererpb.SeekInfo_HEADER_WITH_SIG)
	if err != nil || newest.GetHeader().GetNumber() != 4 || newest.GetData() != nil {
		t.Errorf("the newest block is %v (%v), want the header of block 4", newest, err)
	}
	reader.Now = func() time.Time { return time.Now().Add(-2 * deliver.TimeWindow) }
	if _, err := reader.NewestBlock(t.Context(), conn, ordererpb.SeekInfo_BLOCK); !errors.Is(err, deliver.ErrEnded) {
		t.Errorf("with a wrong clock: %v, want ErrEnded", err)
	}
}

// A stream is used again after a success only, and one envelope never waits for
// another.
func TestBroadcastStreams(t *testing.T) {
	parked, release := make(chan struct{}), make(chan struct{})
	s := &service{answer: success}
	s.answer = func(e *commonpb.Envelope) commonpb.Status {
		switch string(e.GetPayload()) {
		case "bad":
			return commonpb.Status_BAD_REQUEST
		case "slow":
			close(parked)
			<-release
		}
		return commonpb.Status_SUCCESS
	}
	connections, target, _ := s.MustClient(t)
	broadcasts := deliver.NewBroadcasts(connections)
	send := func(payload string, want commonpb.Status, streams int32) {
		t.Helper()
		r, err := broadcasts.Send(t.Context(), target, &commonpb.Envelope{Payload: []byte(payload)})
		if err != nil || r.GetStatus() != want {
			t.Fatalf("%s: %v, %v; want %s", payload, r, err, want)
		}
		if got := s.streams.Load(); got != streams {
			t.Errorf("after %s the node has seen %d streams, want %d", payload, got, streams)
		}
	}
	send("one", commonpb.Status_SUCCESS, 1)
	send("two", commonpb.Status_SUCCESS, 1)
	send("bad", commonpb.Status_BAD_REQUEST, 1)
	send("three", commonpb.Status_SUCCESS, 2)

	slow := make(chan error, 1)
	go func() {
		_, err := broadcasts.Send(t.Context(), target, &commonpb.Envelope{Payload: []byte("slow")})
		slow <- err
	}()
	<-parked
	send("four", commonpb.Status_SUCCESS, 3)
	close(release)
	if err := <-slow; err != nil {
		t.Error(err)
	}
}

// The caller's context ends the wait for an answer.
func TestBroadcastGivesUp(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := &service{answer: func(*commonpb.Envelope) commonpb.Status {
		close(arrived)
		<-release
		return commonpb.Status_SUCCESS
	}}
	connections, target, _ := s.MustClient(t)
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if _, err := deliver.NewBroadcasts(connections).Send(ctx, target, &commonpb.Envelope{}); status.Code(err) != codes.Canceled {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

func TestConnections(t *testing.T) {
	s := &service{answer: success}
	connections, target, _ := s.MustClient(t)
	mustTo := func(to link.Target) *grpc.ClientConn {
		t.Helper()
		conn, err := connections.To(to)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	elsewhere, other := target, target
	elsewhere.Addr, other.Name = "127.0.0.1:1", "other.example.com"
	first, second, third := mustTo(target), mustTo(elsewhere), mustTo(other)
	if mustTo(target) != first || first == second {
		t.Fatal("a node has one connection at each address")
	}
	connections.Moved(elsewhere)
	if first.GetState() != connectivity.Shutdown || second.GetState() == connectivity.Shutdown || third.GetState() == connectivity.Shutdown {
		t.Error("moving closes the connection to the old address, and no other")
	}
	connections.Keep([]link.Target{other})
	if second.GetState() != connectivity.Shutdown || mustTo(other) != third {
		t.Error("what is in no list is closed, and no other")
	}
	connections.Close()
	if _, err := connections.To(target); err != errClientClosed {
		t.Errorf("after Close: %v", err)
	}
}
