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
