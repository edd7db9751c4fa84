package look

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
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
	if r != ' ' {
		RuneToWindow(p.super, r)
	}
}

// TypedKey presses for Space and Enter and hands other keys to the window.
func (p *Press) TypedKey(e *fyne.KeyEvent) {
	switch e.Name {
	case fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter:
		p.press()
	default:
		KeyToWindow(p.super, e)
	}
}

// RuneToWindow gives the window what was typed on an object that has no use for it.
func RuneToWindow(on fyne.CanvasObject, r rune) {
	if c := fyne.CurrentApp().Driver().CanvasForObject(on); c != nil && c.OnTypedRune() != nil {
		c.OnTypedRune()(r)
	}
}

// KeyToWindow gives the window a key that an object has no use for.
func KeyToWindow(on fyne.CanvasObject, e *fyne.KeyEvent) {
	if c := fyne.CurrentApp().Driver().CanvasForObject(on); c != nil && c.OnTypedKey() != nil {
		c.OnTypedKey()(e)
	}
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
	Painted
	text, icon string
	kind       buttonKind
	large, on  bool
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
	b := &Button{text: text, icon: icon, kind: kind}
	b.Init(b, 0, 0, text, tapped, b.draw)
	return b
}

// WithIcon puts an icon before the words.
func (b *Button) WithIcon(icon string) *Button { b.icon = icon; return b }

// Large makes the button as high as those of the start screen.
func (b *Button) Large() *Button { b.large = true; return b }

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

func (b *Button) font() paint.Font {
	f := paint.Font{Bold: b.kind == primary, Size: SizeBody}
	if b.large {
		f.Size = 15
	}
	if b.kind == link {
		f.Size = SizeSmall
	}
	return f
}

// The size of a button's icon and its distance from the words.
const (
	iconSize = 18
	iconGap  = 7
)

// iconRoom is how wide the icon is, with its distance from the words.
func (b *Button) iconRoom() float64 {
	switch {
	case b.icon == "":
		return 0
	case b.text == "":
		return iconSize
	}
	return iconSize + iconGap
}

// MinSize is the room for words and icon, and some around them.
func (b *Button) MinSize() fyne.Size {
	x, y := float32(12), float32(6)
	switch {
	case b.text == "":
		x = 7
	case b.kind == link:
		x, y = 4, 3
	case b.large:
		x, y = 20, 13
	}
	size := fyne.NewSize(Px(float32(b.iconRoom())), 0)
	if b.icon != "" {
		size.Height = Px(iconSize)
	}
	if b.text != "" {
		f := b.font()
		words := measured(b.text, Px(float32(f.Size)), fyne.TextStyle{Bold: f.Bold})
		size = fyne.NewSize(size.Width+words.Width, max(size.Height, words.Height))
	}
	return size.AddWidthHeight(2*Px(x), 2*Px(y))
}

// style is the button's ground and the tone of what stands on it.
func (b *Button) style(k *paint.Theme) (ground paint.Style, tone Tone) {
	ground.Width = 1
	switch b.kind {
	case primary:
		ground.Fill, tone = k.Accent, OnAccent
	case secondary:
		ground.Fill, ground.Stroke = k.Raised, k.Line
	case danger:
		ground.Fill, ground.Stroke, tone = k.Raised, paint.Alpha(k.Invalid, 0.6), Bad
	case link:
		tone = Accent
	}
	if b.on {
		ground.Fill, tone = k.Selected, Accent
	}
	if b.Hovered() {
		ground.Fill = k.Sunken
		if b.kind == primary {
			ground.Fill = paint.Alpha(k.Accent, 0.85)
		}
	}
	if b.disabled {
		ground.Stroke, tone = k.Grid, Quiet
		if b.kind == primary {
			ground.Fill = k.Sunken
		}
	}
	if b.focused {
		ground.Width, ground.Stroke = 2, k.Accent
		if b.kind == primary {
			ground.Stroke = k.Text
		}
	}
	return ground, tone
}

func (b *Button) draw(_ *Painted, c paint.Canvas, w, h float64, k *paint.Theme) {
	ground, tone := b.style(k)
	radius, f := 8.0, b.font()
	if b.large {
		radius = 10
	}
	c.Rect(view.Rect{W: w, H: h}.Inset(ground.Width/2), radius, ground)
	x := (w - b.iconRoom() - paint.TextWidth(b.text, f)) / 2
	paint.Icon(c, b.icon, view.Rect{X: x, Y: (h - iconSize) / 2, W: iconSize, H: iconSize}, tone.Color(k), 1.6)
	c.Text(view.Point{X: x + b.iconRoom(), Y: paint.Baseline(h/2, f)}, b.text, f, tone.Color(k))
}
