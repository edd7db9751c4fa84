// Package chain is the model of the chain panel: blocks as cards with one square per
// transaction, and the close-up of one block's validation at one peer.
//
// Which transactions a block holds and what became of them comes from events: an
// ordering node's "enqueued" and "block.cut" say what was ordered, a peer's "verdict"
// and "committed" what it decided. Blocks of another network are given with SetBlocks.
//
// Read next: strip.go (events in), frame.go (pictures out), validation.go.
package chain

import (
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Strip holds the blocks that the trace tells of.
type Strip struct {
	src view.Source
}

// New makes an empty strip. The source is asked for the payload of blocks that are
// shown, and may be nil.
func New(src view.Source) *Strip { return &Strip{src: src} }

// Add takes new events, in order. A gap (events that were lost) starts it anew.
func (s *Strip) Add(events []trace.Event) {}

// Block is a block of another network, in plain values.
type Block struct {
	Number     uint64
	Hash, Prev string // hexadecimal
	Problem    string // of the block as a whole, "" if none
	Txs        []Tx
}

// Tx is one transaction of a Block.
type Tx struct {
	ID       string
	Code     string // our verdict, such as "VALID"; "" if it cannot be found
	Recorded string // the verdict in the file where it is another one, else ""
	Reason   string
}

// SetBlocks shows the blocks of another network instead of a trace.
func (s *Strip) SetBlocks(blocks []Block) {}

// Step goes from a selected block or transaction to a neighbour, as arrow keys do: dx
// to the left (-1) or right (1) along the chain, dy up from a transaction to its block
// (-1) or down from a block to its first transaction (1).
func (s *Strip) Step(sel view.Selection, dx, dy int) view.Selection { return sel }
