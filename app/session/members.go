package session

import (
	"context"
	"slices"
	"sort"
	"strings"

	"github.com/fabriscope/fabriscope/app/session/script"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/network"
)

// Members is who takes part in the network: its nodes as the newest events tell, its
// organisations and those who can call; and how nodes are added.
type Members struct {
	*core
}

// Node is a peer or ordering node, as the newest events tell.
type Node struct {
	Name    string
	Role    string // "peer" or "orderer"
	Org     string // the organisation's name, "" if it is not known
	Running bool
	Killed  bool     // not running because it was killed
	Leader  bool     // an ordering node that leads
	Lies    bool     // a peer that was told to lie
	Paused  []string // labels of its chaincodes that stand still
}

// Nodes lists peers and ordering nodes as they are at the end of the trace, peers first.
func (m *Members) Nodes() []Node {
	return slices.Concat(m.nodesOf(facts.Peer), m.nodesOf(facts.Orderer))
}

// nodesOf gives the nodes of one kind that have been seen, in the order of their names.
func (m *Members) nodesOf(being facts.Being) []Node {
	var out []Node
	w := m.panels.World
	for i := range w.Nodes {
		if id := &w.Nodes[i]; id.Being == being && m.now().Node(int32(i)).Life != facts.Unseen {
			out = append(out, m.node(int32(i)))
		}
	}
	sort.Slice(out, func(i, j int) bool { return facts.Less(out[i].Name, out[j].Name) })
	return out
}

func (m *Members) node(i int32) Node {
	id, s := &m.panels.World.Nodes[i], m.now().Node(i)
	n := Node{Name: id.Name, Role: "orderer", Org: m.orgOf(id.Name), Running: s.Life == facts.Starting || s.Life == facts.Up, Killed: s.Life == facts.Killed,
		Leader: m.now().Leader == i+1, Lies: s.Lies}
	if id.Being == facts.Peer {
		n.Role = "peer"
	}
	for j := range s.Docked {
		if s.Docked[j].Phase == facts.Paused {
			n.Paused = append(n.Paused, labelOf(&s.Docked[j]))
		}
	}
	return n
}

// Node gives one node, by its full name; ok is false for others than peers and ordering
// nodes.
func (m *Members) Node(name string) (n Node, ok bool) {
	w := m.panels.World
	i, known := w.ID(name)
	if !known || w.Nodes[i].Being != facts.Peer && w.Nodes[i].Being != facts.Orderer {
		return Node{}, false
	}
	return m.node(i), true
}

// Peers lists the full names of all peers, those that were added included.
func (m *Members) Peers() []string { return namesOf(m.nodesOf(facts.Peer)) }

// Orderers lists the full names of all ordering nodes.
func (m *Members) Orderers() []string { return namesOf(m.nodesOf(facts.Orderer)) }

func namesOf(nodes []Node) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name
	}
	return names
}

// orgOf is the organisation that a node belongs to, by its domain.
func (m *Members) orgOf(node string) string {
	if m.topology == nil {
		return ""
	}
	_, domain, _ := strings.Cut(node, ".")
	for _, o := range m.topology.Organizations {
		if o.Domain == domain {
			return o.Name
		}
	}
	if domain == m.topology.Orderers.Domain {
		return m.topology.Orderers.Organization
	}
	return ""
}

// Identities lists who can call: the topology's clients first, then Admin and User1 of
// every organisation and its other users.
func (m *Members) Identities() []string {
	if m.topology == nil {
		return nil
	}
	var out []string
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, c := range m.topology.Clients {
		add(c.Name)
	}
	for _, o := range m.topology.Organizations {
		add("User1@" + o.Name)
		add("Admin@" + o.Name)
		for _, u := range o.Users {
			add(u.Name + "@" + o.Name)
		}
	}
	return out
}

// Organizations lists the names of the organisations with peers.
func (m *Members) Organizations() []string {
	if m.topology == nil {
		return nil
	}
	var out []string
	for _, o := range m.topology.Organizations {
		out = append(out, o.Name)
	}
	return out
}

// AddPeer gives an organisation one more peer; done hears its name.
func (m *Members) AddPeer(org string, done func(name string, err error)) {
	runGiving(m.core, m.step(script.Do("add_peer", org)), done, func(ctx context.Context, n *network.Network) (string, error) {
		return n.AddPeer(ctx, org)
	}, func(string) {
		for i := range m.topology.Organizations {
			if o := &m.topology.Organizations[i]; o.Name == org {
				*o.Peers++
			}
		}
		m.describe()
	})
}

// AddOrderer adds an ordering node to the Raft group; done hears its name.
func (m *Members) AddOrderer(done func(name string, err error)) {
	runGiving(m.core, m.step(script.Do("add_orderer")), done, func(ctx context.Context, n *network.Network) (string, error) {
		return n.AddOrderer(ctx)
	}, func(string) {
		m.topology.Orderers.Nodes++
		m.describe()
	})
}
