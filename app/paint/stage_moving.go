package paint

import (
	"math"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/stage"
)

// quick draws what changes from frame to frame: numbers, lanes, flows, dots.
func (d *stageDraw) quick(w, h float64) {
	f := d.f
	d.floor = h - legendHeight*d.k
	defer d.c.Clip(view.Rect{W: w, H: d.floor})()
	for i := range f.Flows {
		d.flow(&f.Flows[i])
	}
	for i := range f.Clients {
		d.clientLine(&f.Clients[i])
	}
	for i := range f.Orgs {
		o := &f.Orgs[i]
		if f.Form == stage.Grouped {
			d.group(o)
		}
		for j := range o.Peers {
			d.peerState(&o.Peers[j])
		}
	}
	for i := range f.Ordering.Nodes {
		d.ordererLog(&f.Ordering.Nodes[i])
	}
	d.batch(&f.Ordering)
	d.fade = 0
	d.dots()
	for i := range f.Flows {
		d.rate(&f.Flows[i])
	}
}

// flow draws how much passes along a link as the width of a band.
func (d *stageDraw) flow(x *stage.Flow) {
	if x.Strong < 0.06 {
		return
	}
	points := d.points(x.Points)
	alpha := 0.2
	if x.DimFlow {
		alpha = 0.07
	}
	d.c.Path(points, false, Style{Stroke: Alpha(d.th.Class(x.Class), alpha), Width: math.Max(2, (2+7*math.Round(x.Strong*4)/4)*d.z)})
}

func (d *stageDraw) rate(x *stage.Flow) {
	f, ok := d.font(10, true, false)
	if !ok || x.DimFlow {
		return
	}
	at := d.cam.ToScreen(x.At)
	w, h := TextWidth(x.Text, f)+6, f.Size*1.5
	d.c.Rect(view.Rect{X: at.X - w/2, Y: at.Y - h/2, W: w, H: h}, 0, Style{Fill: Alpha(d.th.Ground, 0.8)})
	d.c.Text(view.Point{X: at.X - w/2 + 3, Y: Baseline(at.Y, f)}, x.Text, f, d.th.Class(x.Class))
}

func (d *stageDraw) clientLine(c *stage.Client) {
	f, ok := d.font(10, true, false)
	if !ok || c.Line == "" {
		return
	}
	d.step(&c.Look)
	x := 46.0
	if c.Rect.H < 50 {
		x = 36
	}
	d.words(d.rect(c.Rect), x, c.Rect.H/2+9, c.Rect.W-x-8, c.Line, f, d.th.Muted)
}

// group draws the counts of an organisation whose peers share one box.
func (d *stageDraw) group(o *stage.Org) {
	f, ok := d.font(11, false, false)
	if !ok {
		return
	}
	d.step(&o.Look)
	r := d.rect(o.Rect)
	for i, line := range o.Group.Lines {
		ink := d.th.Text
		if i > 0 {
			ink = d.th.Muted
		}
		d.words(r, 15, 44+float64(i)*19, o.Rect.W-30, line, f, ink)
	}
}

func (d *stageDraw) peerState(p *stage.Peer) {
	gone := d.stepNode(&p.Look, p.Mark)
	r := d.rect(p.Rect)
	if p.Busy && !p.Selected && !p.Highlight && !p.Lit && !gone {
		radius := 9.0
		if d.f.Form == stage.Compact {
			radius = 7
		}
		d.c.Rect(r, radius*d.z, Style{Stroke: d.ink(d.th.Accent), Width: math.Max(1.2, 1.6*d.z)})
	}
	if d.f.Form == stage.Compact {
		d.compactState(p, r)
	} else {
		d.fullState(p, r)
	}
}

