package look_test

import (
	"image/color"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/window/look"
)

// MustWindow shows content on Fyne's test driver; keys that nothing in it wants are told.
func MustWindow(t *testing.T, th *paint.Theme, content fyne.CanvasObject) (w fyne.Window, passed *[]string) {
	t.Helper()
	test.NewTempApp(t)
	fyne.CurrentApp().Settings().SetTheme(look.NewTheme(th))
	w = test.NewTempWindow(t, content)
	w.Resize(fyne.NewSize(400, 300))
	passed = &[]string{}
	w.Canvas().SetOnTypedKey(func(e *fyne.KeyEvent) { *passed = append(*passed, string(e.Name)) })
	w.Canvas().SetOnTypedRune(func(r rune) { *passed = append(*passed, string(r)) })
	return w, passed
}

// A button is pressed by mouse, Space and Enter; what it has no use for the window hears.
func TestButton(t *testing.T) {
	test.NewTempApp(t)
	pressed := 0
	b := look.Primary("Go", func() { pressed++ })
	w, passed := MustWindow(t, paint.Dark(), container.NewHBox(b))
	test.Tap(b)
	w.Canvas().Focus(b)
	for _, k := range []fyne.KeyName{fyne.KeySpace, fyne.KeyReturn, fyne.KeyEscape} {
		b.TypedKey(&fyne.KeyEvent{Name: k})
	}
	b.TypedRune('7')
	b.TypedRune(' ') // comes with the key that has pressed it
	if pressed != 3 || strings.Join(*passed, " ") != "Escape 7" {
		t.Errorf("pressed %d times, the window hears %q", pressed, *passed)
	}
	b.Disable()
	test.Tap(b)
	if pressed != 3 || !b.Disabled() {
		t.Error("a disabled button is pressed")
	}
	before := b.MinSize()
	b.SetText("Go on for ever")
	if b.Hint() != "Go on for ever" || b.MinSize().Width <= before.Width || b.MinSize().Height != before.Height {
		t.Errorf("with more words it is %v, before %v", b.MinSize(), before)
	}
	icon := look.IconButton("gear", "Settings", nil)
	if icon.Hint() != "Settings" || icon.Text() != "" {
		t.Errorf("an icon's hint is %q", icon.Hint())
	}
}

// Text keeps within its width: it is broken, or cut with an ellipsis.
func TestText(t *testing.T) {
	long := strings.Repeat("word ", 40) + strings.Repeat("x", 200)
	wrapped, cut, whole := look.Body(long).Wrapped(), look.Body(long).Cut(), look.Body("a\nb")
	MustWindow(t, paint.Light(), container.NewVBox(wrapped, cut, whole))
	lines := func(o *look.Text) (out []string) {
		for _, x := range test.WidgetRenderer(o).Objects() {
			l := x.(*canvas.Text)
			out = append(out, l.Text)
			if l.MinSize().Width > o.Size().Width+1 {
				t.Errorf("%q is %v wide, there is room for %v", l.Text, l.MinSize().Width, o.Size().Width)
			}
		}
		return out
	}
	if got := lines(wrapped); len(got) < 5 || strings.ReplaceAll(strings.Join(got, ""), " ", "") != strings.ReplaceAll(long, " ", "") {
		t.Errorf("broken into %d lines: %q", len(got), got)
	}
	if got := lines(cut); len(got) != 1 || !strings.HasSuffix(got[0], "…") {
		t.Errorf("cut: %q", got)
	}
	if got := lines(whole); len(got) != 1 || got[0] != "a b" {
		t.Errorf("in one line: %q", got)
	}
	cut.SetText("short")
	if got := lines(cut); got[0] != "short" || cut.Text() != "short" {
		t.Errorf("replaced: %q", got)
	}
}

