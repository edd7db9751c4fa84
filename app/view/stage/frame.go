package stage

import (
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
)

// Options say what a Frame shows besides the moment.
type Options struct {
	Selection   view.Selection
	Heartbeats  bool          // show Raft's heartbeats too
	StillMotion bool          // reduced motion: messages stand still in the middle of their link
	MaxDots     int           // most messages drawn one by one; 0 means 1,000
	Highlight   []string      // nodes or organisations that a lesson points at
	Also        []string      // transactions that a lesson points at: as bright as the selected one
	Aspect      float64       // width by height of the panel: boxes stand closer or wider apart. 0: as usual
	Scale       time.Duration // how much of the trace one second of the screen shows: what passes too fast for the eye leaves a trail of that time. 0 shows exactly the moment
}

// Frame is the stage at one moment, in the model's own plane (one unit is one pixel at
// full size). All texts are ready to be drawn. It belongs to the World, which reuses it:
// it is valid until the next call of World.Frame.
type Frame struct {
	At       view.Moment
	Book     *words.Book // language of what the painter itself writes
	Channel  string
	Form     Form
	Clients  []Client
	Orgs     []Org
	Ordering Ordering
	Links    []Link
	Dots     []Dot  // messages on their way, in the order in which they were sent
	Flows    []Flow // what is too much to be shown one by one
	Notes    []Note // faults and partitions, most recent first
	Bounds   view.Rect
	Empty    bool // nothing is known about any node yet

	Selection view.Selection
	Still     bool // motion is reduced: dots stand still
	Dimmed    bool // a transaction is selected; what is not Lit steps back
	Sampled   int  // 1: every message in flight is a dot; n: about every n-th one

	// StaticKey changes when something in the slow layer changed: boxes, names, links,
	// what is selected. Numbers, lanes and dots are drawn on top.
	StaticKey uint64

	msgs []dotRef // what Hit needs to name a dot
}

// Form is how much room each peer gets.
type Form uint8

// The forms, chosen by the number of nodes.
const (
	Full    Form = iota // containers with lanes and words
	Compact             // one line and lanes as bars
	Grouped             // an organisation's peers in one box with counts
)

// Look is what boxes have in common.
type Look struct {
	Name      string // the full name: what a Selection carries
	Rect      view.Rect
	Selected  bool
	Lit       bool // touched by the selected transaction
	Dim       bool // steps back behind the selected transaction
	Highlight bool // a lesson points at it
}

// Client is somebody who proposes transactions.
type Client struct {
	Look
	Title string // "alice"
	Line  string // "tx 9f3a", "3 transactions", "" when nothing is under way
	Admin bool   // an administrator: a smaller box
	Seen  bool   // it has acted at this moment
}

// Org is an organisation with its peers.
type Org struct {
	Look
	Index int    // its place among the organisations: chooses its colour
	Title string // "Org1"
	Note  string // "2 peers · endorses"
	Peers []Peer // empty in the Grouped form
	Group Group  // the Grouped form
}

// Group is an organisation's peers in one box.
type Group struct {
	Rect      view.Rect
	Peers, Up int
	Low, High uint64 // heights
	Known     bool   // a height is known
	Running   int    // simulations
	Lines     []string
}

// Mark is what is wrong with a node, the worst last.
type Mark uint8

// The marks.
const (
	Fine    Mark = iota
	Lags         // its height is behind the others'
	CutOff       // no link leads to it
	Lying        // it changes results before it endorses
	Down         // stopped or killed
	Pending      // not started yet
)

// Peer is one peer with the containers docked to it.
type Peer struct {
	Look
	Title      string // "peer0.org1"
	Life       facts.Life
	Mark       Mark
	MarkText   string // "2 behind", "cut off", "killed", "lies"
	Height     string // "#42", "" before the first block
	Hash       string // "state 7c1e"
	Doing      string // "building 2 read-write sets", "idle"
	Busy       bool
	Containers []Container
	Hidden     int // containers that have no room
}

// Container is a chaincode docked to its peer.
type Container struct {
	Look
	Title string // "basic 1.0"
	Kind  string // "container", "process", "builder"; what is said at the right
	Phase facts.Phase
	Line  string // what it does while no lane runs: "waiting for work"
	Lanes []Lane
	More  int // simulations that have no lane of their own
}

// Lane is one running simulation.
type Lane struct {
	TxID   string
	Label  string // "9f3a GetState"
	Rect   view.Rect
	Class  view.Class // Read, Write or Proposal before the first call
	Reads  int
	Writes int
	Share  float64 // how far the bar is filled
	Lit    bool
	Dim    bool
}

// Ordering is the ordering service.
type Ordering struct {
	Look
	Seen  bool
	Note  string // "Raft · term 4"
	Nodes []Orderer
	Batch Batch
}

// Orderer is one ordering node.
type Orderer struct {
	Look
	Title    string
	Life     facts.Life
	Mark     Mark
	MarkText string
	Role     facts.Role
	RoleText string // "leader", "no leader known", "voted for orderer2"
	Log      string // "log 118"
}

// Batch is the next block, filling up.
type Batch struct {
	Rect  view.Rect // of the bar
	Text  string    // "next block: 2 of 10 tx · cuts in 64 ms"
	Share float64   // filled, against the nearest limit
	Tx    int
}

// Rule is what a link rule does to a link.
type Rule uint8

// The rules, mildest first.
const (
	Undisturbed Rule = iota
	Slow
	Lossy
	CutRule
)

// Link is a connection that has carried something.
type Link struct {
	A, B     string
	Points   []view.Point // the way that messages take, from A to B
	Style    facts.Link
	Rule     Rule
	RuleText string // "cut", "60 ms", "loss 2 %"
	Selected bool
	Lit      bool
	Dim      bool
}

// Dot is one message at its place.
type Dot struct {
	P     view.Point
	Class view.Class
	Seq   uint64 // the event that selects it
	Back  view.Point
	Held  bool // a hold has stopped it
	Lost  bool // it did not arrive
	Lit   bool
	Dim   bool
	Small bool // within a peer's box
}

// Flow is the traffic of one direction of a link and one class of message.
type Flow struct {
	Points  []view.Point
	Class   view.Class
	PerSec  float64
	Text    string // "1 240/s"
	At      view.Point
	Strong  float64 // 0..1, for the width
	DimFlow bool
}

// Note is something wrong that a person or a scenario did.
type Note struct {
	Text string
	Bad  bool
}

type dotRef struct {
	seq  uint64
	tx   string
	a, b string
}
