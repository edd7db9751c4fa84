package session

import (
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
)

// document is the inspector's document with what it was made from.
type document struct {
	doc     *inspect.Document
	key     documentKey
	search  string
	age     time.Duration // of doc, in the screen's time
	made    int           // how often one was made, for tests
	live    []inspect.Fact
	liveFor view.Selection
}

// documentKey is what a document depends on.
type documentKey struct {
	selection view.Selection
	search    string
	seq       uint64 // of the playhead
	held      int
}

func (d *document) forget() { d.doc = nil }

// Search sets what the inspector looks for in a ledger's state.
func (s *Session) Search(text string) {
	if text = strings.TrimSpace(text); text != s.document.search {
		s.document.search = text
		s.document.forget()
	}
}

// Document is what there is to say about the selection at the playhead, nil while nothing
// is selected. It is made anew at most four times a second while the playhead moves, and
// at once when the selection or the search changes; the same pointer means the same
// content.
func (s *Session) Document() *inspect.Document {
	d := &s.document
	if s.selection.What == view.Nothing {
		return nil
	}
	key := documentKey{selection: s.selection, search: d.search, seq: s.Playhead.At.Seq, held: s.held.version}
	if d.doc != nil && (key == d.key || key.selection == d.key.selection && key.search == d.key.search && d.age < documentAge) {
		return d.doc
	}
	d.key, d.age = key, 0
	d.made++
	d.doc = inspect.Of(s.input())
	return d.doc
}

// input gathers what a document is made from.
func (s *Session) input() inspect.Input {
	in := inspect.Input{Source: s.source, At: s.Playhead.At, Selection: s.selection, Search: s.document.search}
	return in
}

func splitDots(name string) []string { return strings.Split(name, ".") }

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }
