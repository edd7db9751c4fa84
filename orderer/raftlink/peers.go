package raftlink

import (
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc"

	"github.com/fabriscope/fabriscope/internal/link"
)

// Errors.
var (
	// ErrClosed: the node or its part in a channel was stopped.
	ErrClosed = errors.New("the connection between ordering nodes was closed")
	// ErrMalformed: another node sent something that Raft never sends.
	ErrMalformed = errors.New("malformed Raft message")
)

// Peers are the other ordering nodes as one node knows them: where they are, and
// one connection to each. All channels of a node share it.
type Peers struct {
	endpoint *link.Endpoint

	mu     sync.Mutex
	closed bool
	known  map[string]string // name to address
	open   map[string]*connection
}

type connection struct {
	address string
	grpc    *grpc.ClientConn
}

// NewPeers makes the list, which knows nobody yet.
func NewPeers(endpoint *link.Endpoint) *Peers {
	return &Peers{endpoint: endpoint, known: make(map[string]string), open: make(map[string]*connection)}
}

// SetAddress says where a node is now ("host:port"). It counts more than the
// address in Raft's configuration, which stays what it was when the node joined.
func (p *Peers) SetAddress(name, address string) {
	if address == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[name] = address
}

// Address is where a node is, as far as is known; "" if it is not.
func (p *Peers) Address(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[name]
}

// Connection returns the connection to a node; fallback is its address in case
// nobody told a newer one.
func (p *Peers) Connection(name, fallback string) (*grpc.ClientConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	address := p.known[name]
	if address == "" {
		address = fallback
	}
	c := p.open[name]
	if c != nil && c.address == address {
		return c.grpc, nil
	}
	made, err := p.endpoint.Dial(link.Target{Name: name, Addr: address})
	if err != nil {
		return nil, fmt.Errorf("reach ordering node %s: %w", name, err)
	}
	if c != nil {
		_ = c.grpc.Close() // the node is not there any more
	}
	p.open[name] = &connection{address: address, grpc: made}
	return made, nil
}

// Forget closes the connection to a node that left.
func (p *Peers) Forget(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.open[name]; c != nil {
		_ = c.grpc.Close() // nobody needs it any more
	}
	delete(p.open, name)
	delete(p.known, name)
}

// Close closes all connections.
func (p *Peers) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.open {
		_ = c.grpc.Close() // the node stops
	}
	clear(p.open)
}
