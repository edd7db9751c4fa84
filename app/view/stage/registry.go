package stage

import (
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// kind is what a node is.
type kind uint8

const (
	unknownKind kind = iota
	clientKind
	peerKind
	ordererKind
	chaincodeKind
)

// identity is what never changes about a node.
type identity struct {
	name   string
	kind   kind
	org    int32 // index in registry.orgs for peers, else -1
	host   int32 // a chaincode's peer, else -1
	label  string
	order  int32 // as described, or by appearance; the layout sorts by it
	speaks bool  // it has recorded something itself
}

// organisation groups peers by the domain in their names.
type organisation struct {
	domain string
	title  string
	order  int32 // as described; the layout sorts by it
	peers  []int32
}

// pair is a connection that has carried something. a is the end that stands further left.
type pair struct {
	a, b  int32
	first uint64 // event that used it first
}

// undescribed is the order of organisations that Describe has not named: they come last.
const undescribed = 1 << 20

// registry knows every node, organisation and connection that the trace has named. It only
// grows, so that indexes stay the same at every moment.
type registry struct {
	ids     map[string]int32
	nodes   []identity
	orgs    []organisation
	byOrg   map[string]int32
	pairs   []pair
	pairIDs map[uint64]int32
	slots   int // most containers that one peer shows at once
	version int // counts changes that need another layout
}

func newRegistry() registry {
	return registry{ids: map[string]int32{}, byOrg: map[string]int32{}, pairIDs: map[uint64]int32{}}
}

// id gives a node's index, making it known.
func (r *registry) id(name string) int32 {
	if i, ok := r.ids[name]; ok {
		return i
	}
	i := int32(len(r.nodes))
	r.ids[name] = i
	n := identity{name: name, org: -1, host: -1, order: i + 1<<20}
	if peer := view.PeerOf(name); peer != "" {
		n.kind = chaincodeKind
		n.label = view.Short(name)
		r.nodes = append(r.nodes, n)
		host := r.id(peer)
		r.nodes[i].host = host
		r.is(host, peerKind)
		return i
	}
	r.nodes = append(r.nodes, n)
	return i
}

// is settles what a node is. A client may turn out to be something else, never the reverse.
func (r *registry) is(i int32, k kind) {
	n := &r.nodes[i]
	if n.kind == k || n.kind == chaincodeKind || k == clientKind && n.kind != unknownKind {
		return
	}
	if k == unknownKind {
		return
	}
	n.kind = k
	r.version++
	if k == peerKind {
		_, domain, _ := strings.Cut(n.name, ".")
		n.org = r.orgOf(domain, "")
		r.orgs[n.org].peers = append(r.orgs[n.org].peers, i)
	}
}

// orgOf gives the organisation of a domain. Without a title it is made of the domain.
func (r *registry) orgOf(domain, title string) int32 {
	i, ok := r.byOrg[domain]
	if !ok {
		i = int32(len(r.orgs))
		r.byOrg[domain] = i
		r.orgs = append(r.orgs, organisation{domain: domain, order: undescribed})
		r.version++
	}
	switch {
	case title != "":
		r.orgs[i].title = title
	case r.orgs[i].title == "":
		r.orgs[i].title = titleOf(domain)
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
func (r *registry) link(from, to int32, seq uint64) int32 {
	a, b := min(from, to), max(from, to)
	key := uint64(uint32(a))<<32 | uint64(uint32(b))
	if i, ok := r.pairIDs[key]; ok {
		return i
	}
	i := int32(len(r.pairs))
	r.pairIDs[key] = i
	r.pairs = append(r.pairs, pair{a: a, b: b, first: seq})
	return i
}

// style says what a connection carries; kinds may become known later than connections.
func (r *registry) style(p *pair) LinkStyle {
	a, b := r.nodes[p.a].kind, r.nodes[p.b].kind
	switch {
	case a == chaincodeKind || b == chaincodeKind:
		return DockLink
	case a == clientKind || b == clientKind:
		return ClientLink
	case a == ordererKind && b == ordererKind:
		return RaftLink
	case a == ordererKind || b == ordererKind:
		return DeliverLink
	}
	return PeerLink
}

// learn makes known what an event names: its node, and the ends of a message (-1 for a
// change of state) with their connection.
func (r *registry) learn(e *trace.Event, k *kindInfo) (self, from, to, link int32) {
	if e.Dir == trace.None {
		return r.learnChange(e, k), -1, -1, -1
	}
	if e.Node == "" || e.Other == "" {
		return -1, -1, -1, -1
	}
	self = r.id(e.Node)
	other := r.id(e.Other)
	r.nodes[self].speaks = true
	from, to = self, other
	if e.Dir == trace.Received {
		from, to = other, self
	}
	switch {
	case k.chaincode:
	case e.Dir == trace.Sent || e.Dir == trace.Received:
		r.is(from, k.from)
		r.is(to, k.to)
	case r.nodes[self].kind == k.to && k.to != k.from:
		// What is stopped or lost may be recorded at either end; here it is the receiver's.
		from, to = other, self
	}
	return self, from, to, r.link(from, to, e.Seq)
}

// learnChange makes known the node of a change of state, and gives it; -1 is none of ours.
func (r *registry) learnChange(e *trace.Event, k *kindInfo) int32 {
	what := k.at
	if k.op == opStart {
		switch e.Note {
		case "peer":
			what = peerKind
		case "orderer":
			what = ordererKind
		}
	}
	if what == unknownKind {
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
	r.nodes[at].speaks = true
	if k.names && e.Other != "" {
		r.id(e.Other)
	}
	return at
}
