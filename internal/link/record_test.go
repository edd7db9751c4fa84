package link_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

const peer0 = "peer0.org1.example.com"

// plain leaves out what differs from run to run.
func plain(events []trace.Event) []trace.Event {
	numbers := make(map[uint64]uint64)
	for i := range events {
		e := &events[i]
		if _, ok := numbers[e.Msg]; !ok && e.Msg != 0 {
			numbers[e.Msg] = uint64(len(numbers) + 1)
		}
		e.Seq, e.Time, e.Msg = 0, 0, numbers[e.Msg]
	}
	return events
}

func TestUnaryCallIsRecordedAtBothEnds(t *testing.T) {
	inBothWays(t, testUnaryCallIsRecordedAtBothEnds)
}

func testUnaryCallIsRecordedAtBothEnds(t *testing.T, w *world) {
	var seen string
	service := &endorser{answer: func(ctx context.Context, p *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
		seen, _ = link.PeerName(ctx)
		return &peerpb.ProposalResponse{Response: &peerpb.Response{Status: 200, Payload: []byte("answer")}}, nil
	}}
	addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", service.register)
	client := peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr}))
	proposal := MustProposal(t, "ab12")
	response, err := client.ProcessProposal(t.Context(), proposal)
	if err != nil {
		t.Fatal(err)
	}
	if string(response.Response.Payload) != "answer" || seen != "alice" {
		t.Errorf("answer %v, caller %q", response, seen)
	}
	events, _, _ := w.trace.Since(0, 0)
	asked := trace.Event{Kind: trace.Proposal, Channel: "mychannel", TxID: "ab12", Key: "asset", Msg: 1}
	answered := trace.Event{Kind: trace.ProposalResponse, Channel: "mychannel", TxID: "ab12", Key: "asset", What: trace.Accepted, A: 200, Note: "200", Msg: 2}
	want := []trace.Event{
		at(asked, trace.Sent, "alice", peer0), at(asked, trace.Received, peer0, "alice"),
		at(answered, trace.Sent, peer0, "alice"), at(answered, trace.Received, "alice", peer0),
	}
	if diff := cmp.Diff(want, plain(events)); diff != "" {
		t.Error(diff)
	}
	for seq, message := range map[uint64]proto.Message{1: proposal, 2: proposal, 3: response, 4: response} {
		name, bytes, ok := w.trace.Payload(seq)
		if !ok || name != string(message.ProtoReflect().Descriptor().FullName()) || string(bytes) != string(MustMarshal(t, message)) {
			t.Errorf("payload of event %d: %q, %d bytes, %v", seq, name, len(bytes), ok)
		}
	}
}

func at(e trace.Event, dir trace.Dir, node, other string) trace.Event {
	e.Dir, e.Node, e.Other = dir, node, other
	return e
}

func TestErrorsAndPanics(t *testing.T) { inBothWays(t, testErrorsAndPanics) }

func testErrorsAndPanics(t *testing.T, w *world) {
	service := &endorser{answer: func(_ context.Context, p *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
		if len(p.Signature) == 0 {
			panic("no signature")
		}
		return nil, errors.New("access denied")
	}}
	addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", service.register)
	client := peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr}))

	_, err := client.ProcessProposal(t.Context(), MustProposal(t, "ab12"))
	if status.Code(err) != codes.Unknown || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("refused call: %v", err)
	}
	refused := w.MustSee(0, is(trace.ProposalResponse, trace.Received))
	if refused.TxID != "ab12" || refused.Note != "access denied" {
		t.Errorf("recorded as %+v", refused)
	}

	proposal := MustProposal(t, "cd34")
	proposal.Signature = nil
	_, err = client.ProcessProposal(t.Context(), proposal)
	if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), peer0) {
		t.Errorf("panicking call: %v", err)
	}
	panicked := w.MustSee(0, is(trace.ErrorEvent, trace.None))
	if panicked.Node != peer0 || !strings.Contains(panicked.Note, "no signature") || !strings.Contains(panicked.Note, "record_test.go") {
		t.Errorf("recorded as %+v", panicked)
	}
	answer := w.MustSee(refused.Seq, is(trace.ProposalResponse, trace.Received))
	if answer.TxID != "cd34" {
		t.Errorf("the panic's answer is recorded as %+v", answer)
	}
}

func TestUnreachable(t *testing.T) { inBothWays(t, testUnreachable) }

