package stage

import (
	"strconv"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
)

const (
	defaultDots = 1000
	// linkDots is how many messages of one direction of a link are shown one by one; beyond
	// it every 2nd, 4th, ... stands for the others, and the link says how many there are.
	linkDots = 20
	// flowRate is the rate, in messages per second of the screen, that gets a flow.
	flowRate  = 40.0
	fastScale = 50 * time.Millisecond // from here on messages are too fast for the eye
	heldNear  = 0.3                   // where a message stands that its sender may not send
	tail      = 16.0
	// rateOffset keeps the rates of a link's two directions apart.
	rateOffset = 9.0
	guess      = int64(2e6) // a message whose end is not known yet is drawn as if it took so long
)

// candidate is a message that may be seen.
type candidate struct {
	*flight
	share float64
}

// flowCounts counts messages per direction of each pair and class.
type flowCounts struct {
	seen    []candidate
	visible []int32    // per direction
	classes [][8]int32 // per direction
	docks   [][]view.Point
	points  []view.Point
}

// trail is how long a message is seen at least, in the trace's time: long enough for the
// eye. Where time is stretched much, messages are seen as they were.
func (o *Options) trail() int64 {
	if o.Scale >= fastScale {
		return int64(o.Scale) * 2 / 5
	}
	return int64(o.Scale) / 10
}

// dots adds the messages on their way, and flows where they are too many.
func (b *builder) dots() {
	c := &b.flow
	directions := 2 * len(b.w.reg.pairs)
	c.seen = c.seen[:0]
	c.visible = append(c.visible[:0], make([]int32, directions)...)
	c.classes = append(c.classes[:0], make([][8]int32, directions)...)
	b.docks()
	list := b.w.flightsAt(b.f.At)
	trail := b.o.trail()
	held := b.heldSet()
	list.visit(b.f.At, trail, func(m *flight) { b.see(list, m, trail, held) })
	every := b.thin()
	for i := range c.seen {
		m := &c.seen[i]
		d := direction(m.flight)
		k := every
		for c.visible[d]/k > linkDots {
			k *= 2
		}
		if k > 1 && m.nth&uint32(k-1) != 0 && !b.lit(m.tx) {
			b.f.Sampled = max(b.f.Sampled, int(k))
			continue
		}
		b.dot(m.flight, m.share)
	}
	b.held()
	b.flows(trail)
}

func direction(m *flight) int32 {
	if m.back {
		return 2*m.link + 1
	}
	return 2 * m.link
}

// heldSet names the messages that stand still now: they are drawn by held.
func (b *builder) heldSet() map[uint64]bool {
	if len(b.s.held) == 0 {
		return nil
	}
	set := make(map[uint64]bool, len(b.s.held))
	for i := range b.s.held {
		set[b.s.held[i].msg] = true
	}
	return set
}

// see decides whether a message is visible, and how far it has come.
func (b *builder) see(list *flights, m *flight, trail int64, held map[uint64]bool) {
	if m.quiet && !b.o.Heartbeats || int(m.link) >= len(b.g.routes) || held[m.msg] {
		return
	}
	if b.away(m.from) || b.away(m.to) {
		return
	}
	at := b.f.At
	begin, end := m.t0, m.t1
	switch {
	case m.end == 0 && end == unended: // its arrival is not recorded yet
		end = begin + max(trail, guess)
		if at.Time > end && (!b.w.reg.nodes[m.to].speaks || b.w.head.time-begin > abandoned) {
			return // an outside end records nothing, and one that has gone takes nothing
		}
	case m.end > at.Seq:
		end = max(end, begin+trail)
	default:
		end = max(end, begin+trail)
		if at.Time >= end && (m.end != at.Seq || at.Time > m.t1) {
			return
		}
	}
	share := 1.0
	if end > begin {
		share = min(1, max(0, float64(at.Time-begin)/float64(end-begin)))
	}
	if m.t1 == unended {
		share = min(share, 0.9)
	}
	if m.paused {
		if s, ok := list.stops[m.msg]; ok && s.released > 0 && s.released <= at.Time && end > s.released {
			share = heldNear + (1-heldNear)*float64(at.Time-s.released)/float64(end-s.released)
		}
	}
	d := direction(m)
	b.flow.visible[d]++
	b.flow.classes[d][m.class&7]++
	b.flow.seen = append(b.flow.seen, candidate{m, min(1, share)})
}

// thin gives the sampling step (a power of two) with which all dots together stay within
// their bound.
func (b *builder) thin() int32 {
	most := b.o.MaxDots
	if most <= 0 {
		most = defaultDots
	}
	for every := int32(1); ; every *= 2 {
		total := int32(0)
		for _, n := range b.flow.visible {
			total += min(n/every, linkDots)
		}
		if int(total) <= most || every > 1<<20 {
			return every
		}
	}
}

// way gives the points of a message's link in the direction that it travels.
func (b *builder) way(link int32) []view.Point {
	if points := b.g.routes[link]; points != nil {
		return points
	}
	return b.flow.docks[link]
}

