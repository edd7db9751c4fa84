package link

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// maxHeld bounds the messages that stand still at once. Further ones pass, with
// a note in the trace: a forgotten hold must not fill the memory.
const maxHeld = 4096

// HoldID names one hold, from 1.
type HoldID uint64

// Filter says which messages a hold stops. Empty fields fit everything.
type Filter struct {
	Kind    trace.Kind // exactly, or everything that begins like it if it ends in "*": "raft.*"
	Node    string     // who sends, a name or a pattern of path.Match
	Other   string     // who should receive, likewise
	TxID    string     // exactly
	Key     string     // exactly
	Channel string     // exactly
	Count   int        // stops this many messages and is then gone; 0 = every one
}

// HeldMessage is a message that stands still.
type HeldMessage struct {
	ID    uint64      // of the message, equal to Event.Msg: for Release
	Hold  HoldID      // which hold stopped it
	Event trace.Event // what it is: recorded with Dir Held, Node = where it stands
	Since time.Time
}

// Hold is a filter with the id by which the whole network knows it.
type Hold struct {
	ID     HoldID
	Filter Filter
}

// Claim asks whether this process may stop one more message for a hold with a Count:
// the count is one number in the whole network, so whoever set the hold keeps it. It is
// called without locks and may take a moment, for which the message waits. Where it was
// granted, stopped is told once whether the message really stood still.
type Claim func(HoldID) (granted bool, stopped func(bool))

// holds are the breakpoints of one Net.
type holds struct {
	active atomic.Int32 // holds that are set, so that messages need no lock when there is none
	mu     sync.Mutex
	set    []Hold
	held   []*held // oldest first

	// A message that is about to be stopped may find that its hold was taken away and
	// what it stopped released meanwhile: it must not stand still for ever.
	stopping int
	released map[HoldID]bool // while stopping > 0
}

// held is one message that stands still. resume is closed when it may go on.
type held struct {
	HeldMessage
	message any
	resume  chan struct{}
	gone    bool // no longer in holds.held; under its lock
}

// SetHolds replaces all holds. Messages that stand still go on standing; see
// ReleaseHold.
//
// A hold stops every message that fits until it is released. The message's own
// transaction waits; other transactions on the same connection go on, except on
// streams whose order matters (blocks, broadcast, Raft), where what follows on
// that stream waits too.
func (n *Net) SetHolds(holds []Hold) error {
	for _, h := range holds {
		if err := h.Filter.Check(); err != nil {
			return err
		}
	}
	n.holds.mu.Lock()
	defer n.holds.mu.Unlock()
	n.holds.set = slices.Clone(holds)
	n.holds.active.Store(int32(len(holds)))
	return nil
}

// Check refuses patterns that are none.
func (f *Filter) Check() error {
	for _, pattern := range []string{f.Node, f.Other} {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("hold %s: pattern %q: %w", f.Kind, pattern, err)
		}
	}
	return nil
}

// Holding tells whether any hold is set: then messages may stand still for long, in
// this process or in another one of the network.
func (n *Net) Holding() bool { return n.holds.active.Load() > 0 }

// Held lists the messages that stand still, oldest first.
func (n *Net) Held() []HeldMessage {
	n.holds.mu.Lock()
	defer n.holds.mu.Unlock()
	list := make([]HeldMessage, len(n.holds.held))
	for i, h := range n.holds.held {
		list[i] = h.HeldMessage
	}
	return list
}

// Release lets one message go on; it reports whether it was held.
func (n *Net) Release(id uint64) bool {
	return n.release(func(h *held) bool { return h.ID == id }) > 0
}

// ReleaseAll lets all held messages go on and returns how many there were. The
// holds stay: messages that come later are stopped again.
func (n *Net) ReleaseAll() int { return n.release(func(*held) bool { return true }) }

// ReleaseHold lets the messages go on that a hold has stopped, after it was taken away.
func (n *Net) ReleaseHold(id HoldID) int {
	n.holds.mu.Lock()
	if n.holds.stopping > 0 {
		if n.holds.released == nil {
			n.holds.released = map[HoldID]bool{}
		}
		n.holds.released[id] = true
	}
	n.holds.mu.Unlock()
	return n.release(func(h *held) bool { return h.Hold == id })
}

