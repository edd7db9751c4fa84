package inspect

import (
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
)

// Of tells what the trace knows about the selection at the moment. It is never nil;
// without a selection the document has no title.
func Of(in Input) *Document {
	x := in.Index
	if x == nil {
		x = NewIndex(in.Source)
	}
	x.catchUp(in.At.Seq)
	a := &about{in: in, x: x, seq: in.At.Seq, doc: &Document{Selection: in.Selection, Live: true}}
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
	default:
		return a.doc
	}
	a.live()
	return a.doc
}

// about is one document in the making.
type about struct {
	in  Input
	x   *Index
	seq uint64 // position of the moment
	doc *Document
}

func (a *about) add(b ...Block) { a.doc.Blocks = append(a.doc.Blocks, b...) }

// live adds what only a live network knows.
func (a *about) live() {
	if len(a.in.Live) == 0 {
		return
	}
	b := Block{Form: Fields, Title: "Now"}
	for _, f := range a.in.Live {
		b.Rows = append(b.Rows, field(f.Name, plain(f.Value)))
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

// node tells what kind of node a name is, by its form and by what it did.
func (a *about) node(name string) {
	switch a.roleOf(name) {
	case "container":
		a.container(name)
	case "orderer":
		a.orderer(name)
	case "peer":
		a.peer(name)
	default:
		a.client(name)
	}
}

// roleOf is "peer", "orderer", "container" or "client".
func (a *about) roleOf(name string) string {
	if view.PeerOf(name) != "" {
		return "container"
	}
	n := a.x.of(name)
	for i := range n.life {
		switch e := &n.life[i]; e.Kind {
		case "node.start":
			if strings.HasPrefix(e.Note, "orderer") {
				return "orderer"
			}
			if strings.HasPrefix(e.Note, "peer") {
				return "peer"
			}
		case "raft.role", "raft.leader":
			return "orderer"
		case "chaincode-install", "chaincode-definition":
			return "peer"
		}
	}
	for i := range n.blocks {
		switch n.blocks[i].Kind {
		case "block.cut", "block.written":
			return "orderer"
		case "validate.start", "committed", "block.pulled":
			return "peer"
		}
	}
	switch short := view.Short(name); {
	case strings.HasPrefix(short, "peer"):
		return "peer"
	case strings.HasPrefix(short, "orderer"):
		return "orderer"
	}
	return "client"
}

// nodes lists the nodes with a role, in the order in which they appeared.
func (a *about) nodes(role string) []string {
	var out []string
	for _, name := range a.x.names {
		if name != "" && a.roleOf(name) == role {
			out = append(out, name)
		}
	}
	return out
}
