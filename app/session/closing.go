package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Bounds of a session's end.
const (
	stopTimeout = 20 * time.Second // for the nodes, all at once, before they are killed
	restTimeout = 5 * time.Second  // for what is under way besides, until it is given up
)

// Closing is a session's end, which goes on in the background. All methods may be called
// from any goroutine.
type Closing struct {
	nodes    []string // that ran when it began
	recorder *trace.Recorder
	done     chan struct{}
	err      error // once done is closed

	mu      sync.Mutex
	cursor  uint64 // events that were looked at
	stopped map[string]bool
}

// Done is closed when nothing of the session is left, or it was given up.
func (c *Closing) Done() <-chan struct{} { return c.done }

// Err says what did not end in order, once Done is closed.
func (c *Closing) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Left lists the nodes that have not stopped yet, as the trace tells.
func (c *Closing) Left() []string {
	select {
	case <-c.done:
		return nil
	default:
	}
	if c.recorder == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, kind := range []trace.Kind{trace.NodeStop, trace.NodeKilled} {
		events, _ := c.recorder.Of(kind, c.cursor)
		for i := range events {
			c.stopped[events[i].Node] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(c.nodes), func(name string) bool { return c.stopped[name] })
}

// Close ends everything that the session does: actions, loads, the script, a recording,
// and the network with its processes, sockets and temporary folder. It waits for the end
// or until ctx ends; what was begun goes on in the background even then.
func (s *Session) Close(ctx context.Context) error {
	c := s.BeginClose()
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return fmt.Errorf("close %s: %w; still running: %s", s.name, ctx.Err(), strings.Join(c.Left(), ", "))
	}
}

// BeginClose is Close for the goroutine of the user interface: it returns at once, and
// nothing can be done with the session any more. Later calls give the same Closing.
func (s *Session) BeginClose() *Closing {
	if s.closing != nil {
		return s.closing
	}
	c := &Closing{recorder: s.recorder, done: make(chan struct{}), stopped: map[string]bool{}}
	if s.recorder != nil {
		c.cursor = s.recorder.Last()
	}
	for _, n := range s.Nodes() {
		if n.Running {
			c.nodes = append(c.nodes, n.Name)
		}
	}
	s.closing, s.path = c, ""
	s.cancel()
	keep := s.positionsToKeep()
	go func() {
		defer close(c.done)
		c.err = errors.Join(keep(), s.stopEverything())
	}()
	return c
}

// stopEverything stops and waits, but not for ever: a node that hangs is given up.
func (s *Session) stopEverything() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.stopTimeout+restTimeout)
	defer cancel()
	err := s.stopNetwork(ctx)
	err = errors.Join(err, within(ctx, "its actions did not end", func() error {
		s.work.Wait()
		return s.stopNetwork(ctx) // a script may have started it meanwhile
	}))
	if gone := s.gone.Swap(nil); gone != nil {
		(*gone)()
	}
	if s.recorder != nil { // one that was just begun is not known to the session yet
		if stop := s.recorder.StopRecording(); !errors.Is(stop, trace.ErrNotRecording) {
			err = errors.Join(err, stop)
		}
	}
	if s.run != nil {
		err = errors.Join(err, s.run.close())
	}
	if err != nil {
		return fmt.Errorf("close %s: %w", s.name, err)
	}
	return nil
}

// stopNetwork stops the network, if there is one.
func (s *Session) stopNetwork(ctx context.Context) error {
	n := s.net.Load()
	if n == nil {
		return nil
	}
	return within(ctx, "its nodes did not stop, end their processes by hand", func() error {
		ctx, cancel := context.WithTimeout(ctx, s.stopTimeout)
		defer cancel()
		return n.Stop(ctx)
	})
}

// within waits for work, and gives it up when ctx ends.
func within(ctx context.Context, hung string, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", hung, ctx.Err())
	}
}
