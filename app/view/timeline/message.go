package timeline

import "sort"

// message is one message of the trace: 48 bytes for its two events.
type message struct {
	sent     int64 // for a single end: that event's time
	received int64 // 0 unknown
	seq      uint64
	tx       uint32
	block    uint32
	later    uint32 // sequence number of the receiver's event, counted from seq
	from, to uint16 // lanes
	class    uint8
	flags    uint8
}

// chunkSize is how many messages are summed up together.
const chunkSize = 256

// chunk holds messages in the order of their sending.
type chunk struct {
	list  []message
	until int64 // the latest arrival
	sums  []pair
}

// pair counts the messages of one class between two lanes.
type pair struct {
	from, to uint16
	class    uint8
	quiet    bool
	n        uint16
}

type messages struct {
	chunks []*chunk
	base   int // chunks dropped
	open   map[uint64]int
}

func newMessages() messages { return messages{open: map[uint64]int{}} }

// add appends a message and gives its number.
func (m *messages) add(g message) int {
	if n := len(m.chunks); n == 0 || len(m.chunks[n-1].list) == chunkSize {
		m.chunks = append(m.chunks, &chunk{list: make([]message, 0, chunkSize)})
	}
	c := m.chunks[len(m.chunks)-1]
	c.list = append(c.list, g)
	c.until = max(c.until, g.sent+AssumedFlight, g.received)
	return (m.base+len(m.chunks)-1)*chunkSize + len(c.list) - 1
}

// at gives a message by its number, nil when it was forgotten.
func (m *messages) at(number int) (*message, *chunk) {
	i := number/chunkSize - m.base
	if i < 0 || i >= len(m.chunks) {
		return nil, nil
	}
	c := m.chunks[i]
	return &c.list[number%chunkSize], c
}

// since is the first chunk with a message sent at or after from, or the one before it.
func (m *messages) since(from int64) int {
	i := sort.Search(len(m.chunks), func(i int) bool { return m.chunks[i].list[0].sent >= from })
	return max(0, i-1)
}

// sentIn counts the messages sent in [from, to), from the chunks' borders: at most
// two chunks too many.
func (m *messages) sentIn(from, to int64) int {
	a, b := m.since(from), m.since(to)
	return (b - a + 1) * chunkSize
}

// summed gives the chunk's counts, made when first asked for; nil while it is not full.
func (c *chunk) summed() []pair {
	if c.sums != nil || len(c.list) < chunkSize {
		return c.sums
	}
	for i := range c.list {
		g := &c.list[i]
		p := pair{from: g.from, to: g.to, class: g.class, quiet: g.flags&quiet != 0}
		k := 0
		for k < len(c.sums) && (c.sums[k].from != p.from || c.sums[k].to != p.to || c.sums[k].class != p.class || c.sums[k].quiet != p.quiet) {
			k++
		}
		if k == len(c.sums) {
			c.sums = append(c.sums, p)
		}
		c.sums[k].n++
	}
	return c.sums
}

func (m *messages) forget(cutoff int64) {
	n := 0
	for n < len(m.chunks)-1 && m.chunks[n].until < cutoff && m.chunks[n+1].list[0].sent < cutoff {
		n++
	}
	m.chunks = append(m.chunks[:0:0], m.chunks[n:]...)
	m.base += n
	for id, number := range m.open {
		if number/chunkSize < m.base {
			delete(m.open, id)
		}
	}
}
