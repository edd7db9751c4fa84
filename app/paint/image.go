package paint

import (
	"encoding/binary"
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

// copyPicture copies a picture into another of the same place and size.
func copyPicture(to, from *image.RGBA) {
	if to.Stride == from.Stride {
		copy(to.Pix, from.Pix)
		return
	}
	for y := to.Rect.Min.Y; y < to.Rect.Max.Y; y++ {
		copy(to.Pix[to.PixOffset(to.Rect.Min.X, y):][:4*to.Rect.Dx()], from.Pix[from.PixOffset(to.Rect.Min.X, y):])
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
	radius = math.Max(0, math.Min(radius, math.Min(r.W, r.H)/2))
	if s.Fill.A > 0 {
		m.bands(r, radius, s.Fill, func(box view.Rect) {
			m.box(box, s.Fill)
		}, func() {
			m.spans.outline(roundedRect(m.points[:0], r, radius))
		})
	}
	if s.Stroke.A == 0 || !(s.Width > 0) {
		return
	}
	if s.Dash > 0 {
		m.spans.begin(m.clip)
		m.spans.dashes(roundedRect(nil, r, radius), true, s.Width, s.Dash)
		m.paint(s.Stroke)
		return
	}
	m.frame(r, radius, s)
}

func (m *Image) frame(r view.Rect, radius float64, s Style) {
	h, outer := s.Width/2, radius+s.Width/2
	if radius <= 0 {
		outer = 0
	}
	m.bands(r, math.Max(radius, h), s.Stroke, func(box view.Rect) {
		if box.W <= 2*h {
			m.box(view.Rect{X: box.X - h, Y: box.Y, W: box.W + 2*h, H: box.H}, s.Stroke)
			return
		}
		m.box(view.Rect{X: box.X - h, Y: box.Y, W: 2 * h, H: box.H}, s.Stroke)
		m.box(view.Rect{X: box.X + box.W - h, Y: box.Y, W: 2 * h, H: box.H}, s.Stroke)
	}, func() {
		m.spans.outline(roundedRect(m.points[:0], r.Inset(-h), outer))
		if inner := r.Inset(h); inner.W > 0 && inner.H > 0 {
			m.spans.outline(reversed(roundedRect(nil, inner, math.Max(0, radius-h))))
		}
	})
}

// bands paints a figure that is a plain rectangle but for rows closer than margin to its
// upper and lower side: those from its outline, the rows between as boxes, which is quicker.
func (m *Image) bands(r view.Rect, margin float64, c color.NRGBA, between func(box view.Rect), outline func()) {
	top, bottom := pixel(math.Ceil(r.Y+margin)), pixel(math.Floor(r.Y+r.H-margin))
	all := m.clip
	if margin == 0 {
		between(r)
		return
	}
	if bottom-top < 4 {
		top, bottom = all.Max.Y, all.Max.Y
	}
	defer func() { m.clip = all }()
	for _, rows := range [][2]int{{all.Min.Y, min(top, all.Max.Y)}, {max(bottom, all.Min.Y), all.Max.Y}} {
		if m.clip.Min.Y, m.clip.Max.Y = rows[0], rows[1]; rows[0] < rows[1] {
			m.spans.begin(m.clip)
			outline()
			m.paint(c)
		}
	}
	if m.clip = all; top < bottom {
		between(view.Rect{X: r.X, Y: float64(top), W: r.W, H: float64(bottom - top)})
	}
}

// box fills a rectangle without rounded corners.
func (m *Image) box(r view.Rect, c color.NRGBA) {
	x0, x1 := math.Max(bounded(r.X), float64(m.clip.Min.X)), math.Min(bounded(r.X+r.W), float64(m.clip.Max.X))
	y0, y1 := math.Max(bounded(r.Y), float64(m.clip.Min.Y)), math.Min(bounded(r.Y+r.H), float64(m.clip.Max.Y))
	if !(x0 < x1 && y0 < y1) {
		return
	}
	ink := premultiplied(c)
	for y := int(math.Floor(y0)); float64(y) < y1; y++ {
		height := math.Min(y1, float64(y+1)) - math.Max(y0, float64(y))
		left, right := int(math.Ceil(x0)), int(math.Floor(x1))
		if left > right { // within one pixel
			m.blend(y, run{right, left, share(height * (x1 - x0))}, ink)
			continue
		}
		if float64(left) > x0 {
			m.blend(y, run{left - 1, left, share(height * (float64(left) - x0))}, ink)
		}
		if left < right {
			m.blend(y, run{left, right, share(height)}, ink)
		}
		if x1 > float64(right) {
			m.blend(y, run{right, right + 1, share(height * (x1 - float64(right)))}, ink)
		}
	}
}

func share(of1 float64) uint8 { return uint8(of1*255 + 0.5) }

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
		flood(pix, ink)
		return
	}
	l := lanesOf(ink)*uint64(r.cover) + half
	rest := uint64(255 - times(ink.A, r.cover))
	for i := 0; i+4 <= len(pix); i += 4 {
		p := pix[i : i+4 : i+4]
		binary.LittleEndian.PutUint32(p, packed(l+lanes(binary.LittleEndian.Uint32(p))*rest))
	}
}

// flood fills a stretch with one opaque colour, doubling what is there already.
func flood(pix []uint8, ink color.RGBA) {
	if len(pix) < 4 {
		return
	}
	pix[0], pix[1], pix[2], pix[3] = ink.R, ink.G, ink.B, 255
	for n := 4; n < len(pix); n *= 2 {
		copy(pix[n:], pix[:n])
	}
}

// Four channels are computed with at once, each in 16 bits of one word: red, blue, green,
// opacity from below. half rounds before packed divides by 255.
const (
	channels = 0x00ff00ff00ff00ff
	half     = 0x0080008000800080
)

// lanes spreads a pixel (red lowest).
func lanes(pixel uint32) uint64 {
	return uint64(pixel&0xff00ff) | uint64(pixel&0xff00ff00)<<24
}

func lanesOf(c color.RGBA) uint64 {
	return uint64(c.R) | uint64(c.B)<<16 | uint64(c.G)<<32 | uint64(c.A)<<48
}

// packed divides all channels by 255 and gives the pixel.
func packed(l uint64) uint32 {
	l = (l + l>>8&channels) >> 8 & channels
	return uint32(l) | uint32(l>>24)
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
