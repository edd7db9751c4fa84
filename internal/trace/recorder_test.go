package trace_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/trace"
)

func ExampleRecorder() {
	recorder := trace.NewRecorder(trace.Options{})
	recorder.Record(trace.Event{Kind: trace.Endorsed, Node: "peer0.org1.example.com", TxID: "ab12"})
	recorder.Record(trace.Event{Kind: trace.Committed, Node: "peer0.org1.example.com", Block: 7})
	events, _, _ := recorder.Since(0, 0)
	for _, event := range events {
		fmt.Println(event.Seq, event.Kind, event.Node, event.TxID)
	}
	// Output:
	// 1 endorsed peer0.org1.example.com ab12
	// 2 committed peer0.org1.example.com
}

func TestNilRecorderIsOff(t *testing.T) {
	var r *trace.Recorder
	if r.Record(trace.Event{}) != 0 || r.RecordMessage(trace.Event{}, &peerpb.ChaincodeMessage{}) != 0 {
		t.Error("a nil recorder gave a position")
	}
	r.Import([]trace.Event{{}}, nil)
	if events, next, lost := r.Since(3, 0); len(events) != 0 || next != 3 || lost != 0 {
		t.Error("a nil recorder has events")
	}
	if _, _, ok := r.Payload(1); ok || r.Changed() != nil || r.Last() != 0 || r.ByTx("x") != nil {
		t.Error("a nil recorder knows something")
	}
	if events, next := r.Of(trace.Verdict, 3); len(events) != 0 || next != 3 {
		t.Error("a nil recorder has events of a kind")
	}
	if _, ok := r.Latest(trace.Verdict, nil); ok {
		t.Error("a nil recorder has a latest event")
	}
}

// Every field comes back as it went in, whatever is cached or numbered inside.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := trace.NewRecorder(trace.Options{})
		want := rapid.SliceOfN(rapid.Custom(anyEvent), 1, 1200).Draw(t, "events")
		for i := range want {
			if seq := r.Record(want[i]); seq != uint64(i+1) {
				t.Fatalf("position %d, want %d", seq, i+1)
			}
			want[i].Seq = uint64(i + 1)
		}
		step := rapid.IntRange(1, 700).Draw(t, "step")
		var got []trace.Event
		for cursor := uint64(0); ; {
			events, next, lost := r.Since(cursor, step)
			if lost != 0 || len(events) > step {
				t.Fatalf("lost %d, got %d of at most %d", lost, len(events), step)
			}
			if len(events) == 0 {
				break
			}
			got, cursor = append(got, events...), next
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func anyEvent(t *rapid.T) trace.Event {
	name := rapid.SampledFrom([]string{"", "peer0", "peer1", "orderer0", "kanal-ä"})
	return trace.Event{
		Time: rapid.Int64Range(1, 1<<62).Draw(t, "time"), Kind: trace.Kind(rapid.SampledFrom([]string{"proposal", "block.cut", "x"}).Draw(t, "kind")),
		Dir: trace.Dir(rapid.IntRange(0, 5).Draw(t, "dir")), Node: name.Draw(t, "node"), Other: name.Draw(t, "other"),
		Channel: name.Draw(t, "channel"), TxID: rapid.StringMatching("([0-9a-f]{8})?").Draw(t, "txid"),
		Block: rapid.Uint64().Draw(t, "block"), Key: rapid.String().Draw(t, "key"), Note: rapid.String().Draw(t, "note"),
		Msg: rapid.Uint64().Draw(t, "msg"),
	}
}

func TestOldEventsLeave(t *testing.T) {
	r := trace.NewRecorder(trace.Options{MaxEvents: 1024})
	for i := range 5000 {
		r.Record(trace.Event{Block: uint64(i + 1)})
	}
	events, next, lost := r.Since(10, 0)
	if next != 5000 || lost+uint64(len(events)) != 4990 || lost == 0 || len(events) < 512 || len(events) > 1024 {
		t.Fatalf("%d events, next %d, lost %d", len(events), next, lost)
	}
	for i, event := range events {
		if want := 10 + lost + uint64(i) + 1; event.Seq != want || event.Block != want {
			t.Fatalf("event %d is %d with block %d, want %d", i, event.Seq, event.Block, want)
		}
	}
	if events, next, lost := r.Since(5000, 0); len(events) != 0 || next != 5000 || lost != 0 {
		t.Errorf("at the end: %d events, next %d, lost %d", len(events), next, lost)
	}
}

func message(size int) *peerpb.ChaincodeMessage {
	return &peerpb.ChaincodeMessage{Payload: make([]byte, size)}
}

// Of and Latest find what Since would, also after old events have left.
func TestOfAndLatest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := trace.NewRecorder(trace.Options{MaxEvents: 1024})
		kinds := []trace.Kind{trace.Verdict, trace.Committed, trace.RaftRole}
		for range rapid.IntRange(0, 2500).Draw(t, "events") {
			n := r.Last()
			r.Record(trace.Event{Kind: kinds[n*n%7%3], TxID: fmt.Sprint("transaction", n%11)})
		}
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		cursor := rapid.Uint64Range(0, 3000).Draw(t, "cursor")
		all, _, _ := r.Since(cursor, 0)
		var want []trace.Event
		var newest trace.Event
		for _, e := range all {
			if e.Kind == kind {
				want = append(want, e)
			}
		}
		got, next := r.Of(kind, cursor)
		if diff := cmp.Diff(want, got); diff != "" || next != max(cursor, r.Last()) {
			t.Fatalf("next %d, events:\n%s", next, diff)
		}
		all, _, _ = r.Since(0, 0)
		for _, e := range all {
			if e.Kind == kind && e.TxID == "transaction3" {
				newest = e
			}
		}
		if e, ok := r.Latest(kind, func(e *trace.Event) bool { return e.TxID == "transaction3" }); e != newest || ok != (newest.Seq > 0) {
			t.Fatalf("latest is %v, want %v", e, newest)
		}
	})
}

