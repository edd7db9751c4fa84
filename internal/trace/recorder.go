package trace

import (
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
)

// Defaults of Options.
const (
	DefaultMaxEvents       = 65536
	DefaultMaxPayloadBytes = 24 << 20
)

// Options bound what a Recorder keeps in memory. Zero values mean the defaults.
type Options struct {
	MaxEvents       int // the newest events stay; rounded up to whole segments of 512
	MaxPayloadBytes int // the newest payloads stay, by their encoded size
}

// Recorder takes events from everywhere in a process and keeps the newest in
// memory. Record costs about as much as reading the clock and never waits for a
// reader: readers copy from segments that are already written and hold the lock
// only to learn where they are. While a run file is recorded (RecordTo) nothing
// is dropped before it is in the file; see writer for what happens then when
// the disk is too slow.
//
// A nil Recorder is off: every method works and does nothing.
type Recorder struct {
	mu       sync.Mutex
	options  Options
	started  time.Time  // with its monotonic reading: times never run backwards
	segments []*segment // oldest first; replaced, never changed in place, because readers hold it
	last     uint64     // position of the newest event
	names    []string   // id-1 -> text of kinds, nodes and channels; only appended to
	ids      map[string]uint32
	txids    [512]string // recently seen transaction ids, so that equal ones share memory

	bytes   int           // encoded size of the payloads kept
	evicted uint64        // payloads up to this position are gone
	changed chan struct{} // closed at the next event; nil when nobody waits
	file    *writer       // nil when no run file is recorded
	stopped error         // why the last recording ended early, until StopRecording asks
	room    sync.Cond     // signalled when the writer took events, for Record to go on
}

const segmentEvents = 512

// maxNames bounds the different kinds, nodes and channels: a program from
// outside may make up channels. Further ones are all shown as tooMany.
const (
	maxNames = 1 << 16
	tooMany  = "(one name too many)"
)

// segment is a stretch of the trace. Slots before Recorder.last are never
// written again, so they are read without the lock; payloads need it.
type segment struct {
	first    uint64 // position of slots[0]
	slots    [segmentEvents]slot
	payloads [segmentEvents]payload
}

// slot is an Event with its repeating texts replaced by numbers: a third
// smaller, and little for the garbage collector to follow.
type slot struct {
	time, msg, block uint64
	a, b, c          int64
	txid, key, note  string
	kind             uint32 // id of the kind times 8, plus the direction
	node             uint32
	other            uint32
	channel          uint32
	name             uint32
	what             What
}

// payload is what a message carried: a proto.Message by reference, or a Payload
// that came from another process already encoded.
type payload struct {
	value any
	size  int
}

// payloadOverhead is added to each payload's encoded size when memory is counted.
const payloadOverhead = 128

// NewRecorder makes a Recorder with the given bounds.
func NewRecorder(options Options) *Recorder {
	if options.MaxEvents <= 0 {
		options.MaxEvents = DefaultMaxEvents
	}
	if options.MaxPayloadBytes <= 0 {
		options.MaxPayloadBytes = DefaultMaxPayloadBytes
	}
	r := &Recorder{options: options, started: time.Now(), ids: make(map[string]uint32)}
	r.room.L = &r.mu
	return r
}

// Record adds an event and returns its position. It fills Seq, and Time unless
// it is set.
func (r *Recorder) Record(e Event) uint64 {
	if r == nil {
		return 0
	}
	return r.add(&e, payload{})
}

// RecordMessage adds an event with the message that it is about. The message is
// kept by reference and must not be changed afterwards.
func (r *Recorder) RecordMessage(e Event, m proto.Message) uint64 {
	if r == nil {
		return 0
	}
	if m == nil {
		return r.add(&e, payload{})
	}
	return r.add(&e, payload{m, proto.Size(m)})
}

// RecordPayload is RecordMessage for a message that is encoded already. The
// bytes must not be changed afterwards.
func (r *Recorder) RecordPayload(e Event, p Payload) uint64 {
	if r == nil {
		return 0
	}
	return r.add(&e, payload{p, len(p.Bytes)})
}

