package drawers

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
)

// section is a part of a drawer that can be folded up.
type section struct {
	widget.BaseWidget
	head *foldHead
	body fyne.CanvasObject
	box  *fyne.Container
}

func newSection(title string, open bool, body fyne.CanvasObject) *section {
	s := &section{body: body}
	s.head = newFoldHead(title, func() { s.fold(s.body.Visible()) })
	s.box = look.Column(6, s.head, body)
	s.ExtendBaseWidget(s)
	s.fold(!open)
	return s
}

func (s *section) fold(shut bool) {
	s.head.open = !shut
	show(s.body, !shut)
	s.head.Refresh()
	s.Refresh()
}

// CreateRenderer shows title and body.
func (s *section) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(s.box) }

// foldHead is a section's title, to be pressed.
type foldHead struct {
	look.Press
	title string
	open  bool
}

func newFoldHead(title string, tapped func()) *foldHead {
	h := &foldHead{title: title}
	h.Init(h, tapped)
	return h
}

// Hint is what is pressed, in words.
func (h *foldHead) Hint() string { return h.title }

// CreateRenderer draws the title with its chevron.
func (h *foldHead) CreateRenderer() fyne.WidgetRenderer {
	p := look.NewPicture(60, 24, h.draw)
	return &foldRenderer{WidgetRenderer: widget.NewSimpleRenderer(p), picture: p}
}

type foldRenderer struct {
	fyne.WidgetRenderer
	picture *look.Picture
}

func (r *foldRenderer) Refresh() { r.picture.Refresh() }

func (h *foldHead) draw(c paint.Canvas, w, height float64, k *paint.Theme) {
	f := paint.Font{Bold: true, Size: 13}
	icon := "down"
	if !h.open {
		icon = "chevron"
	}
	ink := k.Text
	if h.Hovered() {
		ink = k.Accent
	}
	paint.Icon(c, icon, view.Rect{X: w - 18, Y: height/2 - 7, W: 14, H: 14}, k.Muted, 1.6)
	c.Text(view.Point{Y: paint.Baseline(height/2, f)}, paint.Fit(h.title, f, w-24), f, ink)
	if h.Focused() {
		c.Rect(view.Rect{X: 1, Y: 1, W: w - 2, H: height - 2}, 5, paint.Style{Stroke: k.Accent, Width: 2})
	}
}

// newSelect is a choice that says in the window's language that nothing is chosen yet.
func newSelect(options []string, changed func(string)) *Choice {
	s := &Choice{}
	s.Options, s.OnChanged, s.PlaceHolder = options, changed, lang.L("choose")
	s.ExtendBaseWidget(s)
	return s
}

// Choice is Fyne's choice, which leaves to the window the keys that it has no use for:
// digits open other drawers.
type Choice struct{ widget.Select }

// TypedRune hands characters to the window.
func (s *Choice) TypedRune(r rune) {
	if c := fyne.CurrentApp().Driver().CanvasForObject(s); c != nil && c.OnTypedRune() != nil {
		c.OnTypedRune()(r)
	}
}

// TypedKey hands function keys and Escape to the window.
func (s *Choice) TypedKey(k *fyne.KeyEvent) {
	switch k.Name {
	case fyne.KeySpace, fyne.KeyUp, fyne.KeyDown, fyne.KeyTab:
		s.Select.TypedKey(k)
		return
	case fyne.KeyReturn, fyne.KeyEnter:
		s.Select.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
		return
	}
	if c := fyne.CurrentApp().Driver().CanvasForObject(s); c != nil && c.OnTypedKey() != nil {
		c.OnTypedKey()(k)
	}
}
