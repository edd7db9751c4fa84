package paint

import (
	"image/color"
	"math"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/words"
)

// slow draws everything that changes seldom.
func (d *stageDraw) slow(w, h float64) {
	f, th := d.f, d.th
	d.c.Rect(view.Rect{W: w, H: h}, 0, Style{Fill: th.Ground})
	for i := range f.Orgs {
		d.org(&f.Orgs[i])
	}
	d.orderingBox(&f.Ordering)
	for _, top := range []bool{false, true} {
		for i := range f.Links {
			if l := &f.Links[i]; (l.Lit || l.Selected) == top {
				d.link(l)
			}
		}
	}
	for i := range f.Links {
		if f.Links[i].Rule != stage.Undisturbed {
			d.linkRule(&f.Links[i])
		}
	}
	for i := range f.Clients {
		d.client(&f.Clients[i])
	}
	for i := range f.Orgs {
		for j := range f.Orgs[i].Peers {
			d.peer(&f.Orgs[i].Peers[j])
		}
	}
	for i := range f.Ordering.Nodes {
		d.orderer(&f.Ordering.Nodes[i])
	}
	d.fade = 0
	d.c.Rect(view.Rect{Y: h - legendHeight*d.k, W: w, H: legendHeight * d.k}, 0, Style{Fill: th.Ground})
	d.notes(w, h, d.legend(w, h))
}

func (d *stageDraw) org(o *stage.Org) {
	d.step(&o.Look)
	r := d.rect(o.Rect)
	tone := d.th.Org(o.Index)
	ground := 0.07
	if d.th.Name == "light" {
		ground = 0.08
	}
	edge := d.edge(&o.Look, tone, false)
	edge.Width = math.Max(edge.Width, 1.3*d.z)
	d.card(r, 12, Alpha(tone, ground), edge, false)
	name := d.nameFont(13)
	end := d.words(r, 15, 19, o.Rect.W-30, o.Title, name, tone)
	if small, ok := d.font(11, false, false); ok {
		d.words(r, end+9, 19.5, o.Rect.W-24-end, o.Note, small, d.th.Muted)
	}
}

func (d *stageDraw) orderingBox(o *stage.Ordering) {
	if o.Rect.W == 0 {
		return
	}
	d.step(&o.Look)
	r := d.rect(o.Rect)
	d.card(r, 12, Alpha(d.th.Class(view.Raft), 0.07), d.edge(&o.Look, Alpha(d.th.Class(view.Raft), 0.8), false), false)
	small, ok := d.font(11, false, false)
	room := o.Rect.W - 30
	if ok {
		room -= TextWidth(o.Note, small)/d.z + 10
		d.wordsEnd(r, o.Rect.W-15, 20.5, o.Rect.W/2, o.Note, small, d.th.Muted)
	}
	d.words(r, 15, 20, room, d.f.Book.L("Ordering service"), d.nameFont(13), d.th.Class(view.Raft))
}

func (d *stageDraw) link(l *stage.Link) {
	th := d.th
	s := Style{Stroke: th.Line, Width: math.Max(1, 1.3*d.z)}
	switch l.Style {
	case facts.DeliverLink:
		s.Dash = math.Max(2.5, 4*d.z)
	case facts.PeerLink:
		s.Stroke = Alpha(th.Line, 0.6)
	case facts.RaftLink:
		s.Stroke, s.Width = Alpha(th.Class(view.Raft), 0.45), math.Max(1, 1.5*d.z)
	}
	switch l.Rule {
	case stage.CutRule:
		s.Stroke, s.Dash = Alpha(th.Invalid, 0.85), math.Max(3, 6*d.z)
	case stage.Slow, stage.Lossy:
		s.Stroke, s.Width = Alpha(th.Warn, 0.85), math.Max(1.2, 1.6*d.z)
	}
	switch {
	case l.Selected:
		s.Stroke, s.Width = th.Accent, math.Max(2, 2.6*d.z)
	case l.Lit:
		s.Stroke, s.Width = Alpha(th.Accent, 0.75), math.Max(1.4, 1.8*d.z)
	case l.Dim:
		s.Stroke = Alpha(s.Stroke, 0.45)
	}
	d.c.Path(d.points(l.Points), false, s)
}

