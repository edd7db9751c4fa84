package facts_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

const peer0, lead = "peer0.org1.example.com", "orderer.example.com"

// tale is a world with hand-made events, a millisecond apart, in a recorder that can be
// read again.
type tale struct {
	*facts.World
	rec *trace.Recorder
}

func newTale() *tale {
	rec := trace.NewRecorder(trace.Options{})
	return &tale{facts.New(rec, 0), rec}
}

// happen records an event and lets the world take it in; it gives the event's moment.
func (t *tale) happen(e trace.Event) view.Moment {
	before := t.Now().Seq
	if e.Time == 0 {
		e.Time = 1_795_000_000_000_000_000 + int64(before+1)*1e6
	}
	t.rec.Record(e)
	events, _, _ := t.rec.Since(before, 0)
	t.Add(events, nil)
	return view.Moment{Seq: events[0].Seq, Time: events[0].Time}
}

func (t *tale) node(name string) facts.Node {
	i, _ := t.ID(name)
	return t.Now().Node(i)
}

// Who leads, in which term, and what waits in the batch, follow from roles and envelopes.
func TestLeaderAndBatch(t *testing.T) {
	x := newTale()
	x.happen(trace.Event{Kind: trace.ChannelConfig, Node: lead, What: trace.Told, A: 10, B: 512 << 10, C: 2e9})
	x.happen(trace.Event{Kind: trace.RaftRole, Node: lead, What: trace.Leader, A: 2})
	full := x.happen(trace.Event{Kind: trace.Enqueued, Node: lead, TxID: "a", What: trace.Told, A: 1, B: 700})
	s := x.Now()
	if x.Name(s.Leader-1) != lead || s.Term != 2 || s.Batch.Pending != 1 || s.Batch.Bytes != 700 || s.Limits.Messages != 10 || s.Limits.Timeout != 2e9 {
		t.Errorf("%+v", s)
	}
	x.happen(trace.Event{Kind: trace.NodeKilled, Node: lead, What: trace.IsOrderer})
	if s := x.Now(); s.Leader != 0 || s.Batch.Pending != 0 {
		t.Errorf("a killed node leads: %d, with %d envelopes", s.Leader, s.Batch.Pending)
	}
	if s := x.At(full); x.Name(s.Leader-1) != lead || s.Batch.Pending != 1 {
		t.Errorf("back there it leads not: %d, %d envelopes", s.Leader, s.Batch.Pending)
	}
}

// A partition is one fact whose groups are told node by node; a new one replaces it.
func TestPartition(t *testing.T) {
	x := newTale()
	for id, groups := range []map[string]int64{{"a": 0, "b": 1, "c": 1}, {"a": 0, "b": 0, "c": 1}} {
		for _, name := range []string{"a", "b", "c"} {
			x.happen(trace.Event{Kind: trace.Partition, What: trace.Parted, Node: name, A: groups[name], B: 2, C: int64(id + 1)})
		}
		if s := x.Now(); s.Apart("b", "c") != (id == 1) || !s.Apart("a", "c") || s.Apart("a", "b") != (id == 0) || len(s.Groups) != 2 {
			t.Errorf("partition %d: %v", id, s.Groups)
		}
	}
	x.happen(trace.Event{Kind: trace.Partition, What: trace.RuleHealed})
	if s := x.Now(); len(s.Groups) != 0 || s.Apart("a", "c") {
		t.Errorf("it has not ended: %v", s.Groups)
	}
}

// Holds, lies, pauses and link rules are what events say, whoever set them.
func TestFaults(t *testing.T) {
	x := newTale()
	x.happen(trace.Event{Kind: trace.NodeReady, Node: peer0, What: trace.IsPeer})
	x.happen(trace.Event{Kind: trace.Fault, Node: peer0, What: trace.FaultLies})
	x.happen(trace.Event{Kind: trace.HoldSet, What: trace.Told, A: 4, B: 2, Name: "raft.*", Node: lead})
	x.happen(trace.Event{Kind: trace.LinkRule, Node: "peer*", Other: lead, What: trace.RuleShaped, A: 5e6, C: 250_000})
	s := x.Now()
	rule, parted := s.Between(lead, peer0)
	if !x.node(peer0).Lies || len(s.Holds) != 1 || s.Holds[0].Kind != "raft.*" || s.Holds[0].Count != 2 || rule == nil || parted || rule.Loss != 0.25 {
		t.Errorf("lies %v, holds %+v, rule %+v", x.node(peer0).Lies, s.Holds, rule)
	}
	x.happen(trace.Event{Kind: trace.Fault, Node: peer0, What: trace.FaultHonest})
	x.happen(trace.Event{Kind: trace.HoldGone, What: trace.HoldSpent, A: 4})
	x.happen(trace.Event{Kind: trace.LinkRule, Node: "peer*", Other: lead, What: trace.RuleHealed})
	if s = x.Now(); x.node(peer0).Lies || len(s.Holds)+len(s.Rules) != 0 || len(s.Troubles) != 2 {
		t.Errorf("%+v", s)
	}
}

