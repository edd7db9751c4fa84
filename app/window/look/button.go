package look

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/paint"
)

// Press is what every widget to be pressed has in common: by mouse, and by Space or
// Enter once Tab has come to it. Other keys go on to the window.
type Press struct {
	widget.BaseWidget
	OnTapped func()
	super    fyne.Widget // the widget that this is part of
	disabled bool
	hovered  bool
	focused  bool
}

// Tapped presses it.
func (p *Press) Tapped(*fyne.PointEvent) { p.press() }

func (p *Press) press() {
	if !p.disabled && p.OnTapped != nil {
		p.OnTapped()
	}
}

// Enable lets it be pressed.
func (p *Press) Enable() { p.setDisabled(false) }

// Disable makes it do nothing.
func (p *Press) Disable() { p.setDisabled(true) }

// Disabled tells whether it can be pressed.
func (p *Press) Disabled() bool { return p.disabled }

func (p *Press) setDisabled(d bool) {
	if p.disabled != d {
		p.disabled = d
		p.Refresh()
	}
}

// FocusGained is Fyne's.
func (p *Press) FocusGained() { p.focused = true; p.Refresh() }

// FocusLost is Fyne's.
func (p *Press) FocusLost() { p.focused = false; p.Refresh() }

// MouseIn is Fyne's.
func (p *Press) MouseIn(*desktop.MouseEvent) { p.hovered = true; p.Refresh() }

// MouseMoved is Fyne's.
func (p *Press) MouseMoved(*desktop.MouseEvent) {}

// MouseOut is Fyne's.
func (p *Press) MouseOut() { p.hovered = false; p.Refresh() }

// Cursor is a hand over what can be pressed.
func (p *Press) Cursor() desktop.Cursor {
	if p.disabled {
		return desktop.DefaultCursor
	}
	return desktop.PointerCursor
}

// TypedRune hands what is typed to the window.
func (p *Press) TypedRune(r rune) {
	if c := p.canvas(); c != nil && c.OnTypedRune() != nil && r != ' ' {
		c.OnTypedRune()(r)
	}
}

// TypedKey presses for Space and Enter and hands other keys to the window.
func (p *Press) TypedKey(e *fyne.KeyEvent) {
	switch e.Name {
	case fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter:
		p.press()
	default:
		if c := p.canvas(); c != nil && c.OnTypedKey() != nil {
			c.OnTypedKey()(e)
		}
	}
}

func (p *Press) canvas() fyne.Canvas {
	return fyne.CurrentApp().Driver().CanvasForObject(p.super)
}

// Init names the widget that the press is part of; its constructor calls it once.
func (p *Press) Init(of fyne.Widget, tapped func()) {
	p.super, p.OnTapped = of, tapped
	p.ExtendBaseWidget(of)
}

// Focused tells whether keys go to it.
func (p *Press) Focused() bool { return p.focused }

// Hovered tells whether the mouse is over it.
func (p *Press) Hovered() bool { return p.hovered && !p.disabled }

// Button is a button with words, an icon, or both.
type Button struct {
	Press
	text, icon, hint string
	kind             buttonKind
	large, on        bool
}

type buttonKind uint8

const (
	secondary buttonKind = iota
	primary
	bare // no border
	link
	danger
)

// Primary is the one button that does what the panel is for.
func Primary(text string, tapped func()) *Button { return newButton(text, "", primary, tapped) }

// Secondary is any other button with words.
func Secondary(text string, tapped func()) *Button { return newButton(text, "", secondary, tapped) }

// Danger is a button that breaks or removes something.
func Danger(text string, tapped func()) *Button { return newButton(text, "", danger, tapped) }

// Link is words that can be pressed, in the accent's colour.
func Link(text string, tapped func()) *Button { return newButton(text, "", link, tapped) }

// IconButton is a bare icon to press; hint says what it does, in words.
func IconButton(icon, hint string, tapped func()) *Button {
	b := newButton("", icon, bare, tapped)
	b.hint = hint
	return b
}

func newButton(text, icon string, kind buttonKind, tapped func()) *Button {
	b := &Button{text: text, icon: icon, hint: text, kind: kind}
	b.Init(b, tapped)
	return b
}

// WithIcon puts an icon before the words.
func (b *Button) WithIcon(icon string) *Button { b.icon = icon; return b }

// Large makes the button as high as those of the start screen.
func (b *Button) Large() *Button { b.large = true; return b }

// Hint is what the button does, in words.
func (b *Button) Hint() string { return b.hint }

// Text is the button's words.
func (b *Button) Text() string { return b.text }

// SetText replaces the words.
func (b *Button) SetText(s string) {
	if b.text != s {
		b.text, b.hint = s, s
		b.Refresh()
	}
}

// SetIcon replaces the icon.
func (b *Button) SetIcon(icon, hint string) {
	if b.icon != icon {
		b.icon, b.hint = icon, hint
		b.Refresh()
	}
}

