package inspect

import (
	"fmt"
	"sort"
	"strings"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

const shownMessages = 200

// details are the call, its answer and the event, in full.
func (a *about) details(f *txFacts, p txPlace) []Block {
	b := Block{Form: Fields, Title: a.L("Call")}
	b.row(a.L("transaction id"), mono(f.id))
	b.row(a.L("channel"), plain(f.channel))
	b.row(a.L("chaincode"), plain(f.chaincode))
	for i, arg := range f.args {
		name := a.L("function")
		if i > 0 {
			name = a.L("argument {{.N}}", i)
		}
		if i > 20 {
			b.More = len(f.args) - i
			break
		}
		b.Rows = append(b.Rows, []Cell{weak(name), mono(a.printable(string(arg), 600))})
	}
	if len(f.transient) > 0 {
		sort.Strings(f.transient)
		b.row(a.L("transient"), plain(a.L("{{.Names}} (seen by endorsers only)", strings.Join(f.transient, ", "))))
	}
	if f.creator != "" {
		b.row(a.L("created by"), plain(f.creator+" ("+f.mspID+")"))
	}
	return []Block{b, a.answer(f)}
}

// answer is what the client got back, and the chaincode's event.
func (a *about) answer(f *txFacts) Block {
	b := Block{Form: Fields, Title: a.L("Answer")}
	status := func(code int32, message string) {
		b.row(a.L("status"), mono(strings.TrimSpace(fmt.Sprintf("%d %s", code, a.printable(message, 300)))))
	}
	answer := func(payload []byte) { b.row(a.L("answer"), mono(a.printable(string(payload), 1200))) }
	var event *peerpb.ChaincodeEvent
	if len(f.results) > 0 {
		r := &f.results[0]
		status(r.status, r.message)
		answer(r.answer)
		event = eventOf(r.action)
	} else if f.envelope != nil {
		answer(f.envelope.Response.GetPayload())
		event = f.envelope.Event
	}
	if event != nil {
		b.row(a.L("event {{.Name}}", a.printable(event.GetEventName(), 60)), mono(a.printable(string(event.GetPayload()), 600)))
	}
	if f.told != nil {
		status(f.told.GetStatus(), f.told.GetMessage())
		answer(f.told.GetPayload())
	}
	if f.seen != nil {
		b.row(a.L("{{.Node}} learned", a.short(f.seen.Node)), Cell{Text: strings.TrimPrefix(codeOf(f.seen)+", ", ", ") + offset(f.seen.Time, f.begin), Tone: codeTone(codeOf(f.seen))})
	}
	return b
}

// messages lists each message once, in order.
func (a *about) messages(f *txFacts) Block {
	b := Block{Form: Messages, Title: a.L("Messages")}
	version := map[string]string{} // peer -> the version it read last, for its answer
	total := 0
	for i := range f.events {
		e := &f.events[i]
		if e.Kind == trace.ReadAdded {
			version[e.Node] = a.brief(e)
			continue
		}
		if e.Dir == trace.None || !f.first(e) && e.Dir != trace.Held && e.Dir != trace.Lost && e.Dir != trace.Released {
			continue
		}
		total++
		if len(b.List) >= max(shownMessages, a.in.Messages) {
			b.More++
			continue
		}
		m := a.messageLine(e, f.begin)
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
func (a *about) messageLine(e *trace.Event, begin int64) Message {
	m := Message{At: offset(e.Time, begin), From: a.short(e.Node), To: a.short(e.Other), What: a.whatOf(e), Class: view.ClassOf(e.Kind), Reply: isReply(e.Kind), Link: messageSel(e)}
	if e.Dir == trace.Received {
		m.From, m.To = m.To, m.From
	}
	switch e.Dir {
	case trace.Held:
		m.What += " (" + a.L("held") + ")"
		m.Tone = Warn
	case trace.Released:
		m.What += " (" + a.L("released") + ")"
	case trace.Lost:
		m.What += " (" + a.L("lost") + ")"
		m.Tone = Bad
	}
	return m
}

// isReply tells whether a message of this kind answers another one.
func isReply(k trace.Kind) bool {
	switch k {
	case trace.ProposalResponse, trace.GatewayAnswer, trace.PeerAnswer, trace.BroadcastAnswer, trace.ForwardAnswer, trace.ChaincodeResponse, trace.ChaincodeCompleted:
		return true
	}
	return false
}

// whatOf names a message: those of the chaincode stream as the protocol does.
func (a *about) whatOf(e *trace.Event) string {
	if name, ok := strings.CutPrefix(string(e.Kind), "chaincode."); ok {
		name = strings.ToUpper(name)
		if e.Key != "" {
			name += " " + a.keyText(e.Key)
		}
		if said := words.Plain(e); said != "" && e.Kind == trace.ChaincodeCompleted {
			name += " " + a.printable(said, 40)
		}
		return name
	}
	what := strings.ReplaceAll(string(e.Kind), "-", " ")
	switch e.Kind {
	case trace.GatewayCall, trace.GatewayAnswer, trace.PeerCall, trace.PeerAnswer, trace.Other:
		if e.Key != "" {
			what += " " + a.printable(e.Key, 60)
		}
	case trace.DeliverBlock, trace.DeliverFiltered:
		what += fmt.Sprintf(" #%d", e.Block)
	case trace.ProposalResponse, trace.BroadcastAnswer, trace.ForwardAnswer, trace.DeliverStatus:
		if said := words.Plain(e); said != "" {
			what += " " + a.printable(said, 60)
		}
	}
	return what
}

// bigMessage is how much of a message is decoded; larger ones are only named.
const bigMessage = 6 << 20

// message makes the document of one message, or of any event.
func (a *about) message(seq uint64) {
	e, ok := a.x.world.Event(seq)
	if !ok || seq > a.seq {
		a.doc.Title, a.doc.Subtitle = a.L("Message"), a.L("not in the trace at this moment")
		return
	}
	a.doc.Live = false
	a.doc.Title = titled(a.whatOf(&e))
	line := a.messageLine(&e, e.Time)
	if line.To != "" {
		a.doc.Subtitle = line.From + " → " + line.To
	} else {
		a.doc.Subtitle = line.From
	}
	a.add(a.eventFields(&e))
	name, raw, ok := a.x.world.Payload(seq)
	switch {
	case !ok && e.Dir == trace.None:
		return // a change of state; its event says it all
	case !ok:
		a.add(text(Weak, a.L("What the message carried is not kept, or has left the memory.")))
	case len(raw) > bigMessage:
		a.add(text(Weak, a.L("It carries {{.What}}, {{.N}} bytes: too large to be shown here.", name, len(raw))))
	default:
		a.add(Block{Form: Tree, Title: a.L("Content"), Aside: Cell{Text: name, Mono: true, Tone: Weak}, Nodes: a.decodeTree(name, raw)})
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
	b.row(a.L("kind"), mono(string(e.Kind)))
	from, to := e.Node, e.Other
	if e.Dir == trace.Received {
		from, to = to, from
	}
	if e.Dir == trace.None {
		b.row(a.L("at"), a.nodeCell(e.Node))
		b.row(a.L("concerns"), a.nodeCell(e.Other))
	} else {
		b.row(a.L("from"), a.nodeCell(from))
		b.row(a.L("to"), a.nodeCell(to))
	}
	ends := a.ends(e)
	for i := range ends {
		o := &ends[i]
		word := a.dirWord(o.Dir)
		if word == "" {
			word = a.L("time")
		}
		at := clock(o.Time)
		if o.Seq != ends[0].Seq {
			at += ", " + offset(o.Time, ends[0].Time)
		}
		c := mono(at)
		if o.Dir == trace.Lost {
			c = c.tone(Bad)
		}
		b.row(word, c)
	}
	if e.TxID != "" {
		b.row(a.L("transaction"), Cell{Text: e.TxID, Mono: true, Link: txSel(e.TxID)})
	}
	b.row(a.L("channel"), plain(e.Channel))
	if view.ClassOf(e.Kind) == view.Block || e.Kind == trace.SimulateStart {
		b.row(a.L("block"), blockCell(e.Block))
	}
	b.row(a.L("key"), mono(a.printable(e.Key, 200)))
	b.row(a.L("note"), plain(a.printable(words.Plain(e), 1000)))
	b.row(a.L("event"), mono(fmt.Sprint(e.Seq)))
	return b
}

// nearby is how far the other end of a message is looked for.
const nearby = 4096

// ends are the events of one message up to the moment: sent, held, received, lost.
func (a *about) ends(e *trace.Event) []trace.Event {
	if e.Msg == 0 {
		return []trace.Event{*e}
	}
	var out []trace.Event
	a.x.between(max(e.Seq, nearby)-nearby, min(a.seq, e.Seq+nearby), func(o *trace.Event) {
		if o.Msg == e.Msg && o.Seq <= a.seq {
			out = append(out, *o)
		}
	})
	if len(out) == 0 {
		return []trace.Event{*e}
	}
	return out
}

// dirWord is what the ends of a message are called.
func (a *about) dirWord(d trace.Dir) string {
	switch d {
	case trace.Sent:
		return a.L("sent")
	case trace.Received:
		return a.L("received")
	case trace.Held:
		return a.L("held")
	case trace.Released:
		return a.L("released")
	case trace.Lost:
		return a.L("lost")
	}
	return ""
}
