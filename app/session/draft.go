package session

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/network"
)

// TopologyDraft is a topology while a person edits it, by forms or as text. It may be
// wrong at any time: Problems says where, and editing goes on.
type TopologyDraft struct {
	topology *network.Topology // the last one that could be read
	text     string            // the YAML text, while a person edits that and it is wrong
	broken   error             // why text cannot be read
	file     string
	saved    string // YAML as it was opened or saved
	changed  func()
}

// Problem is one thing wrong in a draft, with its place.
type Problem struct {
	Key    string // dotted path, such as organizations[1].peers
	Line   int    // of the YAML text, 0 if unknown
	Column int
	Text   string // what is wrong and what to write instead
}

// NewDraft edits a copy of t; nil begins with the default topology. File is where it was
// read from, "" if nowhere.
func NewDraft(t *network.Topology, file string) (*TopologyDraft, error) {
	if t == nil {
		var err error
		if t, err = network.ParseTopology("new.yaml", nil); err != nil {
			return nil, err
		}
	}
	c, err := copyTopology(t)
	if err != nil {
		return nil, err
	}
	d := &TopologyDraft{topology: c, file: file}
	d.saved = d.YAML()
	return d, nil
}

// OnChange makes f hear of every change.
func (d *TopologyDraft) OnChange(f func()) { d.changed = f }

// Topology is the draft as it is, to be read: it may not be valid. While the text cannot
// be read it is the last one that could.
func (d *TopologyDraft) Topology() *network.Topology { return d.topology }

// File is where the draft was read from or saved to.
func (d *TopologyDraft) File() string { return d.file }

// Modified tells whether there is something to save.
func (d *TopologyDraft) Modified() bool { return d.YAML() != d.saved }

// YAML is the draft as text: what the person wrote while that is wrong.
func (d *TopologyDraft) YAML() string {
	if d.broken != nil {
		return d.text
	}
	b, err := d.topology.YAML()
	if err != nil {
		return d.text
	}
	return string(b)
}

// SetYAML takes the text that a person wrote. A text that cannot be read is kept, and
// Problems tells what is wrong; the error is the same.
func (d *TopologyDraft) SetYAML(text string) error {
	t, err := network.ParseTopology(d.parseName(), []byte(text))
	if err != nil {
		d.text, d.broken = text, err
		d.tell()
		return err
	}
	t.Dir = d.topology.Dir
	if t.Name == "" {
		t.Name = d.topology.Name
	}
	d.topology, d.text, d.broken = t, "", nil
	d.tell()
	return nil
}

func (d *TopologyDraft) parseName() string {
	if d.file != "" {
		return d.file
	}
	if d.topology.Name != "" {
		return d.topology.Name
	}
	return "topology"
}

// Save writes the draft to a file. A draft with problems can be saved too.
func (d *TopologyDraft) Save(path string) error {
	text := d.YAML()
	if err := writeAtomically(path, []byte(strings.TrimRight(text, "\n"))); err != nil {
		return err
	}
	d.file, d.saved = path, text
	return nil
}

// Problems lists what is wrong, nil if the draft can be started.
func (d *TopologyDraft) Problems() []Problem {
	if d.broken != nil {
		return []Problem{problemOf(d.broken)}
	}
	b, err := d.topology.YAML()
	if err == nil {
		_, err = network.ParseTopology(d.parseName(), b)
	}
	if err == nil {
		err = d.topology.Check()
	}
	if err == nil {
		return nil
	}
	return []Problem{problemOf(err)}
}

func problemOf(err error) Problem {
	var t *network.TopologyError
	if errors.As(err, &t) {
		return Problem{Key: t.Key, Line: t.Line, Column: t.Column, Text: sentence(t.Problem)}
	}
	return Problem{Text: sentence(err.Error())}
}

// Ready gives a copy that can be started, or the first problem as an error.
func (d *TopologyDraft) Ready() (*network.Topology, error) {
	if d.broken != nil {
		return nil, d.broken
	}
	t, err := copyTopology(d.topology)
	if err == nil {
		err = t.Check()
	}
	return t, err
}

func (d *TopologyDraft) tell() {
	if d.changed != nil {
		d.changed()
	}
}

