package view_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

const begin = int64(1_795_000_000_000_000_000)

// Events makes events of kinds at milliseconds after the beginning, from position first.
func Events(first uint64, at ...int64) []trace.Event {
	events := make([]trace.Event, len(at))
	for i, ms := range at {
		events[i] = trace.Event{Seq: first + uint64(i), Time: begin + ms*1e6, Kind: trace.Proposal}
	}
	return events
}

// A trace with two heartbeats between two proposals, and one at the end.
func quietTrace() *view.Axis {
	events := Events(1, 0, 10, 20, 30, 40)
	for _, i := range []int{1, 2, 4} {
		events[i].Kind = trace.RaftHeartbeat
	}
	a := view.NewAxis(1000)
	a.Add(events)
	return a
}

func ms(m view.Moment) int64 { return (m.Time - begin) / 1e6 }

func TestAxisFindsMoments(t *testing.T) {
	a := view.NewAxis(1000)
	if _, _, ok := a.Bounds(); ok || a.Start() != (view.Moment{}) || a.At(5) != (view.Moment{Time: 5}) {
		t.Error("an empty axis has bounds")
	}
	a.Add(Events(1, 0, 10, 20))
	if first, last, ok := a.Bounds(); first != 1 || last != 3 || !ok {
		t.Errorf("bounds %d to %d", first, last)
	}
	for _, c := range []struct{ ms, seq, back int64 }{{-5, 1, 0}, {0, 1, 0}, {9, 1, 9}, {10, 2, 10}, {20, 3, 20}, {99, 3, 99}} {
		if m := a.At(begin + c.ms*1e6); int64(m.Seq) != c.seq || ms(m) != c.back {
			t.Errorf("at %d ms: event %d, %d ms", c.ms, m.Seq, ms(m))
		}
	}
	if m := a.Moment(99); m.Seq != 3 {
		t.Errorf("a moment beyond the end is event %d", m.Seq)
	}
}

// An event of another process may come late: times on the axis never run backwards.
func TestAxisNeverRunsBackwards(t *testing.T) {
	a := view.NewAxis(1000)
	a.Add(Events(1, 0, 30, 10, 40))
	if got := ms(a.Moment(3)); got != 30 {
		t.Errorf("the late event stands at %d ms, not at 30", got)
	}
}

// What comes after a gap begins the axis anew.
func TestAxisAfterAGap(t *testing.T) {
	a := view.NewAxis(1000)
	a.Add(Events(1, 0, 10))
	a.Add(Events(100, 500, 510))
	if first, last, _ := a.Bounds(); first != 100 || last != 101 {
		t.Errorf("bounds %d to %d", first, last)
	}
}

// The axis forgets the oldest events, and gives positions as before.
func TestAxisIsBounded(t *testing.T) {
	a := view.NewAxis(80)
	for seq := uint64(1); seq <= 1000; seq++ {
		a.Add(Events(seq, int64(seq)))
	}
	first, last, _ := a.Bounds()
	if kept := last - first + 1; last != 1000 || kept < 80 || kept > 90 {
		t.Errorf("%d to %d are kept", first, last)
	}
	if got := ms(a.Moment(995)); got != 995 {
		t.Errorf("event 995 stands at %d ms", got)
	}
}

// At and Moment are inverse: the moment of a time is the last event at or before it.
func TestAxisProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.SliceOfN(rapid.Int64Range(0, 50), 1, 40).Draw(t, "at")
		a := view.NewAxis(1000)
		a.Add(Events(1, at...))
		when := begin + rapid.Int64Range(-10, 60).Draw(t, "when")*1e6
		m := a.At(when)
		if m.Seq > 1 && a.Moment(m.Seq).Time > when {
			t.Fatalf("event %d is later than its moment", m.Seq)
		}
		if _, last, _ := a.Bounds(); m.Seq < last && a.Moment(m.Seq+1).Time <= when {
			t.Fatalf("event %d has happened too", m.Seq+1)
		}
		n := rapid.IntRange(-50, 50).Draw(t, "steps")
		if next := a.Next(m.Seq, n); next < 1 || next > uint64(len(at)) {
			t.Fatalf("step to %d", next)
		}
	})
}

// Steps stop at events that are not quiet, and stay at the ends.
func TestStepsPassQuietEvents(t *testing.T) {
	a := quietTrace()
	p := view.NewPlayhead()
	p.Seek(a.Start())
	for _, want := range []uint64{4, 4} {
		if p.Step(a, 1); p.At.Seq != want {
			t.Errorf("a step leads to %d, not to %d", p.At.Seq, want)
		}
	}
	if p.Step(a, -1); p.At.Seq != 1 {
		t.Errorf("a step back leads to %d", p.At.Seq)
	}
	if p.Step(a, -7); p.At.Seq != 1 || p.Playing {
		t.Errorf("the first event is %d; playing: %v", p.At.Seq, p.Playing)
	}
}

// In Events pace each event takes the same time; what is between passes evenly, quiet
// events too.
func TestEventsPace(t *testing.T) {
	a := quietTrace()
	p := &view.Playhead{Pace: view.Events, Playing: true, PerEvent: 300 * time.Millisecond}
	p.Seek(a.Start())
	p.Playing = true
	for _, c := range []struct {
		seq uint64
		ms  int64
	}{{2, 10}, {3, 20}, {4, 30}, {4, 33}, {4, 36}, {5, 40}} {
		p.Tick(100*time.Millisecond, a)
		if p.At.Seq != c.seq || ms(p.At) != c.ms {
			t.Errorf("event %d at %d ms, want %d at %d", p.At.Seq, ms(p.At), c.seq, c.ms)
		}
	}
	if p.Tick(time.Second, a) {
		t.Errorf("at the end it does not stand still, at %d", p.At.Seq)
	}
	a.Add(Events(6, 50))
	if p.Tick(time.Millisecond, a); p.At.Seq != 6 {
		t.Errorf("a new event is not shown at once: %d", p.At.Seq)
	}
}

