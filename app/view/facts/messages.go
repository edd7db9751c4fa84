package facts

import (
	"math"
	"sort"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

const (
	// Assumed is how long a message is said to take of which only one end recorded
	// anything: the other is a chaincode or a client from outside.
	Assumed = int64(60e3)
	// Abandoned is after what time a message without an end will have none: its receiver
	// had gone.
	Abandoned = int64(1e9)
	// Unended is the arrival of a message that has not arrived, as far as is known.
	Unended = int64(math.MaxInt64)

	// ChunkSize is how many messages share one summary.
	ChunkSize = 256
	// maxUnended is how many messages may be waited for before the oldest are given up.
	maxUnended = 16_384
)

// Ends says which of a message's ends recorded something.
type Ends uint8

// The ends.
const (
	BothEnds     Ends = iota // or one, and the other may still do
	SenderOnly               // what goes to a chaincode arrives without a record
	ReceiverOnly             // its sender records nothing
)

// Message is one message: where it went, and when. It takes 64 bytes.
type Message struct {
	Seq      uint64 // of its first event
	Sent     int64
	Received int64 // Unended while it is not known
	ID       uint64
	Tx       uint32 // Messages knows the transaction, 0 = none
	later    uint32 // number of its last event, counted from Seq
	From, To int32
	Link     int32
	Nth      uint32 // of its direction of the link, for even sampling
	Block    uint32 // number of the block that it carries plus one, 0 if none
	Class    view.Class
	Ends     Ends
	flags    uint8
}

const (
	quiet = 1 << iota
	lost
	paused
)

// Quiet tells of a heartbeat or its answer.
func (m *Message) Quiet() bool { return m.flags&quiet != 0 }

// Lost tells that it never arrived.
func (m *Message) Lost() bool { return m.flags&lost != 0 }

// Paused tells that a hold stopped it; Stop says when.
func (m *Message) Paused() bool { return m.flags&paused != 0 }

// Back tells that it goes from the link's second end to its first.
func (m *Message) Back() bool { return m.From > m.To }

// End is the event of its arrival, Seq if only one end records, 0 while it is not there.
func (m *Message) End() uint64 {
	if m.later == 0 && m.Ends == BothEnds {
		return 0
	}
	return m.Seq + uint64(m.later)
}

// Told is when its first event was recorded. Messages are in this order.
func (m *Message) Told() int64 {
	if m.Ends == ReceiverOnly {
		return m.Received
	}
	return m.Sent
}

// Stop is when a hold stopped a message, and when it let it go (0: not yet).
type Stop struct{ Held, Released int64 }

// Chunk is a stretch of messages in the order in which they began.
type Chunk struct {
	Number      int // since the beginning
	List        []Message
	First, Last int64 // when its first and its last message were told
	Until       int64 // the latest end of those that have one
	Open        int   // how many have none
	sums        []Sum
}

// Sum counts the messages of a class between two nodes.
type Sum struct {
	From, To int32
	Class    view.Class
	Quiet    bool
	N        uint16
}

// Sums counts what a chunk holds, when it is first asked for; nil while it is not full.
func (c *Chunk) Sums() []Sum {
	if c.sums != nil || len(c.List) < ChunkSize {
		return c.sums
	}
	for i := range c.List {
		g := &c.List[i]
		s := Sum{From: g.From, To: g.To, Class: g.Class, Quiet: g.Quiet()}
		k := 0
		for k < len(c.sums) && (c.sums[k].From != s.From || c.sums[k].To != s.To || c.sums[k].Class != s.Class || c.sums[k].Quiet != s.Quiet) {
			k++
		}
		if k == len(c.sums) {
			c.sums = append(c.sums, s)
		}
		c.sums[k].N++
	}
	return c.sums
}

// Messages knows both ends of every message, with a summary for each chunk so that what is
// long over costs nothing, and the transactions that events are about.
type Messages struct {
	Txs
	Chunks []*Chunk
	base   int // chunks dropped
	open   map[uint64]int
	stops  map[uint64]Stop
	from   uint64   // first event that was added
	counts []uint32 // messages so far, per direction
	last   int64
}

func newMessages() *Messages {
	return &Messages{Txs: newTxs(), open: map[uint64]int{}, stops: map[uint64]Stop{}}
}

// Covers tells whether all messages around an event are still known.
func (m *Messages) Covers(seq uint64) bool { return seq >= m.from }

// Stop gives when a hold stopped a message.
func (m *Messages) Stop(id uint64) (Stop, bool) {
	s, ok := m.stops[id]
	return s, ok
}

// Direction numbers the two directions of every link.
func (m *Message) Direction() int32 {
	if m.Back() {
		return 2*m.Link + 1
	}
	return 2 * m.Link
}

// number gives the number of the transaction that an event is about. What people and
// scripts do, a hold for example, may name one, and does not belong to it.
func (m *Messages) number(e *Step) {
	m.last = max(m.last, e.Time)
	e.Now = m.last
	if e.TxID != "" && (e.From >= 0 || e.Info.At != Unknown) {
		e.Tx = m.Txs.number(e.TxID, m.last)
	}
	if e.Dir == trace.None && (e.Info.Op == OpVerdict || e.Info.Op == OpCommitSeen) {
		if tx := m.Tx(e.Tx); tx != nil {
			tx.Block = e.Event.Block + 1
		}
	}
}

// follow takes one message's event, after number.
func (m *Messages) follow(e *Step) {
	if m.from == 0 {
		m.from = e.Seq
	}
	if e.Dir == trace.None || e.From < 0 {
		return
	}
	switch e.Dir {
	case trace.Sent:
		m.sent(e)
	case trace.Received, trace.Lost:
		m.ended(e)
	case trace.Held:
		m.held(e)
	case trace.Released:
		if s, ok := m.stops[e.Msg]; ok {
			s.Released = m.last
			m.stops[e.Msg] = s
		}
		if g, c := m.at(e.Msg); g != nil && e.Info.Chaincode {
			m.close(g, c, e) // only the peer records a stream
		}
	}
}

// sent begins a message. What goes to a chaincode arrives without a record.
func (m *Messages) sent(e *Step) {
	g := m.begun(e)
	if e.Info.Chaincode || e.Msg == 0 {
		g.Received, g.Ends = m.last+Assumed, SenderOnly
		m.append(g)
		return
	}
	m.wait(g)
}

// wait begins a message that will end.
func (m *Messages) wait(g Message) {
	if g.ID != 0 {
		m.open[g.ID] = m.append(g)
	} else {
		m.append(g)
	}
	if len(m.open) > maxUnended {
		m.abandon()
	}
}

func (m *Messages) begun(e *Step) Message {
	g := Message{Seq: e.Seq, Sent: m.last, Received: Unended, ID: e.Msg, Tx: e.Tx, From: e.From, To: e.To,
		Link: e.Link, Class: e.Info.Class}
	if e.Info.Quiet {
		g.flags = quiet
	}
	if e.Kind == trace.DeliverBlock || e.Kind == trace.DeliverFiltered {
		g.Block = uint32(e.Event.Block + 1)
	}
	return g
}

// held notes that a message stands still: where it left, or, of a sender that records
// nothing, before it was taken.
func (m *Messages) held(e *Step) {
	if len(m.stops) > maxUnended {
		m.stops = map[uint64]Stop{}
	}
	m.stops[e.Msg] = Stop{Held: m.last}
	if g, _ := m.at(e.Msg); g != nil {
		g.flags |= paused
		return
	}
	g := m.begun(e)
	g.flags |= paused
	m.wait(g)
}

// ended ends a message, or tells of one whose sender records nothing.
func (m *Messages) ended(e *Step) {
	gone := e.Dir == trace.Lost
	if g, c := m.at(e.Msg); g != nil {
		if m.close(g, c, e); gone {
			g.flags |= lost
		}
		return
	}
	g := m.begun(e)
	switch {
	case gone && (!e.Info.Chaincode || !e.Info.FromCode):
		g.Received, g.Ends = m.last+Assumed, SenderOnly
	default:
		g.Sent, g.Received, g.Ends = m.last-Assumed, m.last, ReceiverOnly
	}
	if gone {
		g.flags |= lost
	}
	m.append(g)
}

// close notes a message's last event.
func (m *Messages) close(g *Message, c *Chunk, e *Step) {
	delete(m.open, e.Msg)
	g.later, g.Received = uint32(min(max(e.Seq-g.Seq, 1), 1<<32-1)), max(m.last, g.Sent+1)
	c.close(g.Received)
}

// at finds a message that is under way; nil when there is none or it is forgotten.
func (m *Messages) at(id uint64) (*Message, *Chunk) {
	number, ok := m.open[id]
	if !ok || id == 0 {
		return nil, nil
	}
	i := number/ChunkSize - m.base
	if i < 0 {
		delete(m.open, id)
		return nil, nil
	}
	c := m.Chunks[i]
	return &c.List[number%ChunkSize], c
}

// append keeps a message and gives its number.
func (m *Messages) append(g Message) int {
	d := int(g.Direction())
	for d >= len(m.counts) {
		m.counts = append(m.counts, 0)
	}
	g.Nth = m.counts[d]
	m.counts[d]++
	if n := len(m.Chunks); n == 0 || len(m.Chunks[n-1].List) == ChunkSize {
		m.Chunks = append(m.Chunks, &Chunk{Number: m.base + len(m.Chunks), List: make([]Message, 0, ChunkSize), First: g.Told()})
	}
	c := m.Chunks[len(m.Chunks)-1]
	c.List = append(c.List, g)
	c.Last = g.Told()
	c.Until = max(c.Until, c.Last+Assumed)
	if g.Received == Unended {
		c.Open++
	}
	return c.Number*ChunkSize + len(c.List) - 1
}

func (c *Chunk) close(end int64) {
	c.Open--
	c.Until = max(c.Until, end)
}

// forget drops the chunks that were over before a time, but for the last one.
func (m *Messages) forget(cutoff int64) {
	n := 0
	for n < len(m.Chunks)-1 && m.Chunks[n].Until < cutoff && m.Chunks[n+1].First < cutoff {
		n++
	}
	if n > 0 {
		m.Chunks = append(m.Chunks[:0:0], m.Chunks[n:]...)
		m.base += n
		m.from = m.Chunks[0].List[0].Seq
		for id, number := range m.open {
			if number/ChunkSize < m.base {
				delete(m.open, id)
			}
		}
	}
	if len(m.Chunks) > 0 {
		cutoff = min(cutoff, m.Chunks[0].List[0].Sent)
	}
	m.Txs.forget(cutoff)
}

// abandon gives up on messages that never arrived, so that they are not waited for for ever.
func (m *Messages) abandon() {
	for id := range m.open {
		g, c := m.at(id)
		if g == nil || m.last-g.Sent <= 10*Abandoned || g.Paused() {
			continue
		}
		g.Received = g.Sent + 2_000_000
		c.close(g.Received)
		delete(m.open, id)
	}
}

// Visit calls see with every message that is under way at the moment or has not been over
// for longer than trail nanoseconds, oldest first.
func (m *Messages) Visit(at view.Moment, trail int64, see func(*Message)) {
	end := sort.Search(len(m.Chunks), func(i int) bool { return m.Chunks[i].List[0].Seq > at.Seq })
	for i, c := range m.Chunks[:end] {
		if c.Open == 0 && c.Until+trail+Assumed < at.Time && i+2 < end {
			continue
		}
		for j := range c.List {
			g := &c.List[j]
			if g.Seq <= at.Seq || ahead(g, at) {
				see(g)
			}
		}
	}
	for _, c := range m.Chunks[end:] {
		for j := range c.List {
			if c.List[j].Sent > at.Time {
				return
			}
			if ahead(&c.List[j], at) {
				see(&c.List[j])
			}
		}
	}
}

// ahead tells of a message whose sender from outside sent it just before the next events.
func ahead(g *Message, at view.Moment) bool {
	return g.Seq > at.Seq && g.Sent <= at.Time && g.Seq == g.End()
}

// MessagesAround gives the messages around a moment: those that are remembered, or the
// events around it are read again.
func (w *World) MessagesAround(at view.Moment) *Messages {
	if w.src == nil || w.messages.Covers(at.Seq) {
		return w.messages
	}
	if w.past != nil && at.Seq >= w.pastFrom && at.Seq <= w.pastTo {
		return w.past
	}
	begin := uint64(0)
	if at.Seq > pastSpan {
		begin = at.Seq - pastSpan
	}
	w.past = newMessages()
	for cursor := begin; cursor < at.Seq+pastSpan; {
		events, next, _ := w.src.Since(cursor, checkpointEvery)
		if len(events) == 0 {
			break
		}
		for i := range events {
			e := w.Step(&events[i])
			w.past.number(&e)
			w.past.follow(&e)
		}
		cursor = next
	}
	w.pastFrom, w.pastTo = begin+pastSpan/2, at.Seq+pastSpan/2
	if begin == 0 {
		w.pastFrom = 0
	}
	return w.past
}

// Messages are all messages that are remembered.
func (w *World) Messages() *Messages { return w.messages }
