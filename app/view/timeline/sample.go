package timeline

import (
	"math"
	"strconv"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
)

// wideEnough is the width in pixels from which a bar is drawn by itself.
const wideEnough = 2.0

// maxShared bounds how many bars of a shared row are drawn one by one.
const maxShared = 400

// layBars lays out the bars of one lane.
func (f *Frame) layBars(number int32, place *Lane) {
	l := f.x.lanes[number]
	rows := max(1, int((place.H/f.Scale-2*laneInset+1)/rowPitch))
	for _, t := range l.tracks {
		y, h := f.rowBox(place, rows, l, t)
		if y+h < f.Header || y > f.H {
			continue
		}
		layer := row{f: f, t: t, lane: number, y: y, h: h}
		first, end := t.visible(f.Window.From, f.Window.To)
		if t.shared && end-first > maxShared {
			layer.shade()
		} else if t.shared {
			layer.each(first, end)
		} else {
			layer.sample(first, end)
		}
		if f.focus {
			layer.light()
		}
	}
}

// rowBox is where a track's bars lie: thick in the middle when the lane needs one row only,
// over the whole lane when the node is down.
func (f *Frame) rowBox(place *Lane, rows int, l *lane, t *track) (y, h float64) {
	if t.kind == facts.Down {
		return place.Y + f.Scale, place.H - 2*f.Scale
	}
	if t.kind == facts.Sync {
		return place.Y + place.H - 3*f.Scale, 2 * f.Scale
	}
	span := f.Window.Span()
	if rows <= 2 && l.rowsIn(f.Window.From-span/2, f.Window.To+span/2) == 1 {
		return place.Y + (place.H-thickBar*f.Scale)/2, thickBar * f.Scale
	}
	return place.Y + (laneInset+rowPitch*float64(t.row))*f.Scale, thinBar * f.Scale
}

// row lays out the bars of one track.
type row struct {
	f    *Frame
	t    *track
	lane int32
	y, h float64
}

// sample walks over a track without overlaps from left to right: wide bars are laid out by
// themselves, of the others every pixel column gets its exact occupancy. One step is a bar
// or a column, so the number of bars does not matter.
func (r row) sample(i, end int) {
	f, bars := r.f, r.t.bars
	done := f.Gutter // columns left of it are laid out
	for i < end {
		b := &bars[i]
		x0, x1 := f.XAt(b.start), f.XAt(r.endOf(b))
		if x1-x0 >= wideEnough {
			r.bar(b, x0, x1)
			i++
			continue
		}
		column := math.Max(math.Floor(x0), done)
		if column >= f.W {
			return
		}
		from, to := f.columnTimes(column)
		next := min(max(i+1, r.t.firstFrom(to, i)), end)
		r.column(column, i, next, from, to)
		done = column + 1
		// What reaches into the next column counts there too; a wide bar that begins at the
		// end of this one is laid out by itself.
		last := &bars[next-1]
		if reach := r.endOf(last); reach > to || next-1 > i && f.XAt(reach)-f.XAt(last.start) >= wideEnough {
			i = next - 1
		} else {
			i = next
		}
	}
}

// columnTimes are the times that a pixel column shows.
func (f *Frame) columnTimes(column float64) (from, to int64) {
	from = f.TimeAt(column)
	return from, max(from+1, f.TimeAt(column+1))
}

// column lays out one column with narrow bars from first to next; wide bars before and at
// the end of it do not count.
func (r row) column(x float64, first, next int, from, to int64) {
	bars := r.t.bars
	for first > 0 && bars[first-1].end > from {
		first--
	}
	// The sum from the first bar to the last one, without what lies outside of the column.
	a, z := &bars[first], &bars[next-1]
	busy := z.sum - a.sum + min(r.endOf(z), to) - z.start - max(0, from-a.start)
	busy -= r.wideShare(a, from, to)
	if next-1 > first {
		busy -= r.wideShare(z, from, to)
	}
	r.add(x, float64(busy)/float64(to-from), classOf(r.t.kind, z.flags))
}

// wideShare is how long a bar runs in [from, to) if it is wide enough for itself, else 0.
func (r row) wideShare(b *bar, from, to int64) int64 {
	end := r.endOf(b)
	if r.f.XAt(end)-r.f.XAt(b.start) < wideEnough {
		return 0
	}
	return max(0, min(end, to)-max(b.start, from))
}

// shade lays out every column of a shared row by how much runs in it.
func (r row) shade() {
	var c cursor
	from, _ := r.f.columnTimes(r.f.Gutter)
	before := r.t.busyUntil(from, &c)
	class := classOf(r.t.kind, 0)
	for x := r.f.Gutter; x < r.f.W; x++ {
		from, to := r.f.columnTimes(x)
		now := r.t.busyUntil(min(to, r.f.work.until), &c)
		if now > before {
			r.add(x, float64(now-before)/float64(to-from), class)
		}
		before = now
	}
}

