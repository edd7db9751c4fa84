package session

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// Start runs a topology and gives the session when every node has joined the channel and
// the chaincodes can be called. It blocks: call it outside the user interface. If it
// fails, nothing is left running, and Explain makes a sentence with a remedy of the error.
func Start(ctx context.Context, t *network.Topology, o StartOptions) (*Session, error) {
	t, err := withRuntime(t, o.Runtime)
	if err != nil {
		return nil, err
	}
	s, err := newLive(t, o)
	if err != nil {
		return nil, err
	}
	n, err := network.Start(ctx, t, network.Options{Dir: o.Dir, Trace: s.recorder, Log: o.Log, Progress: o.Progress, NoDeploy: o.NoDeploy})
	if err != nil {
		return nil, joinClose(ctx, s, err)
	}
	s.use(n)
	for s.Behind() > 0 && s.addEvents() { // so that lists of nodes are there before the first frame
	}
	return s, nil
}

// Launch is Start for a window that wants to see the network come to life: the session is
// there at once, and the following Ticks show what happens. done hears when the network
// can be used, or why it could not be started; then the session can only be closed.
func Launch(t *network.Topology, o StartOptions, done func(error)) (*Session, error) {
	t, err := withRuntime(t, o.Runtime)
	if err != nil {
		return nil, err
	}
	s, err := newLive(t, o)
	if err != nil {
		return nil, err
	}
	err = s.background(func(ctx context.Context) func() {
		n, err := network.Start(ctx, t, network.Options{Dir: o.Dir, Trace: s.recorder, Log: o.Log, Progress: o.Progress, NoDeploy: o.NoDeploy})
		if err == nil {
			s.use(n)
		}
		return func() {
			if done != nil {
				done(err)
			}
		}
	})
	return s, err
}

// withRuntime gives a copy whose chaincodes run in another way.
func withRuntime(t *network.Topology, how string) (*network.Topology, error) {
	c, err := copyTopology(t)
	if err == nil && how != "" {
		c.SetRuntime(how)
		err = c.Check()
	}
	return c, err
}

// joinClose closes a session that did not come to life.
func joinClose(ctx context.Context, s *Session, err error) error {
	if closing := s.Close(context.WithoutCancel(ctx)); closing != nil {
		return fmt.Errorf("%w; and cleaning up: %w", err, closing)
	}
	return err
}

// newLive makes a live session whose network does not run yet.
func newLive(t *network.Topology, o StartOptions) (*Session, error) {
	rec := trace.NewRecorder(trace.Options{MaxEvents: cmp.Or(o.MaxEvents, liveEvents), MaxPayloadBytes: livePayloadBytes})
	s := newSession(Live, rec, o)
	s.recorder = rec
	if before, err := os.ReadDir(o.Dir); o.Dir != "" && err == nil {
		s.resumed = len(before) > 0
	}
	if t != nil {
		s.name = t.Name
		if err := s.setTopology(t); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// setTopology takes a copy of the topology and shows it on the stage.
func (s *Session) setTopology(t *network.Topology) error {
	c, err := copyTopology(t)
	if err != nil {
		return err
	}
	s.topology = c
	s.notes.topology(c)
	s.describe(c)
	s.loadPositions()
	return nil
}

// copyTopology makes a copy that shares nothing with t.
func copyTopology(t *network.Topology) (*network.Topology, error) {
	b, err := t.YAML()
	if err != nil {
		return nil, fmt.Errorf("copy the topology: %w", err)
	}
	c, err := network.ParseTopology(t.Name, b)
	if err != nil {
		return nil, fmt.Errorf("copy the topology: %w", err)
	}
	c.Dir = t.Dir
	return c, nil
}

// Sample is a topology that comes with the program.
type Sample struct {
	Name    string // as assets.Topology knows it
	Title   string // as the topology names itself
	Summary string // what it consists of, in one line
	About   string // the topology's own first comment, "" if it has none
}

// Samples lists the topologies that come with the program, those for a first look first.
func Samples() []Sample {
	var out []Sample
	for _, name := range sampleOrder(assets.TopologyNames()) {
		t, err := SampleTopology(name)
		if err != nil {
			continue
		}
		b, _ := assets.Topology(name)
		out = append(out, Sample{Name: name, Title: t.Name, Summary: t.Summary(), About: firstComment(string(b))})
	}
	return out
}

// SampleTopology gives a topology that comes with the program.
func SampleTopology(name string) (*network.Topology, error) {
	b, err := assets.Topology(name)
	if err != nil {
		return nil, err
	}
	return network.ParseTopology(name+".yaml", b)
}

// sampleOrder puts the samples for a first look before the others.
func sampleOrder(names []string) []string {
	first := []string{"two-organisations", "one-of-each", "consortium", "slow-links", "crowded"}
	var out []string
	has := map[string]bool{}
	for _, n := range names {
		has[n] = true
	}
	for _, n := range first {
		if has[n] {
			out = append(out, n)
			delete(has, n)
		}
	}
	for _, n := range names {
		if has[n] {
			out = append(out, n)
		}
	}
	return out
}

// firstComment is the comment that a file begins with, in one line.
func firstComment(text string) string {
	var words []string
	for _, l := range strings.Split(text, "\n") {
		c, ok := strings.CutPrefix(strings.TrimSpace(l), "#")
		if !ok {
			break
		}
		words = append(words, strings.TrimSpace(c))
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// OpenTopology reads a topology file; wrong content gives a *network.TopologyError.
func OpenTopology(path string) (*network.Topology, error) { return network.LoadTopology(path) }

// FileKind says what a file is for the window by its name: "topology", "scenario", "run",
// "blocks", "" if it is none of them.
func FileKind(path string) string {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		return "topology"
	case ".star":
		return "scenario"
	case ".fscope":
		return "run"
	case ".block", ".pb", ".blocks":
		return "blocks"
	}
	return ""
}