// points is a way across the plane on the screen.
func (d *stageDraw) points(way []view.Point) []view.Point {
	points := make([]view.Point, len(way))
	for i, p := range way {
		points[i] = d.cam.ToScreen(p)
	}
	return points
}

// linkRule marks what a rule does to a link: a cross where it is cut, words where it is slow.
func (d *stageDraw) linkRule(l *stage.Link) {
	m := middleOf(d.points(l.Points))
	if l.Rule == stage.CutRule {
		r := math.Max(4, 6*d.z)
		d.c.Circle(m, r*1.5, Style{Fill: d.th.Ground})
		drawCross(d.c, m, r, Style{Stroke: d.th.Invalid, Width: math.Max(1.5, 2.2*d.z)})
		return
	}
	if f, ok := d.font(10, false, false); ok {
		d.pill(m, l.RuleText, f, d.th.Warn)
	}
}

// pill writes a few words on a small ground around a point.
func (d *stageDraw) pill(at view.Point, text string, f Font, ink color.NRGBA) {
	w, h := TextWidth(text, f)+f.Size*1.2, f.Size*1.7
	r := view.Rect{X: at.X - w/2, Y: at.Y - h/2, W: w, H: h}
	d.c.Rect(r, h/2, Style{Fill: d.th.Ground})
	d.c.Rect(r, h/2, Style{Fill: Alpha(ink, 0.12), Stroke: d.ink(Alpha(ink, 0.7)), Width: 1})
	d.c.Text(view.Point{X: r.X + f.Size*0.6, Y: Baseline(at.Y, f)}, text, f, d.ink(ink))
}

// middleOf is the point half way along a path.
func middleOf(points []view.Point) view.Point {
	total := 0.0
	for i := 1; i < len(points); i++ {
		total += math.Hypot(points[i].X-points[i-1].X, points[i].Y-points[i-1].Y)
	}
	rest := total / 2
	for i := 1; i < len(points); i++ {
		step := math.Hypot(points[i].X-points[i-1].X, points[i].Y-points[i-1].Y)
		if rest <= step && step > 0 {
			return between(points[i-1], points[i], rest/step)
		}
		rest -= step
	}
	return points[0]
}

func (d *stageDraw) client(c *stage.Client) {
	d.step(&c.Look)
	if !c.Seen && !c.Dim {
		d.fade = 0.15
	}
	r := d.rect(c.Rect)
	d.card(r, 9, d.th.Panel, d.edge(&c.Look, d.th.Line, false), true)
	x, room := 46.0, c.Rect.W-54
	if c.Rect.H < 50 {
		x, room = 36, c.Rect.W-42
	}
	icon := x - 18
	if r.W > 44 {
		Icon(d.c, "person", view.Rect{X: r.X + (x-icon)/2*d.z - 3*d.z, Y: r.Y + (c.Rect.H-icon)/2*d.z, W: icon * d.z, H: icon * d.z}, d.ink(d.th.Accent), math.Max(1.2, 1.7*d.z))
	} else {
		x, room = 4, c.Rect.W-8
	}
	d.words(r, x, d.clientTitle(c), room, c.Title, d.nameIn(c.Title, clientFont(c), room), d.th.Text)
}

// nameIn is a name's font, up to three sizes smaller where there is little room: a smaller
// name is better than half of one.
func (d *stageDraw) nameIn(name string, size, room float64) Font {
	f := d.nameFont(size)
	for less := 1.0; less <= 3 && TextWidth(name, f)/d.z > room; less++ {
		f = d.nameFont(size - less)
	}
	return f
}

func clientFont(c *stage.Client) float64 {
	if c.Rect.H < 50 {
		return 11
	}
	return 13
}

