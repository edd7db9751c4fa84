// Package timeline is the space-time diagram of a trace: a lane for every node, a bar for
// everything that takes time (a simulation, a call inside a container, ordering, validation)
// and a slanted line for every message.
//
// It stands in the middle of a transaction's whole way. What is true comes from view/facts:
// nodes, messages with both ends, and spans, which Index keeps as bars in a form in which any
// window, from hours to a microsecond, is drawn at a cost that depends on the picture's width
// and not on the number of events. DESIGN.md says how.
//
// Read next: track.go (how bars are kept), frame.go (what a picture consists of), lines.go
// (messages).
package timeline

import (
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// maxRows bounds how many bars of one lane are drawn above each other; what overlaps more
// shares the last row.
const maxRows = 4

// Index holds the timeline of one world. It is used from one goroutine.
type Index struct {
	world *facts.World
	first int64   // time of the oldest event that is remembered
	lanes []*lane // by index of the node in the registry; nil for those that have done nothing
	open  []openBar
	frame Frame
}

// openBar is the bar of a span that has not ended, by the span's slot.
type openBar struct {
	track *track
	index int
}

// New makes the timeline of what a world knows. It has to hear of every event: Take.
func New(w *facts.World) *Index { return &Index{world: w} }

// Alone makes a timeline with a world of its own that remembers about limit events (at most
// an eighth more), which Add gives the events to.
func Alone(limit int) *Index { return New(facts.New(nil, limit)) }

// Add takes new events, in order, into the timeline and its own world.
func (x *Index) Add(events []trace.Event) { x.world.Add(events, x.Take) }

// Take hears of a new event that the world has taken in. After a gap (lost events) the
// timeline starts anew.
func (x *Index) Take(e *facts.Step, gap bool) {
	first, _, _ := x.world.Bounds()
	if gap {
		x.reset()
		x.first = first
	}
	x.note(e)
	for i := range e.Spans {
		x.follow(&e.Spans[i], e)
	}
	if first != x.first {
		x.first = first
		x.forget()
	}
}

// reset forgets everything but which lanes there are.
func (x *Index) reset() {
	x.open = nil
	for i, l := range x.lanes {
		if l != nil {
			x.lanes[i] = &lane{node: l.node}
		}
	}
}

// note makes lanes for the nodes that an event names, and notes that something happens there.
func (x *Index) note(e *facts.Step) {
	switch {
	case e.From >= 0:
		self, other := x.lane(e.Self), x.lane(e.From+e.To-e.Self)
		if e.Info.Quiet {
			return
		}
		self.touch(e.Now)
		if e.Info.Chaincode { // which records nothing itself
			other.touch(e.Now)
		}
	case e.Self >= 0 && (e.Info.At != facts.Unknown || e.What == trace.IsPeer || e.What == trace.IsOrderer):
		x.lane(e.Self).touch(e.Now)
	}
}

// follow does to the bars what an event does to a span.
func (x *Index) follow(s *facts.Span, e *facts.Step) {
	l := x.lane(s.Node)
	if s.Change == facts.SpanWas {
		l.was(s, e.Now)
		return
	}
	if s.Change == facts.SpanBegins {
		l.touch(e.Now)
		row := 0
		if s.Kind != facts.Down { // lies behind all rows
			row = l.freeRow(e.Now)
			l.rows[row].open++
		}
		t := l.track(s.Kind, row)
		for int(s.Slot) >= len(x.open) {
			x.open = append(x.open, openBar{})
		}
		x.open[s.Slot] = openBar{t, t.add(bar{start: e.Now, tx: s.Tx, block: s.Block})}
		return
	}
	o := x.open[s.Slot]
	if s.Change == facts.SpanWrites {
		o.track.at(o.index).flags |= writes
		return
	}
	flags := uint8(0)
	if s.Change == facts.SpanFails {
		flags = failed
	}
	o.track.at(o.index).block = s.Block
	o.track.finish(o.index, e.Now, flags)
	if s.Kind != facts.Down {
		l.touch(e.Now)
		row := &l.rows[o.track.row]
		row.open--
		row.end = e.Now
	}
}

// was adds a wait for the disk. Two may have overlapped: the later one begins where the
// one before it has ended, so that the line is as long as there was a wait at all.
func (l *lane) was(s *facts.Span, end int64) {
	t := l.track(s.Kind, 0)
	start := s.Start
	if n := len(t.bars); n > 0 {
		start = max(start, t.bars[n-1].end)
	}
	if start < end {
		t.finish(t.add(bar{start: start}), end, 0)
	}
}

// forget drops what ended before the oldest event that is remembered. The world has ended
// what began before it.
func (x *Index) forget() {
	for _, l := range x.lanes {
		if l == nil {
			continue
		}
		for _, t := range l.tracks {
			t.drop(x.first)
		}
		l.forget(x.first)
	}
}

// Bounds gives the times of the oldest and newest remembered event; ok is false while there
// is none.
func (x *Index) Bounds() (first, last int64, ok bool) { return x.world.Bounds() }

// Origin is the time of the first event, from which the ruler counts.
func (x *Index) Origin() int64 { return x.world.Origin() }

// lane is one node.
type lane struct {
	node   int32 // in the registry
	tracks []*track
	rows   [maxRows]rowState
	active []int64 // when something happened, at most once in activeEvery
}

type rowState struct {
	open int   // bars without an end
	end  int64 // of the latest bar with one
}

const activeEvery = int64(250_000)

// lane gives a node's lane and makes it when it is new.
func (x *Index) lane(node int32) *lane {
	for int(node) >= len(x.lanes) {
		x.lanes = append(x.lanes, nil)
	}
	l := x.lanes[node]
	if l == nil {
		l = &lane{node: node}
		x.lanes[node] = l
	}
	return l
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
		if a, b := t.visible(from, to); a < b && t.kind != facts.Sync {
			return true
		}
	}
	return false
}

// track gives the lane's store for bars of a kind in a row. Down and Sync have no row: the
// one lies behind all of them, the other at the lane's foot.
func (l *lane) track(kind facts.SpanKind, row int) *track {
	for _, t := range l.tracks {
		if t.kind == kind && t.row == row {
			return t
		}
	}
	t := &track{kind: kind, row: row, shared: row == maxRows-1}
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
