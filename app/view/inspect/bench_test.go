package inspect_test

import (
	"fmt"
	"testing"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// MustFill makes a recorder with copies of a run until it is full: each copy has ids of
// its own and blocks that go on.
func MustFill(t testing.TB, events int) (*trace.Recorder, []trace.Event) {
	t.Helper()
	m := MustLoad(t, "mixed-block")
	recorder := trace.NewRecorder(trace.Options{MaxEvents: events, MaxPayloadBytes: 96 << 20})
	for copies := uint64(0); recorder.Last() < uint64(events); copies++ {
		for i := range m.events {
			e := m.events[i]
			if e.TxID != "" {
				e.TxID = fmt.Sprintf("%08x%s", copies, e.TxID[8:])
			}
			if e.Msg != 0 {
				e.Msg += copies << 40
			}
			e.Block += copies * 8
			p, ok := m.payloads[e.Seq]
			if ok && e.Kind == trace.DeliverBlock {
				p.Bytes = renumbered(t, p.Bytes, e.Block)
			}
			if ok && e.Dir != trace.Received {
				recorder.RecordPayload(e, p)
			} else {
				recorder.Record(e)
			}
		}
	}
	all, _, _ := recorder.Since(0, 0)
	return recorder, all
}

// renumbered gives a block in an answer of a deliver service another number.
func renumbered(t testing.TB, raw []byte, number uint64) []byte {
	response := &peerpb.DeliverResponse{}
	if err := proto.Unmarshal(raw, response); err != nil {
		t.Fatal(err)
	}
	if response.GetBlock() == nil {
		return raw
	}
	response.GetBlock().GetHeader().Number = number
	out, err := proto.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// BenchmarkTransaction is one transaction's document in a trace of 400,000 events.
func BenchmarkTransaction(b *testing.B) {
	recorder, events := MustFill(b, 400_000)
	x := inspect.Alone(recorder)
	x.Add(events)
	end := events[len(events)-1]
	id := ""
	for i := range events {
		if events[i].Kind == trace.Verdict && events[i].Key == "MVCC_READ_CONFLICT" {
			id = events[i].TxID
		}
	}
	in := inspect.Input{Source: recorder, Index: x, At: view.Moment{Seq: end.Seq, Time: end.Time}, Selection: tx(id)}
	if d := inspect.Of(in); len(d.Blocks) < 5 {
		b.Fatal(d.Text())
	}
	for b.Loop() {
		inspect.Of(in)
	}
}

// BenchmarkByTx is what the same costs with the recorder's own search.
func BenchmarkByTx(b *testing.B) {
	recorder, events := MustFill(b, 400_000)
	id := events[len(events)/2].TxID
	for i := len(events) / 2; id == ""; i++ {
		id = events[i].TxID
	}
	for b.Loop() {
		recorder.ByTx(id)
	}
}

// BenchmarkAdd is the cost of an event: all of it is the world's.
func BenchmarkAdd(b *testing.B) {
	_, events := MustFill(b, 200_000)
	for b.Loop() {
		inspect.Alone(nil).Add(events)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
}

// BenchmarkOthers is what the other documents cost.
func BenchmarkOthers(b *testing.B) {
	recorder, events := MustFill(b, 400_000)
	x := inspect.Alone(recorder)
	x.Add(events)
	end := events[len(events)-1]
	var block uint64
	for i := range events {
		if events[i].Kind == trace.Committed {
			block = events[i].Block
		}
	}
	for name, s := range map[string]view.Selection{
		"block": {What: view.SelectBlock, Block: block}, "peer": {What: view.SelectNode, Node: "peer0.org1.example.com"},
		"orderer": {What: view.SelectNode, Node: "orderer.example.com"}, "client": {What: view.SelectNode, Node: "bob"},
		"ledger": {What: view.SelectLedger, Node: "peer0.org1.example.com"}, "key": {What: view.SelectKey, Namespace: "basic", Key: "asset1"},
		"peers": {What: view.SelectPeers}, "link": {What: view.SelectLink, Node: "peer0.org1.example.com", Other: "orderer.example.com"}} {
		in := inspect.Input{Source: recorder, Index: x, At: view.Moment{Seq: end.Seq, Time: end.Time}, Selection: s}
		inspect.Of(in)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				inspect.Of(in)
			}
		})
	}
}
