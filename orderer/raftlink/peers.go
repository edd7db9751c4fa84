package raftlink

import (
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc"

	"github.com/fabriscope/fabriscope/internal/deliver"
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
	connections *deliver.Connections

	mu    sync.Mutex
	told  map[string]string      // name to address
	asked map[string]link.Target // where a node was when its connection was last used
}

// NewPeers makes the list, which knows nobody yet.
func NewPeers(endpoint *link.Endpoint) *Peers {
	return &Peers{
		connections: deliver.NewConnections(endpoint, ErrClosed),
		told:        make(map[string]string), asked: make(map[string]link.Target),
	}
}

// SetAddress says where a node is now ("host:port"). It counts more than the
// address in Raft's configuration, which stays what it was when the node joined.
func (p *Peers) SetAddress(name, address string) {
	if address == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told[name] = address
}

// Connection returns the connection to a node; fallback is its address in case
// nobody told a newer one.
func (p *Peers) Connection(name, fallback string) (*grpc.ClientConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	target := link.Target{Name: name, Addr: p.told[name]}
	if target.Addr == "" {
		target.Addr = fallback
	}
	connection, err := p.connections.To(target)
	if err != nil {
		return nil, fmt.Errorf("reach ordering node %s: %w", name, err)
	}
	if p.asked[name] != target {
		p.connections.Moved(target) // the node is not where it was
		p.asked[name] = target
	}
	return connection, nil
}

// Close closes all connections.
func (p *Peers) Close() { p.connections.Close() }
