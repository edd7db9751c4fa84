package session

import (
	"context"
	"slices"
	"sync"
)

// outcomes is the queue between the background and the goroutine of the user interface.
// Each action has one place in it from its beginning until its callback has run, so the
// queue is bounded by maxActions. Weak entries (the lines of a running script) have
// maxWeak places of their own: a script that is faster than the screen loses the oldest.
type outcomes struct {
	mu      sync.Mutex
	under   int // actions begun and not yet told
	weak    int
	dropped int
	queue   []told
	room    chan struct{} // closed at the next take; nil while nobody waits
}

type told struct {
	f     func()
	weak  bool // may be lost
	aside bool // has no place
}

// maxWeak bounds the lines of a script between two frames.
const maxWeak = 512

// reserve takes a place for an action; it is false when there is none.
func (o *outcomes) reserve() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.under >= maxActions {
		return false
	}
	o.under++
	return true
}

// awaitRoom waits for a place until ctx ends.
func (o *outcomes) awaitRoom(ctx context.Context) error {
	for !o.reserve() {
		o.mu.Lock()
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// queueCallback queues the callback of an action that has its place.
func (o *outcomes) queueCallback(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, told{f: f})
}

// queueAside queues the callback of something that has no place of its own: whoever calls it
// bounds how much of it there is.
func (o *outcomes) queueAside(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, told{f: f, aside: true})
}

// queueHint queues something that may be lost.
func (o *outcomes) queueHint(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.weak >= maxWeak {
		i := slices.IndexFunc(o.queue, func(t told) bool { return t.weak })
		o.queue = slices.Delete(o.queue, i, i+1)
		o.weak--
		o.dropped++
	}
	o.queue = append(o.queue, told{f: f, weak: true})
	o.weak++
}

// drain empties the queue.
func (o *outcomes) drain() []told {
	o.mu.Lock()
	defer o.mu.Unlock()
	queue := o.queue
	for _, t := range queue {
		if !t.weak && !t.aside {
			o.under--
		}
	}
	o.queue, o.weak = nil, 0
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	return queue
}

// pending tells how many actions are under way or untold.
func (o *outcomes) pending() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.under
}