// clientTitle is where a client's name stands: above its line, or in the middle where the
// line has no room.
func (d *stageDraw) clientTitle(c *stage.Client) float64 {
	if _, ok := d.font(10, true, false); !ok || c.Line == "" && c.Rect.H < 50 {
		return c.Rect.H / 2
	}
	return c.Rect.H/2 - 9
}

func (d *stageDraw) peer(p *stage.Peer) {
	gone := d.stepNode(&p.Look, p.Mark)
	r := d.rect(p.Rect)
	if d.f.Form == stage.Compact {
		d.compactPeer(p, r, gone)
		return
	}
	d.card(r, 9, d.th.Panel, d.peerEdge(p, gone), true)
	room := d.peerRoom(p)
	name := d.nameFont(13)
	sign, width := p.MarkText, d.markWidth(p.Mark, p.MarkText)
	if TextWidth(p.Title, name)/d.z+width > room {
		sign, width = "", d.markWidth(p.Mark, "")
	}
	end := d.words(r, 12, 18, room-width, p.Title, name, d.th.Text)
	d.mark(r, end+8, 18, p.Mark, sign)
	for i := range p.Containers {
		d.container(p, &p.Containers[i])
	}
	if f, ok := d.font(10, false, false); ok && p.Hidden > 0 {
		d.wordsEnd(r, p.Rect.W-11, p.Rect.H-2, 150, d.f.Book.L("+{{.N}} chaincodes", p.Hidden), f, d.th.Muted)
	}
}

// peerRoom is how wide a peer's own words may be: up to its containers.
func (d *stageDraw) peerRoom(p *stage.Peer) float64 {
	if len(p.Containers) == 0 {
		return p.Rect.W - 24
	}
	return p.Containers[0].Rect.X - p.Rect.X - 12 - 20
}

func (d *stageDraw) peerEdge(p *stage.Peer, gone bool) Style {
	plain := d.th.Line
	switch p.Mark {
	case stage.Lags, stage.CutOff:
		plain = d.th.Warn
	case stage.Lying:
		plain = d.th.Invalid
	}
	return d.edge(&p.Look, plain, gone || p.Mark == stage.CutOff)
}

// markFont is for the words that say what is wrong with a node.
func (d *stageDraw) markFont() Font {
	return Font{Bold: true, Size: math.Max(7, math.Round(10*d.z*2)/2)}
}

// markWidth is the room, in units, that a mark takes beside a name.
func (d *stageDraw) markWidth(m stage.Mark, text string) float64 {
	if m == stage.Fine || m == stage.Pending {
		return 0
	}
	return d.pillWidth(text)/d.z + 8
}

// pillWidth is a mark's width in pixels; without words only its sign is there.
func (d *stageDraw) pillWidth(text string) float64 {
	f := d.markFont()
	if text == "" {
		return f.Size * 1.9
	}
	return TextWidth(text, f) + f.Size*2.4
}

// mark writes what is wrong with a node, with a sign: never by colour alone.
func (d *stageDraw) mark(box view.Rect, x, y float64, m stage.Mark, text string) {
	if m == stage.Fine || m == stage.Pending {
		return
	}
	ink, icon := d.th.Warn, "warning"
	switch m {
	case stage.Down, stage.Lying:
		ink = d.th.Invalid
	case stage.Lags:
		icon = "clock"
	case stage.CutOff:
		icon = "scissors"
	}
	if m == stage.Down {
		icon = "cross"
	}
	f := d.markFont()
	h := f.Size * 1.6
	r := view.Rect{X: box.X + x*d.z, Y: box.Y + y*d.z - h/2, W: d.pillWidth(text), H: h}
	fade := d.fade
	d.fade = fade / 3 // what is wrong must be seen
	d.c.Rect(r, h/2, Style{Fill: d.ink(Alpha(ink, 0.14))})
	Icon(d.c, icon, view.Rect{X: r.X + f.Size*0.4, Y: r.Y + h/2 - f.Size*0.55, W: f.Size * 1.1, H: f.Size * 1.1}, d.ink(ink), math.Max(1, f.Size/9))
	d.c.Text(view.Point{X: r.X + f.Size*1.8, Y: Baseline(r.Y+h/2, f)}, text, f, d.ink(ink))
	d.fade = fade
}

