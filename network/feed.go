package network

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
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
			f.follow(ctx, peers[attempt%len(peers)])
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

// follow reads one stream until it ends.
func (f *commitFeed) follow(ctx context.Context, peer link.Target) {
	conn, err := f.client.conns.get(f.client.end, peer)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := peerpb.NewDeliverClient(conn).DeliverFiltered(ctx)
	if err != nil {
		return
	}
	start := &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Newest{Newest: &ordererpb.SeekNewest{}}}
	if f.known {
		start = &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Specified{Specified: &ordererpb.SeekSpecified{Number: f.next}}}
	}
	seek, err := seekEnvelope(f.client.net.topology.Channel, start, forEver(), f.client.signer)
	if err != nil || stream.Send(seek) != nil {
		return
	}
	for {
		r, err := stream.Recv()
		if err != nil {
			return
		}
		block := r.GetFilteredBlock()
		if block == nil {
			return
		}
		f.take(block)
	}
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

// forEver is a stop that no chain reaches.
func forEver() *ordererpb.SeekPosition {
	return &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Specified{Specified: &ordererpb.SeekSpecified{Number: math.MaxUint64}}}
}

// seekEnvelope asks for the blocks from start to stop.
func seekEnvelope(channel string, start, stop *ordererpb.SeekPosition, signer *msp.Signer) (*commonpb.Envelope, error) {
	data, err := proto.Marshal(&ordererpb.SeekInfo{Start: start, Stop: stop})
	if err != nil {
		return nil, err
	}
	header, err := proto.Marshal(&commonpb.ChannelHeader{Type: int32(commonpb.HeaderType_DELIVER_SEEK_INFO),
		ChannelId: channel, Timestamp: timestamppb.Now()})
	if err != nil {
		return nil, err
	}
	signature, err := proto.Marshal(&commonpb.SignatureHeader{Creator: signer.Creator(), Nonce: wire.NewNonce()})
	if err != nil {
		return nil, err
	}
	payload, err := proto.Marshal(&commonpb.Payload{Header: &commonpb.Header{ChannelHeader: header, SignatureHeader: signature}, Data: data})
	if err != nil {
		return nil, err
	}
	return wire.SignEnvelope(payload, signer)
}

// connCache keeps one connection per node that a client talks to.
type connCache struct {
	mu    sync.Mutex
	conns map[string]*grpc.ClientConn // by name and address
	done  bool
}

func (c *connCache) get(end *link.Endpoint, to link.Target) (*grpc.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return nil, ErrClosed
	}
	key := to.Name + " " + to.Addr
	if conn, ok := c.conns[key]; ok {
		return conn, nil
	}
	conn, err := end.Dial(to)
	if err != nil {
		return nil, err
	}
	if c.conns == nil {
		c.conns = map[string]*grpc.ClientConn{}
	}
	c.conns[key] = conn
	return conn, nil
}

func (c *connCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = true
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

// broadcasters is a pool of Broadcast streams. Each carries one envelope at a
// time, so a held or slow one never delays the answer to another.
type broadcasters struct {
	mu   sync.Mutex
	idle []*broadcaster
	done bool
}

type broadcaster struct {
	node   string
	stream ordererpb.AtomicBroadcast_BroadcastClient
	cancel context.CancelFunc
}

// maxIdleStreams bounds the Broadcast streams kept for later use.
const maxIdleStreams = 256

// send hands an envelope to the ordering service: to the leader if it is known,
// else to any node; a node that does not answer or has no leader is passed over.
// One round over the nodes is repeated until ctx ends, since an election takes a
// moment.
func (b *broadcasters) send(ctx context.Context, c *Client, txID string, envelope *commonpb.Envelope) error {
	var last error
	pause := 10 * time.Millisecond
	for {
		for _, node := range c.net.orderersToAsk() {
			answer, err := b.sendTo(ctx, c, node, envelope)
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

func (b *broadcasters) sendTo(ctx context.Context, c *Client, node link.Target, envelope *commonpb.Envelope) (*ordererpb.BroadcastResponse, error) {
	s, err := b.take(c, node)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, s.cancel)
	answer, err := s.exchange(envelope)
	if !stop() || err != nil || answer.GetStatus() != commonpb.Status_SUCCESS {
		s.cancel()
		return answer, err
	}
	b.put(s)
	return answer, nil
}

func (s *broadcaster) exchange(envelope *commonpb.Envelope) (*ordererpb.BroadcastResponse, error) {
	if err := s.stream.Send(envelope); err != nil {
		// The stream's own error says more than Send's io.EOF.
		if _, recvErr := s.stream.Recv(); recvErr != nil {
			return nil, recvErr
		}
		return nil, err
	}
	return s.stream.Recv()
}

func (b *broadcasters) take(c *Client, node link.Target) (*broadcaster, error) {
	b.mu.Lock()
	for i := len(b.idle) - 1; i >= 0; i-- {
		if s := b.idle[i]; s.node == node.Name+" "+node.Addr {
			b.idle = append(b.idle[:i], b.idle[i+1:]...)
			b.mu.Unlock()
			return s, nil
		}
	}
	b.mu.Unlock()
	conn, err := c.conns.get(c.end, node)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := ordererpb.NewAtomicBroadcastClient(conn).Broadcast(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	return &broadcaster{node: node.Name + " " + node.Addr, stream: stream, cancel: cancel}, nil
}

func (b *broadcasters) put(s *broadcaster) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done || len(b.idle) >= maxIdleStreams {
		s.cancel()
		return
	}
	b.idle = append(b.idle, s)
}

func (b *broadcasters) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = true
	for _, s := range b.idle {
		s.cancel()
	}
	b.idle = nil
}
