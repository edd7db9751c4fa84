package stage

import (
	"math"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
)

// route is the way that messages take between the ends of a pair, from a to b. It keeps
// clear of boxes: through the gaps between rows and columns of organisations.
func (g *geometry) route(r *facts.Registry, p *facts.Pair, moved map[string]view.Point) []view.Point {
	a, b := &r.Nodes[p.A], &r.Nodes[p.B]
	if a.Being == facts.Code || b.Being == facts.Code {
		return nil // its place depends on the container's slot
	}
	ra, rb := g.rects[p.A], g.rects[p.B]
	if ra.W == 0 || rb.W == 0 {
		return nil
	}
	if a.Being == facts.Orderer && b.Being == facts.Orderer || len(moved) > 0 {
		return straight(ra, rb)
	}
	if rb.X+rb.W/2 < ra.X+ra.W/2 {
		return reverse(g.across(b, a, rb, ra))
	}
	return g.across(a, b, ra, rb)
}

// across routes from a left box to a right one.
func (g *geometry) across(a, b *facts.Identity, ra, rb view.Rect) []view.Point {
	start, finish := g.leave(a, ra, true), g.leave(b, rb, false)
	from, to := start[len(start)-1], finish[len(finish)-1]
	first, last := g.column(a)+1, g.column(b)
	switch {
	case a.Being == facts.Peer && b.Being == facts.Peer && first > last: // in one column
		return g.bracket(a, b, ra, rb)
	case first >= last:
		return g.enter(start, b, finish)
	}
	best, y := math.Inf(1), from.Y
	for _, lane := range g.laneY {
		if way := math.Abs(lane-from.Y) + math.Abs(lane-to.Y); way < best {
			best, y = way, lane
		}
	}
	return g.enter(append(start, view.Point{X: g.gapX[first], Y: y}, view.Point{X: g.gapX[last], Y: y}), b, finish)
}

// leave is the way from a box's side to where it is free: peers that stand beside others
// go through the gap below them to the edge of their organisation.
func (g *geometry) leave(n *facts.Identity, r view.Rect, right bool) []view.Point {
	x, sign := r.X, -1.0
	if right {
		x, sign = r.X+r.W, 1
	}
	side := view.Point{X: x, Y: r.Y + r.H/2}
	if n.Being != facts.Peer || g.form != Compact {
		return []view.Point{side}
	}
	org := g.orgs[n.Org]
	edge := org.X + orgPad/2
	if right {
		edge = org.X + org.W - orgPad/2
	}
	if (edge-x)*sign < r.W/2 { // nothing between it and the edge
		return []view.Point{side}
	}
	turn := x + sign*g.gap()/2
	below := r.Y + r.H + g.gap()/2
	return []view.Point{side, {X: turn, Y: side.Y}, {X: turn, Y: below}, {X: edge, Y: below}}
}

// enter ends a route at a box. Ordering nodes are reached level, from beside their
// service's box, unless another one stands in the way.
func (g *geometry) enter(way []view.Point, b *facts.Identity, finish []view.Point) []view.Point {
	to := finish[0]
	if b.Being != facts.Orderer {
		return append(way, reverse(finish)...)
	}
	for _, o := range g.orderers {
		if r := g.rects[o]; r.X+r.W < to.X && r.Y-6 < to.Y && to.Y < r.Y+r.H+6 {
			return append(way, to)
		}
	}
	return append(way, view.Point{X: g.ordering.X - 22, Y: to.Y}, to)
}

// column is the column of a box: clients -1, organisations 0 and up, ordering nodes beyond.
// Between column c-1 and c lies gapX[c].
func (g *geometry) column(n *facts.Identity) int {
	switch n.Being {
	case facts.Peer:
		return g.columnOf[n.Org]
	case facts.Orderer:
		return len(g.gapX) - 1
	}
	return -1
}

// bracket joins two peers of one column beside their boxes.
func (g *geometry) bracket(a, b *facts.Identity, ra, rb view.Rect) []view.Point {
	x := min(ra.X, rb.X) - orgPad/2
	if a.Org != b.Org {
		x = min(g.orgs[a.Org].X, g.orgs[b.Org].X) - 8
	}
	if g.form == Grouped || ra.Y == rb.Y {
		return straight(ra, rb)
	}
	ya, yb := ra.Y+ra.H*0.7, rb.Y+rb.H*0.7
	return []view.Point{{X: ra.X, Y: ya}, {X: x, Y: ya}, {X: x, Y: yb}, {X: rb.X, Y: yb}}
}

// straight joins two boxes from edge to edge.
func straight(a, b view.Rect) []view.Point {
	ca, cb := a.Center(), b.Center()
	return []view.Point{edge(a, cb), edge(b, ca)}
}

// edge is where the line from the middle of r towards p leaves r.
func edge(r view.Rect, p view.Point) view.Point {
	c := r.Center()
	dx, dy := p.X-c.X, p.Y-c.Y
	if dx == 0 && dy == 0 {
		return c
	}
	t := 1.0
	if dx != 0 {
		t = min(t, r.W/2/math.Abs(dx))
	}
	if dy != 0 {
		t = min(t, r.H/2/math.Abs(dy))
	}
	return view.Point{X: c.X + dx*t, Y: c.Y + dy*t}
}

func reverse(points []view.Point) []view.Point {
	for i, j := 0, len(points)-1; i < j; i, j = i+1, j-1 {
		points[i], points[j] = points[j], points[i]
	}
	return points
}

// along is the point at a share of the way, measured by length.
func along(points []view.Point, share float64) view.Point {
	if len(points) == 0 {
		return view.Point{}
	}
	if len(points) == 2 {
		return mix(points[0], points[1], share)
	}
	total := 0.0
	for i := 1; i < len(points); i++ {
		total += distance(points[i-1], points[i])
	}
	rest := share * total
	for i := 1; i < len(points); i++ {
		d := distance(points[i-1], points[i])
		if rest <= d && d > 0 {
			return mix(points[i-1], points[i], rest/d)
		}
		rest -= d
	}
	return points[len(points)-1]
}

func mix(a, b view.Point, t float64) view.Point {
	return view.Point{X: a.X + (b.X-a.X)*t, Y: a.Y + (b.Y-a.Y)*t}
}

func distance(a, b view.Point) float64 { return math.Hypot(a.X-b.X, a.Y-b.Y) }
