package stage

import (
	"math"
	"sort"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

const (
	// assumed is how long a message takes of which only one end recorded anything.
	assumed = int64(60e3)
	// abandoned is when a message without an end will have none: its receiver had gone.
	abandoned = int64(1e9)
	// maxFlights bounds the index; older messages are read again when they are shown.
	maxFlights = 200_000
	// flightBlock is how many messages share one summary.
	flightBlock = 256
	unended     = int64(math.MaxInt64)
)

// flight is one message: where it went, and when.
type flight struct {
	seq, end uint64 // events of its two ends; equal if only one end records, end 0: not there yet
	t0, t1   int64  // t1 is unended while its end is not known
	msg      uint64
	tx       string
	from, to int32
	link     int32
	nth      uint32 // of its direction of the link, for even sampling
	class    view.Class
	quiet    bool
	lost     bool
	back     bool // from the link's second end to its first
	paused   bool // a hold stopped it; flights.stops says when
}

// stop is when a hold stopped a message, and when it let it go (0: not yet).
type stop struct{ held, released int64 }

// flights finds the messages on their way at any moment: sorted by their beginning, with a
// summary for each block so that old ones cost nothing.
type flights struct {
	first   uint64 // number of list[0] since the beginning: a multiple of flightBlock
	list    []flight
	latest  []int64 // per block: the latest end of those that have one
	open    []int32 // per block: how many have none
	waiting map[uint64]uint64
	stops   map[uint64]stop
	from    uint64   // first event that was added
	counts  []uint32 // messages so far, per direction
}

func newFlights() *flights {
	return &flights{waiting: map[uint64]uint64{}, stops: map[uint64]stop{}}
}

// add takes one message's event.
func (f *flights) add(r *registry, e *step) {
	if f.from == 0 {
		f.from = e.Seq
	}
	if e.Dir == trace.None || e.from < 0 {
		return
	}
	switch e.Dir {
	case trace.Sent:
		f.sent(r, e)
	case trace.Received:
		f.received(r, e, false)
	case trace.Lost:
		f.received(r, e, true)
	case trace.Held:
		f.stops[e.Msg] = stop{held: e.Time}
		if i, ok := f.waiting[e.Msg]; ok && i >= f.first {
			f.list[i-f.first].paused = true
		}
	case trace.Released:
		if s, ok := f.stops[e.Msg]; ok {
			s.released = e.Time
			f.stops[e.Msg] = s
		}
	}
}

// sent begins a message. What goes to a chaincode arrives without a record.
func (f *flights) sent(r *registry, e *step) {
	m := f.begin(r, e)
	if e.info.chaincode || e.Msg == 0 {
		m.end, m.t1 = e.Seq, e.Time+assumed
		f.push(m)
		return
	}
	f.waiting[e.Msg] = f.push(m)
	if len(f.waiting) > 2*flightBlock*flightBlock/8 {
		f.abandon(e.Time)
	}
}

func (f *flights) begin(r *registry, e *step) flight {
	return flight{seq: e.Seq, t0: e.Time, t1: unended, msg: e.Msg, tx: e.TxID, from: e.from, to: e.to,
		link: e.link, class: e.info.class, quiet: e.info.quiet, back: r.pairs[e.link].a != e.from}
}

// received ends a message, or tells of one whose sender records nothing.
func (f *flights) received(r *registry, e *step, lost bool) {
	if i, ok := f.waiting[e.Msg]; ok {
		delete(f.waiting, e.Msg)
		if i < f.first {
			return
		}
		m := &f.list[i-f.first]
		m.end, m.t1, m.lost = e.Seq, max(e.Time, m.t0+1), lost
		f.closed(i, m.t1)
		return
	}
	m := f.begin(r, e)
	m.t0, m.t1, m.end, m.lost = e.Time-assumed, e.Time, e.Seq, lost
	if s, ok := f.stops[e.Msg]; ok {
		m.paused, m.t0 = true, s.held-assumed
	}
	f.push(m)
}

// push appends a message and gives its number.
func (f *flights) push(m flight) uint64 {
	d := int(direction(&m))
	for d >= len(f.counts) {
		f.counts = append(f.counts, 0)
	}
	m.nth = f.counts[d]
	f.counts[d]++
	i := f.first + uint64(len(f.list))
	if len(f.list)%flightBlock == 0 {
		f.latest, f.open = append(f.latest, 0), append(f.open, 0)
	}
	b := len(f.latest) - 1
	if m.t1 == unended {
		f.open[b]++
	} else {
		f.latest[b] = max(f.latest[b], m.t1)
	}
	f.list = append(f.list, m)
	if len(f.list) >= maxFlights+maxFlights/4/flightBlock*flightBlock {
		f.forget(maxFlights / 4 / flightBlock)
	}
	return i
}

func (f *flights) closed(i uint64, end int64) {
	b := (i - f.first) / flightBlock
	f.open[b]--
	f.latest[b] = max(f.latest[b], end)
}

// forget drops the oldest blocks.
func (f *flights) forget(blocks int) {
	n := blocks * flightBlock
	f.from = f.list[n].seq
	f.list = append(f.list[:0], f.list[n:]...)
	f.latest = append(f.latest[:0], f.latest[blocks:]...)
	f.open = append(f.open[:0], f.open[blocks:]...)
	f.first += uint64(n)
	for msg, i := range f.waiting {
		if i < f.first {
			delete(f.waiting, msg)
		}
	}
	if len(f.stops) > maxFlights/8 {
		f.stops = map[uint64]stop{}
	}
}

// abandon gives up on messages that never arrived, so that they are not looked for for ever.
func (f *flights) abandon(now int64) {
	for msg, i := range f.waiting {
		if i < f.first {
			delete(f.waiting, msg)
			continue
		}
		if m := &f.list[i-f.first]; now-m.t0 > 10*abandoned && !m.paused {
			m.t1 = m.t0 + guess
			f.closed(i, m.t1)
			delete(f.waiting, msg)
		}
	}
}

// visit calls see with every message that may be seen at the moment, oldest first: it has
// begun, and has not been over for longer than trail nanoseconds.
func (f *flights) visit(at view.Moment, trail int64, see func(*flight)) {
	end := sort.Search(len(f.list), func(i int) bool { return f.list[i].seq > at.Seq })
	for b := 0; b*flightBlock < end; b++ {
		if f.open[b] == 0 && f.latest[b]+trail+assumed < at.Time && (b+1)*flightBlock < end-flightBlock {
			continue
		}
		for i := b * flightBlock; i < min(end, (b+1)*flightBlock); i++ {
			see(&f.list[i])
		}
	}
	// What an outside sender sent just before the next events is on its way already.
	for i := end; i < len(f.list) && f.list[i].t0 <= at.Time; i++ {
		if f.list[i].seq == f.list[i].end {
			see(&f.list[i])
		}
	}
}
