// Package sheet is a written page as one widget: headings, texts, tables, lists, code
// and links, laid out once when its content changes and painted into one raster. The
// inspector shows everything on such a page and the drawers show their lists on it: a
// page of a thousand lines costs the window one object and one texture, where labels
// would cost a thousand of each.
//
// A page is written by a function against a Builder, is measured in the window's units
// and keeps its place when it is written anew. What can be chosen on it is a link:
// pointed at, clicked, or reached with the arrow keys and Enter.
//
// Read next: builder.go (what a page can hold), blocks.go (tables, code, lists).
package sheet

import (
	"image"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
)

// Write puts the content of a page on a builder.
type Write func(*Builder)

// Sheet is a page that is as tall as its content: for use in a form or a list that
// scrolls. Scrolling is the one that scrolls itself.
type Sheet struct {
	widget.BaseWidget
	// OnKey hears the keys that the page has no use for, so that the window's own
	// keys work while a page has the focus.
	OnKey func(*fyne.KeyEvent)

	write   Write
	page    *page
	wide    float32 // width that the page was laid out for
	theme   *paint.Theme
	offset  float64 // how far it is scrolled
	chosen  int     // link with the focus ring
	over    int     // link under the pointer, -1 none
	focused bool
	scrolls bool
	shown   func() // hears that the visible part moved
	raster  *canvas.Raster
	img     *image.RGBA
}

// New makes a page that is as tall as its content.
func New(write Write) *Sheet {
	s := &Sheet{write: write, over: -1}
	s.raster = canvas.NewRaster(s.paint)
	s.raster.ScaleMode = canvas.ImageScaleFastest
	s.ExtendBaseWidget(s)
	return s
}

// Set writes the page anew. It stays where it was scrolled to, and the focus stays on
// the link with the same number.
func (s *Sheet) Set(write Write) {
	s.write = write
	s.Rewrite()
}

// Rewrite calls the writer again, after what it tells has changed.
func (s *Sheet) Rewrite() {
	s.page = nil
	s.layout()
	s.Refresh()
}

// Top goes back to the beginning.
func (s *Sheet) Top() {
	s.offset, s.chosen = 0, 0
	s.redraw()
}

// Links lists what can be chosen, from top to bottom.
func (s *Sheet) Links() []Link {
	s.layout()
	return s.page.links
}

// Texts lists every text that is written on the page, from top to bottom.
func (s *Sheet) Texts() []string {
	s.layout()
	return s.page.texts()
}

// layout writes the page if its content, its width or the palette changed.
func (s *Sheet) layout() {
	th := look.Current()
	w := s.Size().Width
	if s.page != nil && s.wide == w && s.theme == th {
		return
	}
	s.wide, s.theme = w, th
	b := newBuilder(th, float64(max(w, 40)))
	if s.write != nil {
		s.write(b)
	}
	s.page = b.finish()
	s.chosen = max(0, min(s.chosen, len(s.page.links)-1))
	s.over = -1
	s.clamp()
}

// clamp keeps the scrolled place within the page.
func (s *Sheet) clamp() {
	if !s.scrolls || s.page == nil {
		s.offset = 0
		return
	}
	s.offset = max(0, min(s.offset, s.page.height-float64(s.Size().Height)))
}

func (s *Sheet) redraw() {
	s.layout()
	s.clamp()
	if s.shown != nil {
		s.shown()
	}
	s.raster.Refresh()
}

// Resize lays the page out for a new width.
func (s *Sheet) Resize(size fyne.Size) {
	if s.Size() == size {
		return
	}
	s.BaseWidget.Resize(size)
	s.redraw()
}

// MinSize is the height of the content for the present width.
func (s *Sheet) MinSize() fyne.Size {
	s.ExtendBaseWidget(s)
	if s.scrolls {
		return fyne.NewSize(80, 40)
	}
	s.layout()
	return fyne.NewSize(80, float32(s.page.height))
}

// CreateRenderer makes the raster the only object.
func (s *Sheet) CreateRenderer() fyne.WidgetRenderer {
	return look.NewFilled(s.MinSize, s.redraw, s.raster)
}

// paint is the raster's generator: w and h are pixels.
func (s *Sheet) paint(w, h int) image.Image {
	if s.img == nil || s.img.Rect.Dx() != w || s.img.Rect.Dy() != h {
		s.img = image.NewRGBA(image.Rect(0, 0, w, h))
	} else {
		clear(s.img.Pix)
	}
	s.layout()
	if s.Size().Width <= 0 {
		return s.img
	}
	c := paint.Scaled(paint.NewImage(s.img), float64(w)/float64(s.Size().Width), view.Point{Y: s.offset})
	s.page.draw(c, s.offset, float64(s.Size().Height))
	s.drawFocus(c)
	return s.img
}

// drawFocus marks the link under the pointer and rings the chosen one.
func (s *Sheet) drawFocus(c paint.Canvas) {
	if s.over >= 0 && s.over < len(s.page.links) {
		c.Rect(s.page.links[s.over].Rect.Inset(-1), 5, paint.Style{Fill: paint.Alpha(s.theme.Accent, 0.12)})
	}
	if r, ok := s.Ring(); ok {
		c.Rect(r.Inset(-2), 6, paint.Style{Stroke: s.theme.Accent, Width: 2})
	}
}

