package timeline

import (
	"slices"
	"sort"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
)

// Options say which picture is wanted.
type Options struct {
	Window     Window
	W, H       float64 // the whole panel in pixels, header and names included
	Scale      float64 // of everything with a size, as in paint.Theme; 0 is 1
	At         view.Moment
	Selection  view.Selection
	Also       []string // transactions that a lesson points at: as bright as the selected one
	Lanes      Filter
	Heartbeats bool        // Raft's heartbeats too
	Book       *words.Book // the language of what is written
}

// Filter says which lanes are shown.
type Filter struct {
	// Pinned are nodes whose lanes, with those of their containers, stay at the top: they
	// are always shown and do not scroll.
	Pinned    []string
	Only      []string // nodes; a peer brings its containers. Empty: all
	HideQuiet bool     // leave out lanes on which nothing happens in the window or near it
}

// Tone is how strongly something is drawn.
type Tone uint8

// The tones.
const (
	Normal Tone = iota
	Lit         // belongs to the selection
	Dim         // something else is selected
)

// Lane is one node's lane; Y may be above the header's lower edge when it is scrolled.
type Lane struct {
	Node, Name string
	Y, H       float64
	Indent     bool // a container, below its peer
	Selected   bool
	Pinned     bool
}

// Bar is a stretch of time wide enough to be drawn by itself.
type Bar struct {
	X0, X1, Y, H float64 // may reach beyond the picture
	Start, End   int64
	Kind         facts.SpanKind
	Class        view.Class
	Label        string // "" on narrow bars
	Tone         Tone
	Failed       bool
	Open         bool // it has not ended yet
	Overlaps     bool // in the shared row: other bars may lie under it

	lane  int32
	tx    uint32
	block uint64
}

// Column is a pixel column in which bars are too narrow to be told apart.
type Column struct {
	X, Y, H float32
	Share   float32 // of the column's time in which bars run, at most 1: exact
	Kind    facts.SpanKind
	Class   view.Class
	Tone    Tone
}

// Line is one message, or its known end.
type Line struct {
	X0, Y0, X1, Y1 float64
	Class          view.Class
	Tone           Tone
	Tick           bool // a message of a chaincode stream
	Lost, Held     bool // it ends on its way: lost, or waiting

	seq uint64
	tx  uint32
}

// Bundle is a shaded piece of the space between two lanes in which messages are too dense
// to be drawn one by one.
type Bundle struct {
	X, W, Y0, Y1 float64
	Class        view.Class // of most of them
	N            int        // messages that cross it
	Share        float64    // how dense, 0 to 1
	Tone         Tone
}

// Frame is one picture in pixels. It is valid until the index is asked for the next one.
type Frame struct {
	W, H, Scale    float64
	Gutter, Header float64 // width of the names, height of title and ruler
	Window         Window  // with Scroll within bounds
	MaxScroll      float64
	Lanes          []Lane
	Columns        []Column
	Bars           []Bar
	Bundles        []Bundle
	Lines          []Line
	Ticks          []Tick
	Playhead       float64    // x; out of the picture when the moment is
	Clock          string     // the playhead's time since the beginning
	Span           [2]float64 // where a selected span begins and ends; equal: none is in the picture
	Empty          bool       // there is no event yet
	Book           *words.Book
	Layout         uint64 // changes with everything but the playhead and its clock

	x      *Index
	o      Options
	events uint64   // the last event that was laid out
	perNS  float64  // pixels
	perPX  float64  // nanoseconds
	place  []int16  // node to place in Lanes, -1 when it is not shown
	tx     uint32   // selected, or the first that a lesson points at
	also   []uint32 // the others that a lesson points at
	block  uint64   // selected or the selected transaction's, plus one
	focus  bool     // something is selected that dims the rest
	work   scratch
}

// scratch is reused from frame to frame.
type scratch struct {
	counts   []uint32
	crossing [][classes]uint32
	numbers  []int32
	until    int64 // where open bars end

	top, bottom int16 // the first and last lane that can be seen
}

// Frame lays the picture out. It depends on nothing but the events so far and o. While
// only the playhead moves, what was laid out before is kept.
func (x *Index) Frame(o Options) *Frame {
	f := &x.frame
	if o.Scale <= 0 {
		o.Scale = 1
	}
	now := x.world.Now()
	until := max(now.Time, o.At.Time)
	if f.Layout == 0 || f.events != now.Seq || f.work.until != until || !f.o.sameBut(o) {
		f.layOut(x, o, until)
	}
	f.o.At, f.Playhead, f.Clock = o.At, -1e6, ""
	if o.At.Time != 0 && f.perNS > 0 {
		f.Playhead = f.XAt(o.At.Time)
		f.Clock = clockLabel(o.At, x.Origin(), o.Window.Span())
	}
	return f
}