func TestGrid(t *testing.T) {
	box := func(w, h float32) *canvas.Rectangle {
		r := canvas.NewRectangle(color.Black)
		r.SetMinSize(fyne.NewSize(w, h))
		return r
	}
	test.NewTempApp(t)
	fyne.CurrentApp().Settings().SetTheme(look.NewTheme(paint.Dark()))
	a, b, c := box(10, 20), box(40, 30), box(10, 10)
	g := look.Grid(2, a, b, c)
	if got, want := g.MinSize(), fyne.NewSize(2*40+8, 30+6+10); got != want {
		t.Errorf("a grid needs %v, want %v", got, want)
	}
	g.Resize(fyne.NewSize(208, 100))
	if b.Position() != fyne.NewPos(108, 0) || b.Size() != fyne.NewSize(100, 30) || c.Position() != fyne.NewPos(0, 36) || c.Size().Width != 100 {
		t.Errorf("second at %v %v, third at %v %v", b.Position(), b.Size(), c.Position(), c.Size())
	}
	alone := look.Grid(2, a)
	alone.Resize(fyne.NewSize(208, 100))
	if a.Size().Width != 208 {
		t.Errorf("a single one is %v wide", a.Size().Width)
	}
	even := container.New(look.GridLayout{Columns: 2, Even: true}, box(1, 20), box(1, 10), box(1, 5))
	if got := even.MinSize().Height; got != 40 {
		t.Errorf("even rows are %v high together", got)
	}
}

func TestSegmentedAndCards(t *testing.T) {
	chosen, tapped := -1, 0
	s := look.NewSegmented([]string{"a", "b", "c"}, func(i int) { chosen = i })
	c := look.NewTapCard("Open it", look.Body("content"), func() { tapped++ })
	MustWindow(t, paint.Dark(), container.NewVBox(s, c))
	if s.Chosen() != 0 {
		t.Errorf("at first %d is chosen", s.Chosen())
	}
	s.Choose(2)
	if s.Chosen() != 2 || chosen != -1 {
		t.Errorf("%d is chosen, told %d", s.Chosen(), chosen)
	}
	test.Tap(c)
	c.TypedKey(&fyne.KeyEvent{Name: fyne.KeyEnter})
	if tapped != 2 || c.Hint() != "Open it" {
		t.Errorf("tapped %d times: %q", tapped, c.Hint())
	}
}

// An entry takes what is written and leaves the window's own keys to it.
func TestEntryLeavesTheWindowItsKeys(t *testing.T) {
	e := look.NewEntry()
	w, passed := MustWindow(t, paint.Dark(), e)
	w.Canvas().Focus(e)
	test.Type(e, "ab")
	for _, k := range []fyne.KeyName{fyne.KeyF5, fyne.KeyEscape, fyne.KeyBackspace} {
		e.TypedKey(&fyne.KeyEvent{Name: k})
	}
	if e.Text != "a" || strings.Join(*passed, " ") != "F5 Escape" {
		t.Errorf("the entry holds %q, the window hears %q", e.Text, *passed)
	}
}

// The words of an error can be taken to where one asks for help.
func TestErrorBoxCopies(t *testing.T) {
	box := look.ErrorBox("What", "why", "what to do")
	MustWindow(t, paint.Light(), box)
	var copied *look.Button
	var find func(o fyne.CanvasObject)
	find = func(o fyne.CanvasObject) {
		switch x := o.(type) {
		case *look.Button:
			copied = x
		case *fyne.Container:
			for _, c := range x.Objects {
				find(c)
			}
		}
	}
	find(box)
	test.Tap(copied)
	if got := fyne.CurrentApp().Clipboard().Content(); got != "What\nwhy\nwhat to do" {
		t.Errorf("copied: %q", got)
	}
}

// Fyne's own widgets take their colours and sizes from the same tokens.
func TestThemeFollowsTheTokens(t *testing.T) {
	dark, large := look.NewTheme(paint.Dark()), look.NewTheme(paint.Dark().Larger(1.6))
	if dark.Color(theme.ColorNameForeground, 0) != paint.Dark().Text || dark.Color(theme.ColorNameBackground, 0) != paint.Dark().Ground {
		t.Error("the colours are not those of the tokens")
	}
	if a, b := dark.Size(theme.SizeNameText), large.Size(theme.SizeNameText); b < a*1.55 || b > a*1.65 {
		t.Errorf("text is %v, for a presenter %v", a, b)
	}
	if dark.Font(fyne.TextStyle{}) == dark.Font(fyne.TextStyle{Monospace: true}) {
		t.Error("one font for text and code")
	}
}
