package stage

import (
	"strconv"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
)

// batchPatience is how long after its time a batch is still said to be cut at once.
const batchPatience = int64(500e6)

// ordering adds the ordering service with its nodes and the next block.
func (b *builder) ordering() {
	o := &b.f.Ordering
	o.Look = b.appearance(-1, OrderingName, OrderingName, b.g.ordering)
	for _, i := range b.g.orderers {
		o.Nodes = append(o.Nodes, b.orderer(i))
		o.Seen = o.Seen || b.s.Node(i).Life != facts.Unseen
	}
	o.Note = b.book.L("Raft")
	if b.s.Term > 0 {
		o.Note = b.book.L("Raft · term {{.Term}}", b.s.Term)
	}
	if len(b.g.orderers) > 0 {
		o.Batch = b.batch()
	}
}

func (b *builder) orderer(i int32) Orderer {
	id := &b.w.facts.Nodes[i]
	n := b.s.Node(i)
	o := Orderer{Look: b.appearance(i, id.Name, b.names.Short(id.Name), b.g.rects[i]), Title: b.names.Short(id.Name), Life: n.Life, Role: n.Role}
	o.Mark, o.MarkText = b.mark(i, &n)
	if n.Log > 0 {
		o.Log = b.book.L("log {{.Entry}}", n.Log)
	}
	switch {
	case n.Life != facts.Up:
		o.Role = facts.NoRole
	case n.Role == facts.Leader:
		o.RoleText = b.book.L("leader")
	case n.Role == facts.Candidate:
		o.RoleText = b.book.L("candidate")
	case n.Leader == 0 && n.Voted == n.Term && n.Vote > 0 && n.Vote != i+1:
		o.RoleText = b.book.L("voted {{.Node}}", b.w.short(n.Vote-1))
	case n.Leader == 0:
		o.RoleText = b.book.L("no leader")
	default:
		o.RoleText = b.book.L("follower")
	}
	return o
}

// batch says how full the next block is, against the nearest of its limits.
func (b *builder) batch() Batch {
	x := Batch{Rect: b.g.batchRect(), Tx: b.s.Batch.Pending}
	limits, s := b.s.Limits, &b.s.Batch
	if s.Pending == 0 {
		x.Text = b.book.L("next block: empty")
		if limits.Messages > 0 {
			x.Text = b.book.L("next block: {{.Pending}} of {{.Limit}} tx", 0, limits.Messages)
		}
		return x
	}
	x.Text = b.book.L("next block: {{.Pending}} tx", s.Pending)
	if limits.Messages > 0 {
		x.Text = b.book.L("next block: {{.Pending}} of {{.Limit}} tx", s.Pending, limits.Messages)
		x.Share = float64(s.Pending) / float64(limits.Messages)
	}
	if limits.Bytes > 0 {
		x.Share = max(x.Share, float64(s.Bytes)/float64(limits.Bytes))
	}
	if limits.Timeout > 0 && s.Since > 0 {
		left := s.Since + int64(limits.Timeout) - b.f.At.Time
		x.Share = max(x.Share, 1-float64(left)/float64(limits.Timeout))
		switch {
		case len(b.s.Held) > 0:
			x.Text += " · " + b.book.L("waits for a hold")
		case left >= 1e9:
			x.Text += " · " + b.book.L("cuts in {{.Time}}", strconv.FormatFloat(float64(left)/1e9, 'f', 1, 64)+" s")
		case left > 0:
			x.Text += " · " + b.book.L("cuts in {{.Time}}", strconv.FormatInt(left/1e6, 10)+" ms")
		case left > -batchPatience:
			x.Text += " · " + b.book.L("is cut now")
		}
	}
	x.Share = min(1, max(0, x.Share))
	return x
}

// notes lists what stands wrong: partitions, cut links, holds, lies.
func (b *builder) notes() {
	f := b.f
	for i := range b.s.Holds {
		f.Notes = append(f.Notes, Note{Text: b.hold(&b.s.Holds[i])})
	}
	if n := len(b.s.Held); n > 0 {
		f.Notes = append(f.Notes, Note{Text: b.book.L("{{.N}} messages held", n)})
	}
	if len(b.s.Groups) > 0 {
		f.Notes = append(f.Notes, Note{Text: b.book.L("partition into {{.N}} groups", len(b.s.Groups)), Bad: true})
	}
	cut, disturbed := 0, 0
	for i := range b.s.Rules {
		if b.s.Rules[i].Cut {
			cut++
		} else {
			disturbed++
		}
	}
	if cut > 0 {
		f.Notes = append(f.Notes, Note{Text: b.book.L("{{.N}} links cut", cut), Bad: true})
	}
	if disturbed > 0 {
		f.Notes = append(f.Notes, Note{Text: b.book.L("{{.N}} links slow or lossy", disturbed)})
	}
}

// links adds every connection that has carried something by now. Where peers are grouped,
// several connections fall together and one is shown.
func (b *builder) links() {
	reg := &b.w.facts.Registry
	shown := map[[2]view.Point]bool{}
	for i := range reg.Pairs {
		p := &reg.Pairs[i]
		points := b.g.routes[i]
		if p.First > b.f.At.Seq || len(points) == 0 {
			continue
		}
		style := reg.Style(p)
		if style == facts.DockLink || b.away(p.A) || b.away(p.B) {
			continue
		}
		if b.g.form == Grouped {
			key := [2]view.Point{points[0], points[len(points)-1]}
			if shown[key] {
				continue
			}
			shown[key] = true
		}
		x := Link{A: reg.Nodes[p.A].Name, B: reg.Nodes[p.B].Name, Points: points, Style: style}
		if len(b.s.Rules)+len(b.s.Groups) > 0 {
			x.Rule, x.RuleText = b.rule(x.A, x.B)
		}
		if style == facts.DeliverLink && x.Rule == Undisturbed && !b.delivers(p) {
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
func (b *builder) delivers(p *facts.Pair) bool {
	return b.s.Node(p.A).Source == p.B+1 || b.s.Node(p.B).Source == p.A+1
}

// staticKey sums up everything in the slow layer.
func staticKey(f *Frame, changes uint64) uint64 {
	h := hash(14695981039346656037)
	h.number(changes)
	h.flag(f.Dimmed)
	h.text(f.Book.Tag())
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

// hold says what a hold stops.
func (b *builder) hold(h *facts.Hold) string {
	return b.book.Hold(words.Hold{Kind: h.Kind, From: b.names.Short(h.From), To: b.names.Short(h.To), Tx: h.Tx, Key: h.Key})
}

// rule gives the worst thing that is done to two nodes' link, and says it.
func (b *builder) rule(one, other string) (Rule, string) {
	r, parted := b.s.Between(one, other)
	switch {
	case parted:
		return CutRule, b.book.L("partition")
	case r == nil:
		return Undisturbed, ""
	case r.Cut:
		return CutRule, b.book.L("cut")
	case r.Loss > 0:
		return Lossy, b.book.Shape(r.Latency, r.Jitter, r.Loss)
	}
	return Slow, b.book.Shape(r.Latency, r.Jitter, r.Loss)
}
