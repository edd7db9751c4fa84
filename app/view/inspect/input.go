package inspect

import (
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
)

// Input is what a document is made from.
type Input struct {
	Source    view.Source
	Index     *Index // kept by whoever shows the source; nil: made for this one document, by reading the whole trace
	At        view.Moment
	Ahead     uint64 // a transaction's document tells what comes of it up to this position; 0: only what has happened at the moment
	Selection view.Selection
	Book      *words.Book // the language, nil for English
	Messages  int         // how many messages of a transaction are listed at most, if more than the usual 200
	Search    string      // what to look for in a ledger's state

	Orgs     []Org             // organisations of the channel, for names and policies; nil: as the trace tells
	Policies map[string]string // endorsement policy of a chaincode by its name, where the trace has no definition of it
	Blocks   []ForeignBlock    // instead of a trace: blocks of another network, in order
	Live     []Fact            // what only a live network knows about the selection: "transport" "Docker"
}

// Org is one organisation of the channel.
type Org struct {
	Name  string // "Org1"
	MSP   string // "Org1MSP"
	Nodes []string
}

// Fact is one more thing to say about a selection.
type Fact struct{ Name, Value string }

// ForeignBlock is a block of another network, judged again (see peer/validate.Inspect).
type ForeignBlock struct {
	Number  uint64
	Raw     []byte // encoded common.Block; may be nil
	Problem string // of the block as a whole
	Txs     []ForeignTx
}

// ForeignTx is one transaction of a ForeignBlock.
type ForeignTx struct {
	TxID     string
	Code     string // our verdict, "" if it cannot be found
	Recorded string // the verdict in the file, "" if there is none
	Reason   string
	By       string // the transaction that made the difference, "" if there is none
}
