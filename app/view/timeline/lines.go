package timeline

import (
	"math"
	"sort"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
)

// maxLines is how many messages are drawn one by one; more become bundles.
const maxLines = 2500

// bundleWidth is the width of a bundle in pixels.
const bundleWidth = 3.0

// layMessages lays out the messages: lines while there are few, else bundles and the
// selection's lines.
func (f *Frame) layMessages() {
	if len(f.x.world.Messages().Chunks) == 0 {
		return
	}
	if f.sentIn(f.Window.From, f.Window.To) <= maxLines {
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

// sentIn counts the messages that began in [from, to), from the chunks' borders: at most
// two chunks too many.
func (f *Frame) sentIn(from, to int64) int {
	chunks := f.x.world.Messages().Chunks
	since := func(at int64) int {
		i := sort.Search(len(chunks), func(i int) bool { return chunks[i].First >= at })
		return max(0, i-1)
	}
	return (since(to) - since(from) + 1) * facts.ChunkSize
}

// blockTimes is the time in which the selected block was ordered, validated and passed on.
func (f *Frame) blockTimes() (from, to int64, ok bool) {
	const passing = int64(100_000_000) // clients learn of it after the peers
	if f.block == 0 {
		return 0, 0, false
	}
	for _, l := range f.x.lanes {
		if l == nil {
			continue
		}
		for _, t := range l.tracks {
			if t.kind != facts.Order && t.kind != facts.Validate {
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
	reach := to + facts.Assumed
	for _, c := range f.x.world.Messages().Chunks {
		if c.Until < from || c.First > reach {
			continue
		}
		for i := range c.List {
			g := &c.List[i]
			if g.Sent > reach || lit && !f.isLitMessage(g) || g.Quiet() && !f.o.Heartbeats {
				continue
			}
			f.line(g)
		}
	}
}

// isLitMessage tells whether a message belongs to the selection: the transaction's own,
// and the blocks that carry it.
func (f *Frame) isLitMessage(g *facts.Message) bool {
	if f.chosen(g.Tx) || f.block != 0 && uint64(g.Block) == f.block {
		return true
	}
	s := &f.o.Selection
	return s.What == view.SelectMessage && (g.Seq == s.Seq || g.End() == s.Seq)
}

// flight is when a message left and arrived, as far as it is known. One that is under way
// reaches to the end; of one that is gone nobody knows how far it came: it was lost, or has
// been under way for so long that its receiver must be gone, unless a hold keeps it.
func (f *Frame) flight(g *facts.Message) (sent, received int64, underWay, gone bool) {
	if g.Lost() {
		return g.Sent, g.Sent + facts.Assumed, false, true
	}
	if g.End() != 0 {
		return g.Sent, g.Received, false, false
	}
	if g.Paused() {
		if stop, ok := f.x.world.Messages().Stop(g.ID); ok && stop.Released != 0 { // its arrival, if we see that, is told later
			return g.Sent, stop.Released, false, false
		}
	}
	if g.Received != facts.Unended || !g.Paused() && f.work.until-g.Sent > facts.Abandoned {
		return g.Sent, g.Sent + facts.Assumed, false, true
	}
	return g.Sent, max(f.work.until, g.Sent+1), true, false
}

// line lays out one message if its ends' lanes are shown and it touches the window.
func (f *Frame) line(g *facts.Message) {
	from, to := f.place[g.From], f.place[g.To]
	if from < 0 || to < 0 {
		return
	}
	sent, received, underWay, gone := f.flight(g)
	if received < f.Window.From || sent > f.Window.To {
		return
	}
	a, b := &f.Lanes[from], &f.Lanes[to]
	l := Line{X0: f.XAt(sent), X1: f.XAt(received), Y0: a.Y + a.H/2, Y1: b.Y + b.H/2, Class: g.Class,
		Lost: g.Lost(), Held: g.Paused() && underWay, seq: g.Seq, tx: g.Tx}
	if f.focus {
		if l.Tone = Dim; f.isLitMessage(g) {
			l.Tone = Lit
		}
	}
	switch nodes := f.x.world.Nodes; {
	case nodes[g.To].Being == facts.Code:
		f.tick(&l, g.Told(), a, b, true)
	case nodes[g.From].Being == facts.Code:
		f.tick(&l, g.Told(), a, b, false)
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
func (f *Frame) tick(l *Line, told int64, a, b *Lane, down bool) {
	l.Tick = true
	at, slant := f.XAt(told), 3*f.Scale
	edge := math.Max(a.Y, b.Y) // the container lies below its peer
	high, low := edge-4*f.Scale, edge+5*f.Scale
	if down {
		l.X0, l.Y0, l.X1, l.Y1 = at, high, at+slant, low
		return
	}
	l.X0, l.Y0, l.X1, l.Y1 = at-slant, low, at, high
}

const classes = view.ClassCount

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
	for _, c := range f.x.world.Messages().Chunks {
		if c.Until < f.Window.From || c.First >= f.Window.To {
			continue
		}
		if c.Last-c.First <= span && c.First >= f.Window.From && len(c.List) == facts.ChunkSize {
			column := int(float64(c.First-f.Window.From) * f.perNS / width)
			for _, s := range c.Sums() {
				if !s.Quiet || f.o.Heartbeats {
					f.count(column, columns, s.From, s.To, s.Class, uint32(s.N))
				}
			}
			continue
		}
		for i := range c.List {
			g := &c.List[i]
			at := g.Told()
			if at < f.Window.From || at >= f.Window.To || g.Quiet() && !f.o.Heartbeats {
				continue
			}
			f.count(int(float64(at-f.Window.From)*f.perNS/width), columns, g.From, g.To, g.Class, 1)
		}
	}
	f.bundle(width, columns, gaps)
}

func (f *Frame) count(column, columns int, from, to int32, class view.Class, n uint32) {
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
