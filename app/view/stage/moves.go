package stage

import (
	"maps"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
)

// OrderingName is the name under which the ordering service's box is moved.
const OrderingName = "ordering service"

// Move puts a box's top left corner somewhere else. A peer, client or ordering node moves
// alone, an organisation (by its name) or OrderingName with everything in it.
func (w *World) Move(node string, to view.Point) {
	w.moved[node] = to
	w.relayout()
}

// Positions are the corners that were moved, by name: to be saved beside the topology.
func (w *World) Positions() map[string]view.Point { return maps.Clone(w.moved) }

// SetPositions puts moved boxes back where they were. Names that are not known are kept:
// their nodes may appear later.
func (w *World) SetPositions(p map[string]view.Point) {
	w.moved = maps.Clone(p)
	if w.moved == nil {
		w.moved = map[string]view.Point{}
	}
	w.relayout()
}

// Succeed takes the place of another stage of the same network: its language and what was
// moved on it. A painter that has kept its picture sees that this is not the same one.
func (w *World) Succeed(other *World) {
	w.SetBook(other.book)
	w.SetPositions(other.moved)
	w.changes = other.changes + 1
}

// ResetPositions lays everything out automatically again.
func (w *World) ResetPositions() { w.SetPositions(nil) }

func (w *World) relayout() { w.geo = nil }

// shift moves what a person has moved. Boxes that hold others grow with them.
func (g *geometry) shift(r *facts.Registry, moved map[string]view.Point) {
	if len(moved) == 0 {
		return
	}
	for _, org := range g.orgOrder {
		if to, ok := moved[r.Orgs[org].Title]; ok {
			d := delta(g.orgs[org], to)
			g.orgs[org] = offset(g.orgs[org], d)
			for _, p := range r.Orgs[org].Peers {
				g.rects[p] = offset(g.rects[p], d)
			}
		}
		if g.form == Grouped {
			continue
		}
		for _, p := range r.Orgs[org].Peers {
			if to, ok := moved[r.Nodes[p].Name]; ok {
				g.rects[p] = offset(g.rects[p], delta(g.rects[p], to))
				g.orgs[org] = g.orgs[org].Union(view.Rect{X: to.X - orgPad, Y: to.Y - orgHead, W: g.rects[p].W + 2*orgPad, H: g.rects[p].H + orgHead + orgPad})
			}
		}
	}
	if to, ok := moved[OrderingName]; ok {
		d := delta(g.ordering, to)
		g.ordering = offset(g.ordering, d)
		for _, o := range g.orderers {
			g.rects[o] = offset(g.rects[o], d)
		}
	}
	for _, o := range g.orderers {
		if to, ok := moved[r.Nodes[o].Name]; ok {
			g.rects[o] = offset(g.rects[o], delta(g.rects[o], to))
			g.ordering = g.ordering.Union(view.Rect{X: to.X - orderingPad, Y: to.Y - orderingHead, W: ordererW + 2*orderingPad, H: ordererH + orderingHead + orderingFoot})
		}
	}
	for _, c := range g.clients {
		if to, ok := moved[r.Nodes[c].Name]; ok {
			g.rects[c] = offset(g.rects[c], delta(g.rects[c], to))
		}
	}
}

func delta(r view.Rect, to view.Point) view.Point { return view.Point{X: to.X - r.X, Y: to.Y - r.Y} }

func offset(r view.Rect, d view.Point) view.Rect {
	r.X, r.Y = r.X+d.X, r.Y+d.Y
	return r
}
