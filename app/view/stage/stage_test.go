package stage_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

var update = flag.Bool("update", false, "write the golden captions anew")

// MustRead opens a recorded run and reads all its events.
func MustRead(t testing.TB, name string) (view.Source, []trace.Event) {
	t.Helper()
	run, err := runfile.Open(filepath.Join("..", "testdata", name+".fscope"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Close() })
	src := run
	var events []trace.Event
	for cursor := uint64(0); ; {
		more, next, lost := src.Since(cursor, 0)
		if lost > 0 {
			t.Fatalf("%d events are missing", lost)
		}
		if len(more) == 0 {
			return src, events
		}
		events, cursor = append(events, more...), next
	}
}

// twoOrganisations is the topology that the recorded runs used.
func twoOrganisations() facts.Layout {
	l := facts.Layout{Channel: "mychannel", Orderers: []string{"orderer.example.com", "orderer2.example.com", "orderer3.example.com"},
		Clients: []facts.LayoutClient{{Name: "alice", Org: "Org1"}, {Name: "bob", Org: "Org2"}}}
	for _, org := range []string{"Org1", "Org2"} {
		o := facts.LayoutOrg{Name: org}
		for i := range 2 {
			o.Peers = append(o.Peers, fmt.Sprintf("peer%d.%s.example.com", i, strings.ToLower(org)))
		}
		l.Orgs = append(l.Orgs, o)
	}
	return l
}

// MustWorld is a stage that has seen all of a recorded run.
func MustWorld(t testing.TB, name string) (*stage.World, []trace.Event) {
	t.Helper()
	src, events := MustRead(t, name)
	w := stage.Alone(src)
	w.Facts().Describe(twoOrganisations())
	w.Add(events)
	return w, events
}

// MustFind gives the moment of the first event after a position that fits.
func MustFind(t testing.TB, events []trace.Event, after uint64, fits func(e *trace.Event) bool) view.Moment {
	t.Helper()
	for i := range events {
		if e := &events[i]; e.Seq > after && fits(e) {
			return view.Moment{Seq: e.Seq, Time: e.Time}
		}
	}
	t.Fatal("the run has no such event")
	return view.Moment{}
}

// MustRace gives the moment before both clients of a recorded race begin: the first
// proposal of the block that has both their transactions, less one event.
func MustRace(t testing.TB, events []trace.Event) view.Moment {
	t.Helper()
	var invalid string
	for _, e := range events {
		if e.Kind == trace.Verdict && e.What == trace.Invalid {
			invalid = e.TxID
		}
	}
	var before trace.Event
	for _, e := range events {
		if e.Kind == trace.Proposal && (e.TxID == invalid || e.Node == "alice" && before.Kind != "" && hasBoth(events, e.TxID, invalid)) {
			return view.Moment{Seq: before.Seq, Time: before.Time}
		}
		before = e
	}
	t.Fatal("nobody loses in this run")
	return view.Moment{}
}

// hasBoth tells whether two transactions are judged in the same block.
func hasBoth(events []trace.Event, a, b string) bool {
	var blocks [2]uint64
	for _, e := range events {
		if e.Kind == trace.Verdict && e.TxID == a {
			blocks[0] = e.Block
		}
		if e.Kind == trace.Verdict && e.TxID == b {
			blocks[1] = e.Block
		}
	}
	return blocks[0] == blocks[1]
}

// picture is everything that a frame shows, as text, to compare frames.
func picture(t testing.TB, f *stage.Frame) string {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "[]", "null") // an empty list is an empty list
}

func peerNamed(t testing.TB, f *stage.Frame, title string) *stage.Peer {
	t.Helper()
	for i := range f.Orgs {
		for j := range f.Orgs[i].Peers {
			if p := &f.Orgs[i].Peers[j]; p.Title == title {
				return p
			}
		}
	}
	t.Fatalf("no peer %s on the stage", title)
	return nil
}