func (b *builder) dot(m *flight, share float64) {
	points := b.way(m.link)
	most := b.o.MaxDots
	if most <= 0 {
		most = defaultDots
	}
	if len(points) == 0 || len(b.f.Dots) >= most {
		return
	}
	if b.o.StillMotion {
		share = 0.5
	}
	if m.lost {
		share = min(share, 0.5)
	}
	x := Dot{Class: m.class, Seq: m.seq, Lost: m.lost, Small: b.flow.docks[m.link] != nil}
	x.P, x.Back = placeOn(points, share, m.back, !x.Small && !b.o.StillMotion)
	if b.f.Dimmed {
		x.Lit = b.lit(m.tx)
		x.Dim = !x.Lit
	}
	b.f.Dots = append(b.f.Dots, x)
	b.f.msgs = append(b.f.msgs, dotRef{seq: m.seq, tx: m.tx, a: b.w.reg.nodes[m.from].name, b: b.w.reg.nodes[m.to].name})
}

// placeOn gives a place on a link, and one a little behind it.
func placeOn(points []view.Point, share float64, back, trailing bool) (p, behind view.Point) {
	length := 0.0
	for i := 1; i < len(points); i++ {
		length += distance(points[i-1], points[i])
	}
	before := share
	if trailing && length > 0 {
		before = max(0, share-tail/length)
	}
	if back {
		return along(points, 1-share), along(points, 1-before)
	}
	return along(points, share), along(points, before)
}

// held adds the messages that a hold has stopped, where they stand.
func (b *builder) held() {
	stacked := map[int32]int{}
	for i := range b.s.held {
		h := &b.s.held[i]
		points := b.way(h.link)
		if len(points) == 0 || len(b.f.Dots) >= defaultDots {
			continue
		}
		share := heldNear + 0.06*float64(stacked[h.link]%6)
		stacked[h.link]++
		if h.at == h.to {
			share = 1 - share
		}
		x := Dot{Class: h.info.class, Seq: h.seq, Held: true, Small: b.flow.docks[h.link] != nil}
		x.P, x.Back = placeOn(points, share, b.w.reg.pairs[h.link].a != h.from, false)
		if b.f.Dimmed {
			x.Lit = b.lit(h.tx)
			x.Dim = !x.Lit
		}
		b.f.Dots = append(b.f.Dots, x)
		b.f.msgs = append(b.f.msgs, dotRef{seq: h.seq, tx: h.tx, a: b.w.reg.nodes[h.from].name, b: b.w.reg.nodes[h.to].name})
	}
}

// docks finds where each running chaincode's short link to its peer lies now.
func (b *builder) docks() {
	c := &b.flow
	c.docks = append(c.docks[:0], make([][]view.Point, len(b.w.reg.pairs))...)
	c.points = c.points[:0]
	if b.g.form != Full {
		return
	}
	for i := range b.s.nodes {
		n := &b.s.nodes[i]
		for slot := range min(len(n.docked), b.g.slots) {
			code := n.docked[slot].node
			if code < 0 {
				continue
			}
			a, z := min(int32(i), code), max(int32(i), code)
			link, ok := b.w.reg.pairIDs[uint64(uint32(a))<<32|uint64(uint32(z))]
			if !ok {
				continue
			}
			r := b.g.containerRect(b.g.rects[i], slot, min(len(n.docked), b.g.slots))
			outer, inner := view.Point{X: r.X - dockLength, Y: r.Y + r.H/2}, view.Point{X: r.X, Y: r.Y + r.H/2}
			if a == code {
				outer, inner = inner, outer
			}
			c.points = append(c.points, outer, inner)
			c.docks[link] = c.points[len(c.points)-2 : len(c.points) : len(c.points)]
		}
	}
}

// flows adds the rate of every direction and class that is too fast for single dots.
func (b *builder) flows(trail int64) {
	if b.o.Scale < fastScale {
		return
	}
	for d := range b.flow.visible {
		points := b.g.routes[d/2]
		if b.flow.visible[d] == 0 || len(points) == 0 {
			continue
		}
		onScreen := float64(b.flow.visible[d]) / float64(trail) * float64(b.o.Scale)
		if onScreen < flowRate {
			continue
		}
		class, most := view.Plain, int32(0)
		for k, n := range b.flow.classes[d] {
			if n > most {
				class, most = view.Class(k), n
			}
		}
		rate := round2(float64(b.flow.visible[d]) / float64(trail) * 1e9)
		at := along(points, 0.38)
		at.Y -= rateOffset
		if d%2 == 1 {
			at = along(points, 0.62)
			at.Y += rateOffset
		}
		b.f.Flows = append(b.f.Flows, Flow{Points: points, Class: class, PerSec: rate, Text: rateText(rate), At: at,
			Strong: min(1, onScreen/1500), DimFlow: b.f.Dimmed})
	}
}

// round2 keeps two digits, so that a number can be read while it changes.
func round2(v float64) float64 {
	step := 1.0
	for v/step >= 100 {
		step *= 10
	}
	return float64(int(v/step+0.5)) * step
}

// rateText writes 1240 as "1 200/s".
func rateText(v float64) string {
	s := strconv.Itoa(int(v))
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s + "/s"
}
