package stage

import (
	"math"
	"strings"

	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

const (
	recentEvents = 256 // kept for captions at the newest moment
	captionReach = 64  // how far back an event that says something is looked for
	maxNamed     = 256
	// busyEvents within busyTime are too many for a sentence about one of them.
	busyEvents = 200
	busyTime   = int64(40e6)
)

// functionNames remembers which function a transaction calls.
type functionNames map[string]string

// said is the caption that was made last.
type said struct {
	seq  uint64
	tx   string
	head uint64
	rest int64 // from when on it may be that the network rests
	text string
}

// Caption is one plain sentence on what is happening at the moment, made from the events
// there; of the selected transaction, if there is one. "" when nothing has happened yet.
func (w *World) Caption(at view.Moment, sel view.Selection) string {
	tx := sel.Tx()
	if w.said.seq == at.Seq && w.said.tx == tx && (tx == "" || w.said.head == w.facts.Now().Seq) && at.Time < w.said.rest {
		return w.said.text
	}
	text, since := w.sentence(at, tx)
	w.said = said{seq: at.Seq, tx: tx, head: w.facts.Now().Seq, text: text, rest: since + restAfter}
	if at.Time >= w.said.rest {
		w.said.rest = math.MaxInt64
	}
	return text
}

// sentence gives the caption and the time of the event that it tells of.
func (w *World) sentence(at view.Moment, tx string) (text string, since int64) {
	if tx != "" {
		if text, _ := w.sentenceOf(w.touch(tx).events, at); text != "" {
			return text, math.MaxInt64 - restAfter
		}
	}
	events := w.around(at.Seq)
	if busy := w.busyText(events); busy != "" && at.Seq >= w.facts.Now().Seq {
		return busy, at.Time
	}
	text, since = w.sentenceOf(events, at)
	if at.Time-since >= restAfter {
		if rest := w.rest(at); rest != "" {
			return rest, since
		}
	}
	return text, since
}

// sentenceOf describes the last of the events up to a moment that says something. Raft's
// routine is told only while the playhead stands at it, unless there is nothing else.
func (w *World) sentenceOf(events []trace.Event, at view.Moment) (text string, since int64) {
	routine, routineSince := "", int64(0)
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Seq > at.Seq {
			continue
		}
		e := w.facts.Step(&events[i])
		if e.Info.Quiet {
			continue
		}
		from, to := w.ends(&e)
		text := w.teller().Event(e.Event, from, to)
		switch {
		case text == "":
		case chatter(e.Event) && (e.Seq != at.Seq || at.Time-e.Time > 1000):
			if routine == "" {
				routine, routineSince = text, e.Time
			}
		default:
			if also := w.alongside(&e, at); also != "" {
				text = strings.TrimSuffix(text, ".") + "; " + also
			}
			return text, e.Time
		}
	}
	return routine, routineSince
}

// SetBook changes the language of the captions and of what stands in frames.
func (w *World) SetBook(b *words.Book) { w.book, w.said = b, said{} }

// Book is the language of the stage.
func (w *World) Book() *words.Book { return w.book }

// teller makes sentences of events.
func (w *World) teller() *words.Teller {
	return &words.Teller{Book: w.book, Name: w.facts.Names().Short, Function: w.function, Until: w.until}
}

// ends names a message's sender and receiver.
func (w *World) ends(e *facts.Step) (from, to string) {
	if e.From < 0 {
		return e.Node, e.Other
	}
	return w.facts.Nodes[e.From].Name, w.facts.Nodes[e.To].Name
}

// short is a node's name as panels show it.
func (w *World) short(i int32) string { return w.facts.Names().Short(w.facts.Nodes[i].Name) }

// around gives the events before a moment, the moment's own last.
func (w *World) around(seq uint64) []trace.Event {
	events := w.recent
	if len(events) == 0 || seq < events[0].Seq+captionReach && w.src != nil && events[0].Seq > 1 {
		from := uint64(0)
		if seq > captionReach {
			from = seq - captionReach
		}
		events = w.facts.Read(from, captionReach)
	}
	n := len(events)
	for n > 0 && events[n-1].Seq > seq {
		n--
	}
	return events[max(0, n-recentEvents):n]
}

