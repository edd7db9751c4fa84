package session

import (
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Bounds of one frame.
const (
	leastBudget = 8 * time.Millisecond   // spent on events
	mostBudget  = 50 * time.Millisecond  // longer, and the window would answer late
	lateBudget  = 150 * time.Millisecond // that is better than losing history
	tickBatch   = 2_000
	stepBatch   = 4_096
	stepSearch  = 400_000 // events looked at for the next event of a selection
)

// Tick is called once a frame: it gives new events to the panels, moves the playhead by
// dt of the screen's time and tells the outcomes of actions. It says whether anything
// that is shown may have changed.
func (s *Session) Tick(dt time.Duration) (changed bool) {
	if s.closing != nil {
		return false
	}
	told := s.outcomes.drain() // before their events: whoever hears of an outcome finds it in the lists
	changed = s.addEvents(s.budget(dt)) || len(told) > 0
	if s.Playhead.Tick(dt, s.Axis) {
		changed = true
	}
	s.Events.watch()
	s.restPlayhead(dt)
	s.document.age += dt
	asked := s.asked.version
	s.askLive(dt)
	for _, t := range told {
		t.f()
	}
	s.Replays.follow(dt)
	return changed || s.asked.version != asked
}

// budget is how long a frame may spend on events: half of the time since the one before.
// At ten frames a second that is enough for five times the events of a thousand
// transactions a second (BenchmarkHeavyLoad). When half of what the memory holds is still
// to be taken, keeping it comes first.
func (s *Session) budget(dt time.Duration) time.Duration {
	if s.Behind() > uint64(s.limit)/2 {
		return lateBudget
	}
	return min(max(leastBudget, dt/2), mostBudget)
}

// addEvents takes what is new in the trace, for as long as the frame allows.
func (s *Session) addEvents(budget time.Duration) bool {
	switch {
	case s.run != nil:
		return s.addRecorded(budget)
	case s.recorder == nil:
		return false
	}
	taken := false
	for begin := time.Now(); time.Since(begin) < budget; taken = true {
		events, next, lost := s.horizon.Since(s.cursor, tickBatch)
		if len(events) == 0 {
			break
		}
		s.cursor, s.lost = next, s.lost+lost
		s.distribute(events)
	}
	return taken
}

// distribute gives events to everything that learns from them.
func (s *Session) distribute(events []trace.Event) {
	s.Axis.Add(events)
	s.Panels.learn(events)
	s.tellSteps()
}

// Lost tells how many events left the memory before this session could show them.
func (s *Session) Lost() uint64 { return s.lost }

// Behind tells how many events of the trace are not shown yet.
func (s *Session) Behind() uint64 {
	if s.recorder == nil {
		return 0
	}
	if last, hidden := s.horizon.Ends(); hidden {
		return last - s.cursor
	}
	return s.recorder.Last() - s.cursor
}
