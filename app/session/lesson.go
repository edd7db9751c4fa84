package session

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/fabriscope/fabriscope/app/session/draft"
	"github.com/fabriscope/fabriscope/app/session/script"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// ScriptRun is a scenario or lesson that runs or is over; Hooks hear of it.
type (
	ScriptRun = script.Run
	Hooks     = script.Hooks
)

// guide is what a scenario or lesson does to what is shown.
type guide struct {
	run     *ScriptRun
	marks   []scenario.Mark // what stands out
	looking string          // the transaction that the playhead crosses, "" if none
	hidden  bool            // what happens is not shown until the lesson looks at it
	looked  time.Duration   // since restPlayhead last asked the trace
}

// RunScript runs a scenario in a new session, which shows its network from the first
// message on. It returns at once; an error means that the source cannot run at all and
// names file and line. At the end the network stays, to go on with by hand; it stops when
// the scenario fails.
func RunScript(name string, src []byte, h Hooks, o StartOptions) (*Session, *ScriptRun, error) {
	return runScript(name, src, h, o, func(int, int, bool) {})
}

func runScript(name string, src []byte, h Hooks, o StartOptions, reached func(finished, of int, done bool)) (*Session, *ScriptRun, error) {
	if err := scenario.Check(name, src); err != nil {
		return nil, nil, err
	}
	s, err := newLive(nil, o)
	if err != nil {
		return nil, nil, err
	}
	s.name = filepath.Base(name)
	if o.File != "" {
		name = o.File
	}
	so := script.Options{Path: name, Runtime: o.Runtime, Trace: s.recorder, Log: s.log, Hooks: h,
		Frame: s.queueFrame, Hint: s.outcomes.queueHint, Started: s.scriptStarted,
		Point: s.pointAt, Pace: s.setPace, Look: s.lookAtEvent, Conceal: s.conceal, Asking: s.asking}
	so.Reached = func(finished int, done bool) {
		if !done {
			s.guide.marks = nil // a new chapter points at nothing yet
		}
		reached(finished, s.guide.run.Chapter().Of, done)
	}
	r := script.NewRun(s.ctx, s.name, string(src), so)
	s.guide.run = r
	s.notes.Follow(r.Source)
	return s, r, s.runBackground(func(context.Context) func() {
		end := r.Execute()
		return func() { end(); s.afterScript() }
	})
}

// scriptStarted shows the network of a scenario.
func (s *Session) scriptStarted(n *network.Network) {
	t, err := draft.Copy(n.Topology())
	s.adoptNetwork(n)
	s.queueFrame(func() {
		if err == nil {
			err = s.setTopology(t)
		}
		if err != nil {
			s.log.Warn("the topology cannot be shown", "error", err)
		}
	})
}

// queueFrame runs f at the next Tick, and must not lose it: the script waits for a place in the
// queue, the network does not.
func (s *Session) queueFrame(f func()) {
	if s.outcomes.awaitRoom(s.ctx) == nil {
		s.outcomes.queueCallback(f)
	}
}

