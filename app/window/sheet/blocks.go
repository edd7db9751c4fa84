package sheet

import (
	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

// Cell is a piece of text in a table. With a Do it is a link.
type Cell struct {
	Text string
	Style
	Do func()
}

// say is the cell's style, a link in the accent's colour unless it has a tone.
func (c Cell) say() Style {
	if c.Do != nil && c.Tone == Plain {
		c.Style.Tone = Accent
	}
	return c.Style
}

// Spaces of a table.
const (
	columnGap   = 14
	narrowGap   = 9  // where columns have to give way
	columnFloor = 82 // up to this width a column keeps what it needs, if that is possible
	maxCellRows = 3  // lines of one cell
)

// Table writes a framed table. Columns are as wide as they need; if there is no room for
// that, the widest give way, and texts in them take several lines.
func (b *Builder) Table(header []string, rows [][]Cell) {
	b.Box(Plain, func() {
		widths, gap := b.columns(header, rows)
		head := Style{Tone: Quiet}
		x := b.left
		for i, h := range header {
			b.put(x, b.y, b.fit(h, head, widths[i]+gap), head)
			x += widths[i] + gap
		}
		if len(header) > 0 {
			b.y += b.lineHeight(head) + b.Px(3)
		}
		for _, row := range rows {
			b.tableRow(row, widths, gap)
		}
	})
}

func (b *Builder) tableRow(row []Cell, widths []float64, gap float64) {
	x, h, low := b.left, b.Px(19), b.y+b.Px(19)
	for i, c := range row {
		if i >= len(widths) {
			break
		}
		s := c.say()
		y, wide := b.y+(h-b.lineHeight(s))/2, 0.0
		for _, line := range paint.Wrap(c.Text, b.font(s), max(widths[i]+0.5, b.Px(8)), maxCellRows) {
			wide = max(wide, b.put(x, y, line, s))
			y += b.lineHeight(s)
		}
		low = max(low, y+b.Px(2))
		b.link(view.Rect{X: x, Y: b.y + b.Px(1), W: max(wide, b.Px(12)), H: y - b.y - b.Px(1)}, c.Text, c.Do)
		x += widths[i] + gap
	}
	b.y = low
}

// columns measures the columns and shrinks the widest until the table fits; what is left
// over is shared evenly.
func (b *Builder) columns(header []string, rows [][]Cell) (widths []float64, gap float64) {
	n := len(header)
	for _, r := range rows {
		n = max(n, len(r))
	}
	widths = make([]float64, n)
	for i, h := range header {
		widths[i] = b.Measure(h, Style{})
	}
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], b.Measure(c.Text, c.Style))
		}
	}
	total := 0.0
	for _, w := range widths {
		total += w
	}
	gap = b.Px(columnGap)
	if room := b.Width() - float64(n-1)*gap; total <= room {
		for i := range widths {
			widths[i] += (room - total) / float64(max(n, 1))
		}
		return widths, gap
	}
	gap = b.Px(narrowGap)
	return shrink(widths, b.Width()-float64(n-1)*gap, b.Px(columnFloor)), gap
}

// shrink makes the widest columns equally narrow, until all fit into room. Columns no
// wider than floor give way only if that is not enough.
func shrink(widths []float64, room, floor float64) []float64 {
	low, high := 0.0, room
	sum := func(most float64) (total float64) {
		for _, w := range widths {
			total += limited(w, most, floor)
		}
		return total
	}
	if sum(0) > room {
		floor = 0
	}
	for range 40 {
		if mid := (low + high) / 2; sum(mid) > room {
			high = mid
		} else {
			low = mid
		}
	}
	for i := range widths {
		widths[i] = limited(widths[i], low, floor)
	}
	return widths
}

// limited is a column's width at most most, or all that it needs up to floor.
func limited(w, most, floor float64) float64 {
	if w <= floor {
		return w
	}
	return min(w, max(most, floor*0.6))
}

