package paint

import (
	"encoding/binary"
	"image"
	"image/color"
	"math"

	"github.com/fabriscope/fabriscope/app/view"
)

// Class is the colour of a class of messages.
func (t *Theme) Class(c view.Class) color.NRGBA { return t.Classes[c] }

// figures draw the shapes around x, y with half their width.
var figures [view.FigureCount]func(c Canvas, x, y, r float64, colour color.NRGBA) = [...]func(Canvas, float64, float64, float64, color.NRGBA){
	view.SmallDisc: func(c Canvas, x, y, r float64, colour color.NRGBA) {
		c.Circle(view.Point{X: x, Y: y}, r*0.6, Style{Fill: colour})
	},
	view.Disc: func(c Canvas, x, y, r float64, colour color.NRGBA) {
		c.Circle(view.Point{X: x, Y: y}, r, Style{Fill: colour})
	},
	view.Ring: func(c Canvas, x, y, r float64, colour color.NRGBA) {
		w := r * 0.54
		c.Circle(view.Point{X: x, Y: y}, r-w/2, Style{Stroke: colour, Width: w})
	},
	view.Square: func(c Canvas, x, y, r float64, colour color.NRGBA) {
		r *= 0.9
		c.Rect(view.Rect{X: x - r, Y: y - r, W: 2 * r, H: 2 * r}, 0, Style{Fill: colour})
	},
	view.Diamond: func(c Canvas, x, y, r float64, colour color.NRGBA) {
		r *= 1.18
		c.Path([]view.Point{{X: x, Y: y - r}, {X: x + r, Y: y}, {X: x, Y: y + r}, {X: x - r, Y: y}}, true, Style{Fill: colour})
	},
	view.Triangle: func(c Canvas, x, y, r float64, colour color.NRGBA) {
		r *= 1.16
		c.Path([]view.Point{{X: x, Y: y - r}, {X: x + r*0.96, Y: y + r*0.72}, {X: x - r*0.96, Y: y + r*0.72}}, true, Style{Fill: colour})
	},
	view.RoundedSquare: func(c Canvas, x, y, r float64, colour color.NRGBA) {
		r *= 1.02
		c.Rect(view.Rect{X: x - r, Y: y - r, W: 2 * r, H: 2 * r}, r*0.6, Style{Fill: colour})
	},
}

// Shape draws the figure of a class around center. size is its width.
func Shape(c Canvas, class view.Class, center view.Point, size float64, colour color.NRGBA) {
	figures[class.Figure()](c, center.X, center.Y, size/2, colour)
}

// DrawDot draws a message with its soft halo on any Canvas.
func DrawDot(c Canvas, d Dot, at view.Point, th *Theme) {
	colour := d.colour(th)
	if !d.Bare {
		c.Circle(at, d.Size*haloes, Style{Fill: Alpha(colour, haloShare)})
	}
	Shape(c, d.Class, at, d.Size, colour)
}

// Dot is a message as it is drawn: the shape and colour of its class.
type Dot struct {
	Class  view.Class
	Size   float64     // the shape's width in pixels; 12 on an ordinary stage
	Colour color.NRGBA // the zero colour is that of the class
	Fade   float64     // 0 is fully visible, 1 not at all; in steps of an eighth
	Bare   bool        // without a halo
}

// The halo: its radius in sizes, and its opacity in the middle.
const (
	haloes    = 1.0
	haloShare = 0.16
)

func (d Dot) colour(th *Theme) color.NRGBA {
	c := d.Colour
	if c.A == 0 {
		c = th.Class(d.Class)
	}
	return Alpha(c, 1-math.Max(0, math.Min(1, d.Fade)))
}

// Sprites holds dots that were drawn before, to stamp thousands of them quickly. The zero
// value is ready. One goroutine uses it at a time.
type Sprites struct {
	drawn map[sprite]*stamp
}

// sprite is a dot with everything in the steps in which it is kept.
type sprite struct {
	class, fade     uint8
	bare            bool
	quarterX, quarY uint8
	size            uint16 // in quarters of a pixel
	colour          color.NRGBA
}

type stamp struct {
	rect image.Rectangle // relative to the pixel of its middle
	pix  []uint8         // premultiplied, rows of 4*rect.Dx()
	rows []run           // of every row, what is not empty; relative to rect
}