// sameBut tells whether two options differ in nothing but the playhead.
func (o Options) sameBut(p Options) bool {
	return o.Window == p.Window && o.W == p.W && o.H == p.H && o.Scale == p.Scale && o.Selection == p.Selection &&
		o.Lanes.HideQuiet == p.Lanes.HideQuiet && slices.Equal(o.Also, p.Also) && slices.Equal(o.Lanes.Only, p.Lanes.Only) && slices.Equal(o.Lanes.Pinned, p.Lanes.Pinned) && o.Heartbeats == p.Heartbeats && o.Book == p.Book
}

func (f *Frame) layOut(x *Index, o Options, until int64) {
	o.Lanes.Only, o.Lanes.Pinned, o.Also = slices.Clone(o.Lanes.Only), slices.Clone(o.Lanes.Pinned), slices.Clone(o.Also)
	*f = Frame{
		W: o.W, H: o.H, Scale: o.Scale, Gutter: 108 * o.Scale, Header: 38 * o.Scale, Window: o.Window, Empty: x.world.Now().Seq == 0, Book: o.Book,
		Lanes: f.Lanes[:0], Columns: f.Columns[:0], Bars: f.Bars[:0], Bundles: f.Bundles[:0], Lines: f.Lines[:0], Ticks: f.Ticks[:0],
		Layout: f.Layout + 1, x: x, o: o, events: x.world.Now().Seq, place: f.place[:0], work: f.work,
	}
	f.work.until = until
	if o.Window.Span() <= 0 || o.W <= f.Gutter {
		f.Empty = true
		return
	}
	f.perNS = (o.W - f.Gutter) / float64(o.Window.Span())
	f.perPX = 1 / f.perNS
	f.Ticks = ticks(o.Window, x.Origin(), f.Gutter, o.W-f.Gutter, 110*o.Scale, f.Ticks)
	f.choose()
	f.layLanes()
	for i := range f.Lanes {
		if l := &f.Lanes[i]; l.Y+l.H > f.Header && l.Y < f.H {
			f.layBars(f.work.numbers[i], l)
		}
	}
	f.layMessages()
}

// TimeAt is the time at a place; XAt the place of a time.
func (f *Frame) TimeAt(px float64) int64 {
	if f.perNS == 0 {
		return f.Window.From
	}
	return f.Window.From + int64((px-f.Gutter)*f.perPX)
}

// XAt is where a time is drawn.
func (f *Frame) XAt(t int64) float64 { return f.Gutter + float64(t-f.Window.From)*f.perNS }

// choose translates the selection into the world's numbers.
func (f *Frame) choose() {
	s := f.o.Selection
	switch s.What {
	case view.SelectTx, view.SelectMessage:
		f.tx = f.x.world.Messages().Find(s.TxID)
		if tx := f.x.world.Messages().Tx(f.tx); tx != nil {
			f.block = tx.Block
		}
		f.focus = f.tx != 0 || s.What == view.SelectMessage
	case view.SelectBlock:
		f.block, f.focus = s.Block+1, true
	case view.SelectSpan:
		from, ok := f.x.world.Event(s.Seq)
		to, okTo := f.x.world.Event(s.Until)
		if ok && okTo {
			f.Span = [2]float64{min(f.W, max(f.Gutter, f.XAt(from.Time))), min(f.W, max(f.Gutter, f.XAt(to.Time)))}
		}
	}
	for _, id := range f.o.Also {
		switch tx := f.x.world.Messages().Find(id); {
		case tx == 0 || tx == f.tx:
		case f.tx == 0 && s.What != view.SelectBlock:
			f.tx, f.focus = tx, true
		default:
			f.also, f.focus = append(f.also, tx), true
		}
	}
}

// chosen tells whether a transaction is the selected one or one that a lesson points at.
func (f *Frame) chosen(tx uint32) bool {
	return tx != 0 && (tx == f.tx || slices.Contains(f.also, tx))
}

// chosenTimes is the time from the first to the last event of the chosen transactions.
func (f *Frame) chosenTimes() (from, to int64, ok bool) {
	see := func(number uint32) {
		tx := f.x.world.Messages().Tx(number)
		if tx == nil {
			return
		}
		if !ok || tx.First < from {
			from = tx.First
		}
		to, ok = max(to, tx.Last+1), true
	}
	see(f.tx)
	for _, tx := range f.also {
		see(tx)
	}
	return from, to, ok
}

