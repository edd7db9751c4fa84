package view

import (
	"sort"
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Axis maps positions of the trace to times and back. Times never run backwards on it:
// an event of another process that came late counts at the time of the one before it.
// It holds eight bytes an event and forgets the oldest beyond its bound.
type Axis struct {
	first uint64  // position of times[0]
	times []int64 // bit 0 set: a quiet event; a nanosecond does not matter
	limit int
}

// NewAxis makes an axis for at most limit events.
func NewAxis(limit int) *Axis { return &Axis{limit: limit, first: 1} }

// Add takes new events, in order. A gap (events that were lost) starts the axis anew.
func (a *Axis) Add(events []trace.Event) {
	for i := range events {
		e := &events[i]
		if e.Seq != a.first+uint64(len(a.times)) {
			a.first, a.times = e.Seq, a.times[:0]
		}
		t := e.Time &^ 1
		if n := len(a.times); n > 0 && t < a.times[n-1]&^1 {
			t = a.times[n-1] &^ 1
		}
		if Quiet(e.Kind) {
			t |= 1
		}
		a.times = append(a.times, t)
	}
	if over := len(a.times) - a.limit; over > a.limit/8 {
		a.times = append(a.times[:0], a.times[over:]...)
		a.first += uint64(over)
	}
}

// Bounds gives the first and last position; ok is false while there is none.
func (a *Axis) Bounds() (first, last uint64, ok bool) {
	return a.first, a.first + uint64(len(a.times)) - 1, len(a.times) > 0
}

// Start is the first moment, End the last one.
func (a *Axis) Start() Moment { return a.Moment(a.first) }

// End is the moment of the newest event.
func (a *Axis) End() Moment { return a.Moment(a.first + uint64(len(a.times)) - 1) }

// Moment is the moment at which the event at seq has just happened, within bounds.
func (a *Axis) Moment(seq uint64) Moment {
	if len(a.times) == 0 {
		return Moment{}
	}
	seq = min(max(seq, a.first), a.first+uint64(len(a.times))-1)
	return Moment{Seq: seq, Time: a.times[seq-a.first] &^ 1}
}

// At is the moment at time t: the last event at or before it. Before the first event it
// is the first.
func (a *Axis) At(t int64) Moment {
	if len(a.times) == 0 {
		return Moment{Time: t}
	}
	n := sort.Search(len(a.times), func(i int) bool { return a.times[i]&^1 > t })
	if n == 0 {
		return a.Start()
	}
	return Moment{Seq: a.first + uint64(n-1), Time: t}
}

// Next is the position of the n-th next event that is not quiet (n < 0: before), within
// bounds. Steps stop there.
func (a *Axis) Next(seq uint64, n int) uint64 {
	if len(a.times) == 0 {
		return seq
	}
	i := int(min(max(seq, a.first), a.first+uint64(len(a.times))-1) - a.first)
	at := i
	for n > 0 && i+1 < len(a.times) {
		if i++; a.times[i]&1 == 0 {
			n, at = n-1, i
		}
	}
	for n < 0 && i > 0 {
		if i--; a.times[i]&1 == 0 {
			n, at = n+1, i
		}
	}
	return a.first + uint64(at)
}

// Pace is how the playhead moves over the trace.
type Pace uint8

// The paces.
const (
	Live    Pace = iota // at the trace's end, as it happens
	Stretch             // one second of the screen shows Playhead.Scale of the trace
	Events              // every event takes Playhead.PerEvent, whatever time it took
)

// Playhead is the moment that all panels show. The network never waits for it.
type Playhead struct {
	Pace     Pace
	Playing  bool
	Scale    time.Duration // Stretch: how much of the trace one second shows
	PerEvent time.Duration // Events: how long each event is shown
	At       Moment
	Until    uint64        // a replay pauses at this event; 0: no replay
	event    uint64        // Events: the event that is shown
	into     time.Duration // Events: how far into it
}

// NewPlayhead follows a live network; one second shows 4 ms once it is stretched.
func NewPlayhead() *Playhead {
	return &Playhead{Pace: Live, Playing: true, Scale: 4 * time.Millisecond, PerEvent: 600 * time.Millisecond}
}

// Tick moves the playhead by dt of the screen's time and tells whether it moved. In
// Events pace the time between two events is crossed evenly, so messages travel.
func (p *Playhead) Tick(dt time.Duration, a *Axis) bool {
	before := p.At
	_, _, ok := a.Bounds()
	if !p.Playing || !ok {
		return false
	}
	switch p.Pace {
	case Live:
		p.follow(dt, a.End())
	case Stretch:
		if p.Until > 0 {
			p.replay(dt, a)
			break
		}
		t := p.At.Time + int64(float64(dt)*float64(p.Scale)/float64(time.Second))
		p.At = a.At(min(t, a.End().Time))
	case Events:
		p.events(dt, a)
	}
	if p.Until > 0 && p.At.Seq >= p.Until && p.Pace != Live {
		p.At = a.Moment(p.Until)
		p.Playing, p.Until = false, 0
	}
	return p.At != before
}

// longestRest is how long a replay shows at most that nothing happens: waiting for a batch
// takes many times as long as everything else.
const longestRest = 1200 * time.Millisecond

// Replay shows what lies between two events in slow motion and pauses at the second.
func (p *Playhead) Replay(a *Axis, from, until uint64, scale time.Duration) {
	p.Seek(a.Moment(from))
	p.Pace, p.Playing, p.Scale, p.Until = Stretch, true, scale, until
}

// replay moves by dt of the screen's time; where nothing happens for long it hurries.
func (p *Playhead) replay(dt time.Duration, a *Axis) {
	for left := float64(dt); left > 0 && p.At.Seq < p.Until; {
		next := a.Moment(min(a.Next(p.At.Seq, 1), p.Until))
		if next.Seq <= p.At.Seq {
			next = a.Moment(p.Until)
		}
		gap := next.Time - a.Moment(a.Next(p.At.Seq+1, -1)).Time
		rate := max(float64(p.Scale)/float64(time.Second), float64(gap)/float64(longestRest)) // of the trace's time to the screen's
		if needed := float64(next.Time-p.At.Time) / rate; needed <= left {
			p.At, left = next, left-needed
			continue
		}
		t := p.At.Time + int64(left*rate)
		p.At = Moment{Seq: min(max(a.At(t).Seq, p.At.Seq), next.Seq-1), Time: t}
		return
	}
}

// events moves from one event that is not quiet to the next, each in PerEvent. The time
// between passes evenly, with the quiet events in it; after the last one up to the end.
func (p *Playhead) events(dt time.Duration, a *Axis) {
	if p.PerEvent <= 0 {
		return
	}
	next := a.Next(p.event, 1)
	if p.At.Seq < p.event || p.At.Seq >= next && next > p.event {
		p.event, p.into = p.At.Seq, 0 // somebody else has moved it
		next = a.Next(p.event, 1)
	}
	for p.into += dt; p.into >= p.PerEvent && next > p.event; next = a.Next(p.event, 1) {
		p.into -= p.PerEvent
		p.event = next
	}
	here, there := a.Moment(p.event), a.Moment(next)
	if next == p.event {
		p.into = min(p.into, p.PerEvent)
		there = a.End()
	}
	t := here.Time + int64(float64(p.into)/float64(p.PerEvent)*float64(there.Time-here.Time))
	seq := max(a.At(t).Seq, p.event)
	if next > p.event {
		seq = min(seq, next-1)
	}
	p.At = Moment{Seq: seq, Time: max(t, here.Time)}
}

// The clock of a live view: how far it runs on when nothing is recorded, so that what is
// on its way arrives, and how far ahead of the newest event it may be when there is one.
const (
	runOn = time.Second
	ahead = 30 * time.Millisecond
)

// follow moves a live playhead: to the newest event, and on with the screen's clock.
func (p *Playhead) follow(dt time.Duration, end Moment) {
	t, most := p.At.Time+int64(dt), end.Time+int64(runOn)
	if end.Seq != p.At.Seq {
		most = end.Time + int64(ahead)
	}
	p.At = Moment{Seq: end.Seq, Time: max(end.Time, min(t, most))}
}

// Seek puts the playhead at a moment and pauses a live view.
func (p *Playhead) Seek(m Moment) {
	p.At, p.event, p.into, p.Until = m, m.Seq, 0, 0
	if p.Pace == Live {
		p.Pace, p.Playing = Stretch, false
	}
}

// Step moves by n events that are not quiet (n < 0: back) and pauses.
func (p *Playhead) Step(a *Axis, n int) {
	p.Seek(a.Moment(a.Next(p.At.Seq, n)))
	p.Playing = false
}

// GoLive follows the trace's end again.
func (p *Playhead) GoLive(a *Axis) {
	p.Pace, p.Playing, p.into, p.Until = Live, true, 0, 0
	p.At = a.End()
}
