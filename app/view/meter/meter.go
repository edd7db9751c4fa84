// Package meter counts: the numbers of the top bar and the series behind the charts. How far
// transactions are on their way says view/facts. Every number can be read for any moment, so
// that going back shows what was known then.
//
// Read next: series.go (what the charts show).
package meter

import (
	"sort"
	"strconv"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Bounds of what is remembered.
const (
	maxPoints  = 131_072 // exact counts; before them there is one per second
	maxSeconds = 1_800   // of the series: half an hour
)

// second is one bucket of the series in nanoseconds.
const second = int64(1_000_000_000)

// Reading is what the top bar shows at one moment.
type Reading struct {
	Height        uint64  // the channel's height: the highest committed block's number plus one
	TxPerSecond   float64 // verdicts a second over the last Sliding
	Pending       int     // sent for ordering, no verdict yet
	Judged        int     // transactions with a verdict
	Valid         int
	Conflicts     int     // of them read conflicts and phantoms
	ConflictShare float64 // Conflicts of Judged, 0 to 1
}

// Sliding is over which time TxPerSecond is taken, in nanoseconds.
const Sliding = 5 * second

// Gauge is a reading's number with its name and scope, as every panel writes it.
type Gauge struct {
	Value string `json:"value"`
	Name  string `json:"name"`
}

// Gauges are the numbers that change, in a language: the same everywhere at one moment.
func (r *Reading) Gauges(b *words.Book) [4]Gauge {
	return [4]Gauge{
		{view.Thousands(r.Height), b.L("height")},
		{rate(r.TxPerSecond), b.L("tx/s, last {{.N}} s", int(Sliding/second))},
		{view.Thousands(uint64(max(0, r.Pending))), b.L("pending")},
		{view.Percent(r.ConflictShare), b.L("conflicts, of all")},
	}
}

// rate writes a number a second: with a decimal where one matters.
func rate(v float64) string {
	if v < 9.95 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return view.Thousands(uint64(v + 0.5))
}

// counts are sums since the trace's beginning.
type counts struct {
	entered, left             uint32 // pending
	judged, valid, conflicted uint32
	height                    uint32
}

// point is what the counts became with one event: 40 bytes.
type point struct {
	seq  uint64
	time int64
	counts
}

// Meter holds the counts of one trace. It is used from one goroutine.
type Meter struct {
	last    int64
	now     counts
	points  []point
	dropped bool  // older points
	step    int64 // of the series
	seconds []bucket
	origin  int64 // time at which seconds[0] begins
	first   int64 // time at which the first of all began
	earlier int   // verdicts of those that are remembered no more
	codes   []uint8
	world   *facts.World // its own, nil if it hears of another one's events
}

// New makes an empty meter. It has to hear of every event that a world takes in: Take.
func New() *Meter { return &Meter{step: second} }

// Alone makes an empty meter with a world of its own, which Add gives the events to. Its
// series has a value for every step, of a short run for example.
func Alone(step time.Duration) *Meter {
	return &Meter{step: int64(step), world: facts.New(nil, 0)}
}

// Add takes new events, in order, into the meter's own world.
func (m *Meter) Add(events []trace.Event) { m.world.Add(events, m.Take) }

// Take hears of a new event that the world has taken in. After a gap (lost events) nobody
// knows any more what is pending.
func (m *Meter) Take(e *facts.Step, gap bool) {
	m.last = e.Now
	before, p := m.now, &e.Progress
	m.bucket(m.last)
	if gap {
		m.now.left = m.now.entered
	}
	if p.Sent {
		m.now.entered++
	}
	m.now.left += uint32(p.Left)
	if p.Judged {
		m.verdict(p.Code)
	}
	if p.Took > 0 {
		m.latency(p.Took)
	}
	if e.Info.Op == facts.OpCommitted {
		m.now.height = max(m.now.height, uint32(e.Event.Block+1))
	}
	if m.now == before {
		return
	}
	m.points = append(m.points, point{e.Seq, m.last, m.now})
	m.seconds[len(m.seconds)-1].sums = m.now
	if over := len(m.points) - maxPoints; over > maxPoints/8 {
		m.points = append(m.points[:0], m.points[over:]...)
		m.dropped = true
	}
}

// verdict counts a transaction that was judged.
func (m *Meter) verdict(code uint8) {
	m.now.judged++
	switch {
	case code == facts.Valid:
		m.now.valid++
	case facts.Conflict(code):
		m.now.conflicted++
	}
	m.code(code)
}

// At is the reading at a moment.
func (m *Meter) At(at view.Moment) Reading {
	c := m.countsAt(at)
	r := Reading{Height: uint64(c.height), Pending: int(c.entered - c.left), Judged: int(c.judged), Valid: int(c.valid), Conflicts: int(c.conflicted)}
	if c.judged > 0 {
		r.ConflictShare = float64(c.conflicted) / float64(c.judged)
	}
	before := m.countsAt(view.Moment{Seq: at.Seq, Time: at.Time - Sliding})
	r.TxPerSecond = float64(c.judged-before.judged) / (float64(Sliding) / float64(second))
	return r
}

// countsAt are the sums after the last event at or before a moment.
func (m *Meter) countsAt(at view.Moment) counts {
	n := sort.Search(len(m.points), func(i int) bool { return m.points[i].seq > at.Seq || m.points[i].time > at.Time })
	if n > 0 {
		return m.points[n-1].counts
	}
	if !m.dropped {
		return counts{}
	}
	// Before the exact counts: those at the end of the last whole second.
	if i := int((at.Time-m.origin)/m.step) - 1; i >= 0 && i < len(m.seconds) {
		return m.seconds[i].sums
	}
	return counts{}
}
