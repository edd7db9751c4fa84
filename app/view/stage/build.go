package stage

import (
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
)

// adminPatience is how long an administrator who does nothing stays on the stage at least;
// half a second of the screen's time if that is longer.
const adminPatience = int64(2e6)

// lagPatience is how long a peer may be without a block that another one has.
const lagPatience = int64(300e6)

// builder turns a state into a Frame. Its slices are used again for every frame.
type builder struct {
	w          *World
	s          *state
	g          *geometry
	o          Options
	ts         []*touched // of the selected transaction and those that a lesson points at
	f          *Frame
	peers      []Peer
	containers []Container
	lanes      []Lane
	flow       flowCounts
}

// Frame gives the stage at a moment. It is valid until the next call.
func (w *World) Frame(at view.Moment, o Options) *Frame {
	w.aspect = math.Round(o.Aspect*20) / 20
	s := w.stateAt(at)
	f := &w.frame
	*f = Frame{At: at, Channel: w.about.Channel, Clients: f.Clients[:0], Orgs: f.Orgs[:0], Links: f.Links[:0], Dots: f.Dots[:0],
		Flows: f.Flows[:0], Notes: f.Notes[:0], msgs: f.msgs[:0], Selection: o.Selection, Still: o.StillMotion, Sampled: 1,
		Ordering: Ordering{Nodes: f.Ordering.Nodes[:0]}}
	b := &w.build
	b.w, b.s, b.g, b.o, b.f = w, s, w.layout(), o, f
	b.peers, b.containers, b.lanes = b.peers[:0], b.containers[:0], b.lanes[:0]
	b.ts = w.touchAll(b.ts[:0], o)
	f.Dimmed = len(b.ts) > 0
	f.Form, f.Bounds = b.g.form, b.g.bounds
	f.Empty = len(b.g.clients)+len(b.g.orgOrder)+len(b.g.orderers) == 0
	b.clients()
	for _, org := range b.g.orgOrder {
		b.org(org)
	}
	b.ordering()
	b.dimWholes()
	b.notes()
	b.links()
	b.dots()
	f.StaticKey = staticKey(f, w.changes)
	return f
}

// appearance gives what all boxes share.
func (b *builder) appearance(node int32, name, title string, r view.Rect) Look {
	l := Look{Name: name, Rect: r, Highlight: pointedAt(b.o.Highlight, name, title)}
	sel := b.o.Selection
	switch sel.What {
	case view.SelectNode, view.SelectLedger, view.SelectOrg:
		l.Selected = sel.Node == name
	case view.SelectBlock, view.SelectKey:
		l.Selected = sel.Node != "" && sel.Node == name
	case view.SelectLink:
		l.Selected = sel.Node == name && sel.Other == ""
	}
	if b.f.Dimmed && node >= 0 {
		l.Lit = b.litNode(node)
		l.Dim = !l.Lit && !l.Highlight
	}
	return l
}

// lit tells whether a transaction is the selected one or one that a lesson points at.
func (b *builder) lit(tx string) bool {
	for _, t := range b.ts {
		if t.tx == tx {
			return true
		}
	}
	return false
}

func (b *builder) litNode(node int32) bool {
	for _, t := range b.ts {
		if t.has(t.nodes, node, b.f.At.Seq) {
			return true
		}
	}
	return false
}

func (b *builder) litLink(link int32) bool {
	for _, t := range b.ts {
		if t.has(t.links, link, b.f.At.Seq) {
			return true
		}
	}
	return false
}

// dimWholes lets organisations and the ordering service step back that the selected
// transaction has not touched.
func (b *builder) dimWholes() {
	if !b.f.Dimmed {
		return
	}
	for i := range b.f.Orgs {
		o := &b.f.Orgs[i]
		o.Dim = !o.Highlight
		for _, p := range b.w.reg.orgs[b.g.orgOrder[i]].peers {
			o.Dim = o.Dim && !b.litNode(p)
		}
	}
	b.f.Ordering.Dim = true
	for i := range b.f.Ordering.Nodes {
		b.f.Ordering.Dim = b.f.Ordering.Dim && b.f.Ordering.Nodes[i].Dim
	}
}