// Fields writes names with their values, which take several lines where they must.
func (b *Builder) Fields(rows [][2]Cell) {
	b.Box(Plain, func() {
		wide := 0.0
		for _, r := range rows {
			wide = max(wide, b.Measure(r[0].Text, r[0].Style))
		}
		wide = min(wide, b.Width()*0.42)
		for _, r := range rows {
			b.field(r[0], r[1], wide)
		}
	})
}

func (b *Builder) field(name, value Cell, wide float64) {
	top := b.y
	s := value.say()
	b.put(b.left, top, b.fit(name.Text, name.Style, wide), name.Style)
	x := b.left + wide + b.Px(12)
	w := 0.0
	for _, line := range b.wrap(value.Text, s, b.right-x) {
		w = max(w, b.put(x, b.y, line, s))
		b.y += b.lineHeight(s)
	}
	b.link(view.Rect{X: x, Y: top, W: max(w, b.Px(12)), H: b.y - top}, value.Text, value.Do)
	b.Gap(2)
}

// Code is one line of code or of a difference.
type Code struct {
	Sign   string // "+", "-", "≠" or ""
	Text   string
	Tone   Tone
	Bold   bool
	Marked bool // on a ground that stands out
	Do     func()
}

// Codes writes lines in the fixed-width face; long ones are broken.
func (b *Builder) Codes(lines []Code) {
	signs := false
	for _, l := range lines {
		signs = signs || l.Sign != ""
	}
	for _, l := range lines {
		b.code(l, signs)
	}
}

func (b *Builder) code(l Code, signs bool) {
	s := Style{Mono: true, Tone: l.Tone, Bold: l.Bold}
	if l.Do != nil && l.Tone == Plain {
		s.Tone = Accent
	}
	x, h := b.left, b.Px(18)
	if signs && !l.Bold {
		b.put(x, b.y+(h-b.lineHeight(s))/2, l.Sign, s)
		x += b.Px(14)
	}
	indent := 0.0
	for _, r := range l.Text {
		if r != ' ' {
			break
		}
		indent += b.Measure(" ", s)
	}
	put, top, w := b.below(), b.y, 0.0
	for i, line := range b.wrap(l.Text, s, b.right-x-indent) {
		if i > 0 {
			b.y += h
		}
		w = max(w, b.put(x+indent, b.y+(h-b.lineHeight(s))/2, line, s))
	}
	b.y += h
	if l.Marked {
		put(box(view.Rect{X: b.left - b.Px(4), Y: top, W: b.Width() + b.Px(8), H: b.y - top}, b.Px(3), paint.Style{Fill: paint.Alpha(s.Tone.Color(b.th), 0.14)}))
	}
	b.link(view.Rect{X: x, Y: top, W: max(w+indent, b.Px(20)), H: b.y - top}, l.Text, l.Do)
}

// Item is one row of a list, in a frame: a sign, a name, what there is to say about it,
// a note at the right end, and what can be done with it.
type Item struct {
	Sign    Sign
	Badge   string  // a number in the sign's place
	Share   float64 // how far it is, 0 for nothing to show
	Tone    Tone    // of the sign
	Name    string
	Mono    bool // Name is an id
	Detail  string
	Note    string
	NoteIn  Tone
	Marked  bool
	Do      func() // the row as a whole
	Actions []Action
}

// Action is a small button on a page. Without a Do it is shown as not to be had.
type Action struct {
	Label string
	Tone  Tone
	On    bool // a switch that is on
	Do    func()
}