// Events without facts, as in old run files, leave things unknown.
func TestUntold(t *testing.T) {
	x := newTale()
	x.happen(trace.Event{Kind: trace.NodeStart, Node: "somebody", Note: "peer"})
	x.happen(trace.Event{Kind: trace.RaftRole, Node: lead, Block: 3, Note: "leader"})
	x.happen(trace.Event{Kind: trace.Fault, Node: lead, Note: "it lies: it changes a written value before it endorses"})
	x.happen(trace.Event{Kind: trace.LinkRule, Note: "partition: a | b"})
	s := x.Now()
	if _, known := x.ID("somebody"); known {
		t.Error("what somebody is was guessed")
	}
	if s.Leader != 0 || x.node(lead).Role != facts.NoRole || x.node(lead).Lies || len(s.Groups)+len(s.Rules) != 0 {
		t.Errorf("read out of a sentence: %+v", s)
	}
}

// The state of an earlier moment is the one that was the newest at that moment, however
// the events arrive and from whichever checkpoint it is reached.
func TestMoments(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"two-clients-one-key", "lying-endorser", "leader-dies", "mixed-block", "gateway"} {
		run, err := runfile.Open("../testdata/" + name + ".fscope")
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		events, _, _ := run.Since(0, 1_000_000)
		whole := facts.New(run, 0)
		for rest := events; len(rest) > 0; {
			n := min(len(rest), 1+rng.IntN(400))
			whole.Add(rest[:n], nil)
			whole.Add(rest[:n], nil) // what is known is passed over
			rest = rest[n:]
		}
		for range 12 {
			i := rng.IntN(len(events))
			alone := facts.New(nil, 0)
			alone.Add(events[:i+1], nil)
			at := view.Moment{Seq: events[i].Seq, Time: events[i].Time}
			if got, want := told(whole, whole.At(at)), told(alone, alone.Now()); got != want {
				t.Fatalf("%s at %d:\n%s\nbut it was\n%s", name, at.Seq, got, want)
			}
		}
	}
}

// told writes a state with names instead of indexes, which depend on what is known later.
func told(w *facts.World, s *facts.State) string {
	out := fmt.Sprintf("%d %d leader %s batch %d/%d of %+v rules %v groups %v holds %v held %d newest %d defs %v packages %v steps %v\n", s.Seq, s.Term,
		w.Name(s.Leader-1), s.Batch.Pending, s.Batch.Bytes, s.Limits, s.Rules, s.Groups, s.Holds, len(s.Held), s.Newest, s.Definitions, s.Packages, s.Steps)
	for i := range w.Nodes {
		n := s.Node(int32(i))
		if reflect.DeepEqual(n, facts.Node{}) {
			continue
		}
		out += fmt.Sprintf("%s %d height %d %v %s sims %v role %d term %d log %d follows %s open %d lies %v", w.Name(int32(i)), n.Life, n.Height, n.Known, n.Hash,
			n.Sims, n.Role, n.Term, n.Log, w.Name(n.Leader-1), len(n.Open), n.Lies)
		for _, c := range n.Docked {
			out += fmt.Sprintf(" [%s %d %d lanes]", c.Label, c.Phase, len(c.Lanes))
		}
		out += "\n"
	}
	return out
}

// A chaincode's name may have underscores; its version is what follows the last one.
func TestNameWithUnderscores(t *testing.T) {
	x := newTale()
	x.happen(trace.Event{Kind: trace.LaunchEnd, Node: peer0, Other: "my_cc_1.0@" + peer0, Key: "my_cc_1.0:ab", What: trace.CodeReady})
	x.happen(trace.Event{Kind: trace.ChaincodeTransaction, Dir: trace.Sent, Node: peer0, Other: "my_cc_1.0@" + peer0, Key: "Create", TxID: "t"})
	if c := x.node(peer0).Docked[0]; c.Label != "my_cc 1.0" || c.Name() != "my_cc" || !reflect.DeepEqual(x.Now().Functions("my_cc"), []string{"Create"}) {
		t.Errorf("%+v, functions %v", c, x.Now().Functions("my_cc"))
	}
}

