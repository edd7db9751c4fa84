package stage

import (
	"slices"
	"strconv"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
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
	*facts.Message
	share float64
}

// flowCounts counts messages per direction of each pair and class.
type flowCounts struct {
	seen    []candidate
	visible []int32                  // per direction
	classes [][view.ClassCount]int32 // per direction
	docks   [][]view.Point
	points  []view.Point
	lit     []uint32 // numbers of the transactions that are pointed at
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
	directions := 2 * len(b.w.facts.Pairs)
	c.seen = c.seen[:0]
	c.visible = append(c.visible[:0], make([]int32, directions)...)
	c.classes = append(c.classes[:0], make([][view.ClassCount]int32, directions)...)
	b.docks()
	list := b.w.facts.MessagesAround(b.f.At)
	c.lit = c.lit[:0]
	for _, t := range b.ts {
		c.lit = append(c.lit, list.Find(t.tx))
	}
	trail := b.o.trail()
	held := b.heldSet()
	list.Visit(b.f.At, trail, func(m *facts.Message) { b.see(list, m, trail, held) })
	every := b.thin()
	for i := range c.seen {
		m := &c.seen[i]
		d := m.Direction()
		k := every
		for c.visible[d]/k > linkDots {
			k *= 2
		}
		if k > 1 && m.Nth&uint32(k-1) != 0 && !b.litMessage(m.Message) {
			b.f.Sampled = max(b.f.Sampled, int(k))
			continue
		}
		b.dot(list, m.Message, m.share)
	}
	b.held()
	b.flows(trail)
}

func (b *builder) litMessage(m *facts.Message) bool {
	return m.Tx != 0 && slices.Contains(b.flow.lit, m.Tx)
}

// heldSet names the messages that stand still now: they are drawn by held.
func (b *builder) heldSet() map[uint64]bool {
	if len(b.s.Held) == 0 {
		return nil
	}
	set := make(map[uint64]bool, len(b.s.Held))
	for i := range b.s.Held {
		set[b.s.Held[i].Msg] = true
	}
	return set
}

// see decides whether a message is visible, and how far it has come.
func (b *builder) see(list *facts.Messages, m *facts.Message, trail int64, held map[uint64]bool) {
	if m.Quiet() && !b.o.Heartbeats || int(m.Link) >= len(b.g.routes) || held[m.ID] {
		return
	}
	if b.away(m.From) || b.away(m.To) {
		return
	}
	at := b.f.At
	begin, end := m.Sent, m.Received
	switch {
	case m.End() == 0 && end == facts.Unended: // its arrival is not recorded yet
		end = begin + max(trail, guess)
		if at.Time > end && (!b.w.facts.Nodes[m.To].Speaks || b.w.facts.Now().Time-begin > facts.Abandoned) {
			return // an outside end records nothing, and one that has gone takes nothing
		}
	case m.End() > at.Seq:
		end = max(end, begin+trail)
	default:
		end = max(end, begin+trail)
		if at.Time >= end && (m.End() != at.Seq || at.Time > m.Received) {
			return
		}
	}
	share := 1.0
	if end > begin {
		share = min(1, max(0, float64(at.Time-begin)/float64(end-begin)))
	}
	if m.Received == facts.Unended {
		share = min(share, 0.9)
	}
	if m.Paused() {
		if s, ok := list.Stop(m.ID); ok && s.Released > 0 && s.Released <= at.Time && end > s.Released {
			share = heldNear + (1-heldNear)*float64(at.Time-s.Released)/float64(end-s.Released)
		}
	}
	d := m.Direction()
	b.flow.visible[d]++
	b.flow.classes[d][m.Class]++
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

func (b *builder) dot(list *facts.Messages, m *facts.Message, share float64) {
	points := b.way(m.Link)
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
	if m.Lost() {
		share = min(share, 0.5)
	}
	x := Dot{Class: m.Class, Seq: m.Seq, Lost: m.Lost(), Small: b.flow.docks[m.Link] != nil}
	x.P, x.Back = placeOn(points, share, m.Back(), !x.Small && !b.o.StillMotion)
	if b.f.Dimmed {
		x.Lit = b.litMessage(m)
		x.Dim = !x.Lit
	}
	b.f.Dots = append(b.f.Dots, x)
	b.f.msgs = append(b.f.msgs, dotRef{seq: m.Seq, tx: list.TxID(m.Tx), a: b.w.facts.Nodes[m.From].Name, b: b.w.facts.Nodes[m.To].Name})
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
	for i := range b.s.Held {
		h := &b.s.Held[i]
		points := b.way(h.Link)
		if len(points) == 0 || len(b.f.Dots) >= defaultDots {
			continue
		}
		share := heldNear + 0.06*float64(stacked[h.Link]%6)
		stacked[h.Link]++
		if h.At == h.To {
			share = 1 - share
		}
		x := Dot{Class: h.Info.Class, Seq: h.Seq, Held: true, Small: b.flow.docks[h.Link] != nil}
		x.P, x.Back = placeOn(points, share, b.w.facts.Pairs[h.Link].A != h.From, false)
		if b.f.Dimmed {
			x.Lit = b.lit(h.Tx)
			x.Dim = !x.Lit
		}
		b.f.Dots = append(b.f.Dots, x)
		b.f.msgs = append(b.f.msgs, dotRef{seq: h.Seq, tx: h.Tx, a: b.w.facts.Nodes[h.From].Name, b: b.w.facts.Nodes[h.To].Name})
	}
}

// docks finds where each running chaincode's short link to its peer lies now.
func (b *builder) docks() {
	c := &b.flow
	c.docks = append(c.docks[:0], make([][]view.Point, len(b.w.facts.Pairs))...)
	c.points = c.points[:0]
	if b.g.form != Full {
		return
	}
	for i := range b.s.Nodes {
		n := &b.s.Nodes[i]
		for slot := range min(len(n.Docked), b.g.slots) {
			code := n.Docked[slot].Node
			if code < 0 {
				continue
			}
			link, ok := b.w.facts.Pair(int32(i), code)
			if !ok {
				continue
			}
			r := b.g.containerRect(b.g.rects[i], slot, min(len(n.Docked), b.g.slots))
			outer, inner := view.Point{X: r.X - dockLength, Y: r.Y + r.H/2}, view.Point{X: r.X, Y: r.Y + r.H/2}
			if b.w.facts.Pairs[link].A == code {
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
