package inspect

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// txPlace is where a transaction stands in the chain, as far as known.
type txPlace struct {
	known    bool
	number   uint64
	position int // -1 while the block itself was not seen
	total    int
	decoded  *decodedBlock
}

// tx makes the document of a transaction.
func (a *about) tx(id string) {
	now := a.x.facts(id, a.seq)
	begun := len(now.events) > 0
	var passed Block
	if begun {
		passed = a.journey(now, a.place(now))
	}
	a.seq = max(a.seq, a.in.Ahead)
	f := now
	if a.in.Ahead > 0 {
		f = a.x.facts(id, a.seq)
	}
	a.doc.Title = "Transaction " + shortID(id)
	if len(f.events) == 0 {
		a.doc.Subtitle = "not in the trace up to this moment"
		a.add(text(Weak, "The trace has no event of this transaction up to the moment that is shown."))
		return
	}
	place := a.place(f)
	if place.position >= 0 && place.decoded != nil {
		f.block(place.decoded, place.position)
	}
	f.fill()
	a.doc.Subtitle = a.callBy(f)
	a.add(ahead(a.journey(f, place), passed))
	a.add(whenKnown(a.why(f, place), begun && len(now.verdicts) > 0)...)
	a.add(a.results(f, place)...)
	a.add(a.endorsements(f)...)
	a.add(a.details(f, place)...)
	a.add(a.messages(f))
}

// ahead keeps the stations waiting that the moment has not reached, whatever is said there.
func ahead(whole, passed Block) Block {
	for i := range whole.Stations {
		if i >= len(passed.Stations) || passed.Stations[i].Mark == Waiting {
			whole.Stations[i].Mark = Waiting
		}
	}
	return whole
}

// whenKnown puts the reason of a verdict into the future that the peers have not reached.
func whenKnown(blocks []Block, known bool) []Block {
	for i := range blocks {
		if blocks[i].Title == whyRejected && !known {
			blocks[i].Title = "Why it will be rejected"
		}
	}
	return blocks
}

const whyRejected = "Why it was rejected"

// callBy is the call and who made it.
func (a *about) callBy(f *txFacts) string {
	call := lifecycleCall(f.chaincode, f.args)
	if call == "" {
		call = callOf(f.args, 40)
	}
	if call == "" && f.envelope != nil && f.envelope.Config != nil {
		call = "channel configuration"
	}
	by := shortName(f.creator)
	if f.mspID != "" {
		by += " @ " + a.orgName(f.mspID)
	}
	switch {
	case call == "":
		return strings.TrimSpace(f.chaincode)
	case by == "":
		return call
	}
	return call + " by " + by
}

// place finds the block of a transaction as known at the moment.
func (a *about) place(f *txFacts) txPlace {
	p := txPlace{position: -1}
	switch {
	case len(f.verdicts) > 0:
		p.known, p.number = true, f.verdicts[0].Block
	case f.enqueued != nil:
		cuts := upTo(a.x.of(f.enqueued.Node).blocks, a.seq)
		for i := range cuts {
			if cuts[i].Kind == trace.BlockCut && cuts[i].Seq > f.enqueued.Seq {
				p.known, p.number = true, cuts[i].Block
				break
			}
		}
	}
	if !p.known {
		return p
	}
	if p.decoded = a.x.decode(p.number, a.seq); p.decoded != nil {
		p.total = len(p.decoded.txs)
		p.position = p.decoded.position(f.id)
		if p.position < 0 && len(f.verdicts) == 0 {
			return txPlace{position: -1} // a batch that was cut before this one
		}
	}
	return p
}

// journey is the line of stations.
func (a *about) journey(f *txFacts, p txPlace) Block {
	b := Block{Form: Journey}
	stop := func(s Station) { b.Stations = append(b.Stations, s) }
	stop(a.proposed(f))
	stop(a.simulated(f))
	stop(a.endorsed(f))
	if f.evaluate {
		stop(Station{Name: "Ordered", Detail: "never: the client asked for an answer only", Mark: Waiting})
		return b
	}
	order := a.ordered(f, p)
	stop(order)
	check := a.validated(f)
	if order.Mark == Failed || order.Detail == notSent {
		check.Detail = "it does not get that far"
	}
	stop(check)
	return b
}

