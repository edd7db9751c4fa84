package link

import (
	"sync"
	"time"
)

// queue holds data that is on its way in one direction of a slow connection,
// each piece with the time of its arrival. Order is kept: a piece never arrives
// before the one ahead of it.
type queue struct {
	mu     sync.Mutex
	change sync.Cond
	pieces []piece
	bytes  int       // in pieces, plus the one being handed on
	last   time.Time // arrival of the newest piece
	busy   bool      // a goroutine hands pieces on
	err    error     // nothing comes any more, once pieces is empty
	ended  bool      // closed: pieces are void too
}

type piece struct {
	data []byte
	due  time.Time
}

func (q *queue) init() { q.change.L = &q.mu }

// idle reports whether nothing is on its way, so that data may go straight through.
func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.busy && q.err == nil
}

// put adds a piece that arrives after delay. It waits while too much is on its
// way. start is true when nobody hands pieces on: the caller must see to it.
func (q *queue) put(data []byte, delay time.Duration) (start bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	due := time.Now().Add(delay)
	for q.bytes > queueLimit && q.err == nil {
		q.change.Wait()
	}
	if q.err != nil {
		return false, q.err
	}
	if due.Before(q.last) {
		due = q.last
	}
	q.last = due
	q.pieces = append(q.pieces, piece{data, due})
	q.bytes += len(data)
	start = !q.busy
	q.busy = true
	q.change.Broadcast()
	return start, nil
}

// next takes the first piece when its time has come; false when closed.
func (q *queue) next(closed <-chan struct{}) ([]byte, bool) {
	q.mu.Lock()
	if len(q.pieces) == 0 || q.ended {
		q.mu.Unlock()
		return nil, false
	}
	first := q.pieces[0]
	q.mu.Unlock()
	if !wait(time.Until(first.due), closed) {
		return nil, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pieces = q.pieces[1:]
	return first.data, true
}

// done says that a taken piece of n bytes was handed on. It reports whether
// that was the last one; then the next put starts anew.
func (q *queue) done(n int) (last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= n
	q.change.Broadcast()
	if len(q.pieces) > 0 {
		return false
	}
	q.pieces = nil
	q.busy = false
	return true
}

// begin marks that a goroutine reads ahead.
func (q *queue) begin() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = true
}

func (q *queue) started() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.busy
}

// read copies out what has arrived, waiting for it.
func (q *queue) read(p []byte, closed <-chan struct{}) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for len(q.pieces) == 0 || q.ended {
			if q.err != nil {
				return 0, q.err
			}
			q.change.Wait()
		}
		first := &q.pieces[0]
		left := time.Until(first.due)
		if left <= 0 {
			n := copy(p, first.data)
			q.bytes -= n
			if first.data = first.data[n:]; len(first.data) == 0 {
				q.pieces = q.pieces[1:]
			}
			q.change.Broadcast()
			return n, nil
		}
		q.mu.Unlock()
		wait(left, closed)
		q.mu.Lock()
	}
}

// finish says that nothing comes after what is on its way.
func (q *queue) finish(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.change.Broadcast()
}

// end voids everything on its way.
func (q *queue) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	if q.err == nil {
		q.err = err
	}
	q.change.Broadcast()
}
