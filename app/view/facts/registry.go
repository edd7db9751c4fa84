package facts

import (
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Being is what a node is.
type Being uint8

// The beings.
const (
	Unknown Being = iota
	Client
	Peer
	Orderer
	Code // a chaincode, docked to its peer
)

// Identity is what never changes about a node.
type Identity struct {
	Name   string
	Being  Being
	Org    int32  // index in Registry.Orgs for peers, else -1
	Host   int32  // a chaincode's peer, else -1
	Label  string // of a chaincode: "basic 1.0"
	Order  int32  // as described, or by appearance; the layout sorts by it
	Speaks bool   // it has recorded something itself
	First  uint64 // event that named it first, 0 if it was described before
}

// Admin tells whether a node is an administrator's client: it acts only when a network is
// set up.
func (i *Identity) Admin() bool { return strings.HasPrefix(i.Name, "Admin@") }

// Organisation groups peers by the domain in their names.
type Organisation struct {
	Domain string
	Title  string
	Order  int32 // as described; the layout sorts by it
	Peers  []int32
}

// Pair is a connection that has carried something. A is the end that became known first.
type Pair struct {
	A, B  int32
	First uint64 // event that used it first
}

// Link says what a connection carries.
type Link uint8

// The links.
const (
	ClientLink  Link = iota // client to peer or ordering node
	DeliverLink             // blocks to peers
	RaftLink                // between ordering nodes
	PeerLink                // between peers
	DockLink                // a peer and its chaincode
)

// undescribed is the order of organisations that Describe has not named: they come last.
const undescribed = 1 << 20

// Registry knows every node, organisation and connection that the trace has named. It only
// grows, so that indexes stay the same at every moment.
type Registry struct {
	Nodes   []Identity
	Orgs    []Organisation
	Pairs   []Pair
	Slots   int // most chaincodes that one peer ever had at once
	Lanes   int // most calls that one chaincode ever ran at once
	Version int // counts changes of nodes and organisations

	names            view.Names
	namesAt, namesOf int // Version and number of nodes that names are of

	ids     map[string]int32
	byOrg   map[string]int32
	pairIDs map[uint64]int32
}

func newRegistry() Registry {
	return Registry{ids: map[string]int32{}, byOrg: map[string]int32{}, pairIDs: map[uint64]int32{}}
}

// id gives a node's index, making it known.
func (r *Registry) id(name string) int32 {
	if i, ok := r.ids[name]; ok {
		return i
	}
	i := int32(len(r.Nodes))
	r.ids[name] = i
	n := Identity{Name: name, Org: -1, Host: -1, Order: i + 1<<20}
	if peer := view.PeerOf(name); peer != "" {
		n.Being = Code
		n.Label = view.Names{}.Short(name)
		r.Nodes = append(r.Nodes, n)
		host := r.id(peer)
		r.Nodes[i].Host = host
		r.is(host, Peer)
		return i
	}
	r.Nodes = append(r.Nodes, n)
	return i
}

// is settles what a node is. A client may turn out to be something else, never the reverse.
func (r *Registry) is(i int32, k Being) {
	n := &r.Nodes[i]
	if n.Being == k || n.Being == Code || k == Client && n.Being != Unknown {
		return
	}
	if k == Unknown {
		return
	}
	n.Being = k
	r.Version++
	if k == Peer {
		_, domain, _ := strings.Cut(n.Name, ".")
		n.Org = r.orgOf(domain, "")
		r.Orgs[n.Org].Peers = append(r.Orgs[n.Org].Peers, i)
	}
}

// orgOf gives the organisation of a domain. Without a title it is made of the domain.
func (r *Registry) orgOf(domain, title string) int32 {
	i, ok := r.byOrg[domain]
	if !ok {
		i = int32(len(r.Orgs))
		r.byOrg[domain] = i
		r.Orgs = append(r.Orgs, Organisation{Domain: domain, Order: undescribed})
		r.Version++
	}
	switch {
	case title != "":
		r.Orgs[i].Title = title
	case r.Orgs[i].Title == "":
		r.Orgs[i].Title = titleOf(domain)
	}
	return i
}

func titleOf(domain string) string {
	first, _, _ := strings.Cut(domain, ".")
	if first == "" {
		return "Peers"
	}
	return strings.ToUpper(first[:1]) + first[1:]
}

// link gives the connection between two nodes, making it known.
func (r *Registry) link(from, to int32, seq uint64) int32 {
	a, b := min(from, to), max(from, to)
	key := uint64(uint32(a))<<32 | uint64(uint32(b))
	if i, ok := r.pairIDs[key]; ok {
		return i
	}
	i := int32(len(r.Pairs))
	r.pairIDs[key] = i
	r.Pairs = append(r.Pairs, Pair{A: a, B: b, First: seq})
	return i
}

// Style says what a connection carries; beings may become known later than connections.
func (r *Registry) Style(p *Pair) Link {
	a, b := r.Nodes[p.A].Being, r.Nodes[p.B].Being
	switch {
	case a == Code || b == Code:
		return DockLink
	case a == Client || b == Client:
		return ClientLink
	case a == Orderer && b == Orderer:
		return RaftLink
	case a == Orderer || b == Orderer:
		return DeliverLink
	}
	return PeerLink
}

// learn makes known what an event names: its node, and the ends of a message (-1 for a
// change of state) with their connection.
func (r *Registry) learn(e *trace.Event, k *Kind) (self, from, to, link int32) {
	if e.Dir == trace.None {
		return r.learnChange(e, k), -1, -1, -1
	}
	if e.Node == "" || e.Other == "" {
		return -1, -1, -1, -1
	}
	self = r.id(e.Node)
	other := r.id(e.Other)
	r.Nodes[self].Speaks = true
	from, to = self, other
	if e.Dir == trace.Received {
		from, to = other, self
	}
	recorded := e.Dir == trace.Sent || e.Dir == trace.Received
	switch {
	case recorded && !k.Chaincode:
		r.is(from, k.From)
		r.is(to, k.To)
	case recorded:
	case e.Name == trace.Received.String() || e.Name == "" && r.receives(self, other, k):
		from, to = other, self
	}
	return self, from, to, r.link(from, to, e.Seq)
}

// receives tells whether the end at which a message was stopped or lost, which may be
// either, is its receiver, where an old run file does not say so.
func (r *Registry) receives(self, other int32, k *Kind) bool {
	a, b := r.Nodes[self].Being, r.Nodes[other].Being
	switch {
	case k.Chaincode: // only the peer records a stream
		return k.FromCode
	case k.To == Unknown && a == Orderer, k.From == Unknown && b == Orderer:
		return true // orderers give blocks
	}
	return k.From != k.To && (a == k.To && b != k.To || k.From != Unknown && b == k.From && a != k.From)
}

// learnChange makes known the node of a change of state, and gives it; -1 is none of ours.
func (r *Registry) learnChange(e *trace.Event, k *Kind) int32 {
	what := k.At
	switch e.What {
	case trace.IsPeer:
		what = Peer
	case trace.IsOrderer:
		what = Orderer
	}
	if what == Unknown {
		if i, ok := r.ids[e.Node]; ok {
			return i
		}
		return -1
	}
	if e.Node == "" {
		return -1
	}
	at := r.id(e.Node)
	r.is(at, what)
	r.Nodes[at].Speaks = true
	if k.Names && e.Other != "" {
		r.id(e.Other)
	}
	return at
}

// ID gives a node's index by its full name.
func (r *Registry) ID(name string) (int32, bool) {
	i, ok := r.ids[name]
	return i, ok
}

// Name gives a node's full name, "" for an index of none.
func (r *Registry) Name(i int32) string {
	if i < 0 || int(i) >= len(r.Nodes) {
		return ""
	}
	return r.Nodes[i].Name
}

// Pair gives the index of the connection between two nodes.
func (r *Registry) Pair(a, b int32) (int32, bool) {
	i, ok := r.pairIDs[pairKey(a, b)]
	return i, ok
}

func pairKey(a, b int32) uint64 { return uint64(uint32(min(a, b)))<<32 | uint64(uint32(max(a, b))) }

// Less orders nodes as people do, by organisation and then by number: peer2 before peer10.
func Less(a, b string) bool {
	_, domainA, _ := strings.Cut(a, ".")
	_, domainB, _ := strings.Cut(b, ".")
	if domainA != domainB {
		return Natural(domainA, domainB)
	}
	return Natural(a, b)
}