func ordererNamed(t testing.TB, f *stage.Frame, title string) *stage.Orderer {
	t.Helper()
	for i := range f.Ordering.Nodes {
		if n := &f.Ordering.Nodes[i]; n.Title == title {
			return n
		}
	}
	t.Fatalf("no ordering node %s on the stage", title)
	return nil
}

// Two transactions are simulated at the same time by the chaincodes of two peers.
func TestTwoSimulationsAtOnce(t *testing.T) {
	w, events := MustWorld(t, "two-clients-one-key")
	const node = "peer0.org1.example.com"
	height, hash, writer := "", "", ""
	at := MustFind(t, events, MustRace(t, events).Seq, func(e *trace.Event) bool {
		return e.Kind == trace.ChaincodePutState && e.Node == node && len(peerNamed(t, w.Frame(view.Moment{Seq: e.Seq, Time: e.Time}, stage.Options{}), "peer0.org1").Containers[0].Lanes) == 2
	})
	for _, e := range events[:at.Seq] {
		if e.Kind == trace.Committed && e.Node == node && e.Key != "" {
			height, hash = fmt.Sprint("#", e.Block), "state "+e.Key[:4]
		}
		writer = e.TxID
	}
	f := w.Frame(at, stage.Options{})
	p := peerNamed(t, f, "peer0.org1")
	if p.Doing != "building 2 read-write sets" || !p.Busy || p.Height != height || p.Hash != hash {
		t.Errorf("the peer shows %q %q %q, it had %q %q", p.Doing, p.Height, p.Hash, height, hash)
	}
	if len(p.Containers) != 1 || len(p.Containers[0].Lanes) != 2 || p.Containers[0].Title != "basic 1.0" {
		t.Fatalf("its containers: %+v", p.Containers)
	}
	for _, l := range p.Containers[0].Lanes {
		if l.TxID == writer && (l.Label != writer[:4]+" PutState" || l.Reads != 1 || l.Writes != 1 || l.Class != view.Write) {
			t.Errorf("the lane that has written shows %+v", l)
		}
		if l.TxID != writer && l.Writes > 0 {
			t.Errorf("the other lane shows %+v", l)
		}
	}
	if other := peerNamed(t, f, "peer1.org1"); other.Doing != "idle" || other.Containers[0].Line != "waiting for work" {
		t.Errorf("peer1.org1 shows %q, its container %q", other.Doing, other.Containers[0].Line)
	}
	for i, name := range []string{"alice", "bob"} {
		if c := f.Clients[i]; c.Title != name || !strings.HasPrefix(c.Line, "tx ") {
			t.Errorf("client %d shows %q, %q", i, c.Title, c.Line)
		}
	}
}

// The batch fills and is cut; Raft's roles, term and log are on the ordering nodes.
func TestOrderingServiceFills(t *testing.T) {
	w, events := MustWorld(t, "two-clients-one-key")
	at := MustFind(t, events, MustRace(t, events).Seq, func(e *trace.Event) bool { return e.Kind == trace.Enqueued && e.A == 1 })
	f := w.Frame(at, stage.Options{})
	if b := f.Ordering.Batch; b.Text != "next block: 1 of 2 tx · cuts in 1.0 s" || b.Share != 0.5 {
		t.Errorf("the batch shows %q, %.2f", b.Text, b.Share)
	}
	at.Time += 400e6
	if b := w.Frame(at, stage.Options{}).Ordering.Batch; b.Text != "next block: 1 of 2 tx · cuts in 600 ms" {
		t.Errorf("later it shows %q", b.Text)
	}
	if f := w.Frame(at, stage.Options{}); f.Ordering.Note != "Raft · term 2" {
		t.Errorf("the service shows %q", f.Ordering.Note)
	}
	leader := ordererNamed(t, f, "orderer")
	if leader.Role != facts.Leader || !strings.HasPrefix(leader.Log, "log ") || ordererNamed(t, f, "orderer2").RoleText != "follower" {
		t.Errorf("the leader shows %+v", leader)
	}
	cut := MustFind(t, events, at.Seq, func(e *trace.Event) bool { return e.Kind == trace.BlockCut })
	if b := w.Frame(cut, stage.Options{}).Ordering.Batch; b.Text != "next block: 0 of 2 tx" || b.Share != 0 {
		t.Errorf("after the cut it shows %q, %.2f", b.Text, b.Share)
	}
}

