package inspect

import (
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
)

// Document is what there is to say about a selection.
type Document struct {
	Selection view.Selection
	Title     string // "Transaction 51c0"
	Subtitle  string // `TransferAsset("asset1", "carol") by bob @ Org2`
	Tx        *Call  // of a transaction: what programs ask for
	Live      bool   // it can still change when the trace goes on
	Partial   bool   // there was too much to read at once: made again for the same moment, it tells more
	Blocks    []Block

	book *words.Book // its language
}

// Call is a transaction's document for programs: who called what, and what came of it.
type Call struct {
	TxID      string   `json:"txid"`
	Channel   string   `json:"channel,omitempty"`
	Chaincode string   `json:"chaincode,omitempty"`
	Function  string   `json:"function,omitempty"`
	Args      []string `json:"args,omitempty"`
	Creator   string   `json:"creator,omitempty"` // name (MSP id)
	Code      string   `json:"code,omitempty"`    // "" before there is a verdict
	Reason    string   `json:"reason,omitempty"`
	Block     uint64   `json:"block,omitempty"`
	Judge     string   `json:"judge,omitempty"` // the peer that judged it first
}

// Tone says how something is meant; it is never the only sign of it.
type Tone uint8

// The tones.
const (
	Neutral Tone = iota
	Good         // valid, equal, satisfied
	Bad          // invalid, differs, failed
	Warn         // worth a look
	Weak         // less important than the rest
)

// Cell is a piece of text with its look. With a Link it can be followed.
type Cell struct {
	Text string
	Mono bool // an id, version, key or value
	Tone Tone
	Link view.Selection // Nothing: no link
}

// Form is the kind of a Block; it says which of its fields are used.
type Form uint8

// The forms. All may have a Title, with Aside at the right end of its line.
const (
	Heading  Form = iota // Title alone, of a part of the document
	Text                 // Text in Tone
	Card                 // a framed box: Title, Text, Links below
	Journey              // Stations, from first to last, joined by a line
	Table                // Header and Rows; Search tells that Input.Search filters it
	Fields               // Rows of two cells: name and value
	Pair                 // Sides next to each other, line by line
	Diff                 // Lines
	Tree                 // Nodes
	Messages             // List
)

var formNames = [...]string{"heading", "text", "card", "journey", "table", "fields", "pair", "diff", "tree", "messages"}

// String is the form's name in JSON.
func (f Form) String() string {
	if int(f) < len(formNames) {
		return formNames[f]
	}
	return ""
}

// Block is one part of a document. Form tells which fields count.
type Block struct {
	Form     Form
	Title    string
	Aside    Cell
	Text     string // of Table and Fields: what is said instead if there are no rows
	Tone     Tone
	Links    []Cell // Card and Text: what the text speaks of
	Stations []Station
	Header   []string
	Rows     [][]Cell // each as long as Header; in Fields of two cells
	Sides    []Side
	Lines    []Line
	Nodes    []*Node
	List     []Message
	Search   bool // Table: a search field belongs above it, for Input.Search
	More     int  // how many further rows, lines or messages there are
}

// Mark is how far a station or a part of a policy is.
type Mark uint8

// The marks.
const (
	NoMark  Mark = iota
	Done         // a tick
	Failed       // a cross
	Waiting      // not yet: an empty circle
)

// Station is one stop of a transaction's journey.
type Station struct {
	Name   string         `json:"name"`             // "Simulated"
	At     string         `json:"at,omitempty"`     // "+0.41 ms" since the first message, "" while it is to come
	Detail string         `json:"detail,omitempty"` // "2 endorsers, in parallel, 3.1 ms"
	Mark   Mark           `json:"state"`
	Link   view.Selection `json:"-"`
}

// Side is one endorser's read-write set in a Pair. Line i of all sides is about the
// same entry, so they can be set side by side.
type Side struct {
	Name  string // the endorser
	Link  view.Selection
	Lines []Line
}

// Change marks a line of a Diff or of a Side.
type Change uint8

// The changes.
const (
	Same    Change = iota
	Added          // written with + in a Diff
	Removed        // written with - in a Diff
	Differs        // in a Pair: not what the other side has
	Missing        // in a Pair: the other side has it, this one has not
	Label          // the name of what follows, such as a key
)

// Line is one line of a Diff or of a Side, in the fixed-width face.
type Line struct {
	Text   string
	Change Change
	Link   view.Selection
}

// Node is one line of a tree with those below it: a part of a policy, or a field of a
// decoded message.
type Node struct {
	Name     string         `json:"name"`            // "AND", "creator"
	Value    string         `json:"value,omitempty"` // "asset1"; "" for a node that only groups others
	Note     string         `json:"note,omitempty"`  // "signature holds", "(1234 bytes)"
	Mark     Mark           `json:"state,omitempty"`
	Mono     bool           `json:"-"` // Value is an id, version, key or bytes
	Open     bool           `json:"-"` // to be shown unfolded at first
	Link     view.Selection `json:"-"`
	Children []*Node        `json:"children,omitempty"`
	More     int            `json:"more,omitempty"` // children that were left out
}

// Message is one line of a list of messages.
type Message struct {
	At    string         `json:"at"`           // "+0.41 ms" since the first one
	From  string         `json:"from"`         // short name
	To    string         `json:"to,omitempty"` // short name, "" for an event that is no message
	What  string         `json:"what"`         // "TRANSACTION", "GET_STATE asset1"
	Class view.Class     `json:"-"`
	Tone  Tone           `json:"-"` // Bad for one that was lost
	Reply bool           `json:"-"` // it answers another message
	Link  view.Selection `json:"-"` // the message itself
}

// Block makers keep the documents' code short.

func text(tone Tone, s string) Block { return Block{Form: Text, Tone: tone, Text: s} }

func plain(s string) Cell { return Cell{Text: s} }

func mono(s string) Cell { return Cell{Text: s, Mono: true} }

func (c Cell) tone(t Tone) Cell { c.Tone = t; return c }

func (c Cell) to(s view.Selection) Cell { c.Link = s; return c }

func weak(s string) Cell { return Cell{Text: s, Tone: Weak} }

// row adds a name and its value to Fields, unless there is no value.
func (b *Block) row(name string, value Cell) {
	if value.Text != "" {
		b.Rows = append(b.Rows, []Cell{weak(name), value})
	}
}
