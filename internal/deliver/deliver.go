// Package deliver is how blocks are asked for and transactions handed in. Its serving
// half answers "give me blocks from here to there" for both kinds of node: an ordering
// node serves peers with it, and a peer serves clients. Its asking half is what peers,
// ordering nodes and clients share when they ask: a signed seek and the stream of its
// answers (Reader), Broadcast streams that are used again (Broadcasts), and one
// connection to each node (Connections).
//
// It is the step between endorsement and ordering (a client hands in a transaction),
// the one between ordering and validation (a peer pulls blocks) and the last one of
// all (a client watches what was committed). The rules are those of Fabric's Deliver
// protocol: a reader opens a stream and sends signed SeekInfo envelopes; each is
// answered with blocks and then one status; after SUCCESS the next one is read from
// the same stream, after anything else the stream ends.
//
// What differs between the two kinds of node that serve is passed in: where blocks
// come from (Source), who may read (Channel.Judge), and what a response message looks
// like (Stream).
//
// Read next: request.go (the checks), cursor.go (which blocks), serve.go (the stream);
// read.go and broadcast.go for the asking half.
package deliver

import (
	"sync"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"

	"github.com/fabriscope/fabriscope/internal/policy"
)

// Source is a chain of blocks that grows at its end: an ordering node's store, a
// peer's ledger. Its methods may be called from many goroutines.
type Source interface {
	// Height is the number of blocks, which is the number of the next one.
	Height() uint64
	// Block returns a block below Height. The caller does not change it.
	Block(number uint64) (*commonpb.Block, error)
	// Grown returns a channel that is closed when Height grows next. Take it
	// before reading Height, or a block may be missed.
	Grown() <-chan struct{}
}

// Channel is what Serve needs to know about one channel.
type Channel struct {
	Source Source

	// Judge tells whether the signer may read this channel under the present
	// configuration, and when the signer's certificate expires (zero = never).
	Judge func(signed policy.Signed) (expires time.Time, err error)

	// Sequence numbers the configurations; when it changes during a long read,
	// the reader is judged again. Nil means that it never changes.
	Sequence func() uint64

	// Errored returns a channel that is closed while this node cannot promise
	// to see new blocks (an ordering node without a leader). Nil means never.
	Errored func() <-chan struct{}

	// Gone is closed when the node leaves the channel or stops. Nil means never.
	Gone <-chan struct{}
}

// Tip is a height that others can wait for: the half of a Source that every
// implementation has in common. The zero value has height 0.
type Tip struct {
	mu     sync.Mutex
	height uint64
	grown  chan struct{}
}

// Height is the last height set.
func (t *Tip) Height() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.height
}

// Grown returns a channel that is closed when the height grows next.
func (t *Tip) Grown() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.grown == nil {
		t.grown = make(chan struct{})
	}
	return t.grown
}

// Set raises the height and wakes everybody who waits. A height that is not
// higher than the present one is ignored: chains do not shrink.
func (t *Tip) Set(height uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if height <= t.height {
		return
	}
	t.height = height
	if t.grown != nil {
		close(t.grown)
		t.grown = nil
	}
}
