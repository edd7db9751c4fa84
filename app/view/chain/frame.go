package chain

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
	"sort"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
)

// Options say what a frame shows.
type Options struct {
	At        view.Moment
	Selection view.Selection
	Also      []string // transactions that a lesson points at: shown as selected ones are
	W, H      float64  // pixels that there are at the theme's scale 1
	Scroll    float64  // pixels back from the newest block; 0 follows it
	Peer      string   // whose verdicts are shown, "" for the first peer that has one
}

// State is how far a block or a transaction is.
type State uint8

// The states.
const (
	Pending   State = iota // taken by the leader into its batch
	Ordered                // in a block that was cut
	Judged                 // the peer has a verdict (transaction)
	Committed              // the peer has written the block (block)
)

// Frame is a picture of the strip: positions in pixels at scale 1 from the panel's top
// left. Painters multiply by the theme's scale; so must who asks Hit.
type Frame struct {
	W, H      float64
	Book      *words.Book // the language of what is written
	Bare      bool        // there is no room for the title
	Cards     []Card      // the visible ones, oldest first
	Next      *Card       // the block that is filling; nil where there is none (another network)
	Joins     []view.Rect // lines between neighbours
	Scroll    float64     // Options.Scroll within bounds
	ScrollMax float64     // the largest Scroll that shows something else
	Missing   uint64      // blocks before the first one that the strip holds
	Height    uint64      // blocks of the chain at the moment
	Key       uint64      // equal keys: the same picture
}

// Card is one block.
type Card struct {
	Rect     view.Rect
	Number   uint64
	Hash     string // its beginning, "" while unknown
	State    State
	Problem  string
	Selected bool
	Squares  []Square // one per transaction, unless there are too many
	Counts   []Count  // instead of squares, when there are too many
}

// Square is one transaction.
type Square struct {
	Rect     view.Rect
	TxID     string // "" while only their number is known
	Code     string // "" before the verdict
	Valid    bool
	State    State
	Differs  bool // the file records another code, or peers disagree
	Selected bool
}

// Count is the number of transactions with one code ("" for no verdict yet).
type Count struct {
	Code  string
	Valid bool
	N     int
}

// validName is the public name of valid.
var validName = facts.CodeName(valid)

// The layout, in pixels at scale 1.
const (
	margin   = 16
	titleH   = 32
	cardW    = 96
	cardH    = 62
	cardGap  = 12
	pitch    = cardW + cardGap
	inset    = 10
	gridTop  = 27
	maxGrid  = 96 // more transactions are counted instead
	hashSize = 4
)

// Pitch is the width that a block takes, for scrolling by whole blocks.
const Pitch = pitch

// grid is the size of squares for a number of transactions.
func grid(n int) (size, step float64, columns int) {
	switch {
	case n <= 10:
		return 12, 16, 5
	case n <= 40:
		return 6, 8, 10
	default:
		return 4, 5, 16
	}
}

// Frame shows the strip at a moment. It is valid until the next call.
func (s *Strip) Frame(o Options) *Frame {
	s.shown = o
	f := &s.frame
	*f = Frame{W: o.W, H: o.H, Book: s.book, Cards: f.Cards[:0], Joins: f.Joins[:0]}
	top := float64(titleH)
	if o.H > 0 && o.H < titleH+cardH+4 {
		f.Bare, top = true, math.Max(2, (o.H-cardH)/2)
	}
	visible := s.list(o.At)
	if len(visible) > 0 {
		f.Missing, f.Height = visible[0].Number, visible[len(visible)-1].Number+1
	}
	width := float64(len(visible)) * pitch
	if !s.foreign() {
		width += pitch
	}
	room := o.W - 2*margin
	f.ScrollMax = math.Max(0, width-cardGap-room)
	f.Scroll = math.Min(math.Max(0, o.Scroll), f.ScrollMax)
	left := margin - f.ScrollMax + f.Scroll // of the first block
	first := max(0, int((-left-cardW)/pitch))
	for i := first; i < len(visible); i++ {
		x := left + float64(i)*pitch
		if x > o.W {
			break
		}
		f.Cards = append(f.Cards, s.card(visible, i, view.Point{X: x, Y: top}, o))
		if i > 0 && visible[i-1].Number+1 == visible[i].Number {
			f.Joins = append(f.Joins, view.Rect{X: x - cardGap, Y: top + cardH/2 - 1, W: cardGap, H: 2})
		}
	}
	if x := left + float64(len(visible))*pitch; !s.foreign() && x <= o.W {
		f.Next = s.nextCard(view.Point{X: x, Y: top}, o)
		if len(visible) > 0 {
			f.Joins = append(f.Joins, view.Rect{X: x - cardGap, Y: top + cardH/2 - 1, W: cardGap, H: 2})
		}
	}
	f.Key = f.key()
	return f
}

