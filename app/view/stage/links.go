package stage

import (
	"fmt"
	"strconv"

	"github.com/fabriscope/fabriscope/app/view"
)

// batchPatience is how long after its time a batch is still said to be cut at once.
const batchPatience = int64(500e6)

// ordering adds the ordering service with its nodes and the next block.
func (b *builder) ordering() {
	o := &b.f.Ordering
	o.Look = b.appearance(-1, OrderingName, OrderingName, b.g.ordering)
	for _, i := range b.g.orderers {
		o.Nodes = append(o.Nodes, b.orderer(i))
		o.Seen = o.Seen || b.s.look(i).life != Unseen
	}
	o.Note = "Raft"
	if b.s.term > 0 {
		o.Note = "Raft · term " + strconv.FormatUint(b.s.term, 10)
	}
	if len(b.g.orderers) > 0 {
		o.Batch = b.batch()
	}
}

func (b *builder) orderer(i int32) Orderer {
	id := &b.w.reg.nodes[i]
	n := b.s.look(i)
	o := Orderer{Look: b.appearance(i, id.name, view.Short(id.name), b.g.rects[i]), Title: view.Short(id.name), Life: n.life, Role: n.role}
	o.Mark, o.MarkText = b.mark(i, &n)
	if n.log > 0 {
		o.Log = "log " + strconv.FormatUint(n.log, 10)
	}
	switch {
	case n.life != Up:
		o.Role = NoRole
	case n.role == Leader:
		o.RoleText = "leader"
	case n.role == Candidate:
		o.RoleText = "candidate"
	case n.leader == 0 && n.voted == n.term && n.vote > 0 && n.vote != i+1:
		o.RoleText = "voted " + view.Short(b.w.reg.nodes[n.vote-1].name)
	case n.leader == 0:
		o.RoleText = "no leader"
	default:
		o.RoleText = "follower"
	}
	return o
}

// batch says how full the next block is, against the nearest of its limits.
func (b *builder) batch() Batch {
	x := Batch{Rect: b.g.batchRect(), Tx: b.s.batch.pending}
	about, s := &b.w.about, &b.s.batch
	if s.pending == 0 {
		x.Text = "next block: empty"
		if about.MaxTx > 0 {
			x.Text = fmt.Sprintf("next block: 0 of %d tx", about.MaxTx)
		}
		return x
	}
	x.Text = fmt.Sprintf("next block: %d tx", s.pending)
	if about.MaxTx > 0 {
		x.Text = fmt.Sprintf("next block: %d of %d tx", s.pending, about.MaxTx)
		x.Share = float64(s.pending) / float64(about.MaxTx)
	}
	if about.MaxBytes > 0 {
		x.Share = max(x.Share, float64(s.bytes)/float64(about.MaxBytes))
	}
	if about.Timeout > 0 && s.since > 0 {
		left := s.since + int64(about.Timeout) - b.f.At.Time
		x.Share = max(x.Share, 1-float64(left)/float64(about.Timeout))
		switch {
		case len(b.s.held) > 0:
			x.Text += " · waits for a hold"
		case left >= 1e9:
			x.Text += fmt.Sprintf(" · cuts in %.1f s", float64(left)/1e9)
		case left > 0:
			x.Text += fmt.Sprintf(" · cuts in %d ms", left/1e6)
		case left > -batchPatience:
			x.Text += " · is cut now"
		}
	}
	x.Share = min(1, max(0, x.Share))
	return x
}

// notes lists what stands wrong: partitions, cut links, holds, lies.
func (b *builder) notes() {
	f := b.f
	for _, h := range b.s.holds {
		f.Notes = append(f.Notes, Note{Text: h})
	}
	if n := len(b.s.held); n > 0 {
		f.Notes = append(f.Notes, Note{Text: count(n, "message") + " held"})
	}
	if len(b.s.groups) > 0 {
		f.Notes = append(f.Notes, Note{Text: fmt.Sprintf("partition into %d groups", len(b.s.groups)), Bad: true})
	}
	cut, disturbed := 0, 0
	for i := range b.s.rules {
		if b.s.rules[i].kind == CutRule {
			cut++
		} else {
			disturbed++
		}
	}
	if cut > 0 {
		f.Notes = append(f.Notes, Note{Text: count(cut, "link") + " cut", Bad: true})
	}
	if disturbed > 0 {
		f.Notes = append(f.Notes, Note{Text: count(disturbed, "link") + " slow or lossy"})
	}
}

