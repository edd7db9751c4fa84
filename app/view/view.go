// Package view holds what all panels of the window share: the place in the trace that
// is being shown (Axis, Playhead), what is selected, the classes of messages, short
// names and plane geometry. It is pure: events in, values out; no clock, no screen.
//
// The panels' own models stand below it, each with an Add for new events and a Frame
// (or Of) for one moment: view/stage, view/timeline, view/chain and view/inspect.
// Package paint draws what they return; package window shows it.
package view

import (
	"math"
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Source is a trace to read: a live recorder (*trace.Recorder) or a run file (*runfile.Run).
type Source interface {
	Since(cursor uint64, max int) (events []trace.Event, next, lost uint64)
	ByTx(txID string) []trace.Event
	Payload(seq uint64) (name string, bytes []byte, ok bool)
}

// Moment is a place in the trace: everything up to and including the event Seq has
// happened, and the clock stands at Time (nanoseconds since 1970, at or after that
// event's time and before the next one's).
type Moment struct {
	Seq  uint64
	Time int64
}

// Point is a place in a plane; Y grows downwards.
type Point struct{ X, Y float64 }

// Rect is an upright rectangle.
type Rect struct{ X, Y, W, H float64 }

// Contains tells whether p lies in r.
func (r Rect) Contains(p Point) bool {
	return p.X >= r.X && p.Y >= r.Y && p.X < r.X+r.W && p.Y < r.Y+r.H
}

// Center is the middle of r.
func (r Rect) Center() Point { return Point{r.X + r.W/2, r.Y + r.H/2} }

// Inset is r made smaller by d on every side.
func (r Rect) Inset(d float64) Rect { return Rect{r.X + d, r.Y + d, r.W - 2*d, r.H - 2*d} }

// Union is the smallest rectangle that holds both.
func (r Rect) Union(o Rect) Rect {
	if r.W == 0 && r.H == 0 {
		return o
	}
	x, y := math.Min(r.X, o.X), math.Min(r.Y, o.Y)
	return Rect{x, y, math.Max(r.X+r.W, o.X+o.W) - x, math.Max(r.Y+r.H, o.Y+o.H) - y}
}

// Camera maps a model's plane onto the screen: screen = (world - Origin) * Scale.
type Camera struct {
	Origin Point
	Scale  float64
}

// ToScreen maps a point of the plane to the screen.
func (c Camera) ToScreen(p Point) Point {
	return Point{(p.X - c.Origin.X) * c.Scale, (p.Y - c.Origin.Y) * c.Scale}
}

// ToWorld maps a point of the screen to the plane.
func (c Camera) ToWorld(p Point) Point {
	return Point{p.X/c.Scale + c.Origin.X, p.Y/c.Scale + c.Origin.Y}
}

// Zoom makes everything factor times larger around a point of the screen, within 0.1 to 8.
func (c Camera) Zoom(factor float64, at Point) Camera {
	w := c.ToWorld(at)
	c.Scale = math.Min(8, math.Max(0.1, c.Scale*factor))
	c.Origin = Point{w.X - at.X/c.Scale, w.Y - at.Y/c.Scale}
	return c
}

// Fit shows the whole of bounds in a screen of w by h, at most at full size.
func Fit(bounds Rect, w, h, margin float64) Camera {
	if bounds.W <= 0 || bounds.H <= 0 || w <= 2*margin || h <= 2*margin {
		return Camera{Scale: 1}
	}
	s := math.Min(1, math.Min((w-2*margin)/bounds.W, (h-2*margin)/bounds.H))
	return Camera{Scale: s, Origin: Point{bounds.X - (w/s-bounds.W)/2, bounds.Y - (h/s-bounds.H)/2}}
}

// Quiet tells whether an event is of the kind that goes on all the time and is left out
// of stepping and of the stage unless asked for: Raft's heartbeats, and waits for the disk.
func Quiet(k trace.Kind) bool {
	return k == trace.RaftHeartbeat || k == trace.RaftHeartbeatAck || k == trace.DiskSync
}

// ShortID is the beginning of a transaction id or a hash.
func ShortID(id string) string {
	if len(id) > 4 {
		return id[:4]
	}
	return id
}

// PeerOf is the peer that a chaincode's node name belongs to, "" for other nodes.
func PeerOf(node string) string {
	if label, peer, ok := strings.Cut(node, "@"); ok && strings.Contains(label, "_") {
		return peer
	}
	return ""
}

// Toggled is a list with a name added, or without it if it was there.
func Toggled(names []string, name string) []string {
	if i := slices.Index(names, name); i >= 0 {
		return slices.Delete(slices.Clone(names), i, i+1)
	}
	return append(slices.Clone(names), name)
}