// card lays out the i-th block.
func (s *Strip) card(blocks []*facts.Block, i int, at view.Point, o Options) Card {
	b := blocks[i]
	c := Card{Rect: view.Rect{X: at.X, Y: at.Y, W: cardW, H: cardH}, Number: b.Number, State: Ordered}
	if given := s.given[b.Number]; given != nil {
		c.Problem = given.Problem
	}
	if hash := s.hash(blocks, i, o.At); len(hash) >= hashSize {
		c.Hash = hash[:hashSize]
	}
	if s.committed(b, o.At, o.Peer) {
		c.State = Committed
	}
	chosen := o.Selection.Tx()
	txs := s.squares(b, o.At, o.Peer)
	for j := range txs {
		if id := txs[j].TxID; id != "" && (id == chosen || slices.Contains(o.Also, id)) {
			txs[j].Selected, c.Selected = true, true
		}
	}
	if o.Selection.What == view.SelectBlock && o.Selection.Block == b.Number {
		c.Selected = true
	}
	fill(&c, txs)
	return c
}

// fill puts squares into a card, or counts where there are too many.
func fill(c *Card, txs []Square) {
	if len(txs) > maxGrid {
		c.Counts = counts(txs)
		return
	}
	size, step, columns := grid(len(txs))
	for j := range txs {
		txs[j].Rect = view.Rect{X: c.Rect.X + inset + float64(j%columns)*step, Y: c.Rect.Y + gridTop + float64(j/columns)*step, W: size, H: size}
	}
	c.Squares = txs
}

// counts adds up codes: those without a verdict first, then valid ones, then the most
// frequent.
func counts(txs []Square) []Count {
	var out []Count
	for i := range txs {
		j := 0
		for j < len(out) && out[j].Code != txs[i].Code {
			j++
		}
		if j == len(out) {
			out = append(out, Count{Code: txs[i].Code, Valid: txs[i].Valid})
		}
		out[j].N++
	}
	rank := func(c Count) int {
		switch {
		case c.Code == "":
			return 0
		case c.Valid:
			return 1
		}
		return 2
	}
	sort.SliceStable(out, func(i, j int) bool {
		if a, b := rank(out[i]), rank(out[j]); a != b {
			return a < b
		}
		return out[i].N > out[j].N
	})
	return out
}

// squares gives a block's transactions as far as they were known at a moment.
func (s *Strip) squares(b *facts.Block, at view.Moment, peer string) []Square {
	if given := s.given[b.Number]; given != nil {
		return givenSquares(given)
	}
	ids := b.Known(at.Seq)
	n := max(len(ids), b.Size(at.Seq))
	out := make([]Square, n)
	for i := range out {
		out[i].State = Ordered
		if i < len(ids) {
			out[i].TxID = ids[i]
		}
		s.judge(&out[i], b, i, at.Seq, peer)
	}
	return out
}

func givenSquares(b *Block) []Square {
	out := make([]Square, len(b.Txs))
	for i, tx := range b.Txs {
		code := cmp.Or(tx.Code, tx.Recorded)
		out[i] = Square{TxID: tx.ID, Code: code, Valid: code == validName, State: Judged, Differs: tx.Code != "" && tx.Recorded != "" && tx.Code != tx.Recorded}
		if code == "" {
			out[i].State = Ordered
		}
	}
	return out
}

