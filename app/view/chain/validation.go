package chain

import (
	"fmt"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
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
	Title  string      // "Block 4 at peer0.org1"
	Book   *words.Book // the language of what is written
}

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
	Range    *Range   // a range that the peer found changed, nil if there is none
	Policy   string   // code of the policy check, "" before it
	Code     string   // final code as far as known, "" before
	Valid    bool     // Code lets it take effect
}

// Found is one thing that a peer finds at validation.
type Found struct {
	Text  string // "a1 42:1"
	Stale bool   // it is not what was read
}

// Range is a range query that the peer has walked again and found changed.
type Range struct {
	Text string // "lamp .. lamq"
	Keys []InRange
	More int    // keys before those
	By   string // what made the difference: "came in with 8a4f in block 7"
}

// InRange is one key of a range as the peer finds it.
type InRange struct {
	Text string
	New  bool // it was not there, or not in this version
	Gone bool // it is not there any more
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
	maxChecks  = 400_000 // events that are looked through for one validation
	shownReads = 3       // entries of a read set on a card
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
	seq   uint64
	code  uint8
	event *trace.Event // of a version check
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
	v := &Validation{Block: block, Peer: peer, Stands: -1, Title: s.book.L("Block {{.Block}}", block), Stage: s.book.L("This block is not known yet."), Book: s.book}
	short := s.world.Names().Short
	if peer != "" {
		v.Title = s.book.L("Block {{.Block}} at {{.Peer}}", block, short(peer))
	}
	b := s.world.Blocks().Of(block)
	if s.foreign() || b == nil || b.First > at.Seq {
		return v
	}
	p := s.validator(b, peer, at.Seq)
	if p < 0 {
		v.Stage = s.book.L("No peer has received this block yet.")
		if peer != "" {
			v.Stage = s.book.L("{{.Peer}} has not received this block yet.", short(peer))
		}
		return v
	}
	v.Peer, v.Known = s.world.Blocks().Peers[p], true
	v.Title = s.book.L("Block {{.Block}} at {{.Peer}}", block, short(v.Peer))
	c := s.checksOf(b, p)
	w := &walk{strip: s, block: b, content: s.world.Content(b.Number, at.Seq), ids: b.Known(at.Seq),
		policies: passed(c.policies, at.Seq), versions: passed(c.versions, at.Seq), verdicts: passed(c.verdicts, at.Seq)}
	v.Total = max(len(w.ids), b.Size(at.Seq))
	if w.content != nil {
		v.Total = max(v.Total, len(w.content.Txs))
	}
	v.progress(w, b.At[p].Committed, at.Seq)
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
		v.Step, v.Stage = Written, v.Book.L("All verdicts are in; block, state and history are written.")
	case len(w.verdicts) >= v.Total && v.Total > 0:
		v.Step, v.Stage = Decided, v.Book.L("All transactions are judged; the block is being written.")
	case len(w.policies) >= v.Total && v.Total > 0:
		v.Step, v.Stage = Versions, v.Book.L("Policies were checked in parallel. Versions are checked one after the other, in block order.")
		if v.Stands = len(w.versions); v.Stands >= v.Total {
			v.Stands = -1
		}
	default:
		v.Step, v.Stage = Policies, v.Book.L("Signatures and endorsement policies are checked, several transactions at a time.")
	}
}

// validator is the peer in question, or the first one that has begun; -1 if it has not.
func (s *Strip) validator(b *facts.Block, peer string, seq uint64) int {
	best := -1
	for i := range b.At {
		start := b.At[i].Start
		if start == 0 || start > seq || peer != "" && s.world.Blocks().Peers[i] != peer {
			continue
		}
		if best < 0 || start < b.At[best].Start {
			best = i
		}
	}
	return best
}

// checksOf reads a validation's events from the source, going on where it was left.
func (s *Strip) checksOf(b *facts.Block, p int) *checks {
	c := &s.checks
	if c.block != b.Number || c.peer != s.world.Blocks().Peers[p] || c.cursor == 0 {
		*c = checks{block: b.Number, peer: s.world.Blocks().Peers[p], cursor: b.At[p].Start}
	}
	end := b.At[p].Committed
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
		c.policies = append(c.policies, checked(e))
	case trace.VersionCheck:
		k := checked(e)
		kept := *e
		k.event = &kept
		c.versions = append(c.versions, k)
	case trace.Verdict:
		c.verdicts = append(c.verdicts, checked(e))
	case trace.ValidateFrom:
		c.policies, c.versions, c.verdicts = nil, nil, nil // it begins anew after a restart
	}
}

func checked(e *trace.Event) check {
	code, _ := facts.CodeOf(e)
	return check{seq: e.Seq, code: code}
}

// walk is a validation at one moment, on the way to cards.
type walk struct {
	strip                        *Strip
	block                        *facts.Block
	content                      *facts.Content // nil where the block was not seen
	ids                          []string
	policies, versions, verdicts []check
}

// code is what is decided about a transaction so far.
func (w *walk) code(i int) (policy, code uint8) {
	policy, code = facts.Undecided, facts.Undecided
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

// valid tells whether a transaction of the block takes effect, as far as it is decided.
func (w *walk) valid(i int) bool {
	_, code := w.code(i)
	return code == valid
}

func (w *walk) card(i int, v *Validation) CheckCard {
	c := CheckCard{Position: i, Name: fmt.Sprintf("T%d", i+1)}
	if i < len(w.ids) {
		c.TxID = w.ids[i]
	}
	policy, code := w.code(i)
	c.Policy, c.Code, c.Valid = facts.CodeName(policy), facts.CodeName(code), code == valid
	if w.content == nil || i >= len(w.content.Txs) {
		return c
	}
	t := &w.content.Txs[i]
	c.Creator, _, _ = strings.Cut(t.Creator, "@")
	c.Call = callText(t, v.Book)
	looked := (i < len(w.versions) || i == v.Stands) && (policy == valid || policy == facts.Undecided)
	var check *trace.Event
	if i < len(w.versions) {
		check = w.versions[i].event
	}
	reads := readsOf(t)
	for n, r := range reads {
		if n == shownReads && len(reads) > shownReads+1 {
			c.Read = append(c.Read, v.Book.L("and {{.N}} more", len(reads)-n))
			break
		}
		c.Read = append(c.Read, readText(r, v.Book))
		if !looked {
			continue
		}
		found := w.strip.world.Finds(w.block.Number, i, r, code, check, w.valid)
		c.Found = append(c.Found, Found{foundText(r, &found, v.Book), !found.Holds})
		if r.Ranged && !found.Holds && found.By.Write != nil && !r.Hashed && c.Range == nil {
			c.Range = rangeOf(r, &found.By, v.Book)
		}
		if by := found.By; !found.Holds && by.Write != nil && by.Version.Block == w.block.Number {
			v.Arcs = append(v.Arcs, Arc{From: int(by.Version.Tx), To: i, Text: v.Book.L("T{{.T}} wrote {{.Key}}: version {{.Block}}:{{.Tx}}", by.Version.Tx+1, shortKey(by.Write.Key), w.block.Number, by.Version.Tx)})
		}
	}
	return c
}
