package timeline

import (
	"slices"

	"github.com/fabriscope/fabriscope/app/view"
)

// shown gives the numbers of the lanes that the picture has, from top to bottom.
//
// With HideQuiet these are the lanes on which something happens in the window or shortly
// before or after it, so that panning adds and removes them while their bars are out of sight.
// A container brings its peer; where nothing happens at all everything is shown, because an
// empty picture tells nothing. Administrators act only when a network is set up: their lanes
// are there only while they do. Pinned lanes come first and are always there.
func (f *Frame) shown() []int32 {
	margin := f.Window.Span() / 8
	from, to := f.Window.From-margin, f.Window.To+margin
	busy := make([]bool, len(f.x.lanes))
	hosts := make([]bool, len(f.x.world.Nodes))
	any := false
	for i, l := range f.x.lanes {
		if l == nil {
			continue
		}
		node := &f.x.world.Nodes[i]
		if busy[i] = l.busyIn(from, to); node.Admin() { // what is delivered to them does not count
			busy[i] = l.worksIn(from, to)
		}
		any = any || busy[i]
		if busy[i] && node.Host >= 0 {
			hosts[node.Host] = true
		}
	}
	all := !f.o.Lanes.HideQuiet || !any
	var out []int32
	for _, i := range f.x.sorted() {
		admin := f.x.world.Nodes[i].Admin()
		switch {
		case !f.wanted(i):
		case f.pinned(i), f.selected(i), busy[i], hosts[i], all && !admin, len(f.o.Lanes.Only) > 0 && all:
			out = append(out, i)
		}
	}
	if len(f.o.Lanes.Pinned) > 0 {
		slices.SortStableFunc(out, func(i, j int32) int {
			switch a, b := f.pinned(i), f.pinned(j); {
			case a == b:
				return 0
			case a:
				return -1
			}
			return 1
		})
	}
	return out
}

func (f *Frame) selected(node int32) bool {
	return f.o.Selection.What == view.SelectNode && f.o.Selection.Node == f.x.world.Nodes[node].Name
}
