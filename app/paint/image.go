package paint

import (
	"image"
	"image/color"
	"math"

	"github.com/fabriscope/fabriscope/app/view"
)

// Image is a Canvas that draws into a picture, with soft edges. Frames, lines along an
// axis and baselines are put on whole pixels, so that they are crisp. One goroutine uses
// an Image at a time; several Images may be used at once.
type Image struct {
	dst    *image.RGBA
	clip   image.Rectangle
	spans  spans
	points []view.Point
}

var _ Canvas = (*Image)(nil)

// NewImage draws on dst, in its own coordinates.
func NewImage(dst *image.RGBA) *Image { return &Image{dst: dst, clip: dst.Rect} }

// Fill paints all of the picture (within the clip) in one colour.
func (m *Image) Fill(c color.NRGBA) {
	ink := premultiplied(c)
	for y := m.clip.Min.Y; y < m.clip.Max.Y; y++ {
		m.blend(y, run{m.clip.Min.X, m.clip.Max.X, 255}, ink)
	}
}

// Rect draws a rectangle with rounded corners.
func (m *Image) Rect(r view.Rect, radius float64, s Style) {
	if s.Stroke.A > 0 && s.Width > 0 {
		r = onPixels(r, s.Width)
	}
	if !(r.W > 0 && r.H > 0) {
		return
	}
	m.points = roundedRect(m.points[:0], r, radius)
	m.fill(m.points, s.Fill)
	if s.Stroke.A == 0 || !(s.Width > 0) {
		return
	}
	if s.Dash > 0 {
		m.spans.begin(m.clip)
		m.spans.dashes(m.points, true, s.Width, s.Dash)
		m.paint(s.Stroke)
		return
	}
	h := s.Width / 2
	m.spans.begin(m.clip)
	m.spans.outline(roundedRect(m.points[:0], r.Inset(-h), radius+h))
	if inner := r.Inset(h); inner.W > 0 && inner.H > 0 {
		m.spans.outline(reversed(roundedRect(m.points[:0], inner, math.Max(0, radius-h))))
	}
	m.paint(s.Stroke)
}

// Path draws straight lines through points, closed or open.
func (m *Image) Path(points []view.Point, closed bool, s Style) {
	if len(points) > 2 {
		m.fill(points, s.Fill)
	}
	if s.Stroke.A == 0 || !(s.Width > 0) {
		return
	}
	if len(points) == 2 {
		points = lineOnPixels(points, s.Width)
	}
	m.spans.begin(m.clip)
	if s.Dash > 0 {
		m.spans.dashes(points, closed, s.Width, s.Dash)
	} else {
		m.spans.stroke(points, closed, s.Width)
	}
	m.paint(s.Stroke)
}

// Circle draws a circle.
func (m *Image) Circle(center view.Point, radius float64, s Style) {
	if !(radius > 0) {
		return
	}
	m.points = arcAround(m.points[:0], center, radius, 0, 2*math.Pi)
	m.fill(m.points, s.Fill)
	if s.Stroke.A == 0 || !(s.Width > 0) {
		return
	}
	m.spans.begin(m.clip)
	if s.Dash > 0 {
		m.spans.dashes(m.points, true, s.Width, s.Dash)
	} else {
		h := s.Width / 2
		m.spans.outline(arcAround(m.points[:0], center, radius+h, 0, 2*math.Pi))
		if radius > h {
			m.spans.outline(arcAround(m.points[:0], center, radius-h, 0, -2*math.Pi))
		}
	}
	m.paint(s.Stroke)
}

// Text writes one line, its baseline's left end at p; it gives the width.
func (m *Image) Text(p view.Point, text string, f Font, c color.NRGBA) float64 {
	return letters().draw(m, p, text, f, premultiplied(c))
}

// Clip restricts what follows to r, until the returned function is called.
func (m *Image) Clip(r view.Rect) (restore func()) {
	before := m.clip
	m.clip = before.Intersect(image.Rect(pixel(r.X), pixel(r.Y), pixel(r.X+r.W), pixel(r.Y+r.H)))
	return func() { m.clip = before }
}

// Seen tells whether anything of r can be seen, so that what is outside need not be drawn.
func (m *Image) Seen(r view.Rect) bool {
	return r.X < float64(m.clip.Max.X) && r.Y < float64(m.clip.Max.Y) && r.X+r.W > float64(m.clip.Min.X) && r.Y+r.H > float64(m.clip.Min.Y)
}

func (m *Image) fill(points []view.Point, c color.NRGBA) {
	if c.A == 0 {
		return
	}
	m.spans.begin(m.clip)
	m.spans.outline(points)
	m.paint(c)
}

func (m *Image) paint(c color.NRGBA) {
	ink := premultiplied(c)
	m.spans.sweep(func(y int, runs []run) {
		for _, r := range runs {
			m.blend(y, r, ink)
		}
	})
}

// blend lays ink over one stretch of a row.
func (m *Image) blend(y int, r run, ink color.RGBA) {
	from := m.dst.PixOffset(r.x0, y)
	pix := m.dst.Pix[from : from+4*(r.x1-r.x0)]
	if r.cover == 255 && ink.A == 255 {
		for i := 0; i+3 < len(pix); i += 4 {
			p := pix[i : i+4 : i+4]
			p[0], p[1], p[2], p[3] = ink.R, ink.G, ink.B, 255
		}
		return
	}
	sr, sg, sb, sa := times(ink.R, r.cover), times(ink.G, r.cover), times(ink.B, r.cover), times(ink.A, r.cover)
	rest := 255 - sa
	for i := 0; i+3 < len(pix); i += 4 {
		p := pix[i : i+4 : i+4]
		p[0], p[1], p[2], p[3] = sr+times(p[0], rest), sg+times(p[1], rest), sb+times(p[2], rest), sa+times(p[3], rest)
	}
}

// times multiplies two shares of 255.
func times(a, b uint8) uint8 {
	t := uint32(a)*uint32(b) + 128
	return uint8((t + t>>8) >> 8)
}

func premultiplied(c color.NRGBA) color.RGBA {
	return color.RGBA{R: times(c.R, c.A), G: times(c.G, c.A), B: times(c.B, c.A), A: c.A}
}

// onPixels moves a rectangle's sides so that the outer edges of its frame lie between pixels.
func onPixels(r view.Rect, width float64) view.Rect {
	h := width / 2
	x0, y0 := math.Round(r.X-h)+h, math.Round(r.Y-h)+h
	x1, y1 := math.Round(r.X+r.W+h)-h, math.Round(r.Y+r.H+h)-h
	return view.Rect{X: x0, Y: y0, W: x1 - x0, H: y1 - y0}
}

// lineOnPixels does the same for one line along an axis.
func lineOnPixels(points []view.Point, width float64) []view.Point {
	a, b, h := points[0], points[1], width/2
	switch {
	case a.X == b.X && a.Y != b.Y:
		a.X = math.Round(a.X-h) + h
		b.X = a.X
	case a.Y == b.Y && a.X != b.X:
		a.Y = math.Round(a.Y-h) + h
		b.Y = a.Y
	default:
		return points
	}
	return []view.Point{a, b}
}

func pixel(v float64) int { return int(math.Round(bounded(v))) }
