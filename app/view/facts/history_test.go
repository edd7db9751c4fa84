package facts_test

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// A transaction's events are found as the source would find them, at any moment and also when
// most of the run is forgotten.
func TestEventsOfATransaction(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, name := range []string{"two-clients-one-key", "lying-endorser", "leader-dies", "mixed-block", "gateway"} {
		run, err := runfile.Open("../testdata/" + name + ".fscope")
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		events, _, _ := run.Since(0, 1_000_000)
		for _, limit := range []int{0, 1} {
			w := facts.New(run, limit)
			w.Add(events, nil)
			seen := map[string]bool{}
			for i := range events {
				id := events[i].TxID
				if id == "" || seen[id] {
					continue
				}
				seen[id] = true
				want, until := run.ByTx(id), events[rng.IntN(len(events))].Seq
				for len(want) > 0 && want[len(want)-1].Seq > until {
					want = want[:len(want)-1]
				}
				if got := w.EventsOf(id, until); len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
					t.Fatalf("%s: of transaction %s %d events until %d are found, %d are there", name, id, len(got), until, len(want))
				}
			}
		}
	}
}

// A transaction that was forgotten and is named again is read from the source, not taken for a
// new one.
func TestAForgottenTransaction(t *testing.T) {
	rec := trace.NewRecorder(trace.Options{})
	w := facts.New(rec, 1)
	happen := func(e trace.Event) {
		e.Time = int64(rec.Last()+1) * 1e6
		rec.Record(e)
		events, _, _ := rec.Since(rec.Last()-1, 0)
		w.Add(events, nil)
	}
	happen(trace.Event{Kind: trace.SimulateStart, Node: peer0, TxID: "old"})
	for range 20_000 {
		happen(trace.Event{Kind: trace.Proposal, Dir: trace.Sent, Node: "alice", Other: peer0, TxID: "other"})
	}
	happen(trace.Event{Kind: trace.Verdict, Node: peer0, TxID: "old", Block: 3, What: trace.Valid})
	if got := w.EventsOf("old", rec.Last()); len(got) != 2 || got[0].Kind != trace.SimulateStart {
		t.Errorf("%+v", got)
	}
}

// What a node did is listed with it, whoever recorded it, and a partition is a rule of the
// links that it cuts.
func TestHistory(t *testing.T) {
	x := newTale()
	code := "basic_1.0@" + peer0
	for _, e := range []trace.Event{
		{Kind: trace.NodeStart, Node: peer0, What: trace.IsPeer},
		{Kind: trace.NodeReady, Node: peer0, What: trace.IsPeer, Name: "127.0.0.1:7051"},
		{Kind: trace.LaunchStart, Node: peer0, Key: "basic_1.0:ab", Other: code},
		{Kind: trace.ChaincodeReady, Dir: trace.Sent, Node: peer0, Other: code},
		{Kind: trace.Proposal, Dir: trace.Received, Node: peer0, Other: "outside", TxID: "a", Msg: 1},
		{Kind: trace.Proposal, Dir: trace.Sent, Node: "alice", Other: peer0, TxID: "b", Msg: 2},
		{Kind: trace.Proposal, Dir: trace.Received, Node: peer0, Other: "alice", TxID: "b", Msg: 2},
		{Kind: trace.ChaincodeTransaction, Dir: trace.Sent, Node: peer0, Other: code, TxID: "b", Key: "Set"},
		{Kind: trace.ChaincodeCompleted, Dir: trace.Received, Node: peer0, Other: code, TxID: "b"},
		{Kind: trace.SimulateEnd, Node: peer0, TxID: "b"},
		{Kind: trace.DefinitionKnown, Node: peer0, Key: "basic", Block: 4},
		{Kind: trace.DefinitionKnown, Node: "peer0.org2.example.com", Key: "basic", Block: 4},
	} {
		x.happen(e)
	}
	for name, want := range map[string][2]int{peer0: {4, 1}, code: {2, 2}, "alice": {0, 1}, "outside": {0, 1}, "nobody": {}} {
		if h := x.HistoryOf(name); len(h.Life) != want[0] || len(h.Calls) != want[1] {
			t.Errorf("%s: %+v, want %d and %d entries", name, h, want[0], want[1])
		}
	}
	if n := x.node(peer0); n.Address != "127.0.0.1:7051" || n.Since != x.Origin()+1e6 {
		t.Errorf("address %q, since %d", n.Address, n.Since)
	}
	if d := x.Defined(); len(d) != 1 || d[0].Name != "basic" || d[0].Block != 4 {
		t.Errorf("definitions %+v", d)
	}
	x.happen(trace.Event{Kind: trace.LinkRule, Node: "peer*", Other: lead, What: trace.RuleShaped, A: 5e6})
	for i, name := range []string{peer0, lead, "orderer2.example.com"} {
		x.happen(trace.Event{Kind: trace.Partition, What: trace.Parted, Node: name, A: int64(min(i, 1)), B: 2, C: 1})
	}
	parted := x.Now().Seq
	x.happen(trace.Event{Kind: trace.Partition, What: trace.RuleHealed})
	var whats []trace.What
	for _, e := range x.Changed(lead, peer0, x.Now().Seq) {
		whats = append(whats, e.What)
	}
	if want := []trace.What{trace.RuleShaped, trace.RuleCut, trace.RuleHealed}; !reflect.DeepEqual(whats, want) {
		t.Errorf("the link was changed: %v, want %v", whats, want)
	}
	if n := len(x.Changed(lead, "orderer2.example.com", x.Now().Seq)); n != 0 {
		t.Errorf("a link within a group was changed %d times", n)
	}
	if n := len(x.Changed(peer0, lead, parted)); n != 2 {
		t.Errorf("before the partition ended there were %d changes", n)
	}
}