func (r row) add(x, share float64, class view.Class) {
	tone := Normal
	if r.f.focus {
		tone = Dim
	}
	r.f.Columns = append(r.f.Columns, Column{X: float32(x), Y: float32(r.y), H: float32(r.h),
		Share: float32(min(1, max(0, share))), Kind: r.t.kind, Class: class, Tone: tone})
}

// each lays out bars that may overlap one by one, the selection's last. Only bars that lie
// alone and the selection's keep their labels: others would be written over each other.
func (r row) each(first, end int) {
	reach := int64(0)
	for _, lit := range [2]bool{false, true} {
		for i := first; i < end; i++ {
			b := &r.t.bars[i]
			if r.endOf(b) <= r.f.Window.From || lit != (r.f.focus && r.f.isLit(r.t.kind, b)) {
				continue
			}
			x0, x1 := r.f.XAt(b.start), r.f.XAt(r.endOf(b))
			r.bar(b, x0, math.Max(x1, x0+1))
			alone := b.start >= reach && (i+1 == end || r.t.bars[i+1].start >= r.endOf(b))
			if reach = max(reach, r.endOf(b)); !alone && !lit {
				r.f.Bars[len(r.f.Bars)-1].Label = ""
			}
		}
	}
}

// light lays out the selection's bars that are too narrow for themselves.
func (r row) light() {
	f := r.f
	from, to := f.Window.From, f.Window.To
	if r.t.kind != facts.Order && r.t.kind != facts.Validate {
		first, last, ok := f.chosenTimes()
		if !ok {
			return
		}
		from, to = max(from, first), min(to, last)
	}
	first, end := r.t.visible(from, to)
	shaded := r.t.shared && r.shaded()
	for i := first; i < end; i++ {
		b := &r.t.bars[i]
		if !f.isLit(r.t.kind, b) {
			continue
		}
		x0, x1 := f.XAt(b.start), f.XAt(r.endOf(b))
		if shaded || !r.t.shared && x1-x0 < wideEnough {
			r.bar(b, x0, math.Max(x1, x0+wideEnough))
		}
	}
}

func (r row) shaded() bool {
	first, end := r.t.visible(r.f.Window.From, r.f.Window.To)
	return end-first > maxShared
}

// endOf is where a bar ends; open ones reach to the trace's end or the playhead.
func (r row) endOf(b *bar) int64 {
	if b.end == stillOpen {
		return max(b.start, r.f.work.until)
	}
	return b.end
}

// bar lays out one bar.
func (r row) bar(b *bar, x0, x1 float64) {
	f := r.f
	tone := Normal
	if f.focus {
		if tone = Dim; f.isLit(r.t.kind, b) {
			tone = Lit
		}
	}
	out := Bar{X0: x0, X1: x1, Y: r.y, H: r.h, Start: b.start, End: r.endOf(b), Kind: r.t.kind, Class: classOf(r.t.kind, b.flags),
		Tone: tone, Failed: b.flags&failed != 0, Open: b.end == stillOpen, Overlaps: r.t.shared, lane: r.lane, tx: b.tx, block: b.block}
	if math.Min(x1, f.W)-math.Max(x0, f.Gutter) >= 26*f.Scale {
		out.Label = f.label(&out)
	}
	f.Bars = append(f.Bars, out)
}

// isLit tells whether a bar belongs to the selection.
func (f *Frame) isLit(kind facts.SpanKind, b *bar) bool {
	if f.chosen(b.tx) {
		return true
	}
	if f.block == 0 {
		return false
	}
	if kind == facts.Order || kind == facts.Validate {
		return b.block == f.block
	}
	if f.o.Selection.What == view.SelectBlock {
		tx := f.x.world.Messages().Tx(b.tx)
		return tx != nil && tx.Block == f.block
	}
	return false
}

// classOf is a bar's colour: a call is a read until it writes.
func classOf(kind facts.SpanKind, flags uint8) view.Class {
	switch kind {
	case facts.Propose, facts.Await, facts.Simulate:
		return view.Proposal
	case facts.Call:
		if flags&writes != 0 {
			return view.Write
		}
		return view.Read
	case facts.Order:
		return view.Raft
	case facts.Validate:
		return view.Block
	}
	return view.Plain
}

// label is what is written in a bar.
func (f *Frame) label(b *Bar) string {
	id := view.ShortID(f.x.world.Messages().TxID(b.tx))
	number := ""
	if b.block > 0 {
		number = "#" + strconv.FormatUint(b.block-1, 10) + " "
	}
	switch b.Kind {
	case facts.Propose:
		return f.Book.L("{{.ID}} endorse", id)
	case facts.Await:
		return f.Book.L("{{.ID}} wait", id)
	case facts.Simulate:
		return f.Book.L("{{.ID}} simulate", id)
	case facts.Call:
		return id
	case facts.Order:
		return number + f.Book.L("order")
	case facts.Validate:
		return number + f.Book.L("validate")
	case facts.Build:
		return f.Book.L("build")
	case facts.Launch:
		return f.Book.L("launch")
	case facts.Sync:
		return "" // there is no room
	default:
		return f.Book.L("not running")
	}
}