// A leader that is killed looks it; the next one is elected with a vote, in a new term.
func TestLeaderDies(t *testing.T) {
	w, events := MustWorld(t, "leader-dies")
	killed := MustFind(t, events, 0, func(e *trace.Event) bool { return e.Kind == trace.NodeKilled })
	f := w.Frame(killed, stage.Options{})
	if o := ordererNamed(t, f, "orderer"); o.Life != facts.Killed || o.Mark != stage.Down || o.MarkText != "killed" || o.Role != facts.NoRole {
		t.Errorf("the killed leader shows %+v", o)
	}
	role := func(after uint64, what trace.What) (at view.Moment, title string) {
		at = MustFind(t, events, after, func(e *trace.Event) bool { return e.Kind == trace.RaftRole && e.What == what })
		return at, strings.TrimSuffix(events[at.Seq-1].Node, ".example.com")
	}
	candidate, title := role(killed.Seq, trace.Candidate)
	f = w.Frame(candidate, stage.Options{})
	if o := ordererNamed(t, f, title); o.RoleText != "candidate" {
		t.Errorf("%s shows %q", title, o.RoleText)
	}
	elected, title := role(candidate.Seq, trace.Leader)
	f = w.Frame(elected, stage.Options{})
	if o := ordererNamed(t, f, title); o.Role != facts.Leader || f.Ordering.Note != fmt.Sprint("Raft · term ", events[elected.Seq-1].A) {
		t.Errorf("%s shows %q, the service %q", title, o.RoleText, f.Ordering.Note)
	}
	back := MustFind(t, events, elected.Seq, func(e *trace.Event) bool { return e.Kind == trace.RaftLeader && e.Node == "orderer.example.com" })
	if o := ordererNamed(t, w.Frame(back, stage.Options{}), "orderer"); o.Life != facts.Up || o.RoleText != "follower" {
		t.Errorf("back again it shows %+v", o)
	}
}

// A peer that lies looks it, until it does not any more.
func TestLyingEndorser(t *testing.T) {
	w, events := MustWorld(t, "lying-endorser")
	lies := MustFind(t, events, 0, func(e *trace.Event) bool { return e.Kind == trace.Fault })
	if p := peerNamed(t, w.Frame(lies, stage.Options{}), "peer0.org2"); p.Mark != stage.Lying || p.MarkText != "lies" {
		t.Errorf("it shows %q", p.MarkText)
	}
	honest := MustFind(t, events, lies.Seq, func(e *trace.Event) bool { return e.Kind == trace.Fault && e.What == trace.FaultHonest })
	if p := peerNamed(t, w.Frame(honest, stage.Options{}), "peer0.org2"); p.Mark != stage.Fine {
		t.Errorf("it still shows %q", p.MarkText)
	}
	if p := peerNamed(t, w.Frame(honest, stage.Options{}), "peer0.org1"); len(p.Containers) > 2 {
		t.Errorf("%d containers at one peer", len(p.Containers))
	}
}

// A hundred steps back and a hundred forward give the same pictures, and so does a stage
// that got the events in other portions.
func TestFramesAreFunctionsOfTheMoment(t *testing.T) {
	for _, name := range []string{"two-clients-one-key", "leader-dies", "lying-endorser"} {
		t.Run(name, func(t *testing.T) {
			src, events := MustRead(t, name)
			w := stage.Alone(src)
			w.Add(events)
			portions := stage.Alone(src)
			for i := 0; i < len(events); i += 37 {
				portions.Add(events[i:min(len(events), i+37)])
			}
			o := stage.Options{Scale: 4 * time.Millisecond}
			var there []string
			moment := func(i int) view.Moment {
				e := events[len(events)*2/3-i*3]
				return view.Moment{Seq: e.Seq, Time: e.Time + int64(i%3)*7000}
			}
			for i := range 100 {
				there = append(there, picture(t, w.Frame(moment(i), o)))
			}
			for i := 99; i >= 0; i-- {
				if d := cmp.Diff(there[i], picture(t, w.Frame(moment(i), o))); d != "" {
					t.Fatalf("step %d is another picture on the way forward:\n%s", i, d)
				}
				if d := cmp.Diff(there[i], picture(t, portions.Frame(moment(i), o))); d != "" {
					t.Fatalf("step %d depends on how the events came:\n%s", i, d)
				}
			}
		})
	}
}

