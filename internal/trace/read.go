package trace

import (
	"context"

	"google.golang.org/protobuf/proto"
)

// view is a stretch of the trace that may be read without the lock.
type view struct {
	segments    []*segment
	names       []string
	first, last uint64 // positions of the oldest and the newest event; last = first-1 when empty
}

// view takes the lock only to copy a few words.
func (r *Recorder) view() view {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := view{segments: r.segments, names: r.names, first: r.last + 1, last: r.last}
	if len(r.segments) > 0 {
		v.first = r.segments[0].first
	}
	return v
}

// slot is the event at seq, which must lie between first and last.
func (v *view) slot(seq uint64) *slot {
	at := seq - v.first
	return &v.segments[at/segmentEvents].slots[at%segmentEvents]
}

// name is the text behind an id.
func (v *view) name(id uint32) string {
	if id == 0 {
		return ""
	}
	return v.names[id-1]
}

// event writes out the event at seq.
func (v *view) event(seq uint64) Event {
	s := v.slot(seq)
	return Event{
		Seq: seq, Time: int64(s.time), Kind: Kind(v.name(s.kind >> 3)), Dir: Dir(s.kind & 7),
		Node: v.name(s.node), Other: v.name(s.other), Channel: v.name(s.channel),
		TxID: s.txid, Block: s.block, Key: s.key, Note: s.note, Msg: s.msg,
		What: s.what, A: s.a, B: s.b, C: s.c, Name: v.name(s.name),
	}
}

// Since returns the events after cursor, oldest first and at most max of them
// (0 = all that are in memory), the cursor to go on with, and how many events
// between cursor and the first one returned have already left the memory. Start
// with cursor 0.
func (r *Recorder) Since(cursor uint64, max int) (events []Event, next, lost uint64) {
	if r == nil {
		return nil, cursor, 0
	}
	v := r.view()
	if cursor >= v.last {
		return nil, cursor, 0
	}
	if cursor+1 < v.first {
		lost = v.first - 1 - cursor
		cursor = v.first - 1
	}
	count := v.last - cursor
	if max > 0 && count > uint64(max) {
		count = uint64(max)
	}
	events = make([]Event, count)
	for i := range events {
		events[i] = v.event(cursor + 1 + uint64(i))
	}
	return events, cursor + count, lost
}

// Of returns the events of one kind after cursor that are in memory, oldest
// first, and the cursor to go on with. It is for whoever wants few of many: an
// event of another kind costs a comparison.
func (r *Recorder) Of(kind Kind, cursor uint64) (events []Event, next uint64) {
	if r == nil {
		return nil, cursor
	}
	v := r.view()
	id, known := r.idOf(kind)
	if !known {
		return nil, max(cursor, v.last)
	}
	for seq := max(cursor+1, v.first); seq <= v.last; seq++ {
		if v.slot(seq).kind>>3 == id {
			events = append(events, v.event(seq))
		}
	}
	return events, max(cursor, v.last)
}

// Latest returns the newest event of one kind in memory that match accepts. It
// looks from the newest event backwards.
func (r *Recorder) Latest(kind Kind, match func(*Event) bool) (e Event, ok bool) {
	if r == nil {
		return Event{}, false
	}
	v := r.view()
	id, known := r.idOf(kind)
	for seq := v.last; known && seq >= v.first; seq-- {
		if v.slot(seq).kind>>3 != id {
			continue
		}
		if e := v.event(seq); match(&e) {
			return e, true
		}
	}
	return Event{}, false
}

// idOf is the number of a kind; false while no event had it.
func (r *Recorder) idOf(kind Kind) (id uint32, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, known = r.ids[string(kind)]
	return id, known
}

