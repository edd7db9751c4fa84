package peer

import (
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/fabriscope/fabriscope/internal/link"
)

// connections keeps one connection to each node that this peer talks to. They are
// made when they are first needed; gRPC brings them back after a failure.
type connections struct {
	link *link.Endpoint

	mu     sync.Mutex
	open   map[connectionKey]*grpc.ClientConn
	closed bool
}

// idleConnection is how long a connection without calls is kept: fifty peers that
// have all talked to one another once should not pay for it for ever.
const idleConnection = 20 * time.Second

type connectionKey struct{ name, addr, serverName string }

func keyOf(t link.Target) connectionKey { return connectionKey{t.Name, t.Addr, t.ServerName} }

func newConnections(endpoint *link.Endpoint) *connections {
	return &connections{link: endpoint, open: map[connectionKey]*grpc.ClientConn{}}
}

var errConnectionsClosed = errors.New("the peer is closing")

// to gives the connection to a node.
func (c *connections) to(t link.Target) (*grpc.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errConnectionsClosed
	}
	if conn, ok := c.open[keyOf(t)]; ok {
		return conn, nil
	}
	conn, err := c.link.Dial(t, grpc.WithIdleTimeout(idleConnection))
	if err != nil {
		return nil, err
	}
	c.open[keyOf(t)] = conn
	return conn, nil
}

// keep closes the connections to nodes that are in none of the lists.
func (c *connections) keep(lists ...[]link.Target) {
	wanted := map[connectionKey]bool{}
	for _, list := range lists {
		for _, t := range list {
			wanted[keyOf(t)] = true
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, conn := range c.open {
		if !wanted[key] {
			delete(c.open, key)
			_ = conn.Close() // likewise
		}
	}
}

func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for key, conn := range c.open {
		delete(c.open, key)
		_ = conn.Close() // likewise
	}
}
