package link

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/backoff"
)

// Reconnecting is quick, because links are cut and healed on purpose and
// everything is near.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Second
)

// noPause leaves the pauses between attempts to redial: gRPC's own can only be cut short
// by ClientConn.ResetConnectBackoff, which (1.85.0) walks over a map that a connection
// made at the same moment is written to, and the program dies of it.
var noPause = backoff.Config{BaseDelay: time.Millisecond, Multiplier: 1, MaxDelay: time.Millisecond}

// redial paces the attempts of one client to connect: the first is made at once, each
// that follows soon after another waits longer. While it waits callers are refused,
// because gRPC refuses calls from a failure until it is connected again.
type redial struct {
	mu      sync.Mutex
	pause   time.Duration // before the next attempt
	last    time.Time     // when the last attempt was let through
	hurried chan struct{} // closed by hurry
	asked   chan struct{} // what hurry returned, until an attempt is let through
	running chan struct{} // the same, while that attempt is under way
}

func newRedial() *redial { return &redial{hurried: make(chan struct{})} }

// wait returns when the next attempt may be made. Errors: the context's.
func (r *redial) wait(ctx context.Context) error {
	r.failed() // or there would be no further attempt
	r.mu.Lock()
	if time.Since(r.last) > 2*lastRetry {
		r.pause = 0 // it was connected in between, or nobody called
	}
	pause, hurried := r.pause, r.hurried
	r.pause = min(max(firstRetry, 2*pause), lastRetry)
	r.mu.Unlock()
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-hurried:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = time.Now()
	r.running, r.asked = r.asked, nil
	return nil
}

// failed ends the attempt under way, if it is known that it came to nothing.
func (r *redial) failed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running != nil {
		close(r.running)
		r.running = nil
	}
}

// hurry ends the wait, or lets the next attempt go without one. What it returns is closed
// when an attempt made after this has failed; one that succeeds shows in the state of the
// connection.
func (r *redial) hurry() (failed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.hurried)
	r.hurried = make(chan struct{})
	r.pause = 0
	if r.asked == nil {
		r.asked = make(chan struct{})
	}
	return r.asked
}
