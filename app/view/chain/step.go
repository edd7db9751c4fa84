package chain

import (
	"math"
	"slices"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
)

// Step goes from a selected block or transaction to a neighbour, as arrow keys do: dx
// to the left (-1) or right (1) along the chain; dy up (-1) or down (1) by rows of
// squares, from the uppermost row to the block and from the block into its first row.
// With nothing of the chain selected it goes to the newest block. It sees what the last
// frame showed.
func (s *Strip) Step(sel view.Selection, dx, dy int) view.Selection {
	blocks := s.list(s.shown.At)
	if len(blocks) == 0 {
		return sel
	}
	place, tx, ok := s.find(blocks, sel)
	switch {
	case !ok:
		return view.Selection{What: view.SelectBlock, Block: blocks[len(blocks)-1].Number}
	case tx < 0 && dy > 0:
		return s.txAt(blocks[place], 0, sel)
	case tx < 0:
		place = min(max(place+dx, 0), len(blocks)-1)
		return view.Selection{What: view.SelectBlock, Block: blocks[place].Number, Node: sel.Node}
	case dy != 0:
		txs := s.squares(blocks[place], s.shown.At, s.shown.Peer)
		_, _, columns := grid(len(txs))
		switch to := tx + dy*columns; {
		case to < 0:
			return view.Selection{What: view.SelectBlock, Block: blocks[place].Number}
		case to < len(txs):
			return s.txAt(blocks[place], to, sel)
		}
		return sel
	}
	return s.along(blocks, place, tx, dx, sel)
}

// along goes to the next transaction that has an id, over the ends of blocks.
func (s *Strip) along(blocks []*facts.Block, place, tx, dx int, sel view.Selection) view.Selection {
	txs := s.squares(blocks[place], s.shown.At, s.shown.Peer)
	for dx != 0 {
		tx += dx
		for tx < 0 || tx >= len(txs) {
			if place += dx; place < 0 || place >= len(blocks) {
				return sel
			}
			txs = s.squares(blocks[place], s.shown.At, s.shown.Peer)
			if tx = 0; dx < 0 {
				tx = len(txs) - 1
			}
		}
		if txs[tx].TxID != "" {
			return view.Selection{What: view.SelectTx, TxID: txs[tx].TxID}
		}
	}
	return sel
}

// txAt selects a block's i-th transaction, if its id is known.
func (s *Strip) txAt(b *facts.Block, i int, otherwise view.Selection) view.Selection {
	if txs := s.squares(b, s.shown.At, s.shown.Peer); i < len(txs) && txs[i].TxID != "" {
		return view.Selection{What: view.SelectTx, TxID: txs[i].TxID}
	}
	return otherwise
}

// find is where a selection stands: its block among blocks, and the transaction's
// position in it, -1 for the block itself.
func (s *Strip) find(blocks []*facts.Block, sel view.Selection) (place, tx int, ok bool) {
	if sel.What == view.SelectBlock {
		for i := range blocks {
			if blocks[i].Number == sel.Block {
				return i, -1, true
			}
		}
		return 0, 0, false
	}
	id := sel.Tx()
	for i := len(blocks) - 1; i >= 0 && id != ""; i-- {
		for j, known := range s.idsOf(blocks[i]) {
			if known == id {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// idsOf are a block's transaction ids as known in the last frame.
func (s *Strip) idsOf(b *facts.Block) []string {
	if s.foreign() {
		return b.IDs
	}
	return b.Known(s.shown.At.Seq)
}

// Find is the block that holds a transaction and its position there, as known at a
// moment.
func (s *Strip) Find(at view.Moment, txID string) (number uint64, position int, ok bool) {
	if !s.foreign() {
		if b, position := s.world.Blocks().Find(txID, at.Seq); b != nil {
			return b.Number, position, true
		}
		return 0, 0, false
	}
	for i := len(s.blocks) - 1; i >= 0 && txID != ""; i-- {
		if position := slices.Index(s.blocks[i].IDs, txID); position >= 0 {
			return s.blocks[i].Number, position, true
		}
	}
	return 0, 0, false
}

// Reveal gives how far the strip has to be scrolled so that the selected block, or the
// block of the selected transaction, is to be seen: as it is, if it is already or if it is
// not in the chain.
func (s *Strip) Reveal(sel view.Selection, o Options) float64 {
	blocks := s.list(o.At)
	place, _, ok := s.find(blocks, sel)
	if !ok || o.W <= 2*margin+cardW {
		return o.Scroll
	}
	width := float64(len(blocks)) * pitch
	if !s.foreign() {
		width += pitch
	}
	most := math.Max(0, width-cardGap-(o.W-2*margin))
	scroll := math.Min(math.Max(0, o.Scroll), most)
	x := margin - most + scroll + float64(place)*pitch
	switch {
	case x < margin:
		scroll += margin - x
	case x+cardW > o.W-margin:
		scroll -= x + cardW - (o.W - margin)
	}
	return math.Min(math.Max(0, scroll), most)
}