func testUnreachable(t *testing.T, w *world) {
	client := peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: MustFreeAddr(t)}))
	_, err := client.ProcessProposal(t.Context(), MustProposal(t, "ab12"))
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), peer0) {
		t.Errorf("got %v", err)
	}
	w.MustSee(0, isTx(trace.ProposalResponse, trace.Lost, "ab12"))
}

// Certificates decide who may connect; names in metadata do not.
func TestCertificates(t *testing.T) { inBothWays(t, testCertificates) }

func testCertificates(t *testing.T, w *world) {
	var name string
	var cert *x509.Certificate
	service := &endorser{answer: func(ctx context.Context, _ *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
		name, cert = link.PeerName(ctx)
		return &peerpb.ProposalResponse{}, nil
	}}
	server := w.MustEndpoint(peer0)
	addr := w.MustServe(server.NewServer(), "127.0.0.1:0", service.register)
	target := link.Target{Name: peer0, Addr: addr}
	call := func(e *link.Endpoint, to link.Target) error {
		_, err := peerpb.NewEndorserClient(w.MustDial(e, to)).ProcessProposal(t.Context(), MustProposal(t, "ab12"))
		return err
	}
	if err := call(w.Endpoint("bob", tls.Certificate{}, w.ca.pool), target); err != nil || name != "" || cert != nil {
		t.Errorf("a client without certificate: %v, seen as %q", err, name)
	}
	if err := call(w.Endpoint("mallory", w.ca.MustIssue(t, "alice"), w.ca.pool), target); err != nil || name != "alice" {
		t.Errorf("a client with alice's certificate: %v, seen as %q", err, name)
	}
	stranger := MustAuthority(t)
	if err := call(w.Endpoint("eve", stranger.MustIssue(t, "alice"), w.ca.pool), target); status.Code(err) != codes.Unavailable {
		t.Errorf("a client of another authority: %v", err)
	}
	if err := call(w.Endpoint("eve", w.ca.MustIssue(t, "eve"), stranger.pool), target); status.Code(err) != codes.Unavailable {
		t.Errorf("a server of another authority: %v", err)
	}
	if err := call(w.MustEndpoint("alice"), link.Target{Name: "peer1.org1.example.com", Addr: addr}); status.Code(err) != codes.Unavailable {
		t.Errorf("a server of another name: %v", err)
	}
	// The stranger's organisation joins.
	both := x509.NewCertPool()
	both.AddCert(w.ca.cert)
	both.AddCert(stranger.cert)
	server.SetRoots(both)
	if err := call(w.Endpoint("frank", stranger.MustIssue(t, "frank"), w.ca.pool), target); err != nil || name != "frank" {
		t.Errorf("a client of an authority that was added: %v, seen as %q", err, name)
	}
	// Another program may claim anything in metadata, but not this run's mark.
	other := link.New(link.Config{Trace: trace.NewRecorder(trace.Options{})})
	cursor := w.trace.Last()
	if err := call(other.Endpoint("orderer0", w.ca.MustIssue(t, "carol"), w.ca.pool), target); err != nil {
		t.Error(err)
	}
	if seen := w.MustSee(cursor, is(trace.Proposal, trace.Received)); seen.Other != "carol" {
		t.Errorf("a caller of another run is shown as %q", seen.Other)
	}
}

func TestDeliverAndBroadcast(t *testing.T) { inBothWays(t, testDeliverAndBroadcast) }

