package link_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

func TestCutAndHeal(t *testing.T) { inBothWays(t, testCutAndHeal) }

func testCutAndHeal(t *testing.T, w *world) {
	blocked := make(chan struct{})
	service := &endorser{answer: func(ctx context.Context, p *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
		if len(p.Signature) == 0 {
			close(blocked)
			<-ctx.Done()
		}
		return &peerpb.ProposalResponse{}, nil
	}}
	addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", service.register)
	client := peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr}))
	call := func(p *peerpb.SignedProposal, options ...grpc.CallOption) error {
		_, err := client.ProcessProposal(t.Context(), p, options...)
		return err
	}
	if err := call(MustProposal(t, "aa")); err != nil {
		t.Fatal(err)
	}
	// A call that is under way fails when the link is cut, and says why.
	failed := make(chan error, 1)
	waiting := MustProposal(t, "bb")
	waiting.Signature = nil
	go func() { failed <- call(waiting) }()
	<-blocked
	if err := w.SetRules(link.Rules{Links: []link.Rule{{From: "alice", To: peer0, Shape: link.Shape{Cut: true}}}}); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "link alice to "+peer0+": the link is cut") {
		t.Errorf("the waiting call: %v", err)
	}
	if err := call(MustProposal(t, "cc")); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "the link is cut") {
		t.Errorf("a new call: %v", err)
	}
	w.MustSee(0, isTx(trace.ProposalResponse, trace.Lost, "bb"))
	// It comes back by itself.
	if err := w.SetRules(link.Rules{}); err != nil {
		t.Fatal(err)
	}
	if err := call(MustProposal(t, "dd"), grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
}

func TestSlowLinkSlowsCalls(t *testing.T) { inBothWays(t, testSlowLinkSlowsCalls) }

func testSlowLinkSlowsCalls(t *testing.T, w *world) {
	propose := MustProposer(w)
	if err := propose(t.Context(), "aa"); err != nil { // connects
		t.Fatal(err)
	}
	const latency = 60 * time.Millisecond
	if err := w.SetRules(link.Rules{Links: []link.Rule{{From: "alice", To: "peer*", Shape: link.Shape{Latency: latency}}}}); err != nil {
		t.Fatal(err)
	}
	if err := propose(t.Context(), "bb"); err != nil {
		t.Fatal(err)
	}
	sent := w.MustSee(0, isTx(trace.Proposal, trace.Sent, "bb"))
	received := w.MustSee(0, isTx(trace.Proposal, trace.Received, "bb"))
	answered := w.MustSee(0, isTx(trace.ProposalResponse, trace.Sent, "bb"))
	back := w.MustSee(0, isTx(trace.ProposalResponse, trace.Received, "bb"))
	for what, took := range map[string]int64{"there": received.Time - sent.Time, "back": back.Time - answered.Time} {
		if time.Duration(took) < latency {
			t.Errorf("%s took %v", what, time.Duration(took))
		}
	}
}

func TestLimit(t *testing.T) { inBothWays(t, testLimit) }

func testLimit(t *testing.T, w *world) {
	release := make(chan struct{})
	inside := make(chan struct{}, 2)
	service := &endorser{answer: func(context.Context, *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
		inside <- struct{}{}
		<-release
		return &peerpb.ProposalResponse{}, nil
	}}
	server := w.MustEndpoint(peer0).NewServer(link.Limit(map[string]int{"protos.Endorser": 2, "gateway.Gateway": 1}))
	addr := w.MustServe(server, "127.0.0.1:0", service.register)
	client := peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr}))
	done := make(chan error, 2)
	for i := range 2 {
		go func() {
			_, err := client.ProcessProposal(t.Context(), MustProposal(t, fmt.Sprint(i)))
			done <- err
		}()
		<-inside
	}
	_, err := client.ProcessProposal(t.Context(), MustProposal(t, "one too many"))
	if want := "too many requests for /protos.Endorser, exceeding concurrency limit (2)"; status.Code(err) != codes.Unknown || status.Convert(err).Message() != want {
		t.Errorf("got %v", err)
	}
	close(release)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if _, err := client.ProcessProposal(t.Context(), MustProposal(t, "again")); err != nil {
		t.Errorf("after the others have gone: %v", err)
	}
}

// The peer dials a chaincode that somebody else runs; messages of both
// directions are recorded, and kept, at its end.
func TestDialledChaincode(t *testing.T) { inBothWays(t, testDialledChaincode) }

