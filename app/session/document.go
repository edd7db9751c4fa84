package session

import (
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network"
)

// document is the inspector's document with what it was made from.
type document struct {
	doc    *inspect.Document
	key    documentKey
	search string
	age    time.Duration // of doc, in the screen's time
	made   int           // how often one was made
}

// documentKey is what a document depends on.
type documentKey struct {
	selection view.Selection
	search    string
	seq       uint64 // of the playhead
	live      int    // version of what the network was asked
	book      *words.Book
}

// documentAge is how long a document is shown while only the moment moves.
const documentAge = 250 * time.Millisecond

func (d *document) forget() { d.doc = nil }

// Search sets what the inspector looks for in a ledger's state.
func (l *Look) Search(text string) {
	if text = strings.TrimSpace(text); text != l.document.search {
		l.document.search = text
		l.document.forget()
		l.asked.stale = true
	}
}

// Document is what there is to say about the selection at the playhead, nil while nothing
// is selected. It is made anew at most four times a second while the playhead moves, and
// at once when the selection or the search changes, and again while there was too much to
// read at once; the same pointer means the same
// content.
func (l *Look) Document() *inspect.Document {
	d := &l.document
	if l.selection.What == view.Nothing {
		return nil
	}
	key := documentKey{selection: l.selection, search: d.search, seq: l.s.Playhead.At.Seq, live: l.asked.version, book: words.Now()}
	if d.doc != nil && key.book == d.key.book && (key == d.key && !d.doc.Partial || d.age < documentAge) {
		return d.doc
	}
	d.key, d.age = key, 0
	d.made++
	d.doc = inspect.Of(l.input())
	if l.asked.sel == l.selection {
		d.doc.Blocks = append(d.doc.Blocks, l.asked.answer.blocks...)
	}
	return d.doc
}

// input gathers what a document is made from.
func (l *Look) input() inspect.Input {
	in := inspect.Input{Book: l.document.key.book, Source: l.s.source, Index: l.s.Index, At: l.s.Playhead.At, Selection: l.selection, Search: l.document.search}
	if l.s.Kind == Recorded { // how it ends is no secret: whoever made the run has seen it
		in.Ahead = l.s.Axis.End().Seq
	}
	if l.s.blocks != nil {
		in.Blocks = l.s.blocks.blocks
	}
	if l.asked.sel == l.selection {
		in.Live = l.asked.answer.facts
	}
	if t := l.s.topology; t != nil {
		in.Policies, in.Orgs = policiesOf(t), orgsOf(t)
	}
	return in
}

// policiesOf are the endorsement policies that a topology gives its chaincodes, by name.
func policiesOf(t *network.Topology) map[string]string {
	policies := map[string]string{}
	for _, c := range t.Chaincodes {
		if c.Policy != "" {
			policies[c.Name] = c.Policy
		}
	}
	return policies
}

// orgsOf are a topology's organisations with their nodes, the ordering service's last.
func orgsOf(t *network.Topology) []inspect.Org {
	var all []inspect.Org
	for i := range t.Organizations {
		o := &t.Organizations[i]
		org := inspect.Org{Name: o.Name, MSP: o.MSPID}
		for p := range *o.Peers {
			org.Nodes = append(org.Nodes, o.PeerName(p))
		}
		all = append(all, org)
	}
	ordering := inspect.Org{Name: t.Orderers.Organization, MSP: t.Orderers.Organization + "MSP"}
	for i := range t.Orderers.Nodes {
		ordering.Nodes = append(ordering.Nodes, t.Orderers.NodeName(i))
	}
	return append(all, ordering)
}
