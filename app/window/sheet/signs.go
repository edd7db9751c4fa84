package sheet

import (
	"math"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

// Sign is a small picture that can be told from the others without colours.
type Sign uint8

// The signs.
const (
	NoSign Sign = iota
	Tick
	Cross
	Ring     // still to come
	Disc     // goes on
	Diamond  // an endorsement
	Square   // a chaincode or a write
	Triangle // Raft
	Pause
)

// Sign draws a sign on a pale disc of radius r.
func (b *Builder) Sign(s Sign, at view.Point, r float64, tone Tone) {
	c := tone.Color(b.th)
	if s == Ring {
		b.circle(at, r*0.85, paint.Style{Stroke: tone.Color(b.th), Width: b.Px(1.5)})
		return
	}
	b.circle(at, r, paint.Style{Fill: paint.Alpha(c, 0.22)})
	line := paint.Style{Stroke: c, Width: max(b.Px(1.6), r*0.22)}
	p := func(x, y float64) view.Point { return view.Point{X: at.X + x*r, Y: at.Y + y*r} }
	switch s {
	case Tick:
		b.path([]view.Point{p(-0.42, 0.02), p(-0.12, 0.34), p(0.45, -0.32)}, false, line)
	case Cross:
		b.path([]view.Point{p(-0.34, -0.34), p(0.34, 0.34)}, false, line)
		b.path([]view.Point{p(0.34, -0.34), p(-0.34, 0.34)}, false, line)
	case Disc:
		b.circle(at, r*0.45, paint.Style{Fill: c})
	case Diamond:
		b.path([]view.Point{p(0, -0.55), p(0.55, 0), p(0, 0.55), p(-0.55, 0)}, true, paint.Style{Fill: c})
	case Square:
		b.path([]view.Point{p(-0.4, -0.4), p(0.4, -0.4), p(0.4, 0.4), p(-0.4, 0.4)}, true, paint.Style{Fill: c})
	case Triangle:
		b.path([]view.Point{p(0, -0.5), p(0.5, 0.4), p(-0.5, 0.4)}, true, paint.Style{Fill: c})
	case Pause:
		b.path([]view.Point{p(-0.22, -0.4), p(-0.22, 0.4)}, false, line)
		b.path([]view.Point{p(0.22, -0.4), p(0.22, 0.4)}, false, line)
	}
}

func (b *Builder) circle(at view.Point, r float64, st paint.Style) {
	b.add(op{r: view.Rect{X: at.X - r, Y: at.Y - r, W: 2 * r, H: 2 * r}, draw: func(c paint.Canvas) { c.Circle(at, r, st) }})
}

func (b *Builder) path(points []view.Point, closed bool, st paint.Style) {
	x0, y0, x1, y1 := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, p := range points {
		x0, y0, x1, y1 = min(x0, p.X), min(y0, p.Y), max(x1, p.X), max(y1, p.Y)
	}
	b.add(op{r: view.Rect{X: x0, Y: y0, W: x1 - x0, H: y1 - y0}, draw: func(c paint.Canvas) { c.Path(points, closed, st) }})
}

// Stop is a stop of a journey.
type Stop struct {
	Sign   Sign
	Tone   Tone
	Name   string
	Detail string
	Note   string // at the right end: when
	Do     func()
}

// Journey writes stops below each other with a line through their signs.
func (b *Builder) Journey(stops []Stop) {
	r := b.Px(8)
	var last view.Point
	var lastTone Tone
	name := Style{Size: 12.5, Bold: true}
	detail := Style{Tone: Quiet}
	wide := 0.0
	for _, s := range stops {
		wide = max(wide, b.Measure(s.Name, name))
	}
	for i, s := range stops {
		top := b.y
		at := view.Point{X: b.left + r, Y: top + b.Px(12)}
		if i > 0 {
			tone := s.Tone
			if s.Sign == Ring {
				tone = Faint
			} else if s.Tone == Plain {
				tone = lastTone
			}
			b.path([]view.Point{{X: last.X, Y: last.Y + r}, {X: at.X, Y: at.Y - r}}, false, paint.Style{Stroke: tone.Color(b.th), Width: b.Px(1.5)})
		}
		b.Sign(s.Sign, at, r, s.Tone)
		last, lastTone = at, s.Tone
		b.stop(s, at.Y, wide, name, detail)
		b.y = max(b.y, top+b.Px(32))
		b.link(view.Rect{X: b.left, Y: top, W: b.Width(), H: b.Px(24)}, s.Name, s.Do)
	}
}

func (b *Builder) stop(s Stop, middle, wide float64, name, detail Style) {
	x := b.left + b.Px(27)
	switch {
	case s.Sign == Cross:
		name.Tone, detail.Tone = Bad, Bad
	case s.Sign == Ring:
		name.Tone = Quiet
	}
	right := b.right
	if s.Note != "" {
		n := Style{Size: 10, Mono: true, Tone: Quiet}
		w := b.Measure(s.Note, n)
		b.put(right-w, middle-b.lineHeight(n)/2, s.Note, n)
		right -= w + b.Px(8)
	}
	b.put(x, middle-b.lineHeight(name)/2, s.Name, name)
	x += wide + b.Px(14)
	lines := b.wrap(s.Detail, detail, right-x)
	for i, line := range lines {
		b.put(x, middle-b.lineHeight(detail)/2+float64(i)*b.lineHeight(detail), line, detail)
	}
	b.y = middle + float64(len(lines))*b.lineHeight(detail) - b.lineHeight(detail)/2 + b.Px(6)
}

// Point writes a text with a small sign before it.
func (b *Builder) Point(sign Sign, tone Tone, text string) {
	s := Style{}
	b.Sign(sign, view.Point{X: b.left + b.Px(6), Y: b.y + b.lineHeight(s)/2}, b.Px(6), tone)
	b.Indent(18, func() { b.Text(text, s) })
}
