package paint

import (
	"encoding/binary"
	"image/color"
	"math"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/timeline"
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
	if ink.A == 255 && x1-x0 > 4 {
		for y := y0; y < y1; y++ {
			m.blend(y, run{x0, x1, 255}, ink)
		}
		return
	}
	l, rest := lanesOf(ink)*255+half, uint64(255-ink.A)
	at, n := m.dst.PixOffset(x0, y0), 4*(x1-x0)
	for y := y0; y < y1; y++ {
		for pix := m.dst.Pix[at : at+n]; len(pix) >= 4; pix = pix[4:] {
			binary.LittleEndian.PutUint32(pix, packed(l+lanes(binary.LittleEndian.Uint32(pix))*rest))
		}
		at += m.dst.Stride
	}
}

// columns draws the pixel columns of one row, each in the opaque ink of its occupancy.
func (m *Image) columns(columns []timeline.Column, inks [shades + 1]color.NRGBA) {
	var pixels [shades + 1]uint32
	for i, c := range inks {
		pixels[i] = uint32(c.R) | uint32(c.G)<<8 | uint32(c.B)<<16 | 0xff000000
	}
	type place struct {
		at    int32
		pixel uint32
	}
	places := make([]place, 0, len(columns))
	for i := range columns {
		if x := int(columns[i].X + 0.5); x >= m.clip.Min.X && x < m.clip.Max.X {
			places = append(places, place{int32(4 * (x - m.dst.Rect.Min.X)), pixels[shadeOf(columns[i].Share)]})
		}
	}
	y0, y1 := pixel(float64(columns[0].Y)), pixel(float64(columns[0].Y+columns[0].H))
	for y := max(y0, m.clip.Min.Y); y < min(y1, m.clip.Max.Y); y++ {
		row := m.dst.Pix[m.dst.PixOffset(m.dst.Rect.Min.X, y):]
		for _, p := range places {
			binary.LittleEndian.PutUint32(row[p.at:p.at+4:p.at+4], p.pixel)
		}
	}
}

// hatch draws diagonal lines, one pixel wide and step apart, into whole pixels.
func (m *Image) hatch(x0, y0, x1, y1, step int, c color.NRGBA) {
	x0, y0, x1, y1 = max(x0, m.clip.Min.X), max(y0, m.clip.Min.Y), min(x1, m.clip.Max.X), min(y1, m.clip.Max.Y)
	ink := premultiplied(c)
	for y := y0; y < y1; y++ {
		for x := x0 + (step-(x0+y)%step)%step; x < x1; x += step {
			m.dot(m.dst.PixOffset(x, y), 255, ink)
		}
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
	l := lanesOf(ink)*uint64(cover) + half
	binary.LittleEndian.PutUint32(p, packed(l+lanes(binary.LittleEndian.Uint32(p))*uint64(255-times(ink.A, cover))))
}
