package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
	"github.com/fabriscope/fabriscope/network"
)

// runReader reads a run file in the background, a bounded distance ahead of the panels.
type runReader struct {
	file    *runfile.Run
	count   uint64 // events in the file when it was opened
	batches chan runBatch
	stop    context.CancelFunc
	done    sync.WaitGroup
	loaded  bool
}

// runBatch is a piece of a run file.
type runBatch struct {
	events []trace.Event
	next   uint64
	lost   uint64
}

// runAhead is how many batches are read before the panels take them.
const runAhead = 16

// OpenRunFile opens a file that holds a recorded run.
func OpenRunFile(path string) (*runfile.Run, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, words.NewFault("{{.Cause}}", "name a run file that was recorded in the window or with --record", err)
	} else if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, insteadOf(RunFile, path, words.NewFault("{{.File}} holds no run", "name a run file that was recorded in the window or with --record", path))
	}
	file, err := runfile.Open(path)
	switch {
	case errors.Is(err, sqlite.ErrCorrupt) || errors.Is(err, sqlite.ErrForeign):
		return nil, insteadOf(RunFile, path, words.NewFault("{{.File}} is damaged or no run file", "name one that was recorded in the window or with --record, or record the run again", path))
	case err != nil:
		return nil, fmt.Errorf("open the run %s: %w", path, err)
	}
	return file, nil
}

// OpenRun opens a recorded run. It returns as soon as the file is known to be one; the
// following Ticks read it, and Loading tells how far they are.
func OpenRun(path string, o StartOptions) (*Session, error) {
	file, err := OpenRunFile(path)
	if err != nil {
		return nil, err
	}
	meta, err := file.Meta()
	count, errCount := file.Count()
	if err = errors.Join(err, errCount); err != nil {
		return nil, errors.Join(fmt.Errorf("open the run %s: %w", path, err), file.Close())
	}
	o.File = path
	s := newSession(Recorded, file, o)
	s.meta = meta
	s.name = cmp.Or(meta.Name, filepath.Base(path))
	s.Playhead.Pace, s.Playhead.Playing = view.Stretch, false
	if meta.Topology != "" {
		if t, err := network.ParseTopology(meta.Name, []byte(meta.Topology)); err == nil {
			s.topology = t
			s.describe()
			s.loadPositions()
		}
	}
	ctx, stop := context.WithCancel(s.ctx)
	s.run = &runReader{file: file, count: count, batches: make(chan runBatch, runAhead), stop: stop}
	s.run.done.Add(1)
	go s.run.read(ctx)
	return s, nil
}

// read reads the file to its end; panels that are slow hold it up.
func (r *runReader) read(ctx context.Context) {
	defer r.done.Done()
	defer close(r.batches)
	var cursor uint64
	for {
		events, next, lost := r.file.Since(cursor, tickBatch)
		if len(events) == 0 {
			return
		}
		select {
		case r.batches <- runBatch{events, next, lost}:
			cursor = next
		case <-ctx.Done():
			return
		}
	}
}

func (r *runReader) close() error {
	r.stop()
	r.done.Wait()
	return r.file.Close()
}

// addRecorded takes what has been read, for as long as one frame allows.
func (s *Session) addRecorded(budget time.Duration) bool {
	r := s.run
	if r.loaded {
		return false
	}
	for begin := time.Now(); time.Since(begin) < budget; {
		select {
		case b, ok := <-r.batches:
			if !ok {
				r.loaded = true
				return true
			}
			s.cursor, s.lost = b.next, s.lost+b.lost
			s.distribute(b.events)
			s.findBeginning(b.events)
		default:
			return true
		}
	}
	return true
}

// findBeginning puts the playhead of a recording where its network was ready, unless the
// person has moved it already: what comes before is the same in all of them.
func (s *Session) findBeginning(events []trace.Event) {
	if s.opened == (view.Moment{}) {
		s.Playhead.At = s.Axis.Start()
		s.opened = s.Playhead.At
	}
	if s.Playhead.At != s.opened {
		return
	}
	for i := range events {
		if events[i].Kind == trace.NetworkReady {
			s.Playhead.At = s.Axis.Moment(events[i].Seq)
			s.opened = view.Moment{Seq: ^uint64(0)}
			return
		}
	}
}

// Loading tells how much of a recording has been read, 0 to 1; done is true at its end
// and for all other sessions.
func (s *Session) Loading() (share float64, done bool) {
	if s.run == nil || s.run.loaded {
		return 1, true
	}
	if s.run.count == 0 {
		return 0, false
	}
	return min(1, float64(s.cursor)/float64(s.run.count)), false
}

// Damage says what is wrong with a recording, "" if nothing was found, or it is still being
// read.
func (s *Session) Damage() string {
	if s.run == nil || !s.run.loaded {
		return ""
	}
	first, _, ok := s.Axis.Bounds()
	switch err := s.run.file.Damage(); {
	case err != nil:
		return words.L("The recording is damaged, {{.N}} events are missing: {{.Cause}}.", s.lost, err)
	case s.lost > 0:
		return words.L("{{.N}} events are missing in this recording.", s.lost)
	case ok && first > 1:
		return words.L("The recording is long: its first {{.N}} events are too far back to be gone to.", first-1)
	}
	return ""
}

// Meta says what a recording is about; it is empty for other sessions.
func (s *Session) Meta() trace.Meta { return s.meta }
