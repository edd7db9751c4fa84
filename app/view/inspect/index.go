package inspect

import (
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Index keeps where things occur in a trace. Whoever shows a source makes one for it
// and calls Add with the same events that the other panels get; what was not added is
// read from the source when a document needs it. It also keeps the peers' ledgers as
// the trace tells them. It is used from one goroutine.
type Index struct {
	src    view.Source
	cursor uint64
}

// NewIndex makes an empty index of a source.
func NewIndex(src view.Source) *Index { return &Index{src: src} }

// Add takes new events, in order; those it has already are passed over.
func (x *Index) Add(events []trace.Event) {
	if n := len(events); n > 0 {
		x.cursor = events[n-1].Seq
	}
}
