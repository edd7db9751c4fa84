package session_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// TestLessonsPointAtWhatIsThere: at every place where a lesson waits for its learner, what it
// points at can be seen, now or while the playhead crosses what it looks at; and where it points
// at a chaincode and its transactions, one of them runs in it.
func TestLessonsPointAtWhatIsThere(t *testing.T) {
	pointed := 0
	for _, l := range assets.Lessons() {
		t.Run(l.Name, func(t *testing.T) {
			goroutines := runtime.NumGoroutine()
			ended := false
			var failed error
			opened, run, err := session.RunLesson(l.Name, session.Hooks{End: func(err error) { ended, failed = true, err }}, session.StartOptions{Runtime: "process"})
			if err != nil {
				t.Fatal(err)
			}
			s := drive(t, opened, goroutines)
			s.until("the end of the lesson", func() bool {
				if q, answered := run.Question(); q != nil && !answered {
					pointed += mustPoint(t, s, q.Text)
					run.Answer(q.Answer)
				}
				if text, paused := run.Paused(); paused {
					pointed += mustPoint(t, s, text)
					run.Continue()
				}
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
	if pointed == 0 {
		t.Errorf("the lessons point at %d things", pointed)
	}
}

// mustPoint checks what a lesson points at, and counts it.
func mustPoint(t *testing.T, s *driven, at scenario.Text) int {
	t.Helper()
	marks := s.Marks()
	moments := s.crossed()
	for _, m := range marks {
		if !slices.ContainsFunc(moments, func(at view.Moment) bool { return s.visible(m, marks, at) }) {
			t.Errorf("%q (%s): the %s %s cannot be seen at the %d moments from event %d", at.In("en"), at.ID, m.Kind, m.Name, len(moments), moments[0].Seq)
		}
	}
	return len(marks)
}

// crossed are the moments that a person sees: that of the playhead, and those of the marked
// transactions that it will cross.
func (d *driven) crossed() []view.Moment {
	moments := []view.Moment{d.Playhead.At}
	if !d.Playhead.Playing || d.Playhead.Pace == view.Live {
		return moments
	}
	for _, tx := range d.HighlightedTxs() {
		for _, e := range d.Source().ByTx(tx) {
			if e.Seq > moments[0].Seq {
				moments = append(moments, d.Axis.Moment(e.Seq))
			}
		}
	}
	return moments
}

// visible tells whether something that is pointed at is on a panel at a moment.
func (d *driven) visible(m scenario.Mark, marks []scenario.Mark, at view.Moment) bool {
	switch m.Kind {
	case scenario.MarkTx:
		f := d.Stage.Frame(at, stage.Options{Also: []string{m.Name}})
		return len(boxes(f, func(l *stage.Look) bool { return l.Lit })) > 0
	case scenario.MarkBlock:
		cards := d.Chain.Frame(chain.Options{At: at, W: 4000, H: 120}).Cards
		return slices.ContainsFunc(cards, func(c chain.Card) bool { return c.Number == m.Block })
	case scenario.MarkKey:
		events, _, _ := d.Source().Since(0, 1<<20)
		return slices.ContainsFunc(events, func(e trace.Event) bool { return e.Key == m.Name && e.Seq <= at.Seq })
	}
	f := d.Stage.Frame(at, stage.Options{Highlight: d.Highlight(), Also: d.HighlightedTxs()})
	if m.Kind == scenario.MarkContainer && !runsMarked(f, m.Name, marks) {
		return false
	}
	return slices.Contains(boxes(f, func(l *stage.Look) bool { return l.Highlight && !l.Dim }), m.Name)
}

// runsMarked tells whether one of the marked transactions runs in a chaincode; true where none is
// marked: then the chaincode itself is meant, and has to be there.
func runsMarked(f *stage.Frame, name string, marks []scenario.Mark) bool {
	marked := func(tx string) bool {
		return slices.ContainsFunc(marks, func(m scenario.Mark) bool { return m.Kind == scenario.MarkTx && (tx == "" || m.Name == tx) })
	}
	for i := range f.Orgs {
		for j := range f.Orgs[i].Peers {
			for _, c := range f.Orgs[i].Peers[j].Containers {
				if c.Name != name {
					continue
				}
				return !marked("") && c.Phase == facts.Ready || slices.ContainsFunc(c.Lanes, func(l stage.Lane) bool { return marked(l.TxID) })
			}
		}
	}
	return false
}

// boxes names the boxes of a frame of which something is true.
func boxes(f *stage.Frame, is func(*stage.Look) bool) []string {
	var names []string
	see := func(l *stage.Look) {
		if is(l) {
			names = append(names, l.Name)
		}
	}
	for i := range f.Clients {
		see(&f.Clients[i].Look)
	}
	for i := range f.Orgs {
		see(&f.Orgs[i].Look)
		for j := range f.Orgs[i].Peers {
			p := &f.Orgs[i].Peers[j]
			see(&p.Look)
			for k := range p.Containers {
				see(&p.Containers[k].Look)
			}
		}
	}
	for i := range f.Ordering.Nodes {
		see(&f.Ordering.Nodes[i].Look)
	}
	return names
}

// The close-up of lesson 7 shows the range that the bid was computed from, and which key came into
// it: in an earlier block, where no card of this one tells.
func TestPhantomIsPointedAt(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	var enlarged scenario.CloseUp
	opened, run, err := session.RunLesson("7", session.Hooks{CloseUp: func(c scenario.CloseUp) { enlarged = c }}, session.StartOptions{Runtime: "process"})
	if err != nil {
		t.Fatal(err)
	}
	s := drive(t, opened, goroutines)
	s.until("the close-up is explained", func() bool {
		_, paused := run.Paused()
		if enlarged.Block > 0 && paused {
			return true
		}
		run.Continue()
		if q, answered := run.Question(); q != nil && !answered {
			run.Answer(q.Answer)
		}
		if task := run.Task(); task != nil {
			task.Do()
		}
		return !run.Running()
	})
	v := s.Chain.Validation(s.Playhead.At, enlarged.Block, enlarged.Peer)
	if len(v.Cards) != 1 || v.Cards[0].Range == nil {
		t.Fatalf("the close-up of block %d at %s has %+v", enlarged.Block, enlarged.Peer, v.Cards)
	}
	x := v.Cards[0].Range
	if len(x.Keys) != 2 || x.Keys[0].New || !x.Keys[1].New || !strings.Contains(x.Keys[0].Text, "ann") || !strings.Contains(x.Keys[1].Text, "dan") ||
		!strings.HasPrefix(x.By, "came in with ") {
		t.Errorf("the range is %+v", x)
	}
}
