package drawers

import (
	"image/color"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
)

// editor is a text in the fixed-width face with line numbers; one line can be marked as
// the one that runs and one as wrong.
type editor struct {
	box     *fyne.Container
	entry   *look.Entry
	gutter  *sheet.Scrolling
	scroll  *container.Scroll
	running *canvas.Rectangle
	broken  *canvas.Rectangle
	runs    int // line that runs, 0 for none
	wrong   int // line that is wrong, 0 for none
	lines   int
}

func newEditor(changed func(text string)) *editor {
	e := &editor{entry: look.NewMonoEntry(), running: canvas.NewRectangle(color.Transparent), broken: canvas.NewRectangle(color.Transparent)}
	e.entry.Scroll = fyne.ScrollNone
	e.gutter = sheet.NewScrolling(e.numbers)
	e.gutter.NoBar = true
	e.scroll = container.NewScroll(container.New(codeLayout{e}, container.NewThemeOverride(e.entry, codeTheme{}), e.running, e.broken))
	e.scroll.OnScrolled = func(p fyne.Position) { e.gutter.SetOffset(float64(p.Y)) }
	e.entry.OnChanged = func(text string) {
		e.count(text)
		if changed != nil {
			changed(text)
		}
	}
	e.entry.OnCursorChanged = e.follow
	e.box = container.New(gutterLayout{e}, e.gutter, e.scroll)
	e.count("")
	return e
}

// set replaces the text.
func (e *editor) set(text string) {
	if text != e.entry.Text {
		e.entry.SetText(text)
	}
}

func (e *editor) text() string { return e.entry.Text }

func (e *editor) count(text string) {
	if n := strings.Count(text, "\n") + 1; n != e.lines {
		e.lines = n
		e.gutter.Rewrite()
		e.gutter.SetOffset(float64(e.scroll.Offset.Y))
	}
}

// mark shows which line runs and which is wrong, and brings a newly marked one into view.
func (e *editor) mark(runs, wrong int) {
	if runs == e.runs && wrong == e.wrong {
		return
	}
	seek := 0
	switch {
	case runs != e.runs && runs > 0:
		seek = runs
	case wrong != e.wrong && wrong > 0 && e.runs != 0:
		seek = wrong
	}
	e.runs, e.wrong = runs, wrong
	e.gutter.Rewrite()
	e.place()
	if seek > 0 {
		e.show(seek - 1)
	}
}

// rowHeight is the height of a line of Fyne's entry, top what stands above the first.
func (e *editor) rowHeight() (row, top float32) {
	th := codeTheme{}
	row = fyne.MeasureText("M", th.Size(theme.SizeNameText), fyne.TextStyle{Monospace: true}).Height
	return row, th.Size(theme.SizeNameInnerPadding)
}

func (e *editor) place() {
	th := look.Current()
	row, top := e.rowHeight()
	for _, m := range []struct {
		r    *canvas.Rectangle
		line int
		fill color.Color
	}{{e.running, e.runs, paint.Alpha(th.Accent, 0.18)}, {e.broken, e.wrong, paint.Alpha(th.Invalid, 0.18)}} {
		m.r.FillColor, m.r.CornerRadius = m.fill, look.Px(3)
		m.r.Move(fyne.NewPos(look.Px(2), top+float32(m.line-1)*row))
		m.r.Resize(fyne.NewSize(max(e.entry.Size().Width-look.Px(4), 0), row))
		look.Show(m.r, m.line > 0)
		m.r.Refresh()
	}
}

// follow keeps the cursor in view.
func (e *editor) follow() { e.show(e.entry.CursorRow) }

func (e *editor) show(line int) {
	row, top := e.rowHeight()
	y := top + float32(line)*row
	switch {
	case y-row < e.scroll.Offset.Y:
		e.scrollTo(max(0, y-row))
	case y+2*row > e.scroll.Offset.Y+e.scroll.Size().Height && e.scroll.Size().Height > 3*row:
		e.scrollTo(y + 2*row - e.scroll.Size().Height)
	}
}

func (e *editor) scrollTo(y float32) {
	e.scroll.ScrollToOffset(fyne.NewPos(e.scroll.Offset.X, y))
	e.gutter.SetOffset(float64(e.scroll.Offset.Y))
}

// numbers writes the line numbers, as high as the entry's lines.
func (e *editor) numbers(b *sheet.Builder) {
	row, top := e.rowHeight()
	for n := range e.lines {
		s := sheet.Style{Mono: true, Size: 10, Tone: sheet.Quiet}
		text := strconv.Itoa(n + 1)
		switch n + 1 {
		case e.wrong:
			s.Tone, text, s.Bold = sheet.Bad, "✗ "+text, true
		case e.runs:
			s.Tone, text, s.Bold = sheet.Accent, "▸ "+text, true
		}
		b.Right(float64(top)+float64(n)*float64(row), float64(row), text, s)
	}
	b.Gap(20)
}

// codeTheme is the window's theme with smaller letters.
type codeTheme struct{}

func (codeTheme) now() fyne.Theme { return fyne.CurrentApp().Settings().Theme() }

// Color is the window's.
func (c codeTheme) Color(n fyne.ThemeColorName, v fyne.ThemeVariant) color.Color {
	return c.now().Color(n, v)
}

// Font is the window's.
func (c codeTheme) Font(s fyne.TextStyle) fyne.Resource { return c.now().Font(s) }

// Icon is the window's.
func (c codeTheme) Icon(n fyne.ThemeIconName) fyne.Resource { return c.now().Icon(n) }

// Size is the window's, but for the text.
func (c codeTheme) Size(n fyne.ThemeSizeName) float32 {
	if n == theme.SizeNameText {
		return look.Px(look.SizeSmall)
	}
	return c.now().Size(n)
}

// codeLayout lets the entry have what it needs and at least the whole view.
type codeLayout struct{ e *editor }

func (l codeLayout) MinSize(objects []fyne.CanvasObject) fyne.Size { return objects[0].MinSize() }

func (l codeLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	objects[0].Resize(size)
	l.e.place()
}

type gutterLayout struct{ e *editor }

func (l gutterLayout) MinSize([]fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(look.Px(160), look.Px(140))
}

func (l gutterLayout) Layout(_ []fyne.CanvasObject, size fyne.Size) {
	w := look.Px(36)
	l.e.gutter.Resize(fyne.NewSize(w, size.Height))
	l.e.scroll.Move(fyne.NewPos(w, 0))
	l.e.scroll.Resize(fyne.NewSize(max(0, size.Width-w), size.Height))
}