// release lets fitting messages go on.
func (n *Net) release(fits func(*held) bool) int {
	n.holds.mu.Lock()
	var free []*held
	n.holds.held = slices.DeleteFunc(n.holds.held, func(h *held) bool {
		if !fits(h) {
			return false
		}
		h.gone = true
		free = append(free, h)
		return true
	})
	n.holds.mu.Unlock()
	for _, h := range free {
		event := h.Event
		event.Seq, event.Time, event.Dir = 0, 0, trace.Released
		n.record(event, h.message, true)
		n.clocks.resume(h.Event.TxID)
		close(h.resume)
	}
	return len(free)
}

// stop holds the message that event is about if some hold fits; nil lets it pass.
// event.Dir tells whether our end sends or receives it.
func (n *Net) stop(event *trace.Event, message any) *held {
	if n.holds.active.Load() == 0 {
		return nil
	}
	sender, receiver := event.Node, event.Other
	if event.Dir == trace.Received {
		sender, receiver = receiver, sender
	}
	n.holds.mu.Lock()
	var fitting []Hold
	for _, h := range n.holds.set {
		if h.Filter.Fits(event, sender, receiver) {
			fitting = append(fitting, h)
		}
	}
	if len(fitting) > 0 {
		n.holds.stopping++
	}
	n.holds.mu.Unlock()
	if len(fitting) == 0 {
		return nil
	}
	var h *held
	for i := 0; i < len(fitting) && h == nil; i++ {
		h = n.stopFor(fitting[i], event, message)
	}
	n.holds.mu.Lock()
	if n.holds.stopping--; n.holds.stopping == 0 {
		n.holds.released = nil
	}
	n.holds.mu.Unlock()
	return h
}

// stopFor parks a message for one hold; nil if the hold's count is used up or the hold
// is gone.
func (n *Net) stopFor(by Hold, event *trace.Event, message any) *held {
	stopped := func(bool) {}
	if by.Filter.Count > 0 {
		if n.claim == nil {
			return nil
		}
		granted, told := n.claim(by.ID)
		if !granted {
			return nil
		}
		stopped = told
	}
	h := &held{message: message, resume: make(chan struct{})}
	h.Hold, h.Event, h.ID, h.Since = by.ID, *event, event.Msg, time.Now()
	h.Event.Name = event.Dir.String()
	h.Event.Dir = trace.Held
	n.holds.mu.Lock()
	full := len(n.holds.held) >= maxHeld
	if full || n.holds.released[by.ID] {
		n.holds.mu.Unlock()
		stopped(false)
		if full {
			n.trace.Record(trace.Event{Kind: trace.ErrorEvent, Node: event.Node, TxID: event.TxID, What: trace.Told,
				Note: fmt.Sprintf("%d messages are held already; this one passes: release some or remove the hold", maxHeld)})
		}
		return nil
	}
	n.holds.held = append(n.holds.held, h)
	n.clocks.stop(event.TxID)
	n.trace.Record(h.Event) // under the lock: a release must come after it
	n.holds.mu.Unlock()
	stopped(true)
	return h
}

// Fits reports whether the hold is for this message.
func (f *Filter) Fits(e *trace.Event, sender, receiver string) bool {
	kind := f.Kind == "" || f.Kind == e.Kind
	if begin, ok := strings.CutSuffix(string(f.Kind), "*"); ok {
		kind = strings.HasPrefix(string(e.Kind), begin)
	}
	return kind &&
		(f.TxID == "" || f.TxID == e.TxID) &&
		(f.Key == "" || f.Key == e.Key) &&
		(f.Channel == "" || f.Channel == e.Channel) &&
		(f.Node == "" || match(f.Node, sender)) &&
		(f.Other == "" || match(f.Other, receiver))
}

// wait blocks until the message may go on or ctx ends; then the message is lost.
func (n *Net) wait(ctx context.Context, h *held) error {
	if h == nil {
		return nil
	}
	select {
	case <-h.resume:
		return nil
	case <-ctx.Done():
	}
	n.holds.mu.Lock()
	if h.gone { // released at the same moment
		n.holds.mu.Unlock()
		return nil
	}
	h.gone = true
	n.holds.held = slices.DeleteFunc(n.holds.held, func(other *held) bool { return other == h })
	n.holds.mu.Unlock()
	n.clocks.resume(h.Event.TxID)
	event := h.Event
	event.Seq, event.Time, event.Dir, event.What, event.Note = 0, 0, trace.Lost, trace.LostGivenUp, "given up while it was held: "+ctx.Err().Error()
	n.trace.Record(event)
	return ctx.Err()
}
