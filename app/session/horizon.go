package session

import (
	"github.com/fabriscope/fabriscope/app/view"
)

// hides tells whether something has happened that is not to be shown yet.
func (s *Session) hides() bool {
	if s.horizon == nil {
		return false
	}
	_, hidden := s.horizon.Ends()
	return hidden
}

// showUntil lets everything that is shown know the trace up to an event, and no further.
func (s *Session) showUntil(last uint64) {
	s.horizon.End(last)
	s.asked = asked{version: s.asked.version + 1} // it told of now
	if s.cursor > last {
		s.relearn()
	}
}

// showAll lets everything be shown again, from the next Tick on.
func (s *Session) showAll() {
	s.guide.hidden = false
	if s.hides() {
		s.horizon.Lift()
		s.document.forget()
	}
}

// relearn makes the panels forget what lies behind the horizon: they learn what is left from
// its beginning.
func (s *Session) relearn() {
	before := s.Panels
	s.Panels = newPanels(s.source, s.limit)
	s.Stage.Succeed(before.Stage)
	s.Chain.SetBook(before.Stage.Book())
	if s.topology != nil {
		s.describe()
	}
	s.Axis = view.NewAxis(s.limit)
	s.cursor, s.lost = 0, 0
	for s.addEvents(mostBudget) {
	}
	s.document.forget()
}

// conceal shows nothing of what happens from now on until the lesson looks at it.
func (s *Session) conceal() {
	s.guide.hidden = true
	s.showUntil(s.cursor)
}

// asking hears that a question is open, or no longer. While one is, facts behind the playhead
// are not shown anywhere: they may be the answer. A live playhead has nothing behind it.
func (s *Session) asking(open bool) {
	switch {
	case !open:
		s.showAll()
	case s.Playhead.Pace != view.Live:
		s.Playhead.Playing, s.guide.looking = false, ""
		s.showUntil(s.Playhead.At.Seq)
	}
}
