package session

import (
	"context"
	"time"

	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// Records is how what happens is kept: in a run file, and as a scenario.
type Records struct {
	*core
	path  string // of the run file, "" while none is written
	since time.Time
	busy  bool
}

// StartRecording writes the run to a new file from now on, beginning with what the memory
// still holds.
func (r *Records) StartRecording(path string, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	if r.recorder == nil || r.closing != nil {
		done(ErrNotLive)
		return
	}
	if r.path != "" || r.busy {
		done(words.NewFault("a recording is under way already", "stop it first"))
		return
	}
	meta := trace.Meta{Name: r.name}
	if r.topology != nil {
		if b, err := r.topology.YAML(); err == nil {
			meta.Topology, meta.Seed = string(b), r.topology.Seed
		}
	}
	r.busy = true
	err := r.runBackground(func(context.Context) func() {
		err := runfile.Record(r.recorder, path, meta)
		return func() {
			r.busy = false
			if err == nil {
				r.path, r.since = path, time.Now()
				r.settings.Opened(path, "run", "")
				if err := r.settings.Save(); err != nil {
					r.log.Warn("the recording is not kept among the recent files", "error", err)
				}
			}
			done(err)
		}
	})
	if err != nil {
		r.busy = false
		done(err)
	}
}

// StopRecording finishes the run file; done hears its path.
func (r *Records) StopRecording(done func(path string, err error)) {
	if done == nil {
		done = func(string, error) {}
	}
	path := r.path
	if path == "" || r.busy {
		done("", words.NewFault("nothing is being recorded", ""))
		return
	}
	r.busy = true
	err := r.runBackground(func(context.Context) func() {
		err := r.recorder.StopRecording()
		return func() {
			r.path, r.busy = "", false
			done(path, err)
		}
	})
	if err != nil {
		r.busy = false
		done(path, err)
	}
}

// Recording tells whether the run is being written to a file, which one, and since when.
func (r *Records) Recording() (path string, since time.Time, on bool) {
	return r.path, r.since, r.path != ""
}

// Script is what was done in this session since it started, as a scenario: it runs
// without a window (fabriscope run FILE) and ends with the same results, unless what was
// done depended on chance.
func (r *Records) Script() string {
	if r.Kind != Live {
		return ""
	}
	return r.notes.Text(r.name)
}

// ScriptSteps counts what has been noted.
func (r *Records) ScriptSteps() int { return r.notes.Len() }

// Note switches the noting of actions on or off; it begins on.
func (r *Records) Note(on bool) { r.notes.Switch(on) }

// Noting tells whether actions are noted.
func (r *Records) Noting() bool { return r.notes.On() && r.Kind == Live }
