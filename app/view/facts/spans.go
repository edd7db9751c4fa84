package facts

import "github.com/fabriscope/fabriscope/internal/trace"

// SpanKind says what takes time at a node.
type SpanKind uint8

// The spans.
const (
	Propose  SpanKind = iota // a client waits for endorsers
	Await                    // a client waits for the verdict, from submitted to commit-seen
	Simulate                 // a peer's simulator is open
	Call                     // a call runs inside a chaincode's container
	Order                    // a batch at the leader, from its first envelope to the written block
	Validate                 // a peer validates and commits a block
	Build                    // a chaincode is being built
	Launch                   // a container is being started
	Down                     // the node does not run
	Sync                     // a node waits for the disk
)

// SpanChange is what an event does to a span.
type SpanChange uint8

// The changes.
const (
	SpanBegins SpanChange = iota
	SpanWrites            // the call has written a key
	SpanEnds
	SpanFails // it ends badly: refused, invalid, could not be built
	SpanWas   // it has ended, and is told of only now: from Start to this event
)

// Span is something that takes time at a node, and what an event does to it.
type Span struct {
	Change SpanChange
	Kind   SpanKind
	Slot   int32 // names the span from its begin to its end; later ones use it again
	Node   int32
	Tx     uint32 // 0 = of no transaction
	Block  uint64 // plus one; 0 = none, or not known yet
	Start  int64
}

// spanKey finds the span that an event ends. There is one of a kind at a node for each
// transaction, block or batch.
type spanKey struct {
	node int32
	tx   uint32
	what uint64 // the kind in the highest byte, and what tells blocks and batches apart
}

func keyOf(kind SpanKind, node int32, tx uint32, number uint64) spanKey {
	return spanKey{node, tx, uint64(kind)<<56 | number&(1<<56-1)}
}

func (k spanKey) kind() SpanKind { return SpanKind(k.what >> 56) }

// spans are those that have begun and not ended. Where events change a state, they begin
// and end spans: both say the same, the state at any moment, the spans from the first event
// that is remembered to the last.
type spans struct {
	open  map[spanKey]int32 // slots
	slots []Span
	free  []int32
}

func newSpans() *spans { return &spans{open: map[spanKey]int32{}} }

// begins opens a span of the event's transaction at a node, unless it is open already.
func (e *Step) begins(kind SpanKind, node int32) {
	if e.spans != nil {
		e.spans.begin(e, keyOf(kind, node, e.Tx, 0), 0)
	}
}

// ends closes it.
func (e *Step) ends(kind SpanKind, node int32, failed bool) {
	if e.spans != nil {
		e.spans.end(e, keyOf(kind, node, e.Tx, 0), failed)
	}
}

// syncs tells of a wait for the disk that has ended.
func (e *Step) syncs() {
	if e.spans != nil && e.What != trace.Untold && e.A > 0 {
		e.Spans = append(e.Spans, Span{Change: SpanWas, Kind: Sync, Node: e.Self, Start: e.Now - e.A})
	}
}

// writes notes that a call has written.
func (e *Step) writes(node int32) {
	if e.spans == nil {
		return
	}
	if slot, ok := e.spans.open[keyOf(Call, node, e.Tx, 0)]; ok {
		s := e.spans.slots[slot]
		s.Change = SpanWrites
		e.Spans = append(e.Spans, s)
	}
}

func (p *spans) begin(e *Step, key spanKey, block uint64) {
	if _, ok := p.open[key]; ok {
		return
	}
	s := Span{Change: SpanBegins, Kind: key.kind(), Node: key.node, Tx: key.tx, Block: block, Start: e.Now}
	if n := len(p.free); n > 0 {
		s.Slot, p.free = p.free[n-1], p.free[:n-1]
		p.slots[s.Slot] = s
	} else {
		s.Slot = int32(len(p.slots))
		p.slots = append(p.slots, s)
	}
	p.open[key] = s.Slot
	e.Spans = append(e.Spans, s)
}

func (p *spans) end(e *Step, key spanKey, failed bool) {
	slot, ok := p.open[key]
	if !ok {
		return
	}
	delete(p.open, key)
	p.free = append(p.free, slot)
	s := p.slots[slot]
	if s.Change = SpanEnds; failed {
		s.Change = SpanFails
	}
	e.Spans = append(e.Spans, s)
}

// checks begins the validation of a block at a peer, checked ends it.
func (e *Step) checks() {
	if e.spans != nil {
		e.spans.begin(e, keyOf(Validate, e.Self, 0, e.Event.Block+1), e.Event.Block+1)
	}
}

func (e *Step) checked() {
	if e.spans != nil {
		e.spans.end(e, keyOf(Validate, e.Self, 0, e.Event.Block+1), false)
	}
}

// batchOf names the batch of which a block is cut or written at an ordering node; a block
// that was not cut there has none.
func batchOf(e *Step) (key spanKey, ok bool) {
	return keyOf(Order, e.Self, 0, 1<<55|(uint64(e.C)<<32^uint64(e.B))&(1<<55-1)), e.What != trace.Untold && e.B != 0
}

// orders follows a leader's batches. What is enqueued fills one; it lasts until the block
// is written that repeats the number of the batch that was cut.
func (e *Step) orders() {
	if e.spans == nil {
		return
	}
	filling := keyOf(Order, e.Self, 0, 0)
	batch, known := batchOf(e)
	switch e.Info.Op {
	case OpEnqueued:
		e.spans.begin(e, filling, 0)
	case OpCut:
		e.spans.begin(e, filling, 0) // unless its first envelope came before the first known event, it is open
		if !known {
			e.spans.end(e, filling, false) // which block it becomes is not told
			return
		}
		e.spans.open[batch] = e.spans.open[filling]
		delete(e.spans.open, filling)
	case OpWritten:
		if slot, ok := e.spans.open[batch]; known && ok {
			e.spans.slots[slot].Block = e.Event.Block + 1
			e.spans.end(e, batch, false)
		}
	}
}

// endsBatches ends the batches of a leader that is none any more: they may never be written.
func (e *Step) endsBatches(node int32) {
	if e.spans == nil {
		return
	}
	for key := range e.spans.open {
		if key.node == node && key.kind() == Order {
			e.spans.end(e, key, true)
		}
	}
}

// goesDown ends all that runs on a node, and what runs in a peer's containers.
func (e *Step) goesDown(r *Registry, node int32) {
	if e.spans == nil {
		return
	}
	for key := range e.spans.open {
		if key.kind() != Down && (key.node == node || r.Nodes[key.node].Host == node) {
			e.spans.end(e, key, true)
		}
	}
	e.spans.begin(e, keyOf(Down, node, 0, 0), 0)
}

// forget ends what has run since before a time (except that a node is down): nobody knows
// any more what it waits for.
func (p *spans) forget(e *Step, cutoff int64) {
	for key, slot := range p.open {
		if key.kind() != Down && p.slots[slot].Start < cutoff {
			p.end(e, key, false)
		}
	}
}
