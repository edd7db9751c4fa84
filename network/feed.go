package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/link"
)

// verdict is what a peer said about one transaction.
type verdict struct {
	block uint64
	code  peerpb.TxValidationCode
}

// commitFeed follows the filtered blocks of one peer of the client's organisation
// and wakes whoever waits for a transaction in them: one stream for any number of
// waiting transactions. If the peer goes away the feed goes on at another one with
// the next block, so no verdict is missed.
type commitFeed struct {
	client *Client

	mu      sync.Mutex
	waiting map[string]chan verdict
	next    uint64 // next block to ask for, meaningful when known
	known   bool
	started bool
	ready   chan struct{} // closed once the first block arrived
	cancel  context.CancelFunc
	stopped chan struct{}
}

// expectation is one transaction that somebody waits for.
type expectation struct {
	feed *commitFeed
	txID string
	ch   chan verdict
}

func newCommitFeed(c *Client) *commitFeed {
	return &commitFeed{client: c, waiting: map[string]chan verdict{}, ready: make(chan struct{}), stopped: make(chan struct{})}
}

// expect registers a transaction before it is sent, so that its verdict cannot be
// missed, and makes sure that the feed has started.
func (f *commitFeed) expect(ctx context.Context, txID string) (*expectation, error) {
	e := &expectation{feed: f, txID: txID, ch: make(chan verdict, 1)}
	f.mu.Lock()
	if f.waiting == nil {
		f.mu.Unlock()
		return nil, ErrClosed
	}
	f.waiting[txID] = e.ch
	if !f.started {
		f.started = true
		var run context.Context
		run, f.cancel = context.WithCancel(context.Background())
		go f.run(run)
	}
	f.mu.Unlock()
	select {
	case <-f.ready:
		return e, nil
	case <-ctx.Done():
		e.cancel()
		return nil, fmt.Errorf("no peer of %s tells which transactions are committed: %w", f.client.MSPID, ctx.Err())
	}
}

func (e *expectation) verdict(ctx context.Context) (verdict, error) {
	select {
	case v, ok := <-e.ch:
		if !ok {
			return verdict{}, ErrClosed
		}
		return v, nil
	case <-ctx.Done():
		return verdict{}, ctx.Err()
	}
}

func (e *expectation) cancel() {
	e.feed.mu.Lock()
	defer e.feed.mu.Unlock()
	delete(e.feed.waiting, e.txID)
}

// run keeps a stream open until close.
func (f *commitFeed) run(ctx context.Context) {
	defer close(f.stopped)
	pause := 20 * time.Millisecond
	for attempt := 0; ctx.Err() == nil; attempt++ {
		peers, err := f.client.net.homePeers(f.client)
		if err == nil {
			before := f.next
			turn := attempt % len(peers)
			f.follow(ctx, f.client.conns.AnsweringFirst(slices.Concat(peers[turn:], peers[:turn]))[0])
			if f.next != before {
				pause = 20 * time.Millisecond
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
}

// follow reads one stream until it ends, or its peer hangs.
func (f *commitFeed) follow(ctx context.Context, peer link.Target) {
	conn, err := f.client.conns.To(peer)
	if err != nil {
		return
	}
	ctx, release := f.client.conns.Guarded(ctx, peer)
	defer release()
	start := deliver.Newest()
	if f.known {
		start = deliver.At(f.next)
	}
	next, err := f.client.reader().Filtered(ctx, conn, &ordererpb.SeekInfo{Start: start, Stop: deliver.Never()})
	for err == nil {
		var block *peerpb.FilteredBlock
		if block, err = next(); err == nil {
			f.take(block)
		}
	}
}

// reader reads the network's channel as this client.
func (c *Client) reader() deliver.Reader {
	return deliver.Reader{Channel: c.net.topology.Channel, Signer: c.signer}
}

// take hands the verdicts of a block to whoever waits for them.
func (f *commitFeed) take(block *peerpb.FilteredBlock) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, tx := range block.GetFilteredTransactions() {
		if ch, ok := f.waiting[tx.GetTxid()]; ok {
			ch <- verdict{block: block.GetNumber(), code: tx.GetTxValidationCode()}
			delete(f.waiting, tx.GetTxid())
		}
	}
	f.next = block.GetNumber() + 1
	if !f.known {
		f.known = true
		close(f.ready)
	}
}

// close ends the feed; who still waits is told ErrClosed.
func (f *commitFeed) close() {
	f.mu.Lock()
	started := f.started
	for _, ch := range f.waiting {
		close(ch)
	}
	f.waiting = nil
	f.mu.Unlock()
	if started {
		f.cancel()
		<-f.stopped
	}
}

// broadcast gives an envelope to the ordering service: to the leader if it is known,
// else to any node; a node that does not answer or has no leader is passed over.
// One round over the nodes is repeated until ctx ends, since an election takes a
// moment.
func (c *Client) broadcast(ctx context.Context, txID string, envelope *commonpb.Envelope) error {
	var last error
	pause := 10 * time.Millisecond
	for {
		for _, node := range c.conns.AnsweringFirst(c.net.orderersToAsk()) {
			answer, err := c.orderer.Send(ctx, node, envelope)
			if err != nil {
				last = err
				continue
			}
			if answer.GetStatus() == commonpb.Status_SUCCESS {
				return nil
			}
			last = &SubmitError{TxID: txID, Status: answer.GetStatus(), Info: answer.GetInfo()}
			if answer.GetStatus() >= 400 && answer.GetStatus() < 500 {
				return last
			}
		}
		if last == nil {
			last = errors.New("no ordering node is running; start one")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no ordering node took transaction %.8s: %w", txID, last)
		case <-c.net.done:
			return ErrClosed
		case <-time.After(pause):
		}
		pause = min(2*pause, 500*time.Millisecond)
	}
}
