package session

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// Hooks hear of a running scenario or lesson. All run inside Tick; each may be nil.
type Hooks struct {
	Line      func(line int)      // the line of the source that runs now
	Step      func(scenario.Step) // a step is done
	Network   func()              // the network runs: Session.Net is there
	Chapter   func(scenario.Chapter)
	Say       func(text string)
	Ask       func(scenario.Question) // answer it with ScriptRun.Answer
	Pause     func(text string)       // go on with ScriptRun.Continue
	Task      func(scenario.Task)     // something to do in the window
	TaskDone  func()                  // it was done
	Highlight func([]scenario.Mark)   // none: nothing stands out
	CloseUp   func(scenario.CloseUp)  // block 0: close it
	Pace      func(scenario.Pace)     // the session has moved its playhead already
	Look      func(scenario.Look)     // likewise
	End       func(error)             // nil: it ran to its end and everything held
}

// ScriptRun is a scenario or lesson that runs in a session, or is over.
type ScriptRun struct {
	Name   string // of the file or lesson
	Source string

	session *Session
	hooks   Hooks
	cancel  context.CancelFunc
	answers chan int
	goOn    chan struct{}
	lesson  string // key of its progress, "" for a scenario

	running   bool
	line      int
	steps     []scenario.Step
	said      []string
	chapter   scenario.Chapter
	question  *scenario.Question
	answered  bool
	asked     int
	right     int
	paused    bool
	pauseText string
	task      *scenario.Task
	marks     []scenario.Mark
	closeUp   scenario.CloseUp
	looking   string        // the transaction that the playhead crosses, "" if none
	looked    time.Duration // since rest last asked the trace
	err       error
}

// maxSteps bounds how many steps of a run are kept for a list.
const maxSteps = 2000

// RunScript runs a scenario in a new session, which shows its network from the first
// message on. It returns at once; an error means that the source cannot run at all and
// names file and line. At the end the network stays, to go on with by hand; it stops when
// the scenario fails.
func RunScript(name string, src []byte, h Hooks, o StartOptions) (*Session, *ScriptRun, error) {
	if err := scenario.Check(name, src); err != nil {
		return nil, nil, err
	}
	s, err := newLive(nil, o)
	if err != nil {
		return nil, nil, err
	}
	s.name = filepath.Base(name)
	r := &ScriptRun{Name: s.name, Source: string(src), session: s, hooks: h, answers: make(chan int, 1), goOn: make(chan struct{}, 1), running: true}
	s.script = r
	s.notes.base(r.Source)
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(s.ctx)
	path := name
	if o.File != "" {
		path = o.File
	}
	err = s.background(func(context.Context) func() {
		err := scenario.Run(ctx, path, src, r.options(o))
		return func() { r.ended(err) }
	})
	return s, r, err
}

