package sheet

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/window/look"
)

// Scrolling is a page that scrolls itself: only what can be seen is painted, however
// long it is.
type Scrolling struct {
	Sheet
	// NoBar leaves the bar out, for a page that follows something else.
	NoBar bool
	bar   *canvas.Rectangle
}

// NewScrolling makes a page that scrolls.
func NewScrolling(write Write) *Scrolling {
	s := &Scrolling{Sheet: Sheet{write: write, over: -1, scrolls: true}, bar: canvas.NewRectangle(nil)}
	s.raster = canvas.NewRaster(s.paint)
	s.raster.ScaleMode = canvas.ImageScaleFastest
	s.bar.CornerRadius = 2
	s.shown = s.placeBar
	s.ExtendBaseWidget(s)
	return s
}

// Offset is how far the page is scrolled.
func (s *Scrolling) Offset() float64 { return s.offset }

// SetOffset scrolls to a place, within the page.
func (s *Scrolling) SetOffset(y float64) {
	s.offset = y
	s.redraw()
}

// Scrolled moves the page by the wheel.
func (s *Scrolling) Scrolled(e *fyne.ScrollEvent) {
	s.offset -= float64(e.Scrolled.DY)
	s.redraw()
}

// Dragged moves the page with the pointer, as on a touch screen, or by its bar.
func (s *Scrolling) Dragged(e *fyne.DragEvent) {
	s.layout()
	by := -float64(e.Dragged.DY)
	if e.Position.X > s.Size().Width-16 && s.Size().Height > 0 {
		by *= -s.page.height / float64(s.Size().Height)
	}
	s.offset += by
	s.redraw()
}

// DragEnd has nothing to finish.
func (s *Scrolling) DragEnd() {}

// placeBar shows which part of the page is seen.
func (s *Scrolling) placeBar() {
	size := s.Size()
	if s.NoBar || s.page == nil || s.page.height <= float64(size.Height) || size.Height <= 0 {
		s.bar.Hide()
		return
	}
	share := float64(size.Height) / s.page.height
	h := max(24, float64(size.Height)*share)
	y := s.offset / (s.page.height - float64(size.Height)) * (float64(size.Height) - h)
	s.bar.FillColor = paint.Alpha(s.theme.Muted, 0.45)
	s.bar.Resize(fyne.NewSize(4, float32(h)))
	s.bar.Move(fyne.NewPos(size.Width-6, float32(y)))
	s.bar.Show()
	s.bar.Refresh()
}

// CreateRenderer adds the bar to the page.
func (s *Scrolling) CreateRenderer() fyne.WidgetRenderer {
	return &withBar{look.NewFilled(s.MinSize, s.redraw, s.raster), s.bar}
}

// withBar shows a bar besides what fills the page.
type withBar struct {
	*look.Filled
	bar *canvas.Rectangle
}

func (r *withBar) Objects() []fyne.CanvasObject { return append(r.Filled.Objects(), r.bar) }
