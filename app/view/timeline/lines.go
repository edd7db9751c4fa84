package timeline

import (
	"math"

	"github.com/fabriscope/fabriscope/app/view"
)

// maxLines is how many messages are drawn one by one; more become bundles.
const maxLines = 2500

// bundleWidth is the width of a bundle in pixels.
const bundleWidth = 3.0

// layMessages lays out the messages: lines while there are few, else bundles and the
// selection's lines.
func (f *Frame) layMessages() {
	m := &f.x.msgs
	if len(m.chunks) == 0 {
		return
	}
	if m.sentIn(f.Window.From, f.Window.To) <= maxLines {
		f.layLines(f.Window.From, f.Window.To, false)
		return
	}
	f.layBundles()
	if from, to, ok := f.chosenTimes(); ok {
		f.layLines(max(f.Window.From, from), min(f.Window.To, to), true)
	} else if from, to, ok := f.blockTimes(); ok {
		f.layLines(max(f.Window.From, from), min(f.Window.To, to), true)
	}
}

// blockTimes is the time in which the selected block was ordered, validated and passed on.
func (f *Frame) blockTimes() (from, to int64, ok bool) {
	const passing = int64(100_000_000) // clients learn of it after the peers
	for _, l := range f.x.lanes {
		for _, t := range l.tracks {
			if f.block == 0 || t.kind != Order && t.kind != Validate {
				continue
			}
			for i := range t.bars {
				if b := &t.bars[i]; b.block == f.block {
					if !ok || b.start < from {
						from = b.start
					}
					to, ok = max(to, min(b.end, f.work.until)+passing), true
				}
			}
		}
	}
	return from, to, ok
}

// layLines lays out the messages that are under way in [from, to); lit: the selection's only.
func (f *Frame) layLines(from, to int64, lit bool) {
	m := &f.x.msgs
	reach := to + AssumedFlight
	for _, c := range m.chunks {
		if c.until < from || c.list[0].sent > reach {
			continue
		}
		for i := range c.list {
			g := &c.list[i]
			if g.sent > reach || lit && !f.isLitMessage(g) || g.flags&quiet != 0 && !f.o.Heartbeats {
				continue
			}
			f.line(g)
		}
	}
}

// isLitMessage tells whether a message belongs to the selection: the transaction's own,
// and the blocks that carry it.
func (f *Frame) isLitMessage(g *message) bool {
	s := f.o.Selection
	if s.What == view.SelectMessage && (g.seq == s.Seq || g.later != 0 && g.seq+uint64(g.later) == s.Seq) {
		return true
	}
	if f.chosen(g.tx) {
		return true
	}
	return f.block != 0 && uint64(g.block) == f.block
}

// missing is for how long a message without an arrival counts as under way; after that its
// receiver is taken to be gone, unless a hold keeps the message.
const missing = int64(1_000_000_000)

// flight is when a message left and arrived, as far as it is known. A message with one
// event has the assumed flight; one that is still under way reaches to the end.
func (f *Frame) flight(g *message) (sent, received int64, underWay bool) {
	switch {
	case g.flags&singleB != 0:
		return g.sent - AssumedFlight, g.sent, false
	case g.received != 0:
		return g.sent, g.received, false
	case g.flags&(singleA|lost) != 0 || g.flags&held == 0 && f.work.until-g.sent > missing:
		return g.sent, g.sent + AssumedFlight, false
	default:
		return g.sent, max(f.work.until, g.sent+1), true
	}
}

// line lays out one message if its ends' lanes are shown and it touches the window.
func (f *Frame) line(g *message) {
	from, to := f.place[g.from], f.place[g.to]
	if from < 0 || to < 0 {
		return
	}
	sent, received, underWay := f.flight(g)
	gone := g.received == 0 && !underWay && g.flags&(singleA|singleB) == 0
	if received < f.Window.From || sent > f.Window.To {
		return
	}
	a, b := &f.Lanes[from], &f.Lanes[to]
	l := Line{X0: f.XAt(sent), X1: f.XAt(received), Y0: a.Y + a.H/2, Y1: b.Y + b.H/2, Class: view.Class(g.class),
		Lost: g.flags&lost != 0, Held: g.flags&held != 0 && g.received == 0, seq: g.seq, tx: g.tx}
	if f.focus {
		if l.Tone = Dim; f.isLitMessage(g) {
			l.Tone = Lit
		}
	}
	switch {
	case g.flags&tick != 0:
		f.tick(&l, g, a, b)
	case gone || underWay: // a piece of its way only
		share := 0.35
		if underWay && !l.Held {
			share = 0.6
		}
		l.X1 = math.Max(l.X0+(l.X1-l.X0)*share, l.X0+6*f.Scale)
		l.Y1 = l.Y0 + (l.Y1-l.Y0)*share
	}
	if math.Max(l.Y0, l.Y1) < f.Header || math.Min(l.Y0, l.Y1) > f.H {
		return
	}
	f.Lines = append(f.Lines, l)
}