// The newest moment shows the same from a checkpoint as live.
func TestReplayAgreesWithLive(t *testing.T) {
	src, events := MustRead(t, "leader-dies")
	later := stage.Alone(src)
	later.Add(events)
	live := stage.Alone(src)
	for i := range events {
		live.Add(events[i : i+1])
		if i%61 != 0 {
			continue
		}
		at := view.Moment{Seq: events[i].Seq, Time: events[i].Time}
		f, g := live.Frame(at, stage.Options{}), later.Frame(at, stage.Options{})
		for j := range f.Orgs {
			for k := range f.Orgs[j].Peers {
				a := &f.Orgs[j].Peers[k]
				if b := peerNamed(t, g, a.Title); a.Doing != b.Doing || a.Height != b.Height || a.Hash != b.Hash || a.MarkText != b.MarkText {
					t.Fatalf("event %d: %s shows %q %q live and %q %q later", at.Seq, a.Title, a.Doing, a.Height, b.Doing, b.Height)
				}
			}
		}
	}
}

// keepLast is a source that has only the newest events, as a live recorder.
type keepLast struct {
	view.Source
	events []trace.Event
	most   int
}

func (k *keepLast) Since(cursor uint64, most int) (events []trace.Event, next, lost uint64) {
	kept := k.events[max(0, len(k.events)-k.most):]
	for len(kept) > 0 && kept[0].Seq <= cursor {
		kept = kept[1:]
	}
	if len(kept) == 0 {
		return nil, cursor, 0
	}
	lost = kept[0].Seq - cursor - 1
	kept = kept[:min(len(kept), most)]
	return kept, kept[len(kept)-1].Seq, lost
}

// On a long live trace every moment that the recorder still has can be shown as it was.
func TestEarlierMomentsOfALongTrace(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a million events")
	}
	all := stream(1000, 18_000)
	src := &keepLast{most: 60_000}
	w := stage.Alone(src)
	w.Facts().Describe(twoOrganisations())
	o := stage.Options{}
	var at view.Moment
	want := ""
	for i := 0; i < len(all); i += 1000 {
		src.events = all[:min(len(all), i+1000)]
		w.Add(src.events[i:])
		if i == len(all)/1000*1000-50_000 {
			last := src.events[len(src.events)-1]
			at = view.Moment{Seq: last.Seq, Time: last.Time}
			want = peerNamed(t, w.Frame(at, o), "peer0.org1").Doing + " " + peerNamed(t, w.Frame(at, o), "peer0.org1").Height
		}
	}
	p := peerNamed(t, w.Frame(at, o), "peer0.org1")
	if got := p.Doing + " " + p.Height; got != want || p.Height == "" {
		t.Errorf("it shows %q, and showed %q when it was the newest moment", got, want)
	}
}

// A message moves along its link between the moments at which it was sent and received.
func TestMessagesMove(t *testing.T) {
	w, events := MustWorld(t, "two-clients-one-key")
	sent := MustFind(t, events, MustRace(t, events).Seq, func(e *trace.Event) bool {
		return e.Kind == trace.Proposal && e.Node == "alice" && e.Other == "peer0.org1.example.com"
	})
	got := MustFind(t, events, sent.Seq, func(e *trace.Event) bool {
		return e.Kind == trace.Proposal && e.Dir == trace.Received && e.Other == "alice" && e.Node == "peer0.org1.example.com"
	})
	at := func(when int64) *stage.Dot {
		m := view.Moment{Seq: sent.Seq, Time: when}
		if when >= got.Time {
			m.Seq = got.Seq
		}
		f := w.Frame(m, stage.Options{})
		for i := range f.Dots {
			if f.Dots[i].Seq == sent.Seq {
				return &f.Dots[i]
			}
		}
		return nil
	}
	last := -1.0
	for share := 0; share <= 10; share++ {
		d := at(sent.Time + (got.Time-sent.Time)*int64(share)/10)
		if d == nil {
			t.Fatalf("nothing is seen of it at %d0 %%", share)
		}
		if d.Class != view.Proposal || d.P.X <= last {
			t.Errorf("at %d0 %% it stands at %v, as class %d", share, d.P, d.Class)
		}
		last = d.P.X
	}
	if at(got.Time+1) != nil {
		t.Error("it is seen after it has arrived")
	}
}

