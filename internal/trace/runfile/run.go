package runfile

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"sync"

	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// How much of a run file is kept decoded.
const (
	eventChunksKept   = 8
	payloadChunksKept = 4
	otherEnd          = 64 // chunks searched for the other end of a message
)

// Run is a recorded run file, opened for reading. It offers what a Recorder
// offers, so that a window shows both in the same way. A run that is still being
// recorded can be opened too; it grows.
//
// A damaged chunk counts as lost events; the rest stays readable, and Damage
// says what is wrong.
type Run struct {
	db *sqlite.DB

	mu       sync.Mutex
	events   cache[[]trace.Event]
	payloads cache[map[uint64]trace.Stored]
	damage   error
}

// cache keeps the chunks that were used last.
type cache[T any] struct {
	keys   []uint64 // oldest first
	values map[uint64]T
}

func (c *cache[T]) put(key uint64, value T, limit int) {
	if c.values == nil {
		c.values = make(map[uint64]T)
	}
	if len(c.keys) >= limit {
		delete(c.values, c.keys[0])
		c.keys = c.keys[1:]
	}
	c.keys = append(c.keys, key)
	c.values[key] = value
}

// Open opens a run file for reading. Errors: those of package sqlite, in
// particular ErrForeign and ErrCorrupt for other files, and fs.ErrNotExist.
func Open(path string) (*Run, error) {
	db, err := sqlite.Open(path, sqlite.Options{ReadOnly: true, Migrations: migrations, ApplicationID: ApplicationID, Readers: 2})
	if err != nil {
		return nil, fmt.Errorf("open run file: %w", err)
	}
	run := &Run{db: db}
	if _, err := run.Meta(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return run, nil
}

// Close lets go of the file.
func (r *Run) Close() error { return r.db.Close() }

// Meta says what was recorded.
func (r *Run) Meta() (trace.Meta, error) {
	var text string
	var meta trace.Meta
	err := r.db.Reader().QueryRow("SELECT value FROM meta WHERE name = 'meta'").Scan(&text)
	if err != nil {
		return meta, r.db.Explain("read the description of", err)
	}
	if err := json.Unmarshal([]byte(text), &meta); err != nil {
		return meta, fmt.Errorf("read the description of %s: %w: %w", r.db.Path(), sqlite.ErrCorrupt, err)
	}
	return meta, nil
}

// Count is the number of events in the file.
func (r *Run) Count() (uint64, error) {
	var count sql.NullInt64
	err := r.db.Reader().QueryRow("SELECT sum(last - first + 1) FROM chunk").Scan(&count)
	return uint64(count.Int64), r.db.Explain("count the events of", err)
}

// Damage is the first thing found wrong with the file while reading; nil if nothing.
func (r *Run) Damage() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.damage
}

// note remembers what is wrong. Caller holds mu.
func (r *Run) note(err error) {
	if r.damage == nil {
		r.damage = r.db.Explain("read", err)
	}
}

// Since returns the events after cursor, oldest first and at most max of them
// (0 = one chunk, some thousands), the cursor to go on with, and how many
// events in between are missing: recorded before the file began, or damaged.
func (r *Run) Since(cursor uint64, max int) (events []trace.Event, next, lost uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next = cursor
	for max <= 0 || len(events) < max {
		first, last, ok := r.span("last > ? ORDER BY first LIMIT 1", next)
		if !ok {
			break
		}
		if next+1 < first {
			lost += first - 1 - next
			next = first - 1
		}
		chunk := r.chunk(first)
		if uint64(len(chunk)) != last-first+1 {
			if len(events) > 0 {
				break // the caller hears of it next time
			}
			lost += last - next
			next = last
			continue
		}
		rest := chunk[next+1-first:]
		if max > 0 && len(rest) > max-len(events) {
			rest = rest[:max-len(events)]
		}
		events = append(events, rest...)
		next += uint64(len(rest))
		if max <= 0 {
			break
		}
	}
	return events, next, lost
}

// span finds one chunk by a condition. Caller holds mu.
func (r *Run) span(condition string, seq uint64) (first, last uint64, ok bool) {
	var a, b int64
	err := r.db.Reader().QueryRow("SELECT first, last FROM chunk WHERE "+condition, int64(seq)).Scan(&a, &b)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, false
	}
	if err == nil && (a < 1 || b < a || b-a >= trace.MaxChunkEvents) {
		err = fmt.Errorf("%w: it says that it holds events %d to %d", trace.ErrDamaged, a, b)
	}
	if err != nil {
		r.note(err)
		return 0, 0, false
	}
	return uint64(a), uint64(b), true
}