func TestPayloads(t *testing.T) {
	r := trace.NewRecorder(trace.Options{MaxEvents: 2048, MaxPayloadBytes: 10_000})
	m := message(100)
	sent := r.RecordMessage(trace.Event{Dir: trace.Sent, Msg: 7}, m)
	r.Record(trace.Event{})
	received := r.Record(trace.Event{Dir: trace.Received, Msg: 7})
	other := r.Record(trace.Event{Dir: trace.Received, Msg: 8})
	for _, seq := range []uint64{sent, received} {
		name, bytes, ok := r.Payload(seq)
		var got peerpb.ChaincodeMessage
		if !ok || name != "protos.ChaincodeMessage" || proto.Unmarshal(bytes, &got) != nil || !proto.Equal(&got, m) {
			t.Errorf("payload of %d: %q, %d bytes, %v", seq, name, len(bytes), ok)
		}
	}
	for _, seq := range []uint64{0, other, 99} {
		if _, _, ok := r.Payload(seq); ok {
			t.Errorf("event %d has a payload", seq)
		}
	}
	// A large one drives out the old ones, but stays itself for a moment at least.
	for range 20 {
		last := r.RecordMessage(trace.Event{}, message(4000))
		if _, _, ok := r.Payload(last); !ok {
			t.Fatalf("the newest payload %d is gone", last)
		}
	}
	if _, _, ok := r.Payload(sent); ok {
		t.Error("the oldest payload is still there")
	}
	if _, _, ok := r.Payload(received); ok {
		t.Error("the receiver's event found a payload that is gone")
	}
}