// SetOn shows the button as chosen or not.
func (b *Button) SetOn(on bool) {
	if b.on != on {
		b.on = on
		b.Refresh()
	}
}

// On tells whether the button is shown as chosen.
func (b *Button) On() bool { return b.on }

// CreateRenderer is Fyne's.
func (b *Button) CreateRenderer() fyne.WidgetRenderer {
	r := &buttonRenderer{b: b, ground: canvas.NewRectangle(color.Transparent), text: canvas.NewText("", color.Transparent)}
	if b.icon != "" {
		r.icon = NewIcon(b.icon, 18, Plain)
	}
	r.style()
	return r
}

type buttonRenderer struct {
	b      *Button
	ground *canvas.Rectangle
	text   *canvas.Text
	icon   *Icon
}

func (r *buttonRenderer) style() {
	b, k := r.b, Current()
	tone := Plain
	r.ground.CornerRadius, r.ground.StrokeWidth = Px(8), Px(1)
	r.ground.FillColor, r.ground.StrokeColor = color.Color(color.Transparent), color.Color(color.Transparent)
	r.text.TextStyle = fyne.TextStyle{}
	switch b.kind {
	case primary:
		tone = OnAccent
		r.ground.FillColor = k.Accent
		r.text.TextStyle.Bold = true
	case secondary:
		r.ground.FillColor, r.ground.StrokeColor = k.Raised, k.Line
	case danger:
		tone = Bad
		r.ground.FillColor, r.ground.StrokeColor = k.Raised, paint.Alpha(k.Invalid, 0.6)
	case link:
		tone = Accent
	}
	if b.on {
		r.ground.FillColor, tone = k.Selected, Accent
	}
	if b.Hovered() {
		switch b.kind {
		case primary:
			r.ground.FillColor = paint.Alpha(k.Accent, 0.85)
		default:
			r.ground.FillColor = k.Sunken
		}
	}
	if b.disabled {
		tone = Quiet
		r.ground.StrokeColor = k.Grid
		if b.kind == primary {
			r.ground.FillColor = k.Sunken
		}
	}
	if b.focused {
		r.ground.StrokeWidth, r.ground.StrokeColor = Px(2), k.Accent
		if b.kind == primary {
			r.ground.StrokeColor = k.Text
		}
	}
	r.text.Text, r.text.TextSize, r.text.Color = b.text, Px(SizeBody), tone.Color(k)
	if b.large {
		r.text.TextSize, r.ground.CornerRadius = Px(15), Px(10)
	}
	if b.kind == link {
		r.text.TextSize = Px(SizeSmall)
	}
	if b.icon != "" && r.icon != nil {
		r.icon.Set(b.icon, tone)
	}
}

func (r *buttonRenderer) padding() (x, y float32) {
	switch {
	case r.b.text == "":
		return Px(7), Px(6)
	case r.b.kind == link:
		return Px(4), Px(3)
	case r.b.large:
		return Px(20), Px(13)
	}
	return Px(12), Px(6)
}

func (r *buttonRenderer) MinSize() fyne.Size {
	x, y := r.padding()
	size := fyne.NewSize(0, 0)
	if r.b.text != "" {
		size = fyne.MeasureText(r.b.text, r.text.TextSize, r.text.TextStyle)
	}
	if r.icon != nil {
		m := r.icon.MinSize()
		if size.Width > 0 {
			size.Width += Px(7)
		}
		size = fyne.NewSize(size.Width+m.Width, max(size.Height, m.Height))
	}
	return fyne.NewSize(size.Width+2*x, size.Height+2*y)
}

func (r *buttonRenderer) Layout(s fyne.Size) {
	r.ground.Resize(s)
	content := float32(0)
	words := fyne.MeasureText(r.b.text, r.text.TextSize, r.text.TextStyle)
	if r.b.text != "" {
		content = words.Width
	}
	if r.icon != nil {
		content += r.icon.MinSize().Width
		if r.b.text != "" {
			content += Px(7)
		}
	}
	x := (s.Width - content) / 2
	if r.icon != nil {
		m := r.icon.MinSize()
		r.icon.Resize(m)
		r.icon.Move(fyne.NewPos(x, (s.Height-m.Height)/2))
		x += m.Width + Px(7)
	}
	r.text.Resize(words)
	r.text.Move(fyne.NewPos(x, (s.Height-words.Height)/2))
}

func (r *buttonRenderer) Refresh() {
	r.style()
	r.Layout(r.b.Size())
	r.ground.Refresh()
	r.text.Refresh()
}

func (r *buttonRenderer) Objects() []fyne.CanvasObject {
	out := []fyne.CanvasObject{r.ground}
	if r.icon != nil {
		out = append(out, r.icon.Picture)
	}
	if r.b.text != "" {
		out = append(out, r.text)
	}
	return out
}

func (r *buttonRenderer) Destroy() {}
