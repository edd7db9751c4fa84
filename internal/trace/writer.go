package trace

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/fabriscope/fabriscope/internal/sqlite"
)

// How a run file is written. An event is in the file, and survives kill -9, at
// most flushEvery later; under load sooner, because full chunks do not wait.
//
// Backpressure: the file loses nothing. What is not yet written is bounded by
// behindEvents and behindBytes; beyond that Record waits for the disk. At
// 100,000 events and 40 MB of payloads a second the bounds stand for more than a
// second of a disk that does nothing at all.
const (
	flushEvery   = 200 * time.Millisecond
	chunkEvents  = 8192    // events of one chunk at most
	chunkBytes   = 2 << 20 // payload bytes of one chunk, unless a single one is larger
	behindEvents = 1 << 18
	behindBytes  = 64 << 20
	perCommit    = 8 // chunks in one transaction
)

// Errors of RecordTo.
var (
	ErrRecording    = errors.New("a run file is being recorded already; stop that first")
	ErrNotRecording = errors.New("no run file is being recorded")
)

// Meta says what a run file is about.
type Meta struct {
	Name     string            // of the network or scenario
	Topology string            // its YAML text
	Program  string            // version of the program that recorded
	Seed     int64             // of the scenario
	Started  time.Time         // when recording began; filled if zero
	Ended    time.Time         // when it ended; zero if it was killed or still runs
	Labels   map[string]string // anything else worth showing
}

// runFileID marks SQLite files as run files: "FSCP".
const runFileID = 0x46534350

// runMigrations is the layout of a run file. Small columns come first: what
// lies behind a large value is reached only by reading through it.
var runMigrations = []string{`
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE chunk (
	first  INTEGER PRIMARY KEY, -- position of the first event
	last   INTEGER NOT NULL,    -- position of the last one
	start  INTEGER NOT NULL,    -- time of the first event, ns since 1970
	txids  BLOB NOT NULL,       -- sorted 8-byte FNV-1a hashes of the transaction ids in it
	events BLOB NOT NULL        -- see chunk.go
);
CREATE TABLE payload (
	first INTEGER PRIMARY KEY,  -- as in chunk; no row when there are none
	data  BLOB NOT NULL         -- see payloads.go
);`}

// writer takes events from a Recorder and writes them to a run file.
type writer struct {
	recorder *Recorder
	db       *sqlite.DB
	meta     Meta
	wake     chan struct{} // there is a chunk's worth to write
	stop     chan struct{} // closed by StopRecording
	done     chan struct{} // closed when everything is written
	once     sync.Once     // closes stop
	err      error         // why it ended early; read after done

	// Guarded by Recorder.mu.
	taken  uint64 // events up to here were taken over
	events int    // recorded since
	bytes  int    // their payloads

	// Used by run only.
	encoder  encoder
	payloads payloadEncoder
	batch    []Event
	carried  []payload
	buffers  [2][]byte
}

// RecordTo writes the trace to a new run file from now on, beginning with what
// is still in memory. Errors: ErrRecording, fs.ErrExist, those of package sqlite.
func (r *Recorder) RecordTo(path string, meta Meta) error {
	if r == nil {
		return fmt.Errorf("record to %s: %w", path, errors.New("this process keeps no trace"))
	}
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return fmt.Errorf("record to %s: %w; choose another name or delete it", path, fs.ErrExist)
	}
	if meta.Started.IsZero() {
		meta.Started = time.Now()
	}
	db, err := sqlite.Open(path, sqlite.Options{Migrations: runMigrations, ApplicationID: runFileID, Readers: 1})
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	w := &writer{recorder: r, db: db, meta: meta, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	if err := w.writeMeta(); err != nil {
		return errors.Join(err, db.Close())
	}
	r.mu.Lock()
	if r.file != nil {
		r.mu.Unlock()
		return errors.Join(fmt.Errorf("record to %s: %w", path, ErrRecording), db.Close(), os.Remove(path))
	}
	w.taken = r.last
	if len(r.segments) > 0 {
		w.taken = r.segments[0].first - 1
	}
	for seq := w.taken + 1; seq <= r.last; seq++ {
		w.bytes += r.payloadAt(seq).size
	}
	w.events = int(r.last - w.taken)
	r.file, r.stopped = w, nil
	r.mu.Unlock()
	go w.run()
	return nil
}

// StopRecording writes what is left and closes the run file. It returns the
// error that ended the recording early, if one did.
func (r *Recorder) StopRecording() error {
	if r == nil {
		return ErrNotRecording
	}
	r.mu.Lock()
	w, err := r.file, r.stopped
	r.stopped = nil
	if w != nil {
		w.once.Do(func() { close(w.stop) })
	}
	r.mu.Unlock()
	switch {
	case w != nil:
		<-w.done
		return w.err
	case err != nil:
		return err
	default:
		return ErrNotRecording
	}
}

