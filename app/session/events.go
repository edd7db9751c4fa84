package session

import (
	"slices"
	"strings"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// Bounds of the list of events.
const (
	listBatch = 20_000  // events looked at by one Search
	mostFound = 100_000 // positions kept; of more the oldest go
)

// EventQuery is what is asked of the list of events. The zero value asks for everything
// that is not a part of the network's own pulse (heartbeats and the like).
type EventQuery struct {
	network.EventFilter
	Words string // in what the list says of an event, whatever the case
}

// EventRow is one event of the list.
type EventRow struct {
	view.Moment
	Kind        trace.Kind
	Node, Other string // short names; Other is "" for what happens at one node
	Text        string // what it tells beside that
	TxID        string
}

// Events is the trace as a list: what was asked for, found bit by bit, and the playhead's
// stop at the next of it.
type Events struct {
	s      *Session
	query  EventQuery
	found  []uint64 // positions, in order
	cursor uint64   // looked at up to here
	kinds  []trace.Kind
	until  *EventQuery // where the playhead stops
	stop   uint64      // looked at for that
}

// Ask changes what is searched for. What was found before is forgotten.
func (l *Events) Ask(q EventQuery) {
	if q != l.query {
		l.query, l.found, l.cursor = q, nil, 0
	}
}

// Search looks at the next events, as many as a moment allows. It gives how far it is, 0
// to 1, and changed, whether anything was found or left the memory.
func (l *Events) Search() (share float64, changed bool) {
	first, last, ok := l.s.Axis.Bounds()
	if !ok || l.s.source == nil {
		return 1, false
	}
	l.cursor = max(l.cursor, first-1)
	gone := 0
	for gone < len(l.found) && l.found[gone] < first {
		gone++
	}
	before := len(l.found)
	l.found = l.found[gone:]
	for looked := 0; looked < listBatch && l.cursor < last; looked += stepBatch {
		events, next, _ := l.s.source.Since(l.cursor, stepBatch)
		if len(events) == 0 {
			break
		}
		for i := range events {
			e := &events[i]
			if e.Seq > last {
				next = last
				break
			}
			l.know(e.Kind)
			if l.fits(l.query, e) {
				l.found = append(l.found, e.Seq)
			}
		}
		l.cursor = next
	}
	if over := len(l.found) - mostFound; over > 0 {
		l.found = slices.Clone(l.found[over:])
	}
	share = 1
	if last >= first {
		share = float64(l.cursor+1-first) / float64(last+1-first)
	}
	return share, gone > 0 || len(l.found)+gone != before
}

// know keeps which kinds there are, sorted.
func (l *Events) know(k trace.Kind) {
	if i, ok := slices.BinarySearch(l.kinds, k); !ok {
		l.kinds = slices.Insert(l.kinds, i, k)
	}
}

// Kinds are those that Search has met, sorted.
func (l *Events) Kinds() []trace.Kind { return l.kinds }

// fits tells whether an event is asked for.
func (l *Events) fits(q EventQuery, e *trace.Event) bool {
	if !q.Fits(e) || q.Kind == "" && view.Quiet(e.Kind) {
		return false
	}
	if q.Words == "" {
		return true
	}
	row := l.row(e)
	text := strings.ToLower(strings.Join([]string{string(row.Kind), row.Node, row.Other, row.Text, e.Key, e.TxID}, " "))
	return strings.Contains(text, strings.ToLower(q.Words))
}

func (l *Events) row(e *trace.Event) EventRow {
	tell := words.Teller{Book: words.Now(), Name: l.s.Short}
	r := EventRow{Moment: view.Moment{Seq: e.Seq, Time: e.Time}, Kind: e.Kind, Node: l.s.Short(e.Node), TxID: e.TxID, Text: tell.Brief(e)}
	if e.Other != "" {
		r.Other = l.s.Short(e.Other)
	}
	switch {
	case e.Kind == trace.Verdict && e.What != trace.Untold:
		r.Text = peerpb.TxValidationCode(e.A).String() // the sentence why is the inspector's
	case e.Kind == trace.Committed:
		r.Text = words.L("block {{.Block}}", map[string]any{"Block": e.Block})
	}
	return r
}

// Found is how many events fit.
func (l *Events) Found() int { return len(l.found) }

// Around gives what was found around a position of the trace, at most most of it, and how
// many of these have happened by then. Skip leaves out as many later ones (skip < 0:
// earlier ones) as a reader has paged past.
func (l *Events) Around(seq uint64, most, skip int) (rows []EventRow, past int) {
	here, _ := slices.BinarySearch(l.found, seq+1)
	begin := min(max(here-most*3/4+skip, 0), max(len(l.found)-most, 0))
	for _, at := range l.found[begin:min(begin+most, len(l.found))] {
		events, _, _ := l.s.source.Since(at-1, 1)
		if len(events) == 0 || events[0].Seq != at {
			continue // it has left the memory meanwhile
		}
		if at <= seq {
			past++
		}
		rows = append(rows, l.row(&events[0]))
	}
	return rows, past
}

// Next is the next event after the playhead that fits what is asked for, if the search has
// found one.
func (l *Events) Next() (EventRow, bool) {
	i, _ := slices.BinarySearch(l.found, l.s.Playhead.At.Seq+1)
	if i == len(l.found) {
		return EventRow{}, false
	}
	events, _, _ := l.s.source.Since(l.found[i]-1, 1)
	if len(events) == 0 || events[0].Seq != l.found[i] {
		return EventRow{}, false
	}
	return l.row(&events[0]), true
}

// Go puts the playhead at an event, pauses, and selects its transaction if it has one.
func (l *Events) Go(row EventRow) {
	l.s.Playhead.Seek(l.s.Axis.Moment(row.Seq))
	l.s.Playhead.Playing = false
	if row.TxID != "" {
		l.s.Select(view.Selection{What: view.SelectTx, TxID: row.TxID})
	}
}

// RunUntil lets the playhead run on to the next event that is asked for now, and stop there.
func (l *Events) RunUntil() {
	q := l.query
	l.until, l.stop = &q, l.s.Playhead.At.Seq
	l.s.Playhead.Playing = true
}

// Until is what the playhead runs to; nil if it does not.
func (l *Events) Until() *EventQuery { return l.until }

// RunOn lets the playhead run without stopping.
func (l *Events) RunOn() { l.until = nil }

// watch stops the playhead at what it runs to.
func (l *Events) watch() {
	p := l.s.Playhead
	if l.until == nil {
		return
	}
	if !p.Playing || p.At.Seq < l.stop {
		l.until = nil // somebody has stopped it, or gone back
		return
	}
	for l.stop < p.At.Seq {
		events, next, _ := l.s.source.Since(l.stop, stepBatch)
		if len(events) == 0 {
			return
		}
		for i := range events {
			if e := &events[i]; e.Seq <= p.At.Seq && l.fits(*l.until, e) {
				p.Seek(l.s.Axis.Moment(e.Seq))
				p.Playing, l.until = false, nil
				return
			}
		}
		l.stop = min(next, p.At.Seq)
	}
}
