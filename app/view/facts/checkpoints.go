package facts

import (
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

const (
	checkpointEvery = 2_000
	maxCheckpoints  = 400
	// pastSpan is how many events are read on both sides of an earlier moment whose messages
	// are no longer remembered.
	pastSpan = 20_000
)

// checkpoint keeps a copy of the newest state. When there are too many, those go that the
// source can no longer lead on from; if it can from all, every second one goes, and they
// are made half as often from then on.
func (w *World) checkpoint() {
	if len(w.saved) >= maxCheckpoints && !w.dropLost() {
		kept := w.saved[:0]
		for i := 0; i < len(w.saved); i += 2 {
			kept = append(kept, w.saved[i])
		}
		clear(w.saved[len(kept):])
		w.saved = kept
		w.every *= 2
	}
	w.saved = append(w.saved, w.head.clone())
}

// dropLost drops the checkpoints before the oldest event that the source still has, but for
// the last of them. It reports whether any went.
func (w *World) dropLost() bool {
	oldest := w.head.Seq
	if w.src != nil {
		events, _, _ := w.src.Since(w.saved[0].Seq, 1)
		if len(events) > 0 {
			oldest = events[0].Seq
		}
	}
	n := 0
	for n+1 < len(w.saved) && w.saved[n+1].Seq < oldest {
		n++
	}
	w.saved = append(w.saved[:0:0], w.saved[n:]...)
	return n > 0
}

// At gives the state after the last event at or before the moment.
func (w *World) At(at view.Moment) *State {
	if at.Seq >= w.head.Seq || w.src == nil {
		return w.head
	}
	if w.shown == nil || w.shown.Seq > at.Seq || at.Seq-w.shown.Seq > w.every {
		w.shown = w.before(at.Seq)
	}
	w.replay(w.shown, at.Seq)
	return w.shown
}

// before gives a copy of the newest checkpoint that is not later than seq.
func (w *World) before(seq uint64) *State {
	for i := len(w.saved) - 1; i >= 0; i-- {
		if w.saved[i].Seq <= seq {
			return w.saved[i].clone()
		}
	}
	return &State{}
}

// replay applies the events after s up to seq.
func (w *World) replay(s *State, seq uint64) {
	for s.Seq < seq {
		events := w.Read(s.Seq, int(seq-s.Seq))
		if len(events) == 0 || events[0].Seq > seq {
			return
		}
		for i := range events {
			if events[i].Seq > seq {
				return
			}
			e := w.Step(&events[i])
			w.apply(s, &e)
		}
	}
}

// Read gives events after a position, from those read last if they are among them.
func (w *World) Read(after uint64, most int) []trace.Event {
	if n := len(w.chunk); n > 0 && w.chunk[0].Seq <= after+1 && w.chunk[n-1].Seq > after {
		i := int(after + 1 - w.chunk[0].Seq)
		if i < n && w.chunk[i].Seq == after+1 {
			return w.chunk[i:]
		}
	}
	if w.src == nil {
		return nil
	}
	events, _, _ := w.src.Since(after, max(most, checkpointEvery))
	w.chunk = events
	return events
}
