package script

import (
	"context"
	"log/slog"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// Hooks hear of a running scenario or lesson, in frames; each may be nil.
type Hooks struct {
	Network  func() // the network runs
	Chapter  func(scenario.Chapter)
	Say      func(scenario.Text)
	Ask      func(scenario.Question) // answer it with Run.Answer
	Pause    func(scenario.Text)     // go on with Run.Continue
	Task     func(scenario.Task)     // something to do in the window
	TaskDone func()                  // it was done
	CloseUp  func(scenario.CloseUp)  // block 0: close it
	End      func(error)             // nil: it ran to its end and everything held
}

// Options connect a run to what shows it.
type Options struct {
	Path    string // of the file, for messages and relative paths
	Runtime string
	Trace   *trace.Recorder
	Log     *slog.Logger
	Hooks

	// Frame runs f in the next frame, and waits for room in the queue until then. Hint does
	// not wait: what is hinted may be lost when there is too much of it.
	Frame, Hint func(f func())
	// Started hears of the network, from the scenario's goroutine.
	Started func(*network.Network)

	// What a lesson does to what is shown, in frames.
	Point func([]scenario.Mark)
	Pace  func(scenario.Pace)
	Look  func(scenario.Look)
	// Conceal hides what happens from now on; Asking hears that a question is open, and that
	// it is no longer.
	Conceal func()
	Asking  func(open bool)
	// Reached hears how many chapters are finished, when the next begins; done: all are.
	Reached func(finished int, done bool)
}

// Run is a scenario or lesson that runs, or is over: where it is, what it has said, and
// what it waits for. All but Execute belongs to the goroutine of the frames.
type Run struct {
	Name   string        // of the file or lesson
	Title  scenario.Text // the same for people, in their language
	Lesson string        // of the program, by its name; "" for a scenario
	Source string

	o       Options
	ctx     context.Context
	cancel  context.CancelCauseFunc
	answers chan int
	goOn    chan struct{}

	running   bool
	line      int
	steps     []scenario.Step
	said      []scenario.Text
	chapter   scenario.Chapter
	question  *scenario.Question
	answered  bool
	asked     int
	right     int
	paused    bool
	pauseText scenario.Text
	task      *scenario.Task
	err       error
}

// maxSteps bounds how many steps of a run are kept for a list.
const maxSteps = 2000

// NewRun makes a run that is under way until Execute's end; ctx ends it early.
func NewRun(ctx context.Context, name, source string, o Options) *Run {
	r := &Run{Name: name, Title: scenario.Text{ID: name}, Source: source, o: o, answers: make(chan int, 1), goOn: make(chan struct{}, 1), running: true}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	return r
}

// Execute runs the scenario to its end. What it gives is called in a frame.
func (r *Run) Execute() (end func()) {
	err := scenario.Run(r.ctx, r.o.Path, []byte(r.Source), scenario.Options{Trace: r.o.Trace, Log: r.o.Log, Keep: true, Runtime: r.o.Runtime, Teacher: r.teacher(),
		OnBegin: func(step scenario.Step) { r.o.Hint(func() { r.line = step.Line }) },
		OnStep:  func(step scenario.Step) { r.o.Hint(func() { r.keepStep(step) }) },
		OnStart: func(n *network.Network) {
			r.o.Started(n)
			r.inFrame(func() { callHook(r.o.Network) })
		}})
	return func() { r.finish(err) }
}

// inFrame runs f in a frame, unless the run has been ended.
func (r *Run) inFrame(f func()) {
	if r.ctx.Err() == nil {
		r.o.Frame(f)
	}
}

func callHook(f func()) {
	if f != nil {
		f()
	}
}

func callWith[T any](f func(T), v T) {
	if f != nil {
		f(v)
	}
}

// teacher shows a lesson.
func (r *Run) teacher() *scenario.Teacher {
	return &scenario.Teacher{
		Chapter: func(c scenario.Chapter) {
			r.inFrame(func() {
				r.chapter, r.question = c, nil // what was asked before has been answered
				r.o.Reached(c.N-1, false)
				callWith(r.o.Chapter, c)
			})
		},
		Say: func(text scenario.Text) {
			r.inFrame(func() {
				r.said = append(r.said, text)
				callWith(r.o.Say, text)
			})
		},
		Ask:   r.askPerson,
		Pause: r.awaitContinue,
		Task:  r.giveTask,
		Highlight: func(m []scenario.Mark) {
			r.inFrame(func() { r.o.Point(m) })
		},
		CloseUp: func(c scenario.CloseUp) { r.inFrame(func() { callWith(r.o.CloseUp, c) }) },
		Pace:    func(p scenario.Pace) { r.inFrame(func() { r.o.Pace(p) }) },
		Look:    func(l scenario.Look) { r.inFrame(func() { r.o.Look(l) }) },
		Conceal: func() { r.inFrame(r.o.Conceal) },
	}
}

// giveTask shows a task until it is done; the scenario goes on meanwhile and waits itself.
func (r *Run) giveTask(t scenario.Task) {
	r.inFrame(func() {
		r.task = &t
		callWith(r.o.Task, t)
	})
	go func() {
		<-t.Done // when it is done or the lesson has ended
		r.inFrame(func() {
			if r.task != &t {
				return // the next one is given already
			}
			r.task = nil
			callHook(r.o.TaskDone)
		})
	}()
}

// askPerson shows a question and waits for Answer.
func (r *Run) askPerson(ctx context.Context, q scenario.Question) (int, error) {
	r.inFrame(func() {
		r.question, r.answered = &q, false
		r.o.Asking(true)
		callWith(r.o.Ask, q)
	})
	select {
	case i := <-r.answers:
		return i, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// awaitContinue waits for Continue.
func (r *Run) awaitContinue(ctx context.Context, text scenario.Text) error {
	r.inFrame(func() {
		r.paused, r.pauseText = true, text
		callWith(r.o.Pause, text)
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
func (r *Run) Answer(i int) (right, ok bool) {
	if r.question == nil || r.answered || i < 0 || i >= len(r.question.Options) {
		return false, false
	}
	r.answered = true
	r.o.Asking(false)
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
func (r *Run) Continue() {
	if !r.paused {
		return
	}
	r.paused, r.pauseText = false, scenario.Text{}
	select {
	case r.goOn <- struct{}{}:
	default:
	}
}

// Stop ends the scenario and its network; Hooks.End hears context.Canceled.
func (r *Run) Stop() { r.cancel(nil) }

// Leave ends the scenario; its network stays, and Hooks.End hears scenario.ErrLeft.
func (r *Run) Leave() {
	if r.running {
		r.question, r.paused, r.task = nil, false, nil
		r.cancel(scenario.ErrLeft)
		r.o.Asking(false)
	}
}

// Running tells whether the scenario has not ended.
func (r *Run) Running() bool { return r.running }

// Line is the line of the source that runs, 0 before the first one.
func (r *Run) Line() int { return r.line }

// Steps are the newest steps that are done, at most maxSteps of them; none while a question is
// open, since they tell what came of what it asks.
func (r *Run) Steps() []scenario.Step {
	if r.question != nil && !r.answered {
		return nil
	}
	return r.steps
}

// Said is what the lesson has said so far.
func (r *Run) Said() []scenario.Text { return r.said }

// Chapter is the part of the lesson that runs.
func (r *Run) Chapter() scenario.Chapter { return r.chapter }

// Question is what is asked, nil if nothing is; answered tells whether Answer was called.
func (r *Run) Question() (q *scenario.Question, answered bool) { return r.question, r.answered }

// Paused tells whether the lesson waits for Continue, and the text it shows meanwhile.
func (r *Run) Paused() (text scenario.Text, paused bool) { return r.pauseText, r.paused }

// Task is what the person should do now, nil if nothing.
func (r *Run) Task() *scenario.Task { return r.task }

// Err says why the scenario ended early, nil if it did not.
func (r *Run) Err() error { return r.err }

// Score counts the answered questions and those answered rightly.
func (r *Run) Score() (right, asked int) { return r.right, r.asked }

func (r *Run) keepStep(step scenario.Step) {
	if len(r.steps) >= maxSteps {
		r.steps = append(r.steps[:0], r.steps[maxSteps/4:]...)
	}
	r.steps = append(r.steps, step)
}

func (r *Run) finish(err error) {
	r.running, r.paused, r.question, r.task = false, false, nil, nil
	r.o.Asking(false)
	r.err = err
	if err == nil {
		r.line = 0
		r.o.Reached(r.chapter.Of, true)
	}
	callWith(r.o.End, err)
}
