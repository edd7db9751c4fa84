package inspect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// txPlace is where a transaction stands in the chain, as far as known.
type txPlace struct {
	known    bool
	number   uint64
	position int // -1 while the block itself was not seen
	total    int
	decoded  *facts.Content
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
	a.doc.Title = a.L("Transaction {{.ID}}", shortID(id))
	if len(f.events) == 0 {
		a.doc.Subtitle = a.L("not in the trace up to this moment")
		a.add(text(Weak, a.L("The trace has no event of this transaction up to the moment that is shown.")))
		return
	}
	place := a.place(f)
	if place.position >= 0 && place.decoded != nil {
		f.block(place.decoded, place.position)
	}
	f.fill()
	a.doc.Subtitle, a.doc.Tx = a.callBy(f), a.called(f)
	a.add(ahead(a.journey(f, place), passed))
	a.add(a.whenKnown(a.why(f, place), begun && len(now.verdicts) > 0)...)
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
func (a *about) whenKnown(blocks []Block, known bool) []Block {
	for i := range blocks {
		if blocks[i].Title == a.whyRejected() && !known {
			blocks[i].Title = a.L("Why it will be rejected")
		}
	}
	return blocks
}

func (a *about) whyRejected() string { return a.L("Why it was rejected") }

// callBy is the call and who made it.
func (a *about) callBy(f *txFacts) string {
	call := a.lifecycleCall(f.chaincode, f.args)
	if call == "" {
		call = a.callOf(f.args, 40)
	}
	if call == "" && f.envelope != nil && f.envelope.Config != nil {
		call = a.L("channel configuration")
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
	return a.L("{{.Call}} by {{.Who}}", call, by)
}

// place finds the block of a transaction as known at the moment.
func (a *about) place(f *txFacts) txPlace {
	p := txPlace{position: -1}
	if len(f.verdicts) > 0 {
		p.known, p.number = true, f.verdicts[0].Block
	} else if b, _ := a.x.world.Blocks().Find(f.id, a.seq); b != nil {
		p.known, p.number = true, b.Number
	}
	if !p.known {
		return p
	}
	if p.decoded = a.x.decode(p.number, a.seq); p.decoded != nil {
		p.total = len(p.decoded.Txs)
		p.position = p.decoded.Position(f.id)
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
		stop(Station{Name: a.L("Ordered"), Detail: a.L("never: the client asked for an answer only"), Mark: Waiting})
		return b
	}
	order := a.ordered(f, p)
	stop(order)
	check := a.validated(f)
	if order.Mark == Failed || order.Detail == a.notSent() {
		check.Detail = a.L("it does not get that far")
	}
	stop(check)
	return b
}

func (a *about) proposed(f *txFacts) Station {
	if len(f.asked) == 0 {
		s := Station{Name: a.L("Proposed"), Detail: a.L("not seen in the trace"), Mark: Waiting}
		if len(f.starts)+len(f.ends)+len(f.verdicts) > 0 || f.sentOut {
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
		to = appendNew(to, a.short(peer))
	}
	return Station{Name: a.L("Proposed"), Detail: a.L("sent to {{.Peers}}", a.and(to)), At: offset(f.asked[0].Time, f.begin), Mark: Done, Link: messageSel(&f.asked[0])}
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func (a *about) simulated(f *txFacts) Station {
	s := Station{Name: a.L("Simulated"), Detail: a.L("not yet"), Mark: Waiting}
	if len(f.ends) == 0 {
		if len(f.starts) > 0 {
			s.Detail = a.L("running at {{.Peers}}", a.and(a.peersOf(f.starts)))
		} else if len(f.refused) > 0 {
			s.Detail, s.Mark, s.At = a.L("{{.Peer}} refused it", a.short(f.refused[0].Node)), Failed, offset(f.refused[0].Time, f.begin)
		} else if f.envelope != nil && len(f.verdicts) > 0 {
			s.Detail, s.Mark = a.L("not seen in the trace"), Done
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
		s.Mark, s.Detail = Waiting, a.L("done by {{.Done}} of {{.All}} endorsers", len(to), len(from))
		return s
	}
	s.Detail = a.L("{{.N}} endorsers", len(to))
	if parallel {
		s.Detail += ", " + a.L("in parallel")
	}
	s.Detail += ", " + span(end-begin)
	return s
}

func (a *about) peersOf(events []trace.Event) []string {
	var out []string
	for i := range events {
		out = appendNew(out, a.short(events[i].Node))
	}
	return out
}

func (a *about) endorsed(f *txFacts) Station {
	s := Station{Name: a.L("Endorsed"), Detail: a.L("not yet"), Mark: Waiting}
	refused := len(f.refused) > 0
	switch {
	case f.differ():
		s.Mark, s.At, s.Detail = Failed, offset(f.compared.Time, f.begin), a.L("the results differ")
	case f.compared != nil && refused:
		s.Mark, s.At, s.Detail = Failed, offset(f.compared.Time, f.begin), a.L("{{.Peers}} refused", a.and(a.peersOf(f.refused)))
	case f.compared != nil:
		s.Mark, s.At = Done, offset(f.compared.Time, f.begin)
		switch n := max(len(f.results), len(a.peersOf(f.signed))); n {
		case 0, 1:
			s.Detail = a.L("one result, signed")
		case 2:
			s.Detail = a.L("both results are identical")
		default:
			s.Detail = a.L("all {{.N}} results are identical", n)
		}
	case refused && len(f.signed) == 0:
		s.Mark, s.At, s.Detail = Failed, offset(f.refused[0].Time, f.begin), a.L("{{.Peers}} refused", a.and(a.peersOf(f.refused)))
	case f.sentOut && len(f.signed) > 0:
		s.Mark, s.At = Done, offset(f.signed[len(f.signed)-1].Time, f.begin)
		s.Detail = a.L("signed by {{.Peers}}", a.and(a.peersOf(f.signed)))
	case len(f.signed) > 0:
		s.Detail = a.L("signed by {{.Peers}}", a.and(a.peersOf(f.signed)))
		if f.evaluate || len(f.signed) >= len(f.starts) && len(f.starts) > 0 {
			s.Mark, s.At = Done, offset(f.signed[len(f.signed)-1].Time, f.begin)
		}
	case f.envelope != nil && len(f.verdicts) > 0:
		s.Mark, s.Detail = Done, a.L("{{.N}} endorsements", len(f.envelope.Endorsements))
	}
	return s
}

func (a *about) notSent() string { return a.L("not sent for ordering") }

func (a *about) ordered(f *txFacts, p txPlace) Station {
	s := Station{Name: a.L("Ordered"), Detail: a.L("not yet"), Mark: Waiting}
	for i := range f.answers {
		if e := &f.answers[i]; refusal(e) && f.enqueued == nil && len(f.verdicts) == 0 {
			s.Mark, s.At, s.Detail = Failed, offset(e.Time, f.begin), a.L("refused: {{.Why}}", a.printable(words.Cause(e), 120))
			s.Link = messageSel(&f.answers[i])
		}
	}
	if p.known {
		s.Mark, s.Link = Done, blockSel(p.number)
		s.Detail = a.L("block {{.Block}}", p.number)
		if p.position >= 0 {
			s.Detail = a.L("block {{.Block}}, position {{.Position}} of {{.Total}}", p.number, p.position+1, p.total)
		}
		if f.enqueued != nil {
			s.At = offset(f.enqueued.Time, f.begin)
		}
		return s
	}
	switch {
	case s.Mark == Failed:
	case f.enqueued != nil:
		s.At, s.Detail = offset(f.enqueued.Time, f.begin), a.L("waiting at {{.Node}} for the block to be cut", a.short(f.enqueued.Node))
	case f.sentOut:
		s.Detail = a.L("on its way to the ordering service")
	case f.differ(), len(f.refused) > 0:
		s.Detail = a.notSent()
	}
	return s
}

func (a *about) validated(f *txFacts) Station {
	if len(f.verdicts) == 0 {
		return Station{Name: a.L("Validated"), Detail: a.L("not yet"), Mark: Waiting}
	}
	v := &f.verdicts[0]
	s := Station{Name: a.L("Valid"), At: offset(v.Time, f.begin), Mark: Done}
	if v.Key != valid {
		s.Name, s.Mark = a.L("Invalid"), Failed
	}
	same := 0
	for i := range f.verdicts {
		if f.verdicts[i].Key == v.Key {
			same++
		}
	}
	s.Detail = a.L("at {{.N}} peers", same)
	if v.Key != valid {
		s.Detail = v.Key + ", " + s.Detail
	}
	if len(f.verdicts) > same {
		s.Detail += "; " + a.L("the others disagree")
	}
	return s
}

// why says what went wrong.
func (a *about) why(f *txFacts, p txPlace) []Block {
	var out []Block
	if f.differ() {
		b := Block{Form: Card, Title: a.L("The endorsers' results differ"), Tone: Bad, Text: a.differText(f)}
		if !f.sentOut {
			b.Text += " " + a.L("Nothing was sent for ordering.")
		}
		for i := range f.faults {
			b.Text += fmt.Sprintf(" %s: %s.", a.short(f.faults[i].Node), a.brief(&f.faults[i]))
		}
		b.Text += a.heightsText(f)
		out = append(out, b)
	}
	for i := range f.refused {
		e := &f.refused[i]
		out = append(out, Block{Form: Card, Title: a.L("Not endorsed"), Tone: Bad, Text: a.L("{{.Peer}} refused: {{.Why}}", a.short(e.Node), a.printable(words.Cause(e), 600)), Links: []Cell{a.nodeCell(e.Node)}})
		if i == 3 {
			break
		}
	}
	if len(f.verdicts) == 0 || f.verdicts[0].Key == valid {
		return append(out, a.disagree(f)...)
	}
	v := &f.verdicts[0]
	b := Block{Form: Card, Title: a.whyRejected(), Tone: Bad, Text: a.FullReason(v)}
	if b.Text == "" {
		b.Text = a.L("The peers' verdict is {{.Code}}.", v.Key)
	}
	if id := a.culprit(f, p); id != "" {
		b.Links = append(b.Links, Cell{Text: a.L("Transaction {{.ID}}", shortID(id)), Mono: true, Link: txSel(id)})
	}
	out = append(out, b)
	return append(out, a.disagree(f)...)
}

// culprit is the transaction that made the difference: as the verdict's reason says, or,
// in run files from before there was one, as the blocks show. "" if it is unknown.
func (a *about) culprit(f *txFacts, p txPlace) string {
	if f.bySaid || f.rwset() == nil {
		return f.by
	}
	for _, row := range a.readSet(f, p, f.rwset()).Rows {
		if found := row[len(row)-1]; found.Tone == Bad && found.Link.What == view.SelectTx {
			return found.Link.TxID
		}
	}
	return ""
}

// refusal tells whether an answer says that somebody would not do what he was asked.
func refusal(e *trace.Event) bool { return e.What == trace.Rejected || e.What == trace.Failed }

// differText says who differs, and why probably; what differs is shown side by side below.
func (a *about) differText(f *txFacts) string {
	if len(f.results) < 2 {
		return sentence(words.Cause(f.compared))
	}
	var names []string
	for i := range f.results {
		names = append(names, a.short(f.results[i].peer))
	}
	return a.L("{{.Peers}} came to different results; the differences are marked below. Likely cause: {{.Cause}}.", a.and(names), a.likelyCause(f))
}

// likelyCause is the first reason that explains all that differs: reads before writes, and
// those before what is only told.
func (a *about) likelyCause(f *txFacts) string {
	first, differ := map[string]string{}, map[string]bool{}
	for i := range f.results {
		entries := a.entriesOf(&f.results[i], f.chaincode)
		for _, e := range entries {
			form, _, _ := strings.Cut(e.name, " ")
			if text, seen := first[e.name]; i == 0 {
				first[e.name] = e.text
			} else if !seen || text != e.text {
				differ[form] = true
			}
		}
		for _, e := range a.entriesOf(&f.results[0], f.chaincode) {
			if !slices.ContainsFunc(entries, func(o entry) bool { return o.name == e.name }) {
				form, _, _ := strings.Cut(e.name, " ")
				differ[form] = true
			}
		}
	}
	switch {
	case differ["read"]:
		return words.L("one peer is at another height, or committed a block between the two simulations")
	case differ["write"]:
		return words.L("the chaincode is not deterministic (time, random numbers, map order, an outside call), the peers run different packages, or one of them lies")
	case differ["answer"], differ["status"]:
		return words.L("the chaincode is not deterministic: the answers differ although the read-write sets are equal")
	case differ["event"]:
		return words.L("the chaincode events differ although the read-write sets are equal")
	}
	return words.L("the chaincode id or version differs: the peers use different definitions")
}

// disagree warns of peers with another verdict.
func (a *about) disagree(f *txFacts) []Block {
	var odd []string
	for i := range f.verdicts {
		if v := &f.verdicts[i]; v.Key != f.verdicts[0].Key {
			odd = append(odd, a.L("{{.Peer}} says {{.Code}}", a.short(v.Node), v.Key))
		}
	}
	if odd == nil {
		return nil
	}
	return []Block{{Form: Card, Title: a.L("The peers do not agree"), Tone: Warn, Text: a.L("{{.Peer}} says {{.Code}}", a.short(f.verdicts[0].Node), f.verdicts[0].Key) + ", " + a.and(odd) + ".",
		Links: []Cell{{Text: a.L("Compare the peers"), Link: view.Selection{What: view.SelectPeers}}}}}
}

// heightsText says at which heights the endorsers simulated, where they differ.
func (a *about) heightsText(f *txFacts) string {
	var parts []string
	differ := false
	for i := range f.starts {
		differ = differ || f.starts[i].Block != f.starts[0].Block
		parts = append(parts, a.L("{{.Peer}} at height {{.Height}}", a.short(f.starts[i].Node), f.starts[i].Block))
	}
	if !differ {
		return ""
	}
	return " " + a.L("They were simulated by {{.Peers}}.", a.and(parts))
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
