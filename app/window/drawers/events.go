package drawers

import (
	"fmt"
	"strings"
	"time"

	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network"
)

// rowsShown is how many events the list shows around the playhead.
const rowsShown = 60

// events is the drawer with the trace as a list.
type events struct {
	s *session.Session
	h Host

	words, tx, key *look.Entry
	kind, node     *Choice
	ends           ends
	list, next     *list
	skip           int // rows paged past, from the playhead
	at             uint64
}

// NewEvents makes the drawer "Events".
func NewEvents(s *session.Session, h Host) *Panel {
	d := &events{s: s, h: h, list: newList(h), next: newList(h)}
	entry := func(place string) *look.Entry {
		e := look.NewEntry()
		e.PlaceHolder, e.OnChanged = place, func(string) { d.ask() }
		return e
	}
	d.words, d.tx, d.key = entry(words.L("words")), entry(words.L("any")), entry(words.L("any"))
	d.kind, d.node = newSelect(nil, func(string) { d.ask() }), newSelect(nil, func(string) { d.ask() })
	until := look.Primary(words.L("Run until the next one"), func() { s.Events.RunUntil(); d.update() })
	clear := look.Secondary(words.L("Show all"), d.clear)
	page := scroll(
		look.FormRow(words.L("Search"), d.words),
		look.Grid(2, look.FormRow(words.L("Kind"), d.kind), look.FormRow(words.L("Node"), d.node)),
		look.Grid(2, look.FormRow(words.L("Transaction"), d.tx), look.FormRow(words.L("Key"), d.key)),
		container.NewHBox(until, clear), d.next.page, d.list.page)
	p := newPanel(words.L("Events"), page, page)
	p.update, p.first = d.update, d.words
	p.shut = s.Events.RunOn
	d.update()
	return p
}

// ask hands what is asked for to the session.
func (d *events) ask() {
	q := session.EventQuery{Words: strings.TrimSpace(d.words.Text), EventFilter: network.EventFilter{
		TxID: strings.ToLower(strings.TrimSpace(d.tx.Text)), Key: strings.TrimSpace(d.key.Text), Node: d.ends.name(d.node.Selected)}}
	if d.kind.SelectedIndex() > 0 {
		q.Kind = d.kind.Selected
	}
	d.s.Events.Ask(q)
	d.skip = 0
	d.update()
}

// clear asks for everything again.
func (d *events) clear() {
	for _, e := range []*look.Entry{d.words, d.tx, d.key} {
		e.SetText("")
	}
	d.kind.SetSelectedIndex(0)
	d.node.SetSelectedIndex(0)
	d.ask()
}

func (d *events) update() {
	share, _ := d.s.Events.Search()
	d.offer()
	at := d.s.Playhead.At.Seq
	if at != d.at {
		d.at, d.skip = at, 0
	}
	rows, past := d.s.Events.Around(at, rowsShown, d.skip)
	key := fmt.Sprint(share, past, d.s.Events.Found(), d.skip, d.s.Selection().Tx())
	if len(rows) > 0 {
		key += fmt.Sprint(" ", rows[0].Seq, rows[len(rows)-1].Seq)
	}
	d.list.show(key, func(b *sheet.Builder) { d.write(b, rows, past, share) })
	d.showNext()
}

// offer keeps the choices of kinds and nodes up to date.
func (d *events) offer() {
	kinds := []string{words.L("any")}
	for _, k := range d.s.Events.Kinds() {
		kinds = append(kinds, string(k))
	}
	d.kind.offer(kinds, 0)
	d.ends = nodesAndClients(d.s, false)
	d.node.offer(append([]string{words.L("any")}, d.ends.labels...), 0)
}

// showNext names the next event before it happens, and what the playhead runs to.
func (d *events) showNext() {
	next, ok := d.s.Events.Next()
	running := d.s.Events.Until() != nil
	d.next.show(fmt.Sprint(ok, next.Seq, running), func(b *sheet.Builder) {
		switch {
		case running && ok:
			b.Text(words.L("Runs until: {{.Event}}", map[string]any{"Event": line(next)}), sheet.Style{Tone: sheet.Accent})
		case running:
			b.Text(words.L("Runs until one comes."), sheet.Style{Tone: sheet.Accent})
		case ok:
			b.Text(words.L("Next: {{.Event}}", map[string]any{"Event": line(next)}), sheet.Style{Tone: sheet.Quiet})
		default:
			b.Text(words.L("After the playhead there is none yet."), sheet.Style{Tone: sheet.Quiet})
		}
		if running {
			b.Actions(sheet.Action{Label: words.L("Run on"), Do: func() { d.s.Events.RunOn(); d.update() }})
		}
	})
}

// line says an event in one line.
func line(r session.EventRow) string {
	return strings.TrimSpace(string(r.Kind) + "  " + where(r) + "  " + r.Text)
}

// where says at which nodes an event happens.
func where(r session.EventRow) string {
	if r.Other == "" {
		return r.Node
	}
	return r.Node + " → " + r.Other
}

func (d *events) write(b *sheet.Builder, rows []session.EventRow, past int, share float64) {
	head := words.L("{{.N}} events", map[string]any{"N": d.s.Events.Found()})
	if share < 1 {
		head = words.L("{{.N}} events so far, {{.Share}} % looked at", map[string]any{"N": d.s.Events.Found(), "Share": int(share * 100)})
		b.Progress(share, sheet.Accent)
	}
	b.Section(head, "", sheet.Quiet, nil)
	if len(rows) == 0 && share == 1 {
		b.Empty(words.L("Nothing fits."), words.L("Ask for less, or wait for it: \"Run until the next one\" stops when it comes."))
		return
	}
	page := func(by int) func() { return func() { d.skip += by; d.update() } }
	b.Actions(sheet.Action{Label: words.L("Earlier"), Do: page(-rowsShown / 2)}, sheet.Action{Label: words.L("Later"), Do: page(rowsShown / 2)})
	start := d.s.Axis.Start().Time
	for i, r := range rows {
		it := sheet.Item{Name: string(r.Kind), Mono: true, Detail: strings.TrimSpace(where(r) + "  " + r.Text), Sign: sheet.Ring, Tone: sheet.Of(view.ClassOf(r.Kind)),
			Note: fmt.Sprintf("%.3f s", time.Duration(r.Time-start).Seconds()), NoteIn: sheet.Quiet,
			Marked: i == past-1, Do: func() { d.s.Events.Go(r); d.update() }}
		if i >= past {
			it.Tone, it.NoteIn = sheet.Faint, sheet.Faint
		}
		b.Item(it)
	}
}
