package link_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// MustHold adds a hold to those that are set.
func (w *world) MustHold(f link.Filter) link.HoldID {
	w.Helper()
	w.holds = append(w.holds, link.Hold{ID: link.HoldID(len(w.holds) + 1), Filter: f})
	if err := w.SetHolds(w.holds); err != nil {
		w.Fatal(err)
	}
	return w.holds[len(w.holds)-1].ID
}

// MustUnhold takes all holds away and releases what one of them stopped.
func (w *world) MustUnhold(id link.HoldID) {
	w.Helper()
	if err := w.SetHolds(nil); err != nil {
		w.Fatal(err)
	}
	w.ReleaseHold(id)
}

// Step lets the message go on that has been held longest; it reports whether there was one.
func (w *world) Step() bool {
	held := w.Held()
	return len(held) > 0 && w.Release(held[0].ID)
}

// MustProposer gives alice's calls to a peer that answers every proposal.
func MustProposer(w *world) func(ctx context.Context, txid string) error {
	addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", (&endorser{}).register)
	client := peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr}))
	return func(ctx context.Context, txid string) error {
		_, err := client.ProcessProposal(ctx, MustProposal(w, txid))
		return err
	}
}

// story is what happened to one transaction's messages, in order.
func (w *world) story(txid string) (lines []string) {
	for _, e := range w.trace.ByTx(txid) {
		if e.Dir == trace.None {
			continue // the hold itself
		}
		lines = append(lines, fmt.Sprintf("%s %s %s", e.Node, e.Dir, e.Kind))
	}
	return lines
}

func TestHeldCallWaitsAlone(t *testing.T) { inBothWays(t, testHeldCallWaitsAlone) }