func testDeliverAndBroadcast(t *testing.T, w *world) {
	service := &ordering{
		broadcast: func(s ordererpb.AtomicBroadcast_BroadcastServer) error {
			for {
				if _, err := s.Recv(); err != nil {
					return nil
				}
				if err := s.Send(&ordererpb.BroadcastResponse{Status: commonpb.Status_SUCCESS}); err != nil {
					return err
				}
			}
		},
		deliver: func(s ordererpb.AtomicBroadcast_DeliverServer) error {
			if _, err := s.Recv(); err != nil {
				return err
			}
			block := &commonpb.Block{Header: &commonpb.BlockHeader{Number: 7}, Data: &commonpb.BlockData{Data: [][]byte{{1}, {2}}}}
			if err := s.Send(&ordererpb.DeliverResponse{Type: &ordererpb.DeliverResponse_Block{Block: block}}); err != nil {
				return err
			}
			return s.Send(&ordererpb.DeliverResponse{Type: &ordererpb.DeliverResponse_Status{Status: commonpb.Status_SUCCESS}})
		},
	}
	addr := w.MustServe(w.MustEndpoint("orderer0").NewServer(), "127.0.0.1:0", service.register)
	client := ordererpb.NewAtomicBroadcastClient(w.MustDial(w.MustEndpoint(peer0), link.Target{Name: "orderer0", Addr: addr}))

	broadcast, err := client.Broadcast(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, txid := range []string{"aa", "bb"} { // two before the first answer: answers belong to them in order
		if err := broadcast.Send(MustEnvelope(t, commonpb.HeaderType_ENDORSER_TRANSACTION, txid, nil)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := broadcast.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	deliver, err := client.Deliver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seek := &ordererpb.SeekInfo{Start: &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Oldest{Oldest: &ordererpb.SeekOldest{}}},
		Stop: &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Specified{Specified: &ordererpb.SeekSpecified{Number: 1<<64 - 1}}}}
	if err := deliver.Send(MustEnvelope(t, commonpb.HeaderType_DELIVER_SEEK_INFO, "", seek)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := deliver.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	var received []trace.Event
	events, _, _ := w.trace.Since(0, 0)
	for _, e := range events {
		if e.Dir == trace.Received {
			received = append(received, e)
			sent := w.MustSee(0, func(s *trace.Event) bool { return s.Msg == e.Msg && s.Dir == trace.Sent })
			sent.Seq, sent.Time, sent.Dir, sent.Node, sent.Other = e.Seq, e.Time, e.Dir, e.Node, e.Other
			if diff := cmp.Diff(sent, e); diff != "" {
				t.Errorf("the two ends differ: %s", diff)
			}
		}
	}
	byEnd := func(node string) (got []trace.Event) {
		for _, e := range plain(received) {
			if e.Node == node {
				e.Msg = 0
				got = append(got, e)
			}
		}
		return got
	}
	event := func(kind trace.Kind, txid, note string, block uint64) trace.Event {
		return trace.Event{Kind: kind, Dir: trace.Received, Channel: "mychannel", TxID: txid, Note: note, Block: block}
	}
	want := []trace.Event{event(trace.BroadcastAnswer, "aa", "SUCCESS", 0), event(trace.BroadcastAnswer, "bb", "SUCCESS", 0),
		event(trace.DeliverBlock, "", "2 transactions", 7), event(trace.DeliverStatus, "", "SUCCESS", 0)}
	for i := range want {
		want[i].Node, want[i].Other, want[i].What, want[i].A = peer0, "orderer0", trace.Accepted, 200
	}
	want[2].What, want[2].A = trace.Told, 2
	if diff := cmp.Diff(want, byEnd(peer0)); diff != "" {
		t.Error(diff)
	}
	want = []trace.Event{event(trace.Broadcast, "aa", "", 0), event(trace.Broadcast, "bb", "", 0), event(trace.Seek, "", "from oldest to ever", 0)}
	for i := range want {
		want[i].Node, want[i].Other = "orderer0", peer0
	}
	want[2].What, want[2].A, want[2].B = trace.SeekForEver, trace.PositionOldest, trace.PositionForEver
	if diff := cmp.Diff(want, byEnd("orderer0")); diff != "" {
		t.Error(diff)
	}
}

func TestListen(t *testing.T) {
	taken, err := link.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := link.Listen(taken.Addr().String()); err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "choose another port") {
		t.Errorf("a busy port: %v", err)
	}
	moved, err := link.New(link.Config{}).Endpoint("a", tls.Certificate{}, nil).Listen(taken.Addr().String(), true)
	if err != nil {
		t.Fatalf("a busy port that nobody chose: %v", err)
	}
	defer moved.Close()
	if moved.Addr().String() == taken.Addr().String() {
		t.Errorf("two listeners on %s", moved.Addr())
	}
	path := filepath.Join(t.TempDir(), "s.sock")
	first, err := link.Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := link.Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a busy socket: %v", err)
	}
	// A killed process leaves its socket behind.
	first.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	second, err := link.Listen("unix:" + path)
	if err != nil {
		t.Fatalf("a dead socket: %v", err)
	}
	second.Close()
	if _, err := link.Listen("unix:/" + strings.Repeat("x", 120)); err == nil || !strings.Contains(err.Error(), "107") {
		t.Errorf("a long path: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := link.Listen("unix:" + path); err == nil {
		t.Error("a file was replaced by a socket")
	}
}