// A message has both ends, whichever of them recorded it, and whatever befell it.
func TestMessageEnds(t *testing.T) {
	x := newTale()
	x.happen(trace.Event{Kind: trace.Proposal, Dir: trace.Sent, Node: "alice", Other: peer0, TxID: "t", Msg: 1})
	x.happen(trace.Event{Kind: trace.Proposal, Dir: trace.Received, Node: peer0, Other: "alice", TxID: "t", Msg: 1})
	x.happen(trace.Event{Kind: trace.GatewayCall, Dir: trace.Received, Node: peer0, Other: "User1@org1.example.com", TxID: "u", Msg: 2})
	x.happen(trace.Event{Kind: trace.Broadcast, Dir: trace.Sent, Node: "alice", Other: lead, TxID: "t", Msg: 3})
	x.happen(trace.Event{Kind: trace.Broadcast, Dir: trace.Lost, Node: "alice", Other: lead, TxID: "t", Msg: 3, What: trace.LostCut})
	type end struct {
		from, to string
		seq, end uint64
		lost     bool
	}
	want := []end{{"alice", peer0, 1, 2, false}, {"User1@org1.example.com", peer0, 3, 3, false}, {"alice", lead, 4, 5, true}}
	var got []end
	for _, c := range x.Messages().Chunks {
		for _, m := range c.List {
			got = append(got, end{x.Name(m.From), x.Name(m.To), m.Seq, m.End(), m.Lost()})
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

// The written block says which batch it was; verdicts are those of the first judge.
func TestBlocks(t *testing.T) {
	x := newTale()
	x.happen(trace.Event{Kind: trace.Enqueued, Node: lead, TxID: "a", What: trace.Told, A: 1})
	x.happen(trace.Event{Kind: trace.BlockCut, Node: lead, Block: 6, What: trace.CutByTimeout, A: 1, B: 4, C: 99})
	x.happen(trace.Event{Kind: trace.BlockWritten, Node: lead, Block: 5, What: trace.Told, A: 1, B: 4, C: 99})
	b := x.Blocks().Of(5)
	if b == nil || !reflect.DeepEqual(b.Known(100), []string{"a"}) || b.Cuts[0].Why != trace.CutByTimeout {
		t.Fatalf("block 5: %+v", b)
	}
	x.happen(trace.Event{Kind: trace.ValidateFrom, Node: peer0, Block: 5, What: trace.Told, A: 1})
	x.happen(trace.Event{Kind: trace.Verdict, Node: peer0, Block: 5, TxID: "a", What: trace.Invalid, A: 11, Key: "MVCC_READ_CONFLICT"})
	x.happen(trace.Event{Kind: trace.Committed, Node: peer0, Block: 5, What: trace.Told, Key: "ff"})
	if p := b.At[0]; !facts.Conflict(p.Codes[0]) || facts.CodeName(p.Codes[0]) != "MVCC_READ_CONFLICT" || p.Committed != 6 || b.Judge != 1 {
		t.Errorf("%+v", b)
	}
}

// Whatever events arrive, in whatever order, nothing panics and bounds hold.
func FuzzWorld(f *testing.F) {
	f.Add([]byte("a few bytes"))
	f.Add([]byte{255, 0, 9, 200, 14, 77, 31, 5, 0, 0, 120, 8})
	names := []string{"", peer0, lead, "alice", "Admin@org1.example.com", "basic_1.0@" + peer0, "peer*", "@", "x_@y"}
	kinds := append(trace.Kinds(), "chaincode.get_state_by_range", "chaincode.nonsense", "raft.nonsense", "")
	f.Fuzz(func(t *testing.T, data []byte) {
		w := facts.New(nil, 300)
		seq := uint64(0)
		for ; len(data) >= 8; data = data[8:] {
			seq += 1 + uint64(data[7]>>6)*uint64(data[7]&1)
			e := trace.Event{Seq: seq, Time: int64(seq) * int64(data[6]), Kind: kinds[int(data[0])%len(kinds)], Dir: trace.Dir(data[1] % 7),
				Node: names[int(data[2])%len(names)], Other: names[int(data[3])%len(names)], TxID: []string{"", "t", "u"}[data[4]%3],
				What: trace.What(data[5]), Block: uint64(data[6] % 5), Msg: uint64(data[7] % 9), A: int64(int8(data[6])), B: int64(data[4]), C: int64(int8(data[3])),
				Key: names[int(data[6])%len(names)], Name: names[int(data[7])%len(names)]}
			w.Add([]trace.Event{e}, nil)
		}
		at := view.Moment{Seq: seq, Time: int64(seq) * 255}
		w.Messages().Visit(at, 1e6, func(m *facts.Message) {
			if int(m.From) >= len(w.Nodes) || int(m.Link) >= len(w.Pairs) {
				t.Fatalf("a message out of nowhere: %+v", m)
			}
		})
		for _, b := range w.Blocks().List {
			_ = b.Known(seq)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	run, err := runfile.Open("../testdata/leader-dies.fscope")
	if err != nil {
		b.Fatal(err)
	}
	defer run.Close()
	events, _, _ := run.Since(0, 1_000_000)
	for b.Loop() {
		facts.New(nil, 0).Add(events, nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
}

// Which way a held or lost message goes is told by the end that says so, also where nothing else
// is known of either end.
func TestHeldMessagesHaveADirection(t *testing.T) {
	for name, forth := range map[string]bool{"sent": true, "received": false} {
		for _, dir := range []trace.Dir{trace.Held, trace.Released, trace.Lost} {
			w := facts.New(nil, 0)
			w.Add([]trace.Event{{Seq: 1, Time: 1, Kind: trace.PeerCall, Dir: dir, Node: "a.example.com", Other: "b.example.com", Name: name}}, func(e *facts.Step, _ bool) {
				if from := w.Name(e.From); (from == "a.example.com") != forth {
					t.Errorf("%s, which a %s: it comes from %s", dir, name, from)
				}
			})
		}
	}
}

// A verdict is about the transaction whose position it tells, also when those before it were
// lost; a peer that judges the block again fills in what is missing and changes nothing else.
func TestVerdictsByPosition(t *testing.T) {
	x := newTale()
	judge := func(tx string, position int64, what trace.What, code int64) view.Moment {
		return x.happen(trace.Event{Kind: trace.Verdict, Node: peer0, Block: 7, TxID: tx, What: what, A: code, B: position})
	}
	x.happen(trace.Event{Kind: trace.ValidateFrom, Node: peer0, Block: 7, What: trace.Told, A: 4})
	judge("a", 0, trace.Valid, 0)
	third := judge("c", 2, trace.Invalid, int64(facts.Stale))
	judge("e", 4, trace.Valid, 0) // the block has no fifth
	judge("e", -1, trace.Valid, 0)
	k := x.Blocks().Of(7)
	if got := k.Known(third.Seq); !reflect.DeepEqual(got, []string{"a", "", "c"}) {
		t.Errorf("the block holds %q", got)
	}
	if got := k.Verdicts(0, third.Seq); !reflect.DeepEqual(got, []uint8{facts.Valid, facts.Undecided, facts.Stale}) {
		t.Errorf("verdicts %v", got)
	}
	if _, ok := k.Code(1); ok {
		t.Error("a verdict that nobody told is known")
	}
	x.happen(trace.Event{Kind: trace.ValidateFrom, Node: peer0, Block: 7, What: trace.Told, A: 4})
	judge("a", 0, trace.Invalid, int64(facts.Phantom))
	again := judge("b", 1, trace.Invalid, int64(facts.Phantom))
	if got := k.Verdicts(0, again.Seq); !reflect.DeepEqual(got, []uint8{facts.Valid, facts.Phantom, facts.Stale}) {
		t.Errorf("judged again: %v", got)
	}
	if k, at := x.Blocks().Find("b", again.Seq); k == nil || at != 1 {
		t.Errorf("b stands at %d", at)
	}
}

// The blocks of a hundred peers are followed, and what is kept of them is bounded.
func TestBlocksOfManyPeers(t *testing.T) {
	x := newTale()
	last := ""
	for i := range 100 {
		last = fmt.Sprintf("peer%d.org1.example.com", i)
		x.happen(trace.Event{Kind: trace.ValidateFrom, Node: last, Block: 7, What: trace.Told, A: 1})
		x.happen(trace.Event{Kind: trace.Verdict, Node: last, Block: 7, TxID: "a", What: trace.Valid})
	}
	k := x.Blocks().Of(7)
	if got := k.Verdicts(x.Blocks().Peer(last), x.Now().Seq); !reflect.DeepEqual(got, []uint8{facts.Valid}) {
		t.Errorf("the hundredth peer found %v", got)
	}
}
