package session

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabriscope/fabriscope/app/session/script"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// core is what the parts of a session share: the network, if there is one, and the way to
// act on it without waiting.
type core struct {
	Kind Kind

	name      string
	title     assets.Text // of a lesson
	net       atomic.Pointer[network.Network]
	onNetwork func(*network.Network) (gone func())
	gone      atomic.Pointer[func()] // what onNetwork gave
	topology  *network.Topology      // a copy of our own: the network changes its one
	recorder  *trace.Recorder        // of a live session
	settings  *Settings
	log       *slog.Logger
	notes     script.Notes
	panels    *Panels

	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	work     sync.WaitGroup
	outcomes outcomes
	waits    []*wait  // actions that are under way, in the order in which they began
	closing  *Closing // nil before its end begins
}

// Topology is a copy of what the network consists of, peers and ordering nodes that were
// added included; nil where it is not known.
func (c *core) Topology() *network.Topology { return c.topology }

// Net is the running network, nil unless the session is live and its network runs.
func (c *core) Net() *network.Network {
	n := c.net.Load()
	if n == nil {
		return nil
	}
	select {
	case <-n.Done():
		return nil
	default:
		return n
	}
}

// Running tells whether a network can be acted on.
func (c *core) Running() bool { return c.Net() != nil && c.closing == nil }

// describe tells the panels what the network consists of, before its events do.
func (c *core) describe() { c.panels.World.Describe(layoutOf(c.topology)) }

// now is what the trace's newest events tell.
func (c *core) now() *facts.State { return c.panels.World.Now() }

// liveNetwork gives the network to act on, or says why there is none.
func (c *core) liveNetwork() (*network.Network, error) {
	if c.Kind != Live {
		return nil, ErrNotLive
	}
	n := c.Net()
	if n == nil || c.closing != nil {
		return nil, ErrStopped
	}
	return n, nil
}

// adoptNetwork makes n the session's network.
func (c *core) adoptNetwork(n *network.Network) {
	c.net.Store(n)
	if c.onNetwork == nil {
		return
	}
	if gone := c.onNetwork(n); gone != nil {
		c.gone.Store(&gone)
	}
}

// runBackground runs work outside the user interface and calls what it returns (nil:
// nothing) at the next Tick.
func (c *core) runBackground(work func(ctx context.Context) (tell func())) error {
	if !c.outcomes.reserve() {
		return ErrBusy
	}
	c.work.Add(1)
	go func() {
		defer c.work.Done()
		tell := work(c.ctx)
		if tell == nil {
			tell = func() {}
		}
		c.outcomes.queueCallback(tell)
	}()
	return nil
}

// AskAside is the way to questions that nobody asked for by hand, of which there is one of a
// kind at a time: work is done in the background and tell is called at the next Tick. They
// count neither as actions nor towards their bound.
func (c *core) AskAside(work func(ctx context.Context) (tell func())) {
	c.work.Add(1)
	go func() {
		defer c.work.Done()
		c.outcomes.queueAside(work(c.ctx))
	}()
}

// Pending tells how many actions are under way.
func (c *core) Pending() int { return c.outcomes.pending() }

// runAction carries out one action on the network in the background. onDone runs before the
// caller's done if the action succeeded.
func (c *core) runAction(done func(error), do func(context.Context, *network.Network) error, onDone func()) {
	if done == nil {
		done = func(error) {}
	}
	n, err := c.liveNetwork()
	if err == nil {
		err = c.runBackground(func(ctx context.Context) func() {
			err := do(ctx, n)
			return func() {
				if err == nil && onDone != nil {
					onDone()
				}
				done(err)
			}
		})
	}
	if err != nil {
		done(err)
	}
}

// runNoted is runAction for what the scenario notes at its beginning.
func (c *core) runNoted(note func() *script.Entry, done func(error), do func(context.Context, *network.Network) error, onDone func()) {
	if _, err := c.liveNetwork(); err != nil {
		c.runAction(done, do, nil)
		return
	}
	e := note()
	w := c.beginWait(e.Text())
	c.runAction(func(err error) {
		c.endWait(w)
		e.Fail(err)
		if done != nil {
			done(err)
		}
	}, do, onDone)
}

// runStep is runNoted for a step that is known as it stands.
func (c *core) runStep(s script.Step, done func(error), do func(context.Context, *network.Network) error) {
	c.runNoted(c.step(s), done, do, nil)
}

// step notes a step that is known as it stands.
func (c *core) step(s script.Step) func() *script.Entry {
	return func() *script.Entry { return c.notes.Step(s) }
}

// runGiving is runNoted for an action that gives something.
func runGiving[T any](c *core, note func() *script.Entry, done func(T, error), do func(context.Context, *network.Network) (T, error), onDone func(T)) {
	var got T
	c.runNoted(note, func(err error) {
		if done != nil {
			done(got, err)
		}
	}, func(ctx context.Context, n *network.Network) (err error) {
		got, err = do(ctx, n)
		return err
	}, func() { onDone(got) })
}

// wait is an action that is under way.
type wait struct {
	what  string
	since time.Time
}

func (c *core) beginWait(what string) *wait {
	w := &wait{what, time.Now()}
	c.waits = append(c.waits, w)
	return w
}

func (c *core) endWait(w *wait) {
	c.waits = slices.DeleteFunc(c.waits, func(o *wait) bool { return o == w })
}

// LongestWait tells which action has been under way for longest, "" if none is.
func (c *core) LongestWait() (what string, since time.Time) {
	if len(c.waits) == 0 {
		return "", time.Time{}
	}
	return c.waits[0].what, c.waits[0].since
}
