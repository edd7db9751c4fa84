package deliver

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/internal/link"
)

// Connections keeps one connection to each node that somebody talks to. They are
// made when they are first needed; gRPC brings them back after a failure.
type Connections struct {
	end     *link.Endpoint
	closed  error // what To says after Close
	options []grpc.DialOption

	mu   sync.Mutex
	open map[nodeKey]*grpc.ClientConn // nil after Close
	hung map[nodeKey]*hanging
}

// hanging is a node that did not answer when it was asked last.
type hanging struct {
	asked  time.Time
	asking bool
}

// askAgain is the time between two questions to a node that hangs.
const askAgain = time.Second

// nodeKey tells two targets apart.
type nodeKey struct{ name, addr, serverName string }

func keyOf(t link.Target) nodeKey { return nodeKey{t.Name, t.Addr, t.ServerName} }

// SameNode tells whether two targets are one: one name at one address.
func SameNode(a, b link.Target) bool { return keyOf(a) == keyOf(b) }

// NewConnections makes an empty set. closed is the error that To gives after Close.
func NewConnections(end *link.Endpoint, closed error, options ...grpc.DialOption) *Connections {
	return &Connections{end: end, closed: closed, options: options, open: map[nodeKey]*grpc.ClientConn{}, hung: map[nodeKey]*hanging{}}
}

// To gives the connection to a node.
func (c *Connections) To(t link.Target) (*grpc.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		return nil, c.closed
	}
	if conn, ok := c.open[keyOf(t)]; ok {
		return conn, nil
	}
	conn, err := c.end.Dial(t, c.options...)
	if err != nil {
		return nil, err
	}
	c.open[keyOf(t)] = conn
	return conn, nil
}

// Guarded makes a context for a call to one node out of several: it ends with
// link.ErrHung as its cause if the node stops answering, and the node counts as
// hanging from then on. release ends it.
func (c *Connections) Guarded(ctx context.Context, t link.Target) (guarded context.Context, release func()) {
	guarded, cancel := context.WithCancelCause(ctx)
	conn, err := c.To(t)
	if err != nil {
		cancel(err)
		return guarded, func() {}
	}
	stop := c.end.Guard(guarded, t, conn, func(why error) {
		c.mu.Lock()
		c.hung[keyOf(t)] = &hanging{asked: time.Now()}
		c.mu.Unlock()
		cancel(why)
	})
	return guarded, func() { stop(); cancel(context.Canceled) }
}

// Failure is why a call in a guarded context failed: that the node hangs, or the
// call's own error.
func Failure(guarded context.Context, err error) error {
	if cause := context.Cause(guarded); errors.Is(cause, link.ErrHung) {
		return status.Error(codes.Unavailable, cause.Error())
	}
	return err
}

// Hung tells whether a call failed because the node hangs.
func Hung(guarded context.Context) bool { return errors.Is(context.Cause(guarded), link.ErrHung) }

// AnsweringFirst puts the nodes that hang behind the others. Whether they still do is
// asked in the background.
func (c *Connections) AnsweringFirst(targets []link.Target) []link.Target {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.hung) == 0 {
		return targets
	}
	var answering, hanging []link.Target
	for _, t := range targets {
		h := c.hung[keyOf(t)]
		if h == nil {
			answering = append(answering, t)
			continue
		}
		hanging = append(hanging, t)
		if conn := c.open[keyOf(t)]; conn != nil && !h.asking && time.Since(h.asked) >= askAgain {
			h.asking = true
			go c.recheck(t, conn)
		}
	}
	return append(answering, hanging...)
}

// recheck asks a node that hung whether it runs again. It ends with the connection.
func (c *Connections) recheck(t link.Target, conn *grpc.ClientConn) {
	alive := c.end.Alive(context.Background(), t, conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	if alive {
		delete(c.hung, keyOf(t))
	} else if h := c.hung[keyOf(t)]; h != nil {
		h.asking, h.asked = false, time.Now()
	}
}

// Keep closes the connections to nodes that are in none of the lists.
func (c *Connections) Keep(lists ...[]link.Target) {
	wanted := map[nodeKey]bool{}
	for _, list := range lists {
		for _, t := range list {
			wanted[keyOf(t)] = true
		}
	}
	c.closeUnless(func(key nodeKey) bool { return wanted[key] })
}

// Moved closes the connections to the node of that name at any other address.
func (c *Connections) Moved(to link.Target) {
	c.closeUnless(func(key nodeKey) bool { return key.name != to.Name || key == keyOf(to) })
}

func (c *Connections) closeUnless(wanted func(nodeKey) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, conn := range c.open {
		if !wanted(key) {
			delete(c.open, key)
			delete(c.hung, key)
			_ = conn.Close() // nobody uses it any more
		}
	}
}

// Close closes all connections; none is made later.
func (c *Connections) Close() {
	c.closeUnless(func(nodeKey) bool { return false })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = nil
}