// A selected transaction lights up where it has been; the rest steps back.
func TestSelectedTransaction(t *testing.T) {
	w, events := MustWorld(t, "two-clients-one-key")
	put := MustFind(t, events, MustRace(t, events).Seq, func(e *trace.Event) bool {
		return e.Kind == trace.ChaincodePutState && e.Node == "peer0.org1.example.com"
	})
	tx := events[put.Seq-1].TxID
	f := w.Frame(put, stage.Options{Selection: view.Selection{What: view.SelectTx, TxID: tx}})
	if !f.Dimmed || !peerNamed(t, f, "peer0.org1").Lit || !peerNamed(t, f, "peer1.org2").Dim {
		t.Error("not the endorsers are lit, or others are")
	}
	lanes := peerNamed(t, f, "peer0.org1").Containers[0].Lanes
	for _, l := range lanes {
		if l.Lit != (l.TxID == tx) || l.Dim == l.Lit {
			t.Errorf("lane %s is lit: %v", l.Label, l.Lit)
		}
	}
	for _, d := range f.Dots {
		if d.Lit == d.Dim {
			t.Error("a message is neither lit nor dim")
		}
	}
}

// Captions are sentences made from the events; the golden file lists those of the race.
func TestCaptions(t *testing.T) {
	w, events := MustWorld(t, "two-clients-one-key")
	var b strings.Builder
	last := ""
	for _, e := range events {
		at := view.Moment{Seq: e.Seq, Time: e.Time}
		text := w.Caption(at, view.Selection{})
		if text == last || e.Seq < 300 && e.Seq > 120 {
			continue
		}
		fmt.Fprintf(&b, "%d %s\n", e.Seq, text)
		last = text
		if strings.Contains(text, "%!") || strings.Contains(text, "  ") || strings.HasPrefix(text, " ") {
			t.Errorf("event %d, %s: %q", e.Seq, e.Kind, text)
		}
	}
	path := filepath.Join("testdata", "captions.golden")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); d != "" {
		t.Errorf("captions differ (-update writes them anew):\n%s", d)
	}
}

// Every kind of event gives a sentence or nothing, never a broken one.
func TestEveryKindHasACaption(t *testing.T) {
	for _, name := range []string{"leader-dies", "lying-endorser"} {
		w, events := MustWorld(t, name)
		for _, e := range events {
			text := w.Caption(view.Moment{Seq: e.Seq, Time: e.Time}, view.Selection{})
			if strings.Contains(text, "%!") || strings.Contains(text, "  ") || text != "" && !strings.ContainsAny(text[len(text)-1:], ".!?") {
				t.Errorf("%s event %d, %s: %q", name, e.Seq, e.Kind, text)
			}
		}
	}
}

// A range is told from its first key to its last, as the message says.
func TestCaptionOfARange(t *testing.T) {
	w, events := MustWorld(t, "mixed-block")
	seen := 0
	for _, e := range events {
		if e.Kind == "chaincode.get_state_by_range" {
			seen++
			if text := w.Caption(view.Moment{Seq: e.Seq, Time: e.Time}, view.Selection{}); !strings.Contains(text, "lists keys (from bid: [lot1] to bid: [lot1, …])") {
				t.Errorf("event %d: %s", e.Seq, text)
			}
		}
	}
	if seen == 0 {
		t.Error("the run lists no keys")
	}
}