func (d *stageDraw) compactPeer(p *stage.Peer, r view.Rect, gone bool) {
	d.card(r, 7, d.th.Panel, d.peerEdge(p, gone), false)
	room := p.Rect.W - 20
	if len(p.Containers) > 0 {
		room = p.Containers[0].Rect.X - p.Rect.X - 16
	}
	y := 15.0
	if _, ok := d.font(10, true, false); !ok {
		y = p.Rect.H / 2
	}
	d.words(r, 9, y, room, firstName(p.Title), d.nameFont(12), d.th.Text)
	if len(p.Containers) > 0 {
		d.compactContainer(&p.Containers[0])
	}
}

// firstName is a peer's name within its organisation.
func firstName(title string) string {
	first, _, _ := strings.Cut(title, ".")
	return first
}

func (d *stageDraw) container(p *stage.Peer, c *stage.Container) {
	defer d.stepBack(c.Dim)()
	r := d.rect(c.Rect)
	gone := c.Phase == facts.Installed || c.Phase == facts.Exited || c.Phase == facts.Failed || c.Phase == facts.Built
	if !gone {
		y := r.Y + r.H/2
		d.c.Path([]view.Point{{X: r.X - 24*d.z, Y: y}, {X: r.X, Y: y}}, false, Style{Stroke: d.ink(Alpha(d.th.Muted, 0.6)), Width: math.Max(1, 1.4*d.z)})
	}
	edge := d.edge(&c.Look, d.th.Line, gone)
	if c.Phase == facts.Failed {
		edge.Stroke = d.ink(d.th.Invalid)
	}
	fill := d.inner()
	if gone {
		fill = Alpha(fill, 0.4)
	}
	d.card(r, 7, fill, edge, false)
	room := c.Rect.W - 20
	if small, ok := d.font(10, false, false); ok {
		kind := c.Kind
		width := TextWidth(kind, small)/d.z + 6
		if c.Phase == facts.Paused {
			Icon(d.c, "pause", view.Rect{X: r.X + r.W - 22*d.z, Y: r.Y + 6*d.z, W: 13 * d.z, H: 13 * d.z}, d.ink(d.th.Warn), math.Max(1, 1.5*d.z))
			width = 18
		} else if c.Phase != facts.Installed {
			d.wordsEnd(r, c.Rect.W-10, 13, 70, kind, small, d.th.Muted)
		} else {
			width = 0
		}
		room -= width
	}
	title := d.nameFont(11)
	d.words(r, 10, 13, room, c.Title, title, d.th.Text)
}

func (d *stageDraw) compactContainer(c *stage.Container) {
	gone := c.Phase == facts.Installed || c.Phase == facts.Exited || c.Phase == facts.Failed
	fill := d.inner()
	if gone {
		fill = Alpha(fill, 0.4)
	}
	d.card(d.rect(c.Rect), 5, fill, d.edge(&c.Look, d.th.Line, gone), false)
}

