package stage

import (
	"math"

	"github.com/fabriscope/fabriscope/app/view"
)

const dotReach = 11.0

// Hit tells what stands at a point of the plane: a message before a box, the inner box
// before the outer one, a link last.
func (f *Frame) Hit(p view.Point) view.Selection {
	for i := len(f.Dots) - 1; i >= 0; i-- {
		if d := &f.Dots[i]; math.Hypot(d.P.X-p.X, d.P.Y-p.Y) <= dotReach && !(d.Small && f.inLane(p)) {
			return view.Selection{What: view.SelectMessage, Seq: f.msgs[i].seq, TxID: f.msgs[i].tx, Node: f.msgs[i].a, Other: f.msgs[i].b}
		}
	}
	for i := range f.Clients {
		if f.Clients[i].Rect.Contains(p) {
			return node(f.Clients[i].Name)
		}
	}
	for i := range f.Orgs {
		if s := f.Orgs[i].hit(p); s.What != view.Nothing {
			return s
		}
	}
	for i := range f.Ordering.Nodes {
		if n := &f.Ordering.Nodes[i]; n.Rect.Contains(p) {
			return node(n.Name)
		}
	}
	if s, ok := f.HitLink(p, 6); ok {
		return s
	}
	for i := range f.Orgs {
		if f.Orgs[i].Rect.Contains(p) {
			return view.Selection{What: view.SelectOrg, Node: f.Orgs[i].Name}
		}
	}
	if f.Ordering.Rect.Contains(p) {
		return view.Selection{What: view.SelectOrg, Node: f.Ordering.Name}
	}
	return view.Selection{}
}

func node(name string) view.Selection { return view.Selection{What: view.SelectNode, Node: name} }

// inLane tells whether a point lies in a lane, which wins over the small dots beside it.
func (f *Frame) inLane(p view.Point) bool {
	for i := range f.Orgs {
		if f.Orgs[i].hit(p).What == view.SelectTx {
			return true
		}
	}
	return false
}

// hit looks for the peers of an organisation, their containers and lanes.
func (o *Org) hit(p view.Point) view.Selection {
	for i := range o.Peers {
		peer := &o.Peers[i]
		if !peer.Rect.Contains(p) {
			continue
		}
		for j := range peer.Containers {
			c := &peer.Containers[j]
			if !c.Rect.Contains(p) {
				continue
			}
			for k := range c.Lanes {
				if c.Lanes[k].Rect.Contains(p) {
					return view.Selection{What: view.SelectTx, TxID: c.Lanes[k].TxID}
				}
			}
			return node(c.Name)
		}
		return node(peer.Name)
	}
	return view.Selection{}
}

// HitLink tells which link passes within reach of a point; the nearest one wins.
func (f *Frame) HitLink(p view.Point, reach float64) (view.Selection, bool) {
	var best *Link
	for i := range f.Links {
		l := &f.Links[i]
		for j := 1; j < len(l.Points); j++ {
			if d := toSegment(p, l.Points[j-1], l.Points[j]); d < reach {
				best, reach = l, d
			}
		}
	}
	if best == nil {
		return view.Selection{}, false
	}
	return view.Selection{What: view.SelectLink, Node: best.A, Other: best.B}, true
}

// toSegment is the distance of p from the line between a and b.
func toSegment(p, a, b view.Point) float64 {
	dx, dy := b.X-a.X, b.Y-a.Y
	t := 0.0
	if l := dx*dx + dy*dy; l > 0 {
		t = min(1, max(0, ((p.X-a.X)*dx+(p.Y-a.Y)*dy)/l))
	}
	return math.Hypot(p.X-a.X-t*dx, p.Y-a.Y-t*dy)
}

// BoxAt names the box that a drag from a point moves: a client, peer or ordering node, and
// where none is an organisation or OrderingName; and its top left corner. ok is false beside
// all boxes.
func (f *Frame) BoxAt(p view.Point) (name string, corner view.Point, ok bool) {
	var outer view.Rect
	found := func(l *Look) bool {
		if !l.Rect.Contains(p) {
			return false
		}
		name, outer, ok = l.Name, l.Rect, true
		return true
	}
	for i := range f.Orgs {
		if found(&f.Orgs[i].Look) {
			for j := range f.Orgs[i].Peers {
				found(&f.Orgs[i].Peers[j].Look)
			}
		}
	}
	found(&f.Ordering.Look)
	for i := range f.Ordering.Nodes {
		found(&f.Ordering.Nodes[i].Look)
	}
	for i := range f.Clients {
		found(&f.Clients[i].Look)
	}
	return name, view.Point{X: outer.X, Y: outer.Y}, ok
}

// Box gives the rectangle of a node, container, organisation or the ordering service.
func (f *Frame) Box(name string) (view.Rect, bool) {
	for i := range f.Clients {
		if f.Clients[i].Name == name {
			return f.Clients[i].Rect, true
		}
	}
	for i := range f.Orgs {
		o := &f.Orgs[i]
		if o.Name == name {
			return o.Rect, true
		}
		for j := range o.Peers {
			if o.Peers[j].Name == name {
				return o.Peers[j].Rect, true
			}
			for k := range o.Peers[j].Containers {
				if c := &o.Peers[j].Containers[k]; c.Name == name {
					return c.Rect, true
				}
			}
		}
	}
	for i := range f.Ordering.Nodes {
		if f.Ordering.Nodes[i].Name == name {
			return f.Ordering.Nodes[i].Rect, true
		}
	}
	return f.Ordering.Rect, f.Ordering.Name == name && f.Ordering.Rect.W > 0
}
