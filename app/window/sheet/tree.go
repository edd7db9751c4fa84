package sheet

import (
	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

// Branch is one line of a tree.
type Branch struct {
	Depth int
	Name  string
	Value string
	Note  string
	Mono  bool // Value is an id, version, key or bytes
	Sign  Sign
	Tone  Tone
	Open  bool
	Fold  func() // opens or closes what is below; nil if nothing is
	Do    func() // follows the value
}

// Branch writes one line of a tree; a long value takes several.
func (b *Builder) Branch(n Branch) {
	h := b.Px(18)
	top := b.y
	x := b.branchLeft(n.Depth)
	middle := top + h/2
	if n.Fold != nil {
		b.chevron(view.Point{X: x + b.Px(4), Y: middle}, n.Open)
	}
	x += b.Px(13)
	if n.Sign != NoSign {
		b.Sign(n.Sign, view.Point{X: x + b.Px(6), Y: middle}, b.Px(6.5), n.Tone)
		x += b.Px(18)
	}
	name := Style{Tone: Quiet}
	if n.Value == "" && n.Fold != nil || n.Sign != NoSign {
		name.Tone = Plain
	}
	text := b.fit(n.Name, name, max(b.right-x, b.Px(24)))
	w := b.put(x, middle-b.lineHeight(name)/2, text, name)
	if n.Fold != nil {
		b.link(view.Rect{X: x - b.Px(14), Y: top + b.Px(1), W: w + b.Px(16), H: h - b.Px(2)}, n.Name, n.Fold)
	}
	if n.Name != "" {
		x += w + b.Px(8)
	}
	b.y = top + h
	if n.Value != "" {
		x = b.branchValue(n, x, middle)
	}
	if n.Note != "" {
		note := Style{Size: 10, Tone: Quiet}
		if n.Sign != NoSign {
			note.Tone = n.Tone
		}
		at := b.y - h/2
		if b.Measure(n.Note, note) > b.right-x { // on a line of its own
			at, x = at+h, b.branchLeft(n.Depth+1)+b.Px(13)
			b.y += h
		}
		b.put(x, at-b.lineHeight(note)/2, b.fit(n.Note, note, b.right-x), note)
	}
}

// branchLeft is where a branch of a depth begins; deep ones stop going to the right.
func (b *Builder) branchLeft(depth int) float64 {
	return b.left + min(b.Px(13)*float64(depth), b.Width()*0.45)
}

// branchValue writes the value behind the name and gives where it ends.
func (b *Builder) branchValue(n Branch, x, middle float64) float64 {
	s := Style{Mono: n.Mono}
	if n.Mono {
		s.Size = 10.5
	}
	if n.Do != nil {
		s.Tone = Accent
	}
	h := b.Px(18)
	if b.right-x < b.Px(70) && b.Measure(n.Value, s) > b.right-x { // no room behind the name
		x = b.branchLeft(n.Depth+1) + b.Px(13)
		middle += h
		b.y += h
	}
	top, wide := middle-h/2, 0.0
	for i, line := range b.wrap(n.Value, s, b.right-x) {
		if i > 0 {
			middle += h
			b.y += h
		}
		wide = b.put(x, middle-b.lineHeight(s)/2, line, s)
	}
	b.link(view.Rect{X: x, Y: top + b.Px(1), W: max(wide, b.Px(14)), H: b.y - top - b.Px(2)}, n.Value, n.Do)
	return x + wide + b.Px(8)
}

func (b *Builder) chevron(at view.Point, open bool) {
	d := b.Px(3)
	points := []view.Point{{X: at.X - d/2, Y: at.Y - d}, {X: at.X + d/2, Y: at.Y}, {X: at.X - d/2, Y: at.Y + d}}
	if open {
		points = []view.Point{{X: at.X - d, Y: at.Y - d/2}, {X: at.X, Y: at.Y + d/2}, {X: at.X + d, Y: at.Y - d/2}}
	}
	b.path(points, false, paint.Style{Stroke: b.th.Muted, Width: b.Px(1.4)})
}

// Column is one of several that stand side by side, line by line.
type Column struct {
	Name  string
	Do    func()
	Lines []Code
}

// Columns writes columns side by side: line i of all of them at the same height.
func (b *Builder) Columns(all []Column) {
	if len(all) == 0 {
		return
	}
	left, right := b.left, b.right
	gap := b.Px(8)
	wide := (b.Width() - gap*float64(len(all)-1)) / float64(len(all))
	top, puts := b.y, make([]func(op), len(all))
	for j := range all {
		puts[j] = b.below()
	}
	b.y += b.Px(7)
	rows := 0
	for _, c := range all {
		rows = max(rows, len(c.Lines))
	}
	for i := -1; i < rows; i++ {
		y, low := b.y, b.y
		for j, c := range all {
			b.left = left + float64(j)*(wide+gap) + b.Px(9)
			b.right = b.left + wide - b.Px(18)
			b.y = y
			b.columnLine(c, i)
			low = max(low, b.y)
		}
		b.y = low
	}
	b.y += b.Px(7)
	b.left, b.right = left, right
	for j, put := range puts {
		put(b.boxOp(Plain, view.Rect{X: left + float64(j)*(wide+gap) + 0.5, Y: top + 0.5, W: wide - 1, H: b.y - top - 1}))
	}
}

// columnLine writes line i of a column, its name for -1.
func (b *Builder) columnLine(c Column, i int) {
	if i < 0 {
		s := Style{Bold: true}
		if c.Do != nil {
			b.LinkText(b.fit(c.Name, s, b.Width()), s, c.Do)
		} else {
			b.Line(c.Name, s)
		}
		b.Gap(2)
		return
	}
	if i < len(c.Lines) {
		b.code(c.Lines[i], true)
	}
}

// Message is one line of a list of messages.
type Message struct {
	At   string
	Text string // "alice → peer0.org1 proposal"
	Tone Tone
	Lost bool // crossed
	Do   func()
}

// Messages writes a list in the fixed-width face, its times in a column.
func (b *Builder) Messages(list []Message) {
	at := Style{Mono: true, Size: 10, Tone: Quiet}
	text := Style{Mono: true, Size: 10.5}
	wide := 0.0
	for _, m := range list {
		wide = max(wide, b.Measure(m.At, at))
	}
	h := b.Px(19)
	for _, m := range list {
		x := b.left
		b.put(x, b.y+(h-b.lineHeight(at))/2, m.At, at)
		x += wide + b.Px(12)
		if m.Lost {
			b.Sign(Cross, view.Point{X: x + b.Px(6), Y: b.y + h/2}, b.Px(6.5), Bad)
			x += b.Px(17)
		}
		s := text
		s.Tone = m.Tone
		w := b.put(x, b.y+(h-b.lineHeight(s))/2, b.fit(m.Text, s, b.right-x), s)
		b.link(view.Rect{X: x, Y: b.y + b.Px(1), W: w, H: h - b.Px(2)}, m.Text, m.Do)
		b.y += h
	}
}
