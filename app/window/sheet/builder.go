package sheet

import (
	"image/color"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
)

// Tone is what a colour means on a page. A word, a sign or a shape says the same.
type Tone = look.Tone

// The tones.
const (
	Plain, Quiet, Faint, Accent = look.Plain, look.Quiet, look.Faint, look.Accent
	Good, Bad, Warn             = look.Good, look.Bad, look.Warn
	Proposal                    = look.Classed + Tone(view.Proposal)
	Read                        = look.Classed + Tone(view.Read)
	Written                     = look.Classed + Tone(view.Write)
)

// Of is the tone of a class of messages.
func Of(c view.Class) Tone {
	if c == view.Plain {
		return Plain
	}
	return look.Classed + Tone(c)
}

// Style says how words are written. The zero value is plain text of 11.
type Style struct {
	Size float64 // 16, 13, 11 (the zero value) or 10
	Bold bool
	Mono bool
	Tone Tone
}

// Bounds of a page; what is beyond is left out, and the page says so.
const (
	maxOps       = 40000
	maxWrapLines = 200
)

// Builder lays a page out from top to bottom. All methods write below what is there.
type Builder struct {
	th    *paint.Theme
	page  page
	left  float64 // of the column that is written
	right float64
	y     float64
}

func newBuilder(th *paint.Theme, width float64) *Builder {
	return &Builder{th: th, right: width}
}

func (b *Builder) finish() *page {
	b.page.height = b.y
	return &b.page
}

// Width is the width of the column that is written.
func (b *Builder) Width() float64 { return b.right - b.left }

// Px is v in the palette's scale.
func (b *Builder) Px(v float64) float64 { return v * b.th.Scale }

// Gap leaves v units free.
func (b *Builder) Gap(v float64) { b.y += b.Px(v) }

// Indent writes what f writes v units further to the right.
func (b *Builder) Indent(v float64, f func()) {
	b.left += b.Px(v)
	f()
	b.left -= b.Px(v)
}

// Short writes what f writes with v units free at the right.
func (b *Builder) Short(v float64, f func()) {
	b.right -= v
	f()
	b.right += v
}

// Margins writes what f writes with v units free on both sides.
func (b *Builder) Margins(v float64, f func()) {
	b.left, b.right = b.left+b.Px(v), b.right-b.Px(v)
	f()
	b.left, b.right = b.left-b.Px(v), b.right+b.Px(v)
}

func (b *Builder) font(s Style) paint.Font {
	if s.Size == 0 {
		s.Size = 11
	}
	return paint.Font{Mono: s.Mono, Bold: s.Bold, Size: s.Size * b.th.Scale}
}

func (b *Builder) lineHeight(s Style) float64 {
	return b.font(s).Size * 1.5
}

// Measure is the width of a text.
func (b *Builder) Measure(text string, s Style) float64 { return paint.TextWidth(text, b.font(s)) }

func (b *Builder) add(o op) {
	if len(b.page.ops) < maxOps {
		b.page.ops = append(b.page.ops, o)
	}
}

// below keeps a place for what lies below that which is written next; put fills it.
func (b *Builder) below() (put func(op)) {
	at := len(b.page.ops)
	b.add(op{})
	return func(o op) {
		if at < len(b.page.ops) {
			b.page.ops[at] = o
		}
	}
}

// put writes one line with its top at y, without moving on, and gives its width.
func (b *Builder) put(x, y float64, text string, s Style) float64 {
	if text == "" {
		return 0
	}
	f := b.font(s)
	w := paint.TextWidth(text, f)
	h := b.lineHeight(s)
	at, ink := view.Point{X: x, Y: paint.Baseline(y+h/2, f)}, s.Tone.Color(b.th)
	b.add(op{r: view.Rect{X: x, Y: y, W: w, H: h}, text: text, draw: func(c paint.Canvas) { c.Text(at, text, f, ink) }})
	return w
}

// fit cuts a text to a width.
func (b *Builder) fit(text string, s Style, width float64) string {
	return paint.Fit(text, b.font(s), width)
}

