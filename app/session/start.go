package session

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/app/session/draft"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
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
	o.Watch.begin(s.recorder, t)
	n, err := network.Start(ctx, t, network.Options{Dir: o.Dir, Trace: s.recorder, Log: o.Log, Progress: o.Progress, Begins: o.Begins, Waiting: o.Waiting,
		NoDeploy: o.NoDeploy})
	if err != nil {
		return nil, joinClose(ctx, s, err)
	}
	s.adoptNetwork(n)
	for s.Behind() > 0 && s.addEvents(mostBudget) { // so that lists of nodes are there before the first frame
	}
	return s, nil
}

// withRuntime gives a copy whose chaincodes run in another way.
func withRuntime(t *network.Topology, how string) (*network.Topology, error) {
	c, err := draft.Copy(t)
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
	horizon := facts.NewHorizon(rec)
	s := newSession(Live, horizon, o)
	s.recorder, s.horizon = rec, horizon
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
	c, err := draft.Copy(t)
	if err != nil {
		return err
	}
	s.topology = c
	s.notes.Start(c)
	s.describe()
	s.loadPositions()
	return nil
}

// Sample is a topology that comes with the program.
type Sample struct {
	Name    string // as assets.Topology knows it
	Title   string // as the topology names itself
	Summary string // what it consists of, in one line
	About   string // the topology's own first comment, "" if it has none
}

// Summary says what a topology consists of, in one line.
func Summary(t *network.Topology) string {
	peers := 0
	for i := range t.Organizations {
		peers += *t.Organizations[i].Peers
	}
	parts := []string{words.L("{{.N}} organisations", len(t.Organizations)), words.L("{{.N}} peers", peers), words.L("{{.N}} ordering nodes", t.Orderers.Nodes)}
	var names []string
	for i := range t.Chaincodes {
		names = append(names, t.Chaincodes[i].Name)
	}
	if len(names) > 0 {
		parts = append(parts, words.L("chaincode {{.Name}}", strings.Join(names, ", ")))
	}
	return strings.Join(parts, ", ")
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
		out = append(out, Sample{Name: name, Title: t.Name, Summary: Summary(t), About: firstComment(string(b))})
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
	rank := func(name string) int {
		if i := slices.Index(first, name); i >= 0 {
			return i
		}
		return len(first)
	}
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	return names
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

// OpenTopology reads a topology file; wrong content gives a *network.TopologyError, or
// says what else the file is.
func OpenTopology(path string) (*network.Topology, error) {
	t, err := network.LoadTopology(path)
	if err != nil {
		return nil, insteadOf(TopologyFile, path, err)
	}
	return t, nil
}
