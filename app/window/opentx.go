package window

import (
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// conflict stands for the newest transaction that lost against another one, instead of
// the beginning of an id.
const conflict = "conflict"

// searchBatch is how many events are looked at in one go.
const searchBatch = 20_000

// showWanted shows the transaction that the window was opened for, as soon as the trace
// holds it; in a recording that lacks it the person is told.
func (s *Shell) showWanted() {
	if s.options.Tx == "" || s.session == nil || s.main == nil {
		return
	}
	_, read := s.session.Loading()
	if !read {
		return
	}
	events := wantedTx(s.session.Source(), s.options.Tx)
	if len(events) > 0 {
		s.main.showSimulation(events)
	} else if s.session.Running() {
		return
	} else {
		s.toast(words.L("This run has no transaction {{.Tx}}.", map[string]any{"Tx": s.options.Tx}))
	}
	s.options.Tx = ""
}

// wantedTx gives the events of the transaction whose id begins with a text, or of the
// newest one with a conflict of reads. Nothing when there is none.
func wantedTx(src view.Source, want string) []trace.Event {
	if src == nil {
		return nil
	}
	found, want := "", strings.ToLower(want)
	for cursor := uint64(0); ; {
		events, next, _ := src.Since(cursor, searchBatch)
		for i := range events {
			e := &events[i]
			switch {
			case want == conflict && e.Kind == trace.Verdict && e.Key == "MVCC_READ_CONFLICT":
				found = e.TxID
			case want != conflict && e.TxID != "" && strings.HasPrefix(e.TxID, want):
				return src.ByTx(e.TxID)
			}
		}
		if len(events) == 0 || next <= cursor {
			break
		}
		cursor = next
	}
	if found == "" {
		return nil
	}
	return src.ByTx(found)
}

// showSimulation selects a transaction and puts the playhead, paused, where most is going
// on in its simulations; the timeline shows all of them.
func (m *mainView) showSimulation(events []trace.Event) {
	n := m.n
	n.Select(view.Selection{What: view.SelectTx, TxID: events[0].TxID})
	first, last := simulated(events)
	at := n.Axis.Moment(events[len(events)/2].Seq)
	if last > first {
		at = n.Axis.Moment(busiest(n.Source(), first, last))
	}
	n.Playhead.Pace = view.Events
	n.Playhead.Seek(at)
	n.Playhead.Playing = false
	if last > first {
		from, to := n.Axis.Moment(first).Time, n.Axis.Moment(last).Time
		span := max(to-from, 1)
		m.window, m.follows, m.span = timeline.Window{From: from - span*3/10, To: to + span*9/10}, false, 0
	} else if w, ok := n.Timeline.OfTx(events[0].TxID); ok {
		m.window, m.follows, m.span = w, false, w.Span()
	}
	m.repaint()
}

// simulated gives the positions between which a transaction was simulated at any peer.
func simulated(events []trace.Event) (first, last uint64) {
	for i := range events {
		switch e := &events[i]; e.Kind {
		case trace.SimulateStart:
			if first == 0 {
				first = e.Seq
			}
		case trace.SimulateEnd:
			last = e.Seq
		}
	}
	return first, last
}

// busiest gives the position between two others at which most simulations run: the middle
// one, if there are several.
func busiest(src view.Source, first, last uint64) uint64 {
	events, _, _ := src.Since(first-1, int(min(last-first+1, searchBatch)))
	var best []uint64
	running, most := 0, 0
	for i := range events {
		switch events[i].Kind {
		case trace.SimulateStart:
			running++
		case trace.SimulateEnd:
			running--
		}
		switch {
		case running > most:
			most, best = running, []uint64{events[i].Seq}
		case running == most:
			best = append(best, events[i].Seq)
		}
	}
	if len(best) == 0 {
		return first
	}
	slices.Sort(best)
	return best[len(best)/2]
}