func (b *builder) clients() {
	for _, i := range b.g.clients {
		id := &b.w.reg.nodes[i]
		n := b.s.look(i)
		if b.away(i) {
			continue
		}
		title := view.Short(id.name)
		if at := strings.IndexByte(title, '@'); at > 0 {
			title = id.name[:at] + "@" + strings.ToUpper(title[at+1:at+2]) + title[min(len(title), at+2):]
		}
		c := Client{Look: b.appearance(i, id.name, title, b.g.rects[i]), Title: title, Admin: isAdmin(id.name), Seen: n.life != Unseen || len(n.open) > 0}
		switch len(n.open) {
		case 0:
			c.Line = "idle"
		case 1:
			for tx := range n.open {
				c.Line = "tx " + view.ShortID(tx)
			}
		default:
			c.Line = strconv.Itoa(len(n.open)) + " tx"
		}
		b.f.Clients = append(b.f.Clients, c)
	}
}

// away tells whether a node is not shown now: an administrator who has nothing to do.
func (b *builder) away(i int32) bool {
	id := &b.w.reg.nodes[i]
	if id.kind != clientKind || !isAdmin(id.name) {
		return false
	}
	n := b.s.look(i)
	return len(n.open) == 0 && b.f.At.Time-n.active > max(adminPatience, int64(b.o.Scale)/2) && b.o.Selection.Node != id.name
}

func (b *builder) org(i int32) {
	o := &b.w.reg.orgs[i]
	org := Org{Look: b.appearance(-1, o.title, o.title, b.g.orgs[i]), Index: len(b.f.Orgs), Title: o.title}
	endorses, from := false, len(b.peers)
	for _, p := range o.peers {
		endorses = endorses || b.s.look(p).endorses
		if b.g.form != Grouped {
			b.peer(p)
		}
	}
	org.Note = count(len(o.peers), "peer")
	if endorses {
		org.Note += " · endorses"
	}
	org.Peers = b.peers[from:len(b.peers):len(b.peers)]
	if b.g.form == Grouped {
		org.Group = b.group(o)
	}
	b.f.Orgs = append(b.f.Orgs, org)
}

// group sums an organisation's peers up.
func (b *builder) group(o *organisation) Group {
	g := Group{Peers: len(o.peers)}
	busy, validating, behind := 0, 0, 0
	for _, p := range o.peers {
		n := b.s.look(p)
		if n.life == Up {
			g.Up++
		}
		if n.known && n.life == Up {
			if !g.Known {
				g.Low, g.High, g.Known = n.height, n.height, true
			}
			g.Low, g.High = min(g.Low, n.height), max(g.High, n.height)
		}
		g.Running += len(n.sims)
		if len(n.sims) > 0 {
			busy++
		}
		if n.validating {
			validating++
		}
		if b.behind(&n) > 0 {
			behind++
		}
	}
	g.Lines = append(g.Lines, fmt.Sprintf("%d of %d run", g.Up, g.Peers))
	switch {
	case g.Known && g.Low == g.High:
		g.Lines = append(g.Lines, fmt.Sprintf("all at #%d", g.High))
	case g.Known:
		g.Lines = append(g.Lines, fmt.Sprintf("#%d to #%d, %d behind", g.Low, g.High, behind))
	}
	switch {
	case busy > 0:
		g.Lines = append(g.Lines, fmt.Sprintf("%s on %s", count(g.Running, "simulation"), count(busy, "peer")))
	case validating > 0:
		g.Lines = append(g.Lines, fmt.Sprintf("%s validating", count(validating, "peer")))
	default:
		g.Lines = append(g.Lines, "idle")
	}
	return g
}

