package paint

import (
	"image/color"
	"math"

	"github.com/fabriscope/fabriscope/app/view"
)

// What the timeline draws thousands of, straight into the pixels: the general figures of
// Image cost several times as much.

// flat fills whole pixels.
func (m *Image) flat(x0, y0, x1, y1 int, c color.NRGBA) {
	x0, y0, x1, y1 = max(x0, m.clip.Min.X), max(y0, m.clip.Min.Y), min(x1, m.clip.Max.X), min(y1, m.clip.Max.Y)
	if x0 >= x1 || c.A == 0 {
		return
	}
	ink := premultiplied(c)
	for y := y0; y < y1; y++ {
		m.blend(y, run{x0, x1, 255}, ink)
	}
}

// framed draws a bar with an edge; its corners are rounded by half a pixel's ink.
func (m *Image) framed(x0, y0, x1, y1, width int, ground, edge color.NRGBA) {
	m.flat(x0+width, y0+width, x1-width, y1-width, ground)
	m.flat(x0+width, y0, x1-width, y0+width, edge)
	m.flat(x0+width, y1-width, x1-width, y1, edge)
	m.flat(x0, y0+width, x0+width, y1-width, edge)
	m.flat(x1-width, y0+width, x1, y1-width, edge)
	soft := Alpha(edge, 0.35)
	for _, x := range [2]int{x0, x1 - width} {
		m.flat(x, y0, x+width, y0+width, soft)
		m.flat(x, y1-width, x+width, y1, soft)
	}
}

// slant draws a line with soft edges. It walks along the longer axis; across it, a pixel is
// covered as far as the line's width reaches into it.
func (m *Image) slant(a, b view.Point, width float64, c color.NRGBA) {
	steep := math.Abs(b.Y-a.Y) > math.Abs(b.X-a.X)
	if steep {
		a.X, a.Y, b.X, b.Y = a.Y, a.X, b.Y, b.X
	}
	if a.X > b.X {
		a, b = b, a
	}
	low, high := float64(m.clip.Min.X), float64(m.clip.Max.X)
	least, most := m.clip.Min.Y, m.clip.Max.Y
	if steep {
		low, high = float64(m.clip.Min.Y), float64(m.clip.Max.Y)
		least, most = m.clip.Min.X, m.clip.Max.X
	}
	if b.X < low || a.X > high || math.Max(a.Y, b.Y) < float64(least)-2 || math.Min(a.Y, b.Y) > float64(most)+2 || c.A == 0 {
		return
	}
	slope := 0.0
	if b.X > a.X {
		slope = (b.Y - a.Y) / (b.X - a.X)
	}
	half := width / 2 * math.Sqrt(1+slope*slope)
	ink := premultiplied(c)
	along, across := 4, m.dst.Stride
	if steep {
		along, across = m.dst.Stride, 4
	}
	origin := m.dst.PixOffset(0, 0)
	first, last := math.Floor(math.Max(a.X, low)), math.Min(b.X, high)
	for x := first; x < last; x++ {
		share := math.Min(x+1, b.X) - math.Max(x, a.X) // of this pixel along the line
		y := a.Y + slope*(x+0.5-a.X)
		top := int(math.Floor(y - half))
		for q := max(top, least); q < min(int(math.Ceil(y+half)), most); q++ {
			cover := math.Min(float64(q+1), y+half) - math.Max(float64(q), y-half)
			m.dot(origin+int(x)*along+q*across, uint8(255*share*cover+0.5), ink)
		}
	}
}

// dot lays ink over one pixel.
func (m *Image) dot(at int, cover uint8, ink color.RGBA) {
	p := m.dst.Pix[at : at+4 : at+4]
	rest := 255 - times(ink.A, cover)
	p[0] = times(ink.R, cover) + times(p[0], rest)
	p[1] = times(ink.G, cover) + times(p[1], rest)
	p[2] = times(ink.B, cover) + times(p[2], rest)
	p[3] = times(ink.A, cover) + times(p[3], rest)
}
