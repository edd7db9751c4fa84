package trace

import (
	"errors"
	"sync"
	"time"
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
	perWrite     = 8 // chunks that a file is given at once
)

// Errors of RecordTo and StopRecording.
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

// Chunk is a stretch of the trace as a run file keeps it. DecodeEvents and
// DecodePayloads read what is in it.
type Chunk struct {
	First, Last uint64   // positions of the first and the last event
	Start       int64    // time of the first event
	TxIDs       []uint64 // sorted hashes (HashTxID) of the transactions that occur in it
	Events      []byte   // see chunk.go
	Payloads    []byte   // see payloads.go; empty when there are none
}

// File is what a Recorder writes to; package runfile has the one that lasts. One
// goroutine calls it.
type File interface {
	// Write keeps the chunks that next gives, all of them or none, until it gives nil.
	// A chunk's memory is used again for the one after it.
	Write(next func() (*Chunk, error)) error
	// Close is called once, after the last Write. failed is the error that ended the
	// recording early, nil if somebody stopped it.
	Close(failed error) error
}

// writer takes events from a Recorder and gives them to a file in chunks.
type writer struct {
	recorder *Recorder
	file     File
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
	chunk    Chunk // given out last; its memory is used again
}

// RecordTo writes the trace to a file from now on, beginning with what is still in
// memory; package runfile makes such files. After an error, ErrRecording mostly, the
// file was not touched and is still the caller's.
func (r *Recorder) RecordTo(file File) error {
	if r == nil {
		return errors.New("this process keeps no trace")
	}
	w := &writer{recorder: r, file: file, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	r.mu.Lock()
	if r.file != nil {
		r.mu.Unlock()
		return ErrRecording
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
	err = errors.Join(err, w.file.Close(err))
	w.err = err

	r := w.recorder
	r.mu.Lock()
	r.file = nil
	if err != nil {
		r.stopped = err
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
	for more := true; more; {
		left := perWrite
		err := w.file.Write(func() (*Chunk, error) {
			if left--; left < 0 {
				return nil, nil
			}
			if more = w.waiting(whole, target); !more {
				return nil, nil
			}
			return w.encode(w.take())
		})
		if err != nil {
			return err
		}
	}
	return nil
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

// encode makes a chunk of what take took.
func (w *writer) encode(first uint64) (*Chunk, error) {
	c := &w.chunk
	c.First, c.Last, c.Start = first, first+uint64(len(w.batch))-1, w.batch[0].Time
	c.Events, c.TxIDs = w.encoder.encodeEvents(c.Events[:0], w.batch)
	var err error
	c.Payloads, err = w.payloads.encode(c.Payloads[:0], w.carried, first)
	clear(w.carried) // messages are not kept alive by this buffer
	return c, err
}
