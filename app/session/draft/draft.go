// Package draft is a topology while a person edits it, and what leads from the network that
// runs to what was edited. It is data and decisions only: package session carries changes
// out.
package draft

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/file"
	"github.com/fabriscope/fabriscope/network"
)

// Topology is a topology while a person edits it, by forms or as text. It may be
// wrong at any time: Problems says where, and editing goes on.
type Topology struct {
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

// New edits a copy of t; nil begins with the default topology. File is where it was
// read from, "" if nowhere.
func New(t *network.Topology, file string) (*Topology, error) {
	if t == nil {
		var err error
		if t, err = network.ParseTopology("new.yaml", nil); err != nil {
			return nil, err
		}
	}
	c, err := Copy(t)
	if err != nil {
		return nil, err
	}
	d := &Topology{topology: c, file: file}
	d.saved = d.YAML()
	return d, nil
}

// Copy makes a copy of a topology that shares nothing with it.
func Copy(t *network.Topology) (*network.Topology, error) {
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

// OnChange makes f hear of every change.
func (d *Topology) OnChange(f func()) { d.changed = f }

// Topology is the draft as it is, to be read: it may not be valid. While the text cannot
// be read it is the last one that could.
func (d *Topology) Topology() *network.Topology { return d.topology }

// File is where the draft was read from or saved to.
func (d *Topology) File() string { return d.file }

// Modified tells whether there is something to save.
func (d *Topology) Modified() bool { return d.YAML() != d.saved }

// YAML is the draft as text: what the person wrote while that is wrong.
func (d *Topology) YAML() string {
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
func (d *Topology) SetYAML(text string) error {
	t, err := network.ParseTopology(d.parseName(), []byte(text))
	if err != nil {
		d.text, d.broken = text, err
		d.notifyChange()
		return err
	}
	t.Dir = d.topology.Dir
	if t.Name == "" {
		t.Name = d.topology.Name
	}
	d.topology, d.text, d.broken = t, "", nil
	d.notifyChange()
	return nil
}

func (d *Topology) parseName() string {
	if d.file != "" {
		return d.file
	}
	if d.topology.Name != "" {
		return d.topology.Name
	}
	return "topology"
}

// Save writes the draft to a file. A draft with problems can be saved too.
func (d *Topology) Save(path string) error {
	text := d.YAML()
	if err := file.WriteAtomically(path, []byte(strings.TrimRight(text, "\n")+"\n")); err != nil {
		return err
	}
	d.file, d.saved = path, text
	return nil
}

// Problems lists what is wrong, nil if the draft can be started.
func (d *Topology) Problems() []Problem {
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
		return Problem{Key: t.Key, Line: t.Line, Column: t.Column, Text: view.Sentence(t.Problem)}
	}
	return Problem{Text: view.Sentence(err.Error())}
}

// Ready gives a copy that can be started, or the first problem as an error.
func (d *Topology) Ready() (*network.Topology, error) {
	if d.broken != nil {
		return nil, d.broken
	}
	t, err := Copy(d.topology)
	if err == nil {
		err = t.Check()
	}
	return t, err
}

func (d *Topology) notifyChange() {
	if d.changed != nil {
		d.changed()
	}
}

// Edit changes the draft by hand: every form field is one Edit. A text that could not be
// read is given up.
func (d *Topology) Edit(change func(t *network.Topology)) {
	change(d.topology)
	d.text, d.broken = "", nil
	d.notifyChange()
}

// AddOrganization adds an organisation with two peers and gives its name.
func (d *Topology) AddOrganization() string {
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
func (d *Topology) RemoveOrganization(name string) {
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
func (d *Topology) RenameOrganization(from, to string) {
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
func (d *Topology) SetPeers(org string, peers int) {
	d.Edit(func(t *network.Topology) {
		for i := range t.Organizations {
			if t.Organizations[i].Name == org {
				t.Organizations[i].Peers = &peers
			}
		}
	})
}

// SetOrderers sets how many ordering nodes there are.
func (d *Topology) SetOrderers(nodes int) {
	d.Edit(func(t *network.Topology) { t.Orderers.Nodes = nodes })
}

// AddChaincode adds a chaincode to deploy; without a name it gets that of its sample.
func (d *Topology) AddChaincode(c network.Chaincode) string {
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

// RemoveChaincode removes a chaincode.
func (d *Topology) RemoveChaincode(name string) {
	d.Edit(func(t *network.Topology) {
		t.Chaincodes = slices.DeleteFunc(t.Chaincodes, func(c network.Chaincode) bool { return c.Name == name })
	})
}

// clientNames are offered to new clients, in this order.
func clientNames() []string {
	return []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"}
}

// AddClient adds a client of an organisation; without a name it gets one.
func (d *Topology) AddClient(name, org string) string {
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
func (d *Topology) RemoveClient(name string) {
	d.Edit(func(t *network.Topology) {
		t.Clients = slices.DeleteFunc(t.Clients, func(c network.ClientIdentity) bool { return c.Name == name })
		t.Links = slices.DeleteFunc(t.Links, func(l network.Link) bool { return slices.Contains(l.Between, name) })
	})
}
