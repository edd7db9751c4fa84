package drawers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// maxHeldShown bounds the list of messages that stand still.
const maxHeldShown = 100

// holds is the part of the drawer "Faults" that stops messages.
type holds struct {
	s *session.Session
	h Host

	box            *fyne.Container
	kinds          []trace.Kind
	kind           *Choice
	ends           ends
	node, other    *Choice
	tx, key, count *look.Entry
	wrong          complaint
	list           *list
	gate           *gate
}

func newHolds(s *session.Session, h Host, g *gate) *holds {
	d := &holds{s: s, h: h, gate: g, kinds: session.HoldKinds(), list: newList(h), wrong: newComplaint()}
	var kinds []string
	for _, k := range d.kinds {
		kinds = append(kinds, holdWords(k))
	}
	d.kind = newSelect(kinds, nil)
	d.kind.PlaceHolder = words.L("kind of message")
	d.node, d.other = newSelect(nil, nil), newSelect(nil, nil)
	d.tx, d.key, d.count = look.NewEntry(), look.NewEntry(), look.NewEntry()
	d.tx.PlaceHolder, d.key.PlaceHolder, d.count.PlaceHolder = words.L("any"), words.L("any"), words.L("all")
	hold := look.Primary(words.L("Hold"), d.hold)
	g.add(hold)
	d.box = look.Column(8,
		look.Muted(words.L("A hold stops messages of a kind on their way. Only the transactions that they belong to wait; the network goes on.")).Wrapped(),
		look.FormRow(words.L("Kind"), d.kind),
		look.Grid(2, look.FormRow(words.L("Sent by"), d.node), look.FormRow(words.L("Sent to"), d.other)),
		look.Grid(3, look.FormRow(words.L("Transaction"), d.tx), look.FormRow(words.L("Key"), d.key), look.FormRow(words.L("How many"), d.count)),
		d.wrong.Text, container.NewHBox(hold), d.list.page)
	return d
}

// holdWords names a kind in words, with its id for those who know it.
func holdWords(k trace.Kind) string { return words.Held(k) + " (" + string(k) + ")" }

func (d *holds) update() {
	d.write()
	e := nodesAndClients(d.s, false)
	for _, c := range d.s.Peers() {
		for _, label := range d.s.ChaincodesAt(c) {
			e.add(d.s.Short(label+"@"+c)+" @ "+d.s.Short(c), label+"@"+c)
		}
	}
	if slices.Equal(e.labels, d.ends.labels) {
		return
	}
	d.ends = e
	for _, s := range []*Choice{d.node, d.other} {
		s.offer(append([]string{words.L("anyone")}, e.labels...), 0)
	}
}

func (d *holds) hold() {
	i := d.kind.SelectedIndex()
	if i < 0 {
		d.wrong.say(words.L("Choose a kind of message first."))
		return
	}
	f := link.Filter{Kind: d.kinds[i], Node: d.ends.name(d.node.Selected), Other: d.ends.name(d.other.Selected),
		TxID: strings.TrimSpace(d.tx.Text), Key: strings.TrimSpace(d.key.Text)}
	if text := strings.TrimSpace(d.count.Text); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			d.wrong.say(words.L("{{.Text}} is no number of messages; write 1 or more, or nothing for all", map[string]any{"Text": text}))
			return
		}
		f.Count = n
	}
	d.wrong.say("")
	d.s.Hold(f, func(_ session.Hold, err error) {
		d.h.fail(err)
		d.write()
	})
}

// write lists the holds and what they have stopped.
func (d *holds) write() {
	active, held := d.s.Holds(), d.s.Held()
	key := fmt.Sprint(d.gate.open())
	for _, h := range active {
		key += fmt.Sprint(" h", h.ID)
	}
	for _, m := range held {
		key += fmt.Sprint(" ", m.ID, int(time.Since(m.Since).Seconds()))
	}
	d.list.show(key, func(b *sheet.Builder) {
		d.writeHolds(b, active, held)
		d.writeHeld(b, held)
	})
}

func (d *holds) writeHolds(b *sheet.Builder, active []session.Hold, held []link.HeldMessage) {
	for _, h := range active {
		hits := 0
		for _, m := range held {
			if m.Hold == h.ID {
				hits++
			}
		}
		it := sheet.Item{Name: words.Held(h.Filter.Kind), Detail: words.Now().Hold(h.Words(d.s.World.Names())), Sign: sheet.Ring, Tone: sheet.Warn,
			Actions: []sheet.Action{{Label: words.L("Take it away"), Do: func() { d.s.Unhold(h.ID, d.h.fail) }}}}
		if hits > 0 {
			it.Sign, it.Marked = sheet.Pause, true
			it.Note, it.NoteIn = words.L("{{.N}} held", map[string]any{"N": hits}), sheet.Warn
		}
		b.Item(it)
	}
	if len(active) == 0 && len(held) == 0 {
		b.Text(words.L("Nothing is held."), sheet.Style{Tone: sheet.Quiet})
	}
}

func (d *holds) writeHeld(b *sheet.Builder, held []link.HeldMessage) {
	if len(held) == 0 {
		return
	}
	b.Section(words.L("Held messages"), words.L("release all"), sheet.Accent, func() { d.s.Release(0, d.h.fail) })
	if n := len(held) - maxHeldShown; n > 0 {
		held = held[:maxHeldShown]
		b.Text(words.L("{{.N}} more are not shown", map[string]any{"N": n}), sheet.Style{Tone: sheet.Quiet})
	}
	for _, m := range held {
		e := m.Event
		detail := d.s.Short(e.Node) + " → " + d.s.Short(e.Other)
		if e.Key != "" {
			detail += " · " + e.Key
		}
		if e.TxID != "" {
			detail += " · " + words.L("transaction {{.ID}}", map[string]any{"ID": view.ShortID(e.TxID)})
		}
		it := sheet.Item{Name: string(e.Kind), Mono: true, Detail: detail, Sign: sheet.Pause, Tone: sheet.Warn, NoteIn: sheet.Quiet,
			Note: words.L("{{.S}} s", map[string]any{"S": int(time.Since(m.Since).Seconds())})}
		it.Actions = []sheet.Action{{Label: words.L("Release"), Tone: sheet.Accent, Do: func() { d.s.Release(m.ID, d.h.fail) }}}
		switch {
		case e.Seq > 0:
			it.Actions = append(it.Actions, sheet.Action{Label: words.L("Open it"), Do: func() {
				d.h.choose(view.Selection{What: view.SelectMessage, Seq: e.Seq, TxID: e.TxID})
			}})
		case e.TxID != "":
			it.Actions = append(it.Actions, sheet.Action{Label: words.L("Show its transaction"), Do: func() {
				d.h.choose(view.Selection{What: view.SelectTx, TxID: e.TxID})
			}})
		}
		b.Item(it)
	}
}
