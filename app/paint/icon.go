package paint

import (
	"image/color"
	"math"
	"sort"

	"github.com/fabriscope/fabriscope/app/view"
)

// Icon draws a line icon into the largest square in the middle of r. IconNames lists the
// names; an unknown name draws nothing. width is the lines' width in pixels.
func Icon(c Canvas, name string, r view.Rect, colour color.NRGBA, width float64) {
	draw, ok := icons()[name]
	if !ok || !(r.W > 0 && r.H > 0) {
		return
	}
	side := math.Min(r.W, r.H)
	p := pencil{c: c, colour: colour, width: width, scale: side / 24, at: view.Point{X: r.X + (r.W-side)/2, Y: r.Y + (r.H-side)/2}}
	draw(&p)
}

// IconNames lists the icons, sorted.
func IconNames() []string {
	var names []string
	for name := range icons() {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// pencil draws in a square of 24 by 24.
type pencil struct {
	c      Canvas
	colour color.NRGBA
	width  float64
	scale  float64
	at     view.Point
}

func (p *pencil) on(x, y float64) view.Point {
	return view.Point{X: p.at.X + x*p.scale, Y: p.at.Y + y*p.scale}
}

func (p *pencil) points(xy []float64) []view.Point {
	out := make([]view.Point, len(xy)/2)
	for i := range out {
		out[i] = p.on(xy[2*i], xy[2*i+1])
	}
	return out
}

func (p *pencil) stroke() Style { return Style{Stroke: p.colour, Width: p.width} }

func (p *pencil) line(xy ...float64)  { p.c.Path(p.points(xy), false, p.stroke()) }
func (p *pencil) shape(xy ...float64) { p.c.Path(p.points(xy), true, p.stroke()) }
func (p *pencil) solid(xy ...float64) {
	p.c.Path(p.points(xy), true, Style{Fill: p.colour, Stroke: p.colour, Width: p.width * 0.6})
}
func (p *pencil) ring(x, y, r float64) { p.c.Circle(p.on(x, y), r*p.scale, p.stroke()) }
func (p *pencil) disc(x, y, r float64) {
	p.c.Circle(p.on(x, y), r*p.scale, Style{Fill: p.colour})
}
func (p *pencil) box(x, y, w, h, radius float64) {
	at := p.on(x, y)
	p.c.Rect(view.Rect{X: at.X, Y: at.Y, W: w * p.scale, H: h * p.scale}, radius*p.scale, p.stroke())
}
func (p *pencil) block(x, y, w, h, radius float64) {
	at := p.on(x, y)
	p.c.Rect(view.Rect{X: at.X, Y: at.Y, W: w * p.scale, H: h * p.scale}, radius*p.scale, Style{Fill: p.colour})
}

// arc goes from an angle by another one, in degrees clockwise from the right.
func (p *pencil) arc(x, y, r, from, by float64) {
	p.c.Path(arcAround(nil, p.on(x, y), r*p.scale, from*math.Pi/180, by*math.Pi/180), false, p.stroke())
}

// cubic is a curve from a to d.
func (p *pencil) cubic(ax, ay, bx, by, cx, cy, dx, dy float64) {
	a, b, c, d := p.on(ax, ay), p.on(bx, by), p.on(cx, cy), p.on(dx, dy)
	var points []view.Point
	for i := range 17 {
		points = append(points, onCurve(a, b, c, d, float64(i)/16))
	}
	p.c.Path(points, false, p.stroke())
}

// icons are the drawings by name.
func icons() map[string]func(*pencil) {
	return map[string]func(*pencil){
		// The rail.
		"book": func(p *pencil) {
			p.line(12, 20, 12, 7, 10, 5, 2.5, 5, 2.5, 18, 10, 18, 12, 20, 14, 18, 21.5, 18, 21.5, 5, 14, 5, 12, 7)
		},
		"network": func(p *pencil) {
			p.shape(12, 6, 19, 18, 5, 18)
			p.disc(12, 5.5, 3.4)
			p.disc(19, 18, 3.4)
			p.disc(5, 18, 3.4)
		},
		"cube": func(p *pencil) {
			p.shape(12, 2.5, 20, 7, 20, 17, 12, 21.5, 4, 17, 4, 7)
			p.line(4, 7, 12, 11.7, 20, 7)
			p.line(12, 11.7, 12, 21.5)
		},
		"chart": func(p *pencil) { p.line(3, 18, 9.5, 10.5, 13.5, 14.5, 20.5, 6) },
		"bolt":  func(p *pencil) { p.shape(13, 2.5, 4, 14, 11.5, 14, 10.5, 21.5, 20, 9.5, 12.5, 9.5) },
		"code": func(p *pencil) {
			p.line(8, 6, 2.5, 12, 8, 18)
			p.line(16, 6, 21.5, 12, 16, 18)
		},
		// The transport.
		"play": func(p *pencil) { p.solid(7, 4, 19.5, 12, 7, 20) },
		"pause": func(p *pencil) {
			p.block(6, 4, 4, 16, 1.2)
			p.block(14, 4, 4, 16, 1.2)
		},
		"back": func(p *pencil) {
			p.block(4, 4.5, 2.6, 15, 0.8)
			p.solid(19, 5, 19, 19, 8.5, 12)
		},
		"step": func(p *pencil) {
			p.solid(5, 5, 5, 19, 15.5, 12)
			p.block(17.4, 4.5, 2.6, 15, 0.8)
		},
		"live": func(p *pencil) {
			p.disc(12, 12, 2.8)
			p.arc(12, 12, 6, -45, 90)
			p.arc(12, 12, 6, 135, 90)
			p.arc(12, 12, 10, -45, 90)
			p.arc(12, 12, 10, 135, 90)
		},
		"record": func(p *pencil) { p.disc(12, 12, 5.5) },
		"stop":   func(p *pencil) { p.block(5.5, 5.5, 13, 13, 1.6) },
		// Nodes.
		"crown": func(p *pencil) { p.solid(3, 19, 2.5, 7, 8, 12.5, 12, 4.5, 16, 12.5, 21.5, 7, 21, 19) },
		"person": func(p *pencil) {
			p.ring(12, 7.5, 4.6)
			p.cubic(3.5, 21, 3.5, 12.5, 20.5, 12.5, 20.5, 21)
		},
		"peer": func(p *pencil) {
			p.box(3, 4, 18, 7, 1.6)
			p.box(3, 13, 18, 7, 1.6)
			p.disc(7, 7.5, 1.2)
			p.disc(7, 16.5, 1.2)
		},
		"orderer": func(p *pencil) {
			p.line(4, 5.5, 20, 5.5)
			p.line(4, 12, 20, 12)
			p.line(4, 18.5, 20, 18.5)
			p.disc(4, 5.5, 1.7)
			p.disc(4, 12, 1.7)
			p.disc(4, 18.5, 1.7)
		},
		"block": func(p *pencil) { p.box(4, 4, 16, 16, 3.5) },
		"chain": func(p *pencil) {
			p.box(1.5, 8, 8, 8, 2)
			p.box(14.5, 8, 8, 8, 2)
			p.line(9.5, 12, 14.5, 12)
		},
		"key": func(p *pencil) {
			p.ring(7.5, 16.5, 4.2)
			p.line(10.6, 13.4, 20.5, 3.5)
			p.line(16.5, 7.5, 19.5, 10.5)
		},
		// Verdicts and signs.
		"check": func(p *pencil) { p.line(4.5, 12.8, 9.8, 18, 19.5, 6.5) },
		"cross": func(p *pencil) {
			p.line(6, 6, 18, 18)
			p.line(18, 6, 6, 18)
		},
		"warning": func(p *pencil) {
			p.shape(12, 3.5, 22, 20.5, 2, 20.5)
			p.line(12, 9.5, 12, 14.5)
			p.disc(12, 17.4, 1.1)
		},
		"info": func(p *pencil) {
			p.ring(12, 12, 9.2)
			p.line(12, 11, 12, 16.5)
			p.disc(12, 7.7, 1.2)
		},
		"help": func(p *pencil) {
			p.ring(12, 12, 9.2)
			p.arc(12, 9.6, 3, 180, 225)
			p.line(14.1, 11.7, 12, 13.8, 12, 14.2)
			p.disc(12, 17, 1.1)
		},
		// Arrows and marks.
		"chevron": func(p *pencil) { p.line(9, 5, 16, 12, 9, 19) },
		"down":    func(p *pencil) { p.line(5, 9, 12, 16, 19, 9) },
		"up":      func(p *pencil) { p.line(5, 15, 12, 8, 19, 15) },
		"left":    func(p *pencil) { p.line(15, 5, 8, 12, 15, 19) },
		"arrow": func(p *pencil) {
			p.line(3.5, 12, 20, 12)
			p.line(14, 6, 20, 12, 14, 18)
		},
		"plus": func(p *pencil) {
			p.line(12, 4.5, 12, 19.5)
			p.line(4.5, 12, 19.5, 12)
		},
		"minus": func(p *pencil) { p.line(4.5, 12, 19.5, 12) },
		"more": func(p *pencil) {
			p.disc(5, 12, 1.8)
			p.disc(12, 12, 1.8)
			p.disc(19, 12, 1.8)
		},
		"search": func(p *pencil) {
			p.ring(10.5, 10.5, 6.8)
			p.line(15.5, 15.5, 21, 21)
		},
		"gear": gear,
		"folder": func(p *pencil) {
			p.shape(2.5, 19.5, 2.5, 4.5, 9, 4.5, 11.5, 7.5, 21.5, 7.5, 21.5, 19.5)
		},
		"file": func(p *pencil) {
			p.shape(5, 2.5, 14, 2.5, 19, 7.5, 19, 21.5, 5, 21.5)
			p.line(14, 2.5, 14, 7.5, 19, 7.5)
		},
		"save": func(p *pencil) {
			p.line(12, 3, 12, 15)
			p.line(6.5, 9.8, 12, 15.2, 17.5, 9.8)
			p.line(3.5, 16, 3.5, 20.5, 20.5, 20.5, 20.5, 16)
		},
		"copy": func(p *pencil) {
			p.box(8.5, 8.5, 12, 12, 2)
			p.line(5.5, 15.5, 3.5, 15.5, 3.5, 3.5, 15.5, 3.5, 15.5, 5.5)
		},
		"link": func(p *pencil) {
			p.line(9, 15, 15, 9)
			p.arcPair()
		},
		"clock": func(p *pencil) {
			p.ring(12, 12, 9.2)
			p.line(12, 6.5, 12, 12, 16, 14.2)
		},
		"fit": func(p *pencil) {
			p.line(3.5, 9, 3.5, 3.5, 9, 3.5)
			p.line(15, 3.5, 20.5, 3.5, 20.5, 9)
			p.line(20.5, 15, 20.5, 20.5, 15, 20.5)
			p.line(9, 20.5, 3.5, 20.5, 3.5, 15)
		},
		"screen": func(p *pencil) {
			p.box(2.5, 4, 19, 13, 1.8)
			p.line(8, 21, 16, 21)
			p.line(12, 17, 12, 21)
		},
		"picture": func(p *pencil) {
			p.box(2.5, 4, 19, 16, 2)
			p.line(3, 17.5, 9, 11.5, 13, 15.5, 16, 12.5, 21, 17.5)
			p.disc(16, 8.5, 1.6)
		},
		"trash": func(p *pencil) {
			p.line(4, 6.5, 20, 6.5)
			p.line(9, 6.5, 9, 3.5, 15, 3.5, 15, 6.5)
			p.line(6, 6.5, 7, 20.5, 17, 20.5, 18, 6.5)
		},
		"scissors": func(p *pencil) {
			p.ring(6, 6, 2.8)
			p.ring(6, 18, 2.8)
			p.line(8.3, 7.7, 20.5, 17)
			p.line(8.3, 16.3, 20.5, 7)
		},
		"hold": func(p *pencil) {
			p.ring(12, 12, 9.2)
			p.line(9.5, 8.5, 9.5, 15.5)
			p.line(14.5, 8.5, 14.5, 15.5)
		},
		"again": func(p *pencil) {
			p.arc(12, 12, 8, -40, 310)
			p.line(18.8, 2.8, 18.3, 7.3, 13.8, 6.8)
		},
		"mark": mark,
	}
}

// arcPair are the two halves of a link in a chain, along the diagonal.
func (p *pencil) arcPair() {
	p.cubic(10.5, 7.5, 14, 4, 16.5, 2.5, 19, 5)
	p.cubic(19, 5, 21.5, 7.5, 20, 10, 16.5, 13.5)
	p.cubic(13.5, 16.5, 10, 20, 7.5, 21.5, 5, 19)
	p.cubic(5, 19, 2.5, 16.5, 4, 14, 7.5, 10.5)
}

// mark is the project's sign: threads woven into a lattice.
func mark(p *pencil) {
	p.line(9, 2, 9, 22)
	p.line(15, 2, 15, 22)
	p.line(4.5, 6, 19.5, 6)
	p.line(4.5, 12, 19.5, 12)
	p.line(4.5, 18, 19.5, 18)
}

func gear(p *pencil) {
	var xy []float64
	for i := range 8 {
		middle := float64(i) * math.Pi / 4
		for _, corner := range [][2]float64{{-0.27, 7.2}, {-0.17, 9.8}, {0.17, 9.8}, {0.27, 7.2}} {
			sin, cos := math.Sincos(middle + corner[0])
			xy = append(xy, 12+corner[1]*cos, 12+corner[1]*sin)
		}
	}
	p.shape(xy...)
	p.ring(12, 12, 3.2)
}
