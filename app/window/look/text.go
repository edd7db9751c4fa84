package look

import (
	"image/color"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

// Tone is what a colour means.
type Tone uint8

// The tones. Meaning never rests on a tone alone: words or shapes say the same.
const (
	Plain Tone = iota
	Quiet      // muted, for what explains
	Faint      // for what need not be read
	Accent
	Good
	Bad
	Warn
	OnAccent // on a ground of the accent's colour
	Classed  // and the classes of messages from here on
)

// Color is the tone's colour in a theme.
func (t Tone) Color(k *paint.Theme) color.NRGBA {
	switch t {
	case Quiet:
		return k.Muted
	case Faint:
		return k.Faint
	case Accent:
		return k.Accent
	case Good:
		return k.Valid
	case Bad:
		return k.Invalid
	case Warn:
		return k.Warn
	case OnAccent:
		return k.OnAccent
	}
	if t >= Classed {
		return k.Class(view.Class(t - Classed))
	}
	return k.Text
}

// Text is text without padding: one line that is cut with an ellipsis where there is no
// room, or as many lines as it takes.
type Text struct {
	widget.BaseWidget
	text   string
	size   float32
	bold   bool
	mono   bool
	tone   Tone
	align  fyne.TextAlign
	wrap   bool
	cut    bool
	spread float32 // line height over the size
}

// Title is a panel's title: 16, semibold.
func Title(s string) *Text { return newText(s, SizeTitle, true, false, Plain) }

// Heading is the title of a section or a card: 13, semibold.
func Heading(s string) *Text { return newText(s, SizeBody, true, false, Plain) }

// Body is text to read: 13.
func Body(s string) *Text { return newText(s, SizeBody, false, false, Plain) }

// Muted is what explains something: 11, quiet.
func Muted(s string) *Text { return newText(s, SizeSmall, false, false, Quiet) }

// Small is text of size 11 in the plain tone.
func Small(s string) *Text { return newText(s, SizeSmall, false, false, Plain) }

// Mono is an id, version or key: 11, monospaced.
func Mono(s string) *Text { return newText(s, SizeSmall, false, true, Plain) }

func newText(s string, size float32, bold, mono bool, tone Tone) *Text {
	t := &Text{text: s, size: size, bold: bold, mono: mono, tone: tone, spread: 1.45}
	t.ExtendBaseWidget(t)
	return t
}

// Wrapped lets the text take several lines.
func (t *Text) Wrapped() *Text { t.wrap = true; return t }

// Cut lets the text be narrower than its words; then it ends in an ellipsis.
func (t *Text) Cut() *Text { t.cut = true; return t }

// Sized sets another size; the window's start screen has larger words than its panels.
func (t *Text) Sized(size float32) *Text { t.size = size; return t }

// Bold makes the text semibold.
func (t *Text) Bold() *Text { t.bold = true; return t }

// Toned sets the tone.
func (t *Text) Toned(tone Tone) *Text { t.tone = tone; return t }

// Aligned sets the alignment.
func (t *Text) Aligned(a fyne.TextAlign) *Text { t.align = a; return t }

// Text is the text as it was given.
func (t *Text) Text() string { return t.text }

// SetText replaces the text; nothing is redrawn when it is the same.
func (t *Text) SetText(s string) {
	if s != t.text {
		t.text = s
		t.Refresh()
	}
}

// SetTone replaces the tone.
func (t *Text) SetTone(tone Tone) {
	if tone != t.tone {
		t.tone = tone
		t.Refresh()
	}
}

// CreateRenderer is Fyne's.
func (t *Text) CreateRenderer() fyne.WidgetRenderer {
	r := &textRenderer{t: t}
	r.break_(0)
	return r
}

func (t *Text) style() fyne.TextStyle { return fyne.TextStyle{Bold: t.bold, Monospace: t.mono} }

func (t *Text) measure(s string) float64 {
	return float64(measured(s, Px(t.size), t.style()).Width)
}

type textRenderer struct {
	t     *Text
	lines []*canvas.Text
	width float32
}

func (r *textRenderer) lineHeight() float32 { return Px(r.t.size) * r.t.spread }

// break_ makes the lines for a width; 0 means as wide as it takes.
func (r *textRenderer) break_(width float32) {
	var texts []string
	switch {
	case r.t.wrap && width > 0:
		texts = paint.Break(r.t.text, float64(width), r.t.measure)
	case r.t.wrap:
		texts = strings.Split(r.t.text, "\n")
	default:
		line := strings.ReplaceAll(r.t.text, "\n", " ")
		if room := float64(width); width > 0 && r.t.measure(line) > room+0.5 {
			line = strings.TrimRight(line[:paint.Fitting(line, room-r.t.measure("…"), r.t.measure)], " ") + "…"
		}
		texts = []string{line}
	}
	r.width = width
	k := Current()
	for len(r.lines) < len(texts) {
		r.lines = append(r.lines, canvas.NewText("", color.Transparent))
	}
	r.lines = r.lines[:len(texts)]
	for i, s := range texts {
		l := r.lines[i]
		l.Text, l.TextSize, l.TextStyle, l.Alignment = s, Px(r.t.size), r.t.style(), r.t.align
		l.FontSource = ownFace(s, l.TextStyle)
		l.Color = r.t.tone.Color(k)
	}
}

func (r *textRenderer) Layout(size fyne.Size) {
	if size.Width != r.width {
		before := len(r.lines)
		r.break_(size.Width)
		if len(r.lines) != before {
			defer canvas.Refresh(r.t)
		}
	}
	h := r.lineHeight()
	for i, l := range r.lines {
		m := l.MinSize()
		l.Move(fyne.NewPos(0, float32(i)*h+(h-m.Height)/2))
		l.Resize(fyne.NewSize(size.Width, m.Height))
	}
}

func (r *textRenderer) MinSize() fyne.Size {
	h := r.lineHeight() * float32(len(r.lines))
	if r.t.wrap || r.t.cut {
		return fyne.NewSize(Px(24), h)
	}
	return fyne.NewSize(float32(r.t.measure(strings.ReplaceAll(r.t.text, "\n", " "))), h)
}

func (r *textRenderer) Refresh() {
	r.break_(r.t.Size().Width)
	r.Layout(r.t.Size())
	for _, l := range r.lines {
		l.Refresh()
	}
	canvas.Refresh(r.t)
}

func (r *textRenderer) Objects() []fyne.CanvasObject {
	out := make([]fyne.CanvasObject, len(r.lines))
	for i, l := range r.lines {
		out[i] = l
	}
	return out
}

func (r *textRenderer) Destroy() {}