func (b *builder) peer(i int32) {
	id := &b.w.reg.nodes[i]
	n := b.s.look(i)
	p := Peer{Look: b.appearance(i, id.name, view.Short(id.name), b.g.rects[i]), Title: view.Short(id.name), Life: n.life}
	if n.known {
		p.Height = "#" + strconv.FormatUint(n.height, 10)
		if n.hash != "" {
			p.Hash = "state " + n.hash
		}
	}
	p.Mark, p.MarkText = b.mark(i, &n)
	p.Doing, p.Busy = doing(&n)
	from := len(b.containers)
	for slot := range n.docked {
		if slot >= b.g.slots {
			p.Hidden++
			continue
		}
		b.container(id, &n.docked[slot], p.Rect, slot, min(len(n.docked), b.g.slots))
	}
	p.Containers = b.containers[from:len(b.containers):len(b.containers)]
	b.peers = append(b.peers, p)
}

// doing says in words what a peer does; the most telling thing first.
func doing(n *nodeState) (words string, busy bool) {
	switch n.life {
	case Unseen:
		return "not started", false
	case Starting:
		return "starting", false
	case Stopped:
		return "stopped", false
	case Killed:
		return "killed", false
	}
	switch sets := len(n.sims); {
	case sets > 0 && n.validating:
		return fmt.Sprintf("%s, validating #%d", count(sets, "simulation"), n.checking), true
	case sets > 0:
		return "building " + count(sets, "read-write set"), true
	case n.validating:
		return "validating #" + strconv.FormatUint(n.checking, 10), true
	}
	for i := range n.docked {
		switch n.docked[i].phase {
		case Building:
			return "building " + n.docked[i].label, true
		case Launching:
			return "starting " + n.docked[i].label, true
		}
	}
	switch {
	case n.asked > 0:
		return "handling " + count(n.asked, "proposal"), true
	case n.known && n.pulled > n.height:
		return "received #" + strconv.FormatUint(n.pulled, 10), true
	case !n.joined && !n.known:
		return "joining the channel", false
	}
	return "idle", false
}

// mark says what is wrong with a node.
func (b *builder) mark(i int32, n *nodeState) (Mark, string) {
	switch {
	case n.life == Killed:
		return Down, "killed"
	case n.life == Stopped:
		return Down, "stopped"
	case n.life == Unseen:
		return Pending, "not started"
	case n.lies:
		return Lying, "lies"
	case b.cutOff(i):
		return CutOff, "cut off"
	}
	if k := b.behind(n); k > 0 {
		return Lags, strconv.Itoa(k) + " behind"
	}
	return Fine, ""
}

// behind is how many blocks a peer has been without for longer than is usual.
func (b *builder) behind(n *nodeState) int {
	if !n.known || n.life != Up || n.height >= b.s.newest {
		return 0
	}
	k := int(b.s.newest - n.height)
	if k < ring && b.f.At.Time-b.s.commits[(n.height+1)%ring] < lagPatience {
		return 0
	}
	return k
}

// cutOff tells whether rules cut a peer from every ordering node, or an ordering node from
// all others.
func (b *builder) cutOff(i int32) bool {
	if len(b.s.rules) == 0 && len(b.s.groups) == 0 {
		return false
	}
	others := 0
	for _, o := range b.g.orderers {
		if o == i {
			continue
		}
		if kind, _ := b.s.ruleBetween(b.w.reg.nodes[i].name, b.w.reg.nodes[o].name); kind != CutRule {
			return false
		}
		others++
	}
	return others > 0
}

// ruleBetween gives what the link rules do to two nodes' link: the later rule wins, a
// partition cuts in any case.
func (s *state) ruleBetween(a, b string) (Rule, string) {
	if s.parted(a, b) {
		return CutRule, "partition"
	}
	for i := len(s.rules) - 1; i >= 0; i-- {
		r := &s.rules[i]
		if matches(r.from, a) && matches(r.to, b) || matches(r.from, b) && matches(r.to, a) {
			return r.kind, r.text
		}
	}
	return Undisturbed, ""
}