func (a *about) proposed(f *txFacts) Station {
	if len(f.asked) == 0 {
		s := Station{Name: "Proposed", Detail: "not seen in the trace", Mark: Waiting}
		if len(f.starts)+len(f.ends)+len(f.verdicts) > 0 || f.sentOut != nil {
			s.Mark = Done
		}
		return s
	}
	var to []string
	for i := range f.asked {
		e := &f.asked[i]
		peer := e.Other
		if e.Dir == trace.Received {
			peer = e.Node
		}
		to = appendNew(to, view.Short(peer))
	}
	return Station{Name: "Proposed", Detail: "sent to " + and(to), At: offset(f.asked[0].Time, f.begin), Mark: Done, Link: messageSel(&f.asked[0])}
}

func appendNew(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

func (a *about) simulated(f *txFacts) Station {
	s := Station{Name: "Simulated", Detail: "not yet", Mark: Waiting}
	if len(f.ends) == 0 {
		if len(f.starts) > 0 {
			s.Detail = "running at " + and(peersOf(f.starts))
		} else if len(f.refused) > 0 {
			s.Detail, s.Mark, s.At = view.Short(f.refused[0].Node)+" refused it", Failed, offset(f.refused[0].Time, f.begin)
		} else if f.envelope != nil && len(f.verdicts) > 0 {
			s.Detail, s.Mark = "not seen in the trace", Done
		}
		return s
	}
	from, to := f.starts, f.ends
	begin, end := to[0].Time, to[0].Time
	parallel := false
	for i := range from {
		begin = min(begin, from[i].Time)
		if i > 0 && from[i].Time < to[0].Time {
			parallel = true
		}
	}
	for i := range to {
		end = max(end, to[i].Time)
	}
	s.Mark, s.At = Done, offset(end, f.begin)
	if len(from) > len(to) {
		s.Mark, s.Detail = Waiting, fmt.Sprintf("done by %d of %d endorsers", len(to), len(from))
		return s
	}
	s.Detail = count(len(to), "endorser")
	if parallel {
		s.Detail += ", in parallel"
	}
	s.Detail += ", " + span(end-begin)
	return s
}

func peersOf(events []trace.Event) []string {
	var out []string
	for i := range events {
		out = appendNew(out, view.Short(events[i].Node))
	}
	return out
}

func (a *about) endorsed(f *txFacts) Station {
	s := Station{Name: "Endorsed", Detail: "not yet", Mark: Waiting}
	refused := len(f.refused) > 0
	switch {
	case f.compared != nil && f.compared.Note != "equal":
		s.Mark, s.At, s.Detail = Failed, offset(f.compared.Time, f.begin), "the results differ"
	case f.compared != nil && refused:
		s.Mark, s.At, s.Detail = Failed, offset(f.compared.Time, f.begin), and(peersOf(f.refused))+" refused"
	case f.compared != nil:
		s.Mark, s.At = Done, offset(f.compared.Time, f.begin)
		switch n := max(len(f.results), len(peersOf(f.signed))); n {
		case 0, 1:
			s.Detail = "one result, signed"
		case 2:
			s.Detail = "both results are identical"
		default:
			s.Detail = fmt.Sprintf("all %d results are identical", n)
		}
	case refused && len(f.signed) == 0:
		s.Mark, s.At, s.Detail = Failed, offset(f.refused[0].Time, f.begin), and(peersOf(f.refused))+" refused"
	case f.sentOut != nil && len(f.signed) > 0:
		s.Mark, s.At = Done, offset(f.signed[len(f.signed)-1].Time, f.begin)
		s.Detail = "signed by " + and(peersOf(f.signed))
	case len(f.signed) > 0:
		s.Detail = "signed by " + and(peersOf(f.signed))
		if f.evaluate || len(f.signed) >= len(f.starts) && len(f.starts) > 0 {
			s.Mark, s.At = Done, offset(f.signed[len(f.signed)-1].Time, f.begin)
		}
	case f.envelope != nil && len(f.verdicts) > 0:
		s.Mark, s.Detail = Done, count(len(f.envelope.Endorsements), "endorsement")
	}
	return s
}

const notSent = "not sent for ordering"

func (a *about) ordered(f *txFacts, p txPlace) Station {
	s := Station{Name: "Ordered", Detail: "not yet", Mark: Waiting}
	for i := range f.answers {
		if note := f.answers[i].Note; note != "" && !strings.HasPrefix(note, "SUCCESS") && f.enqueued == nil && len(f.verdicts) == 0 {
			s.Mark, s.At, s.Detail = Failed, offset(f.answers[i].Time, f.begin), "refused: "+printable(note, 120)
			s.Link = messageSel(&f.answers[i])
		}
	}
	if p.known {
		s.Mark, s.Link = Done, blockSel(p.number)
		s.Detail = fmt.Sprintf("block %d", p.number)
		if p.position >= 0 {
			s.Detail = fmt.Sprintf("block %d, position %d of %d", p.number, p.position+1, p.total)
		}
		if f.enqueued != nil {
			s.At = offset(f.enqueued.Time, f.begin)
		}
		return s
	}
	switch {
	case s.Mark == Failed:
	case f.enqueued != nil:
		s.At, s.Detail = offset(f.enqueued.Time, f.begin), "waiting at "+view.Short(f.enqueued.Node)+" for the block to be cut"
	case f.sentOut != nil:
		s.Detail = "on its way to the ordering service"
	case f.compared != nil && f.compared.Note != "equal", len(f.refused) > 0:
		s.Detail = notSent
	}
	return s
}

func (a *about) validated(f *txFacts) Station {
	if len(f.verdicts) == 0 {
		return Station{Name: "Validated", Detail: "not yet", Mark: Waiting}
	}
	v := &f.verdicts[0]
	s := Station{Name: "Valid", At: offset(v.Time, f.begin), Mark: Done}
	if v.Key != valid {
		s.Name, s.Mark = "Invalid", Failed
	}
	same := 0
	for i := range f.verdicts {
		if f.verdicts[i].Key == v.Key {
			same++
		}
	}
	s.Detail = "at " + count(same, "peer")
	if v.Key != valid {
		s.Detail = v.Key + ", " + s.Detail
	}
	if len(f.verdicts) > same {
		s.Detail += "; the others disagree"
	}
	return s
}

// named finds transaction ids that a reason speaks of.
var named = regexp.MustCompile(`[Tt]ransaction ([0-9a-f]{8})\b`)
var inBlock = regexp.MustCompile(`in block (\d+)`)

// why says what went wrong.
func (a *about) why(f *txFacts, p txPlace) []Block {
	var out []Block
	if f.compared != nil && f.compared.Note != "equal" {
		b := Block{Form: Card, Title: "The endorsers' results differ", Tone: Bad, Text: differText(f)}
		if f.sentOut == nil {
			b.Text += " Nothing was sent for ordering."
		}
		for i := range f.faults {
			b.Text += fmt.Sprintf(" %s: %s.", view.Short(f.faults[i].Node), f.faults[i].Note)
		}
		b.Text += heightsText(f)
		out = append(out, b)
	}
	for i := range f.refused {
		e := &f.refused[i]
		out = append(out, Block{Form: Card, Title: "Not endorsed", Tone: Bad, Text: view.Short(e.Node) + " refused: " + printable(e.Note, 600), Links: []Cell{nodeCell(e.Node)}})
		if i == 3 {
			break
		}
	}
	if len(f.verdicts) == 0 || f.verdicts[0].Key == valid {
		return append(out, a.disagree(f)...)
	}
	v := &f.verdicts[0]
	b := Block{Form: Card, Title: whyRejected, Tone: Bad, Text: v.Note}
	if b.Text == "" {
		b.Text = "The peers' verdict is " + v.Key + "."
	}
	for _, id := range a.causes(v.Note, p) {
		b.Links = append(b.Links, Cell{Text: "Transaction " + shortID(id), Mono: true, Link: txSel(id)})
	}
	out = append(out, b)
	return append(out, a.disagree(f)...)
}

// causesOf are the beginnings of the likely causes in a comparison's note; what stands
// before them is shown side by side below.
var causesOf = regexp.MustCompile(`(one peer is at another height|the chaincode is not deterministic|the answers differ|the chaincode events differ|the chaincode id or version differs).*$`)

// differText says who differs, and why probably.
func differText(f *txFacts) string {
	cause := causesOf.FindString(f.compared.Note)
	if cause == "" || len(f.results) < 2 {
		return sentence(f.compared.Note)
	}
	var names []string
	for i := range f.results {
		names = append(names, view.Short(f.results[i].peer))
	}
	return and(names) + " came to different results; the differences are marked below. Likely cause: " + strings.TrimSuffix(cause, ".") + "."
}

// disagree warns of peers with another verdict.
func (a *about) disagree(f *txFacts) []Block {
	var odd []string
	for i := range f.verdicts {
		if v := &f.verdicts[i]; v.Key != f.verdicts[0].Key {
			odd = append(odd, view.Short(v.Node)+" says "+v.Key)
		}
	}
	if odd == nil {
		return nil
	}
	return []Block{{Form: Card, Title: "The peers do not agree", Tone: Warn, Text: view.Short(f.verdicts[0].Node) + " says " + f.verdicts[0].Key + ", " + and(odd) + ".",
		Links: []Cell{{Text: "Compare the peers", Link: view.Selection{What: view.SelectPeers}}}}}
}

// causes are the ids of transactions that a reason names by their beginning.
func (a *about) causes(reason string, p txPlace) []string {
	var out []string
	for _, m := range named.FindAllStringSubmatch(reason, 4) {
		blocks := []uint64{p.number}
		if in := inBlock.FindStringSubmatch(reason); in != nil {
			var n uint64
			if _, err := fmt.Sscan(in[1], &n); err == nil {
				blocks = append(blocks, n)
			}
		}
		for _, n := range blocks {
			if id := a.idIn(n, m[1]); id != "" {
				out = appendNew(out, id)
				break
			}
		}
	}
	return out
}

// idIn finds a transaction of a block by the beginning of its id.
func (a *about) idIn(number uint64, prefix string) string {
	d := a.x.decode(number, a.seq)
	if d == nil {
		return ""
	}
	for i := range d.txs {
		if strings.HasPrefix(d.txs[i].id, prefix) {
			return d.txs[i].id
		}
	}
	return ""
}

// heightsText says at which heights the endorsers simulated, where they differ.
func heightsText(f *txFacts) string {
	var parts []string
	differ := false
	for i := range f.starts {
		differ = differ || f.starts[i].Block != f.starts[0].Block
		parts = append(parts, fmt.Sprintf("%s at height %d", view.Short(f.starts[i].Node), f.starts[i].Block))
	}
	if !differ {
		return ""
	}
	return " They were simulated by " + and(parts) + "."
}

// sentence makes a note begin with a capital and end with a full stop.
func sentence(note string) string {
	note = strings.TrimSpace(note)
	if note == "" {
		return ""
	}
	if note[0] >= 'a' && note[0] <= 'z' && !strings.HasPrefix(note, "peer") {
		note = strings.ToUpper(note[:1]) + note[1:]
	}
	if !strings.HasSuffix(note, ".") {
		note += "."
	}
	return note
}

func messageSel(e *trace.Event) view.Selection {
	return view.Selection{What: view.SelectMessage, Seq: e.Seq, TxID: e.TxID}
}
