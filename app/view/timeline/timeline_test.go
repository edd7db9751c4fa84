package timeline_test

import (
	"fmt"
	"math"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// MustEvents reads a recorded run.
func MustEvents(t testing.TB, path string) []trace.Event {
	t.Helper()
	run, err := runfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	var all []trace.Event
	for cursor := uint64(0); ; {
		events, next, _ := run.Since(cursor, 10_000)
		if len(events) == 0 {
			return all
		}
		all, cursor = append(all, events...), next
	}
}

// story makes events one after the other.
type story struct {
	events []trace.Event
	now    int64
}

func (s *story) at(us int64) *story { s.now = 1_000_000_000_000 + us*1000; return s }

func (s *story) add(e trace.Event) *story {
	e.Seq, e.Time = uint64(len(s.events)+1), s.now
	s.events = append(s.events, e)
	return s
}

const (
	peer0 = "peer0.org1.example.com"
	peer1 = "peer1.org1.example.com"
	basic = "basic_1.0@peer0.org1.example.com"
	tx1   = "aaaa000000000000000000000000000000000000000000000000000000000000"
	tx2   = "bbbb000000000000000000000000000000000000000000000000000000000000"
)

// parallel is two transactions that are simulated at the same time on one peer.
func parallel() *story {
	s := &story{}
	s.at(0).add(trace.Event{Kind: trace.Proposal, Dir: trace.Sent, Node: "alice", Other: peer0, TxID: tx1, Msg: 1})
	s.at(100).add(trace.Event{Kind: trace.Proposal, Dir: trace.Received, Node: peer0, Other: "alice", TxID: tx1, Msg: 1})
	s.at(150).add(trace.Event{Kind: trace.SimulateStart, Node: peer0, TxID: tx1})
	s.at(200).add(trace.Event{Kind: trace.ChaincodeTransaction, Dir: trace.Sent, Node: peer0, Other: basic, TxID: tx1})
	s.at(250).add(trace.Event{Kind: trace.SimulateStart, Node: peer0, TxID: tx2})
	s.at(300).add(trace.Event{Kind: trace.ChaincodeTransaction, Dir: trace.Sent, Node: peer0, Other: basic, TxID: tx2})
	s.at(400).add(trace.Event{Kind: trace.ChaincodePutState, Dir: trace.Received, Node: peer0, Other: basic, TxID: tx1, Key: "asset1"})
	s.at(500).add(trace.Event{Kind: trace.ChaincodeCompleted, Dir: trace.Received, Node: peer0, Other: basic, TxID: tx1, What: trace.Accepted, A: 200})
	s.at(550).add(trace.Event{Kind: trace.SimulateEnd, Node: peer0, TxID: tx1, What: trace.Accepted, A: 1, B: 1, C: 200})
	s.at(600).add(trace.Event{Kind: trace.ProposalResponse, Dir: trace.Sent, Node: peer0, Other: "alice", TxID: tx1, Msg: 2})
	s.at(700).add(trace.Event{Kind: trace.ProposalResponse, Dir: trace.Received, Node: "alice", Other: peer0, TxID: tx1, Msg: 2})
	s.at(900).add(trace.Event{Kind: trace.NodeStart, Node: peer1, What: trace.IsPeer})
	return s
}

func index(events []trace.Event) *timeline.Index {
	x := timeline.Alone(1_000_000)
	x.Add(events)
	return x
}

func options(x *timeline.Index) timeline.Options {
	return timeline.Options{Window: x.Fit(), W: 1440, H: 600}
}

// describe lists a frame's bars in words.
func describe(f *timeline.Frame) (lines []string) {
	for _, b := range f.Bars {
		lane := ""
		for _, l := range f.Lanes {
			if b.Y >= l.Y && b.Y < l.Y+l.H {
				lane = l.Name
			}
		}
		lines = append(lines, fmt.Sprintf("%s: %s %dus-%dus", lane, b.Label, (b.Start-1_000_000_000_000)/1000, (b.End-1_000_000_000_000)/1000))
	}
	return lines
}

func TestParallelSimulationsLieAboveEachOther(t *testing.T) {
	x := index(parallel().events)
	f := x.Frame(options(x))
	var lanes []string
	for _, l := range f.Lanes {
		name := l.Name
		if l.Indent {
			name = "  " + name
		}
		lanes = append(lanes, name)
	}
	if want := []string{"alice", "peer0", "  basic 1.0", "peer1"}; !slices.Equal(lanes, want) {
		t.Errorf("lanes %q, want %q", lanes, want)
	}
	want := []string{
		"alice: aaaa endorse 0us-700us",
		"peer0: aaaa simulate 150us-550us",
		"peer0: bbbb simulate 250us-900us", // still open: drawn to the end
		"basic 1.0: aaaa 200us-500us",
		"basic 1.0: bbbb 300us-900us",
	}
	if got := describe(f); !slices.Equal(got, want) {
		t.Errorf("bars:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i, a := range f.Bars {
		for _, b := range f.Bars[i+1:] {
			if a.X0 < b.X1 && b.X0 < a.X1 && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("bars %q and %q overlap", a.Label, b.Label)
			}
		}
	}
	if f.Bars[3].Class != view.Write || f.Bars[4].Class != view.Read {
		t.Errorf("a call that writes is %v, one that has not written %v", f.Bars[3].Class, f.Bars[4].Class)
	}
	if len(f.Lines) != 6 {
		t.Errorf("%d lines, want 2 messages and 4 ticks", len(f.Lines))
	}
}

func TestSelectedTransactionIsLit(t *testing.T) {
	x := index(parallel().events)
	o := options(x)
	o.Selection = view.Selection{What: view.SelectTx, TxID: tx1}
	f := x.Frame(o)
	for _, b := range f.Bars {
		want := timeline.Dim
		if strings.HasPrefix(b.Label, "aaaa") {
			want = timeline.Lit
		}
		if b.Tone != want {
			t.Errorf("%s has tone %d", b.Label, b.Tone)
		}
	}
}

func TestHits(t *testing.T) {
	x := index(parallel().events)
	f := x.Frame(options(x))
	lane := func(name string) timeline.Lane {
		for _, l := range f.Lanes {
			if l.Name == name {
				return l
			}
		}
		t.Fatalf("no lane %s", name)
		return timeline.Lane{}
	}
	ns := func(us int64) float64 { return f.XAt(1_000_000_000_000 + us*1000) }
	p := lane("peer0")
	for _, c := range []struct {
		what string
		at   view.Point
		want view.Selection
	}{
		{"the lane's name", view.Point{X: 20, Y: p.Y + 5}, view.Selection{What: view.SelectNode, Node: peer0}},
		{"the first simulation", view.Point{X: ns(350), Y: p.Y + 5}, view.Selection{What: view.SelectTx, TxID: tx1, Node: peer0}},
		{"the second", view.Point{X: ns(650), Y: p.Y + 16}, view.Selection{What: view.SelectTx, TxID: tx2, Node: peer0}},
		{"a message, in the middle of its way", view.Point{X: ns(50), Y: (lane("alice").Y + p.Y + 21) / 2}, view.Selection{What: view.SelectMessage, Seq: 1, TxID: tx1}},
		{"nothing", view.Point{X: ns(800), Y: lane("peer1").Y + 10}, view.Selection{}},
	} {
		if got, _, ruler := f.Hit(c.at); got != c.want || ruler {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
	if _, at, ruler := f.Hit(view.Point{X: ns(400), Y: 5}); !ruler || math.Abs(float64(at-1_000_000_400_000)) > 2000 {
		t.Errorf("the ruler says %d, %v", at, ruler)
	}
}

func TestNodesThatAreDown(t *testing.T) {
	s := parallel()
	s.at(1000).add(trace.Event{Kind: trace.NodeKilled, Node: peer0})
	s.at(1500).add(trace.Event{Kind: trace.NodeReady, Node: peer0})
	x := index(s.events)
	f := x.Frame(options(x))
	for _, b := range f.Bars {
		switch {
		case b.Kind == facts.Down && (b.Label != "not running" || b.End-b.Start != 500_000):
			t.Errorf("down: %+v", b)
		case b.Kind != facts.Down && b.Label == "bbbb simulate" && (!b.Failed || b.Open):
			t.Error("the killed peer goes on simulating")
		}
	}
	f = x.Frame(options(x))
	if !slices.ContainsFunc(f.Bars, func(b timeline.Bar) bool { return b.Kind == facts.Down }) {
		t.Error("nothing says that the peer was down")
	}
}

func TestRecordedRun(t *testing.T) {
	events := MustEvents(t, "../testdata/two-clients-one-key.fscope")
	x := index(events)
	f := x.Frame(timeline.Options{Window: x.Fit(), W: 1440, H: 2000, Lanes: timeline.Filter{HideQuiet: true}})
	if len(f.Lanes) < 12 {
		t.Errorf("%d lanes", len(f.Lanes))
	}
	kinds := map[facts.SpanKind]int{}
	w, ok := x.OfTx(events[slices.IndexFunc(events, func(e trace.Event) bool { return e.Kind == trace.Submitted && e.Node == "bob" })].TxID)
	if !ok {
		t.Fatal("bob's transaction is not known")
	}
	f = x.Frame(timeline.Options{Window: w, W: 1440, H: 2000})
	for _, b := range f.Bars {
		kinds[b.Kind]++
		if b.Open && b.Kind != facts.Down {
			t.Errorf("%s of %d ns is still open", b.Label, b.End-b.Start)
		}
	}
	for _, k := range []facts.SpanKind{facts.Propose, facts.Await, facts.Simulate, facts.Call, facts.Order, facts.Validate} {
		if kinds[k] == 0 {
			t.Errorf("no bars of kind %d: %v", k, kinds)
		}
	}
}

// TestFrameIsPure goes to other windows and back, with the events taken at once or in pieces.
func TestFrameIsPure(t *testing.T) {
	events := MustEvents(t, "../testdata/two-clients-one-key.fscope")
	whole := index(events)
	o := timeline.Options{Window: whole.Fit().Zoom(20, 0.7), W: 1200, H: 300, At: view.Moment{Seq: 800, Time: events[799].Time}}
	o.Selection = view.Selection{What: view.SelectTx, TxID: events[900].TxID}
	want := snapshot(whole.Frame(o))
	for i := range 30 {
		other := o
		other.Window = o.Window.Zoom(1+float64(i), 0.3).Pan(float64(i) / 7)
		whole.Frame(other)
	}
	if snapshot(whole.Frame(o)) != want {
		t.Error("the picture depends on what was shown before")
	}
	pieces := timeline.Alone(1_000_000)
	for chunk := range slices.Chunk(events, 7) {
		pieces.Add(chunk)
		pieces.Frame(o)
	}
	if snapshot(pieces.Frame(o)) != want {
		t.Error("the picture depends on how the events came")
	}
}

func snapshot(f *timeline.Frame) string {
	return fmt.Sprintf("%+v %+v %+v %+v %+v %+v %v", f.Lanes, f.Bars, f.Columns, f.Lines, f.Bundles, f.Ticks, f.Playhead)
}

// TestOccupancyIsExact compares the drawn bars and columns with the sums over all bars, at
// many zooms, for a peer whose simulations do not overlap and one where many do.
func TestOccupancyIsExact(t *testing.T) {
	for _, many := range []int{1, 3, 30} {
		t.Run(fmt.Sprintf("%d at once", many), func(t *testing.T) {
			r := rand.New(rand.NewSource(int64(many)))
			spans, x := busyPeer(r, many, 6000)
			for range 60 {
				o := timeline.Options{W: 800, H: 200}
				o.Window = x.Fit().Zoom(math.Pow(10, 4*r.Float64()), r.Float64())
				f := x.Frame(o)
				checkOccupancy(t, f, spans)
			}
		})
	}
}

type span struct{ start, end int64 }

// busyPeer simulates n transactions of all lengths on one peer.
func busyPeer(r *rand.Rand, many, n int) ([]span, *timeline.Index) {
	s := &story{}
	var spans []span
	running := map[string]int{}
	now := int64(0)
	for i := 0; i < n || len(running) > 0; {
		now += int64(math.Exp(r.Float64() * 7))
		s.at(now)
		if i < n && len(running) < many {
			id := fmt.Sprintf("%04x%060d", i, i)
			running[id] = len(spans)
			spans = append(spans, span{start: s.now})
			s.add(trace.Event{Kind: trace.SimulateStart, Node: peer0, TxID: id})
			i++
			continue
		}
		ids := make([]string, 0, len(running))
		for id := range running {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		id := ids[r.Intn(len(ids))]
		spans[running[id]].end = s.now
		delete(running, id)
		s.add(trace.Event{Kind: trace.SimulateEnd, Node: peer0, TxID: id, What: trace.Accepted, C: 200})
	}
	return spans, index(s.events)
}

// checkOccupancy sums over stretches of 10 pixels, because single columns of wide bars have
// soft edges.
func checkOccupancy(t *testing.T, f *timeline.Frame, spans []span) {
	t.Helper()
	const stretch = 10
	for x := f.Gutter; x+stretch <= f.W; x += stretch {
		from, to := f.TimeAt(x), f.TimeAt(x+stretch)
		if to-from < 100 {
			return
		}
		want, got, clamped := 0.0, 0.0, false
		for _, s := range spans {
			want += float64(max(0, min(s.end, to)-max(s.start, from)))
		}
		for _, b := range f.Bars {
			got += float64(max(0, min(b.End, to)-max(b.Start, from)))
		}
		for _, c := range f.Columns {
			if float64(c.X) >= x && float64(c.X) < x+stretch {
				got += float64(c.Share) * float64(to-from) / stretch
				clamped = clamped || c.Share == 1
			}
		}
		if slack := 0.02*float64(to-from) + 0.002*want; math.Abs(got-want) > slack && (!clamped || got > want+slack) {
			t.Fatalf("window of %d ns, columns %.0f to %.0f: %.0f ns busy are drawn, %.0f ns were", f.Window.Span(), x, x+stretch, got, want)
		}
	}
}

// TestHitsAgreeWithTheDrawing clicks at the middle of everything that is drawn.
func TestHitsAgreeWithTheDrawing(t *testing.T) {
	events := MustEvents(t, "../testdata/two-clients-one-key.fscope")
	x := index(events)
	for _, zoom := range []float64{1, 10, 100, 1000} {
		f := x.Frame(timeline.Options{Window: x.Fit().Zoom(zoom, 0.71), W: 1440, H: 900})
		for _, c := range f.Columns {
			sel, _, _ := f.Hit(view.Point{X: float64(c.X) + 0.5, Y: float64(c.Y + c.H/2)})
			if sel.What == view.Nothing {
				t.Errorf("zoom %v: nothing at the column at %.0f, %.0f", zoom, c.X, c.Y)
			}
		}
		for _, b := range f.Bars {
			p := view.Point{X: (max(b.X0, f.Gutter) + min(b.X1, f.W)) / 2, Y: b.Y + b.H/2}
			if p.X < f.Gutter || p.X > f.W || p.Y < f.Header {
				continue
			}
			if sel, _, _ := f.Hit(p); sel.What == view.Nothing {
				t.Errorf("zoom %v: nothing at %q (%.0f, %.0f)", zoom, b.Label, p.X, p.Y)
			}
		}
		for _, l := range f.Lines {
			p := view.Point{X: (l.X0 + l.X1) / 2, Y: (l.Y0 + l.Y1) / 2}
			if p.X < f.Gutter || p.Y < f.Header {
				continue
			}
			if sel, _, _ := f.Hit(p); sel.What != view.SelectMessage {
				t.Errorf("zoom %v: %v at the middle of a message", zoom, sel)
			}
		}
	}
}

// Waits for the disk are drawn at the lane's foot, from their begin on, although they are
// told of at their end; one that overlaps the one before it goes on where that has ended.
func TestWaitsForTheDisk(t *testing.T) {
	const base = 1_795_000_000_000_000_000
	x := timeline.Alone(100)
	sync := func(seq uint64, end, took int64) trace.Event {
		return trace.Event{Seq: seq, Time: base + end, Kind: trace.DiskSync, Node: "peer0.org1.example.com", What: trace.SyncFile, A: took, B: 4096}
	}
	x.Add([]trace.Event{
		{Seq: 1, Time: base, Kind: trace.NodeReady, Node: "peer0.org1.example.com", What: trace.IsPeer},
		sync(2, 50e6, 20e6), sync(3, 60e6, 25e6), sync(4, 60e6, 5e6),
	})
	f := x.Frame(timeline.Options{Window: timeline.Window{From: base, To: base + 100e6}, W: 1000, H: 200})
	var got [][2]int64
	for _, b := range f.Bars {
		if b.Kind != facts.Sync {
			continue
		}
		got = append(got, [2]int64{b.Start - base, b.End - base})
		if lane := f.Lanes[0]; b.Y < lane.Y+lane.H/2 || b.Y+b.H > lane.Y+lane.H {
			t.Errorf("a wait from %.1f to %.1f, the lane is from %.1f to %.1f", b.Y, b.Y+b.H, lane.Y, lane.Y+lane.H)
		}
	}
	if want := [][2]int64{{30e6, 50e6}, {50e6, 60e6}}; !slices.Equal(got, want) {
		t.Errorf("waits %v, want %v", got, want)
	}
}
