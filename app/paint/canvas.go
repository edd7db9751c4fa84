// Package paint draws the panels: stage, timeline, chain, the close-up of a validation,
// charts. It is pure: a view model's frame goes in, a picture comes out. The window shows
// the pictures and the exports write them, so both are the same.
//
// A panel's drawing is written once against Canvas, which is a raster (Image) or an SVG
// document (SVG). What moves, dots above all, is stamped from sprites on the raster.
//
// Read next: canvas.go (what can be drawn), theme.go (all colours), stage.go.
package paint

import (
	"image/color"

	"github.com/fabriscope/fabriscope/app/view"
)

// Font is one of the few faces that everything is written in.
type Font struct {
	Mono bool    // JetBrains Mono for ids, versions and keys; otherwise Inter
	Bold bool    // semibold
	Size float64 // pixels: 16, 13, 11 or 10, times the theme's scale
}

// Style says how a shape is drawn. The zero colour (alpha 0) leaves fill or stroke out.
type Style struct {
	Fill   color.NRGBA
	Stroke color.NRGBA
	Width  float64 // of the stroke
	Dash   float64 // length of dashes and gaps; 0 is a solid stroke
}

// drawCross draws a diagonal cross that reaches r to all sides.
func drawCross(c Canvas, at view.Point, r float64, s Style) {
	c.Path([]view.Point{{X: at.X - r, Y: at.Y - r}, {X: at.X + r, Y: at.Y + r}}, false, s)
	c.Path([]view.Point{{X: at.X - r, Y: at.Y + r}, {X: at.X + r, Y: at.Y - r}}, false, s)
}

// Canvas is what panels are drawn on, in pixels from the top left.
type Canvas interface {
	// Rect draws a rectangle with rounded corners.
	Rect(r view.Rect, radius float64, s Style)
	// Path draws straight lines through points, closed or open.
	Path(points []view.Point, closed bool, s Style)
	// Circle draws a circle.
	Circle(center view.Point, radius float64, s Style)
	// Text writes one line, its baseline's left end at p; it gives the width.
	Text(p view.Point, text string, f Font, c color.NRGBA) float64
	// Clip restricts what follows to r, until the returned function is called.
	Clip(r view.Rect) (restore func())
}

// Scaled is a canvas on which everything is by times as large; origin is what lies at the
// top left of c.
func Scaled(c Canvas, by float64, origin view.Point) Canvas { return scaled{c, by, origin} }

type scaled struct {
	c      Canvas
	by     float64
	origin view.Point
}

func (s scaled) at(p view.Point) view.Point {
	return view.Point{X: (p.X - s.origin.X) * s.by, Y: (p.Y - s.origin.Y) * s.by}
}

func (s scaled) rect(r view.Rect) view.Rect {
	p := s.at(view.Point{X: r.X, Y: r.Y})
	return view.Rect{X: p.X, Y: p.Y, W: r.W * s.by, H: r.H * s.by}
}

func (s scaled) style(st Style) Style {
	st.Width, st.Dash = st.Width*s.by, st.Dash*s.by
	return st
}

func (s scaled) Rect(r view.Rect, radius float64, st Style) {
	s.c.Rect(s.rect(r), radius*s.by, s.style(st))
}

func (s scaled) Path(points []view.Point, closed bool, st Style) {
	out := make([]view.Point, len(points))
	for i, p := range points {
		out[i] = s.at(p)
	}
	s.c.Path(out, closed, s.style(st))
}

func (s scaled) Circle(center view.Point, radius float64, st Style) {
	s.c.Circle(s.at(center), radius*s.by, s.style(st))
}

func (s scaled) Text(p view.Point, text string, f Font, c color.NRGBA) float64 {
	f.Size *= s.by
	return s.c.Text(s.at(p), text, f, c) / s.by
}

func (s scaled) Clip(r view.Rect) func() { return s.c.Clip(s.rect(r)) }
