package timeline

import (
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
)

// shown gives the numbers of the lanes that the picture has, from top to bottom.
//
// With HideQuiet these are the lanes on which something happens in the window or shortly
// before or after it, so that panning adds and removes them while their bars are out of sight. A container brings its peer; where nothing happens at all everything is shown,
// because an empty picture tells nothing. Administrators act only when a network is set
// up: their lanes are there only while they do.
func (f *Frame) shown() []uint16 {
	margin := f.Window.Span() / 8
	from, to := f.Window.From-margin, f.Window.To+margin
	busy := make([]bool, len(f.x.lanes))
	hosts := map[string]bool{}
	any := false
	for i, l := range f.x.lanes {
		busy[i] = l.busyIn(from, to)
		if l.administers() { // what is delivered to them does not count
			busy[i] = l.worksIn(from, to)
		}
		any = any || busy[i]
		if busy[i] && l.role == container {
			hosts[l.peer] = true
		}
	}
	all := !f.o.Lanes.HideQuiet || !any
	var out []uint16
	for _, i := range f.x.sorted() {
		l := f.x.lanes[i]
		switch {
		case !f.wanted(l):
		case f.selected(l), busy[i], hosts[l.node], all && !l.administers(), len(f.o.Lanes.Only) > 0 && all:
			out = append(out, i)
		}
	}
	return out
}

func (f *Frame) selected(l *lane) bool {
	return f.o.Selection.What == view.SelectNode && f.o.Selection.Node == l.node
}

func (l *lane) administers() bool { return strings.HasPrefix(l.node, "Admin@") }
