package stage

import (
	"math"
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// adminPatience is how long an administrator who does nothing stays on the stage at least;
// half a second of the screen's time if that is longer.
const adminPatience = int64(2e6)

// lagPatience is how long a peer may be without a block that another one has.
const lagPatience = int64(300e6)

// builder turns a state into a Frame. Its slices are used again for every frame.
type builder struct {
	w          *World
	book       *words.Book
	names      view.Names
	s          *facts.State
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
	s := w.facts.At(at)
	f := &w.frame
	*f = Frame{At: at, Channel: s.Channel, Clients: f.Clients[:0], Orgs: f.Orgs[:0], Links: f.Links[:0], Dots: f.Dots[:0],
		Flows: f.Flows[:0], Notes: f.Notes[:0], msgs: f.msgs[:0], Selection: o.Selection, Still: o.StillMotion, Sampled: 1,
		Ordering: Ordering{Nodes: f.Ordering.Nodes[:0]}}
	b := &w.build
	b.w, b.s, b.g, b.o, b.f, b.book, b.names, f.Book = w, s, w.layout(), o, f, w.book, w.facts.Names(), w.book
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
	l := Look{Name: name, Rect: r, Highlight: pointedAt(b.o.Highlight, name, title, b.names)}
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
		for _, p := range b.w.facts.Orgs[b.g.orgOrder[i]].Peers {
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
		id := &b.w.facts.Nodes[i]
		n := b.s.Node(i)
		if b.away(i) {
			continue
		}
		title := b.names.Short(id.Name)
		if at := strings.IndexByte(title, '@'); at > 0 {
			title = id.Name[:at] + "@" + strings.ToUpper(title[at+1:at+2]) + title[min(len(title), at+2):]
		}
		c := Client{Look: b.appearance(i, id.Name, title, b.g.rects[i]), Title: title, Admin: id.Admin(), Seen: n.Life != facts.Unseen || len(n.Open) > 0}
		switch len(n.Open) {
		case 0:
			c.Line = b.book.L("idle")
		case 1:
			for tx := range n.Open {
				c.Line = b.book.L("tx {{.ID}}", view.ShortID(tx))
			}
		default:
			c.Line = b.book.L("{{.N}} tx", len(n.Open))
		}
		b.f.Clients = append(b.f.Clients, c)
	}
}

// away tells whether a node is not shown now: an administrator who has nothing to do.
func (b *builder) away(i int32) bool {
	id := &b.w.facts.Nodes[i]
	if id.Being != facts.Client || !id.Admin() {
		return false
	}
	n := b.s.Node(i)
	return len(n.Open) == 0 && b.f.At.Time-n.Active > max(adminPatience, int64(b.o.Scale)/2) && b.o.Selection.Node != id.Name
}

func (b *builder) org(i int32) {
	o := &b.w.facts.Orgs[i]
	org := Org{Look: b.appearance(-1, o.Title, o.Title, b.g.orgs[i]), Index: len(b.f.Orgs), Title: o.Title}
	endorses, from := false, len(b.peers)
	for _, p := range o.Peers {
		endorses = endorses || b.s.Node(p).Endorses
		if b.g.form != Grouped {
			b.peer(p)
		}
	}
	org.Note = b.book.L("{{.N}} peers", len(o.Peers))
	if endorses {
		org.Note += " · " + b.book.L("endorses")
	}
	org.Peers = b.peers[from:len(b.peers):len(b.peers)]
	if b.g.form == Grouped {
		org.Group = b.group(o)
	}
	b.f.Orgs = append(b.f.Orgs, org)
}

// group sums an organisation's peers up.
func (b *builder) group(o *facts.Organisation) Group {
	g := Group{Peers: len(o.Peers)}
	busy, validating, behind := 0, 0, 0
	for _, p := range o.Peers {
		n := b.s.Node(p)
		if n.Life == facts.Up {
			g.Up++
		}
		if n.Known && n.Life == facts.Up {
			if !g.Known {
				g.Low, g.High, g.Known = n.Height, n.Height, true
			}
			g.Low, g.High = min(g.Low, n.Height), max(g.High, n.Height)
		}
		g.Running += len(n.Sims)
		if len(n.Sims) > 0 {
			busy++
		}
		if n.Validating {
			validating++
		}
		if b.behind(&n) > 0 {
			behind++
		}
	}
	g.Lines = append(g.Lines, b.book.L("{{.Up}} of {{.Peers}} run", g.Up, g.Peers))
	switch {
	case g.Known && g.Low == g.High:
		g.Lines = append(g.Lines, b.book.L("all at #{{.Block}}", g.High))
	case g.Known:
		g.Lines = append(g.Lines, b.book.L("#{{.Low}} to #{{.High}}, {{.Behind}} behind", g.Low, g.High, behind))
	}
	switch {
	case busy > 0:
		g.Lines = append(g.Lines, b.book.L("{{.Simulations}} on {{.N}} peers", b.book.L("{{.N}} simulations", g.Running), busy))
	case validating > 0:
		g.Lines = append(g.Lines, b.book.L("{{.N}} peers validating", validating))
	default:
		g.Lines = append(g.Lines, b.book.L("idle"))
	}
	return g
}

func (b *builder) peer(i int32) {
	id := &b.w.facts.Nodes[i]
	n := b.s.Node(i)
	p := Peer{Look: b.appearance(i, id.Name, b.names.Short(id.Name), b.g.rects[i]), Title: b.names.Short(id.Name), Life: n.Life}
	if n.Known {
		p.Height = "#" + strconv.FormatUint(n.Height, 10)
		if n.Hash != "" {
			p.Hash = b.book.L("state {{.Hash}}", view.ShortID(n.Hash))
		}
	}
	p.Mark, p.MarkText = b.mark(i, &n)
	p.Doing, p.Busy = b.doing(&n)
	from := len(b.containers)
	for slot := range n.Docked {
		if slot >= b.g.slots {
			p.Hidden++
			continue
		}
		b.container(id, &n.Docked[slot], p.Rect, slot, min(len(n.Docked), b.g.slots))
	}
	p.Containers = b.containers[from:len(b.containers):len(b.containers)]
	b.peers = append(b.peers, p)
}

// doing says in words what a peer does; the most telling thing first.
func (b *builder) doing(n *facts.Node) (said string, busy bool) {
	switch n.Life {
	case facts.Unseen:
		return b.book.L("not started"), false
	case facts.Starting:
		return b.book.L("starting"), false
	case facts.Stopped:
		return b.book.L("stopped"), false
	case facts.Killed:
		return b.book.L("killed"), false
	}
	switch sets := len(n.Sims); {
	case sets > 0 && n.Validating:
		return b.book.L("{{.N}} simulations, validating #{{.Block}}", sets, n.Checking), true
	case sets > 0:
		return b.book.L("building {{.N}} read-write sets", sets), true
	case n.Validating:
		return b.book.L("validating #{{.Block}}", n.Checking), true
	}
	for i := range n.Docked {
		switch n.Docked[i].Phase {
		case facts.Building:
			return b.book.L("building {{.Chaincode}}", n.Docked[i].Label), true
		case facts.Launching:
			return b.book.L("starting {{.Chaincode}}", n.Docked[i].Label), true
		}
	}
	switch {
	case n.Asked > 0:
		return b.book.L("handling {{.N}} proposals", n.Asked), true
	case n.Known && n.Pulled > n.Height:
		return b.book.L("received #{{.Block}}", n.Pulled), true
	case !n.Joined && !n.Known:
		return b.book.L("joining the channel"), false
	}
	return b.book.L("idle"), false
}

// mark says what is wrong with a node.
func (b *builder) mark(i int32, n *facts.Node) (Mark, string) {
	switch {
	case n.Life == facts.Killed:
		return Down, b.book.L("killed")
	case n.Life == facts.Stopped:
		return Down, b.book.L("stopped")
	case n.Life == facts.Unseen:
		return Pending, b.book.L("not started")
	case n.Lies:
		return Lying, b.book.L("lies")
	case b.cutOff(i):
		return CutOff, b.book.L("cut off")
	}
	if k := b.behind(n); k > 0 {
		return Lags, b.book.L("{{.N}} behind", k)
	}
	return Fine, ""
}

// behind is how many blocks a peer has been without for longer than is usual.
func (b *builder) behind(n *facts.Node) int {
	if !n.Known || n.Life != facts.Up || n.Height >= b.s.Newest {
		return 0
	}
	k := int(b.s.Newest - n.Height)
	if at := b.s.FirstCommit(n.Height + 1); at != 0 && b.f.At.Time-at < lagPatience {
		return 0
	}
	return k
}

// cutOff tells whether rules cut a peer from every ordering node, or an ordering node from
// all others.
func (b *builder) cutOff(i int32) bool {
	if len(b.s.Rules) == 0 && len(b.s.Groups) == 0 {
		return false
	}
	others := 0
	for _, o := range b.g.orderers {
		if o == i {
			continue
		}
		if !b.s.Apart(b.w.facts.Nodes[i].Name, b.w.facts.Nodes[o].Name) {
			return false
		}
		others++
	}
	return others > 0
}

// container adds one chaincode with its lanes.
func (b *builder) container(id *facts.Identity, c *facts.Chaincode, box view.Rect, slot, docked int) {
	r := b.g.containerRect(box, slot, docked)
	name := strings.Replace(c.Label, " ", "_", 1) + "@" + id.Name
	if c.Node >= 0 {
		name = b.w.facts.Nodes[c.Node].Name
	}
	x := Container{Look: b.appearance(c.Node, name, c.Label, r), Title: c.Label, Kind: b.book.RunsAs(c.Runs), Phase: c.Phase}
	if c.Node < 0 && b.f.Dimmed && !x.Highlight {
		x.Dim = true
	}
	x.Line = b.phrase(c)
	switch c.Phase {
	case facts.Installed:
		x.Kind = b.book.L("package")
	case facts.Building, facts.Built:
		x.Kind = b.book.L("builder")
	}
	room := lanesIn(r, b.g.form)
	from := len(b.lanes)
	for i := range c.Lanes {
		if len(c.Lanes) > room && i >= room-1 { // one place is for the count of the others
			x.More = len(c.Lanes) - i
			break
		}
		b.lane(&c.Lanes[i], laneRect(r, i, min(len(c.Lanes), room), b.g.form))
	}
	x.Lanes = b.lanes[from:len(b.lanes):len(b.lanes)]
	b.containers = append(b.containers, x)
}

// lanesIn is how many lanes a container has room for, when they stand as close as they may.
func lanesIn(r view.Rect, form Form) int {
	if form == Compact {
		return 4
	}
	return int((r.H - laneHead) / leastLane)
}

// laneRect is the place of one of several lanes: they stand closer where there are many.
func laneRect(r view.Rect, i, of int, form Form) view.Rect {
	if form == Compact {
		return view.Rect{X: r.X + 5, Y: r.Y + 5 + float64(i)*7, W: r.W - 10, H: 5}
	}
	pitch := min(laneH, (r.H-laneHead)/float64(of))
	return view.Rect{X: r.X + 10, Y: r.Y + laneHead + 1 + float64(i)*pitch, W: r.W - 20, H: pitch - min(3, pitch*0.2)}
}

func (b *builder) lane(l *facts.Lane, r view.Rect) {
	x := Lane{TxID: l.Tx, Rect: r, Reads: l.Reads, Writes: l.Writes, Class: view.Proposal}
	word := l.Fn
	if l.Call != "" {
		word = l.Call
		x.Class = view.Read
		if l.Write {
			x.Class = view.Write
		}
	}
	x.Label = view.ShortID(l.Tx) + " " + word
	x.Share = 1 - 0.86*math.Pow(0.62, float64(l.Reads+l.Writes))
	if b.f.Dimmed {
		x.Lit = b.lit(l.Tx)
		x.Dim = !x.Lit
	}
	b.lanes = append(b.lanes, x)
}

// phrase says what a chaincode does while no simulation runs.
func (b *builder) phrase(c *facts.Chaincode) string {
	switch c.Phase {
	case facts.Installed:
		return b.book.L("installed, not running")
	case facts.Building:
		return b.book.L("compiling for {{.Time}}", spent(b.f.At.Time-c.Since))
	case facts.Built:
		return b.book.L("built, not running yet")
	case facts.Launching:
		return b.book.L("starting for {{.Time}}", spent(b.f.At.Time-c.Since))
	case facts.Paused:
		return b.book.L("paused")
	case facts.Exited:
		switch {
		case c.Cause == nil || c.Cause.What == trace.Stopped:
			return b.book.L("stopped")
		case c.Cause.Kind != trace.ChaincodeExit:
			return b.book.L("ended: its peer is down")
		}
		return b.book.L("ended: {{.Cause}}", b.book.Line(words.Cause(c.Cause)))
	case facts.Failed:
		return b.book.Line(words.Cause(c.Cause))
	}
	return b.book.L("waiting for work")
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
