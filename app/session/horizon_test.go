package session_test

import (
	"fmt"
	"runtime"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/view/meter"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// told is a trace of which the events are known.
type told struct {
	events []trace.Event
	from   view.Source // of the contents of messages
}

func (t *told) Since(cursor uint64, most int) (events []trace.Event, next, lost uint64) {
	i := sort.Search(len(t.events), func(i int) bool { return t.events[i].Seq > cursor })
	events = t.events[i:min(len(t.events), i+most)]
	if len(events) == 0 {
		return nil, cursor, 0
	}
	return events, events[len(events)-1].Seq, 0
}

func (t *told) ByTx(tx string) (events []trace.Event) {
	for _, e := range t.events {
		if e.TxID == tx {
			events = append(events, e)
		}
	}
	return events
}

func (t *told) Payload(seq uint64) (name string, bytes []byte, ok bool) { return t.from.Payload(seq) }

// otherwise is a trace that goes on differently after an event: what was valid is not, what was
// not is, and every transaction that was under way has failed at every peer.
func otherwise(events []trace.Event, after uint64) []trace.Event {
	var out []trace.Event
	under := map[string]bool{}
	height := uint64(0)
	for _, e := range events {
		if e.Seq <= after {
			out = append(out, e)
			under[e.TxID] = under[e.TxID] || e.TxID != ""
			height = max(height, e.Block)
		}
	}
	last := out[len(out)-1]
	add := func(e trace.Event) {
		e.Seq, e.Time = out[len(out)-1].Seq+1, out[len(out)-1].Time+1_000_000
		out = append(out, e)
	}
	for _, e := range events[len(out):] {
		if e.Kind == trace.Verdict {
			if e.Key, e.What = "VALID", trace.Valid; e.A == int64(facts.Valid) {
				e.Key, e.What, e.A = "MVCC_READ_CONFLICT", trace.Invalid, 11
			} else {
				e.A = int64(facts.Valid)
			}
			add(e)
		}
	}
	for tx := range under {
		for _, peer := range []string{"peer0.org1.example.com", "peer0.org2.example.com"} {
			add(trace.Event{Kind: trace.ValidateFrom, Node: peer, Block: height + 1, Channel: last.Channel})
			add(trace.Event{Kind: trace.Verdict, Node: peer, Block: height + 1, TxID: tx, Key: "MVCC_READ_CONFLICT", What: trace.Invalid, A: 11, Channel: last.Channel})
			add(trace.Event{Kind: trace.Committed, Node: peer, Block: height + 1, Channel: last.Channel})
		}
	}
	return out
}

// panelsOf learns a trace as far as it can be seen.
func panelsOf(src view.Source, layout *driven) session.Panels {
	w := facts.New(src, 0)
	p := session.Panels{World: w, Stage: stage.New(w), Timeline: timeline.New(w), Chain: chain.New(w), Meter: meter.New(), Index: inspect.New(w)}
	p.SetBook(layout.Stage.Book())
	if layout.Topology() != nil {
		w.Describe(session.LayoutOf(layout.Topology()))
	}
	for cursor := uint64(0); ; {
		events, next, _ := src.Since(cursor, 1<<20)
		if len(events) == 0 {
			return p
		}
		w.Add(events, func(e *facts.Step, gap bool) {
			p.Timeline.Take(e, gap)
			p.Meter.Take(e, gap)
		})
		p.Stage.Take(events)
		cursor = next
	}
}

// pictures are what the panels show of a moment, in text.
func pictures(t *testing.T, p *session.Panels, src view.Source, at view.Moment, sel view.Selection, also []string, enlarged scenario.CloseUp) map[string]string {
	t.Helper()
	picture := func(w, h float64, draw func(c paint.Canvas)) string {
		var b strings.Builder
		c := paint.NewSVG(&b, w, h)
		draw(c)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	theme := paint.Dark()
	window := timeline.Window{From: at.Time - 20e9, To: at.Time + 20e9}
	out := map[string]string{
		"caption":   p.Stage.Caption(at, sel),
		"meter":     fmt.Sprint(p.Meter.At(at)),
		"inspector": inspect.Of(inspect.Input{Source: src, Index: p.Index, At: at, Selection: sel}).Text(),
		"stage": picture(1400, 800, func(c paint.Canvas) {
			f := p.Stage.Frame(at, stage.Options{Selection: sel, Also: also, Aspect: 1.6})
			sortLinks(f.Links)
			paint.DrawStage(c, f, view.Fit(f.Bounds, 1400, 800, 20), theme)
		}),
		"chain": picture(900, 120, func(c paint.Canvas) {
			paint.DrawChain(c, p.Chain.Frame(chain.Options{At: at, Selection: sel, Also: also, W: 900, H: 120}), theme)
		}),
		"timeline": picture(900, 400, func(c paint.Canvas) {
			paint.DrawTimeline(c, p.Timeline.Frame(timeline.Options{Window: window, W: 900, H: 400, Scale: 1, At: at, Selection: sel, Also: also}), theme)
		}),
	}
	if enlarged.Block > 0 {
		out["close-up"] = picture(900, 500, func(c paint.Canvas) {
			paint.DrawValidation(c, p.Chain.Validation(at, enlarged.Block, enlarged.Peer), view.Rect{W: 900, H: 500}, theme)
		})
	}
	return out
}

// sortLinks brings connections into one order and direction: which end was known first does not
// matter to the eye.
func sortLinks(links []stage.Link) {
	for i := range links {
		if l := &links[i]; l.A > l.B {
			l.A, l.B = l.B, l.A
			l.Points = slices.Clone(l.Points)
			slices.Reverse(l.Points)
		}
	}
	slices.SortFunc(links, func(a, b stage.Link) int { return strings.Compare(a.A+" "+a.B, b.A+" "+b.B) })
}

// TestNothingLeaks: while a question is open every panel shows the same, however it goes on.
func TestNothingLeaks(t *testing.T) {
	concealed := 0
	for _, l := range assets.Lessons() {
		t.Run(l.Name, func(t *testing.T) {
			goroutines := runtime.NumGoroutine()
			ended := false
			var failed error
			var enlarged scenario.CloseUp
			opened, run, err := session.RunLesson(l.Name, session.Hooks{End: func(err error) { ended, failed = true, err },
				CloseUp: func(c scenario.CloseUp) { enlarged = c }}, session.StartOptions{Runtime: "process"})
			if err != nil {
				t.Fatal(err)
			}
			s := drive(t, opened, goroutines)
			s.until("the end of the lesson", func() bool {
				if q, answered := run.Question(); q != nil && !answered {
					concealed += mustBeOpen(t, s, q, enlarged)
					run.Answer(q.Answer)
				}
				run.Continue()
				if task := run.Task(); task != nil {
					task.Do()
				}
				return ended
			})
			if failed != nil {
				t.Fatal(failed)
			}
		})
	}
	if concealed == 0 {
		t.Error("no question had anything to hide: this test cannot fail")
	}
}

// mustBeOpen checks an open question, and counts the panels that would show another picture if
// what happened after the playhead were known.
func mustBeOpen(t *testing.T, s *driven, q *scenario.Question, enlarged scenario.CloseUp) (concealed int) {
	t.Helper()
	at := s.Playhead.At
	if now := s.World.Now().Seq; now > at.Seq {
		t.Errorf("question %d: event %d is known, the playhead stands at %d", q.N, now, at.Seq)
	}
	if len(s.ScriptRun().Steps()) > 0 {
		t.Errorf("question %d: the steps tell what came of it", q.N)
	}
	if at.Seq == 0 {
		return 0 // before its network
	}
	if end := s.Axis.End().Seq; end > at.Seq {
		t.Errorf("question %d: the time axis goes on to %d, the playhead stands at %d", q.N, end, at.Seq)
	}
	events, _, _ := s.Recorder().Since(0, 0)
	other := &told{otherwise(events, at.Seq), s.Recorder()}
	horizon := facts.NewHorizon(other)
	horizon.End(at.Seq)
	learned, all := panelsOf(horizon, s), panelsOf(other, s)
	shown := pictures(t, &s.Panels, s.Source(), at, s.Selection(), s.HighlightedTxs(), enlarged)
	want := pictures(t, &learned, horizon, at, s.Selection(), s.HighlightedTxs(), enlarged)
	leaked := pictures(t, &all, other, at, s.Selection(), s.HighlightedTxs(), enlarged)
	for name, picture := range shown {
		if picture != want[name] {
			t.Errorf("question %d (%s): the %s depends on what comes: %s", q.N, q.Text, name, difference(picture, want[name]))
		}
		if leaked[name] != want[name] {
			concealed++
		}
	}
	return concealed
}

// difference shows where two texts part.
func difference(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	cut := func(s string) string { return s[max(0, min(len(s), i-120)):min(len(s), i+120)] }
	return fmt.Sprintf("\n%s\nand\n%s", cut(a), strings.TrimSpace(cut(b)))
}
