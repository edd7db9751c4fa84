package session

import (
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/view/meter"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/file"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// Panels are the models of the window's panels. Tick gives them every event once, in
// order; each answers for any moment of the trace.
type Panels struct {
	World    *facts.World // what the others know the network by
	Stage    *stage.World
	Timeline *timeline.Index
	Chain    *chain.Strip
	Meter    *meter.Meter
	Index    *inspect.Index // what the inspector finds things with
}

func newPanels(source view.Source, limit int) Panels {
	world := facts.New(source, limit)
	return Panels{World: world, Stage: stage.New(world), Timeline: timeline.New(world), Chain: chain.New(world), Meter: meter.New(), Index: inspect.New(world)}
}

// SetBook changes the language of the panels.
func (p *Panels) SetBook(b *words.Book) {
	p.Stage.SetBook(b)
	p.Chain.SetBook(b)
}

// Short is a node's name as the panels show it.
func (p *Panels) Short(node string) string { return p.World.Names().Short(node) }

func (p *Panels) learn(events []trace.Event) {
	p.World.Add(events, func(e *facts.Step, gap bool) {
		p.Timeline.Take(e, gap)
		p.Meter.Take(e, gap)
	})
	p.Stage.Take(events)
}

// layoutOf is what the stage wants to know of a topology.
func layoutOf(t *network.Topology) facts.Layout {
	l := facts.Layout{Channel: t.Channel}
	for i := range t.Organizations {
		o := &t.Organizations[i]
		org := facts.LayoutOrg{Name: o.Name}
		for p := range *o.Peers {
			org.Peers = append(org.Peers, o.PeerName(p))
		}
		l.Orgs = append(l.Orgs, org)
	}
	for i := range t.Orderers.Nodes {
		l.Orderers = append(l.Orderers, t.Orderers.NodeName(i))
	}
	for _, c := range t.Clients {
		l.Clients = append(l.Clients, facts.LayoutClient{Name: c.Name, Org: c.Organization})
	}
	return l
}

// StageCopy gives what makes a second stage with the same events and the same places of
// the boxes. It may be called on another goroutine and takes as long as reading the trace.
func (s *Session) StageCopy() func() *stage.World {
	source, t, positions, last, book := s.source, s.topology, s.Stage.Positions(), s.Axis.End().Seq, s.Stage.Book()
	return func() *stage.World {
		w := stage.Alone(source)
		if t != nil {
			w.Facts().Describe(layoutOf(t))
		}
		for cursor := uint64(0); cursor < last; {
			events, next, _ := source.Since(cursor, tickBatch)
			if len(events) == 0 {
				break
			}
			w.Add(events)
			cursor = next
		}
		w.SetPositions(positions)
		w.SetBook(book)
		return w
	}
}

// loadPositions puts the stage's boxes where the person left them: beside the topology's
// file, or in the settings for samples.
func (s *Session) loadPositions() {
	if s.file != "" && Recognise(s.file).Kind == TopologyFile {
		positions, err := readLayout(layoutPath(s.file))
		if err != nil {
			s.log.Warn("positions of the stage", "error", err)
		}
		s.Stage.SetPositions(positions)
	} else if p := s.settings.layout(s.name); p != nil {
		s.Stage.SetPositions(p)
	}
	s.moved = len(s.Stage.Positions()) > 0
}

// positionsToKeep gives what writes the places that boxes of the stage were moved to. It
// may be called on another goroutine.
func (s *Session) positionsToKeep() (write func() error) {
	positions := s.Stage.Positions()
	if len(positions) == 0 && !s.moved {
		return func() error { return nil } // nothing was moved, and nothing is kept
	}
	if s.file != "" && Recognise(s.file).Kind == TopologyFile {
		b, err := indented(positions)
		return func() error {
			if err != nil {
				return err
			}
			return file.WriteAtomically(layoutPath(s.file), b)
		}
	}
	s.settings.keepLayout(s.name, positions)
	return s.settings.toKeep()
}
