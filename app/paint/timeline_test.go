package paint_test

import (
	"bytes"
	"fmt"
	"image"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// mustRun reads the recorded run in which alice and bob change the same asset at once.
func mustRun(t testing.TB) []trace.Event {
	t.Helper()
	run, err := runfile.Open("../view/testdata/two-clients-one-key.fscope")
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

// race finds the loser's transaction in the run, and the window from its begin to its verdict.
func race(t testing.TB, events []trace.Event, x *timeline.Index) (txID string, w timeline.Window) {
	t.Helper()
	for _, e := range events {
		if e.Kind == trace.Verdict && e.Key == "MVCC_READ_CONFLICT" {
			w, ok := x.OfTx(e.TxID)
			if !ok {
				break
			}
			return e.TxID, w
		}
	}
	t.Fatal("nobody lost the race")
	return "", w
}

func TestTimeline(t *testing.T) {
	events := mustRun(t)
	x := timeline.Alone(100_000)
	x.Add(events)
	tx, w := race(t, events, x)
	at := view.Moment{Seq: 800, Time: events[799].Time}
	simulations := timeline.Window{From: w.From, To: w.From + w.Span()/3}
	nodes := []string{"alice", "bob", "peer0.org1.example.com", "peer0.org2.example.com", "orderer.example.com", "peer1.org2.example.com"}
	for _, c := range []struct {
		name string
		th   *paint.Theme
		w, h int
		o    timeline.Options
	}{
		{"race-dark", paint.Dark(), 1012, 206, timeline.Options{Window: w, Lanes: timeline.Filter{Only: nodes}}},
		{"race-light", paint.Light(), 1012, 206, timeline.Options{Window: w, Lanes: timeline.Filter{Only: nodes}}},
		{"simulations", paint.Dark(), 1012, 206, timeline.Options{Window: simulations, Lanes: timeline.Filter{Only: nodes}}},
		{"selected", paint.Dark(), 1012, 400, timeline.Options{Window: w, Selection: view.Selection{What: view.SelectTx, TxID: tx}, Lanes: timeline.Filter{HideQuiet: true}}},
		{"whole-run", paint.Light(), 1012, 400, timeline.Options{Window: x.Fit(), Selection: view.Selection{What: view.SelectNode, Node: "bob"}}},
		{"presenter", paint.Dark().Larger(1.6), 1440, 420, timeline.Options{Window: simulations, Lanes: timeline.Filter{HideQuiet: true}}},
		{"faults", paint.Light(), 1012, 170, timeline.Options{}},
		{"empty", paint.Dark(), 700, 140, timeline.Options{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.W, c.o.H, c.o.Scale = float64(c.w), float64(c.h), c.th.Scale
			index := x
			switch c.o.At = at; c.name {
			case "empty":
				index, c.o.At = timeline.Alone(100_000), view.Moment{}
			case "faults":
				index = faults()
				c.o.Window, c.o.At = index.Fit(), view.Moment{Seq: 9, Time: 2_000_000_000}
			}
			pic := image.NewRGBA(image.Rect(0, 0, c.w, c.h))
			new(paint.TimelinePainter).Paint(pic, index.Frame(c.o), c.th)
			golden(t, "timeline-"+c.name+".png", pic)
		})
	}
}

// faults is a peer that is killed, a message that a hold keeps and two that get lost.
func faults() *timeline.Index {
	x := timeline.Alone(100_000)
	seq := uint64(0)
	add := func(ms int64, e trace.Event) {
		seq++
		e.Seq, e.Time = seq, 1_000_000_000+ms*1_000_000
		x.Add([]trace.Event{e})
	}
	const peer, leader = "peer0.org1.example.com", "orderer.example.com"
	add(0, trace.Event{Kind: trace.Proposal, Dir: trace.Sent, Node: "alice", Other: peer, TxID: "9f3a11", Msg: 1})
	add(100, trace.Event{Kind: trace.Proposal, Dir: trace.Received, Node: peer, Other: "alice", TxID: "9f3a11", Msg: 1})
	add(110, trace.Event{Kind: trace.SimulateStart, Node: peer, TxID: "9f3a11"})
	add(300, trace.Event{Kind: trace.BuildStart, Node: peer, Other: "basic_1.0@" + peer})
	add(600, trace.Event{Kind: trace.NodeKilled, Node: peer})
	add(700, trace.Event{Kind: trace.DeliverBlock, Dir: trace.Sent, Node: leader, Other: peer, Block: 7, Msg: 2})
	add(705, trace.Event{Kind: trace.DeliverBlock, Dir: trace.Lost, Node: leader, Other: peer, Block: 7, Msg: 2})
	add(900, trace.Event{Kind: trace.Broadcast, Dir: trace.Sent, Node: "alice", Other: leader, TxID: "51c022", Msg: 3})
	add(905, trace.Event{Kind: trace.Broadcast, Dir: trace.Held, Node: "alice", Other: leader, TxID: "51c022", Msg: 3})
	add(1500, trace.Event{Kind: trace.NodeReady, Node: peer})
	add(2000, trace.Event{Kind: trace.ChannelJoin, Node: peer})
	return x
}

// TestTimelineAsSVG writes the same picture for a document.
func TestTimelineAsSVG(t *testing.T) {
	events := mustRun(t)
	x := timeline.Alone(100_000)
	x.Add(events)
	_, w := race(t, events, x)
	var b bytes.Buffer
	c := paint.NewSVG(&b, 1012, 400)
	paint.DrawTimeline(c, x.Frame(timeline.Options{Window: w, W: 1012, H: 400}), paint.Light())
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"peer0.org1", "basic 1.0", "simulate", "endorse", "Timeline"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the document does not say %q", want)
		}
	}
}

