package stage

import (
	"maps"
	"slices"
)

// Bounds of what a state remembers.
const (
	maxOpen  = 4096 // transactions under way at one client
	maxNotes = 4
	maxRules = 2000
	maxHeld  = 256
	ring     = 64 // blocks of which the time of the first commit is remembered
)

// state is the network after one event. It is small, so that checkpoints are cheap: strings
// are shared with the events that they come from.
type state struct {
	seq  uint64
	time int64

	nodes   []nodeState // by registry index
	batch   batchState
	term    uint64
	rules   []rule
	groups  [][]string // of a partition
	holds   []string
	held    []heldState
	notes   []noteState
	newest  uint64 // the highest block that any peer has committed
	commits [ring]int64
}

// nodeState is one node. Which fields mean anything depends on what it is.
type nodeState struct {
	life Life

	// peers
	joined     bool
	height     uint64 // newest block on disk, if known
	known      bool
	hash       string // beginning of the commit hash
	asked      int    // proposals taken and not yet answered
	sims       []sim
	checking   uint64 // block under validation, if validating
	judged     int    // of its transactions
	validating bool
	pulled     uint64 // newest block received
	source     int32  // index+1 of the node that it asked last for all blocks to come
	endorses   bool   // it has endorsed an application's transaction
	lies       bool
	docked     []container

	// ordering nodes
	role   Role
	term   uint64
	log    uint64 // last entry known of
	leader int32  // index+1, 0 = none known
	vote   int32  // index+1 of the candidate voted for, in term voted
	voted  uint64
	blocks uint64 // newest block written

	// clients
	open   map[string]openTx
	last   string
	active int64 // when it last began or ended a transaction
}

// sim is a simulator that is open at a peer.
type sim struct {
	tx    string
	block uint64
	start int64
}

// container is a chaincode docked to a peer.
type container struct {
	node  int32 // registry index of the chaincode
	label string
	id    string // package id
	phase Phase
	since int64
	note  string
	lanes []lane
}

// lane is one call that a chaincode is working on.
type lane struct {
	tx     string
	fn     string
	call   string
	key    string
	write  bool // the last call wrote
	reads  int
	writes int
	start  int64
}

// openTx is a transaction that a client waits for.
type openTx struct {
	asked, answered int
	submitted       bool
	seq             uint64
}

// batchState is the next block at the leader.
type batchState struct {
	at      int32 // index+1 of the node that fills it
	pending int
	bytes   int
	since   int64 // when the batch timer began
}

// rule is one link rule, taken from its note.
type rule struct {
	from, to string
	kind     Rule
	text     string
	oneWay   bool
}

// heldState is a message that a hold has stopped.
type heldState struct {
	msg      uint64
	seq      uint64
	from, to int32
	at       int32
	link     int32
	tx       string
	info     *kindInfo
}

type noteState struct {
	text string
	node string
	bad  bool
	time int64
}

// node gives a node's state, making room for it.
func (s *state) node(i int32) *nodeState {
	for int(i) >= len(s.nodes) {
		s.nodes = append(s.nodes, nodeState{})
	}
	return &s.nodes[i]
}

// look gives a node's state without changing anything.
func (s *state) look(i int32) nodeState {
	if i < 0 || int(i) >= len(s.nodes) {
		return nodeState{}
	}
	return s.nodes[i]
}

// clone copies a state so that neither copy sees the other's changes.
func (s *state) clone() *state {
	c := *s
	c.nodes = slices.Clone(s.nodes)
	for i := range c.nodes {
		n := &c.nodes[i]
		n.sims = slices.Clone(n.sims)
		n.docked = slices.Clone(n.docked)
		for j := range n.docked {
			n.docked[j].lanes = slices.Clone(n.docked[j].lanes)
		}
		n.open = maps.Clone(n.open)
	}
	c.rules, c.holds, c.held, c.notes = slices.Clone(s.rules), slices.Clone(s.holds), slices.Clone(s.held), slices.Clone(s.notes)
	return &c // groups are replaced as a whole
}

// forget drops what is only true while every event is seen: after a gap.
func (s *state) forget() {
	for i := range s.nodes {
		n := &s.nodes[i]
		n.sims, n.asked, n.validating, n.open, n.last = nil, 0, false, nil, ""
		for j := range n.docked {
			n.docked[j].lanes = nil
		}
	}
	s.batch, s.held = batchState{}, nil
}
