package chain

import (
	"fmt"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// Validation is the close-up of one block's validation at one peer, as far as it has
// come at a moment.
type Validation struct {
	Block  uint64
	Peer   string
	Step   Step
	Stage  string      // the same in one sentence
	Cards  []CheckCard // of one page: the one where the peer stands
	First  int         // position of Cards[0] in the block
	Total  int         // transactions in the block
	Stands int         // position of the transaction that is being checked, -1 if none
	Arcs   []Arc       // causes of conflicts among the cards shown
	Known  bool        // false: the trace tells nothing of this validation
	Words  CheckWords  // empty; whoever shows it may fill it in
}

// CheckWords are the texts in the picture, in the person's language. Empty ones are
// English. Title has the block's number and the peer as {block} and {peer}.
type CheckWords struct{ Title, Read, Found, Stands string }

// Step is how far a validation has come.
type Step uint8

// The steps.
const (
	NotYet   Step = iota // the peer has not begun
	Policies             // signatures and policies are being checked, in parallel
	Versions             // versions are being checked, one transaction after the other
	Decided              // all verdicts are there
	Written              // the block is committed
)

// CheckCard is one transaction under validation.
type CheckCard struct {
	Position int    // in the block, from 0
	Name     string // "T1"
	TxID     string
	Creator  string   // "alice"
	Call     string   // "TransferAsset(a1, carol)"
	Read     []string // what it read when it was simulated: "a1 41:2"
	Found    []Found  // what the peer finds now, empty before it looks
	Policy   string   // code of the policy check, "" before it
	Code     string   // final code as far as known, "" before
}

// Found is one thing that a peer finds at validation.
type Found struct {
	Text  string // "a1 42:1"
	Stale bool   // it is not what was read
}

// Arc says which transaction's write made which other one invalid.
type Arc struct {
	From, To int    // positions in the block
	Text     string // "T2 wrote a1: version 42:1"
}

// PageSize is how many transactions the close-up shows at a time.
const PageSize = 5

// Bounds of the close-up.
const (
	maxChecks   = 400_000 // events that are looked through for one validation
	blocksBack  = 64      // blocks that are searched for a key's last writer
	shownReads  = 3       // entries of a read set on a card
	keptDetails = 96      // decoded blocks
)

// checks are the events of one peer's validation of one block.
type checks struct {
	block    uint64
	peer     string
	cursor   uint64 // looked through up to here
	policies []check
	versions []check
	verdicts []check
}

type check struct {
	seq  uint64
	code string
}

// passed are the checks that were done at a moment.
func passed(c []check, seq uint64) []check {
	n := 0
	for n < len(c) && c[n].seq <= seq {
		n++
	}
	return c[:n]
}

// Validation shows how far a peer's validation of a block is at a moment. An empty
// peer is the first one that begins with it.
func (s *Strip) Validation(at view.Moment, block uint64, peer string) *Validation {
	v := &Validation{Block: block, Peer: peer, Stands: -1, Stage: "This block is not known yet."}
	b := s.at(block)
	if b == nil || s.foreign || b.first > at.Seq {
		return v
	}
	p := s.validator(b, peer, at.Seq)
	if p < 0 {
		v.Stage = "No peer has received this block yet."
		if peer != "" {
			v.Stage = view.Short(peer) + " has not received this block yet."
		}
		return v
	}
	v.Peer, v.Known = s.peers[p], true
	c := s.checksOf(b, p)
	w := &walk{strip: s, block: b, details: s.detailsOf(b, at.Seq), ids: b.known(at.Seq),
		policies: passed(c.policies, at.Seq), versions: passed(c.versions, at.Seq), verdicts: passed(c.verdicts, at.Seq)}
	v.Total = max(len(w.ids), b.size(at.Seq), len(w.details))
	v.progress(w, b.at[p].committed, at.Seq)
	at0 := v.Stands
	if at0 < 0 && v.Step >= Decided {
		at0 = v.Total - 1
	}
	v.First = max(0, at0) / PageSize * PageSize
	for i := v.First; i < min(v.Total, v.First+PageSize); i++ {
		v.Cards = append(v.Cards, w.card(i, v))
	}
	return v
}

// progress says how far the peer is.
func (v *Validation) progress(w *walk, committed, seq uint64) {
	switch {
	case committed != 0 && committed <= seq:
		v.Step, v.Stage = Written, "All verdicts are in; block, state and history are written."
	case len(w.verdicts) >= v.Total && v.Total > 0:
		v.Step, v.Stage = Decided, "All transactions are judged; the block is being written."
	case len(w.policies) >= v.Total && v.Total > 0:
		v.Step, v.Stage = Versions, "Policies were checked in parallel. Versions are checked one after the other, in block order."
		if v.Stands = len(w.versions); v.Stands >= v.Total {
			v.Stands = -1
		}
	default:
		v.Step, v.Stage = Policies, "Signatures and endorsement policies are checked, several transactions at a time."
	}
}

// validator is the peer in question, or the first one that has begun; -1 if it has not.
func (s *Strip) validator(b *block, peer string, seq uint64) int {
	best := -1
	for i := range b.at {
		start := b.at[i].start
		if start == 0 || start > seq || peer != "" && s.peers[i] != peer {
			continue
		}
		if best < 0 || start < b.at[best].start {
			best = i
		}
	}
	return best
}

// checksOf reads a validation's events from the source, going on where it was left.
func (s *Strip) checksOf(b *block, p int) *checks {
	c := &s.checks
	if c.block != b.number || c.peer != s.peers[p] || c.cursor == 0 {
		*c = checks{block: b.number, peer: s.peers[p], cursor: b.at[p].start}
	}
	end := b.at[p].committed
	for left := maxChecks; left > 0 && s.src != nil && (end == 0 || c.cursor < end); {
		events, next, lost := s.src.Since(c.cursor, 2048)
		if len(events) == 0 || lost > 0 {
			break
		}
		for i := range events {
			c.take(&events[i])
		}
		left -= len(events)
		c.cursor = next
	}
	return c
}

func (c *checks) take(e *trace.Event) {
	if e.Block != c.block || e.Node != c.peer {
		return
	}
	switch e.Kind {
	case trace.PolicyJudged:
		c.policies = append(c.policies, check{e.Seq, e.Note})
	case trace.VersionCheck:
		c.versions = append(c.versions, check{e.Seq, e.Note})
	case trace.Verdict:
		c.verdicts = append(c.verdicts, check{e.Seq, e.Key})
	case trace.ValidateFrom:
		c.policies, c.versions, c.verdicts = nil, nil, nil // it begins anew after a restart
	}
}

// walk is a validation at one moment, on the way to cards.
type walk struct {
	strip                        *Strip
	block                        *block
	details                      []detail
	ids                          []string
	policies, versions, verdicts []check
}

// code is what is decided about a transaction so far.
func (w *walk) code(i int) (policy, code string) {
	if i < len(w.policies) {
		if policy = w.policies[i].code; policy != valid {
			code = policy
		}
	}
	if i < len(w.versions) {
		code = w.versions[i].code
	}
	if i < len(w.verdicts) {
		code = w.verdicts[i].code
	}
	return policy, code
}

func (w *walk) card(i int, v *Validation) CheckCard {
	c := CheckCard{Position: i, Name: fmt.Sprintf("T%d", i+1)}
	if i < len(w.ids) {
		c.TxID = w.ids[i]
	}
	c.Policy, c.Code = w.code(i)
	if i >= len(w.details) {
		return c
	}
	d := &w.details[i]
	c.Creator, c.Call = d.creator, d.call
	looked := i < len(w.versions) || i == v.Stands
	for n := range d.reads {
		if n == shownReads && len(d.reads) > shownReads+1 {
			c.Read = append(c.Read, fmt.Sprintf("and %d more", len(d.reads)-n))
			break
		}
		r := &d.reads[n]
		c.Read = append(c.Read, r.text())
		if !looked || c.Policy != "" && c.Policy != valid {
			continue
		}
		found, by := w.find(i, r)
		c.Found = append(c.Found, found)
		if by >= 0 && found.Stale {
			v.Arcs = append(v.Arcs, Arc{From: by, To: i, Text: fmt.Sprintf("T%d wrote %s: version %d:%d", by+1, shortKey(r.hit(w.details[by].writes)), w.block.number, by)})
		}
	}
	return c
}

// find is what the peer finds for one entry of a read set, and the position of the
// transaction of this block that is behind it, -1 if none is.
func (w *walk) find(i int, r *read) (found Found, by int) {
	for by = i - 1; by >= 0; by-- {
		if _, code := w.code(by); code != valid || by >= len(w.details) {
			continue
		}
		if hit := r.hit(w.details[by].writes); hit != nil {
			return Found{r.foundText(hit, wire.Version{Block: w.block.number, Tx: uint64(by)}), true}, by
		}
	}
	oldest := uint64(0)
	if r.version != nil {
		oldest = r.version.Block + 1
	}
	if _, code := w.code(i); code == valid || r.ranged {
		if r.ranged && i < len(w.versions) && code == "PHANTOM_READ_CONFLICT" {
			return Found{"another result", true}, -1
		}
		return Found{r.text(), false}, -1
	}
	for n, left := w.block.number, blocksBack; n > oldest && left > 0; left-- {
		n--
		if version, hit := w.strip.wrote(n, r); hit != nil {
			return Found{r.foundText(hit, version), r.version == nil || version != *r.version}, -1
		}
	}
	return Found{r.text(), false}, -1
}

// wrote finds the last valid write of a block to what was read.
func (s *Strip) wrote(number uint64, r *read) (wire.Version, *write) {
	b := s.at(number)
	if b == nil {
		return wire.Version{}, nil
	}
	details := s.detailsOf(b, s.last)
	for i := len(details) - 1; i >= 0; i-- {
		var q Square
		if s.judge(&q, b, i, s.last, ""); !q.Valid {
			continue
		}
		if hit := r.hit(details[i].writes); hit != nil {
			return wire.Version{Block: number, Tx: uint64(i)}, hit
		}
	}
	return wire.Version{}, nil
}