// tick makes a short line between a peer and its container at the only known time.
func (f *Frame) tick(l *Line, g *message, a, b *Lane) {
	l.Tick = true
	at, slant := f.XAt(g.sent), 3*f.Scale
	edge := math.Max(a.Y, b.Y) // the container lies below its peer
	high, low := edge-4*f.Scale, edge+5*f.Scale
	if g.flags&singleA != 0 { // from the peer, downwards
		l.X0, l.Y0, l.X1, l.Y1 = at, high, at+slant, low
		return
	}
	l.X0, l.Y0, l.X1, l.Y1 = at-slant, low, at, high
}

const classes = int(view.Block) + 1

// layBundles counts for columns of a few pixels how many messages cross each space between
// two lanes. A message from lane a to lane b crosses all spaces between them: one is added
// at its upper lane and taken away at its lower one, then summed from top to bottom.
func (f *Frame) layBundles() {
	width := bundleWidth * f.Scale
	columns := int((f.W-f.Gutter)/width) + 1
	gaps := len(f.Lanes)
	size := columns * gaps * classes
	if cap(f.work.counts) < size {
		f.work.counts = make([]uint32, size)
	}
	f.work.counts = f.work.counts[:size]
	clear(f.work.counts)
	span := int64(width / f.perNS)
	f.work.top, f.work.bottom = int16(gaps), 0
	for i := range f.Lanes {
		if l := &f.Lanes[i]; l.Y+l.H > f.Header && l.Y < f.H { // with one lane more on both sides
			f.work.top, f.work.bottom = min(f.work.top, int16(max(0, i-1))), int16(min(i+1, gaps-1))
		}
	}
	for _, c := range f.x.msgs.chunks {
		if c.until < f.Window.From || c.list[0].sent >= f.Window.To {
			continue
		}
		last := c.list[len(c.list)-1].sent
		if sums := c.summed(); sums != nil && last-c.list[0].sent <= span && c.list[0].sent >= f.Window.From {
			column := int(float64(c.list[0].sent-f.Window.From) * f.perNS / width)
			for i := range sums {
				if !sums[i].quiet || f.o.Heartbeats {
					f.count(column, columns, sums[i].from, sums[i].to, sums[i].class, uint32(sums[i].n))
				}
			}
			continue
		}
		for i := range c.list {
			g := &c.list[i]
			if g.sent < f.Window.From || g.sent >= f.Window.To || g.flags&quiet != 0 && !f.o.Heartbeats {
				continue
			}
			f.count(int(float64(g.sent-f.Window.From)*f.perNS/width), columns, g.from, g.to, g.class, 1)
		}
	}
	f.bundle(width, columns, gaps)
}

func (f *Frame) count(column, columns int, from, to uint16, class uint8, n uint32) {
	a, b := f.place[from], f.place[to]
	if a > b {
		a, b = b, a
	}
	if a < 0 || a == b || b < f.work.top || a > f.work.bottom || column >= columns {
		return
	}
	a, b = max(a, f.work.top), min(b, f.work.bottom)
	cell := column * len(f.Lanes) * classes
	f.work.counts[cell+int(a)*classes+int(class)] += n
	f.work.counts[cell+int(b)*classes+int(class)] -= n
}

// bundle turns the counts into shaded pieces, one space between lanes after the other.
func (f *Frame) bundle(width float64, columns, gaps int) {
	tone := Normal
	if f.focus {
		tone = Dim
	}
	crossing := f.crossings(columns)
	for gap := int(f.work.top); gap < int(f.work.bottom); gap++ {
		a, b := &f.Lanes[gap], &f.Lanes[gap+1]
		y0, y1 := a.Y+a.H/2, b.Y+b.H/2
		for column := range columns {
			cell := f.work.counts[(column*gaps+gap)*classes:][:classes]
			most, total := 0, uint32(0)
			sums := &crossing[column]
			for class := range sums {
				sums[class] += cell[class]
				total += sums[class]
				if sums[class] > sums[most] {
					most = class
				}
			}
			if total == 0 || y1 < f.Header || y0 > f.H {
				continue
			}
			f.Bundles = append(f.Bundles, Bundle{X: f.Gutter + float64(column)*width, W: width, Y0: y0, Y1: y1, Class: view.Class(most),
				N: int(total), Share: 1 - math.Exp(-float64(total)/12), Tone: tone})
		}
	}
}

// crossings gives room for what crosses each column, all zero.
func (f *Frame) crossings(columns int) [][classes]uint32 {
	if cap(f.work.crossing) < columns {
		f.work.crossing = make([][classes]uint32, columns)
	}
	f.work.crossing = f.work.crossing[:columns]
	clear(f.work.crossing)
	return f.work.crossing
}