func (d *stageDraw) fullState(p *stage.Peer, r view.Rect) {
	mono, ok := d.font(11, true, false)
	room := d.peerRoom(p)
	if ok && p.Height != "" {
		w := math.Max(54, TextWidth(p.Height, mono)/d.z+16)
		chip := view.Rect{X: r.X + 12*d.z, Y: r.Y + 33*d.z, W: w * d.z, H: 17 * d.z}
		d.c.Rect(chip, 5*d.z, Style{Fill: d.ink(d.track())})
		TextMiddle(d.c, view.Point{X: chip.X + chip.W/2, Y: Baseline(chip.Y+chip.H/2, mono)}, p.Height, mono, d.ink(d.th.Class(view.Block)))
		d.words(r, 12+w+8, 41.5, room-w-8, p.Hash, mono, d.th.Muted)
	}
	if f, ok := d.font(11, false, false); ok {
		ink := d.th.Muted
		if p.Busy {
			ink = d.th.Accent
		}
		d.words(r, 12, 65.5, room, p.Doing, f, ink)
	}
	for i := range p.Containers {
		d.lanes(&p.Containers[i])
	}
}

func (d *stageDraw) compactState(p *stage.Peer, r view.Rect) {
	room := p.Rect.W - 18
	if len(p.Containers) > 0 {
		room = p.Containers[0].Rect.X - p.Rect.X - 14
	}
	if f, ok := d.font(10, true, false); ok {
		switch {
		case p.Mark != stage.Fine && p.Mark != stage.Pending:
			d.mark(r, 8, 34, p.Mark, p.MarkText)
		case p.Height != "":
			end := d.words(r, 9, 34, room, p.Height, f, d.th.Class(view.Block))
			d.words(r, end+7, 34, room-end, p.Hash, f, d.th.Muted)
		default:
			small, _ := d.font(10, false, false)
			d.words(r, 9, 34, room, p.Doing, small, d.th.Muted)
		}
	} else if p.Mark != stage.Fine && p.Mark != stage.Pending {
		d.c.Circle(view.Point{X: r.X + r.W, Y: r.Y}, 3, Style{Fill: d.th.Warn})
	}
	if len(p.Containers) == 0 {
		return
	}
	c := &p.Containers[0]
	for i := range c.Lanes {
		d.laneBar(&c.Lanes[i])
	}
	f, ok := d.font(9, false, false)
	switch {
	case ok && c.More > 0:
		d.words(d.rect(c.Rect), 6, c.Rect.H-8, c.Rect.W-10, d.f.Book.L("+{{.N}} more", c.More), f, d.th.Muted)
	case ok && len(c.Lanes) == 0:
		d.words(d.rect(c.Rect), 6, c.Rect.H/2, c.Rect.W-10, c.Title, f, d.th.Muted)
	}
}

// lanes draws what a chaincode is working on.
func (d *stageDraw) lanes(c *stage.Container) {
	r := d.rect(c.Rect)
	defer d.stepBack(c.Dim)()
	if len(c.Lanes) == 0 {
		if f, ok := d.font(10, false, false); ok {
			ink := d.th.Muted
			if c.Phase == facts.Failed {
				ink = d.th.Invalid
			}
			d.words(r, 10, 23+(c.Rect.H-23)/2-2, c.Rect.W-20, c.Line, f, ink)
		}
	}
	for i := range c.Lanes {
		l := &c.Lanes[i]
		d.laneBar(l)
		size := 10.0
		if l.Rect.H < 13 { // they stand close
			size = 8
		}
		if mono, readable := d.font(size, true, false); readable {
			restore := d.stepBack(l.Dim)
			d.words(d.rect(l.Rect), 5, l.Rect.H/2, l.Rect.W-10, l.Label, mono, d.th.Text)
			restore()
		}
	}
	if f, ok := d.font(10, false, false); ok && c.More > 0 {
		last := c.Lanes[len(c.Lanes)-1].Rect
		y := last.Y + last.H*1.5 + 2 - c.Rect.Y
		d.words(r, 15, y, c.Rect.W-24, d.f.Book.L("+{{.N}} more", c.More), f, d.th.Muted)
	}
}