// RunLesson runs a lesson of the program in a new session and keeps its progress in the
// settings.
func RunLesson(name string, h Hooks, o StartOptions) (*Session, *ScriptRun, error) {
	l, err := assets.FindLesson(name)
	if err != nil {
		return nil, nil, err
	}
	s, r, err := RunScript(l.Name+".star", l.Source, h, o)
	if err != nil {
		return nil, nil, err
	}
	r.lesson = l.Name
	s.name = fmt.Sprintf("Lesson %d %s", l.Number, l.Title)
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

// options connects a scenario to this run.
func (r *ScriptRun) options(o StartOptions) scenario.Options {
	s := r.session
	return scenario.Options{Trace: s.recorder, Log: s.log, Keep: true, Runtime: o.Runtime, Teacher: r.teacher(),
		OnBegin: func(step scenario.Step) {
			s.outcomes.mention(func() {
				r.line = step.Line
				if r.hooks.Line != nil && step.Line > 0 {
					r.hooks.Line(step.Line)
				}
			})
		},
		OnStep: func(step scenario.Step) {
			s.outcomes.mention(func() { r.stepped(step) })
			if o.Progress != nil && step.Name == "progress" {
				name, took, _ := cutLast(step.What, ": ")
				d, _ := time.ParseDuration(took)
				o.Progress(network.Step{Name: name, Took: d})
			}
		},
		OnStart: func(n *network.Network) {
			t, err := copyTopology(n.Topology())
			s.use(n)
			r.tell(func() {
				if err == nil {
					err = s.setTopology(t)
				}
				if err != nil {
					s.log.Warn("the topology cannot be shown", "error", err)
				}
				call(r.hooks.Network)
			})
		}}
}

// tell queues what must not be lost; the script waits for a place in the queue, the
// network does not.
func (r *ScriptRun) tell(f func()) {
	if r.session.outcomes.beginSoon(r.session.ctx) == nil {
		r.session.outcomes.end(f)
	}
}

func call(f func()) {
	if f != nil {
		f()
	}
}

func hear[T any](f func(T), v T) {
	if f != nil {
		f(v)
	}
}

// teacher shows a lesson in the session.
func (r *ScriptRun) teacher() *scenario.Teacher {
	return &scenario.Teacher{
		Chapter: func(c scenario.Chapter) { r.tell(func() { r.opened(c) }) },
		Say: func(text string) {
			r.tell(func() {
				r.said = append(r.said, text)
				hear(r.hooks.Say, text)
			})
		},
		Ask:   r.ask,
		Pause: r.pause,
		Task: func(t scenario.Task) {
			r.tell(func() {
				r.task = &t
				hear(r.hooks.Task, t)
			})
			r.session.work.Add(1) // the scenario still runs, so nobody waits yet
			go func() {
				defer r.session.work.Done()
				select {
				case <-t.Done:
				case <-r.session.ctx.Done():
					return
				}
				r.tell(func() {
					r.task = nil
					call(r.hooks.TaskDone)
				})
			}()
		},
		Highlight: func(m []scenario.Mark) {
			r.tell(func() {
				r.pointAt(m)
				hear(r.hooks.Highlight, m)
			})
		},
		CloseUp: func(c scenario.CloseUp) {
			r.tell(func() {
				r.closeUp = c
				hear(r.hooks.CloseUp, c)
			})
		},
		Pace: func(p scenario.Pace) {
			r.tell(func() {
				r.session.setPace(p)
				hear(r.hooks.Pace, p)
			})
		},
		Look: func(l scenario.Look) {
			r.tell(func() {
				r.session.look(l)
				hear(r.hooks.Look, l)
			})
		},
	}
}

// ask shows a question and waits for Answer.
func (r *ScriptRun) ask(ctx context.Context, q scenario.Question) (int, error) {
	r.tell(func() {
		r.question, r.answered = &q, false
		hear(r.hooks.Ask, q)
	})
	select {
	case i := <-r.answers:
		return i, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// pause waits for Continue.
func (r *ScriptRun) pause(ctx context.Context, text string) error {
	r.tell(func() {
		r.paused, r.pauseText = true, text
		hear(r.hooks.Pause, text)
	})
	select {
	case <-r.goOn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Answer answers the question that is asked, once, by the index of an option. It tells
// whether that was right; ok is false if nothing is asked.
func (r *ScriptRun) Answer(i int) (right, ok bool) {
	if r.question == nil || r.answered || i < 0 || i >= len(r.question.Options) {
		return false, false
	}
	r.answered = true
	r.asked++
	right = i == r.question.Answer
	if right {
		r.right++
	}
	select {
	case r.answers <- i:
	default:
	}
	return right, true
}

// Continue lets a lesson go on that pauses.
func (r *ScriptRun) Continue() {
	if !r.paused {
		return
	}
	r.paused, r.pauseText = false, ""
	select {
	case r.goOn <- struct{}{}:
	default:
	}
}

// Stop ends the scenario and its network; Hooks.End hears context.Canceled.
func (r *ScriptRun) Stop() { r.cancel() }

// Running tells whether the scenario has not ended.
func (r *ScriptRun) Running() bool { return r.running }

// Line is the line of the source that runs, 0 before the first one.
func (r *ScriptRun) Line() int { return r.line }

// Steps are the newest steps that are done, at most maxSteps of them.
func (r *ScriptRun) Steps() []scenario.Step { return r.steps }

// Said is what the lesson has said so far.
func (r *ScriptRun) Said() []string { return r.said }

// Chapter is the part of the lesson that runs.
func (r *ScriptRun) Chapter() scenario.Chapter { return r.chapter }

// Question is what is asked, nil if nothing is; answered tells whether Answer was called.
func (r *ScriptRun) Question() (q *scenario.Question, answered bool) { return r.question, r.answered }

// Paused tells whether the lesson waits for Continue, and the text it shows meanwhile.
func (r *ScriptRun) Paused() (text string, paused bool) { return r.pauseText, r.paused }

// Task is what the person should do now, nil if nothing.
func (r *ScriptRun) Task() *scenario.Task { return r.task }

// Marks are the things that stand out.
func (r *ScriptRun) Marks() []scenario.Mark { return r.marks }

// CloseUp is the block whose validation is enlarged; block 0: none.
func (r *ScriptRun) CloseUp() scenario.CloseUp { return r.closeUp }

// Err says why the scenario ended early, nil if it did not.
func (r *ScriptRun) Err() error { return r.err }

// Score counts the answered questions and those answered rightly.
func (r *ScriptRun) Score() (right, asked int) { return r.right, r.asked }

// Script is the scenario or lesson that the session runs or ran, nil if none.
func (s *Session) ScriptRun() *ScriptRun { return s.script }

// Highlight lists the nodes and organisations that a lesson points at, for the stage.
func (s *Session) Highlight() []string {
	if s.script == nil {
		return nil
	}
	var out []string
	for _, m := range s.script.marks {
		switch m.Kind {
		case scenario.MarkNode, scenario.MarkOrg, scenario.MarkClient, scenario.MarkContainer:
			out = append(out, m.Name)
		}
	}
	return out
}

// HighlightedTxs lists the transactions that a lesson points at: panels show them as
// bright as a selected one.
func (s *Session) HighlightedTxs() []string {
	if s.script == nil {
		return nil
	}
	var out []string
	for _, m := range s.script.marks {
		if m.Kind == scenario.MarkTx {
			out = append(out, m.Name)
		}
	}
	return out
}

// pointAt lets things stand out. The first transaction, block or key among them is
// selected, so that the inspector tells of it; a single node is, where there is none.
func (r *ScriptRun) pointAt(marks []scenario.Mark) {
	r.marks = marks
	for _, m := range marks {
		switch m.Kind {
		case scenario.MarkTx:
			r.session.Select(view.Selection{What: view.SelectTx, TxID: m.Name})
			return
		case scenario.MarkBlock:
			r.session.Select(view.Selection{What: view.SelectBlock, Block: m.Block})
			return
		case scenario.MarkKey:
			if m.Namespace != "" {
				r.session.Select(view.Selection{What: view.SelectKey, Namespace: m.Namespace, Key: m.Name})
				return
			}
		}
	}
	sel := view.Selection{}
	if len(marks) == 1 {
		switch m := marks[0]; m.Kind {
		case scenario.MarkNode, scenario.MarkClient, scenario.MarkContainer:
			sel = view.Selection{What: view.SelectNode, Node: m.Name}
		case scenario.MarkOrg:
			sel = view.Selection{What: view.SelectOrg, Node: m.Name}
		}
	}
	r.session.Select(sel)
}

// pointedAt tells whether a lesson points at a block or key and has selected it, so that
// a look at one of its events does not select that event's transaction instead.
func (r *ScriptRun) pointedAt() bool {
	if r == nil {
		return false
	}
	for _, m := range r.marks {
		switch m.Kind {
		case scenario.MarkTx:
			return false
		case scenario.MarkBlock, scenario.MarkKey:
			return true
		}
	}
	return false
}

func (r *ScriptRun) stepped(step scenario.Step) {
	if len(r.steps) >= maxSteps {
		r.steps = append(r.steps[:0], r.steps[maxSteps/4:]...)
	}
	r.steps = append(r.steps, step)
	hear(r.hooks.Step, step)
}

// opened notes the progress of a lesson.
func (r *ScriptRun) opened(c scenario.Chapter) {
	r.chapter = c
	r.question, r.marks = nil, nil
	r.progress(c.N-1, false)
	hear(r.hooks.Chapter, c)
}

func (r *ScriptRun) progress(finished int, done bool) {
	if r.lesson == "" {
		return
	}
	settings := r.session.settings
	p := settings.Lessons[r.lesson]
	if p.Done && !done {
		return // who repeats a lesson has still finished it
	}
	settings.Lessons[r.lesson] = LessonProgress{Step: finished, Steps: r.chapter.Of, Done: done, Right: r.right, Asked: r.asked, Changed: time.Now()}
	if err := settings.Save(); err != nil {
		r.session.log.Warn("the lesson's progress is not kept", "error", err)
	}
}

func (r *ScriptRun) ended(err error) {
	r.running, r.paused, r.question, r.task = false, false, nil, nil
	r.err = err
	if err == nil {
		r.progress(r.chapter.Of, true)
		r.line = 0
	} else if !errors.Is(err, context.Canceled) {
		r.session.nodes.lastError = err.Error()
	}
	hear(r.hooks.End, err)
}

// setPace moves the playhead as a lesson wants it.
func (s *Session) setPace(p scenario.Pace) {
	if s.script != nil {
		s.script.looking = ""
	}
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

// rest stops the playhead where what a lesson lets it cross is over: what comes after it
// would only lead away from what the lesson speaks of.
func (r *ScriptRun) rest(dt time.Duration) {
	s := r.session
	r.looked += dt
	if r.looking == "" || r.looked < restEvery || !r.running || !s.Playhead.Playing || s.Playhead.Pace == view.Live {
		return
	}
	r.looked = 0
	last := uint64(0)
	for _, tx := range append(s.HighlightedTxs(), r.looking) {
		if events := s.source.ByTx(tx); len(events) > 0 {
			last = max(last, events[len(events)-1].Seq)
		}
	}
	if at := s.Playhead.At.Seq; at >= last {
		s.Playhead.Playing, r.looking = false, ""
	}
}

// look puts the playhead at an event that a lesson speaks of, and selects its transaction.
func (s *Session) look(l scenario.Look) {
	for s.cursor < l.Seq && s.addEvents() {
	}
	s.Playhead.Seek(s.Axis.Moment(l.Seq))
	s.Playhead.Playing = !l.Paused
	if s.script != nil {
		s.script.looking = l.TxID
	}
	if l.TxID != "" && !s.script.pointedAt() {
		s.Select(view.Selection{What: view.SelectTx, TxID: l.TxID})
	}
}
