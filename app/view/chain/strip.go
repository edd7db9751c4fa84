// Package chain is the model of the chain panel: blocks as cards with one square per
// transaction, and the close-up of one block's validation at one peer.
//
// Which transactions a block holds and what became of them comes from view/facts. Blocks
// of another network are given with SetBlocks.
//
// Read next: frame.go (pictures out), validation.go.
package chain

import (
	"sort"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

const valid = facts.Valid

// Strip shows the blocks that the trace tells of.
type Strip struct {
	src     view.Source
	world   *facts.World
	book    *words.Book
	blocks  []*facts.Block    // of another network
	given   map[uint64]*Block // the same, as they were given
	frame   Frame
	shown   Options // of the last frame, for Step
	checks  checks  // of the validation looked at last
	headers map[uint64]header
}

// header is what a block's header says, in hexadecimal.
type header struct{ hash, prev string }

// New makes the strip of what a world knows. The world's source is asked for the payload of
// blocks that are shown.
func New(w *facts.World) *Strip { return &Strip{src: w.Source(), world: w} }

// SetBook changes the language of what stands on the cards.
func (s *Strip) SetBook(b *words.Book) { s.book = b }

// Alone makes the strip of a trace with a world of its own, which Add gives the events to.
func Alone(src view.Source) *Strip { return New(facts.New(src, 0)) }

// Add takes new events, in order, into the strip's own world.
func (s *Strip) Add(events []trace.Event) { s.world.Add(events, nil) }

// foreign tells whether the blocks are another network's.
func (s *Strip) foreign() bool { return s.given != nil }

// list are the blocks that were there at a moment.
func (s *Strip) list(at view.Moment) []*facts.Block {
	if s.foreign() {
		return s.blocks
	}
	return s.world.Blocks().Until(at.Seq)
}

// Peers are the peers whose validations the strip knows, in the order in which they
// first appeared.
func (s *Strip) Peers() []string { return s.world.Blocks().Peers }

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

// SetBlocks shows the blocks of another network instead of a trace. They are kept by
// reference.
func (s *Strip) SetBlocks(blocks []Block) {
	*s = Strip{src: s.src, world: s.world, given: map[uint64]*Block{}}
	for i := range blocks {
		given := &blocks[i]
		b := &facts.Block{Number: given.Number, Count: len(given.Txs)}
		for j := range given.Txs {
			b.IDs = append(b.IDs, given.Txs[j].ID)
		}
		s.blocks, s.given[given.Number] = append(s.blocks, b), given
	}
	sort.SliceStable(s.blocks, func(i, j int) bool { return s.blocks[i].Number < s.blocks[j].Number })
}