// A bound on the memory of dots: 7 classes, a few sizes, 16 places and fadings.
const mostSprites = 4096

// Stamp draws a dot around at, on a quarter of a pixel, within clip and dst.
func (s *Sprites) Stamp(dst *image.RGBA, d Dot, at view.Point, th *Theme) {
	if d.Fade >= 1 || !(d.Size > 0) {
		return
	}
	x, y := int(math.Floor(bounded(at.X)*4+0.5)), int(math.Floor(bounded(at.Y)*4+0.5))
	colour := d.Colour
	if colour.A == 0 {
		colour = th.Class(d.Class)
	}
	key := sprite{class: uint8(d.Class), fade: uint8(math.Max(0, d.Fade)*8 + 0.5), bare: d.Bare, quarterX: uint8(x & 3), quarY: uint8(y & 3),
		size: uint16(math.Min(d.Size, 256)*4 + 0.5), colour: colour}
	k := s.drawn[key]
	if k == nil {
		if s.drawn == nil || len(s.drawn) >= mostSprites {
			s.drawn = map[sprite]*stamp{}
		}
		k = newStamp(key)
		s.drawn[key] = k
	}
	k.stamp(dst, x>>2, y>>2)
}

func newStamp(key sprite) *stamp {
	size := float64(key.size) / 4
	reach := int(math.Ceil(size*math.Max(haloes, 0.7))) + 1
	pic := image.NewRGBA(image.Rect(-reach, -reach, reach+1, reach+1))
	at := view.Point{X: float64(key.quarterX) / 4, Y: float64(key.quarY) / 4}
	colour := Alpha(key.colour, 1-float64(key.fade)/8)
	if !key.bare {
		softDisc(pic, at, size*haloes, Alpha(colour, haloShare))
	}
	Shape(NewImage(pic), view.Class(key.class), at, size, colour)
	k := &stamp{rect: pic.Rect, pix: pic.Pix, rows: make([]run, pic.Rect.Dy())}
	for y := range k.rows {
		row := pic.Pix[y*pic.Stride : (y+1)*pic.Stride]
		from, to := 0, pic.Rect.Dx()
		for from < to && row[4*from+3] == 0 {
			from++
		}
		for to > from && row[4*to-1] == 0 {
			to--
		}
		k.rows[y] = run{x0: from, x1: to}
	}
	return k
}

// softDisc is a disc that is even in the middle and fades out towards its rim.
func softDisc(pic *image.RGBA, at view.Point, radius float64, c color.NRGBA) {
	m := NewImage(pic)
	for y := pic.Rect.Min.Y; y < pic.Rect.Max.Y; y++ {
		for x := pic.Rect.Min.X; x < pic.Rect.Max.X; x++ {
			d := math.Hypot(float64(x)+0.5-at.X, float64(y)+0.5-at.Y) / radius
			share := math.Min(1, (1-d)*4)
			if share > 0 {
				m.blend(y, run{x, x + 1, uint8(share * 255)}, premultiplied(c))
			}
		}
	}
}

// stamp lays the sprite over dst, its middle at x, y.
func (k *stamp) stamp(dst *image.RGBA, x, y int) {
	r := k.rect.Add(image.Pt(x, y))
	top, bottom := max(r.Min.Y, dst.Rect.Min.Y), min(r.Max.Y, dst.Rect.Max.Y)
	width := k.rect.Dx()
	for y := top; y < bottom; y++ {
		row := k.rows[y-r.Min.Y]
		from, to := max(row.x0, dst.Rect.Min.X-r.Min.X), min(row.x1, dst.Rect.Max.X-r.Min.X)
		if from >= to {
			continue
		}
		src := k.pix[4*((y-r.Min.Y)*width+from) : 4*((y-r.Min.Y)*width+to)]
		at := dst.PixOffset(r.Min.X+from, y)
		pix := dst.Pix[at : at+len(src)]
		for i := 0; i+4 <= len(src); i += 4 {
			s, p := src[i:i+4:i+4], pix[i:i+4:i+4]
			over := binary.LittleEndian.Uint32(s)
			if rest := uint64(255 - over>>24); rest > 0 {
				over += packed(half + lanes(binary.LittleEndian.Uint32(p))*rest)
			}
			binary.LittleEndian.PutUint32(p, over)
		}
	}
}
