package timeline

import (
	"math"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
)

// Hit says what is at a place: a transaction at a node, a block at a peer, a message or a
// node; and the time there. onRuler is true above the lanes, where the playhead is moved.
func (f *Frame) Hit(p view.Point) (s view.Selection, timeNS int64, onRuler bool) {
	timeNS = f.TimeAt(math.Max(p.X, f.Gutter))
	if p.Y < f.Header {
		return view.Selection{}, timeNS, p.X >= f.Gutter
	}
	if p.X < f.Gutter {
		return f.hitLane(p), timeNS, false
	}
	line, distance := f.nearestLine(p)
	if line != nil && distance <= 2.5*f.Scale {
		return f.ofLine(line), timeNS, false
	}
	if b, ok := f.hitBar(p); ok {
		return f.ofBar(&b), timeNS, false
	}
	if line != nil && distance <= 5*f.Scale {
		return f.ofLine(line), timeNS, false
	}
	return view.Selection{}, timeNS, false
}

func (f *Frame) hitLane(p view.Point) view.Selection {
	for i := range f.Lanes {
		if l := &f.Lanes[i]; p.Y >= l.Y && p.Y < l.Y+l.H {
			return view.Selection{What: view.SelectNode, Node: l.Node}
		}
	}
	return view.Selection{}
}

// hitBar finds the bar that is drawn topmost at p, or of a dense column the one nearest to
// the time there.
func (f *Frame) hitBar(p view.Point) (Bar, bool) {
	const grab = 1.5
	best := -1
	for i := range f.Bars {
		b := &f.Bars[i]
		if p.Y < b.Y || p.Y >= b.Y+b.H || p.X < b.X0-grab || p.X > b.X1+grab {
			continue
		}
		if best < 0 || f.Bars[best].Kind == facts.Down || b.Kind != facts.Down && (b.Tone == Lit || f.Bars[best].Tone != Lit) {
			best = i
		}
	}
	if best >= 0 && f.Bars[best].Kind != facts.Down {
		return f.Bars[best], true
	}
	for i := range f.Columns {
		c := &f.Columns[i]
		if x, y := float64(c.X), float64(c.Y); p.Y >= y && p.Y < y+float64(c.H) && p.X >= x-grab && p.X < x+1+grab {
			if b, ok := f.nearestIn(c, p); ok {
				return b, true
			}
		}
	}
	if best >= 0 {
		return f.Bars[best], true
	}
	return Bar{}, false
}

// nearestIn finds the bar of a dense column's track that is nearest to the time at p.
func (f *Frame) nearestIn(c *Column, p view.Point) (Bar, bool) {
	at := f.TimeAt(p.X)
	slack := int64(3/f.perNS) + 1
	for i := range f.Lanes {
		place := &f.Lanes[i]
		if p.Y < place.Y || p.Y >= place.Y+place.H {
			continue
		}
		number := f.work.numbers[i]
		l := f.x.lanes[number]
		rows := max(1, int((place.H/f.Scale-2*laneInset+1)/rowPitch))
		for _, t := range l.tracks {
			if y, _ := f.rowBox(place, rows, l, t); t.kind != c.Kind || float32(y) != c.Y {
				continue
			}
			r := row{f: f, t: t, lane: number}
			if b := r.nearest(at, slack); b != nil {
				x0 := f.XAt(b.start)
				return Bar{X0: x0, X1: math.Max(x0+1, f.XAt(r.endOf(b))), Y: float64(c.Y), H: float64(c.H), Start: b.start, End: r.endOf(b), Kind: t.kind,
					Class: classOf(t.kind, b.flags), Failed: b.flags&failed != 0, Open: b.end == stillOpen, lane: number, tx: b.tx, block: b.block}, true
			}
		}
	}
	return Bar{}, false
}

// nearest is the bar that runs at a time or is nearest to it, within slack.
func (r row) nearest(at, slack int64) *bar {
	first, end := r.t.visible(at-slack, at+slack)
	var best *bar
	least := int64(math.MaxInt64)
	for i := first; i < end; i++ {
		b := &r.t.bars[i]
		away := max(0, b.start-at, at-r.endOf(b))
		if away <= least {
			best, least = b, away
		}
	}
	return best
}

// nearestLine gives the message nearest to p; the selection's go before others.
func (f *Frame) nearestLine(p view.Point) (*Line, float64) {
	var best *Line
	least := math.Inf(1)
	for i := range f.Lines {
		l := &f.Lines[i]
		d := distance(p, l)
		if l.Tone == Lit {
			d -= 1
		}
		if d < least {
			best, least = l, d
		}
	}
	return best, least
}

func distance(p view.Point, l *Line) float64 {
	dx, dy := l.X1-l.X0, l.Y1-l.Y0
	share := 0.0
	if n := dx*dx + dy*dy; n > 0 {
		share = math.Min(1, math.Max(0, ((p.X-l.X0)*dx+(p.Y-l.Y0)*dy)/n))
	}
	return math.Hypot(p.X-l.X0-share*dx, p.Y-l.Y0-share*dy)
}

func (f *Frame) ofLine(l *Line) view.Selection {
	s := view.Selection{What: view.SelectMessage, Seq: l.seq}
	s.TxID = f.x.world.Messages().TxID(l.tx)
	return s
}

func (f *Frame) ofBar(b *Bar) view.Selection {
	node, tx := f.x.world.Name(b.lane), f.x.world.Messages().TxID(b.tx)
	switch {
	case tx != "":
		return view.Selection{What: view.SelectTx, TxID: tx, Node: node}
	case b.Kind == facts.Validate:
		return view.Selection{What: view.SelectBlock, Block: b.block - 1, Node: node}
	case b.Kind == facts.Order && b.block > 0:
		return view.Selection{What: view.SelectBlock, Block: b.block - 1}
	default:
		return view.Selection{What: view.SelectNode, Node: node}
	}
}
