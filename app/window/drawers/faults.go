package drawers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
)

// faults is the drawer in which things are broken on purpose, and stopped.
type faults struct {
	s *session.Session
	h Host

	gate  *gate
	nodes *list
	open  string // the node whose actions are shown
	seen  view.Selection
	links *links
	holds *holds
}

// NewFaults makes the drawer "Faults".
func NewFaults(s *session.Session, h Host) *Panel {
	d := &faults{s: s, h: h, nodes: newList(h)}
	d.gate = newGate(s)
	d.links = newLinks(s, h, d.gate)
	d.holds = newHolds(s, h, d.gate)
	page := scroll(d.gate.box, newSection(words.L("Nodes"), true, d.nodes.page), newSection(words.L("Holds"), true, d.holds.box),
		newSection(words.L("Links and partitions"), true, d.links.box))
	p := newPanel(words.L("Faults"), page, page)
	p.update = d.update
	p.first = d.nodes.page
	d.update()
	return p
}

func (d *faults) update() {
	d.gate.update()
	d.follow()
	d.links.update()
	d.holds.update()
	d.writeNodes()
}

// follow opens the node that becomes selected anywhere in the window.
func (d *faults) follow() {
	if d.s.Selection() == d.seen {
		return
	}
	d.seen = d.s.Selection()
	if d.seen.What != view.SelectNode {
		return
	}
	name := d.seen.Node
	if peer := view.PeerOf(name); peer != "" {
		name = peer
	}
	if _, ok := d.s.Node(name); ok {
		d.open = name
	}
}

func (d *faults) writeNodes() {
	nodes := d.s.Nodes()
	d.nodes.show(d.open+fmt.Sprint(d.gate.open(), nodes, d.s.ChaincodesAt(d.open)), func(b *sheet.Builder) {
		if len(nodes) == 0 {
			b.Text(words.L("There are no nodes."), sheet.Style{Tone: sheet.Quiet})
		}
		for _, n := range nodes {
			d.node(b, n)
		}
	})
}

func (d *faults) node(b *sheet.Builder, n session.Node) {
	it := sheet.Item{Name: d.s.Short(n.Name), Sign: sheet.Disc, Tone: sheet.Good, Marked: n.Name == d.open, NoteIn: sheet.Quiet}
	var notes []string
	switch {
	case n.Killed:
		it.Sign, it.Tone, it.NoteIn = sheet.Cross, sheet.Bad, sheet.Bad
		notes = append(notes, words.L("killed"))
	case !n.Running:
		it.Sign, it.Tone = sheet.Ring, sheet.Quiet
		notes = append(notes, words.L("stopped"))
	case n.Leader:
		notes = append(notes, words.L("leader"))
	}
	if n.Lies {
		it.NoteIn = sheet.Warn
		notes = append(notes, words.L("lies"))
	}
	for _, p := range n.Paused {
		it.NoteIn = sheet.Warn
		notes = append(notes, words.L("{{.Name}} paused", map[string]any{"Name": p}))
	}
	if len(notes) == 0 {
		notes = append(notes, words.L("runs"))
	}
	it.Note = strings.Join(notes, ", ")
	it.Do = func() {
		d.open = map[bool]string{true: "", false: n.Name}[d.open == n.Name]
		d.h.choose(view.Selection{What: view.SelectNode, Node: n.Name})
		d.writeNodes()
	}
	if n.Name == d.open {
		it.Actions = d.actions(n)
	}
	b.Item(it)
}

// actions are what can be done with a node; nothing where there is no network to act on.
func (d *faults) actions(n session.Node) []sheet.Action {
	out := []sheet.Action{
		{Label: words.L("Stop"), Do: d.when(n.Running, func() { d.s.StopNode(n.Name, d.h.fail) })},
		{Label: words.L("Kill"), Tone: sheet.Bad, Do: d.when(n.Running, func() { d.s.Kill(n.Name, d.h.fail) })},
		{Label: words.L("Restart"), Do: d.when(true, func() { d.s.Restart(n.Name, d.h.fail) })},
	}
	if n.Role != "peer" {
		return out
	}
	lie := words.L("Let it lie")
	if n.Lies {
		lie = words.L("Let it be honest")
	}
	out = append(out, sheet.Action{Label: lie, On: n.Lies, Do: d.when(n.Running, func() { d.s.Lie(n.Name, !n.Lies, d.h.fail) })})
	for _, label := range d.s.ChaincodesAt(n.Name) {
		paused := slices.Contains(n.Paused, label)
		text := words.L("Pause {{.Name}}", map[string]any{"Name": label})
		if paused {
			text = words.L("Let {{.Name}} go on", map[string]any{"Name": label})
		}
		out = append(out, sheet.Action{Label: text, On: paused, Do: d.when(n.Running, func() { d.s.Pause(n.Name, label, !paused, d.h.fail) })})
	}
	return out
}

func (d *faults) when(on bool, do func()) func() {
	if !on || !d.gate.open() {
		return nil
	}
	return do
}

// ends are the things that a link or a hold can name, with what they are called.
type ends struct {
	names, labels []string
}

func (e *ends) add(label, name string) {
	if !slices.Contains(e.labels, label) {
		e.labels, e.names = append(e.labels, label), append(e.names, name)
	}
}

// name is what a label stands for, "" for none.
func (e *ends) name(label string) string {
	if i := slices.Index(e.labels, label); i >= 0 {
		return e.names[i]
	}
	return ""
}

// nodesAndClients lists what can be at an end of a link; organisations too if wanted.
func nodesAndClients(s *session.Session, organisations bool) ends {
	var e ends
	if organisations {
		for _, o := range s.Organizations() {
			e.add(o, o)
		}
	}
	for _, n := range s.Peers() {
		e.add(s.Short(n), n)
	}
	for _, n := range s.Orderers() {
		e.add(s.Short(n), n)
	}
	for _, c := range s.Identities() {
		e.add(c, c)
	}
	return e
}
