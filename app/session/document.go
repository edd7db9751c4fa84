package session

import (
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
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
}

// documentAge is how long a document is shown while only the moment moves.
const documentAge = 250 * time.Millisecond

func (d *document) forget() { d.doc = nil }

// Search sets what the inspector looks for in a ledger's state.
func (s *Session) Search(text string) {
	if text = strings.TrimSpace(text); text != s.document.search {
		s.document.search = text
		s.document.forget()
		s.asked.stale = true
	}
}

// Document is what there is to say about the selection at the playhead, nil while nothing
// is selected. It is made anew at most four times a second while the playhead moves, and
// at once when the selection or the search changes, and again while there was too much to
// read at once; the same pointer means the same
// content.
func (s *Session) Document() *inspect.Document {
	d := &s.document
	if s.selection.What == view.Nothing {
		return nil
	}
	key := documentKey{selection: s.selection, search: d.search, seq: s.Playhead.At.Seq, live: s.asked.version}
	if d.doc != nil && (key == d.key && !d.doc.Partial || d.age < documentAge) {
		return d.doc
	}
	d.key, d.age = key, 0
	d.made++
	d.doc = inspect.Of(s.input())
	d.doc.Blocks = append(d.doc.Blocks, s.asked.blocks(s)...)
	return d.doc
}

// input gathers what a document is made from.
func (s *Session) input() inspect.Input {
	in := inspect.Input{Source: s.source, Index: s.Index, At: s.Playhead.At, Selection: s.selection, Search: s.document.search}
	if s.Kind == Recorded { // how it ends is no secret: whoever made the run has seen it
		in.Ahead = s.Axis.End().Seq
	}
	if s.blocks != nil {
		in.Blocks = s.blocks.blocks
	}
	if s.asked.sel == s.selection {
		in.Live = s.asked.facts
	}
	if t := s.topology; t != nil {
		in.Policies = map[string]string{}
		for _, c := range t.Chaincodes {
			if c.Policy != "" {
				in.Policies[c.Name] = c.Policy
			}
		}
		for i := range t.Organizations {
			o := &t.Organizations[i]
			org := inspect.Org{Name: o.Name, MSP: o.MSPID}
			for p := range *o.Peers {
				org.Nodes = append(org.Nodes, o.PeerName(p))
			}
			in.Orgs = append(in.Orgs, org)
		}
		ordering := inspect.Org{Name: t.Orderers.Organization, MSP: t.Orderers.Organization + "MSP"}
		for i := range t.Orderers.Nodes {
			ordering.Nodes = append(ordering.Nodes, t.Orderers.NodeName(i))
		}
		in.Orgs = append(in.Orgs, ordering)
	}
	return in
}
