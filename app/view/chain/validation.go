package chain

import "github.com/fabriscope/fabriscope/app/view"

// Validation is the close-up of one block's validation at one peer, as far as it has
// come at a moment.
type Validation struct {
	Block  uint64
	Peer   string
	Stage  string      // one sentence: what the peer is doing
	Cards  []CheckCard // of one page: the one where the peer stands
	First  int         // position of Cards[0] in the block
	Total  int         // transactions in the block
	Stands int         // position of the transaction that is being checked, -1 if none
	Arcs   []Arc       // causes of conflicts among the cards shown
	Known  bool        // false: the trace tells nothing of this validation
}

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
	Selected bool
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

// Validation shows how far a peer's validation of a block is at a moment. An empty
// peer is the first one that validates it.
func (s *Strip) Validation(at view.Moment, block uint64, peer string) *Validation {
	return &Validation{Block: block, Peer: peer, Stands: -1}
}
