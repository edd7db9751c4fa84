package facts

import (
	"maps"
	"slices"
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Bounds of what a state remembers.
const (
	maxOpen     = 4096 // transactions under way at one client
	maxTroubles = 4
	maxRules    = 2000
	maxHeld     = 256
	maxNames    = 1000 // definitions, packages and functions
	commitRing  = 64   // blocks of which the time of the first commit is remembered
)

// Life is whether a node runs.
type Life uint8

// The lives.
const (
	Unseen   Life = iota // it has not been started yet
	Starting             // it is being started
	Up
	Stopped // in order
	Killed
)

// Role is a Raft role.
type Role uint8

// The roles.
const (
	NoRole Role = iota
	Follower
	Candidate
	Leader
)

// Phase is a chaincode's place in its life at one peer.
type Phase uint8

// The phases.
const (
	Installed Phase = iota // only the package is there
	Building               // a builder compiles the package
	Built
	Launching
	Ready
	Paused
	Exited
	Failed
)

// State is the network after one event: everything that is true at that moment and that
// does not need the whole past. It is small, so that checkpoints are cheap: texts are
// shared with the events that they come from. Whoever gets one reads it and changes nothing.
type State struct {
	Seq  uint64
	Time int64

	Nodes    []Node // by index of the registry
	Batch    Batch
	Limits   Limits
	Term     uint64
	Leader   int32 // index+1 of the ordering node that leads, 0 while none does
	Rules    []Rule
	Groups   [][]string // of the partition in force: the names in each group
	Holds    []Hold
	Held     []Held    // oldest first
	Troubles []Trouble // faults and errors, newest first
	Newest   uint64    // the highest block that any peer has committed
	Channel  string    // the first that an event named

	Definitions []Definition // in the order in which they became known
	Packages    []string     // ids that were installed anywhere
	Ready       bool         // the network said so
	Steps       []Done       // of the start and of deployments

	partition int64
	commits   [commitRing]int64
	functions []called
}

// Node is one node. Which fields mean anything depends on what it is.
type Node struct {
	Life    Life
	Since   int64  // when it was started, became ready, was stopped or killed; 0 if no event says
	Address string // where it listens, while it runs

	// Peers.
	Joined     bool
	Height     uint64 // newest block on disk, if Known
	Known      bool
	Hash       string // commit hash
	Asked      int    // proposals taken and not yet answered
	Sims       []Simulation
	Checking   uint64 // block under validation, if Validating
	Judged     int    // of its transactions
	Validating bool
	Pulled     uint64 // newest block received
	Source     int32  // index+1 of the node that it asked last for all blocks to come
	Endorses   bool   // it has endorsed an application's transaction
	Lies       bool
	Docked     []Chaincode

	// Ordering nodes.
	Role   Role
	Term   uint64
	Log    uint64 // last entry known of
	Leader int32  // index+1 of the node that it follows, 0 = none known
	Vote   int32  // index+1 of the candidate voted for, in term Voted
	Voted  uint64
	Blocks uint64 // newest block written

	// Clients.
	Open    map[string]Waiting // transactions that it waits for
	Refused map[string]Waiting // those that no ordering node took yet: it may try again
	Last    string
	Active  int64 // when it last began or ended a transaction
}

// Simulation is a simulator that is open at a peer.
type Simulation struct {
	Tx    string
	Block uint64 // height that it sees
	Start int64
}

// Chaincode is one docked to a peer.
type Chaincode struct {
	Node  int32  // index of the chaincode's own node, -1 before it has one
	Label string // "basic 1.0"
	ID    string // package id
	Phase Phase
	Runs  string // its runtime: "docker", "process" or "external", "" = not told
	Since int64
	Cause *trace.Event // how it ended or failed, nil while it is well
	Lanes []Lane
}

// Lane is one call that a chaincode works on.
type Lane struct {
	Tx     string
	Fn     string
	Call   string // the request that it made last: "GetState"
	Key    string
	Write  bool // that request wrote
	Reads  int
	Writes int
	Start  int64
}

// Waiting is a transaction that a client waits for.
type Waiting struct {
	Asked, Answered int
	Submitted       bool
	Seq             uint64
}

// Batch is the next block at the leader.
type Batch struct {
	At      int32 // index+1 of the node that fills it
	Pending int
	Bytes   int
	Since   int64 // when the batch timer began
}

// Limits are the rules by which batches are cut, of the configuration in force.
type Limits struct {
	Known    bool
	Messages int
	Bytes    int
	Timeout  time.Duration
}

// Rule is what was done to the links between nodes, named or by pattern.
type Rule struct {
	From, To        string
	Cut, OneWay     bool
	Latency, Jitter time.Duration
	Loss            float64 // 0 to 1
}

// Hold is a breakpoint that is set.
type Hold struct {
	ID       int64
	Kind     string // kind or pattern of what it stops, "" for everything
	From, To string // nodes or patterns, "" for all
	Tx, Key  string
	Channel  string
	Count    int // messages that it stops in all, 0 = all
	Since    int64
	Seq      uint64
}

// Held is a message that a hold has stopped.
type Held struct {
	Msg      uint64
	Seq      uint64
	Since    int64
	From, To int32
	At       int32 // where it stands: From or To
	Link     int32
	Tx, Key  string
	Info     *Kind
}

// Definition is a chaincode definition that a peer said is committed.
type Definition struct {
	Name     string
	Version  string
	Sequence int64
}

// Done is a finished step of a start or a deployment.
type Done struct {
	Name string
	Took time.Duration
}

type called struct{ chaincode, function string }

// Trouble is something that was broken on purpose or that failed.
type Trouble struct {
	Event *trace.Event
	Fault bool // on purpose
}

// node gives a node's state, making room for it.
func (s *State) node(i int32) *Node {
	for int(i) >= len(s.Nodes) {
		s.Nodes = append(s.Nodes, Node{})
	}
	return &s.Nodes[i]
}

// Node gives a node's state; the zero value of one that has none yet.
func (s *State) Node(i int32) Node {
	if i < 0 || int(i) >= len(s.Nodes) {
		return Node{}
	}
	return s.Nodes[i]
}

// FirstCommit is when the first peer committed a block, 0 if that is not known any more.
func (s *State) FirstCommit(block uint64) int64 {
	if block > s.Newest || s.Newest-block >= commitRing {
		return 0
	}
	return s.commits[block%commitRing]
}

// Functions lists what was called of a chaincode, in the order in which it was first called.
func (s *State) Functions(chaincode string) []string {
	var out []string
	for _, c := range s.functions {
		if c.chaincode == chaincode {
			out = append(out, c.function)
		}
	}
	return out
}

// clone copies a state so that neither copy sees the other's changes. Lists of texts only
// grow or are replaced as a whole, so they are shared.
func (s *State) clone() *State {
	c := *s
	c.Nodes = slices.Clone(s.Nodes)
	for i := range c.Nodes {
		n := &c.Nodes[i]
		n.Sims = slices.Clone(n.Sims)
		n.Docked = slices.Clone(n.Docked)
		for j := range n.Docked {
			n.Docked[j].Lanes = slices.Clone(n.Docked[j].Lanes)
		}
		n.Open, n.Refused = maps.Clone(n.Open), maps.Clone(n.Refused)
	}
	c.Rules, c.Holds, c.Held, c.Troubles = slices.Clone(s.Rules), slices.Clone(s.Holds), slices.Clone(s.Held), slices.Clone(s.Troubles)
	c.Definitions = slices.Clone(s.Definitions)
	c.Packages, c.Steps, c.functions = slices.Clip(s.Packages), slices.Clip(s.Steps), slices.Clip(s.functions)
	s.Packages, s.Steps, s.functions = c.Packages, c.Steps, c.functions // neither appends into the other's room
	return &c
}

// forget drops what is only true while every event is seen: after a gap.
func (s *State) forget() {
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.Sims, n.Asked, n.Validating, n.Open, n.Refused, n.Last = nil, 0, false, nil, nil, ""
		for j := range n.Docked {
			n.Docked[j].Lanes = nil
		}
	}
	s.Batch, s.Held = Batch{}, nil
}