func testDialledChaincode(t *testing.T, w *world) {
	service := &support{handle: func(stream peerpb.ChaincodeSupport_RegisterServer) error {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		answer := chaincodeMessage(peerpb.ChaincodeMessage_COMPLETED, m.Txid, MustMarshal(t, &peerpb.Response{Status: 404, Message: "no such asset"}))
		if err := stream.Send(answer); err != nil {
			return err
		}
		_, _ = stream.Recv() // until the peer goes away
		return nil
	}}
	addr := w.MustServe(grpc.NewServer(), "unix:"+filepath.Join(t.TempDir(), "s"), service.register)
	conn, err := w.Endpoint(peer0, w.ca.MustIssue(t, peer0), nil).DialPlain(link.Target{Name: "asset@" + peer0, Addr: addr, Outside: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := peerpb.NewChaincodeSupportClient(conn).Register(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	input := &peerpb.ChaincodeInput{Args: [][]byte{[]byte("ReadAsset"), []byte("7")}}
	w.MustHold(link.Filter{Kind: trace.ChaincodeCompleted, Node: "asset@*"})
	if err := stream.Send(chaincodeMessage(peerpb.ChaincodeMessage_TRANSACTION, "aa", MustMarshal(t, input))); err != nil {
		t.Fatal(err)
	}
	got := make(chan *peerpb.ChaincodeMessage, 1)
	go func() {
		m, err := stream.Recv()
		if err != nil {
			t.Error(err)
		}
		got <- m
	}()
	w.MustSee(0, isTx(trace.ChaincodeCompleted, trace.Held, "aa"))
	w.Step()
	if m := <-got; m.GetType() != peerpb.ChaincodeMessage_COMPLETED || m.GetTxid() != "aa" {
		t.Errorf("got %v", m)
	}
	sent := w.MustSee(0, isTx(trace.ChaincodeTransaction, trace.Sent, "aa"))
	received := w.MustSee(0, isTx(trace.ChaincodeCompleted, trace.Received, "aa"))
	if sent.Note != "ReadAsset" || sent.Node != peer0 || sent.Other != "asset@"+peer0 || received.Note != "404 no such asset" {
		t.Errorf("recorded as %+v and %+v", sent, received)
	}
	for _, seq := range []uint64{sent.Seq, received.Seq} {
		if _, _, ok := w.trace.Payload(seq); !ok {
			t.Errorf("event %d has no payload", seq)
		}
	}
	if _, err := w.MustEndpoint("x").Dial(link.Target{Name: "y"}); err == nil || !strings.Contains(err.Error(), "no address") {
		t.Errorf("a target without address: %v", err)
	}
}

// Without a recorder and without holds nothing is described, but a hold that is
// set later still works, and message numbers still agree.
func TestWithoutRecorder(t *testing.T) { inBothWays(t, testWithoutRecorder) }

func testWithoutRecorder(t *testing.T, w *world) {
	w.Net, w.trace = link.New(link.Config{}), nil
	propose := MustProposer(w)
	if err := propose(t.Context(), "aa"); err != nil {
		t.Fatal(err)
	}
	w.MustHold(link.Filter{Kind: trace.Proposal})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- propose(ctx, "bb") }()
	for len(w.Held()) == 0 && ctx.Err() == nil {
		select {
		case err := <-done:
			t.Fatalf("the call was not held: %v", err)
		default:
		}
	}
	cancel()
	if err := <-done; status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
}

// Messages up to Fabric's limit pass in both directions (gRPC's own default is 4 MiB).
func TestLargeMessages(t *testing.T) { inBothWays(t, testLargeMessages) }

func testLargeMessages(t *testing.T, w *world) {
	service := &endorser{answer: func(_ context.Context, p *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
		return &peerpb.ProposalResponse{Payload: p.ProposalBytes}, nil
	}}
	addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", service.register)
	client := peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr}))
	response, err := client.ProcessProposal(t.Context(), &peerpb.SignedProposal{ProposalBytes: make([]byte, 20<<20)})
	if err != nil || len(response.Payload) != 20<<20 {
		t.Errorf("%d bytes came back, %v", len(response.GetPayload()), err)
	}
}

// The protocol may know a chaincode by a better name than its label.
func TestNameStream(t *testing.T) { inBothWays(t, testNameStream) }

func testNameStream(t *testing.T, w *world) {
	server := w.MustEndpoint(peer0)
	service := &support{handle: func(stream peerpb.ChaincodeSupport_RegisterServer) error {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		server.NameStream(stream.Context(), "asset_2@"+peer0)
		server.NameStream(context.Background(), "nobody") // not a stream: no effect
		if err := stream.Send(chaincodeMessage(peerpb.ChaincodeMessage_REGISTERED, "", nil)); err != nil {
			return err
		}
		_, _ = stream.Recv() // until the shim goes away
		return nil
	}}
	addr := w.MustServe(server.NewPlainServer(), "unix:"+filepath.Join(t.TempDir(), "s"), service.register)
	shim := MustShim(t, addr)
	if err := shim.Send(chaincodeMessage(peerpb.ChaincodeMessage_REGISTER, "", MustMarshal(t, &peerpb.ChaincodeID{Name: "asset:0123"}))); err != nil {
		t.Fatal(err)
	}
	if sent := w.MustSee(0, is(trace.ChaincodeRegistered, trace.Sent)); sent.Other != "asset_2@"+peer0 {
		t.Errorf("recorded as %+v", sent)
	}
}