// busyText says so when too much happens at the newest moment for a sentence about one
// event.
func (w *World) busyText(events []trace.Event) string {
	n := len(events)
	if n < busyEvents {
		return ""
	}
	span := events[n-1].Time - events[n-busyEvents].Time
	if span <= 0 || span > busyTime {
		return ""
	}
	rate := round2(busyEvents / (float64(span) / 1e9))
	return w.book.L("About {{.Rate}} events happen in a second now; pause, or stretch time, to see single ones.", strings.TrimSuffix(rateText(rate), "/s"))
}

// alongside adds what else is simulated at the same moment: the same transaction at other
// peers, or other transactions in the same chaincode.
func (w *World) alongside(e *facts.Step, at view.Moment) string {
	peer := e.Self
	if peer < 0 || !e.Info.Chaincode && e.Info.Op != facts.OpSimulate && !strings.HasPrefix(string(e.Kind), "rwset.") {
		return ""
	}
	if host := w.facts.Nodes[peer].Host; host >= 0 {
		peer = host
	}
	s := w.facts.At(at)
	var same []string
	for i := range s.Nodes {
		if int32(i) == peer {
			continue
		}
		for _, x := range s.Nodes[i].Sims {
			if x.Tx == e.TxID {
				same = append(same, w.short(int32(i)))
			}
		}
	}
	switch n := len(same); {
	case n == 1 && (e.Info.Op == facts.OpCall || e.Info.Op == facts.OpSimulate):
		return w.book.L("{{.Node}} does the same at this moment.", same[0])
	case n == 1:
		return w.book.L("{{.Node}} simulates it too at this moment.", same[0])
	case n == 2:
		return w.book.L("{{.Node}} and {{.Other}} simulate it too at this moment.", same[0], same[1])
	case n > 2:
		return w.book.L("{{.Node}} and {{.N}} other peers simulate it too at this moment.", same[0], n-1)
	}
	others := 0
	for _, x := range s.Node(peer).Sims {
		if x.Tx != e.TxID {
			others++
		}
	}
	if others == 0 {
		return ""
	}
	return w.book.L("{{.Node}} has {{.N}} other transactions under simulation at the same time.", w.short(peer), others)
}

// function gives the function that a transaction calls, "" if the trace does not tell.
func (w *World) function(tx string) string {
	if tx == "" || w.src == nil {
		return ""
	}
	if fn, ok := w.named[tx]; ok {
		return fn
	}
	if w.named == nil || len(w.named) >= maxNamed {
		w.named = functionNames{}
	}
	fn := ""
	for _, e := range w.src.ByTx(tx) {
		if e.Kind == trace.ChaincodeTransaction && e.Key != "" {
			fn = e.Key
			break
		}
		if e.Kind == trace.Proposal && fn == "" {
			fn = w.proposed(e.Seq)
		}
	}
	if fn != "" { // later events may tell
		w.named[tx] = fn
	}
	return fn
}

// until gives the key at which a range ends, from the message or the read set that the event is
// about.
func (w *World) until(e *trace.Event) (end string, known bool) {
	if w.src == nil {
		return "", false
	}
	_, raw, ok := w.src.Payload(e.Seq)
	if !ok {
		return "", false
	}
	if e.Kind == trace.RangeAdded {
		var info kvrwsetpb.RangeQueryInfo
		err := proto.Unmarshal(raw, &info)
		return info.GetEndKey(), err == nil
	}
	var m peerpb.ChaincodeMessage
	var asked peerpb.GetStateByRange
	if proto.Unmarshal(raw, &m) != nil || proto.Unmarshal(m.GetPayload(), &asked) != nil {
		return "", false
	}
	return asked.GetEndKey(), true
}

// proposed reads the function from a proposal itself.
func (w *World) proposed(seq uint64) string {
	_, raw, ok := w.src.Payload(seq)
	if !ok {
		return ""
	}
	var signed peerpb.SignedProposal
	if proto.Unmarshal(raw, &signed) != nil {
		return ""
	}
	p, err := wire.ParseProposal(&signed)
	if err != nil || len(p.Input.GetArgs()) == 0 {
		return ""
	}
	fn := string(p.Input.GetArgs()[0])
	if len(fn) > 60 || strings.ToValidUTF8(fn, "") != fn {
		return ""
	}
	return fn
}