// Import adds events that another process recorded. Their times are kept, their
// positions are given anew. payloads is nil or has one entry for each event; an
// entry without name stands for none.
func (r *Recorder) Import(events []Event, payloads []Payload) {
	if r == nil {
		return
	}
	for i := range events {
		var carried payload
		if i < len(payloads) && payloads[i].Name != "" {
			carried = payload{payloads[i], len(payloads[i].Bytes)}
		}
		r.add(&events[i], carried)
	}
}

// add writes one event into the newest segment.
func (r *Recorder) add(e *Event, carried payload) uint64 {
	r.mu.Lock()
	if r.file != nil {
		r.waitForRoom(carried.size)
	}
	seq := r.last + 1
	at := int(r.last % segmentEvents)
	if at == 0 {
		r.grow(seq)
	}
	segment := r.segments[len(r.segments)-1]
	s := &segment.slots[at]
	s.time = uint64(e.Time)
	if e.Time == 0 {
		s.time = uint64(r.started.UnixNano() + int64(time.Since(r.started)))
	}
	s.msg, s.block, s.key, s.note = e.Msg, e.Block, e.Key, e.Note
	s.txid = r.shared(e.TxID)
	s.kind = r.id(string(e.Kind))<<3 | uint32(e.Dir)&7
	s.node, s.other, s.channel, s.name = r.id(e.Node), r.id(e.Other), r.id(e.Channel), r.id(e.Name)
	s.what, s.a, s.b, s.c = e.What, e.A, e.B, e.C
	r.last = seq
	if carried.value != nil {
		segment.payloads[at] = carried
		r.bytes += carried.size + payloadOverhead
		if r.bytes > r.options.MaxPayloadBytes {
			r.evict()
		}
	}
	if r.file != nil {
		r.file.added(carried.size)
	}
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
	r.mu.Unlock()
	return seq
}

// id numbers a repeating text; 0 is the empty one.
func (r *Recorder) id(text string) uint32 {
	if text == "" {
		return 0
	}
	id, ok := r.ids[text]
	if !ok {
		if len(r.names) >= maxNames-1 && text != tooMany {
			return r.id(tooMany)
		}
		r.names = append(r.names, text)
		id = uint32(len(r.names))
		r.ids[text] = id
	}
	return id
}

// shared returns an equal transaction id that is already in memory, if there is
// one. Each message decodes its own copy; without this every event would keep one.
func (r *Recorder) shared(txid string) string {
	if len(txid) < 8 {
		return txid
	}
	known := &r.txids[(int(txid[0])*31+int(txid[1])+int(txid[2])*7+int(txid[3])*131)%len(r.txids)]
	if *known != txid {
		*known = txid
	}
	return *known
}

// grow adds a segment and lets go of the oldest when there are too many.
func (r *Recorder) grow(first uint64) {
	limit := max(1, (r.options.MaxEvents+segmentEvents-1)/segmentEvents)
	drop := 0
	for len(r.segments)-drop >= limit && r.mayDrop(r.segments[drop].first+segmentEvents-1) {
		for i := range r.segments[drop].payloads {
			if kept := &r.segments[drop].payloads[i]; kept.value != nil {
				r.bytes -= kept.size + payloadOverhead
			}
		}
		drop++
	}
	segments := make([]*segment, 0, len(r.segments)-drop+1)
	segments = append(segments, r.segments[drop:]...)
	r.segments = append(segments, &segment{first: first})
	r.evicted = max(r.evicted, r.segments[0].first-1)
}

// evict lets go of the oldest payloads until the rest fits.
func (r *Recorder) evict() {
	for r.bytes > r.options.MaxPayloadBytes && r.evicted < r.last && r.mayDrop(r.evicted+1) {
		r.evicted++
		if kept := r.payloadAt(r.evicted); kept != nil && kept.value != nil {
			r.bytes -= kept.size + payloadOverhead
			*kept = payload{}
		}
	}
}

// mayDrop reports whether the event at seq is no longer waiting for the run file.
func (r *Recorder) mayDrop(seq uint64) bool {
	return r.file == nil || seq <= r.file.taken
}

// payloadAt is the place of an event's payload; nil when it is out of memory.
// The caller holds the lock.
func (r *Recorder) payloadAt(seq uint64) *payload {
	if len(r.segments) == 0 || seq < r.segments[0].first || seq > r.last {
		return nil
	}
	at := seq - r.segments[0].first
	return &r.segments[at/segmentEvents].payloads[at%segmentEvents]
}