// Tapped follows the link at a place.
func (s *Sheet) Tapped(e *fyne.PointEvent) {
	i := s.linkAt(e.Position)
	if i < 0 {
		return
	}
	s.chosen = i
	s.follow(i)
}

func (s *Sheet) follow(i int) {
	s.layout()
	if i < len(s.page.links) && s.page.links[i].Do != nil {
		s.page.links[i].Do()
	}
}

func (s *Sheet) linkAt(p fyne.Position) int {
	s.layout()
	at := view.Point{X: float64(p.X), Y: float64(p.Y) + s.offset}
	for i := len(s.page.links) - 1; i >= 0; i-- { // what stands within a row comes after the row
		if s.page.links[i].Rect.Inset(-2).Contains(at) {
			return i
		}
	}
	return -1
}

// MouseIn, MouseMoved and MouseOut mark the link under the pointer.
func (s *Sheet) MouseIn(e *desktop.MouseEvent) { s.MouseMoved(e) }

// MouseMoved marks the link under the pointer.
func (s *Sheet) MouseMoved(e *desktop.MouseEvent) { s.hover(s.linkAt(e.Position)) }

// MouseOut takes the mark away.
func (s *Sheet) MouseOut() { s.hover(-1) }

func (s *Sheet) hover(i int) {
	if i != s.over {
		s.over = i
		s.raster.Refresh()
	}
}

// Cursor is a hand over a link.
func (s *Sheet) Cursor() desktop.Cursor {
	if s.over >= 0 {
		return desktop.PointerCursor
	}
	return desktop.DefaultCursor
}

// FocusGained shows the focus ring.
func (s *Sheet) FocusGained() {
	s.focused = true
	if s.scrolls {
		s.chooseVisible()
	}
	s.raster.Refresh()
}

// FocusLost hides the focus ring.
func (s *Sheet) FocusLost() {
	s.focused = false
	s.raster.Refresh()
}

// TypedRune hands what is typed to the window.
func (s *Sheet) TypedRune(r rune) {
	look.RuneToWindow(s.raster, r)
}

// Disabled tells that the keyboard has nothing to do here, so that Tab passes by: a page
// without links.
func (s *Sheet) Disabled() bool { return !s.scrolls && len(s.Links()) == 0 }

// Enable does nothing: whether there are links is the content's affair.
func (s *Sheet) Enable() {}

// Disable does nothing either.
func (s *Sheet) Disable() {}

// Ring is the place of the chosen link on the page, while it has the focus.
func (s *Sheet) Ring() (r view.Rect, ok bool) {
	s.layout()
	if !s.focused || s.chosen >= len(s.page.links) {
		return view.Rect{}, false
	}
	return s.page.links[s.chosen].Rect, true
}

// TypedKey walks the links with Up and Down and follows one with Enter.
func (s *Sheet) TypedKey(e *fyne.KeyEvent) {
	s.layout()
	page := max(40, float64(s.Size().Height)-40)
	switch e.Name {
	case fyne.KeyDown:
		s.choose(s.chosen + 1)
	case fyne.KeyUp:
		s.choose(s.chosen - 1)
	case fyne.KeyPageDown:
		s.scroll(page, e)
	case fyne.KeyPageUp:
		s.scroll(-page, e)
	case fyne.KeyReturn, fyne.KeyEnter:
		s.follow(s.chosen)
	default:
		s.pass(e)
	}
}

func (s *Sheet) pass(e *fyne.KeyEvent) {
	if s.OnKey != nil {
		s.OnKey(e)
	} else {
		look.KeyToWindow(s.raster, e)
	}
}

// choose moves the ring to link i and the page so that it is seen.
func (s *Sheet) choose(i int) {
	before := s.chosen
	s.chosen = max(0, min(i, len(s.page.links)-1))
	if s.scrolls {
		if s.chosen == before { // no further link: the rest of the page can still be read
			s.offset += float64(i-before) * 60
		} else if r := s.page.links[s.chosen].Rect; r.Y < s.offset+20 {
			s.offset = r.Y - 60
		} else if low := s.offset + float64(s.Size().Height); r.Y+r.H > low-20 {
			s.offset += r.Y + r.H - low + 60
		}
	}
	s.redraw()
}

// chooseVisible moves the ring to the first link that can be seen.
func (s *Sheet) chooseVisible() {
	s.layout()
	low := s.offset + float64(s.Size().Height)
	if s.chosen < len(s.page.links) && len(s.page.links) > 0 {
		if r := s.page.links[s.chosen].Rect; r.Y >= s.offset && r.Y+r.H <= low {
			return
		}
	}
	for i, l := range s.page.links {
		if l.Rect.Y >= s.offset {
			s.chosen = i
			return
		}
	}
}

func (s *Sheet) scroll(by float64, e *fyne.KeyEvent) {
	if !s.scrolls {
		s.pass(e)
		return
	}
	s.offset += by
	s.redraw()
}
