// Package scenario runs scripted networks: a Starlark file starts a network, lets
// clients submit transactions, breaks things, and says what must hold. Scenarios
// are tests, lessons and bug reports at once.
//
// A scenario calls the functions in builtins.go; docs/SCENARIOS.md describes them
// for people who write one. Each call is one step: it is printed, recorded in the
// trace, and it either happens for real or the scenario ends with an error that
// names file and line.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// Bounds of a scenario.
const (
	maxSourceBytes = 1 << 20
	maxSteps       = 200_000_000 // Starlark computation steps
	maxPending     = 10_000      // transactions begun and not waited for
	callTimeout    = 2 * time.Minute
	stopTimeout    = 20 * time.Second
)

// Step is one call of a scenario, as it is printed.
type Step struct {
	N      int            `json:"n"` // from 1; 0 while it begins
	Line   int            `json:"line"`
	Name   string         `json:"step"`             // the function called
	What   string         `json:"what"`             // its arguments in words
	Result string         `json:"result,omitempty"` // what came of it
	Failed bool           `json:"failed,omitempty"` // an expectation that does not hold
	TookMS float64        `json:"took_ms"`
	Data   map[string]any `json:"data,omitempty"`
	// Text is what a step of a lesson says, and Outcome what came of it: What and Result
	// in every language. Their IDs are "" where a step says nothing.
	Text, Outcome Text `json:"-"`
}

// Options says how to run a scenario.
type Options struct {
	// Topology replaces the one that the scenario names; nil keeps it.
	Topology *network.Topology
	// Runtime and Placement replace the topology's when not empty.
	Runtime, Placement string
	Trace              *trace.Recorder
	Log                *slog.Logger
	// OnBegin hears of every step before it runs: its Line and Name, nothing else.
	OnBegin func(Step)
	// OnStep hears of every step when it is done.
	OnStep func(Step)
	// Teacher shows a lesson to a person; nil runs it headless.
	Teacher *Teacher
	// OnStart hears of a network when it runs.
	OnStart func(*network.Network)
	// Keep leaves the network running at the end, and when ctx ends with ErrLeft as its cause:
	// OnStart's receiver stops it.
	Keep bool
}

// ErrLeft, as the cause of a context's end, says that nobody wants the rest of a scenario, but
// its network.
var ErrLeft = errors.New("the scenario was left before its end")

// ErrFailed says that an expectation did not hold; the Step with Failed tells which.
var ErrFailed = errors.New("an expectation does not hold")

// ErrScript says that the scenario itself is wrong: its syntax, a name, an
// argument. The text names file and line.
var ErrScript = errors.New("the scenario cannot run")

// ReadFile reads a scenario's source.
func ReadFile(path string) ([]byte, error) {
	src, err := network.ReadFile(path, maxSourceBytes)
	if errors.Is(err, network.ErrTooLarge) {
		return nil, fmt.Errorf("%w: %s is larger than 1 MB; this is not a scenario", ErrScript, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w; name a .star file", ErrScript, err)
	}
	return src, nil
}

// Run runs a scenario from its source; name is used in messages and relative paths
// in the scenario start at its folder. It gives nil if every expectation holds,
// an error that wraps ErrFailed if one does not, one that wraps ErrScript if the
// scenario is wrong, and any other error if the network could not do its part.
func Run(ctx context.Context, name string, src []byte, o Options) (err error) {
	if len(src) > maxSourceBytes {
		return fmt.Errorf("%w: %s is larger than 1 MB; this is not a scenario", ErrScript, name)
	}
	if o.Trace == nil {
		o.Trace = trace.NewRecorder(trace.Options{})
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{ctx: ctx, name: name, dir: filepath.Dir(name), options: o, random: rand.New(rand.NewPCG(1, 1))}
	if o.Teacher != nil {
		r.teacher = *o.Teacher
	}
	defer func() {
		if r.net != nil && (!o.Keep || err != nil && !errors.Is(err, ErrLeft)) {
			stopCtx, stop := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer stop()
			err = errors.Join(err, r.net.Stop(stopCtx))
		}
	}()
	thread := &starlark.Thread{Name: name, Print: func(_ *starlark.Thread, text string) { r.note("print", text) }}
	thread.SetMaxExecutionSteps(maxSteps)
	stopWatching := context.AfterFunc(ctx, func() { thread.Cancel("stopped") })
	defer stopWatching()
	names := r.builtins()
	file, program, err := starlark.SourceProgramOptions(fileOptions(), name, src, names.Has)
	if err == nil {
		r.outline = outlineOf(file)
		_, err = program.Init(thread, names)
	}
	return r.explain(ctx, err)
}

// Check parses a scenario and resolves its names without running it.
func Check(name string, src []byte) error {
	if len(src) > maxSourceBytes {
		return fmt.Errorf("%w: %s is larger than 1 MB; this is not a scenario", ErrScript, name)
	}
	r := &run{}
	names := r.builtins()
	file, _, err := starlark.SourceProgramOptions(fileOptions(), name, src, names.Has)
	if err == nil && len(file.Stmts) == 0 {
		return fmt.Errorf("%w: %s is empty; docs/SCENARIOS.md says what can be in it", ErrScript, name)
	}
	return r.explain(context.Background(), err)
}

// Functions lists what a scenario can call, in alphabetical order.
func Functions() []string { return (&run{}).builtins().Keys() }

func fileOptions() *syntax.FileOptions {
	return &syntax.FileOptions{TopLevelControl: true, GlobalReassign: true, While: true, Set: true}
}

// explain turns an error of the Starlark interpreter into one of ours.
func (r *run) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		if errors.Is(context.Cause(ctx), ErrLeft) {
			return ErrLeft
		}
		return ctx.Err()
	}
	var eval *starlark.EvalError
	var syntaxError syntax.Error
	var resolved resolve.ErrorList
	switch {
	case errors.As(err, &eval):
		place := r.name
		for _, frame := range eval.CallStack {
			if frame.Pos.Filename() == r.name {
				place = frame.Pos.String()
			}
		}
		var call *callError
		if errors.As(eval, &call) {
			return fmt.Errorf("%s: %w", place, call.err)
		}
		return fmt.Errorf("%w: %s: %s", ErrScript, place, plainly(eval.Msg))
	case errors.As(err, &syntaxError):
		return fmt.Errorf("%w: %s: %s", ErrScript, syntaxError.Pos, syntaxError.Msg)
	case errors.As(err, &resolved) && len(resolved) > 0:
		return fmt.Errorf("%w: %s: %s", ErrScript, resolved[0].Pos, resolved[0].Msg)
	}
	return fmt.Errorf("%w: %w", ErrScript, err)
}