// links adds every connection that has carried something by now. Where peers are grouped,
// several connections fall together and one is shown.
func (b *builder) links() {
	reg := &b.w.reg
	shown := map[[2]view.Point]bool{}
	for i := range reg.pairs {
		p := &reg.pairs[i]
		points := b.g.routes[i]
		if p.first > b.f.At.Seq || len(points) == 0 {
			continue
		}
		style := reg.style(p)
		if style == DockLink || b.away(p.a) || b.away(p.b) {
			continue
		}
		if b.g.form == Grouped {
			key := [2]view.Point{points[0], points[len(points)-1]}
			if shown[key] {
				continue
			}
			shown[key] = true
		}
		x := Link{A: reg.nodes[p.a].name, B: reg.nodes[p.b].name, Points: points, Style: style}
		if len(b.s.rules)+len(b.s.groups) > 0 {
			x.Rule, x.RuleText = b.s.ruleBetween(x.A, x.B)
		}
		if style == DeliverLink && x.Rule == Undisturbed && !b.delivers(p) {
			continue
		}
		sel := b.o.Selection
		x.Selected = sel.What == view.SelectLink && (sel.Node == x.A && sel.Other == x.B || sel.Node == x.B && sel.Other == x.A)
		if b.f.Dimmed {
			x.Lit = b.litLink(int32(i))
			x.Dim = !x.Lit
		}
		b.f.Links = append(b.f.Links, x)
	}
}

// delivers tells whether a connection between a peer and an ordering node is the one over
// which the peer gets its blocks now, rather than one of earlier.
func (b *builder) delivers(p *pair) bool {
	return b.s.look(p.a).source == p.b+1 || b.s.look(p.b).source == p.a+1
}

// staticKey sums up everything in the slow layer.
func staticKey(f *Frame, changes uint64) uint64 {
	h := hash(14695981039346656037)
	h.number(changes)
	h.flag(f.Dimmed)
	for i := range f.Clients {
		c := &f.Clients[i]
		h.look(&c.Look)
		h.text(c.Title)
		h.flag(c.Seen)
	}
	for i := range f.Orgs {
		o := &f.Orgs[i]
		h.look(&o.Look)
		h.text(o.Note)
		for j := range o.Peers {
			p := &o.Peers[j]
			h.look(&p.Look)
			h.number(uint64(p.Life)<<8 | uint64(p.Mark))
			h.text(p.MarkText)
			h.number(uint64(p.Hidden))
			for k := range p.Containers {
				c := &p.Containers[k]
				h.look(&c.Look)
				h.text(c.Title)
				h.number(uint64(c.Phase))
			}
		}
	}
	h.look(&f.Ordering.Look)
	h.text(f.Ordering.Note)
	for i := range f.Ordering.Nodes {
		n := &f.Ordering.Nodes[i]
		h.look(&n.Look)
		h.number(uint64(n.Life)<<16 | uint64(n.Mark)<<8 | uint64(n.Role))
		h.text(n.RoleText)
		h.text(n.MarkText)
	}
	for i := range f.Links {
		l := &f.Links[i]
		h.text(l.A)
		h.text(l.B)
		h.number(uint64(l.Rule))
		h.text(l.RuleText)
		h.flag(l.Selected)
		h.flag(l.Lit)
	}
	h.number(uint64(len(f.Links)))
	for _, n := range f.Notes {
		h.text(n.Text)
	}
	return uint64(h)
}

// hash is FNV-1a over values.
type hash uint64

func (h *hash) number(v uint64) {
	for range 8 {
		*h = (*h ^ hash(v&0xff)) * 1099511628211
		v >>= 8
	}
}

func (h *hash) text(s string) {
	for i := range len(s) {
		*h = (*h ^ hash(s[i])) * 1099511628211
	}
	*h = (*h ^ 0xff) * 1099511628211
}

func (h *hash) flag(v bool) {
	n := hash(1)
	if v {
		n = 2
	}
	*h = (*h ^ n) * 1099511628211
}

func (h *hash) look(l *Look) {
	h.flag(l.Selected)
	h.flag(l.Lit)
	h.flag(l.Dim)
	h.flag(l.Highlight)
	h.text(l.Name)
}