func TestImport(t *testing.T) {
	child := trace.NewRecorder(trace.Options{})
	child.RecordMessage(trace.Event{Time: 5, Dir: trace.Sent, Msg: 1, Node: "a"}, message(10))
	child.Record(trace.Event{Time: 6, Dir: trace.Received, Msg: 1, Node: "b"})
	parent := trace.NewRecorder(trace.Options{})
	parent.Record(trace.Event{Time: 7})
	events, payloads, next, lost := child.Export(0, 0)
	if next != 2 || lost != 0 {
		t.Fatalf("next %d, lost %d", next, lost)
	}
	parent.Import(events, payloads)
	got, _, _ := parent.Since(1, 0)
	want := []trace.Event{{Seq: 2, Time: 5, Dir: trace.Sent, Msg: 1, Node: "a"}, {Seq: 3, Time: 6, Dir: trace.Received, Msg: 1, Node: "b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, seq := range []uint64{2, 3} {
		if name, bytes, ok := parent.Payload(seq); !ok || name != "protos.ChaincodeMessage" || len(bytes) == 0 {
			t.Errorf("payload of %d: %q, %d bytes, %v", seq, name, len(bytes), ok)
		}
	}
}

// Many writers, a slow reader and a waiter at once: nothing is lost, doubled or out of order.
func TestConcurrentUse(t *testing.T) {
	const writers, each = 8, 3000
	r := trace.NewRecorder(trace.Options{MaxEvents: writers * each})
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				r.RecordMessage(trace.Event{Node: fmt.Sprint("node", w), Block: uint64(i), TxID: fmt.Sprintf("%064d", i)}, message(1))
			}
		})
	}
	next := make(map[string]uint64)
	var cursor uint64
	for cursor < writers*each {
		changed := r.Changed()
		events, following, lost := r.Since(cursor, 500)
		if lost != 0 {
			t.Fatalf("lost %d", lost)
		}
		if len(events) == 0 {
			<-changed
		}
		for _, event := range events {
			if event.Block != next[event.Node] {
				t.Fatalf("%s: event %d, want %d", event.Node, event.Block, next[event.Node])
			}
			next[event.Node]++
		}
		cursor = following
	}
	group.Wait()
	if got := len(r.ByTx(fmt.Sprintf("%064d", 17))); got != writers {
		t.Errorf("ByTx found %d events, want %d", got, writers)
	}
}

func TestNamesAreBounded(t *testing.T) {
	r := trace.NewRecorder(trace.Options{})
	const count = 70_000
	for i := range count {
		r.Record(trace.Event{Channel: fmt.Sprint("made-up-", i)})
	}
	r.Record(trace.Event{Channel: "made-up-0"})
	events, _, _ := r.Since(count-100, 0)
	for _, e := range events[:100] {
		if e.Channel != "(one name too many)" {
			t.Fatalf("a channel is shown as %q", e.Channel)
		}
	}
	if got := events[100].Channel; got != "made-up-0" {
		t.Errorf("a known channel is shown as %q", got)
	}
}

func TestWait(t *testing.T) {
	r := trace.NewRecorder(trace.Options{})
	done := make(chan trace.Event)
	go func() {
		event, _, err := r.Wait(t.Context(), 0, func(e *trace.Event) bool { return e.Kind == trace.Committed })
		if err != nil {
			t.Error(err)
		}
		done <- event
	}()
	for range 100 {
		r.Record(trace.Event{Kind: trace.Verdict})
	}
	r.Record(trace.Event{Kind: trace.Committed, Block: 3})
	if event := <-done; event.Block != 3 {
		t.Errorf("got block %d", event.Block)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := r.Wait(ended, 0, func(*trace.Event) bool { return false }); err == nil {
		t.Error("a wait with an ended context came back without an error")
	}
}

func benchmarkEvent() trace.Event {
	return trace.Event{Kind: trace.Proposal, Dir: trace.Sent, Node: "alice", Other: "peer0.org1.example.com", Channel: "mychannel",
		TxID: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", Key: "asset", Msg: 77}
}

func BenchmarkRecord(b *testing.B) {
	r := trace.NewRecorder(trace.Options{})
	e := benchmarkEvent()
	for b.Loop() {
		r.Record(e)
	}
}

func BenchmarkRecordMessage(b *testing.B) {
	r := trace.NewRecorder(trace.Options{})
	e := benchmarkEvent()
	for b.Loop() {
		r.RecordMessage(e, &peerpb.ChaincodeMessage{Txid: e.TxID, ChannelId: e.Channel, Payload: []byte("value")})
	}
}

func BenchmarkRecordParallel(b *testing.B) {
	r := trace.NewRecorder(trace.Options{})
	e := benchmarkEvent()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Record(e)
		}
	})
}

// One frame of a window: a thousand events.
func BenchmarkSince(b *testing.B) {
	r := trace.NewRecorder(trace.Options{})
	for range 10_000 {
		r.Record(benchmarkEvent())
	}
	for b.Loop() {
		if events, _, _ := r.Since(9000, 1000); len(events) != 1000 {
			b.Fatal(len(events))
		}
	}
}