// RunLesson runs a lesson of the program in a new session and keeps its progress in the
// settings.
func RunLesson(name string, h Hooks, o StartOptions) (*Session, *ScriptRun, error) {
	l, err := assets.FindLesson(name)
	if err != nil {
		return nil, nil, err
	}
	var s *Session
	var r *ScriptRun
	s, r, err = runScript(l.Name+".star", l.Source, h, o, func(finished, of int, done bool) {
		right, asked := r.Score()
		s.settings.Lessons[l.Name] = s.settings.Lessons[l.Name].with(LessonProgress{Step: finished, Steps: of, Done: done, Right: right, Asked: asked,
			Changed: time.Now()})
		if err := s.settings.Save(); err != nil {
			s.log.Warn("the lesson's progress is not kept", "error", err)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	r.Title, r.Lesson = l.FullName(), l.Name
	s.name, s.title = r.Title.String(), r.Title
	r.Name = s.name
	return s, r, nil
}

// Lesson is a lesson of the program and how far the person is in it.
type Lesson struct {
	assets.Lesson
	Progress LessonProgress
}

// Lessons lists the lessons in their order.
func Lessons(settings *Settings) []Lesson {
	var out []Lesson
	for _, l := range assets.Lessons() {
		p := LessonProgress{}
		if settings != nil {
			p = settings.Lessons[l.Name]
		}
		if p.Steps == 0 {
			p.Steps = len(l.Chapters)
		}
		out = append(out, Lesson{l, p})
	}
	return out
}

// NextLesson is the lesson after one, by their names; ok is false after the last.
func NextLesson(settings *Settings, name string) (next Lesson, ok bool) {
	all := Lessons(settings)
	i := slices.IndexFunc(all, func(l Lesson) bool { return l.Name == name })
	if i < 0 || i+1 >= len(all) {
		return Lesson{}, false
	}
	return all[i+1], true
}

// LeaveScript ends the scenario or lesson that runs; its network stays, and nothing that the
// script has held stands still any more.
func (s *Session) LeaveScript() {
	if r := s.guide.run; r != nil && r.Running() {
		r.Leave()
		s.guide.marks = nil
		s.Playhead.GoLive(s.Axis)
	}
}

// afterScript lets go what a script that was left has held.
func (s *Session) afterScript() {
	if !errors.Is(s.guide.run.Err(), scenario.ErrLeft) {
		return
	}
	for s.addEvents(mostBudget) {
	}
	for _, h := range s.Holds() {
		s.Unhold(h.ID, nil)
	}
	if len(s.Held()) > 0 { // a hold that has stopped as many as it was to stop is gone, what it stopped is not
		s.Release(0, nil)
	}
}

// ScriptRun is the scenario or lesson that the session runs or ran, nil if none.
func (s *Session) ScriptRun() *ScriptRun { return s.guide.run }

// Highlight lists the nodes and organisations that a lesson points at, for the stage.
func (s *Session) Highlight() []string {
	return s.marked(scenario.MarkNode, scenario.MarkOrg, scenario.MarkClient, scenario.MarkContainer)
}

// HighlightedTxs lists the transactions that a lesson points at: panels show them as
// bright as a selected one.
func (s *Session) HighlightedTxs() []string { return s.marked(scenario.MarkTx) }

func (s *Session) marked(kinds ...scenario.MarkKind) []string {
	var out []string
	for _, m := range s.guide.marks {
		if slices.Contains(kinds, m.Kind) {
			out = append(out, m.Name)
		}
	}
	return out
}

// pointAt lets things stand out. The first transaction, block or key among them is
// selected, so that the inspector tells of it; a single node is, where there is none.
func (s *Session) pointAt(marks []scenario.Mark) {
	s.guide.marks = marks
	sel := view.Selection{}
	for _, m := range marks {
		switch {
		case sel.What != view.Nothing:
		case m.Kind == scenario.MarkTx:
			sel = view.Selection{What: view.SelectTx, TxID: m.Name}
		case m.Kind == scenario.MarkBlock:
			sel = view.Selection{What: view.SelectBlock, Block: m.Block}
		case m.Kind == scenario.MarkKey && m.Namespace != "":
			sel = view.Selection{What: view.SelectKey, Namespace: m.Namespace, Key: m.Name}
		case m.Kind == scenario.MarkOrg && len(marks) == 1:
			sel = view.Selection{What: view.SelectOrg, Node: m.Name}
		case m.Kind != scenario.MarkKey && len(marks) == 1:
			sel = view.Selection{What: view.SelectNode, Node: m.Name}
		}
	}
	s.Select(sel)
}

// pointsElsewhere tells whether a lesson points at a block or key and not at a transaction
// before it: a look at one of its events does not select that event's transaction instead.
func (g *guide) pointsElsewhere() bool {
	i := slices.IndexFunc(g.marks, func(m scenario.Mark) bool {
		return m.Kind == scenario.MarkTx || m.Kind == scenario.MarkBlock || m.Kind == scenario.MarkKey
	})
	return i >= 0 && g.marks[i].Kind != scenario.MarkTx
}

// setPace moves the playhead as a lesson wants it.
func (s *Session) setPace(p scenario.Pace) {
	s.showAll()
	s.guide.looking = ""
	switch {
	case p.Live:
		s.Playhead.GoLive(s.Axis)
	case p.Events:
		s.Playhead.Pace, s.Playhead.Playing = view.Events, true
	default:
		s.Playhead.Pace, s.Playhead.Scale, s.Playhead.Playing = view.Stretch, p.Scale, true
	}
}

// restEvery is how often the trace is asked for the end of a transaction.
const restEvery = 150 * time.Millisecond

// restPlayhead stops the playhead where what a lesson lets it cross is over: what comes after it
// would only lead away from what the lesson speaks of.
func (s *Session) restPlayhead(dt time.Duration) {
	g := &s.guide
	g.looked += dt
	if g.looking == "" || g.looked < restEvery || !g.run.Running() || !s.Playhead.Playing || s.Playhead.Pace == view.Live {
		return
	}
	g.looked = 0
	last := uint64(0)
	for _, tx := range append(s.HighlightedTxs(), g.looking) {
		if events := s.source.ByTx(tx); len(events) > 0 {
			last = max(last, events[len(events)-1].Seq)
		}
	}
	if s.Playhead.At.Seq >= last {
		s.Playhead.Playing, g.looking = false, ""
	}
}

// lookAtEvent puts the playhead at an event that a lesson speaks of, and selects its transaction.
func (s *Session) lookAtEvent(l scenario.Look) {
	if s.guide.hidden && l.Paused {
		s.showUntil(l.Seq)
	} else {
		s.showAll()
	}
	for s.cursor < l.Seq && s.addEvents(mostBudget) {
	}
	s.Playhead.Seek(s.Axis.Moment(l.Seq))
	s.Playhead.Playing = !l.Paused
	s.guide.looking = l.TxID
	if l.TxID != "" && !s.guide.pointsElsewhere() {
		s.Select(view.Selection{What: view.SelectTx, TxID: l.TxID})
	}
}
