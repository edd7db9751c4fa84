// Package panel is the widgets around the painted panels: stage, timeline, chain and the
// close-up of a validation. Each is one raster that asks for a frame when it is drawn and
// has it painted into the same image every time; what a person does with mouse, wheel and
// keys is handed on through callbacks. Nothing is decided here.
//
// Read next: surface.go (what they share), stage.go.
package panel

import (
	"image"
	"image/color"
	"math"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
)

// maxPixels bounds the picture of one panel: on screens with more pixels it is painted
// smaller and enlarged, since what costs is the upload.
const maxPixels = 2_600_000

// surface is a raster with its image. Models and painters count in units: one unit is one
// pixel at the theme's scale 1 on an ordinary screen.
type surface struct {
	widget.BaseWidget
	super  fyne.Widget
	raster *canvas.Raster
	ring   *canvas.Rectangle
	image  *image.RGBA
	paint  func(dst *image.RGBA, th *paint.Theme)
	min    fyne.Size
	onKey  func(*fyne.KeyEvent) bool
}

func (s *surface) init(of fyne.Widget, min fyne.Size, draw func(dst *image.RGBA, th *paint.Theme)) {
	s.super, s.min, s.paint = of, min, draw
	s.raster = canvas.NewRaster(s.generate)
	s.raster.ScaleMode = canvas.ImageScaleFastest
	s.ring = canvas.NewRectangle(color.Transparent)
	s.ring.Hide()
	s.ExtendBaseWidget(of)
}

// generate paints the panel; Fyne calls it when the panel is drawn.
func (s *surface) generate(w, h int) image.Image {
	if over := float64(w) * float64(h) / maxPixels; over > 1 {
		k := 1 / math.Sqrt(over)
		w, h = int(float64(w)*k), int(float64(h)*k)
	}
	if s.image == nil || s.image.Rect.Dx() != w || s.image.Rect.Dy() != h {
		s.image = image.NewRGBA(image.Rect(0, 0, w, h))
	}
	if w > 0 && h > 0 && s.Size().Width > 0 {
		th := *look.Current()
		th.Scale *= float64(w) / float64(s.Size().Width)
		s.paint(s.image, &th)
	}
	return s.image
}

// units is the panel's size in units.
func (s *surface) units() (w, h float64) {
	k := look.Current().Scale
	return float64(s.Size().Width) / k, float64(s.Size().Height) / k
}

// at is a place of the screen in units.
func (s *surface) at(p fyne.Position) view.Point {
	k := look.Current().Scale
	return view.Point{X: float64(p.X) / k, Y: float64(p.Y) / k}
}

// MinSize is the least that is useful.
func (s *surface) MinSize() fyne.Size {
	return fyne.NewSize(look.Px(s.min.Width), look.Px(s.min.Height))
}

// Repaint has the panel drawn anew.
func (s *surface) Repaint() { s.raster.Refresh() }

// Image is the picture as it was last painted, nil before the first time.
func (s *surface) Image() *image.RGBA { return s.image }

// CreateRenderer is Fyne's.
func (s *surface) CreateRenderer() fyne.WidgetRenderer {
	return look.NewFilled(s.MinSize, func() { s.styleRing(); s.ring.Refresh(); s.raster.Refresh() }, s.raster, s.ring)
}

func (s *surface) styleRing() {
	s.ring.StrokeColor, s.ring.StrokeWidth = look.Current().Accent, look.Px(2)
}

// FocusGained is Fyne's.
func (s *surface) FocusGained() { s.styleRing(); s.ring.Show() }

// FocusLost is Fyne's.
func (s *surface) FocusLost() { s.ring.Hide() }

// TypedKey gives a key to the panel, or to the window if the panel has no use for it.
func (s *surface) TypedKey(e *fyne.KeyEvent) {
	if s.onKey != nil && s.onKey(e) {
		return
	}
	look.KeyToWindow(s.super, e)
}

// TypedRune hands what is typed to the window.
func (s *surface) TypedRune(r rune) { look.RuneToWindow(s.super, r) }

func (s *surface) canvas() fyne.Canvas { return fyne.CurrentApp().Driver().CanvasForObject(s.super) }

// focus takes the keyboard.
func (s *surface) focus() {
	if c := s.canvas(); c != nil {
		if f, ok := s.super.(fyne.Focusable); ok {
			c.Focus(f)
		}
	}
}

// unfocus gives the keyboard back to the window.
func (s *surface) unfocus() {
	if c := s.canvas(); c != nil {
		c.Unfocus()
	}
}
