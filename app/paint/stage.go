package paint

import (
	"image"
	"image/color"
	"math"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/stage"
)

// StagePainter paints the stage. It keeps the slow layer (boxes, names, links) between
// frames and draws on it what moves. Its zero value is ready; use one for each widget,
// from one goroutine.
type StagePainter struct {
	slow    *image.RGBA
	key     uint64
	cam     view.Camera
	theme   Theme
	sprites Sprites
}

// Paint draws a frame over the whole of dst.
func (p *StagePainter) Paint(dst *image.RGBA, f *stage.Frame, cam view.Camera, th *Theme) {
	if p.slow == nil || p.key != f.StaticKey || p.cam != cam || p.slow.Rect != dst.Rect || !sameTheme(&p.theme, th) {
		if p.slow == nil || p.slow.Rect != dst.Rect {
			p.slow = image.NewRGBA(dst.Rect)
		}
		d := newStageDraw(NewImage(p.slow), f, cam, th)
		d.slow(float64(dst.Rect.Dx()), float64(dst.Rect.Dy()))
		p.key, p.cam, p.theme = f.StaticKey, cam, *th
	}
	copyPicture(dst, p.slow)
	d := newStageDraw(NewImage(dst), f, cam, th)
	d.stamp = func(dot Dot, at view.Point) { p.sprites.Stamp(dst, dot, at, th) }
	d.quick(float64(dst.Rect.Dx()), float64(dst.Rect.Dy()))
}

func sameTheme(a, b *Theme) bool {
	return a.Name == b.Name && a.Scale == b.Scale && a.Ground == b.Ground && a.Text == b.Text
}

// DrawStage draws the whole picture on any canvas, for exports. What lies around the
// frame's bounds is as wide on the right as on the left, and below as above.
func DrawStage(c Canvas, f *stage.Frame, cam view.Camera, th *Theme) {
	corner := cam.ToScreen(view.Point{X: f.Bounds.X, Y: f.Bounds.Y})
	w, h := f.Bounds.W*cam.Scale+2*math.Max(0, corner.X), f.Bounds.H*cam.Scale+2*math.Max(0, corner.Y)
	if m, ok := c.(*Image); ok {
		w, h = float64(m.dst.Rect.Dx()), float64(m.dst.Rect.Dy())
	}
	d := newStageDraw(c, f, cam, th)
	d.slow(w, h)
	d.quick(w, h)
}

// stageDraw draws one frame.
type stageDraw struct {
	c     Canvas
	f     *stage.Frame
	cam   view.Camera
	th    *Theme
	z     float64 // pixels for one unit of the plane
	k     float64 // pixels for one unit of what keeps its size: legend, notes
	fade  float64 // how much what is being drawn steps back
	floor float64 // where the legend begins
	stamp func(Dot, view.Point)
}

func newStageDraw(c Canvas, f *stage.Frame, cam view.Camera, th *Theme) *stageDraw {
	d := &stageDraw{c: c, f: f, cam: cam, th: th, z: cam.Scale, k: th.Scale}
	d.stamp = func(dot Dot, at view.Point) { DrawDot(c, dot, at, th) }
	return d
}

// rect is a rectangle of the plane on the screen.
func (d *stageDraw) rect(r view.Rect) view.Rect {
	p := d.cam.ToScreen(view.Point{X: r.X, Y: r.Y})
	return view.Rect{X: p.X, Y: p.Y, W: r.W * d.z, H: r.H * d.z}
}

// ink is a colour, faded as what is being drawn.
func (d *stageDraw) ink(c color.NRGBA) color.NRGBA {
	if d.fade > 0 {
		return Alpha(c, 1-d.fade)
	}
	return c
}

// step sets how much the next box steps back.
func (d *stageDraw) step(l *stage.Look) {
	d.fade = 0
	if l.Dim {
		d.fade = 0.62
	}
}

// stepNode is step for a node, which steps back a little while it does not run; gone tells that.
func (d *stageDraw) stepNode(l *stage.Look, m stage.Mark) (gone bool) {
	d.step(l)
	gone = m == stage.Down || m == stage.Pending
	if gone && !l.Dim {
		d.fade = 0.2
	}
	return gone
}

