package timeline

import (
	"sort"

	"github.com/fabriscope/fabriscope/app/view/facts"
)

// stillOpen is the end of a bar that has none yet.
const stillOpen = int64(1<<63 - 1)

// bar is one stretch of time of one lane: 40 bytes.
type bar struct {
	start, end int64
	// sum is, in the shared row, the sum of the starts of this and all earlier bars (it
	// wraps round, which does not matter); in the others, for how long earlier bars ran.
	sum   int64
	block uint64 // plus one; 0 none
	tx    uint32
	flags uint8
}

const (
	failed = 1 << iota // ended badly: refused, invalid, could not be built
	writes             // a call that has written at least one key
)

// ending is the end of one bar, in the order in which they ended: 16 bytes.
type ending struct {
	time int64
	sum  int64 // of this and all earlier ends; wraps round
}

// track holds the bars of one kind in one row of a lane, sorted by start. Except in the
// shared row they do not overlap.
type track struct {
	kind    facts.SpanKind
	row     int
	shared  bool
	bars    []bar
	base    int      // number of bars dropped before bars[0]
	ends    []ending // of the shared row only
	endBase int
}

// at is the bar with an absolute number.
func (t *track) at(index int) *bar { return &t.bars[index-t.base] }

// add begins a bar and gives its absolute number.
func (t *track) add(b bar) int {
	b.end = stillOpen
	if t.shared {
		b.sum = b.start
	}
	if n := len(t.bars); n > 0 {
		before := &t.bars[n-1]
		b.sum += before.sum
		if !t.shared {
			b.sum += before.end - before.start
		}
	}
	t.bars = append(t.bars, b)
	return t.base + len(t.bars) - 1
}

// finish ends a bar. Bars end in the order of time.
func (t *track) finish(index int, at int64, flags uint8) {
	b := t.at(index)
	b.end, b.flags = at, b.flags|flags
	if !t.shared {
		return
	}
	e := ending{time: at, sum: at}
	if n := len(t.ends); n > 0 {
		e.sum += t.ends[n-1].sum
	}
	t.ends = append(t.ends, e)
}

// firstFrom is the first bar that starts at or after at, looked for from hint on with
// growing steps: cheap when it is near.
func (t *track) firstFrom(at int64, hint int) int {
	n, step := len(t.bars), 1
	low, high := hint, hint
	for high < n && t.bars[high].start < at {
		low, high = high+1, high+step
		step *= 2
	}
	high = min(high, n)
	for low < high {
		if mid := (low + high) / 2; t.bars[mid].start < at {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// endsFrom is firstFrom for ends. It is written out, because asking through a function
// value made the layout of a million events a third slower.
func (t *track) endsFrom(at int64, hint int) int {
	n, step := len(t.ends), 1
	low, high := hint, hint
	for high < n && t.ends[high].time < at {
		low, high = high+1, high+step
		step *= 2
	}
	high = min(high, n)
	for low < high {
		if mid := (low + high) / 2; t.ends[mid].time < at {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// cursor remembers where the last look was; columns are looked at from left to right.
type cursor struct{ bar, end int }

// busyUntil is the sum of the time that bars ran before at, up to a constant of the track.
func (t *track) busyUntil(at int64, c *cursor) int64 {
	c.bar = t.firstFrom(at, c.bar)
	if t.shared {
		return t.sharedUntil(at, c)
	}
	if c.bar == 0 {
		return t.bars[0].sum
	}
	b := &t.bars[c.bar-1]
	return b.sum + min(b.end, at) - b.start
}

// sharedUntil is busyUntil where bars overlap: with n starts and m ends before it, that is
// (n*at - their starts) - (m*at - their ends). All of it may wrap round, differences are right.
func (t *track) sharedUntil(at int64, c *cursor) int64 {
	c.end = t.endsFrom(at, c.end)
	starts, ends := t.bars[0].sum-t.bars[0].start, int64(0)
	if c.bar > 0 {
		starts = t.bars[c.bar-1].sum
	}
	switch {
	case c.end > 0:
		ends = t.ends[c.end-1].sum
	case len(t.ends) > 0:
		ends = t.ends[0].sum - t.ends[0].time
	}
	n, m := int64(t.base+c.bar), int64(t.endBase+c.end)
	return (n-m)*at - starts + ends
}

// visible is the range of bars that may touch [from, to). In the shared row it begins at
// the first bar that has not ended before from.
func (t *track) visible(from, to int64) (first, end int) {
	end = sort.Search(len(t.bars), func(i int) bool { return t.bars[i].start >= to })
	if !t.shared {
		first = sort.Search(end, func(i int) bool { return t.bars[i].end > from })
		return first, end
	}
	first = sort.Search(end, func(i int) bool { return t.bars[i].start >= from })
	// Bars that began before from and still run: as many as starts exceed ends there.
	var c cursor
	t.busyUntil(from, &c)
	running := t.base + c.bar - t.endBase - c.end
	for first > 0 && running > 0 {
		first--
		if t.bars[first].end > from {
			running--
		}
	}
	return first, end
}

// drop removes what ended before cutoff. The sums are absolute, so what stays is right.
func (t *track) drop(cutoff int64) {
	n := 0
	for n < len(t.bars)-1 && t.bars[n].end < cutoff {
		n++
	}
	t.bars = append(t.bars[:0], t.bars[n:]...)
	t.base += n
	m := sort.Search(max(0, len(t.ends)-1), func(i int) bool { return t.ends[i].time >= cutoff })
	t.ends = append(t.ends[:0], t.ends[m:]...)
	t.endBase += m
}

func searchTimes(times []int64, from int64) int {
	return sort.Search(len(times), func(i int) bool { return times[i] >= from })
}