// A playhead that somebody puts elsewhere goes on from there.
func TestEventsPaceGoesOnFromASeek(t *testing.T) {
	a := quietTrace()
	p := &view.Playhead{Pace: view.Events, PerEvent: 300 * time.Millisecond}
	p.Seek(a.Moment(4))
	p.Seek(a.Moment(2))
	p.Playing = true
	if p.Tick(150*time.Millisecond, a); p.At.Seq != 3 || ms(p.At) != 20 {
		t.Errorf("event %d at %d ms", p.At.Seq, ms(p.At))
	}
}

func TestStretch(t *testing.T) {
	a := view.NewAxis(1000)
	a.Add(Events(1, 0, 10, 20))
	p := &view.Playhead{Pace: view.Stretch, Playing: true, Scale: 10 * time.Millisecond, At: a.Start()}
	p.Tick(500*time.Millisecond, a)
	if p.At.Seq != 1 || ms(p.At) != 5 {
		t.Errorf("half a second of 10 ms shows %d ms, event %d", ms(p.At), p.At.Seq)
	}
	p.Tick(500*time.Millisecond, a)
	if p.At.Seq != 2 {
		t.Errorf("event %d at %d ms", p.At.Seq, ms(p.At))
	}
	for range 5 {
		p.Tick(time.Second, a)
	}
	if p.At != a.End() || p.Tick(time.Second, a) {
		t.Error("it runs beyond the end")
	}
	p.At = a.Start()
	p.Playing = false
	if p.Tick(time.Second, a) {
		t.Error("it moves while paused")
	}
}

// A replay shows what happens at its scale, hurries where nothing does, and pauses at its end,
// whatever pace it has got meanwhile.
func TestReplay(t *testing.T) {
	events := Events(1, 0, 10, 12, 1000, 2000, 2002, 2010)
	events[3].Kind = trace.RaftHeartbeat
	a := view.NewAxis(1000)
	a.Add(events)
	p := view.NewPlayhead()
	p.Replay(a, 2, 6, 2*time.Millisecond)
	took, seen := time.Duration(0), map[uint64]bool{}
	for p.Playing && took < time.Minute {
		p.Tick(10*time.Millisecond, a)
		took += 10 * time.Millisecond
		seen[p.At.Seq] = true
	}
	// Two milliseconds take a second, twice; nearly two seconds without news take 1.2.
	if took < 3190*time.Millisecond || took > 3230*time.Millisecond {
		t.Errorf("it takes %v", took)
	}
	if p.At != a.Moment(6) || p.Until != 0 {
		t.Errorf("it ends at %+v, until %d", p.At, p.Until)
	}
	for seq := uint64(2); seq <= 6; seq++ {
		if !seen[seq] {
			t.Errorf("event %d is not shown", seq)
		}
	}
	p.Replay(a, 2, 6, 2*time.Millisecond)
	p.Pace = view.Events
	for range 1000 {
		p.Tick(10*time.Millisecond, a)
	}
	if p.At != a.Moment(6) || p.Playing {
		t.Errorf("event by event it goes on to %+v", p.At)
	}
	for name, leave := range map[string]func(){"seek": func() { p.Seek(a.Start()) }, "live": func() { p.GoLive(a) }, "step": func() { p.Step(a, 1) }} {
		p.Replay(a, 2, 6, time.Millisecond)
		if leave(); p.Until != 0 {
			t.Errorf("%s does not leave a replay", name)
		}
	}
}

// A live playhead stands at the newest event; its clock runs on for a second, so that
// messages arrive, and then stands still.
func TestLive(t *testing.T) {
	a := view.NewAxis(1000)
	p := view.NewPlayhead()
	if p.Tick(time.Millisecond, a) {
		t.Error("it moves on an empty trace")
	}
	a.Add(Events(1, 0, 10))
	p.Tick(16*time.Millisecond, a)
	if p.At.Seq != 2 || ms(p.At) != 10 {
		t.Errorf("event %d at %d ms", p.At.Seq, ms(p.At))
	}
	p.Tick(16*time.Millisecond, a)
	if p.At.Seq != 2 || ms(p.At) != 26 {
		t.Errorf("the clock runs on: event %d at %d ms", p.At.Seq, ms(p.At))
	}
	a.Add(Events(3, 12))
	p.Tick(16*time.Millisecond, a)
	if p.At.Seq != 3 || ms(p.At) != 42 {
		t.Errorf("event %d at %d ms", p.At.Seq, ms(p.At))
	}
	a.Add(Events(4, 14))
	p.Tick(100*time.Millisecond, a)
	if p.At.Seq != 4 || ms(p.At) != 44 {
		t.Errorf("the clock keeps near the newest event: %d ms", ms(p.At))
	}
	for range 100 {
		p.Tick(100*time.Millisecond, a)
	}
	if ms(p.At) != 1014 || p.Tick(time.Second, a) {
		t.Errorf("it does not rest: %d ms", ms(p.At))
	}
}

func TestSeekPausesALiveView(t *testing.T) {
	a := view.NewAxis(1000)
	a.Add(Events(1, 0, 10, 20))
	p := view.NewPlayhead()
	p.Tick(0, a)
	p.Seek(a.At(begin + 12e6))
	if p.Pace == view.Live || p.Playing || p.At.Seq != 2 || ms(p.At) != 12 {
		t.Errorf("%+v", p)
	}
	p.GoLive(a)
	if p.Pace != view.Live || !p.Playing || p.At != a.End() {
		t.Errorf("%+v", p)
	}
}