// laneBar draws how far a simulation is: what it has read, then what it has written.
func (d *stageDraw) laneBar(l *stage.Lane) {
	r := d.rect(l.Rect)
	defer d.stepBack(l.Dim)()
	radius := math.Min(4*d.z, r.H/2)
	d.c.Rect(r, radius, Style{Fill: d.ink(d.track())})
	alpha := 0.42
	if d.th.Name == "light" {
		alpha = 0.4
	}
	bar := view.Rect{X: r.X, Y: r.Y, W: r.W * l.Share, H: r.H}
	fill := func(class view.Class) {
		d.c.Rect(bar, radius, Style{Fill: d.ink(Alpha(d.th.Class(class), alpha))})
	}
	switch total := l.Reads + l.Writes; {
	case total == 0:
		fill(view.Proposal)
	case l.Writes == 0:
		fill(view.Read)
	default:
		reads := bar.W * float64(l.Reads) / float64(total)
		restore := d.c.Clip(view.Rect{X: bar.X, Y: bar.Y, W: reads, H: bar.H})
		fill(view.Read)
		restore()
		restore = d.c.Clip(view.Rect{X: bar.X + reads, Y: bar.Y, W: bar.W - reads, H: bar.H})
		fill(view.Write)
		restore()
	}
	if l.Lit {
		d.c.Rect(r, radius, Style{Stroke: d.th.Accent, Width: math.Max(1, 1.4*d.z)})
	}
}

func (d *stageDraw) ordererLog(o *stage.Orderer) {
	f, ok := d.font(10, true, false)
	if !ok || o.Log == "" {
		return
	}
	d.stepNode(&o.Look, o.Mark)
	d.words(d.rect(o.Rect), 11, 50, o.Rect.W-20, o.Log, f, d.th.Muted)
}

func (d *stageDraw) batch(o *stage.Ordering) {
	if o.Batch.Rect.W == 0 {
		return
	}
	d.step(&o.Look)
	r := d.rect(o.Batch.Rect)
	if f, ok := d.font(11, false, false); ok {
		d.words(r, 0, -11, o.Batch.Rect.W, o.Batch.Text, f, d.th.Muted)
	}
	d.c.Rect(r, r.H/2, Style{Fill: d.track()})
	if o.Batch.Share > 0 {
		d.c.Rect(view.Rect{X: r.X, Y: r.Y, W: math.Max(r.H, r.W*o.Batch.Share), H: r.H}, r.H/2, Style{Fill: d.th.Class(view.Block)})
	}
}

// dots stamps the messages; the selected transaction's come last, on top.
func (d *stageDraw) dots() {
	many := len(d.f.Dots) > 250
	size := math.Max(7, math.Min(17, 12*math.Sqrt(d.z)))
	if many {
		size *= 0.72
	}
	for _, top := range []bool{false, true} {
		for i := range d.f.Dots {
			if x := &d.f.Dots[i]; (x.Lit || x.Held || x.Lost) == top {
				d.dot(x, size, many)
			}
		}
	}
}

func (d *stageDraw) dot(x *stage.Dot, size float64, many bool) {
	at := d.cam.ToScreen(x.P)
	if at.Y+size > d.floor {
		return
	}
	if x.Small {
		if d.z < 0.4 {
			return
		}
		size *= 0.8
	}
	dot := Dot{Class: x.Class, Size: size, Bare: many && !x.Lit}
	if x.Dim {
		dot.Fade = 0.75
	}
	if !many && x.Back != x.P && !x.Dim {
		d.c.Path([]view.Point{d.cam.ToScreen(x.Back), at}, false, Style{Stroke: Alpha(d.th.Class(x.Class), 0.4), Width: math.Max(1.5, size/5)})
	}
	d.stamp(dot, at)
	switch {
	case x.Held:
		d.heldSign(at, size)
	case x.Lost:
		drawCross(d.c, at, size*0.62, Style{Stroke: d.th.Invalid, Width: 2 * d.k})
	}
}

// heldSign marks a message that a hold has stopped: a ring, and two bars above it.
func (d *stageDraw) heldSign(at view.Point, size float64) {
	r := size * 0.95
	d.c.Circle(at, r, Style{Stroke: d.th.Warn, Width: 1.8 * d.k})
	badge := view.Rect{X: at.X - 7*d.k, Y: at.Y - r - 13*d.k, W: 14 * d.k, H: 12 * d.k}
	d.c.Rect(badge, 4*d.k, Style{Fill: d.th.Warn})
	for _, x := range []float64{-2.6, 2.6} {
		d.c.Rect(view.Rect{X: at.X + (x-1)*d.k, Y: badge.Y + 3*d.k, W: 2 * d.k, H: 6 * d.k}, 0, Style{Fill: d.th.Ground})
	}
}