// Edit changes the draft by hand: every form field is one Edit. A text that could not be
// read is given up.
func (d *TopologyDraft) Edit(change func(t *network.Topology)) {
	change(d.topology)
	d.text, d.broken = "", nil
	d.tell()
}

// AddOrganization adds an organisation with two peers and gives its name.
func (d *TopologyDraft) AddOrganization() string {
	name := freeName("Org%d", len(d.topology.Organizations)+1, func(n string) bool {
		return slices.ContainsFunc(d.topology.Organizations, func(o network.Organization) bool { return o.Name == n })
	})
	peers := 2
	d.Edit(func(t *network.Topology) {
		t.Organizations = append(t.Organizations, network.Organization{Name: name, MSPID: name + "MSP",
			Domain: strings.ToLower(name) + ".example.com", Peers: &peers})
	})
	return name
}

// freeName is a name with the first number from n on that is not taken.
func freeName(format string, n int, taken func(string) bool) string {
	for ; ; n++ {
		if name := fmt.Sprintf(format, n); !taken(name) {
			return name
		}
	}
}

// RemoveOrganization removes an organisation with its clients and links.
func (d *TopologyDraft) RemoveOrganization(name string) {
	d.Edit(func(t *network.Topology) {
		i := slices.IndexFunc(t.Organizations, func(o network.Organization) bool { return o.Name == name })
		if i < 0 {
			return
		}
		domain := t.Organizations[i].Domain
		t.Organizations = slices.Delete(t.Organizations, i, i+1)
		gone := map[string]bool{name: true}
		t.Clients = slices.DeleteFunc(t.Clients, func(c network.ClientIdentity) bool {
			if c.Organization == name {
				gone[c.Name] = true
			}
			return c.Organization == name
		})
		t.Links = slices.DeleteFunc(t.Links, func(l network.Link) bool {
			return slices.ContainsFunc(l.Between, func(end string) bool { return gone[end] || strings.HasSuffix(end, "."+domain) })
		})
	})
}

// RenameOrganization gives an organisation another name, with MSP id and domain where
// they were made of the old one, and the clients, links and policies that name it.
func (d *TopologyDraft) RenameOrganization(from, to string) {
	d.Edit(func(t *network.Topology) {
		for i := range t.Organizations {
			o := &t.Organizations[i]
			if o.Name != from {
				continue
			}
			if o.MSPID == from+"MSP" {
				o.MSPID = to + "MSP"
				for j := range t.Chaincodes {
					c := &t.Chaincodes[j]
					c.Policy = strings.ReplaceAll(c.Policy, "'"+from+"MSP.", "'"+to+"MSP.")
				}
			}
			if o.Domain == strings.ToLower(from)+".example.com" {
				o.Domain = strings.ToLower(to) + ".example.com"
			}
			o.Name = to
		}
		for i := range t.Clients {
			if t.Clients[i].Organization == from {
				t.Clients[i].Organization = to
			}
		}
		for i := range t.Links {
			for j, end := range t.Links[i].Between {
				if end == from {
					t.Links[i].Between[j] = to
				}
			}
		}
	})
}

// SetPeers sets how many peers an organisation runs.
func (d *TopologyDraft) SetPeers(org string, peers int) {
	d.Edit(func(t *network.Topology) {
		for i := range t.Organizations {
			if t.Organizations[i].Name == org {
				t.Organizations[i].Peers = &peers
			}
		}
	})
}

// SetOrderers sets how many ordering nodes there are.
func (d *TopologyDraft) SetOrderers(nodes int) {
	d.Edit(func(t *network.Topology) { t.Orderers.Nodes = nodes })
}

// SetBlock sets when a block is cut; zero fields stay as they are.
func (d *TopologyDraft) SetBlock(b network.Block) {
	d.Edit(func(t *network.Topology) {
		t.Block.MaxMessageCount = cmp.Or(b.MaxMessageCount, t.Block.MaxMessageCount)
		t.Block.PreferredMaxBytes = cmp.Or(b.PreferredMaxBytes, t.Block.PreferredMaxBytes)
		t.Block.AbsoluteMaxBytes = cmp.Or(b.AbsoluteMaxBytes, t.Block.AbsoluteMaxBytes)
		t.Block.BatchTimeout = cmp.Or(b.BatchTimeout, t.Block.BatchTimeout)
		t.Block.Cut = cmp.Or(b.Cut, t.Block.Cut)
	})
}