// Commit hashes are those that peers had at the moment, and tell from which block on they part.
func TestCommitHashes(t *testing.T) {
	x := newTale()
	commit := func(peer string, block uint64, hash string) uint64 {
		return x.happen(trace.Event{Kind: trace.Committed, Node: peer, Block: block, Key: hash}).Seq
	}
	commit("p1", 1, "aa")
	commit("p2", 1, "aa")
	before := commit("p1", 2, "bb")
	after := commit("p2", 2, "cc")
	one, two := x.Blocks().Of(1), x.Blocks().Of(2)
	if one.Parted(after) || two.Parted(before) || !two.Parted(after) {
		t.Errorf("parted: block 1 %v, block 2 before %v and after %v", one.Parted(after), two.Parted(before), two.Parted(after))
	}
	if p1, p2 := two.HashAt(x.Blocks().Peer("p1"), after), two.HashAt(x.Blocks().Peer("p2"), after); p1 != "bb" || p2 != "cc" {
		t.Errorf("hashes %q and %q", p1, p2)
	}
	if hash := two.HashAt(x.Blocks().Peer("p2"), before); hash != "" {
		t.Errorf("before it commits it has %q", hash)
	}
}

// A transaction is pending from when it is sent until its first verdict, its refusal, or the
// end of everybody's patience; a peer that catches up judges nothing anew.
func TestProgress(t *testing.T) {
	rec := trace.NewRecorder(trace.Options{})
	w := facts.New(rec, 0)
	sent, left, judged := 0, 0, 0
	var took int64
	happen := func(ms int64, e trace.Event) {
		e.Time = 1_795_000_000_000_000_000 + ms*1e6
		rec.Record(e)
		events, _, _ := rec.Since(w.Now().Seq, 0)
		w.Add(events, func(e *facts.Step, _ bool) {
			if e.Progress.Sent {
				sent++
			}
			if left += e.Progress.Left; e.Progress.Judged {
				judged++
			}
			took += e.Progress.Took
		})
	}
	want := func(what string, s, l, j int, ms int64) {
		t.Helper()
		if sent != s || left != l || judged != j || took != ms*1e6 {
			t.Errorf("%s: %d sent, %d left, %d judged, %v ms; want %d, %d, %d, %d", what, sent, left, judged, took/1e6, s, l, j, ms)
		}
	}
	for _, tx := range []string{"a", "b", "c"} {
		happen(0, trace.Event{Kind: trace.Submitted, Node: "alice", TxID: tx})
		happen(0, trace.Event{Kind: trace.Broadcast, Dir: trace.Sent, Node: "alice", Other: lead, TxID: tx})
	}
	want("three are sent", 3, 0, 0, 0)
	happen(2, trace.Event{Kind: trace.BroadcastAnswer, Dir: trace.Received, Node: "alice", Other: lead, TxID: "a", What: trace.Rejected, A: 403})
	want("one is refused", 3, 1, 0, 0)
	for _, peer := range []string{"p1", "p2"} {
		happen(10, trace.Event{Kind: trace.Verdict, Node: peer, Block: 5, TxID: "b", What: trace.Valid})
	}
	want("one is judged twice", 3, 2, 1, 0)
	happen(12, trace.Event{Kind: trace.CommitSeen, Node: "alice", Block: 5, TxID: "b", What: trace.Valid})
	happen(13, trace.Event{Kind: trace.CommitSeen, Node: "alice", Block: 5, TxID: "b", What: trace.Valid})
	want("its client knows it", 3, 2, 1, 12)
	happen(20, trace.Event{Kind: trace.Verdict, Node: "p3", Block: 4, TxID: "before", What: trace.Valid})
	want("a peer catches up", 3, 2, 1, 12)
	happen(299_000, trace.Event{Kind: trace.NetworkReady})
	want("one still waits", 3, 2, 1, 12)
	happen(301_000, trace.Event{Kind: trace.NetworkReady})
	want("nobody waits for it any more", 3, 3, 1, 12)
}
