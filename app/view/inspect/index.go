package inspect

import (
	"slices"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Index is what documents of one trace are made with: a world, which knows what happened and
// where it stands in the trace, and the channel's state that its blocks make. Whoever shows a source keeps one. It is used from one goroutine.
type Index struct {
	world    *facts.World
	alone    bool // nobody else gives the world its events
	gaps     int  // of the world, when the rest was begun
	briefs   map[string]callBrief
	briefsIn *words.Book // their language
	state    stateLog
	signers  *signers
}

// callBrief is a transaction's call, for lists.
type callBrief struct{ call, creator, mspID string }

// maxBriefs bounds of how many transactions the call is remembered.
const maxBriefs = 4096

// New makes the index of what a world knows.
func New(w *facts.World) *Index { return &Index{world: w, gaps: w.Gaps(), signers: newSigners()} }

// Alone makes the index of a trace with a world of its own, which Add gives the events to;
// what was not added is read from the source when a document needs it.
func Alone(src view.Source) *Index {
	x := New(facts.New(src, 0))
	x.alone = true
	return x
}

// Add takes new events, in order, into the index's own world.
func (x *Index) Add(events []trace.Event) { x.world.Add(events, nil) }

// catchUp reads what was not added, up to a position, and forgets what was decoded before a
// gap in the trace.
func (x *Index) catchUp(seq uint64) {
	for src := x.world.Source(); x.alone && src != nil && x.world.Now().Seq < seq; {
		events, _, _ := src.Since(x.world.Now().Seq, 4096)
		if len(events) == 0 {
			break
		}
		x.Add(events)
	}
	if x.gaps != x.world.Gaps() {
		*x = Index{world: x.world, alone: x.alone, gaps: x.world.Gaps()}
	}
}

// End is the position of the newest event, after reading what the source has beyond those
// that were added.
func (x *Index) End() uint64 {
	x.catchUp(^uint64(0))
	return x.world.Now().Seq
}

// refused tells whether an endorser refused a transaction.
func (x *Index) refused(id string, upTo uint64) bool {
	for _, e := range x.world.EventsOf(id, upTo) {
		if e.Kind == trace.Refused {
			return true
		}
	}
	return false
}

// nearChunk is how many events are read at once: few enough that their memory is small and used again.
const nearChunk = 128

// between reads the events after a position up to another one.
func (x *Index) between(after, last uint64, see func(*trace.Event)) {
	for src := x.world.Source(); src != nil && after < last; {
		events, next, _ := src.Since(after, nearChunk)
		if len(events) == 0 {
			return
		}
		for i := range events {
			if events[i].Seq <= last {
				see(&events[i])
			}
		}
		after = next
	}
}

// newest gives the events of a history that did one of these, or all, newest first, until see
// wants no more of them.
func (x *Index) newest(list []facts.Past, see func(*trace.Event) bool, ops ...facts.Op) {
	for i := len(list) - 1; i >= 0; i-- {
		if len(ops) > 0 && !slices.Contains(ops, list[i].Op) {
			continue
		}
		if e, ok := x.world.Event(list[i].Seq); ok && !see(&e) {
			return
		}
	}
}

// last is the newest event of a history that did one of these.
func (x *Index) last(list []facts.Past, ops ...facts.Op) (found trace.Event, ok bool) {
	x.newest(list, func(e *trace.Event) bool { found, ok = *e, true; return false }, ops...)
	return found, ok
}