func (d *stageDraw) orderer(o *stage.Orderer) {
	gone := d.stepNode(&o.Look, o.Mark)
	r := d.rect(o.Rect)
	edge := d.edge(&o.Look, d.th.Line, gone)
	if o.Role == facts.Leader && !o.Selected && !o.Highlight {
		edge.Stroke, edge.Width = d.ink(d.th.Class(view.Raft)), math.Max(1.6, 2*d.z)
	}
	if o.Role == facts.Candidate {
		edge.Stroke, edge.Dash = d.ink(d.th.Class(view.Raft)), math.Max(3, 4*d.z)
	}
	d.card(r, 8, d.th.Panel, edge, true)
	room := o.Rect.W - 20
	if o.Role == facts.Leader && r.W > 40 {
		size := 19 * d.z
		Icon(d.c, "crown", view.Rect{X: r.X + r.W - size - 8*d.z, Y: r.Y + 7*d.z, W: size, H: size}, d.ink(d.th.Class(view.Block)), math.Max(1.2, 1.6*d.z))
		room -= 24
	}
	f, ok := d.font(11, false, o.Role == facts.Leader)
	y := 17.0
	if !ok {
		y = o.Rect.H / 2
	}
	if bad := o.Mark != stage.Fine && o.Mark != stage.Pending; bad && !ok { // the sign alone
		width := d.markWidth(o.Mark, "")
		end := d.words(r, 6, y, o.Rect.W-10-width, o.Title, d.nameFont(12), d.th.Text)
		d.mark(r, end+3/d.z, y, o.Mark, "")
		return
	}
	d.words(r, 11, y, room, o.Title, d.nameIn(o.Title, 12, room), d.th.Text)
	switch {
	case o.Mark != stage.Fine && o.Mark != stage.Pending:
		d.mark(r, 11, 35, o.Mark, o.MarkText)
	case ok && o.Mark == stage.Pending:
		d.words(r, 11, 34, o.Rect.W-20, o.MarkText, f, d.th.Muted)
	case ok:
		ink := d.th.Muted
		if o.Role == facts.Leader || o.Role == facts.Candidate {
			ink = d.th.Class(view.Raft)
		}
		d.words(r, 11, 34, o.Rect.W-20, o.RoleText, f, ink)
	}
}

// legendHeight is the strip at the bottom that the stage leaves to its legend.
const legendHeight = 38

// classWords names the classes of messages in a language.
func classWords(b *words.Book) [view.ClassCount]string {
	return [...]string{view.Plain: "", view.Proposal: b.L("proposal"), view.Read: b.L("read"), view.Write: b.L("write"),
		view.Endorsement: b.L("endorsement"), view.Raft: b.L("raft"), view.Block: b.L("block")}
}

// legend explains the shapes, at the bottom left of the picture, and says where it ends.
func (d *stageDraw) legend(w, h float64) (end float64) {
	font := d.th.Sans(11)
	x, y, all := 20*d.k, h-20*d.k, classWords(d.f.Book)
	for class := view.Plain + 1; class < view.ClassCount; class++ {
		word := all[class]
		width := TextWidth(word, font)
		if x+40*d.k+width > w {
			return x
		}
		DrawDot(d.c, Dot{Class: class, Size: 11 * d.k}, view.Point{X: x + 4*d.k, Y: y}, d.th)
		d.c.Text(view.Point{X: x + 17*d.k, Y: Baseline(y, font)}, word, font, d.th.Muted)
		x += 17*d.k + width + 26*d.k
	}
	return x
}

// notes lists what stands wrong, at the bottom right: in the row of the legend, as far as it
// leaves room, and above.
func (d *stageDraw) notes(w, h, legend float64) {
	font := d.th.Sans(11)
	right, y := w-16*d.k, h-20*d.k
	left := legend
	for _, n := range d.f.Notes {
		ink, icon := d.th.Warn, "hold"
		if n.Bad {
			ink, icon = d.th.Invalid, "warning"
		}
		text := Fit(n.Text, font, w-80*d.k)
		width := TextWidth(text, font) + 38*d.k
		if right-width < left && (right < w-16*d.k || left == legend) {
			right, y, left = w-16*d.k, y-27*d.k, 0
		}
		x := right - width
		r := view.Rect{X: x, Y: y - 11*d.k, W: width, H: 22 * d.k}
		d.c.Rect(r, r.H/2, Style{Fill: d.th.Ground})
		d.c.Rect(r, r.H/2, Style{Fill: Alpha(ink, 0.14), Stroke: Alpha(ink, 0.7), Width: 1})
		Icon(d.c, icon, view.Rect{X: x + 9*d.k, Y: y - 7*d.k, W: 14 * d.k, H: 14 * d.k}, ink, 1.4*d.k)
		d.c.Text(view.Point{X: x + 28*d.k, Y: Baseline(y, font)}, text, font, ink)
		right = x - 8*d.k
	}
}