// AddChaincode adds a chaincode to deploy; without a name it gets that of its sample.
func (d *TopologyDraft) AddChaincode(c network.Chaincode) string {
	base := c.Name
	if base == "" {
		base = c.Sample
	}
	if base == "" {
		base = "chaincode"
	}
	taken := func(n string) bool {
		return slices.ContainsFunc(d.topology.Chaincodes, func(o network.Chaincode) bool { return o.Name == n })
	}
	c.Name = base
	if taken(base) {
		c.Name = freeName(base+"%d", 2, taken)
	}
	d.Edit(func(t *network.Topology) {
		if c.Version == "" {
			c.Version = "1.0"
		}
		if c.Runtime == "" {
			c.Runtime = t.Runtime
		}
		t.Chaincodes = append(t.Chaincodes, c)
	})
	return c.Name
}

// SetChaincode replaces a chaincode by its name.
func (d *TopologyDraft) SetChaincode(name string, c network.Chaincode) {
	d.Edit(func(t *network.Topology) {
		for i := range t.Chaincodes {
			if t.Chaincodes[i].Name == name {
				t.Chaincodes[i] = c
			}
		}
	})
}

// RemoveChaincode removes a chaincode.
func (d *TopologyDraft) RemoveChaincode(name string) {
	d.Edit(func(t *network.Topology) {
		t.Chaincodes = slices.DeleteFunc(t.Chaincodes, func(c network.Chaincode) bool { return c.Name == name })
	})
}

// clientNames are offered to new clients, in this order.
func clientNames() []string {
	return []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"}
}

// AddClient adds a client of an organisation; without a name it gets one.
func (d *TopologyDraft) AddClient(name, org string) string {
	taken := func(n string) bool {
		return slices.ContainsFunc(d.topology.Clients, func(c network.ClientIdentity) bool { return c.Name == n })
	}
	for _, n := range clientNames() {
		if name == "" && !taken(n) {
			name = n
		}
	}
	if name == "" {
		name = freeName("client%d", 1, taken)
	}
	d.Edit(func(t *network.Topology) {
		t.Clients = append(t.Clients, network.ClientIdentity{Name: name, Organization: org})
	})
	return name
}

// RemoveClient removes a client and its links.
func (d *TopologyDraft) RemoveClient(name string) {
	d.Edit(func(t *network.Topology) {
		t.Clients = slices.DeleteFunc(t.Clients, func(c network.ClientIdentity) bool { return c.Name == name })
		t.Links = slices.DeleteFunc(t.Links, func(l network.Link) bool { return slices.Contains(l.Between, name) })
	})
}

// SetLink shapes the connections between two ends; a link with no shape is removed.
func (d *TopologyDraft) SetLink(l network.Link) {
	d.Edit(func(t *network.Topology) {
		t.Links = slices.DeleteFunc(t.Links, func(o network.Link) bool { return sameEnds(o, l) })
		if l.Latency != 0 || l.Jitter != 0 || l.Loss != 0 || l.Cut {
			t.Links = append(t.Links, l)
		}
	})
}

// RemoveLink makes the connections between two ends perfect.
func (d *TopologyDraft) RemoveLink(a, b string) {
	d.SetLink(network.Link{Between: []string{a, b}})
}

func sameEnds(a, b network.Link) bool {
	x, y := slices.Clone(a.Between), slices.Clone(b.Between)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

var indexed = regexp.MustCompile(`^([a-z]+)\[(\d+)\]`)

// At gives the part of the topology that a problem is about: "organizations" and 1 of
// organizations[1].peers; index is -1 where the part is no list.
func (p Problem) At() (part string, index int) {
	if m := indexed.FindStringSubmatch(p.Key); m != nil {
		i, _ := strconv.Atoi(m[2])
		return m[1], i
	}
	part, _, _ = strings.Cut(p.Key, ".")
	return part, -1
}