// Item writes a row of a list.
func (b *Builder) Item(it Item) {
	put, top := b.below(), b.y
	links := len(b.page.links)
	b.Gap(6)
	name := Style{Size: 11.5, Mono: it.Mono}
	if it.Detail != "" || len(it.Actions) > 0 {
		name.Bold = !it.Mono
	}
	inset := b.Px(10)
	x := b.left + inset
	h := max(b.lineHeight(name), b.Px(18))
	x = b.itemSign(it, x, b.y+h/2)
	note := Style{Tone: it.NoteIn}
	right := b.right - inset
	if it.Note != "" {
		text := b.fit(it.Note, note, (right-x)*0.6)
		w := b.Measure(text, note)
		b.put(right-w, b.y+(h-b.lineHeight(note))/2, text, note)
		right -= w + b.Px(8)
	}
	b.put(x, b.y+(h-b.lineHeight(name))/2, b.fit(it.Name, name, right-x), name)
	b.y += h
	left := b.left
	b.left, b.right = x, b.right-inset
	if it.Detail != "" {
		b.Text(it.Detail, Style{Tone: Quiet})
	}
	if it.Share > 0 {
		b.Gap(3)
		b.Progress(it.Share, Accent)
	}
	if len(it.Actions) > 0 {
		b.Gap(4)
		b.Actions(it.Actions...)
	}
	b.left, b.right = left, b.right+inset
	b.Gap(6)
	r := view.Rect{X: b.left + 0.5, Y: top + 0.5, W: b.Width() - 1, H: b.y - top - 1}
	frame := b.boxStyle(Plain)
	if it.Marked {
		frame = paint.Style{Fill: b.th.Selected, Stroke: b.th.Accent, Width: 1.5}
	}
	put(box(r, b.Px(8), frame))
	if it.Do != nil { // before its actions: the keyboard comes to the row first, the pointer to what is on it
		l := Link{Rect: r, Name: it.Name, Do: it.Do}
		b.page.links = append(b.page.links[:links], append([]Link{l}, b.page.links[links:]...)...)
	}
	b.Gap(5)
}

// itemSign draws a row's sign or badge and gives where its name begins.
func (b *Builder) itemSign(it Item, x, middle float64) float64 {
	switch {
	case it.Badge != "":
		r := b.Px(11)
		at := view.Point{X: x + r, Y: middle + b.Px(2)}
		b.circle(at, r, paint.Style{Fill: paint.Alpha(it.Tone.Color(b.th), 0.18)})
		s := Style{Bold: true, Tone: it.Tone}
		b.put(at.X-b.Measure(it.Badge, s)/2, at.Y-b.lineHeight(s)/2, it.Badge, s)
		return x + 2*r + b.Px(10)
	case it.Sign != NoSign:
		b.Sign(it.Sign, view.Point{X: x + b.Px(8), Y: middle}, b.Px(8), it.Tone)
		return x + b.Px(24)
	}
	return x
}

// Actions writes small buttons next to each other, and below each other where there is
// no room.
func (b *Builder) Actions(all ...Action) {
	x, h := b.left, b.Px(22)
	for i, a := range all {
		s := Style{Tone: a.Tone}
		if a.Do == nil {
			s.Tone = Faint
		}
		w := b.Measure(a.Label, s) + b.Px(16)
		if i > 0 && x+w > b.right {
			x = b.left
			b.y += h + b.Px(5)
		}
		r := view.Rect{X: x + 0.5, Y: b.y + 0.5, W: w - 1, H: h - 1}
		st := paint.Style{Fill: b.th.Sunken, Stroke: b.th.Line, Width: 1}
		if b.th.Sunken == b.cardFill() {
			st.Fill = b.th.Panel
		}
		if a.On {
			st.Fill, st.Stroke = b.th.Selected, b.th.Accent
		}
		b.add(box(r, b.Px(5), st))
		b.put(x+b.Px(8), b.y+(h-b.lineHeight(s))/2, a.Label, s)
		b.link(r, a.Label, a.Do)
		x += w + b.Px(6)
	}
	if len(all) > 0 {
		b.y += h
	}
}

// Empty writes what there is to say where there is nothing to show.
func (b *Builder) Empty(title, text string) {
	b.Gap(4)
	b.Text(title, Style{Size: 13, Bold: true})
	b.Gap(2)
	b.Text(text, Style{Tone: Quiet, Size: 11.5})
}

// Progress draws a bar that is filled up to share (0 to 1).
func (b *Builder) Progress(share float64, tone Tone) {
	r := view.Rect{X: b.left, Y: b.y + b.Px(2), W: b.Width(), H: b.Px(4)}
	b.add(box(r, b.Px(2), paint.Style{Fill: b.th.Sunken}))
	if share > 0 {
		r.W *= min(1, share)
		b.add(box(r, b.Px(2), paint.Style{Fill: tone.Color(b.th)}))
	}
	b.Gap(8)
}
