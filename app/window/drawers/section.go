package drawers

import (
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

// section is a part of a drawer that can be folded up.
type section struct {
	widget.BaseWidget
	head *look.Painted
	body fyne.CanvasObject
	box  *fyne.Container
}

func newSection(title string, open bool, body fyne.CanvasObject) *section {
	s := &section{body: body}
	s.head = look.NewPainted(60, 24, title, func() { s.fold(s.body.Visible()) }, s.drawHead)
	s.box = look.Column(6, s.head, body)
	s.ExtendBaseWidget(s)
	s.fold(!open)
	return s
}

func (s *section) fold(shut bool) {
	look.Show(s.body, !shut)
	s.head.Refresh()
	s.Refresh()
}

// CreateRenderer shows title and body.
func (s *section) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(s.box) }

// drawHead draws the title, to be pressed, with its chevron.
func (s *section) drawHead(head *look.Painted, c paint.Canvas, w, height float64, k *paint.Theme) {
	f := paint.Font{Bold: true, Size: 13}
	icon := "down"
	if !s.body.Visible() {
		icon = "chevron"
	}
	ink := k.Text
	if head.Hovered() {
		ink = k.Accent
	}
	paint.Icon(c, icon, view.Rect{X: w - 18, Y: height/2 - 7, W: 14, H: 14}, k.Muted, 1.6)
	c.Text(view.Point{Y: paint.Baseline(height/2, f)}, paint.Fit(head.Hint(), f, w-24), f, ink)
	if head.Focused() {
		c.Rect(view.Rect{X: 1, Y: 1, W: w - 2, H: height - 2}, 5, paint.Style{Stroke: k.Accent, Width: 2})
	}
}

// newSelect is a choice that says in the window's language that nothing is chosen yet.
func newSelect(options []string, changed func(string)) *Choice {
	s := &Choice{}
	s.Options, s.OnChanged, s.PlaceHolder = options, changed, words.L("choose")
	s.ExtendBaseWidget(s)
	return s
}

// Choice is Fyne's choice, which leaves to the window the keys that it has no use for:
// digits open other drawers.
type Choice struct{ widget.Select }

// TypedRune hands characters to the window.
func (s *Choice) TypedRune(r rune) { look.RuneToWindow(s, r) }

// TypedKey hands function keys and Escape to the window.
func (s *Choice) TypedKey(k *fyne.KeyEvent) {
	switch k.Name {
	case fyne.KeySpace, fyne.KeyUp, fyne.KeyDown, fyne.KeyTab:
		s.Select.TypedKey(k)
	case fyne.KeyReturn, fyne.KeyEnter:
		s.Select.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
	default:
		look.KeyToWindow(s, k)
	}
}

// offer replaces what can be chosen, if it is something else, and chooses one of it while
// nothing is chosen.
func (s *Choice) offer(options []string, first int) {
	if !slices.Equal(options, s.Options) {
		s.SetOptions(options)
	}
	if s.Selected == "" && len(options) > 0 {
		s.SetSelectedIndex(min(first, len(options)-1))
	}
}

// tabs are pages of which one is seen, and the row to choose it with.
func tabs(names []string, changed func(i int), pages ...fyne.CanvasObject) (*look.Segmented, *fyne.Container) {
	t, stack := look.NewSegmented(names, nil), container.NewStack(pages...)
	t.OnChanged = func(i int) {
		for j, o := range pages {
			look.Show(o, i == j)
		}
		if changed != nil {
			changed(i)
		}
	}
	t.OnChanged(0)
	return t, stack
}

// complaint is a line that says what is wrong with a form; it is there only then.
type complaint struct{ *look.Text }

func newComplaint() complaint {
	c := complaint{look.Small("").Wrapped().Toned(look.Bad)}
	c.Hide()
	return c
}

func (c complaint) say(text string) {
	c.SetText(text)
	look.Show(c.Text, text != "")
}