// Last is the position of the newest event, 0 before the first.
func (r *Recorder) Last() uint64 {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Changed returns a channel that is closed at the next event. Take it before
// asking Since, so that nothing falls between the two:
//
//	changed := recorder.Changed()
//	events, cursor, _ = recorder.Since(cursor, 1000)
//	if len(events) == 0 {
//		<-changed
//	}
//
// A nil Recorder returns nil, which is never closed.
func (r *Recorder) Changed() <-chan struct{} {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed
}

// Wait returns the first event after cursor that match accepts, waiting for it
// if need be, and the cursor behind it. It ends with ctx's error.
func (r *Recorder) Wait(ctx context.Context, cursor uint64, match func(*Event) bool) (Event, uint64, error) {
	for {
		changed := r.Changed()
		events, next, _ := r.Since(cursor, 1024)
		for i := range events {
			if match(&events[i]) {
				return events[i], events[i].Seq, nil
			}
		}
		cursor = next
		if len(events) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Event{}, cursor, ctx.Err()
		}
	}
}

// ByTx returns the events of one transaction that are in memory, oldest first.
func (r *Recorder) ByTx(txid string) []Event {
	if r == nil || txid == "" {
		return nil
	}
	v := r.view()
	var events []Event
	for seq := v.first; seq <= v.last; seq++ {
		if v.slot(seq).txid == txid {
			events = append(events, v.event(seq))
		}
	}
	return events
}

// Payload is an encoded message: the full name of its protobuf type and its bytes.
type Payload struct {
	Name  string
	Bytes []byte
}

// Payload returns the message that the event at seq is about, encoded, and the
// full name of its protobuf type. The receiver's event finds the payload that
// the sender's event of the same message keeps. ok is false when there is none
// or it has left the memory.
func (r *Recorder) Payload(seq uint64) (name string, bytes []byte, ok bool) {
	if r == nil {
		return "", nil, false
	}
	if name, bytes, ok = r.payload(seq); ok {
		return name, bytes, ok
	}
	v := r.view()
	if seq < v.first || seq > v.last {
		return "", nil, false
	}
	at := v.slot(seq)
	msg := at.msg
	if msg == 0 || Dir(at.kind&7) == Sent {
		return "", nil, false // the sender's event itself would keep it
	}
	// The other end of a message is mostly a few events away: look around seq.
	for distance := uint64(1); distance <= v.last; distance++ {
		before := seq-v.first >= distance
		after := v.last-seq >= distance
		if !before && !after {
			break
		}
		for _, other := range [2]struct {
			there bool
			seq   uint64
		}{{before, seq - distance}, {after, seq + distance}} {
			if !other.there || v.slot(other.seq).msg != msg {
				continue
			}
			if name, bytes, ok = r.payload(other.seq); ok || Dir(v.slot(other.seq).kind&7) == Sent {
				return name, bytes, ok
			}
		}
	}
	return "", nil, false
}

// payload encodes the payload that the event at seq itself keeps.
func (r *Recorder) payload(seq uint64) (string, []byte, bool) {
	r.mu.Lock()
	var carried payload
	if kept := r.payloadAt(seq); kept != nil {
		carried = *kept
	}
	r.mu.Unlock()
	name, bytes, err := carried.encode(nil)
	return name, bytes, err == nil && name != ""
}

// encode appends the encoded message to buffer. Without a message, name is empty.
func (p payload) encode(buffer []byte) (name string, bytes []byte, err error) {
	switch value := p.value.(type) {
	case proto.Message:
		bytes, err = proto.MarshalOptions{}.MarshalAppend(buffer, value)
		return string(value.ProtoReflect().Descriptor().FullName()), bytes, err
	case Payload:
		return value.Name, append(buffer, value.Bytes...), nil
	default:
		return "", buffer, nil
	}
}

// Export is Since with the payloads, for a process that hands its trace to
// another one: Import takes both slices as they are.
func (r *Recorder) Export(cursor uint64, max int) (events []Event, payloads []Payload, next, lost uint64) {
	events, next, lost = r.Since(cursor, max)
	payloads = make([]Payload, len(events))
	for i := range events {
		name, bytes, ok := r.payload(events[i].Seq)
		if ok {
			payloads[i] = Payload{name, bytes}
		}
	}
	return events, payloads, next, lost
}
