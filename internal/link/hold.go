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

// holds are the breakpoints of one Net.
type holds struct {
	active atomic.Int32 // holds that are set, so that messages need no lock when there is none
	mu     sync.Mutex
	last   HoldID
	set    []*hold
	held   []*held // oldest first
}

type hold struct {
	id     HoldID
	filter Filter
	left   int // messages that it still stops; -1 = no end
}

// held is one message that stands still. resume is closed when it may go on.
type held struct {
	HeldMessage
	message any
	resume  chan struct{}
	gone    bool // no longer in holds.held; under its lock
}

// Hold stops every message that fits until it is released. The message's own
// transaction waits; other transactions on the same connection go on, except on
// streams whose order matters (blocks, broadcast, Raft), where what follows on
// that stream waits too.
func (n *Net) Hold(filter Filter) (HoldID, error) {
	for _, pattern := range []string{filter.Node, filter.Other} {
		if _, err := path.Match(pattern, ""); err != nil {
			return 0, fmt.Errorf("hold %s: pattern %q: %w", filter.Kind, pattern, err)
		}
	}
	h := &hold{filter: filter, left: -1}
	if filter.Count > 0 {
		h.left = filter.Count
	}
	n.holds.mu.Lock()
	n.holds.last++
	h.id = n.holds.last
	n.holds.set = append(n.holds.set, h)
	n.holds.active.Add(1)
	n.holds.mu.Unlock()
	n.trace.Record(filter.event(trace.HoldSet))
	return h.id, nil
}

// event describes a hold that comes or goes.
func (f Filter) event(kind trace.Kind) trace.Event {
	return trace.Event{Kind: kind, Node: f.Node, Other: f.Other, TxID: f.TxID, Key: f.Key, Channel: f.Channel, Note: string(f.Kind)}
}

// Unhold removes a hold and releases what it stopped. An unknown id does nothing.
func (n *Net) Unhold(id HoldID) {
	n.holds.mu.Lock()
	i := slices.IndexFunc(n.holds.set, func(h *hold) bool { return h.id == id })
	var filter Filter
	if i >= 0 {
		filter = n.holds.set[i].filter
		n.holds.remove(i)
	}
	n.holds.mu.Unlock()
	if i >= 0 {
		n.trace.Record(filter.event(trace.HoldGone))
	}
	n.release(func(h *held) bool { return h.Hold == id }, -1)
}

// remove takes a hold off the list. Caller holds mu.
func (h *holds) remove(i int) {
	h.set = slices.Delete(h.set, i, i+1)
	h.active.Add(-1)
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
	return n.release(func(h *held) bool { return h.ID == id }, -1) > 0
}

// ReleaseAll lets all held messages go on and returns how many there were. The
// holds stay: messages that come later are stopped again.
func (n *Net) ReleaseAll() int { return n.release(func(*held) bool { return true }, -1) }

// Step lets the message go on that has been held longest; it reports whether there was one.
func (n *Net) Step() bool { return n.release(func(*held) bool { return true }, 1) > 0 }

// release lets up to limit (-1 = all) fitting messages go on.
func (n *Net) release(fits func(*held) bool, limit int) int {
	n.holds.mu.Lock()
	var free []*held
	n.holds.held = slices.DeleteFunc(n.holds.held, func(h *held) bool {
		if len(free) == limit || !fits(h) {
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
	i := slices.IndexFunc(n.holds.set, func(h *hold) bool { return h.filter.fits(event, sender, receiver) })
	if i < 0 {
		n.holds.mu.Unlock()
		return nil
	}
	if len(n.holds.held) >= maxHeld {
		n.holds.mu.Unlock()
		n.trace.Record(trace.Event{Kind: trace.ErrorEvent, Node: event.Node, TxID: event.TxID,
			Note: fmt.Sprintf("%d messages are held already; this one passes: release some or remove the hold", maxHeld)})
		return nil
	}
	by := n.holds.set[i]
	h := &held{message: message, resume: make(chan struct{})}
	h.Hold, h.Event, h.ID, h.Since = by.id, *event, event.Msg, time.Now()
	h.Event.Dir = trace.Held
	n.holds.held = append(n.holds.held, h)
	ended := false
	if by.left > 0 {
		if by.left--; by.left == 0 {
			n.holds.remove(i)
			ended = true
		}
	}
	n.clocks.stop(event.TxID)
	n.trace.Record(h.Event) // under the lock: a release must come after it
	n.holds.mu.Unlock()
	if ended {
		n.trace.Record(by.filter.event(trace.HoldGone))
	}
	return h
}

// fits reports whether the hold is for this message.
func (f *Filter) fits(e *trace.Event, sender, receiver string) bool {
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
	event.Seq, event.Time, event.Dir, event.Note = 0, 0, trace.Lost, "given up while it was held: "+ctx.Err().Error()
	n.trace.Record(event)
	return ctx.Err()
}
