package timeline_test

import (
	"slices"
	"testing"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// TestForgets takes many more events than are remembered: what is left looks as if nothing
// had been forgotten.
func TestForgets(t *testing.T) {
	events := repeated(t, 150_000)
	small, large := timeline.Alone(20_000), timeline.Alone(1_000_000)
	for chunk := range slices.Chunk(events, 500) {
		small.Add(chunk)
		large.Add(chunk)
	}
	first, last, ok := small.Bounds()
	if !ok || first < events[120_000].Time || first > events[131_000].Time {
		t.Errorf("it remembers from %d on, %v", first, ok)
	}
	w := timeline.Window{From: last - (last-first)/3, To: last}
	for range 6 {
		o := timeline.Options{Window: w, W: 1200, H: 400}
		if got, want := snapshot(small.Frame(o)), snapshot(large.Frame(o)); got != want {
			t.Fatalf("a window of %d ns looks different:\n%.500s\n%.500s", w.Span(), got, want)
		}
		w = w.Zoom(10, 0.5)
	}
}

func TestLostEventsStartAnew(t *testing.T) {
	s := parallel()
	x := index(s.events)
	late := slices.Clone(s.events)
	for i := range late {
		late[i].Seq += 1000
		late[i].Time += 1_000_000
	}
	x.Add(late)
	if first, _, _ := x.Bounds(); first != late[0].Time {
		t.Errorf("it begins at %d, not after the gap", first)
	}
	f := x.Frame(options(x))
	if len(f.Lanes) != 4 || len(f.Bars) != 5 {
		t.Errorf("%d lanes and %d bars", len(f.Lanes), len(f.Bars))
	}
	if x.Origin() != s.events[0].Time {
		t.Error("the ruler counts from elsewhere now")
	}
}

func TestWindows(t *testing.T) {
	w := timeline.Window{From: 0, To: 1000_000}
	if z := w.Zoom(2, 0.25); z != (timeline.Window{From: 125_000, To: 625_000}) {
		t.Errorf("zoomed: %v", z)
	}
	if z := w.Zoom(1e9, 0.5); z.Span() != 1000 {
		t.Errorf("zoomed as far as can be: %v", z)
	}
	if p := w.Pan(0.5); p != (timeline.Window{From: 500_000, To: 1_500_000}) {
		t.Errorf("panned: %v", p)
	}
	if a := w.Around(5_000, 2_000); a != (timeline.Window{From: 4_000, To: 6_000}) {
		t.Errorf("around: %v", a)
	}
	if r := w.Reveal(1_400_000); r.To != 1_500_000 || w.Reveal(500_000) != w {
		t.Errorf("revealed: %v", r)
	}
	x := index(parallel().events)
	first, last, _ := x.Bounds()
	far := timeline.Window{From: last + 1_000_000_000, To: last + 1_000_100_000}
	if c := x.Clamp(far); c.From > last || c.Span() != far.Span() {
		t.Errorf("clamped to %v, the trace is %d to %d", c, first, last)
	}
	if f := x.FollowAt(last, 200_000); f.From > last || f.To < last {
		t.Errorf("follows with %v", f)
	}
}

func TestRuler(t *testing.T) {
	x := index(parallel().events)
	for _, c := range []struct {
		span        int64
		first, next string
	}{
		{900_000, "0.0000 s", "0.0001 s"},
		{2_000, "0.0000000 s", "0.0000002 s"},
	} {
		f := x.Frame(timeline.Options{Window: timeline.Window{From: x.Origin(), To: x.Origin() + c.span}, W: 1440, H: 200})
		if len(f.Ticks) < 5 || f.Ticks[0].Label != c.first || f.Ticks[1].Label != c.next {
			t.Errorf("%d ns: %v", c.span, f.Ticks)
		}
	}
}

func TestFilterAndScroll(t *testing.T) {
	x := index(MustEvents(t, "../testdata/two-clients-one-key.fscope"))
	f := x.Frame(timeline.Options{Window: x.Fit(), W: 800, H: 200, Lanes: timeline.Filter{Only: []string{"alice", peer0}}})
	var names []string
	for _, l := range f.Lanes {
		names = append(names, l.Name)
	}
	if !slices.Equal(names, []string{"alice", "peer0.org1", "basic 1.0"}) {
		t.Errorf("lanes %v", names)
	}
	o := timeline.Options{Window: x.Fit(), W: 800, H: 120}
	o.Window.Scroll = 1e9
	f = x.Frame(o)
	last := f.Lanes[len(f.Lanes)-1]
	if f.MaxScroll <= 0 || f.Window.Scroll != f.MaxScroll || last.Y+last.H > f.H {
		t.Errorf("scrolled to %v of %v, the last lane ends at %v", f.Window.Scroll, f.MaxScroll, last.Y+last.H)
	}
	all := len(f.Lanes)
	quiet := x.Frame(timeline.Options{Window: timeline.Window{From: x.Origin(), To: x.Origin() + 1000}, W: 800, H: 200, Lanes: timeline.Filter{HideQuiet: true}})
	if len(quiet.Lanes) >= all {
		t.Error("quiet lanes are shown")
	}
}

func TestHeartbeatsAreQuiet(t *testing.T) {
	s := parallel()
	s.at(500).add(trace.Event{Kind: trace.RaftHeartbeat, Dir: trace.Sent, Node: "orderer.example.com", Other: "orderer2.example.com", Msg: 9})
	x := index(s.events)
	o := options(x)
	without := len(x.Frame(o).Lines)
	o.Heartbeats = true
	if with := len(x.Frame(o).Lines); with != without+1 {
		t.Errorf("%d lines without heartbeats, %d with", without, with)
	}
}

// TestSelectedMessage lights the one line up, whichever of its events is meant.
func TestSelectedMessage(t *testing.T) {
	x := index(parallel().events)
	for _, seq := range []uint64{1, 2} {
		o := options(x)
		o.Selection = view.Selection{What: view.SelectMessage, Seq: seq}
		lit := 0
		for _, l := range x.Frame(o).Lines {
			if l.Tone == timeline.Lit {
				lit++
			}
		}
		if lit != 1 {
			t.Errorf("event %d lights up %d lines", seq, lit)
		}
	}
}

// TestHeldAndLost: a hold stops a message when it leaves, or one from outside before it is
// taken; a lost message is recorded by either end.
func TestHeldAndLost(t *testing.T) {
	const leader = "orderer.example.com"
	message := func(dir trace.Dir, node, other string, msg uint64) trace.Event {
		return trace.Event{Kind: trace.Broadcast, Dir: dir, Node: node, Other: other, TxID: tx1, Msg: msg}
	}
	s := &story{}
	s.at(0).add(message(trace.Sent, "alice", leader, 1)).add(message(trace.Held, "alice", leader, 1))
	s.at(150).add(message(trace.Held, leader, "app", 2)) // from a client outside
	s.at(200).add(message(trace.Lost, leader, "carol", 3))
	check := func(what string, held, lost int) {
		t.Helper()
		x := index(s.events)
		f := x.Frame(options(x))
		for _, l := range f.Lines {
			if l.Y0 > l.Y1 {
				t.Errorf("%s: a message for the ordering service goes upwards", what)
			}
			if l.Held {
				held--
			}
			if l.Lost {
				lost--
			}
		}
		if len(f.Lines) != 3 || held != 0 || lost != 0 {
			t.Errorf("%s: %d lines, %d held and %d lost too few", what, len(f.Lines), held, lost)
		}
	}
	check("held", 2, 1)
	s.at(300).add(message(trace.Released, "alice", leader, 1))
	s.at(350).add(message(trace.Received, leader, "alice", 1))
	s.at(400).add(message(trace.Released, leader, "app", 2)).add(message(trace.Received, leader, "app", 2))
	check("released", 0, 1)
}

// TestBatches: the number of a block is sure when it is written; the second batch is cut
// before the first one is written.
func TestBatches(t *testing.T) {
	const leader, follower = "orderer.example.com", "orderer2.example.com"
	s := &story{}
	s.at(0).add(trace.Event{Kind: trace.Enqueued, Node: leader, TxID: tx1})
	s.at(100).add(trace.Event{Kind: trace.BlockCut, Node: leader, Block: 8, What: trace.CutByTimeout, A: 1, B: 1, C: 3})
	s.at(200).add(trace.Event{Kind: trace.Enqueued, Node: leader, TxID: tx2})
	s.at(300).add(trace.Event{Kind: trace.BlockCut, Node: leader, Block: 8, What: trace.CutByTimeout, A: 1, B: 2, C: 3})
	s.at(400).add(trace.Event{Kind: trace.BlockWritten, Node: leader, Block: 7, What: trace.Told, A: 1, B: 1, C: 3})
	s.at(450).add(trace.Event{Kind: trace.BlockWritten, Node: follower, Block: 7, What: trace.Told, A: 1, B: 1, C: 3})
	s.at(500).add(trace.Event{Kind: trace.BlockWritten, Node: leader, Block: 8, What: trace.Told, A: 1, B: 2, C: 3})
	s.at(600).add(trace.Event{Kind: trace.Enqueued, Node: leader, TxID: tx2})
	s.at(700).add(trace.Event{Kind: trace.RaftRole, Node: leader, What: trace.Follower})
	s.at(900).add(trace.Event{Kind: trace.BlockWritten, Node: leader, Block: 9, What: trace.Told, A: 1, B: 3, C: 3})
	x := index(s.events)
	got := describe(x.Frame(options(x)))
	want := []string{
		"orderer: #7 order 0us-400us",
		"orderer: order 600us-700us",
		"orderer: #8 order 200us-500us",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
