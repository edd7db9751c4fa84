package sheet

import (
	"image/color"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

// Link is something on a page that can be chosen.
type Link struct {
	Rect view.Rect // on the page, in the window's units
	Name string    // what it is, in words
	Do   func()
}

// page is a laid out page: what to draw, from top to bottom, in the window's units.
type page struct {
	height float64
	ops    []op
	links  []Link
}

// shape is what an op draws.
type shape uint8

const (
	shapeText shape = iota
	shapeRect
	shapeCircle
	shapePath
)

// op is one thing to draw. For a text, r is its line: the baseline's left end is at
// r.X, base.
type op struct {
	shape  shape
	closed bool
	r      view.Rect
	radius float64
	base   float64
	text   string
	font   paint.Font
	color  color.NRGBA
	style  paint.Style
	points []view.Point
}

// texts lists what is written, in the order of writing.
func (p *page) texts() []string {
	var out []string
	for i := range p.ops {
		if p.ops[i].shape == shapeText {
			out = append(out, p.ops[i].text)
		}
	}
	return out
}

// draw paints the part of the page between top and top+height, scale pixels a unit.
func (p *page) draw(c paint.Canvas, top, height, scale float64) {
	for i := range p.ops {
		o := &p.ops[i]
		if o.r.Y > top+height || o.r.Y+o.r.H < top {
			continue
		}
		o.draw(c, top, scale)
	}
}

func (o *op) draw(c paint.Canvas, top, scale float64) {
	st := o.style
	st.Width *= scale
	st.Dash *= scale
	switch o.shape {
	case shapeText:
		f := o.font
		f.Size *= scale
		c.Text(view.Point{X: o.r.X * scale, Y: (o.base - top) * scale}, o.text, f, o.color)
	case shapeRect:
		c.Rect(view.Rect{X: o.r.X * scale, Y: (o.r.Y - top) * scale, W: o.r.W * scale, H: o.r.H * scale}, o.radius*scale, st)
	case shapeCircle:
		m := o.r.Center()
		c.Circle(view.Point{X: m.X * scale, Y: (m.Y - top) * scale}, o.radius*scale, st)
	case shapePath:
		points := make([]view.Point, len(o.points))
		for i, q := range o.points {
			points[i] = view.Point{X: q.X * scale, Y: (q.Y - top) * scale}
		}
		c.Path(points, o.closed, st)
	}
}