// judge adds the verdict of the peer, or of the first one.
func (s *Strip) judge(q *Square, b *facts.Block, i int, seq uint64, peer string) {
	best := uint64(math.MaxUint64)
	var code uint8
	found := false
	for n := range b.At {
		p := &b.At[n]
		if i >= len(p.Judged) || p.Judged[i] > seq || peer != "" && s.world.Blocks().Peers[n] != peer {
			continue
		}
		if found && p.Codes[i] != code {
			q.Differs = true
		}
		if p.Judged[i] < best {
			best, code = p.Judged[i], p.Codes[i]
		}
		found = true
	}
	if !found {
		return
	}
	q.State = Judged
	q.Code, q.Valid = facts.CodeName(code), code == valid
}

// committed tells whether the peer, or any, has written the block.
func (s *Strip) committed(b *facts.Block, at view.Moment, peer string) bool {
	if s.foreign() {
		return true
	}
	for n := range b.At {
		if c := b.At[n].Committed; c != 0 && c <= at.Seq && (peer == "" || s.world.Blocks().Peers[n] == peer) {
			return true
		}
	}
	return false
}

// nextCard is the block that is filling: what the leader has taken in and not cut.
func (s *Strip) nextCard(at view.Point, o Options) *Card {
	c := &Card{Rect: view.Rect{X: at.X, Y: at.Y, W: cardW, H: cardH}, State: Pending}
	var txs []Square
	for _, w := range s.world.Blocks().Waiting(o.At.Seq) {
		q := Square{TxID: w.ID, State: Pending}
		q.Selected = w.ID != "" && (w.ID == o.Selection.Tx() || slices.Contains(o.Also, w.ID))
		c.Selected = c.Selected || q.Selected
		txs = append(txs, q)
	}
	fill(c, txs)
	return c
}

// Hit gives what is at a point: a transaction, a block, or nothing.
func (f *Frame) Hit(p view.Point) view.Selection {
	for i := range f.Cards {
		c := &f.Cards[i]
		if !c.Rect.Contains(p) {
			continue
		}
		if id := c.tx(p); id != "" {
			return view.Selection{What: view.SelectTx, TxID: id}
		}
		return view.Selection{What: view.SelectBlock, Block: c.Number}
	}
	if f.Next != nil && f.Next.Rect.Contains(p) {
		if id := f.Next.tx(p); id != "" {
			return view.Selection{What: view.SelectTx, TxID: id}
		}
	}
	return view.Selection{}
}

// tx is the transaction at a point; the gaps between squares count as the square
// before them.
func (c *Card) tx(p view.Point) string {
	_, step, _ := grid(len(c.Squares))
	for i := range c.Squares {
		r := c.Squares[i].Rect
		r.W, r.H = step, step
		if r.Contains(p) {
			return c.Squares[i].TxID
		}
	}
	return ""
}

// key adds up everything that is seen.
func (f *Frame) key() uint64 {
	h := fnv.New64a()
	var buf []byte
	num := func(v uint64) {
		buf = append(buf, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
	}
	flag := func(v bool) {
		if v {
			buf = append(buf, 1)
		} else {
			buf = append(buf, 0)
		}
	}
	card := func(c *Card) {
		num(c.Number)
		num(math.Float64bits(c.Rect.X))
		buf = append(buf, c.Hash...)
		buf = append(buf, byte(c.State))
		flag(c.Selected)
		flag(c.Problem != "")
		for i := range c.Squares {
			q := &c.Squares[i]
			buf = append(buf, byte(q.State))
			flag(q.Valid)
			flag(q.Selected)
			flag(q.Differs)
		}
		for _, n := range c.Counts {
			buf = append(buf, n.Code...)
			num(uint64(n.N))
		}
	}
	num(math.Float64bits(f.W))
	num(math.Float64bits(f.H))
	buf = append(buf, f.Book.Tag()...)
	for i := range f.Cards {
		card(&f.Cards[i])
	}
	if f.Next != nil {
		card(f.Next)
	}
	_, _ = h.Write(buf)
	return h.Sum64()
}
