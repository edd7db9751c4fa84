// Package meter counts: the numbers of the top bar and the series behind the charts, all
// from the trace's events. Every number can be read for any moment, so that going back shows
// what was known then.
//
// A transaction counts once, at its first verdict on any peer: all peers come to the same.
//
// Read next: series.go (what the charts show).
package meter

import (
	"sort"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Bounds of what is remembered.
const (
	maxPoints  = 131_072 // exact counts; before them there is one per second
	maxSeconds = 1_800   // of the series: half an hour
	maxWaiting = 32_768  // transactions under way
	maxBlocks  = 256     // blocks whose first judge is remembered
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
const Sliding = 2 * second

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

// under is a transaction under way.
type under struct {
	id      string
	since   int64 // its first proposal, or when it was sent for ordering
	pending bool
	seen    bool // by a client of this network, who will say when it learns the verdict
}

// Meter holds the counts of one trace. It is used from one goroutine.
type Meter struct {
	next    uint64
	last    int64
	now     counts
	points  []point
	dropped bool // older points
	seconds []bucket
	origin  int64 // time at which seconds[0] begins
	codes   []string
	waiting map[string]*under
	queue   []*under // in the order of their beginning
	judges  map[string]*judges
}

// judges says for the newest blocks of a channel which peer's verdicts count.
type judges struct {
	highest uint64
	any     bool
	of      map[uint64]string
}

// New makes an empty meter.
func New() *Meter {
	return &Meter{waiting: map[string]*under{}, judges: map[string]*judges{}}
}

// Add takes new events, in order.
func (m *Meter) Add(events []trace.Event) {
	for i := range events {
		e := &events[i]
		if m.next != 0 && e.Seq != m.next { // lost events: who was under way is not known any more
			m.now.left = m.now.entered
			m.waiting, m.queue = map[string]*under{}, nil
		}
		m.next = e.Seq + 1
		m.last = max(m.last, e.Time)
		before := m.now
		m.bucket(m.last)
		m.feed(e)
		if m.now != before {
			m.points = append(m.points, point{e.Seq, m.last, m.now})
			m.seconds[len(m.seconds)-1].sums = m.now
		}
	}
	if over := len(m.points) - maxPoints; over > maxPoints/8 {
		m.points = append(m.points[:0], m.points[over:]...)
		m.dropped = true
	}
	m.prune()
}

func (m *Meter) feed(e *trace.Event) {
	switch e.Kind {
	case trace.Proposal:
		if e.TxID != "" {
			m.underway(e.TxID)
		}
	case trace.Submitted:
		u := m.underway(e.TxID)
		u.seen = true
		m.enter(u)
	case trace.Broadcast, trace.Enqueued:
		if e.TxID != "" {
			m.enter(m.underway(e.TxID))
		}
	case trace.BroadcastAnswer:
		if u := m.waiting[e.TxID]; u != nil && e.Note != "SUCCESS" && e.Dir == trace.Received {
			m.finish(u)
		}
	case trace.Verdict:
		m.verdict(e)
	case trace.CommitSeen:
		if u := m.waiting[e.TxID]; u != nil {
			m.latency(m.last - u.since)
			m.finish(u)
		}
	case trace.Committed:
		m.now.height = max(m.now.height, uint32(e.Block+1))
	}
}

func (m *Meter) underway(id string) *under {
	u := m.waiting[id]
	if u == nil {
		u = &under{id: id, since: m.last}
		m.waiting[id] = u
		m.queue = append(m.queue, u)
	}
	return u
}

func (m *Meter) enter(u *under) {
	if !u.pending {
		u.pending = true
		m.now.entered++
	}
}

// leave takes a transaction out of those that wait for a verdict.
func (m *Meter) leave(u *under) {
	if u.pending {
		u.pending = false
		m.now.left++
	}
}

func (m *Meter) finish(u *under) {
	m.leave(u)
	delete(m.waiting, u.id)
}

// verdict counts a transaction at the first peer that judges its block. The genesis block
// is no transaction of anybody.
func (m *Meter) verdict(e *trace.Event) {
	if e.Block == 0 || !m.counts(e) {
		return
	}
	m.now.judged++
	switch e.Key {
	case "VALID":
		m.now.valid++
	case "MVCC_READ_CONFLICT", "PHANTOM_READ_CONFLICT":
		m.now.conflicted++
	}
	m.code(e.Key)
	u := m.waiting[e.TxID]
	if u == nil {
		return
	}
	m.leave(u)
	if !u.seen {
		m.latency(m.last - u.since)
		delete(m.waiting, u.id)
	}
}

// counts tells whether the event's peer is the first one that judged this block. A peer
// that catches up later judges blocks that have been counted.
func (m *Meter) counts(e *trace.Event) bool {
	j := m.judges[e.Channel]
	if j == nil {
		j = &judges{of: map[uint64]string{}}
		m.judges[e.Channel] = j
	}
	if by, ok := j.of[e.Block]; ok {
		return by == e.Node
	}
	if j.any && e.Block <= j.highest {
		return false
	}
	j.of[e.Block], j.highest, j.any = e.Node, e.Block, true
	delete(j.of, e.Block-maxBlocks)
	return true
}

// prune forgets the oldest transactions under way: queries, which nobody orders, above all.
func (m *Meter) prune() {
	n := 0
	for n < len(m.queue) {
		u := m.queue[n]
		if m.waiting[u.id] == u {
			if len(m.queue)-n <= maxWaiting && m.last-u.since < 300*second {
				break
			}
			m.finish(u)
		}
		n++
	}
	m.queue = append(m.queue[:0], m.queue[n:]...)
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
	if i := int((at.Time-m.origin)/second) - 1; i >= 0 && i < len(m.seconds) {
		return m.seconds[i].sums
	}
	return counts{}
}
