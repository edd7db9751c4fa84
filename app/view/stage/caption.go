package stage

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/view"
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

// grpcWords are what gRPC puts before the words of an error.
var grpcWords = regexp.MustCompile(`(?:rpc error: )?code = \w+ desc = `)

// Caption is one plain sentence on what is happening at the moment, made from the events
// there; of the selected transaction, if there is one. "" when nothing has happened yet.
func (w *World) Caption(at view.Moment, sel view.Selection) string {
	tx := sel.Tx()
	if w.said.seq == at.Seq && w.said.tx == tx && (tx == "" || w.said.head == w.head.seq) && at.Time < w.said.rest {
		return w.said.text
	}
	text, since := w.sentence(at, tx)
	text = grpcWords.ReplaceAllString(text, "")
	w.said = said{seq: at.Seq, tx: tx, head: w.head.seq, text: text, rest: since + restAfter}
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
	if busy := busyText(events); busy != "" && at.Seq >= w.head.seq {
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
		e := w.meet(&events[i])
		if e.info.quiet {
			continue
		}
		text := w.describe(&e)
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

// around gives the events before a moment, the moment's own last.
func (w *World) around(seq uint64) []trace.Event {
	events := w.recent
	if len(events) == 0 || seq < events[0].Seq+captionReach && w.src != nil && events[0].Seq > 1 {
		from := uint64(0)
		if seq > captionReach {
			from = seq - captionReach
		}
		events = w.read(from, captionReach)
	}
	n := len(events)
	for n > 0 && events[n-1].Seq > seq {
		n--
	}
	return events[max(0, n-recentEvents):n]
}

// busyText says so when too much happens at the newest moment for a sentence about one
// event.
func busyText(events []trace.Event) string {
	n := len(events)
	if n < busyEvents {
		return ""
	}
	span := events[n-1].Time - events[n-busyEvents].Time
	if span <= 0 || span > busyTime {
		return ""
	}
	rate := round2(busyEvents / (float64(span) / 1e9))
	return "About " + strings.TrimSuffix(rateText(rate), "/s") + " events happen in a second now; pause, or stretch time, to see single ones."
}

// alongside adds what else is simulated at the same moment: the same transaction at other
// peers, or other transactions in the same chaincode.
func (w *World) alongside(e *step, at view.Moment) string {
	peer := e.self
	if peer < 0 || !e.info.chaincode && e.info.op != opSimulate && !strings.HasPrefix(string(e.Kind), "rwset.") {
		return ""
	}
	if host := w.reg.nodes[peer].host; host >= 0 {
		peer = host
	}
	s := w.stateAt(at)
	var same []string
	for i := range s.nodes {
		if int32(i) == peer {
			continue
		}
		for _, x := range s.nodes[i].sims {
			if x.tx == e.TxID {
				same = append(same, view.Short(w.reg.nodes[i].name))
			}
		}
	}
	switch n := len(same); {
	case n == 1 && (e.info.op == opCall || e.info.op == opSimulate):
		return same[0] + " does the same at this moment."
	case n == 1:
		return same[0] + " simulates it too at this moment."
	case n == 2:
		return same[0] + " and " + same[1] + " simulate it too at this moment."
	case n > 2:
		return fmt.Sprintf("%s and %d other peers simulate it too at this moment.", same[0], n-1)
	}
	others := 0
	for _, x := range s.look(peer).sims {
		if x.tx != e.TxID {
			others++
		}
	}
	if others == 0 {
		return ""
	}
	return fmt.Sprintf("%s has %s under simulation at the same time.", view.Short(w.reg.nodes[peer].name), count(others, "other transaction"))
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
		if e.Kind == trace.ChaincodeTransaction && e.Note != "" {
			fn = e.Note
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
