package drawers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/inspector/sheet"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/internal/link"
)

// maxHeldShown bounds the list of messages that stand still.
const maxHeldShown = 100

// holds is the part of the drawer "Faults" that stops messages.
type holds struct {
	s *session.Session
	h Host

	box            *fyne.Container
	kinds          []session.HoldKind
	kind           *Choice
	ends           ends
	node, other    *Choice
	tx, key, count *look.Entry
	wrong          *look.Text
	list           *list
	gate           *gate
}

func newHolds(s *session.Session, h Host, g *gate) *holds {
	d := &holds{s: s, h: h, gate: g, kinds: session.HoldKinds(), list: newList(h), wrong: look.Small("").Wrapped().Toned(look.Bad)}
	var words []string
	for _, k := range d.kinds {
		words = append(words, holdWords(k))
	}
	d.kind = newSelect(words, nil)
	d.kind.PlaceHolder = lang.L("kind of message")
	d.node, d.other = newSelect(nil, nil), newSelect(nil, nil)
	d.tx, d.key, d.count = look.NewEntry(), look.NewEntry(), look.NewEntry()
	d.tx.PlaceHolder, d.key.PlaceHolder, d.count.PlaceHolder = lang.L("any"), lang.L("any"), lang.L("all")
	hold := look.Primary(lang.L("Hold"), d.hold)
	g.add(hold)
	d.wrong.Hide()
	d.box = look.Column(8,
		look.Muted(lang.L("A hold stops messages of a kind on their way. Only the transactions that they belong to wait; the network goes on.")).Wrapped(),
		look.FormRow(lang.L("Kind"), d.kind),
		container.New(twoColumns{}, look.FormRow(lang.L("Sent by"), d.node), look.FormRow(lang.L("Sent to"), d.other)),
		container.New(threeColumns{}, look.FormRow(lang.L("Transaction"), d.tx), look.FormRow(lang.L("Key"), d.key), look.FormRow(lang.L("How many"), d.count)),
		d.wrong, container.NewHBox(hold), d.list.page)
	return d
}

// holdWords names a kind in words, with its id for those who know it.
func holdWords(k session.HoldKind) string { return kindWords(k) + " (" + string(k.Kind) + ")" }

func (d *holds) update() {
	d.write()
	if d.s == nil {
		return
	}
	e := nodesAndClients(d.s, false)
	for _, c := range d.s.Peers() {
		for _, label := range d.s.ChaincodesAt(c) {
			e.add(view.Short(label+"@"+c)+" @ "+view.Short(c), label+"@"+c)
		}
	}
	if slices.Equal(e.labels, d.ends.labels) {
		return
	}
	d.ends = e
	for _, s := range []*Choice{d.node, d.other} {
		s.SetOptions(append([]string{lang.L("anyone")}, e.labels...))
		if s.Selected == "" {
			s.SetSelectedIndex(0)
		}
	}
}

func (d *holds) say(text string) {
	d.wrong.SetText(text)
	show(d.wrong, text != "")
}

func (d *holds) hold() {
	i := d.kind.SelectedIndex()
	if i < 0 {
		d.say(lang.L("Choose a kind of message first."))
		return
	}
	f := link.Filter{Kind: d.kinds[i].Kind, Node: d.ends.name(d.node.Selected), Other: d.ends.name(d.other.Selected),
		TxID: strings.TrimSpace(d.tx.Text), Key: strings.TrimSpace(d.key.Text)}
	if text := strings.TrimSpace(d.count.Text); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			d.say(lang.L("{{.Text}} is no number of messages; write 1 or more, or nothing for all", map[string]any{"Text": text}))
			return
		}
		f.Count = n
	}
	d.say("")
	d.s.Hold(f, func(_ session.Hold, err error) {
		d.h.fail(err)
		d.write()
	})
}

// write lists the holds and what they have stopped.
func (d *holds) write() {
	var active []session.Hold
	var held []link.HeldMessage
	if d.s != nil {
		active, held = d.s.Holds(), d.s.Held()
	}
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
		it := sheet.Item{Name: d.words(h), Detail: h.Text(), Sign: sheet.Ring, Tone: sheet.Warn,
			Actions: []sheet.Action{{Label: lang.L("Take it away"), Do: func() { d.s.Unhold(h.ID, d.h.fail) }}}}
		if hits > 0 {
			it.Sign, it.Marked = sheet.Pause, true
			it.Note, it.NoteIn = lang.L("{{.N}} held", map[string]any{"N": hits}), sheet.Warn
		}
		b.Item(it)
	}
	if len(active) == 0 && len(held) == 0 {
		b.Text(lang.L("Nothing is held."), sheet.Style{Tone: sheet.Quiet})
	}
}

func (d *holds) words(h session.Hold) string {
	for _, k := range d.kinds {
		if k.Kind == h.Filter.Kind {
			return kindWords(k)
		}
	}
	return string(h.Filter.Kind)
}

func (d *holds) writeHeld(b *sheet.Builder, held []link.HeldMessage) {
	if len(held) == 0 {
		return
	}
	b.Section(lang.L("Held messages"), lang.L("release all"), sheet.Accent, func() { d.s.Release(0, d.h.fail) })
	if n := len(held) - maxHeldShown; n > 0 {
		held = held[:maxHeldShown]
		b.Text(lang.L("{{.N}} more are not shown", map[string]any{"N": n}), sheet.Style{Tone: sheet.Quiet})
	}
	for _, m := range held {
		e := m.Event
		detail := view.Short(e.Node) + " → " + view.Short(e.Other)
		if e.Key != "" {
			detail += " · " + e.Key
		}
		if e.TxID != "" {
			detail += " · " + lang.L("transaction {{.ID}}", map[string]any{"ID": view.ShortID(e.TxID)})
		}
		it := sheet.Item{Name: string(e.Kind), Mono: true, Detail: detail, Sign: sheet.Pause, Tone: sheet.Warn, NoteIn: sheet.Quiet,
			Note: lang.L("{{.S}} s", map[string]any{"S": int(time.Since(m.Since).Seconds())})}
		it.Actions = []sheet.Action{{Label: lang.L("Release"), Tone: sheet.Accent, Do: func() { d.s.Release(m.ID, d.h.fail) }}}
		switch {
		case e.Seq > 0:
			it.Actions = append(it.Actions, sheet.Action{Label: lang.L("Open it"), Do: func() {
				d.h.choose(view.Selection{What: view.SelectMessage, Seq: e.Seq, TxID: e.TxID})
			}})
		case e.TxID != "":
			it.Actions = append(it.Actions, sheet.Action{Label: lang.L("Show its transaction"), Do: func() {
				d.h.choose(view.Selection{What: view.SelectTx, TxID: e.TxID})
			}})
		}
		b.Item(it)
	}
}