func testHeldCallWaitsAlone(t *testing.T, w *world) {
	propose := MustProposer(w)
	hold := w.MustHold(link.Filter{Kind: trace.Proposal, Node: "al*", Other: peer0, TxID: "aa", Key: "asset", Channel: "mychannel"})
	done := make(chan error, 1)
	go func() { done <- propose(t.Context(), "aa") }()
	w.MustSee(0, isTx(trace.Proposal, trace.Held, "aa"))
	for _, other := range []string{"bb", "cc"} {
		if err := propose(t.Context(), other); err != nil {
			t.Fatal(err)
		}
	}
	held := w.Held()
	if len(held) != 1 || held[0].Hold != hold || held[0].Event.TxID != "aa" || held[0].ID != held[0].Event.Msg || held[0].Since.IsZero() {
		t.Fatalf("held: %+v", held)
	}
	select {
	case err := <-done:
		t.Fatalf("the held call came back: %v", err)
	default:
	}
	if w.Release(12345) || !w.Release(held[0].ID) || w.Release(held[0].ID) {
		t.Error("release says that it released something else")
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want := []string{"alice sent proposal", "alice held proposal", "alice released proposal", peer0 + " received proposal",
		peer0 + " sent proposal-response", "alice received proposal-response"}
	if diff := cmp.Diff(want, w.story("aa")); diff != "" {
		t.Error(diff)
	}
	released := w.MustSee(0, isTx(trace.Proposal, trace.Released, "aa"))
	if _, _, ok := w.trace.Payload(released.Seq); !ok {
		t.Error("a released message shows no payload")
	}
	w.MustUnhold(hold)
	if err := propose(t.Context(), "aa"); err != nil {
		t.Fatal(err)
	}
}

func TestHeldAnswer(t *testing.T) { inBothWays(t, testHeldAnswer) }

func testHeldAnswer(t *testing.T, w *world) {
	propose := MustProposer(w)
	hold := w.MustHold(link.Filter{Kind: "proposal-*", Count: 1})
	done := make(chan error, 1)
	go func() { done <- propose(t.Context(), "aa") }()
	w.MustSee(0, isTx(trace.ProposalResponse, trace.Held, "aa"))
	if err := propose(t.Context(), "bb"); err != nil {
		t.Fatal(err)
	}
	w.MustUnhold(hold) // removing the hold releases what it stopped
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestHoldGivenUp(t *testing.T) { inBothWays(t, testHoldGivenUp) }

func testHoldGivenUp(t *testing.T, w *world) {
	propose := MustProposer(w)
	w.MustHold(link.Filter{Kind: trace.Proposal})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- propose(ctx, "aa") }()
	w.MustSee(0, isTx(trace.Proposal, trace.Held, "aa"))
	cancel()
	if err := <-done; status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	if lost := w.MustSee(0, isTx(trace.Proposal, trace.Lost, "aa")); !strings.Contains(lost.Note, "while it was held") {
		t.Errorf("recorded as %+v", lost)
	}
	if held := w.Held(); len(held) != 0 {
		t.Errorf("still held: %+v", held)
	}
}

func TestStepReleasesTheOldest(t *testing.T) { inBothWays(t, testStepReleasesTheOldest) }

func testStepReleasesTheOldest(t *testing.T, w *world) {
	propose := MustProposer(w)
	w.MustHold(link.Filter{Kind: trace.Proposal})
	done := make(chan string, 3)
	for _, txid := range []string{"aa", "bb", "cc"} {
		go func() {
			if err := propose(t.Context(), txid); err != nil {
				t.Error(err)
			}
			done <- txid
		}()
		w.MustSee(0, isTx(trace.Proposal, trace.Held, txid))
	}
	for _, want := range []string{"aa", "bb"} {
		if !w.Step() {
			t.Fatal("nothing to step")
		}
		if got := <-done; got != want {
			t.Errorf("%s went on, want %s", got, want)
		}
	}
	if n := w.ReleaseAll(); n != 1 {
		t.Errorf("%d released, want 1", n)
	}
	<-done
	if w.Step() {
		t.Error("stepped without a held message")
	}
	if err := w.SetHolds([]link.Hold{{Filter: link.Filter{Node: "[a"}}}); err == nil {
		t.Error("a malformed pattern was accepted")
	}
}

// shim is a chaincode's end of the stream: a program from outside, without link.
func MustShim(t testing.TB, addr string) peerpb.ChaincodeSupport_RegisterClient {
	t.Helper()
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", strings.TrimPrefix(addr, "unix:"))
	}
	conn, err := grpc.NewClient("passthrough:///shim", grpc.WithContextDialer(dial), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	stream, err := peerpb.NewChaincodeSupportClient(conn).Register(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func chaincodeMessage(kind peerpb.ChaincodeMessage_Type, txid string, payload []byte) *peerpb.ChaincodeMessage {
	return &peerpb.ChaincodeMessage{Type: kind, Txid: txid, ChannelId: "mychannel", Payload: payload}
}

// MustChaincode starts a peer's end and a shim's end of a chaincode stream. The
// peer answers REGISTER, and each GET_STATE with a RESPONSE at once.
func MustChaincode(w *world) peerpb.ChaincodeSupport_RegisterClient {
	w.Helper()
	server := w.MustEndpoint(peer0)
	service := &support{handle: func(stream peerpb.ChaincodeSupport_RegisterServer) error {
		for {
			m, err := stream.Recv()
			if err != nil {
				return nil
			}
			answer := chaincodeMessage(peerpb.ChaincodeMessage_RESPONSE, m.Txid, m.Payload)
			if m.Type == peerpb.ChaincodeMessage_REGISTER {
				answer.Type = peerpb.ChaincodeMessage_REGISTERED
			}
			if err := stream.Send(answer); err != nil {
				return err
			}
		}
	}}
	addr := w.MustServe(server.NewPlainServer(), "unix:"+filepath.Join(w.TempDir(), "s"), service.register)
	shim := MustShim(w, addr)
	if err := shim.Send(chaincodeMessage(peerpb.ChaincodeMessage_REGISTER, "", MustMarshal(w, &peerpb.ChaincodeID{Name: "asset:0123"}))); err != nil {
		w.Fatal(err)
	}
	if m, err := shim.Recv(); err != nil || m.Type != peerpb.ChaincodeMessage_REGISTERED {
		w.Fatal(m, err)
	}
	return shim
}

func MustGetState(t testing.TB, shim peerpb.ChaincodeSupport_RegisterClient, txid string) {
	t.Helper()
	if err := shim.Send(chaincodeMessage(peerpb.ChaincodeMessage_GET_STATE, txid, MustMarshal(t, &peerpb.GetState{Key: "k-" + txid}))); err != nil {
		t.Fatal(err)
	}
}

func MustAnswer(t testing.TB, shim peerpb.ChaincodeSupport_RegisterClient, txid string) {
	t.Helper()
	m, err := shim.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if m.Txid != txid {
		t.Fatalf("an answer for %q, want one for %q", m.Txid, txid)
	}
}

func TestChaincodeStreamIsRecorded(t *testing.T) { inBothWays(t, testChaincodeStreamIsRecorded) }

func testChaincodeStreamIsRecorded(t *testing.T, w *world) {
	shim := MustChaincode(w)
	MustGetState(t, shim, "aa")
	MustAnswer(t, shim, "aa")
	events, _, _ := w.trace.Since(0, 0)
	name := "asset@" + peer0
	want := []trace.Event{
		{Kind: trace.ChaincodeRegister, Dir: trace.Received, Node: peer0, Other: name, Channel: "mychannel", Key: "asset:0123", Msg: 1},
		{Kind: trace.ChaincodeRegistered, Dir: trace.Sent, Node: peer0, Other: name, Channel: "mychannel", Msg: 2},
		{Kind: trace.ChaincodeGetState, Dir: trace.Received, Node: peer0, Other: name, Channel: "mychannel", TxID: "aa", Key: "k-aa", Msg: 3},
		{Kind: trace.ChaincodeResponse, Dir: trace.Sent, Node: peer0, Other: name, Channel: "mychannel", TxID: "aa", Msg: 4},
	}
	if diff := cmp.Diff(want, plain(events)); diff != "" {
		t.Error(diff)
	}
	for seq := range uint64(4) { // the shim records nothing, so that our end keeps every payload
		if name, _, ok := w.trace.Payload(seq + 1); !ok || name != "protos.ChaincodeMessage" {
			t.Errorf("payload of event %d: %q, %v", seq+1, name, ok)
		}
	}
}

// A held message stops its own transaction, in either direction, never the
// stream that all transactions of a chaincode share.
func TestChaincodeStreamGoesOnWhileHeld(t *testing.T) {
	for _, kind := range []trace.Kind{trace.ChaincodeGetState, trace.ChaincodeResponse} {
		t.Run(string(kind), func(t *testing.T) {
			w := MustWorld(t)
			shim := MustChaincode(w)
			w.MustHold(link.Filter{Kind: kind, TxID: "aa"})
			MustGetState(t, shim, "aa")
			w.MustSee(0, isTx(kind, trace.Held, "aa"))
			for i := range 50 {
				other := fmt.Sprint("other", i)
				MustGetState(t, shim, other)
				MustAnswer(t, shim, other)
			}
			MustGetState(t, shim, "aa") // a second one of the same transaction stays behind the first
			MustGetState(t, shim, "bb")
			MustAnswer(t, shim, "bb")
			if kind == trace.ChaincodeResponse {
				w.MustSee(0, countTo(2, isTx(trace.ChaincodeResponse, trace.Held, "aa")))
			}
			w.Step()
			MustAnswer(t, shim, "aa")
			if held := w.Held(); len(held) != 1 {
				t.Fatalf("held: %+v, want the second message", held)
			}
			w.ReleaseAll()
			MustAnswer(t, shim, "aa")
			MustGetState(t, shim, "cc") // and the stream is as before
			MustAnswer(t, shim, "cc")
		})
	}
}

// countTo matches the n-th event that match accepts.
func countTo(n int, match func(*trace.Event) bool) func(*trace.Event) bool {
	return func(e *trace.Event) bool {
		if match(e) {
			n--
		}
		return n == 0
	}
}

// A shim that goes away while its message is held leaves nothing behind.
func TestStreamEndsWhileHeld(t *testing.T) {
	for _, kind := range []trace.Kind{trace.ChaincodeGetState, trace.ChaincodeResponse} {
		t.Run(string(kind), func(t *testing.T) {
			w := MustWorld(t)
			shim := MustChaincode(w)
			w.MustHold(link.Filter{Kind: kind})
			MustGetState(t, shim, "aa")
			w.MustSee(0, isTx(kind, trace.Held, "aa"))
			if err := shim.CloseSend(); err != nil {
				t.Fatal(err)
			}
			w.MustSee(0, isTx(kind, trace.Lost, "aa"))
			if held := w.Held(); len(held) != 0 {
				t.Errorf("still held: %+v", held)
			}
		})
	}
}

// Blocks keep their order: those behind a held one wait, on that stream only.
func TestHeldBlockKeepsOrder(t *testing.T) { inBothWays(t, testHeldBlockKeepsOrder) }

func testHeldBlockKeepsOrder(t *testing.T, w *world) {
	service := &ordering{deliver: func(s ordererpb.AtomicBroadcast_DeliverServer) error {
		if _, err := s.Recv(); err != nil {
			return err
		}
		for number := range uint64(5) {
			block := &commonpb.Block{Header: &commonpb.BlockHeader{Number: number}}
			if err := s.Send(&ordererpb.DeliverResponse{Type: &ordererpb.DeliverResponse_Block{Block: block}}); err != nil {
				return err
			}
		}
		return nil
	}}
	addr := w.MustServe(w.MustEndpoint("orderer0").NewServer(), "127.0.0.1:0", service.register)
	deliver := func(name string) ordererpb.AtomicBroadcast_DeliverClient {
		conn := w.MustDial(w.MustEndpoint(name), link.Target{Name: "orderer0", Addr: addr})
		stream, err := ordererpb.NewAtomicBroadcastClient(conn).Deliver(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(MustEnvelope(t, commonpb.HeaderType_DELIVER_SEEK_INFO, "", nil)); err != nil {
			t.Fatal(err)
		}
		return stream
	}
	next := func(stream ordererpb.AtomicBroadcast_DeliverClient, number uint64) {
		t.Helper()
		response, err := stream.Recv()
		if err != nil || response.GetBlock().GetHeader().GetNumber() != number {
			t.Fatalf("got %v, %v; want block %d", response, err, number)
		}
	}
	w.MustHold(link.Filter{Kind: trace.DeliverBlock, Other: "peer1", Count: 1})
	held := deliver("peer1")
	w.MustSee(0, is(trace.DeliverBlock, trace.Held))
	free := deliver("peer0")
	for number := range uint64(5) {
		next(free, number)
	}
	if sent, _, _ := w.trace.Since(0, 0); len(sent) > 0 {
		for _, e := range sent {
			if e.Kind == trace.DeliverBlock && e.Other == "peer1" && e.Block > 0 {
				t.Errorf("block %d left before block 0", e.Block)
			}
		}
	}
	w.Step()
	for number := range uint64(5) {
		next(held, number)
	}
}

// The clock of a call's own timeout stands still while one of its messages is held.
func TestTimeoutStandsStillWhileHeld(t *testing.T) { inBothWays(t, testTimeoutStandsStillWhileHeld) }

func testTimeoutStandsStillWhileHeld(t *testing.T, w *world) {
	propose := MustProposer(w)
	w.MustHold(link.Filter{Kind: trace.Proposal})
	// On a busy computer the time may be up before the message has come to where it is held:
	// then it is tried again with more.
	allowed := 300 * time.Millisecond
	tx := "aa"
	var ctx context.Context
	done := make(chan error, 1)
	for {
		limited, cancel := w.WithTimeout(t.Context(), tx, allowed)
		defer cancel()
		ctx = limited
		go func() { done <- propose(ctx, tx) }()
		if _, _, err := w.trace.Wait(ctx, 0, isTx(trace.Proposal, trace.Held, tx)); err == nil {
			break
		}
		<-done
		allowed *= 2
		tx += "aa"
	}
	short, cancelShort := w.WithTimeout(t.Context(), "bb", 2*allowed) // a transaction of which nothing is held
	defer cancelShort()
	<-short.Done()
	if !errors.Is(short.Err(), context.DeadlineExceeded) {
		t.Errorf("the other transaction's timeout: %v", short.Err())
	}
	if ctx.Err() != nil {
		t.Errorf("the held call's context says %v", ctx.Err())
	}
	w.Step()
	if err := <-done; err != nil {
		t.Errorf("the released call: %v", err)
	}
	<-ctx.Done() // and now its time goes on
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("at last: %v", ctx.Err())
	}
	if err := propose(ctx, tx); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a call with the ended context: %v", err)
	}
}

// A hold with a count stops what its owner grants, and nothing once that owner says no;
// what a message was granted for and did not need goes back.
func TestCountedHoldAsks(t *testing.T) { inBothWays(t, testCountedHoldAsks) }

func testCountedHoldAsks(t *testing.T, w *world) {
	propose := MustProposer(w)
	counted := w.MustHold(link.Filter{Kind: trace.Proposal, Count: 1})
	done := make(chan error, 1)
	go func() { done <- propose(t.Context(), "aa") }()
	w.MustSee(0, isTx(trace.Proposal, trace.Held, "aa"))
	if err := propose(t.Context(), "bb"); err != nil { // the count is used up
		t.Fatal(err)
	}
	// Another hold stops what the counted one lets pass.
	second := w.MustHold(link.Filter{Kind: trace.Proposal, TxID: "cc"})
	also := make(chan error, 1)
	go func() { also <- propose(t.Context(), "cc") }()
	if held := w.MustSee(0, isTx(trace.Proposal, trace.Held, "cc")); held.TxID != "cc" {
		t.Errorf("held %+v", held)
	}
	w.MustUnhold(second)
	if err := <-also; err != nil {
		t.Fatal(err)
	}
	w.MustUnhold(counted)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := w.granted.Load(); got != 1 {
		t.Errorf("%d messages stood still for a hold with count 1", got)
	}
}

// A hold that is taken away while a message asks for it stops nothing for ever.
func TestHoldGoneWhileAMessageAsks(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	gaveBack := make(chan bool, 1)
	w := MustWorld(t, func(link.HoldID) (bool, func(bool)) {
		close(asked)
		<-answer
		return true, func(did bool) { gaveBack <- did }
	})
	propose := MustProposer(w)
	id := w.MustHold(link.Filter{Kind: trace.Proposal, Count: 1})
	done := make(chan error, 1)
	go func() { done <- propose(t.Context(), "aa") }()
	<-asked
	w.MustUnhold(id)
	close(answer)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if did := <-gaveBack; did || len(w.Held()) > 0 {
		t.Errorf("it stood still: %v, held %v", did, w.Held())
	}
}
