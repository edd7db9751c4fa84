package session

import (
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/view/meter"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// Panels are the models of the window's panels. Tick gives them every event once, in
// order; each answers for any moment of the trace.
type Panels struct {
	Stage    *stage.World
	Timeline *timeline.Index
	Chain    *chain.Strip
	Meter    *meter.Meter
	Index    *inspect.Index // what the inspector finds things with
}

func newPanels(source view.Source, limit int) Panels {
	return Panels{Stage: stage.New(source), Timeline: timeline.New(limit), Chain: chain.New(source), Meter: meter.New(), Index: inspect.NewIndex(source)}
}

func (p *Panels) add(events []trace.Event) {
	p.Stage.Add(events)
	p.Timeline.Add(events)
	p.Chain.Add(events)
	p.Meter.Add(events)
	p.Index.Add(events)
}

// describe tells the panels what the network consists of, before its events do.
func (p *Panels) describe(t *network.Topology) { p.Stage.Describe(layoutOf(t)) }

// layoutOf is what the stage wants to know of a topology.
func layoutOf(t *network.Topology) stage.Layout {
	l := stage.Layout{Channel: t.Channel, MaxTx: t.Block.MaxMessageCount, MaxBytes: int(t.Block.PreferredMaxBytes), Timeout: time.Duration(t.Block.BatchTimeout)}
	for i := range t.Organizations {
		o := &t.Organizations[i]
		org := stage.LayoutOrg{Name: o.Name}
		for p := range *o.Peers {
			org.Peers = append(org.Peers, o.PeerName(p))
		}
		l.Orgs = append(l.Orgs, org)
	}
	for i := range t.Orderers.Nodes {
		l.Orderers = append(l.Orderers, t.Orderers.NodeName(i))
	}
	for _, c := range t.Clients {
		l.Clients = append(l.Clients, stage.LayoutClient{Name: c.Name, Org: c.Organization})
	}
	return l
}

// StageCopy gives what makes a second stage with the same events and the same places of
// the boxes. It may be called on another goroutine and takes as long as reading the trace.
func (s *Session) StageCopy() func() *stage.World {
	source, t, positions, last := s.source, s.topology, s.Stage.Positions(), s.Axis.End().Seq
	return func() *stage.World {
		w := stage.New(source)
		if t != nil {
			w.Describe(layoutOf(t))
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
		return w
	}
}

// StageHeld lists the held messages as the stage wants them.
func (s *Session) StageHeld() []stage.Held {
	var out []stage.Held
	for _, h := range s.held.held {
		out = append(out, stage.Held{Msg: h.ID, Node: h.Event.Node})
	}
	return out
}

// loadPositions puts the stage's boxes where the person left them: beside the topology's
// file, or in the settings for samples.
func (s *Session) loadPositions() {
	if s.file != "" && FileKind(s.file) == "topology" {
		positions, err := readLayout(layoutPath(s.file))
		if err != nil {
			s.log.Warn("positions of the stage", "error", err)
		}
		s.Stage.SetPositions(positions)
	} else if p := s.settings.Layouts[s.name]; p != nil {
		s.Stage.SetPositions(p)
	}
	s.moved = len(s.Stage.Positions()) > 0
}

// SavePositions keeps where boxes of the stage were moved to; Close does it too.
func (s *Session) SavePositions() error {
	positions := s.Stage.Positions()
	if len(positions) == 0 && !s.moved {
		return nil // nothing was moved, and nothing is kept
	}
	s.moved = len(positions) > 0
	if s.file != "" && FileKind(s.file) == "topology" {
		b, err := indented(positions)
		if err != nil {
			return err
		}
		return writeAtomically(layoutPath(s.file), b)
	}
	if _, ok := s.settings.Layouts[s.name]; !ok && len(s.settings.Layouts) >= maxLayouts {
		clear(s.settings.Layouts)
	}
	delete(s.settings.Layouts, s.name)
	if len(positions) > 0 {
		s.settings.Layouts[s.name] = positions
	}
	return s.settings.Save()
}
