package network

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// activeHold is a hold that is in force in all processes of the network. Its count is
// kept here alone: a process asks before it stops a message (claim), so that of two that
// come by at the same moment in two processes one passes.
type activeHold struct {
	link.Hold
	granted int // messages that may stand still, or do
	stopped int // messages that did
}

// ActiveHold is a hold that somebody set, that nobody took away and whose count is not
// used up.
type ActiveHold = link.Hold

// Hold stops messages of a kind until they are released.
func (f *Faults) Hold(filter link.Filter) (link.HoldID, error) {
	if err := filter.Check(); err != nil {
		return 0, err
	}
	f.mu.Lock()
	f.last++
	h := &activeHold{Hold: link.Hold{ID: f.last, Filter: filter}}
	f.holds = append(f.holds, h)
	f.version++
	f.trace.Record(holdEvent(h.Hold, trace.HoldSet, trace.Told))
	f.mu.Unlock()
	return h.ID, f.enforce()
}

// holdEvent describes a hold that comes or goes.
func holdEvent(h link.Hold, kind trace.Kind, what trace.What) trace.Event {
	f := &h.Filter
	return trace.Event{Kind: kind, What: what, Node: f.Node, Other: f.Other, TxID: f.TxID, Key: f.Key, Channel: f.Channel,
		A: int64(h.ID), B: int64(f.Count), Name: string(f.Kind), Note: string(f.Kind)}
}

// remove takes a hold off the list and says why; false if it is not on it. Caller holds
// mu and enforces.
func (f *Faults) remove(id link.HoldID, why trace.What) bool {
	i := slices.IndexFunc(f.holds, func(h *activeHold) bool { return h.ID == id })
	if i < 0 {
		return false
	}
	f.trace.Record(holdEvent(f.holds[i].Hold, trace.HoldGone, why))
	f.holds = slices.Delete(f.holds, i, i+1)
	f.version++
	return true
}

// claim is link.Claim for this process and for the children, which ask through their
// control connection. It is exact: a message is counted when it stands still, and what
// was granted in vain goes back. A child that is killed, or does not answer any more,
// between the two counts as one that did not stop it.
func (f *Faults) claim(id link.HoldID) (granted bool, stopped func(bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.holds, func(h *activeHold) bool { return h.ID == id })
	if i < 0 || f.holds[i].granted >= f.holds[i].Filter.Count {
		return false, nil
	}
	h := f.holds[i]
	h.granted++
	return true, func(did bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !did {
			h.granted--
			return
		}
		if h.stopped++; h.stopped == h.Filter.Count && f.remove(id, trace.HoldSpent) {
			// Nothing waits for it: a process that still has the hold asks, and is refused.
			go func() {
				if err := f.enforce(); err != nil {
					f.log.Warn("a hold is used up", "hold", id, "err", err)
				}
			}()
		}
	}
}

// Holds lists the holds, oldest first.
func (f *Faults) Holds() []ActiveHold { return f.inForce().Holds }

// Unhold takes a hold away; messages that it stopped go on, also where its count had
// taken it away before.
func (f *Faults) Unhold(id link.HoldID) error {
	f.mu.Lock()
	known := f.remove(id, trace.HoldRemoved)
	f.mu.Unlock()
	var err error
	if known {
		err = f.enforce()
	}
	_, also := f.release(releaseCommand{Hold: id})
	return errors.Join(err, also)
}

// Held lists the messages that holds have stopped, here and in all children.
func (f *Faults) Held() ([]link.HeldMessage, error) {
	var mu sync.Mutex
	held := f.link.Held()
	err := f.nodes.children(func(_ *member, c *child) error {
		r, err := c.do(context.Background(), command{Held: true})
		mu.Lock()
		defer mu.Unlock()
		held = append(held, r.Held...)
		return err
	})
	return held, err
}

// Release lets one held message go on (its Msg id), or all with 0. It gives how
// many went on.
func (f *Faults) Release(msg uint64) (int, error) { return f.release(releaseCommand{Msg: msg}) }

func (f *Faults) release(r releaseCommand) (int, error) {
	var mu sync.Mutex
	released := r.carryOut(f.link)
	if r.Msg != 0 && released > 0 {
		return released, nil
	}
	err := f.nodes.children(func(_ *member, c *child) error {
		answer, err := c.do(context.Background(), command{Release: &r})
		mu.Lock()
		defer mu.Unlock()
		released += answer.Released
		return err
	})
	return released, err
}

// carryOut releases in one process.
func (r releaseCommand) carryOut(l *link.Net) int {
	switch {
	case r.Hold != 0:
		return l.ReleaseHold(r.Hold)
	case r.Msg == 0:
		return l.ReleaseAll()
	case l.Release(r.Msg):
		return 1
	}
	return 0
}
