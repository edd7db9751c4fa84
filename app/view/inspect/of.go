package inspect

import (
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Of tells what the trace knows about the selection at the moment. It is never nil;
// without a selection the document has no title.
func Of(in Input) *Document {
	x := in.Index
	if x == nil {
		x = Alone(in.Source)
	}
	x.catchUp(in.At.Seq)
	a := &about{Book: in.Book, in: in, x: x, seq: in.At.Seq, doc: &Document{Selection: in.Selection, Live: true, book: in.Book}}
	if in.Blocks != nil {
		a.foreign()
		return a.doc
	}
	switch s := in.Selection; s.What {
	case view.SelectTx:
		a.tx(s.TxID)
	case view.SelectBlock:
		a.block(s.Block)
	case view.SelectNode:
		a.node(s.Node)
	case view.SelectOrg:
		a.org(s.Node)
	case view.SelectLink:
		a.link(s.Node, s.Other)
	case view.SelectMessage:
		a.message(s.Seq)
	case view.SelectKey:
		a.key(s.Namespace, s.Key)
	case view.SelectLedger:
		a.ledger(s.Node)
	case view.SelectPeers:
		a.peers()
	case view.SelectSpan:
		a.span(s.Seq, s.Until)
	default:
		return a.doc
	}
	a.live()
	return a.doc
}

// about is one document in the making.
type about struct {
	*words.Book // the language

	in  Input
	x   *Index
	seq uint64 // position of the moment
	doc *Document
	now *facts.State // at the moment, once it is asked for

	signed []string // endorsers, where no trace tells of nodes
}

// add puts blocks into the document. Tables without rows say so, or are left out.
func (a *about) add(blocks ...Block) {
	for _, b := range blocks {
		if (b.Form == Table || b.Form == Fields) && len(b.Rows) == 0 && !b.Search {
			if b.Text == "" {
				continue
			}
			b = Block{Form: Text, Title: b.Title, Text: b.Text, Tone: Weak}
		} else if b.Form == Table || b.Form == Fields {
			b.Text = ""
		}
		a.doc.Blocks = append(a.doc.Blocks, b)
	}
}

// live adds what only a live network knows.
func (a *about) live() {
	b := Block{Form: Fields, Title: a.L("Now")}
	for _, f := range a.in.Live {
		b.row(f.Name, plain(f.Value))
	}
	a.add(b)
}

// orgName is what an organisation is called, by its MSP id.
func (a *about) orgName(mspID string) string {
	for _, o := range a.in.Orgs {
		if o.MSP == mspID && o.Name != "" {
			return o.Name
		}
	}
	return strings.TrimSuffix(mspID, "MSP")
}

// short is a node's name without what all nodes have in common.
func (a *about) short(node string) string {
	if a == nil || a.x == nil {
		return node
	}
	if len(a.x.world.Nodes) == 0 { // blocks of another network: who signed is all that is known
		return view.NamesOf(a.signed, nil).Short(node)
	}
	return a.x.world.Names().Short(node)
}

// brief is what an event tells in a list.
func (a *about) brief(e *trace.Event) string {
	t := words.Teller{Book: a.Book, Name: a.short}
	return t.Brief(e)
}

// node makes the document of a node, by what it is.
func (a *about) node(name string) {
	switch a.being(name) {
	case facts.Code:
		a.container(name)
	case facts.Orderer:
		a.orderer(name)
	case facts.Peer:
		a.peer(name)
	default:
		a.client(name)
	}
}

// being is what a node is: as the trace tells, or by the form of its name.
func (a *about) being(name string) facts.Being {
	if i, ok := a.x.world.ID(name); ok && a.x.world.Nodes[i].Being > facts.Client {
		return a.x.world.Nodes[i].Being
	}
	switch {
	case view.PeerOf(name) != "":
		return facts.Code
	case strings.HasPrefix(name, "peer"):
		return facts.Peer
	case strings.HasPrefix(name, "orderer"):
		return facts.Orderer
	}
	return facts.Client
}

// all lists the nodes of a kind, in the order in which they appeared.
func (a *about) all(being facts.Being) (names []string) {
	for i := range a.x.world.Nodes {
		if n := &a.x.world.Nodes[i]; n.Being == being {
			names = append(names, n.Name)
		}
	}
	return names
}

// at is a node as it was at the moment.
func (a *about) at(name string) facts.Node {
	if a.now == nil {
		a.now = a.x.world.At(view.Moment{Seq: a.seq})
	}
	if i, ok := a.x.world.ID(name); ok {
		return a.now.Node(i)
	}
	return facts.Node{}
}

// timeOf is when an event was recorded, as a time of day.
func (a *about) timeOf(seq uint64) Cell {
	e, _ := a.x.world.Event(seq)
	return mono(clock(e.Time))
}