// layLanes puts the lanes below each other, as high as the rows that the window needs.
func (f *Frame) layLanes() {
	for range f.x.world.Nodes {
		f.place = append(f.place, -1)
	}
	f.work.numbers = f.work.numbers[:0]
	y := f.Header
	span := f.Window.Span()
	fixed := y // lower edge of the pinned lanes
	for _, i := range f.shown() {
		l := f.x.lanes[i]
		h := laneHeight(l.rowsIn(f.Window.From-span/2, f.Window.To+span/2)) * f.Scale
		f.place[i] = int16(len(f.Lanes))
		f.Lanes = append(f.Lanes, Lane{Node: f.x.world.Nodes[i].Name, Name: f.x.world.Names().Short(f.x.world.Nodes[i].Name), Y: y, H: h, Indent: f.x.world.Nodes[i].Host >= 0, Selected: f.selected(i), Pinned: f.pinned(i)})
		f.work.numbers = append(f.work.numbers, i)
		if y += h; f.pinned(i) {
			fixed = y
		}
	}
	f.MaxScroll = max(0, y+4*f.Scale-f.H)
	f.Window.Scroll = min(max(0, f.Window.Scroll), f.MaxScroll)
	for i := range f.Lanes {
		l := &f.Lanes[i]
		if l.Pinned {
			continue
		}
		if l.Y -= f.Window.Scroll; fixed > f.Header && l.Y < fixed-0.5 {
			l.Y = f.Header - l.H // half a lane below a pinned one would look like its own
		}
	}
}

// pinned tells whether a node's lane stays at the top: it or its peer is pinned.
func (f *Frame) pinned(node int32) bool {
	w := f.x.world
	return slices.Contains(f.o.Lanes.Pinned, w.Nodes[node].Name) || w.Nodes[node].Host >= 0 && slices.Contains(f.o.Lanes.Pinned, w.Name(w.Nodes[node].Host))
}

func (f *Frame) wanted(node int32) bool {
	if len(f.o.Lanes.Only) == 0 {
		return true
	}
	w := f.x.world
	return slices.Contains(f.o.Lanes.Only, w.Nodes[node].Name) || slices.Contains(f.o.Lanes.Only, w.Name(w.Nodes[node].Host))
}

const (
	rowPitch  = 9.5
	thinBar   = 9.0
	thickBar  = 14.0
	thinLane  = 21.0
	laneInset = 1.25
)

func laneHeight(rows int) float64 {
	return max(thinLane, 2*laneInset+rowPitch*float64(rows)-0.5)
}

// rowsIn is how many rows the lane's bars need in a span of time.
func (l *lane) rowsIn(from, to int64) int {
	rows := 1
	for _, t := range l.tracks {
		if t.row >= rows && t.kind != facts.Down && t.kind != facts.Sync {
			if a, b := t.visible(from, to); a < b {
				rows = t.row + 1
			}
		}
	}
	return rows
}

// sorted gives the nodes that have lanes from top to bottom: clients, peers by organisation
// with their containers, ordering nodes.
func (x *Index) sorted() []int32 {
	var order []int32
	for i, l := range x.lanes {
		if l != nil {
			order = append(order, int32(i))
		}
	}
	sort.Slice(order, func(i, j int) bool { return x.before(order[i], order[j]) })
	return order
}

func (x *Index) before(i, j int32) bool {
	a, b := &x.world.Nodes[i], &x.world.Nodes[j]
	if ga, gb := group(a), group(b); ga != gb {
		return ga < gb
	}
	hostA, hostB := a.Name, b.Name
	if a.Host >= 0 {
		hostA = x.world.Nodes[a.Host].Name
	}
	if b.Host >= 0 {
		hostB = x.world.Nodes[b.Host].Name
	}
	if hostA != hostB {
		return facts.Less(hostA, hostB)
	}
	if (a.Host >= 0) != (b.Host >= 0) {
		return b.Host >= 0
	}
	return facts.Natural(a.Name, b.Name)
}

// group is where a node stands: people first, then users of organisations, peers, ordering.
func group(n *facts.Identity) int {
	switch n.Being {
	case facts.Orderer:
		return 3
	case facts.Peer, facts.Code:
		return 2
	}
	if strings.Contains(n.Name, "@") {
		return 1
	}
	return 0
}
