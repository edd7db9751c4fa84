// Package timeline is the space-time diagram of a trace: a lane for every node, a bar for
// everything that takes time (a simulation, a call inside a container, ordering, validation)
// and a slanted line for every message.
//
// It stands in the middle of a transaction's whole way: Index takes the trace's events once
// and keeps them in a form in which any window, from hours to a microsecond, is drawn at a
// cost that depends on the picture's width and not on the number of events. DESIGN.md says how.
//
// Read next: feed.go (which events make which bars), track.go (how bars are kept),
// frame.go (what a picture consists of).
package timeline

import (
	"math"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// AssumedFlight is how long a message is drawn in flight, in nanoseconds, when only one of
// its ends is in the trace: the other is a chaincode or a client outside of the network.
const AssumedFlight = int64(60_000)

// maxRows bounds how many bars of one lane are drawn above each other; what overlaps more
// shares the last row.
const maxRows = 4

// Kind is what a bar stands for.
type Kind uint8

// The bars.
const (
	Propose  Kind = iota // a client waits for endorsers
	Await                // a client waits for the verdict, from submitted to commit-seen
	Simulate             // a peer's simulator is open
	Call                 // a call runs inside a chaincode's container
	Order                // a batch at the leader, from its first envelope to the written block
	Validate             // a peer validates and commits a block
	Build                // a chaincode is being built
	Launch               // a container is being started
	Down                 // the node does not run
)

// Index holds the timeline of one trace. It is used from one goroutine.
type Index struct {
	limit  int
	next   uint64 // the sequence number that must come now, 0 before the first event
	origin int64  // time of the first event ever
	first  int64  // time of the oldest event that is remembered
	last   int64  // time of the newest one
	count  int    // remembered events
	marks  []mark // to turn a number of events into a time when forgetting

	lanes  []*lane
	byNode map[string]uint16
	txs    txTable
	open   map[openKey]openBar
	msgs   messages
	batch  []uint32 // transactions in the leader's batch, not yet cut
	frame  Frame
}

// mark says when the n-th event of a block of markEvery events came.
type mark struct{ time int64 }

const markEvery = 4096

// New makes an index that remembers about limit events (at most an eighth more).
func New(limit int) *Index {
	x := &Index{limit: max(limit, 2*markEvery)}
	x.reset()
	return x
}

// reset forgets everything but the lanes' names and the origin.
func (x *Index) reset() {
	nodes := x.lanes
	x.lanes, x.byNode = nil, map[string]uint16{}
	x.txs = newTxTable()
	x.open = map[openKey]openBar{}
	x.msgs = newMessages()
	x.batch, x.marks, x.count = nil, nil, 0
	for _, l := range nodes {
		x.lanes = append(x.lanes, &lane{node: l.node, name: l.name, peer: l.peer, role: l.role})
		x.byNode[l.node] = uint16(len(x.lanes) - 1)
	}
}

// Add takes new events, in order. After a gap (lost events) the index starts anew.
func (x *Index) Add(events []trace.Event) {
	for i := range events {
		e := &events[i]
		if e.Seq != x.next {
			if x.next != 0 {
				x.reset()
			}
			x.first = max(e.Time, x.last)
			if x.origin == 0 {
				x.origin = e.Time
			}
		}
		x.next = e.Seq + 1
		x.last = max(x.last, e.Time)
		if x.count%markEvery == 0 {
			x.marks = append(x.marks, mark{x.last})
		}
		x.count++
		x.feed(e, x.last)
	}
	if over := x.count - x.limit; over > x.limit/8 && over >= markEvery {
		x.forget(over / markEvery)
	}
}

// forget drops what ended before the n-th mark.
func (x *Index) forget(n int) {
	cutoff := x.marks[n].time
	x.marks = append(x.marks[:0], x.marks[n:]...)
	x.count -= n * markEvery
	x.first = cutoff
	x.msgs.forget(cutoff)
	for _, l := range x.lanes {
		for _, t := range l.tracks {
			finished := t.forget(cutoff, x.last)
			if l.rows[t.row].open -= finished; finished > 0 {
				l.rows[t.row].end = x.last
			}
		}
		l.forget(cutoff)
	}
	for key, o := range x.open {
		if o.track.at(o.index).end != stillOpen {
			delete(x.open, key)
		}
	}
	for _, l := range x.lanes {
		for _, t := range l.tracks {
			t.drop(cutoff)
		}
	}
	x.txs.forget(cutoff)
}

// Bounds gives the times of the oldest and newest remembered event; ok is false while there
// is none.
func (x *Index) Bounds() (first, last int64, ok bool) { return x.first, x.last, x.count > 0 }

// Origin is the time of the first event, from which the ruler counts.
func (x *Index) Origin() int64 { return x.origin }

// Nodes lists the lanes' nodes in the order in which they are drawn.
func (x *Index) Nodes() []string {
	var names []string
	for _, i := range x.sorted() {
		names = append(names, x.lanes[i].node)
	}
	return names
}

// role is where a lane stands.
type role uint8

const (
	client role = iota
	peer
	container
	orderer
)

// lane is one node.
type lane struct {
	node, name string
	peer       string // of a container
	role       role
	tracks     []*track
	rows       [maxRows]rowState
	cuts       uint64 // batches that the leader has cut, and how many of them are written
	wrote      uint64
	active     []int64 // when something happened, at most once in activeEvery
}

type rowState struct {
	open int   // bars without an end
	end  int64 // of the latest bar with one
}

const activeEvery = int64(250_000)

// lane gives the number of a node's lane and makes it when it is new.
func (x *Index) lane(node string) uint16 {
	if i, ok := x.byNode[node]; ok {
		return i
	}
	if len(x.lanes) == math.MaxUint16 {
		return 0
	}
	l := &lane{node: node, name: view.Short(node), peer: view.PeerOf(node)}
	switch {
	case l.peer != "":
		l.role = container
	case strings.Contains(node, "@"):
		l.role = client
	case strings.HasPrefix(node, "peer"):
		l.role = peer
	case strings.HasPrefix(node, "orderer"):
		l.role = orderer
	}
	x.lanes = append(x.lanes, l)
	i := uint16(len(x.lanes) - 1)
	x.byNode[node] = i
	return i
}

// learn corrects the role of a node with an unusual name by what it does.
func (l *lane) learn(r role) {
	if l.role == client && !strings.Contains(l.node, "@") {
		l.role = r
	}
}

func (l *lane) touch(t int64) {
	if n := len(l.active); n == 0 || t-l.active[n-1] >= activeEvery {
		l.active = append(l.active, t)
	}
}

func (l *lane) forget(cutoff int64) {
	i := searchTimes(l.active, cutoff-activeEvery)
	l.active = append(l.active[:0], l.active[i:]...)
}

// busyIn tells whether anything happened on the lane in a span of time.
func (l *lane) busyIn(from, to int64) bool {
	i := searchTimes(l.active, from-activeEvery)
	if i < len(l.active) && l.active[i] < to {
		return true
	}
	return l.worksIn(from, to)
}

// worksIn tells whether the lane has bars in a span of time.
func (l *lane) worksIn(from, to int64) bool {
	for _, t := range l.tracks {
		if a, b := t.visible(from, to); a < b {
			return true
		}
	}
	return false
}

// track gives the lane's store for bars of a kind in a row.
func (l *lane) track(kind Kind, row int) *track {
	for _, t := range l.tracks {
		if t.kind == kind && t.row == row {
			return t
		}
	}
	t := &track{kind: kind, row: row, shared: row == maxRows-1 && kind != Down}
	l.tracks = append(l.tracks, t)
	return t
}

// freeRow is the first row in which nothing runs at t, the last one when there is none.
func (l *lane) freeRow(t int64) int {
	for row := range l.rows[:maxRows-1] {
		if l.rows[row].open == 0 && l.rows[row].end <= t {
			return row
		}
	}
	return maxRows - 1
}
