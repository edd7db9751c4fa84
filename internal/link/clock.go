package link

import (
	"context"
	"sync"
	"time"
)

// clocks measure, for each transaction, how long messages of it have stood
// still. Timeouts of our own subtract that time: who looks at a held message
// for a minute does not find a timeout when he releases it.
type clocks struct {
	mu  sync.Mutex
	all map[string]*clock // by transaction id; only while in use
}

type clock struct {
	users   int           // deadlines that look at it
	held    int           // messages that stand still now
	since   time.Time     // since when, while held > 0
	stood   time.Duration // earlier stretches together
	waiting []*deadline   // deadlines that would have passed, but for the hold
}

// use finds or makes a clock. Caller holds mu.
func (c *clocks) use(txID string) *clock {
	if c.all == nil {
		c.all = make(map[string]*clock)
	}
	k := c.all[txID]
	if k == nil {
		k = &clock{}
		c.all[txID] = k
	}
	return k
}

// tidy forgets a clock that nobody needs. Caller holds mu.
func (c *clocks) tidy(txID string, k *clock) {
	if k.users == 0 && k.held == 0 {
		delete(c.all, txID)
	}
}

// stop makes a transaction's time stand still; each stop needs one resume.
func (c *clocks) stop(txID string) {
	if txID == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.use(txID)
	if k.held == 0 {
		k.since = time.Now()
	}
	k.held++
}

func (c *clocks) resume(txID string) {
	if txID == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.all[txID]
	if k == nil || k.held == 0 {
		return
	}
	k.held--
	if k.held > 0 {
		return
	}
	k.stood += time.Since(k.since)
	for _, d := range k.waiting {
		d.timer.Reset(d.left(k))
	}
	k.waiting = nil
	c.tidy(txID, k)
}

// deadline is a context that ends after a time of which held stretches do not count.
type deadline struct {
	context.Context // the parent, for its values
	clocks          *clocks
	txID            string
	begin           time.Time
	allowed         time.Duration
	before          time.Duration // how long the transaction had stood still at begin
	timer           *time.Timer
	stopParent      func() bool

	done  chan struct{}
	mu    sync.Mutex
	err   error
	after map[*func()]struct{} // contexts derived from this one, see AfterFunc
}

// WithTimeout is context.WithTimeout with a clock that stands still while a
// message of the transaction is held anywhere in this process. The context has
// no Deadline of its own that others could see (a server that was told of it
// would not know of the hold). It ends with context.DeadlineExceeded.
func (n *Net) WithTimeout(ctx context.Context, txID string, allowed time.Duration) (context.Context, context.CancelFunc) {
	if txID == "" {
		return context.WithTimeout(ctx, allowed)
	}
	d := &deadline{Context: ctx, clocks: &n.clocks, txID: txID, begin: time.Now(), allowed: allowed, done: make(chan struct{})}
	c := &n.clocks
	c.mu.Lock()
	k := c.use(txID)
	k.users++
	d.before = k.total()
	d.timer = time.AfterFunc(allowed, d.expire)
	c.mu.Unlock()
	if ctx.Done() != nil {
		d.mu.Lock() // the timer may have fired already
		if d.err == nil {
			d.stopParent = context.AfterFunc(ctx, func() { d.end(ctx.Err()) })
		}
		d.mu.Unlock()
	}
	return d, func() { d.end(context.Canceled) }
}

// total is how long the transaction has stood still until now.
func (k *clock) total() time.Duration {
	if k.held > 0 {
		return k.stood + time.Since(k.since)
	}
	return k.stood
}

// left is how much of the allowed time remains.
func (d *deadline) left(k *clock) time.Duration {
	return d.allowed - (time.Since(d.begin) - (k.total() - d.before))
}

// expire ends the context unless held stretches gave it more time.
func (d *deadline) expire() {
	if d.Err() != nil {
		return
	}
	d.clocks.mu.Lock()
	k := d.clocks.use(d.txID)
	left, held := d.left(k), k.held > 0
	switch {
	case held:
		k.waiting = append(k.waiting, d)
	case left > 0:
		d.timer.Reset(left)
	}
	d.clocks.tidy(d.txID, k)
	d.clocks.mu.Unlock()
	if !held && left <= 0 {
		d.end(context.DeadlineExceeded)
	}
}

// end closes the context once.
func (d *deadline) end(err error) {
	d.mu.Lock()
	if d.err != nil {
		d.mu.Unlock()
		return
	}
	d.err = err
	close(d.done)
	after, stopParent := d.after, d.stopParent
	d.after = nil
	d.mu.Unlock()

	d.timer.Stop()
	if stopParent != nil {
		stopParent()
	}
	d.clocks.mu.Lock()
	k := d.clocks.use(d.txID)
	k.users--
	d.clocks.tidy(d.txID, k)
	d.clocks.mu.Unlock()
	for f := range after {
		go (*f)()
	}
}

// Deadline is the parent's: when this one's own time is up is not known.
func (d *deadline) Deadline() (time.Time, bool) { return d.Context.Deadline() }

// Done is closed when the context ends.
func (d *deadline) Done() <-chan struct{} { return d.done }

// Err is why the context ended.
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// AfterFunc is how package context hears of the end without a goroutine for
// each derived context.
func (d *deadline) AfterFunc(f func()) func() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		go f()
		return func() bool { return false }
	}
	if d.after == nil {
		d.after = make(map[*func()]struct{})
	}
	d.after[&f] = struct{}{}
	return func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		_, waiting := d.after[&f]
		delete(d.after, &f)
		return waiting
	}
}
