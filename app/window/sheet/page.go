package sheet

import (
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

// op is one thing to draw within r; text is what it writes, "" for what is no text.
type op struct {
	r    view.Rect
	text string
	draw func(paint.Canvas)
}

// box is a rectangle with rounded corners.
func box(r view.Rect, radius float64, st paint.Style) op {
	return op{r: r, draw: func(c paint.Canvas) { c.Rect(r, radius, st) }}
}

// texts lists what is written, in the order of writing.
func (p *page) texts() []string {
	var out []string
	for i := range p.ops {
		if p.ops[i].text != "" {
			out = append(out, p.ops[i].text)
		}
	}
	return out
}

// draw paints the part of the page between top and top+height.
func (p *page) draw(c paint.Canvas, top, height float64) {
	for i := range p.ops {
		if o := &p.ops[i]; o.draw != nil && o.r.Y <= top+height && o.r.Y+o.r.H >= top {
			o.draw(c)
		}
	}
}