// repeated is the run over and over until there are n events, each time with other
// transactions and without its pauses: about 60,000 events a second. It gives an event in
// the middle too.
func repeated(t testing.TB, n uint64) (x *timeline.Index, middle trace.Event) {
	run := mustRun(t)
	x = timeline.Alone(1_000_000)
	now := run[0].Time
	for round, seq := uint64(0), uint64(0); seq < n; round++ {
		last := run[0].Time
		for _, e := range run {
			now += min(max(0, e.Time-last), 40_000) // at most 40 us between two events
			last = e.Time
			seq++
			if e.Seq, e.Time = seq, now; e.TxID != "" {
				e.TxID = fmt.Sprintf("%08x%s", round, e.TxID[8:])
			}
			if e.Msg != 0 {
				e.Msg += round << 8
			}
			if e.Kind != trace.Progress && e.Block > 0 { // a peer commits a block once
				e.Block += round * 6
			}
			if x.Add([]trace.Event{e}); seq < n*6/10 && e.Kind == trace.Submitted {
				middle = e
			}
		}
	}
	return x, middle
}

// TestDenseTimeline shows many more bars and messages than there are pixels.
func TestDenseTimeline(t *testing.T) {
	x, middle := repeated(t, 100_000)
	o := timeline.Options{Window: x.Fit(), W: 1012, H: 400, At: view.Moment{Seq: middle.Seq, Time: middle.Time}}
	for _, c := range []struct {
		name string
		th   *paint.Theme
		zoom float64
		sel  view.Selection
	}{
		{"dense-dark", paint.Dark(), 1, view.Selection{}},
		{"dense-light", paint.Light(), 1, view.Selection{}},
		{"dense-selected", paint.Dark(), 12, view.Selection{What: view.SelectTx, TxID: middle.TxID}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o.Window = x.Fit()
			o.Window = o.Window.Around(middle.Time, int64(float64(o.Window.Span())/c.zoom))
			o.Selection = c.sel
			pic := image.NewRGBA(image.Rect(0, 0, 1012, 400))
			new(paint.TimelinePainter).Paint(pic, x.Frame(o), c.th)
			golden(t, "timeline-"+c.name+".png", pic)
		})
	}
}

// BenchmarkTimeline lays out and paints 1440 by 200 pixels over a million events.
func BenchmarkTimeline(b *testing.B) {
	x, middle := repeated(b, 1_000_000)
	pic, th := image.NewRGBA(image.Rect(0, 0, 1440, 200)), paint.Dark()
	var p paint.TimelinePainter
	b.Run("playhead only", func(b *testing.B) {
		o := timeline.Options{Window: x.Fit(), W: 1440, H: 200, At: view.Moment{Seq: middle.Seq, Time: middle.Time}}
		for range b.N {
			o.At.Time += 1000
			p.Paint(pic, x.Frame(o), th)
		}
	})
	for zoom := 1.0; zoom <= 1e7; zoom *= 10 {
		for _, selected := range []bool{false, true} {
			b.Run(fmt.Sprintf("zoom=%.0e,selected=%v", zoom, selected), func(b *testing.B) {
				o := timeline.Options{Window: x.Fit(), W: 1440, H: 200, At: view.Moment{Seq: middle.Seq, Time: middle.Time}}
				o.Window = o.Window.Around(middle.Time, int64(float64(o.Window.Span())/zoom))
				if selected {
					o.Selection = view.Selection{What: view.SelectTx, TxID: middle.TxID}
				}
				for range b.N {
					o.Window.From, o.Window.To = o.Window.From+1, o.Window.To+1 // otherwise the picture is kept
					p.Paint(pic, x.Frame(o), th)
				}
			})
		}
	}
}
