package chain

import "github.com/fabriscope/fabriscope/app/view"

// Options say what a frame shows.
type Options struct {
	At        view.Moment
	Selection view.Selection
	W, H      float64 // pixels that there are, before Scale
	Scroll    float64 // pixels back from the newest block; 0 follows it
	Peer      string  // whose verdicts are shown, "" for the first peer that has one
	Words     Words
}

// Words are the texts in the picture, in the person's language. Empty ones are English.
type Words struct{ Title, Note, Next string }

// State is how far a block or a transaction is.
type State uint8

// The states.
const (
	Pending   State = iota // taken by the leader into its batch
	Ordered                // in a block that was cut
	Judged                 // the peer has a verdict (transaction)
	Committed              // the peer has written the block (block)
)

// Frame is a picture of the strip: positions in pixels from the panel's top left.
type Frame struct {
	W, H      float64
	Words     Words
	Cards     []Card    // the visible ones, oldest first
	Next      *Card     // the block that is filling; nil where there is none (another network)
	Lines     []float64 // x from, x to, x from, x to, ...: joins between cards
	LineY     float64
	ScrollMax float64 // the largest Scroll that shows something else
	More      int     // older blocks that the trace no longer holds
	Height    uint64  // number of blocks of the chain at the moment
	Key       uint64  // equal keys: the same picture
}

// Card is one block.
type Card struct {
	Rect     view.Rect
	Number   uint64
	Hash     string // its beginning, "" while unknown
	State    State
	Problem  bool
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
	Code string
	N    int
}

// Frame shows the strip at a moment. It is valid until the next call.
func (s *Strip) Frame(o Options) *Frame { return &Frame{W: o.W, H: o.H} }

// Hit gives what is at a point: a transaction, a block, or nothing.
func (f *Frame) Hit(p view.Point) view.Selection { return view.Selection{} }
