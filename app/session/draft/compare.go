package draft

import (
	"maps"
	"reflect"
	"slices"

	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network"
)

// Changes is how a draft differs from the running network.
type Changes struct {
	Live     []Change // can be made while the network runs, in this order
	NewStart []Change // need a new network
}

// Step is how a change is made in a running network.
type Step uint8

// The changes that a running network takes.
const (
	NeedsNewStart Step = iota
	AddPeer            // to Change.Org
	AddOrderer
	Deploy   // Change.Chaincode, or its next version
	HealAll  // links, before those of the draft are shaped
	SetShape // of Change.Link
)

// Change is one difference in words, and how it is made if that is possible live.
type Change struct {
	Text      string // "one more peer for Org1"
	Step      Step
	Org       string
	Chaincode network.Chaincode
	Link      network.Link
}

// Compare tells which changes lead from the running topology to the draft.
func (d *Topology) Compare(running *network.Topology) Changes {
	var c Changes
	if running == nil || d.broken != nil {
		return c
	}
	want := d.topology
	c.organizations(running, want)
	switch more := want.Orderers.Nodes - running.Orderers.Nodes; {
	case more > 0:
		for range more {
			c.Live = append(c.Live, Change{Text: words.L("one more ordering node"), Step: AddOrderer})
		}
	case more < 0:
		c.newStart(words.L("{{.N}} ordering nodes instead of {{.Before}}", want.Orderers.Nodes, running.Orderers.Nodes))
	}
	c.chaincodes(running, want)
	if !sameList(running.Links, want.Links) {
		c.links(want)
	}
	if !sameList(running.Clients, want.Clients) {
		c.newStart(words.L("other clients: their identities are made at the start"))
	}
	for _, f := range []struct {
		name      string
		have, now any
	}{
		{words.L("the block settings"), running.Block, want.Block}, {words.L("the channel's name"), running.Channel, want.Channel},
		{words.L("the ordering organisation"), [2]string{running.Orderers.Organization, running.Orderers.Domain}, [2]string{want.Orderers.Organization, want.Orderers.Domain}},
		{words.L("the runtime of chaincodes"), running.Runtime, want.Runtime}, {words.L("the placement of nodes"), running.Placement, want.Placement},
		{words.L("the state database"), running.State, want.State},
		{words.L("the ports"), running.Ports, want.Ports}, {"faithful", running.Faithful, want.Faithful},
		{words.L("a build for every peer"), running.OneBuildPerPeer, want.OneBuildPerPeer}, {words.L("the seed"), running.Seed, want.Seed},
	} {
		if f.have != f.now {
			c.newStart(words.L("{{.Setting}}: {{.Now}} instead of {{.Before}}", f.name, f.now, f.have))
		}
	}
	return c
}

func (c *Changes) newStart(text string) { c.NewStart = append(c.NewStart, Change{Text: text}) }

// sameList tells whether two lists are equal; none is an empty one.
func sameList[T any](a, b []T) bool { return len(a)+len(b) == 0 || reflect.DeepEqual(a, b) }

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
			c.newStart(words.L("without organisation {{.Name}}: it is part of the channel's configuration", o.Name))
		}
	}
	for _, o := range want.Organizations {
		have := named(running, o.Name)
		switch {
		case have == nil:
			c.newStart(words.L("a new organisation {{.Name}}: it has to be part of the channel's configuration", o.Name))
			continue
		case have.MSPID != o.MSPID || have.Domain != o.Domain || !slices.EqualFunc(have.Users, o.Users, sameUser):
			c.newStart(words.L("{{.Name}} with another MSP id, domain or users", o.Name))
		}
		if have.Peers == nil || o.Peers == nil {
			continue
		}
		for range *o.Peers - *have.Peers {
			c.Live = append(c.Live, Change{Text: words.L("one more peer for {{.Name}}", o.Name), Step: AddPeer, Org: o.Name})
		}
		if *o.Peers < *have.Peers {
			c.newStart(words.L("{{.N}} peers of {{.Name}} instead of {{.Before}}; stop a peer to see the network without it", *o.Peers, o.Name, *have.Peers))
		}
	}
}

func sameUser(a, b network.User) bool {
	return a.Name == b.Name && maps.Equal(a.Attributes, b.Attributes)
}

func (c *Changes) chaincodes(running, want *network.Topology) {
	for _, w := range want.Chaincodes {
		i := slices.IndexFunc(running.Chaincodes, func(o network.Chaincode) bool { return o.Name == w.Name })
		word := words.L("deploy chaincode {{.Name}}", w.Name)
		if i >= 0 {
			have := running.Chaincodes[i]
			have.Call, w.Call = nil, nil
			if reflect.DeepEqual(have, w) {
				continue
			}
			word = words.L("upgrade chaincode {{.Name}} to {{.Version}}", w.Name, w.Version)
		}
		c.Live = append(c.Live, Change{Text: word, Step: Deploy, Chaincode: w})
	}
	for _, o := range running.Chaincodes {
		if !slices.ContainsFunc(want.Chaincodes, func(w network.Chaincode) bool { return w.Name == o.Name }) {
			c.newStart(words.L("without chaincode {{.Name}}: a committed definition cannot be taken back", o.Name))
		}
	}
}

// links replaces all links by those of the draft.
func (c *Changes) links(want *network.Topology) {
	c.Live = append(c.Live, Change{Text: words.L("heal all links"), Step: HealAll})
	for _, l := range want.Links {
		if len(l.Between) == 2 {
			c.Live = append(c.Live, Change{Text: words.L("shape the link between {{.A}} and {{.B}}", l.Between[0], l.Between[1]), Step: SetShape, Link: l})
		}
	}
}
