package facts

import (
	"sort"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Horizon is a trace that can end earlier than it does: what lies behind the horizon is not
// there for whoever reads it, neither as an event nor as a message. While a question is open
// everything that is shown is learned through it, so that nothing shows the answer.
type Horizon struct {
	src   view.Source
	ends  bool
	after uint64 // where it ends: the position of the last event that can be seen
}

// NewHorizon lets all of a trace be seen.
func NewHorizon(src view.Source) *Horizon { return &Horizon{src: src} }

// End hides all events but those up to a position.
func (h *Horizon) End(last uint64) { h.ends, h.after = true, last }

// Lift lets all events be seen again.
func (h *Horizon) Lift() { h.ends = false }

// Ends gives the position of the last event that can be seen; ok is false where all can.
func (h *Horizon) Ends() (last uint64, ok bool) { return h.after, h.ends }

// Since is view.Source's.
func (h *Horizon) Since(cursor uint64, most int) (events []trace.Event, next, lost uint64) {
	if h.ends && cursor >= h.after {
		return nil, cursor, 0
	}
	events, next, lost = h.src.Since(cursor, most)
	if h.ends {
		next = min(next, h.after)
	}
	return h.seen(events), next, lost
}

// ByTx is view.Source's.
func (h *Horizon) ByTx(txID string) []trace.Event { return h.seen(h.src.ByTx(txID)) }

// Payload is view.Source's.
func (h *Horizon) Payload(seq uint64) (name string, bytes []byte, ok bool) {
	if h.ends && seq > h.after {
		return "", nil, false
	}
	return h.src.Payload(seq)
}

func (h *Horizon) seen(events []trace.Event) []trace.Event {
	if !h.ends {
		return events
	}
	return events[:sort.Search(len(events), func(i int) bool { return events[i].Seq > h.after })]
}