// link makes a place of the page a link.
func (b *Builder) link(r view.Rect, name string, do func()) {
	if do != nil {
		b.page.links = append(b.page.links, Link{Rect: r, Name: name, Do: do})
	}
}

// Line writes one line, cut where there is no room.
func (b *Builder) Line(text string, s Style) {
	b.put(b.left, b.y, b.fit(text, s, b.Width()), s)
	b.y += b.lineHeight(s)
}

// Text writes a text over as many lines as it takes.
func (b *Builder) Text(text string, s Style) {
	for _, line := range b.wrap(text, s, b.Width()) {
		b.put(b.left, b.y, line, s)
		b.y += b.lineHeight(s)
	}
}

// LinkText writes a text that leads somewhere.
func (b *Builder) LinkText(text string, s Style, do func()) {
	top, wide := b.y, 0.0
	for _, line := range b.wrap(text, s, b.Width()) {
		wide = max(wide, b.put(b.left, b.y, line, s))
		b.y += b.lineHeight(s)
	}
	b.link(view.Rect{X: b.left, Y: top, W: wide, H: b.y - top}, text, do)
}

// wrap breaks a text at its spaces, and words that are longer than a line anywhere.
func (b *Builder) wrap(text string, s Style, width float64) []string {
	return paint.Wrap(text, b.font(s), max(width, b.Px(20)), maxWrapLines)
}

// Section writes a section's title, 13, with a note at the right end.
func (b *Builder) Section(title, note string, tone Tone, do func()) {
	b.Gap(14)
	s := Style{Size: 13, Bold: true}
	n := Style{Tone: tone, Bold: tone == Good || tone == Bad}
	h := b.lineHeight(s)
	room := b.Width() - b.Measure(title, s) - b.Px(12)
	if note != "" {
		note = b.fit(note, n, max(room, b.Px(60)))
		w := b.Measure(note, n)
		b.put(b.right-w, b.y+(h-b.lineHeight(n))/2, note, n)
		b.link(view.Rect{X: b.right - w, Y: b.y, W: w, H: h}, note, do)
	}
	b.put(b.left, b.y, b.fit(title, s, b.Width()), s)
	b.y += h + b.Px(4)
}

// Rule draws a thin line across.
func (b *Builder) Rule() {
	b.Gap(6)
	b.add(box(view.Rect{X: b.left, Y: b.y, W: b.Width(), H: 1}, 0, paint.Style{Fill: b.th.Line}))
	b.Gap(7)
}

// Box draws a rounded box around what f writes.
func (b *Builder) Box(tone Tone, f func()) {
	put, top := b.below(), b.y
	b.Gap(8)
	b.Margins(11, f)
	b.Gap(8)
	put(b.boxOp(tone, view.Rect{X: b.left + 0.5, Y: top + 0.5, W: b.Width() - 1, H: b.y - top - 1}))
}

func (b *Builder) boxOp(tone Tone, r view.Rect) op { return box(r, b.Px(8), b.boxStyle(tone)) }

func (b *Builder) boxStyle(tone Tone) paint.Style {
	st := paint.Style{Fill: b.cardFill(), Stroke: b.th.Line, Width: 1}
	switch tone {
	case Bad:
		st.Fill, st.Stroke = b.th.InvalidGround, b.th.Invalid
	case Plain:
	default:
		c := tone.Color(b.th)
		st.Fill, st.Stroke = paint.Alpha(c, 0.10), c
	}
	return st
}

// cardFill is the ground of boxes: it must differ from the panel's.
func (b *Builder) cardFill() color.NRGBA {
	if b.th.Raised == b.th.Panel {
		return b.th.Sunken
	}
	return b.th.Raised
}

// Right writes one line at the right end of the column, in a row of a height that begins
// at top, for numbers beside something else.
func (b *Builder) Right(top, height float64, text string, s Style) {
	b.put(b.right-b.Measure(text, s)-b.Px(4), top+(height-b.lineHeight(s))/2, text, s)
	b.y = max(b.y, top+height)
}