// plainly gives the interpreter's messages about what scenarios may not do in words
// that say so.
func plainly(message string) string {
	switch {
	case strings.Contains(message, "too many steps"):
		return fmt.Sprintf("it was stopped after %d million computation steps; is there a loop without an end?", maxSteps/1_000_000)
	case strings.HasPrefix(message, "load not implemented"):
		return "load of other files does not exist here; write everything into one file (load many transactions with: r = load(...))"
	}
	return message
}

// callError carries an error of the network (not of the script) through the
// interpreter.
type callError struct{ err error }

func (e *callError) Error() string { return e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// run is one running scenario.
type run struct {
	ctx     context.Context
	name    string
	dir     string
	options Options
	teacher Teacher
	outline outline
	net     *network.Network
	random  *rand.Rand
	steps   int
	pending int
	failed  bool
	// Of a lesson: how far it is, and the last prediction.
	chapters, asked int
	question        *Question
	choice          int
}

// step is a builtin's work: it gives the value for the script, a sentence for the
// listing, and what else a machine may want to know.
type step func(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error)

// line is how a step is listed.
type line struct {
	what, result  string
	text, outcome Text
	failed        bool
	data          map[string]any
}

// builtin wraps a step: it times it, prints it and records it.
func (r *run) builtin(name string, do step) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := r.ctx.Err(); err != nil {
			return nil, &callError{err}
		}
		if r.options.OnBegin != nil {
			r.options.OnBegin(Step{Line: callerLine(thread), Name: name})
		}
		begin := time.Now()
		value, l, err := do(thread, args, kwargs)
		if err != nil && l.result == "" {
			l.result = err.Error()
		}
		l.failed = l.failed || err != nil
		r.report(Step{Line: callerLine(thread), Name: name, What: l.what, Result: l.result, Failed: l.failed,
			TookMS: float64(time.Since(begin).Microseconds()) / 1000, Data: l.data, Text: l.text, Outcome: l.outcome})
		return value, err
	})
}

func callerLine(thread *starlark.Thread) int {
	if thread.CallStackDepth() > 1 {
		return int(thread.CallFrame(1).Pos.Line)
	}
	return 0
}

// note lists something that is no call.
func (r *run) note(name, text string) { r.report(Step{Name: name, What: text}) }

func (r *run) report(s Step) {
	r.steps++
	s.N = r.steps
	if r.options.Trace != nil {
		note := s.What
		if s.Result != "" {
			note = strings.TrimPrefix(note+": "+s.Result, ": ")
		}
		kind, what := trace.Step, trace.StepDone
		if s.Failed {
			what = trace.Failed
		}
		switch s.Name {
		case "say", "reveal", "go_on", "ask", "task":
			if s.What != "" {
				kind, what, note = trace.Say, trace.Told, s.What
			}
		}
		r.options.Trace.Record(trace.Event{Kind: kind, Node: scriptNode, Key: s.Name, What: what, A: int64(s.N), Name: s.Text.Key(), Note: note})
	}
	if r.options.OnStep != nil {
		r.options.OnStep(s)
	}
}

// network gives the running network or says that there is none.
func (r *run) network() (*network.Network, error) {
	if r.net == nil {
		return nil, errors.New("no network runs yet: call network() first")
	}
	return r.net, nil
}
