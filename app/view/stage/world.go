// Package stage is the model of the stage: clients on the left, organisations with their
// peers and chaincode containers in the middle, the ordering service on the right, and the
// messages between them, at any moment of a trace. It serves every step of a transaction.
//
// World replays events into a state; Frame gives what is to be drawn at one moment, which
// is a pure function of the events so far, the moment and the options. Earlier moments are
// reached from checkpoints, by reading the events after them again from the source.
//
// Read next: state.go (what a state is), apply.go (what each event does to it), layout.go
// (where boxes stand), build.go (state to Frame), flights.go (messages on their way).
package stage

import (
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// World is everything that the stage has learned from a trace. One goroutine uses it.
type World struct {
	src   view.Source
	frame Frame
}

// New makes an empty stage. src is read again when an earlier moment is shown; nil allows
// the newest moment only.
func New(src view.Source) *World { return &World{src: src} }

// Describe tells the stage what the network consists of before it acts.
func (w *World) Describe(t Layout) {}

// Add takes new events, in order, each once.
func (w *World) Add(events []trace.Event) {}

// Frame gives the stage at a moment. It is valid until the next call.
func (w *World) Frame(at view.Moment, o Options) *Frame {
	w.frame = Frame{At: at, Empty: true}
	return &w.frame
}

// Hit tells what stands at a point of the plane: a message before a box, the inner box
// before the outer one, a link last.
func (f *Frame) Hit(p view.Point) view.Selection { return view.Selection{} }

// HitLink tells which link passes within reach of a point.
func (f *Frame) HitLink(p view.Point, reach float64) (view.Selection, bool) {
	return view.Selection{}, false
}

// BoxAt names the box that would be dragged from a point: a node, an organisation or
// "ordering service", and where its top left corner stands. ok is false beside all boxes.
func (f *Frame) BoxAt(p view.Point) (name string, corner view.Point, ok bool) {
	return "", view.Point{}, false
}

// Box gives the rectangle of a node, organisation or the ordering service by its name.
func (f *Frame) Box(name string) (view.Rect, bool) { return view.Rect{}, false }

// Move puts a box's top left corner somewhere else. A peer or ordering node moves alone,
// an organisation or "ordering service" with everything in it.
func (w *World) Move(node string, to view.Point) {}

// Positions are the corners that were moved, by name: to be saved beside the topology.
func (w *World) Positions() map[string]view.Point { return nil }

// SetPositions puts moved boxes back where they were.
func (w *World) SetPositions(p map[string]view.Point) {}

// ResetPositions lays everything out automatically again.
func (w *World) ResetPositions() {}

// Caption is one plain sentence on what is happening at the moment, "" when nothing is.
func (w *World) Caption(at view.Moment, sel view.Selection) string { return "" }

// Nodes lists the full names of the nodes known so far: clients, peers, ordering nodes.
func (w *World) Nodes() []string { return nil }
