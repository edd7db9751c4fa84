package inspect

import (
	"fmt"
	"sort"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

const shownMessages = 200

// details are the call, its answer and the event, in full.
func (a *about) details(f *txFacts, p txPlace) []Block {
	b := Block{Form: Fields, Title: "Call"}
	row := func(name string, c Cell) { b.Rows = append(b.Rows, field(name, c)) }
	row("transaction id", mono(f.id))
	if f.channel != "" {
		row("channel", plain(f.channel))
	}
	if f.chaincode != "" {
		row("chaincode", plain(f.chaincode))
	}
	for i, arg := range f.args {
		name := "function"
		if i > 0 {
			name = fmt.Sprintf("argument %d", i)
		}
		if i > 20 {
			b.More = len(f.args) - i
			break
		}
		row(name, mono(printable(string(arg), 600)))
	}
	if len(f.transient) > 0 {
		sort.Strings(f.transient)
		row("transient", plain(strings.Join(f.transient, ", ")+" (seen by endorsers only)"))
	}
	if f.creator != "" {
		row("created by", plain(f.creator+" ("+f.mspID+")"))
	}
	out := []Block{b}
	if answer := a.answer(f); len(answer.Rows) > 0 {
		out = append(out, answer)
	}
	return out
}

// answer is what the client got back, and the chaincode's event.
func (a *about) answer(f *txFacts) Block {
	b := Block{Form: Fields, Title: "Answer"}
	if len(f.results) > 0 {
		r := &f.results[0]
		b.Rows = append(b.Rows, field("status", mono(strings.TrimSpace(fmt.Sprintf("%d %s", r.status, printable(r.message, 300))))))
		if len(r.answer) > 0 {
			b.Rows = append(b.Rows, field("answer", mono(printable(string(r.answer), 1200))))
		}
		if e := eventOf(r.action); e != nil {
			b.Rows = append(b.Rows, field("event "+printable(e.GetEventName(), 60), mono(printable(string(e.GetPayload()), 600))))
		}
	} else if f.envelope != nil {
		if f.envelope.Response != nil && len(f.envelope.Response.GetPayload()) > 0 {
			b.Rows = append(b.Rows, field("answer", mono(printable(string(f.envelope.Response.GetPayload()), 1200))))
		}
		if e := f.envelope.Event; e != nil {
			b.Rows = append(b.Rows, field("event "+printable(e.GetEventName(), 60), mono(printable(string(e.GetPayload()), 600))))
		}
	}
	if f.told != nil {
		b.Rows = append(b.Rows, field("status", mono(strings.TrimSpace(fmt.Sprintf("%d %s", f.told.GetStatus(), printable(f.told.GetMessage(), 300))))),
			field("answer", mono(printable(string(f.told.GetPayload()), 1200))))
	}
	if f.seen != nil {
		b.Rows = append(b.Rows, field(view.Short(f.seen.Node)+" learned", Cell{Text: f.seen.Note + ", " + offset(f.seen.Time, f.begin), Tone: codeTone(f.seen.Note)}))
	}
	return b
}

// messages lists each message once, in order.
func (a *about) messages(f *txFacts) Block {
	b := Block{Form: Messages, Title: "Messages"}
	version := map[string]string{} // peer -> the version it read last, for its answer
	total := 0
	for i := range f.events {
		e := &f.events[i]
		if e.Kind == trace.ReadAdded {
			version[e.Node] = e.Note
			continue
		}
		if e.Dir == trace.None || !f.first(e) && e.Dir != trace.Held && e.Dir != trace.Lost && e.Dir != trace.Released {
			continue
		}
		total++
		if len(b.List) >= shownMessages {
			b.More++
			continue
		}
		m := messageLine(e, f.begin)
		if e.Kind == trace.ChaincodeResponse {
			if v := version[e.Node]; v != "" {
				m.What += " " + v
			}
			delete(version, e.Node)
		}
		b.List = append(b.List, m)
	}
	b.Aside = Cell{Text: fmt.Sprint(total), Tone: Weak}
	return b
}

// messageLine is one message in a list.
func messageLine(e *trace.Event, begin int64) Message {
	m := Message{At: offset(e.Time, begin), From: view.Short(e.Node), To: view.Short(e.Other), What: whatOf(e), Class: view.ClassOf(e.Kind), Link: messageSel(e)}
	if e.Dir == trace.Received {
		m.From, m.To = m.To, m.From
	}
	switch e.Dir {
	case trace.Held:
		m.What += " (held)"
		m.Tone = Warn
	case trace.Released:
		m.What += " (released)"
	case trace.Lost:
		m.What += " (lost)"
		m.Tone = Bad
	}
	return m
}

// whatOf names a message: those of the chaincode stream as the protocol does.
func whatOf(e *trace.Event) string {
	if name, ok := strings.CutPrefix(string(e.Kind), "chaincode."); ok {
		name = strings.ToUpper(name)
		if e.Key != "" {
			name += " " + keyText(e.Key)
		}
		if e.Note != "" && e.Kind == trace.ChaincodeCompleted {
			name += " " + printable(e.Note, 40)
		}
		return name
	}
	what := strings.ReplaceAll(string(e.Kind), "-", " ")
	switch e.Kind {
	case trace.GatewayCall, trace.GatewayAnswer, trace.PeerCall, trace.PeerAnswer, trace.Other:
		if e.Key != "" {
			what += " " + printable(e.Key, 60)
		}
	case trace.DeliverBlock, trace.DeliverFiltered:
		what += fmt.Sprintf(" #%d", e.Block)
	case trace.ProposalResponse, trace.BroadcastAnswer, trace.ForwardAnswer, trace.DeliverStatus:
		if e.Note != "" {
			what += " " + printable(e.Note, 60)
		}
	}
	return what
}

// bigMessage is how much of a message is decoded; larger ones are only named.
const bigMessage = 6 << 20

// message makes the document of one message, or of any event.
func (a *about) message(seq uint64) {
	e, ok := a.x.event(seq)
	if !ok || seq > a.seq {
		a.doc.Title, a.doc.Subtitle = "Message", "not in the trace at this moment"
		return
	}
	a.doc.Live = false
	a.doc.Title = titled(whatOf(&e))
	line := messageLine(&e, e.Time)
	if line.To != "" {
		a.doc.Subtitle = line.From + " → " + line.To
	} else {
		a.doc.Subtitle = line.From
	}
	a.add(a.eventFields(&e))
	name, raw, ok := a.x.payload(seq)
	switch {
	case !ok && e.Dir == trace.None:
		return // a change of state; its event says it all
	case !ok:
		a.add(text(Weak, "What the message carried is not kept, or has left the memory."))
	case len(raw) > bigMessage:
		a.add(text(Weak, fmt.Sprintf("It carries %s, %d bytes: too large to be shown here.", name, len(raw))))
	default:
		b := Block{Form: Tree, Title: "Content", Aside: Cell{Text: name, Mono: true, Tone: Weak}, Nodes: decodeTree(name, raw)}
		a.add(b)
	}
}

func titled(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// eventFields are the event's own fields, and the times at both ends of a message.
func (a *about) eventFields(e *trace.Event) Block {
	b := Block{Form: Fields}
	row := func(name string, c Cell) {
		if c.Text != "" {
			b.Rows = append(b.Rows, field(name, c))
		}
	}
	row("kind", mono(string(e.Kind)))
	from, to := e.Node, e.Other
	if e.Dir == trace.Received {
		from, to = to, from
	}
	if e.Dir == trace.None {
		row("at", nodeCell(e.Node))
		row("concerns", nodeCell(e.Other))
	} else {
		row("from", nodeCell(from))
		row("to", nodeCell(to))
	}
	ends := a.ends(e)
	for i := range ends {
		o := &ends[i]
		word := o.Dir.String()
		if word == "" {
			word = "time"
		}
		at := clock(o.Time)
		if o.Seq != ends[0].Seq {
			at += ", " + offset(o.Time, ends[0].Time)
		}
		c := mono(at)
		if o.Dir == trace.Lost {
			c = c.tone(Bad)
		}
		row(word, c)
	}
	if e.TxID != "" {
		row("transaction", Cell{Text: e.TxID, Mono: true, Link: txSel(e.TxID)})
	}
	row("channel", plain(e.Channel))
	if view.ClassOf(e.Kind) == view.Block || e.Kind == trace.SimulateStart {
		row("block", blockCell(e.Block))
	}
	row("key", mono(printable(e.Key, 200)))
	row("note", plain(printable(e.Note, 1000)))
	row("event", mono(fmt.Sprint(e.Seq)))
	return b
}

// nearby is how far the other end of a message is looked for.
const nearby = 4096

// ends are the events of one message up to the moment: sent, held, received, lost.
func (a *about) ends(e *trace.Event) []trace.Event {
	if e.Msg == 0 {
		return []trace.Event{*e}
	}
	from := uint64(0)
	if e.Seq > nearby {
		from = e.Seq - nearby
	}
	var out []trace.Event
	for cursor := from; cursor < min(a.seq, e.Seq+nearby); {
		events, next, _ := a.x.src.Since(cursor, 1024)
		if len(events) == 0 {
			break
		}
		for i := range events {
			if events[i].Msg == e.Msg && events[i].Seq <= a.seq {
				out = append(out, events[i])
			}
		}
		cursor = next
	}
	if len(out) == 0 {
		return []trace.Event{*e}
	}
	return out
}
