package session

import (
	"cmp"
	"slices"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Look is what a person looks at: the selection that all panels share, and what there is
// to say about it.
type Look struct {
	s         *Session
	selection view.Selection
	listeners []func(view.Selection)
	document  document
	asked     asked
}

// Selection is the one thing that all panels show as chosen.
func (l *Look) Selection() view.Selection { return l.selection }

// Select chooses one thing for all panels and tells the listeners.
func (l *Look) Select(sel view.Selection) {
	if sel == l.selection {
		return
	}
	l.selection = sel
	l.document.forget()
	for _, f := range l.listeners {
		f(sel)
	}
}

// OnSelect makes f hear of every change of the selection. Listeners stay until Close.
func (l *Look) OnSelect(f func(view.Selection)) { l.listeners = append(l.listeners, f) }

// StepSelection moves the playhead to the next (dir > 0) or previous event of what is
// selected and pauses there. It is false where there is none within reach.
func (l *Look) StepSelection(dir int) bool {
	seq, ok := l.nextOf(l.selection, l.s.Playhead.At.Seq, dir)
	if !ok {
		return false
	}
	l.s.Playhead.Seek(l.s.Axis.Moment(seq))
	l.s.Playhead.Playing = false
	return true
}

// nextOf finds the next event of a selection after (dir > 0) or before a position.
func (l *Look) nextOf(sel view.Selection, from uint64, dir int) (uint64, bool) {
	if l.s.source == nil || sel.What == view.Nothing {
		return 0, false
	}
	if tx := sel.Tx(); tx != "" {
		events := l.s.source.ByTx(tx)
		i, found := slices.BinarySearchFunc(events, from, func(e trace.Event, seq uint64) int { return cmp.Compare(e.Seq, seq) })
		switch {
		case dir > 0 && found:
			i++
		case dir < 0:
			i--
		}
		if i < 0 || i >= len(events) {
			return 0, false
		}
		return events[i].Seq, true
	}
	return l.scan(from, dir, func(e *trace.Event) bool { return sel.Concerns(e) })
}

// scan looks for an event forwards or backwards, within bounds.
func (l *Look) scan(from uint64, dir int, fits func(*trace.Event) bool) (uint64, bool) {
	first, last, ok := l.s.Axis.Bounds()
	if !ok {
		return 0, false
	}
	if dir > 0 {
		for cursor, looked := from, 0; cursor < last && looked < stepSearch; looked += stepBatch {
			events, next, _ := l.s.source.Since(cursor, stepBatch)
			if len(events) == 0 {
				return 0, false
			}
			for i := range events {
				if events[i].Seq > from && fits(&events[i]) {
					return events[i].Seq, true
				}
			}
			cursor = next
		}
		return 0, false
	}
	for end, looked := from, 0; end > first && looked < stepSearch; looked += stepBatch {
		begin := uint64(0)
		if end > stepBatch {
			begin = end - stepBatch
		}
		begin = max(begin, first-1)
		events, _, _ := l.s.source.Since(begin, int(end-begin))
		for i := len(events) - 1; i >= 0; i-- {
			if events[i].Seq < from && fits(&events[i]) {
				return events[i].Seq, true
			}
		}
		end = begin
	}
	return 0, false
}