// parted tells whether a partition puts two nodes into different groups.
func (s *state) parted(a, b string) bool {
	ga, gb := -1, -1
	for i, group := range s.groups {
		for _, pattern := range group {
			if ga < 0 && matches(pattern, a) {
				ga = i
			}
			if gb < 0 && matches(pattern, b) {
				gb = i
			}
		}
	}
	return ga >= 0 && gb >= 0 && ga != gb
}

func matches(pattern, name string) bool {
	if pattern == name {
		return true
	}
	if !strings.ContainsAny(pattern, "*?[") {
		return false
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// container adds one chaincode with its lanes.
func (b *builder) container(id *identity, c *container, box view.Rect, slot, docked int) {
	r := b.g.containerRect(box, slot, docked)
	name := strings.Replace(c.label, " ", "_", 1) + "@" + id.name
	if c.node >= 0 {
		name = b.w.reg.nodes[c.node].name
	}
	x := Container{Look: b.appearance(c.node, name, c.label, r), Title: c.label, Kind: "container", Phase: c.phase}
	if c.node < 0 && b.f.Dimmed && !x.Highlight {
		x.Dim = true
	}
	x.Line = b.phrase(c)
	if c.phase == Building {
		x.Kind = "builder"
	}
	room := lanesIn(r, b.g.form)
	from := len(b.lanes)
	for i := range c.lanes {
		if i >= room || len(c.lanes) > room && i >= room-1 && b.g.form == Full {
			x.More = len(c.lanes) - i
			break
		}
		b.lane(&c.lanes[i], laneRect(r, i, b.g.form))
	}
	x.Lanes = b.lanes[from:len(b.lanes):len(b.lanes)]
	b.containers = append(b.containers, x)
}

// lanesIn is how many lanes a container has room for.
func lanesIn(r view.Rect, form Form) int {
	if form == Compact {
		return 4
	}
	return int((r.H - 22) / 17)
}

func laneRect(r view.Rect, i int, form Form) view.Rect {
	if form == Compact {
		return view.Rect{X: r.X + 5, Y: r.Y + 5 + float64(i)*7, W: r.W - 10, H: 5}
	}
	return view.Rect{X: r.X + 10, Y: r.Y + 23 + float64(i)*17, W: r.W - 20, H: 14}
}

func (b *builder) lane(l *lane, r view.Rect) {
	x := Lane{TxID: l.tx, Rect: r, Reads: l.reads, Writes: l.writes, Class: view.Proposal}
	word := l.fn
	if l.call != "" {
		word = l.call
		x.Class = view.Read
		if l.write {
			x.Class = view.Write
		}
	}
	x.Label = view.ShortID(l.tx) + " " + word
	x.Share = 1 - 0.86*math.Pow(0.62, float64(l.reads+l.writes))
	if b.f.Dimmed {
		x.Lit = b.lit(l.tx)
		x.Dim = !x.Lit
	}
	b.lanes = append(b.lanes, x)
}

// phrase says what a chaincode does while no simulation runs.
func (b *builder) phrase(c *container) string {
	switch c.phase {
	case Installed:
		return "installed, not running"
	case Building:
		return "compiling for " + spent(b.f.At.Time-c.since)
	case Built:
		return "built, not running yet"
	case Launching:
		return "starting for " + spent(b.f.At.Time-c.since)
	case Paused:
		return "paused"
	case Exited:
		if c.note == "" || c.note == "stopped" {
			return "stopped"
		}
		return "ended: " + c.note
	case Failed:
		return c.note
	}
	return "waiting for work"
}

// spent is a duration in a person's words, rough enough not to flicker.
func spent(ns int64) string {
	switch {
	case ns < 1e9:
		return strconv.FormatInt(max(0, ns/1e8*100), 10) + " ms"
	default:
		return strconv.FormatInt(ns/1e9, 10) + " s"
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