// stepBack lets a part of a box step back with the rest of it or by itself, until restore.
func (d *stageDraw) stepBack(dim bool) (restore func()) {
	fade := d.fade
	if dim {
		d.fade = math.Max(fade, 0.62)
	}
	return func() { d.fade = fade }
}

// The smallest letters, in pixels: names are written at least so large, while other words
// are left out where they would be smaller.
const (
	leastName = 8.5
	leastText = 6.5
)

// font is a face at a size of the plane. ok is false where it would be too small to read.
func (d *stageDraw) font(size float64, mono, bold bool) (f Font, ok bool) {
	px := math.Round(size*d.z*2) / 2
	return Font{Mono: mono, Bold: bold, Size: px}, px >= leastText
}

// nameFont is for names, which never become too small to read.
func (d *stageDraw) nameFont(size float64) Font {
	return Font{Bold: true, Size: math.Max(leastName, math.Round(size*d.z*2)/2)}
}

// words writes a line at a place within a box on the screen, given in units from the box's
// corner to the line's left end and middle. It is cut to width units; it gives its end.
func (d *stageDraw) words(box view.Rect, x, y, width float64, text string, f Font, ink color.NRGBA) float64 {
	if text == "" || width <= 0 {
		return x
	}
	fitted := Fit(text, f, width*d.z)
	at := view.Point{X: box.X + x*d.z, Y: Baseline(box.Y+y*d.z, f)}
	return x + d.c.Text(at, fitted, f, d.ink(ink))/d.z
}

// wordsEnd writes a line that ends at x.
func (d *stageDraw) wordsEnd(box view.Rect, x, y, width float64, text string, f Font, ink color.NRGBA) {
	fitted := Fit(text, f, width*d.z)
	TextEnd(d.c, view.Point{X: box.X + x*d.z, Y: Baseline(box.Y+y*d.z, f)}, fitted, f, d.ink(ink))
}

// edge is a border's colour, width and dash for a box.
func (d *stageDraw) edge(l *stage.Look, plain color.NRGBA, gone bool) Style {
	s := Style{Stroke: d.ink(plain), Width: math.Max(1, 1.2*d.z)}
	switch {
	case l.Highlight:
		s.Stroke, s.Width = d.ink(d.th.Warn), math.Max(2, 2.6*d.z)
	case l.Selected:
		s.Stroke, s.Width = d.ink(d.th.Accent), math.Max(2, 2.2*d.z)
	case l.Lit:
		s.Stroke, s.Width = d.ink(d.th.Accent), math.Max(1.4, 1.6*d.z)
	}
	if gone {
		s.Dash = math.Max(3, 5*d.z)
	}
	return s
}

// card draws a box with a soft shadow.
func (d *stageDraw) card(r view.Rect, radius float64, fill color.NRGBA, edge Style, shadow bool) {
	radius *= d.z
	if shadow && d.z > 0.45 {
		dark := 0.22
		if d.th.Name == "light" {
			dark = 0.05
		}
		for i := 3; i >= 1; i-- {
			grow := float64(i) * 1.1 * d.z
			d.c.Rect(view.Rect{X: r.X - grow/2, Y: r.Y + grow, W: r.W + grow, H: r.H}, radius, Style{Fill: Alpha(color.NRGBA{A: 255}, dark/3*(1-d.fade))})
		}
	}
	d.c.Rect(r, radius, Style{Fill: d.ink(fill)})
	d.c.Rect(r, radius, edge)
}

// inner is the ground of a chaincode's box, which stands out from its peer's in both themes.
func (d *stageDraw) inner() color.NRGBA {
	if d.th.Name == "light" {
		return d.th.Sunken
	}
	return d.th.Raised
}

// track is the ground of lanes, bars and chips.
func (d *stageDraw) track() color.NRGBA {
	if d.th.Name == "light" {
		return Alpha(d.th.Line, 0.5)
	}
	return Alpha(d.th.Line, 0.75)
}
