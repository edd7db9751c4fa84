package paint

import (
	"math"

	"github.com/fabriscope/fabriscope/app/view"
)

// stroke adds the outline of a line of the given width along points. Ends and corners are
// round, as in the SVG.
func (s *spans) stroke(points []view.Point, closed bool, width float64) {
	points = distinct(points)
	if len(points) > 1 && closed && points[0] == points[len(points)-1] {
		points = points[:len(points)-1]
	}
	r := width / 2
	switch {
	case len(points) == 0 || !(r > 0):
		return
	case len(points) == 1:
		s.outline(arcAround(nil, points[0], r, 0, 2*math.Pi))
	case closed && len(points) > 2:
		s.outline(offset(nil, points, true, r))
		s.outline(offset(nil, reversed(points), true, r))
	default:
		side := offset(nil, points, false, r)
		s.outline(offset(side, reversed(points), false, r))
	}
}

// offset appends points at distance r to the left of the line, with round outer corners
// and, at an open line's end, half a circle.
func offset(to, points []view.Point, closed bool, r float64) []view.Point {
	n := len(points)
	for i := range n {
		if !closed && i == n-1 {
			break
		}
		a, b := points[i], points[(i+1)%n]
		angle := math.Atan2(b.X-a.X, a.Y-b.Y) + math.Pi // of the normal to the left
		nx, ny := r*math.Cos(angle), r*math.Sin(angle)
		to = append(to, view.Point{X: a.X + nx, Y: a.Y + ny}, view.Point{X: b.X + nx, Y: b.Y + ny})
		if !closed && i == n-2 {
			to = arcAround(to, b, r, angle, math.Pi)
			break
		}
		c := points[(i+2)%n]
		turn := math.Remainder(math.Atan2(c.X-b.X, b.Y-c.Y)+math.Pi-angle, 2*math.Pi)
		if turn > 0 {
			to = arcAround(to, b, r, angle, turn)
		} else {
			to = append(to, b)
		}
	}
	return to
}

// arcAround appends points of an arc with less than a twentieth of a pixel's error.
func arcAround(to []view.Point, center view.Point, r, from, by float64) []view.Point {
	n := 1
	if r > 0.1 {
		n = max(1, int(math.Ceil(math.Abs(by)/(2*math.Acos(1-math.Min(0.9, 0.05/r))))))
	}
	n = min(n, 720)
	for i := range n + 1 {
		sin, cos := math.Sincos(from + by*float64(i)/float64(n))
		to = append(to, view.Point{X: center.X + r*cos, Y: center.Y + r*sin})
	}
	return to
}

// roundedRect is the outline of a rectangle with rounded corners, clockwise.
func roundedRect(to []view.Point, r view.Rect, radius float64) []view.Point {
	radius = math.Max(0, math.Min(radius, math.Min(r.W, r.H)/2))
	if radius == 0 {
		return append(to, view.Point{X: r.X, Y: r.Y}, view.Point{X: r.X + r.W, Y: r.Y}, view.Point{X: r.X + r.W, Y: r.Y + r.H}, view.Point{X: r.X, Y: r.Y + r.H})
	}
	x0, y0, x1, y1 := r.X+radius, r.Y+radius, r.X+r.W-radius, r.Y+r.H-radius
	step := len(quarter) - 1
	for n := 2; step > 1 && float64(n*n) < 16*radius; n *= 2 {
		step = (len(quarter) - 1) / n
	}
	for i := 0; i < len(quarter); i += step {
		to = append(to, view.Point{X: x0 - radius*quarter[i].X, Y: y0 - radius*quarter[i].Y})
	}
	for i := 0; i < len(quarter); i += step {
		to = append(to, view.Point{X: x1 + radius*quarter[i].Y, Y: y0 - radius*quarter[i].X})
	}
	for i := 0; i < len(quarter); i += step {
		to = append(to, view.Point{X: x1 + radius*quarter[i].X, Y: y1 + radius*quarter[i].Y})
	}
	for i := 0; i < len(quarter); i += step {
		to = append(to, view.Point{X: x0 - radius*quarter[i].Y, Y: y1 + radius*quarter[i].X})
	}
	return to
}

// quarter holds the points of a quarter of the unit circle.
var quarter = func() (q [65]view.Point) {
	for i := range q {
		q[i].Y, q[i].X = math.Sincos(float64(i) * math.Pi / 128)
	}
	return q
}()

// dashes adds a dashed line: dashes and gaps of the same length.
func (s *spans) dashes(points []view.Point, closed bool, width, length float64) {
	if closed && len(points) > 1 {
		points = append(append([]view.Point{}, points...), points[0])
	}
	total := 0.0
	for i := 1; i < len(points); i++ {
		total += math.Hypot(points[i].X-points[i-1].X, points[i].Y-points[i-1].Y)
	}
	const most = 4000 // a bound on work: longer lines get longer dashes
	if !(total < far*4) {
		return
	}
	length = math.Max(length, total/most)
	on, left := true, length
	dash := append([]view.Point{}, points[:min(1, len(points))]...)
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		whole := math.Hypot(b.X-a.X, b.Y-a.Y)
		at := 0.0
		for whole-at > left {
			at += left
			p := view.Point{X: a.X + (b.X-a.X)*at/whole, Y: a.Y + (b.Y-a.Y)*at/whole}
			if on {
				s.stroke(append(dash, p), false, width)
			}
			on, left, dash = !on, length, append(dash[:0], p)
		}
		left -= whole - at
		dash = append(dash, b)
	}
	if on {
		s.stroke(dash, false, width)
	}
}

// distinct leaves out points that equal the one before, and those that are no number.
func distinct(points []view.Point) []view.Point {
	out := make([]view.Point, 0, len(points))
	for _, p := range points {
		p = view.Point{X: bounded(p.X), Y: bounded(p.Y)}
		if len(out) == 0 || p != out[len(out)-1] {
			out = append(out, p)
		}
	}
	return out
}

func reversed(points []view.Point) []view.Point {
	out := make([]view.Point, len(points))
	for i, p := range points {
		out[len(points)-1-i] = p
	}
	return out
}

// curve adds a cubic curve from a to d and gives d.
func (s *spans) curve(a, b, c, d view.Point) view.Point {
	length := math.Hypot(b.X-a.X, b.Y-a.Y) + math.Hypot(c.X-b.X, c.Y-b.Y) + math.Hypot(d.X-c.X, d.Y-c.Y)
	n := min(64, 2+int(math.Sqrt(length)*1.5))
	from := a
	for i := 1; i < n; i++ {
		p := onCurve(a, b, c, d, float64(i)/float64(n))
		s.line(from, p)
		from = p
	}
	s.line(from, d)
	return d
}

func onCurve(a, b, c, d view.Point, t float64) view.Point {
	u := 1 - t
	w0, w1, w2, w3 := u*u*u, 3*u*u*t, 3*u*t*t, t*t*t
	return view.Point{X: w0*a.X + w1*b.X + w2*c.X + w3*d.X, Y: w0*a.Y + w1*b.Y + w2*c.Y + w3*d.Y}
}

// between is the point a share of the way from a to b.
func between(a, b view.Point, share float64) view.Point {
	return view.Point{X: a.X + (b.X-a.X)*share, Y: a.Y + (b.Y-a.Y)*share}
}