// containing finds the chunk with the event at seq. Caller holds mu.
func (r *Run) containing(seq uint64) (first uint64, ok bool) {
	first, last, ok := r.span("first <= ? ORDER BY first DESC LIMIT 1", seq)
	return first, ok && seq >= first && seq <= last
}

// chunk decodes the chunk that begins at first; nil when it is damaged. Caller holds mu.
func (r *Run) chunk(first uint64) []trace.Event {
	if events, ok := r.events.values[first]; ok {
		return events
	}
	var data []byte
	err := r.db.Reader().QueryRow("SELECT events FROM chunk WHERE first = ?", int64(first)).Scan(&data)
	var events []trace.Event
	if err == nil {
		events, err = trace.DecodeEvents(data, first)
	}
	if err != nil {
		r.note(err)
	}
	r.events.put(first, events, eventChunksKept)
	return events
}

// Event returns the event at seq.
func (r *Run) Event(seq uint64) (trace.Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.event(seq)
}

func (r *Run) event(seq uint64) (trace.Event, bool) {
	first, ok := r.containing(seq)
	if !ok {
		return trace.Event{}, false
	}
	events := r.chunk(first)
	if seq-first >= uint64(len(events)) {
		return trace.Event{}, false
	}
	return events[seq-first], true
}

// Payload returns the message that the event at seq is about, encoded, and the
// full name of its protobuf type, as Recorder.Payload does.
func (r *Run) Payload(seq uint64) (name string, bytes []byte, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	event, ok := r.event(seq)
	if !ok {
		return "", nil, false
	}
	if name, bytes, ok = r.payload(seq); ok || event.Msg == 0 {
		return name, bytes, ok
	}
	// The sender's event has it: in this chunk, mostly, or a few chunks away.
	first, _ := r.containing(seq)
	for _, next := range []string{"first <= ? ORDER BY first DESC LIMIT 1", "first > ? ORDER BY first LIMIT 1"} {
		at := first
		for range otherEnd {
			from, last, found := r.span(next, at)
			if !found {
				break
			}
			for _, other := range r.chunk(from) {
				if other.Msg == event.Msg && other.Seq != seq {
					if name, bytes, ok = r.payload(other.Seq); ok {
						return name, bytes, ok
					}
				}
			}
			if at = from - 1; from > first {
				at = last
			}
		}
	}
	return "", nil, false
}

// payload is what the event at seq itself carries. Caller holds mu.
func (r *Run) payload(seq uint64) (string, []byte, bool) {
	for range 2 { // a payload that is referred to is there itself
		first, ok := r.containing(seq)
		if !ok {
			return "", nil, false
		}
		found, ok := r.payloadChunk(first)[seq]
		switch {
		case !ok:
			return "", nil, false
		case found.At == 0:
			return found.Name, found.Bytes, true
		}
		seq = found.At
	}
	return "", nil, false
}

// payloadChunk decodes the payloads of the chunk that begins at first. Caller holds mu.
func (r *Run) payloadChunk(first uint64) map[uint64]trace.Stored {
	if payloads, ok := r.payloads.values[first]; ok {
		return payloads
	}
	var data []byte
	err := r.db.Reader().QueryRow("SELECT data FROM payload WHERE first = ?", int64(first)).Scan(&data)
	var payloads map[uint64]trace.Stored
	if err == nil {
		payloads, err = trace.DecodePayloads(data, first)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		r.note(err)
	}
	r.payloads.put(first, payloads, payloadChunksKept)
	return payloads
}

// ByTx returns the events of one transaction, oldest first. What cannot be read is
// missing, and Damage tells.
func (r *Run) ByTx(txid string) []trace.Event {
	if txid == "" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	chunks, err := r.chunksOf(txid)
	if err != nil {
		r.note(err)
	}
	var events []trace.Event
	for _, first := range chunks {
		for _, event := range r.chunk(first) {
			if event.TxID == txid {
				events = append(events, event)
			}
		}
	}
	return events
}

// chunksOf finds the chunks in which a transaction occurs, by their lists of hashes.
func (r *Run) chunksOf(txid string) (chunks []uint64, err error) {
	rows, err := r.db.Reader().QueryContext(context.Background(), "SELECT first, txids FROM chunk ORDER BY first")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	hash := trace.HashTxID(txid)
	for rows.Next() {
		var first int64
		var list sql.RawBytes
		if err := rows.Scan(&first, &list); err != nil {
			return nil, err
		}
		at := func(i int) uint64 { return binary.LittleEndian.Uint64(list[8*i:]) }
		count := len(list) / 8
		if i := sort.Search(count, func(i int) bool { return at(i) >= hash }); i < count && at(i) == hash {
			chunks = append(chunks, uint64(first))
		}
	}
	return chunks, rows.Err()
}
