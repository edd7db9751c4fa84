package session

import (
	"context"
	"errors"
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// recording is the run file that a live session is written to.
type recording struct {
	path  string
	since time.Time
	busy  bool
}

// StartRecording writes the run to a new file from now on, beginning with what the memory
// still holds.
func (s *Session) StartRecording(path string, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	if s.recorder == nil || s.closed {
		done(ErrNotLive)
		return
	}
	if s.recording.path != "" || s.recording.busy {
		done(errors.New("a recording is under way already; stop it first"))
		return
	}
	meta := trace.Meta{Name: s.name}
	if s.topology != nil {
		if b, err := s.topology.YAML(); err == nil {
			meta.Topology, meta.Seed = string(b), s.topology.Seed
		}
	}
	s.recording.busy = true
	err := s.background(func(context.Context) func() {
		err := s.recorder.RecordTo(path, meta)
		return func() {
			s.recording.busy = false
			if err == nil {
				s.recording.path, s.recording.since = path, time.Now()
				s.settings.Opened(path, "run", "")
				if err := s.settings.Save(); err != nil {
					s.log.Warn("the recording is not kept among the recent files", "error", err)
				}
			}
			done(err)
		}
	})
	if err != nil {
		s.recording.busy = false
		done(err)
	}
}

// StopRecording finishes the run file; done hears its path.
func (s *Session) StopRecording(done func(path string, err error)) {
	if done == nil {
		done = func(string, error) {}
	}
	path := s.recording.path
	if path == "" || s.recording.busy {
		done("", errors.New("nothing is being recorded"))
		return
	}
	s.recording.busy = true
	err := s.background(func(context.Context) func() {
		err := s.recorder.StopRecording()
		return func() {
			s.recording = recording{}
			done(path, err)
		}
	})
	if err != nil {
		s.recording.busy = false
		done(path, err)
	}
}

// Recording tells whether the run is being written to a file, which one, and since when.
func (s *Session) Recording() (path string, since time.Time, on bool) {
	return s.recording.path, s.recording.since, s.recording.path != ""
}
