package session

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/network"
)

// Changes is how a draft differs from the running network.
type Changes struct {
	Live     []Change // can be made while the network runs
	NewStart []Change // need a new network
}

// None tells whether the draft is what runs.
func (c Changes) None() bool { return len(c.Live) == 0 && len(c.NewStart) == 0 }

// Change is one difference in words, and how it is made if that is possible live.
type Change struct {
	Text string // "one more peer for Org1"
	do   func(s *Session, done func(error))
}

// Compare tells which changes lead from the running topology to the draft.
func (d *TopologyDraft) Compare(running *network.Topology) Changes {
	var c Changes
	if running == nil || d.broken != nil {
		return c
	}
	want := d.topology
	c.organizations(running, want)
	switch more := want.Orderers.Nodes - running.Orderers.Nodes; {
	case more > 0:
		for range more {
			c.live("one more ordering node", func(s *Session, done func(error)) { s.AddOrderer(func(_ string, err error) { done(err) }) })
		}
	case more < 0:
		c.newStart("%d ordering nodes instead of %d", want.Orderers.Nodes, running.Orderers.Nodes)
	}
	c.chaincodes(running, want)
	if !reflect.DeepEqual(nonNil(running.Links), nonNil(want.Links)) {
		c.links(want)
	}
	if !reflect.DeepEqual(nonNil(running.Clients), nonNil(want.Clients)) {
		c.newStart("other clients: their identities are made at the start")
	}
	for _, f := range []struct {
		name      string
		have, now any
	}{
		{"the block settings", running.Block, want.Block}, {"the channel's name", running.Channel, want.Channel},
		{"the ordering organisation", [2]string{running.Orderers.Organization, running.Orderers.Domain}, [2]string{want.Orderers.Organization, want.Orderers.Domain}},
		{"the runtime of chaincodes", running.Runtime, want.Runtime}, {"the placement of nodes", running.Placement, want.Placement},
		{"the ports", running.Ports, want.Ports}, {"faithful", running.Faithful, want.Faithful},
		{"a build for every peer", running.OneBuildPerPeer, want.OneBuildPerPeer}, {"the seed", running.Seed, want.Seed},
	} {
		if f.have != f.now {
			c.newStart("%s: %v instead of %v", f.name, f.now, f.have)
		}
	}
	return c
}

func (c *Changes) live(text string, do func(*Session, func(error))) {
	c.Live = append(c.Live, Change{text, do})
}

func (c *Changes) newStart(format string, args ...any) {
	c.NewStart = append(c.NewStart, Change{Text: fmt.Sprintf(format, args...)})
}

// nonNil makes an empty list of none.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (c *Changes) organizations(running, want *network.Topology) {
	named := func(t *network.Topology, name string) *network.Organization {
		i := slices.IndexFunc(t.Organizations, func(o network.Organization) bool { return o.Name == name })
		if i < 0 {
			return nil
		}
		return &t.Organizations[i]
	}
	for _, o := range running.Organizations {
		if named(want, o.Name) == nil {
			c.newStart("without organisation %s: it is part of the channel's configuration", o.Name)
		}
	}
	for _, o := range want.Organizations {
		have := named(running, o.Name)
		switch {
		case have == nil:
			c.newStart("a new organisation %s: it has to be part of the channel's configuration", o.Name)
			continue
		case have.MSPID != o.MSPID || have.Domain != o.Domain || !slices.Equal(have.Users, o.Users):
			c.newStart("%s with another MSP id, domain or users", o.Name)
		}
		if have.Peers == nil || o.Peers == nil {
			continue
		}
		for range *o.Peers - *have.Peers {
			c.live("one more peer for "+o.Name, func(s *Session, done func(error)) { s.AddPeer(o.Name, func(_ string, err error) { done(err) }) })
		}
		if *o.Peers < *have.Peers {
			c.newStart("%d peers of %s instead of %d; stop a peer to see the network without it", *o.Peers, o.Name, *have.Peers)
		}
	}
}

func (c *Changes) chaincodes(running, want *network.Topology) {
	for _, w := range want.Chaincodes {
		i := slices.IndexFunc(running.Chaincodes, func(o network.Chaincode) bool { return o.Name == w.Name })
		word := "deploy chaincode " + w.Name
		if i >= 0 {
			have := running.Chaincodes[i]
			have.Call, w.Call = nil, nil
			if reflect.DeepEqual(have, w) {
				continue
			}
			word = fmt.Sprintf("upgrade chaincode %s to %s", w.Name, w.Version)
		}
		c.live(word, func(s *Session, done func(error)) {
			s.Deploy(w, nil, func(_ *network.Deployment, err error) { done(err) })
		})
	}
	for _, o := range running.Chaincodes {
		if !slices.ContainsFunc(want.Chaincodes, func(w network.Chaincode) bool { return w.Name == o.Name }) {
			c.newStart("without chaincode %s: a committed definition cannot be taken back", o.Name)
		}
	}
}

// links replaces all links by those of the draft.
func (c *Changes) links(want *network.Topology) {
	c.live("heal all links", func(s *Session, done func(error)) { s.Heal(done) })
	for _, l := range want.Links {
		if len(l.Between) != 2 {
			continue
		}
		c.live(fmt.Sprintf("shape the link between %s and %s", l.Between[0], l.Between[1]), func(s *Session, done func(error)) {
			s.SetLink(l.Between[0], l.Between[1], shapeOf(l), done)
		})
	}
}

func shapeOf(l network.Link) link.Shape {
	return link.Shape{Latency: time.Duration(l.Latency), Jitter: time.Duration(l.Jitter), Loss: float64(l.Loss), Cut: l.Cut}
}

// Apply makes the live changes, one after the other, and stops at the first that fails.
// each (may be nil) hears of a change before it is made.
func (c Changes) Apply(s *Session, each func(Change), done func(error)) {
	if len(c.Live) == 0 {
		if done != nil {
			done(nil)
		}
		return
	}
	first, rest := c.Live[0], Changes{Live: c.Live[1:]}
	if each != nil {
		each(first)
	}
	first.do(s, func(err error) {
		if err != nil {
			if done != nil {
				done(fmt.Errorf("%s: %w", first.Text, err))
			}
			return
		}
		rest.Apply(s, each, done)
	})
}