// added counts an event that waits for the writer. Caller holds Recorder.mu.
func (w *writer) added(size int) {
	w.events++
	w.bytes += size
	if w.events >= chunkEvents || w.bytes >= chunkBytes {
		w.hurry()
	}
}

func (w *writer) hurry() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// waitForRoom lets Record wait while the writer is too far behind. Caller holds
// the lock, which is released meanwhile.
func (r *Recorder) waitForRoom(size int) {
	for r.file != nil && (r.file.events >= behindEvents || (r.file.events > 0 && r.file.bytes+size > behindBytes)) {
		r.file.hurry()
		r.room.Wait()
	}
}

// run writes until it is stopped or the disk refuses.
func (w *writer) run() {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	var err error
	for stopped := false; !stopped && err == nil; {
		whole := false // only full chunks
		select {
		case <-w.wake:
		case <-ticker.C:
			whole = true
		case <-w.stop:
			whole, stopped = true, true
		}
		err = w.flush(whole)
	}
	if err == nil {
		w.meta.Ended = time.Now()
		err = w.writeMeta()
	}
	w.err = errors.Join(err, w.db.CloseWhole())

	r := w.recorder
	r.mu.Lock()
	r.file = nil
	if err != nil {
		r.stopped = w.err
	}
	r.room.Broadcast()
	r.mu.Unlock()
	close(w.done)
	if err != nil {
		r.Record(Event{Kind: ErrorEvent, Note: "recording stopped: " + err.Error()})
	}
}

// flush writes full chunks, and when whole is set also the rest of what waits
// now. What arrives meanwhile is left to the next flush, or else each chunk
// would be smaller than the one before.
func (w *writer) flush(whole bool) error {
	w.recorder.mu.Lock()
	target := w.recorder.last
	w.recorder.mu.Unlock()
	for {
		more := false
		err := w.db.Update(context.Background(), func(tx *sql.Tx) error {
			for range perCommit {
				if more = w.waiting(whole, target); !more {
					return nil
				}
				if err := w.writeChunk(tx, w.take()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || !more {
			return err
		}
	}
}

// waiting reports whether there is a chunk to write.
func (w *writer) waiting(whole bool, target uint64) bool {
	w.recorder.mu.Lock()
	defer w.recorder.mu.Unlock()
	return w.events >= chunkEvents || w.bytes >= chunkBytes || (whole && w.taken < target)
}

// take fills batch and carried with the next chunk's events and returns the
// position of the first.
func (w *writer) take() (first uint64) {
	w.batch, w.carried = w.batch[:0], w.carried[:0]
	r := w.recorder
	bytes := 0
	var v view
	for more := true; more; {
		r.mu.Lock()
		v = view{segments: r.segments, names: r.names, first: r.segments[0].first, last: r.last}
		if first == 0 {
			first = w.taken + 1
		}
		before := bytes
		start := w.taken
		// One segment at a time: whoever records waits for the lock only shortly.
		for w.taken < r.last && len(w.carried) < chunkEvents && bytes < chunkBytes && w.taken-start < segmentEvents {
			w.taken++
			kept := *r.payloadAt(w.taken)
			bytes += kept.size
			w.carried = append(w.carried, kept)
		}
		more = w.taken-start == segmentEvents
		w.events -= int(w.taken - start)
		w.bytes -= bytes - before
		r.room.Broadcast()
		r.mu.Unlock()
		for len(w.batch) < len(w.carried) {
			w.batch = append(w.batch, v.event(first+uint64(len(w.batch))))
		}
	}
	return first
}

// writeChunk writes what take took.
func (w *writer) writeChunk(tx *sql.Tx, first uint64) error {
	events, txids := w.encoder.encodeEvents(w.buffers[0][:0], w.batch)
	w.buffers[0] = events
	hashes := make([]byte, 0, 8*len(txids))
	for _, hash := range txids {
		hashes = binary.LittleEndian.AppendUint64(hashes, hash)
	}
	last := first + uint64(len(w.batch)) - 1
	_, err := tx.Exec("INSERT INTO chunk VALUES (?, ?, ?, ?, ?)", int64(first), int64(last), w.batch[0].Time, hashes, events)
	if err != nil {
		return w.db.Explain("write", err)
	}
	payloads, err := w.payloads.encode(w.buffers[1][:0], w.carried, first)
	if err != nil {
		return err
	}
	w.buffers[1] = payloads
	clear(w.carried) // messages are not kept alive by this buffer
	if len(payloads) == 0 {
		return nil
	}
	_, err = tx.Exec("INSERT INTO payload VALUES (?, ?)", int64(first), payloads)
	return w.db.Explain("write", err)
}

func (w *writer) writeMeta() error {
	text, err := json.Marshal(w.meta)
	if err != nil {
		return fmt.Errorf("record to %s: %w", w.db.Path(), err)
	}
	return w.db.Update(context.Background(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT OR REPLACE INTO meta VALUES ('meta', ?)", string(text))
		return err
	})
}
