package peer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"runtime/debug"
	"sync"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// How blocks are pulled.
const (
	prefetch      = 8 // blocks that wait to be judged, beside the one that is
	firstPause    = 50 * time.Millisecond
	lastPause     = time.Second // between two attempts, when none works
	firstSilence  = 2 * time.Second
	lastSilence   = time.Minute // between two looks at another ordering node, when nothing comes
	silenceAnswer = 2 * time.Second
)

// puller brings a channel's blocks from the ordering service, and has them judged
// and stored one after the other.
type puller struct {
	channel *channel
	woken   chan struct{}

	mu   sync.Mutex
	from string // node that blocks come from now
	halt error  // why the channel stands still
}

func newPuller(c *channel) *puller {
	return &puller{channel: c, woken: make(chan struct{}, 1)}
}

// wake ends a pause: the list of ordering nodes has changed.
func (p *puller) wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// source is the node that blocks come from now, "" if there is none.
func (p *puller) source() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.from
}

// stopped says why the channel stands still, nil if it does not.
func (p *puller) stopped() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.halt
}

func (p *puller) note(from string, halt error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from = from
	p.halt = halt
}

// run pulls until the channel closes: from one ordering node after the other,
// each as long as it works.
func (p *puller) run(ctx context.Context) {
	pause := firstPause
	var ahead *link.Target // a node that is known to have more blocks
	for turn := 0; ctx.Err() == nil; turn++ {
		targets := p.channel.ordererTargets()
		if len(targets) == 0 {
			p.rest(ctx, lastPause)
			continue
		}
		target := targets[turn%len(targets)]
		if ahead != nil {
			target, ahead = *ahead, nil
		}
		// Every second round takes what a node has even if it knows no leader.
		patient := turn/len(targets)%2 == 1
		before := p.channel.ledger.Height()
		err := p.pullFrom(ctx, target, patient)
		if ctx.Err() != nil {
			return
		}
		p.report(target, err)
		var behind *behindError
		if errors.As(err, &behind) {
			ahead = &behind.other
		}
		if p.channel.ledger.Height() > before || behind != nil {
			pause = firstPause
			continue
		}
		if (turn+1)%len(targets) == 0 {
			p.rest(ctx, pause)
			pause = min(2*pause, lastPause)
		}
	}
}

// report says why a node was left. That a node is away is for the log; that a
// block was refused, or could not be stored, is for everybody.
func (p *puller) report(target link.Target, err error) {
	c := p.channel
	var refused *validate.BlockError
	switch {
	case errors.As(err, &refused), errors.Is(err, errStore):
		p.note("", err)
		c.peer.failed(trace.Event{Channel: c.name, Other: target.Name, Block: c.ledger.Height()}, "block from "+target.Name, err)
	default:
		p.note("", nil)
		c.log.Debug("left an ordering node", logKeyOrderer, target.Name, logKeyError, err)
	}
}

// rest waits for a while, or until something has changed.
func (p *puller) rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.woken:
	case <-ctx.Done():
	}
}

// Reasons to leave an ordering node.
var (
	errStore = errors.New("the block could not be stored")
	errEnded = errors.New("the ordering node ended the stream")
)

// behindError: another ordering node has more blocks.
type behindError struct{ other link.Target }

func (e *behindError) Error() string { return e.other.Name + " has more blocks" }

// pullFrom reads from one node until it fails. It returns why it stopped.
func (p *puller) pullFrom(ctx context.Context, target link.Target, patient bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seek := &ordererpb.SeekInfo{
		Start:    specified(p.channel.ledger.Height()),
		Stop:     specified(math.MaxUint64),
		Behavior: ordererpb.SeekInfo_BLOCK_UNTIL_READY,
	}
	if patient {
		seek.ErrorResponse = ordererpb.SeekInfo_BEST_EFFORT
	}
	stream, err := p.channel.openDeliver(ctx, target, seek)
	if err != nil {
		return err
	}
	blocks := make(chan *commonpb.Block, prefetch)
	failed := make(chan error, 1)
	go func() { failed <- receive(ctx, stream, blocks) }()
	silence := firstSilence
	timer := time.NewTimer(silence)
	defer timer.Stop()
	for {
		select {
		case block := <-blocks:
			p.note(target.Name, nil)
			if err := p.take(ctx, target, block); err != nil {
				return err
			}
			silence = firstSilence
		case err := <-failed:
			return p.drain(ctx, target, blocks, err)
		case <-timer.C:
			if other, ok := p.behind(ctx, target); ok {
				return &behindError{other}
			}
			silence = min(2*silence, lastSilence)
		}
		timer.Reset(silence)
	}
}

// drain takes the blocks that came before the stream failed.
func (p *puller) drain(ctx context.Context, target link.Target, blocks <-chan *commonpb.Block, why error) error {
	for {
		select {
		case block := <-blocks:
			if err := p.take(ctx, target, block); err != nil {
				return err
			}
		default:
			return why
		}
	}
}

// take judges and stores one block. A panic on the way is a fault of this program;
// it stops the channel, not the other nodes of the process.
func (p *puller) take(ctx context.Context, target link.Target, block *commonpb.Block) (err error) {
	c := p.channel
	defer func() {
		if fault := recover(); fault != nil {
			c.log.Error("panic", logKeyBlock, block.GetHeader().GetNumber(), logKeyError, fault, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: panic: %v", errStore, fault)
		}
	}()
	c.peer.record(trace.Event{Kind: trace.BlockPulled, Channel: c.name, Other: target.Name, Block: block.GetHeader().GetNumber(),
		Note: fmt.Sprintf("%d transactions", len(block.GetData().GetData()))})
	err = c.commitBlock(ctx, block)
	var refused *validate.BlockError
	if err == nil || errors.As(err, &refused) || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", errStore, err)
}

// receive reads blocks until the stream ends.
func receive(ctx context.Context, stream ordererpb.AtomicBroadcast_DeliverClient, blocks chan<- *commonpb.Block) error {
	for {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		block := response.GetBlock()
		if block == nil {
			return fmt.Errorf("%w with status %s", errEnded, response.GetStatus())
		}
		select {
		case blocks <- block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// behind asks the other ordering nodes, one after the other, for the number of
// their newest block, until one has more than this peer. Without that a node that
// has lost touch with its leader would keep this peer in the dark.
func (p *puller) behind(ctx context.Context, present link.Target) (other link.Target, ok bool) {
	for _, target := range p.channel.ordererTargets() {
		if keyOf(target) == keyOf(present) {
			continue
		}
		if newest, err := p.channel.newestAt(ctx, target); err == nil && newest >= p.channel.ledger.Height() {
			return target, true
		}
	}
	return link.Target{}, false
}

// newestAt asks a node for the header of its newest block.
func (c *channel) newestAt(ctx context.Context, target link.Target) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, silenceAnswer)
	defer cancel()
	newest := &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Newest{Newest: &ordererpb.SeekNewest{}}}
	stream, err := c.openDeliver(ctx, target, &ordererpb.SeekInfo{
		Start: newest, Stop: newest, Behavior: ordererpb.SeekInfo_FAIL_IF_NOT_READY, ContentType: ordererpb.SeekInfo_HEADER_WITH_SIG,
	})
	if err != nil {
		return 0, err
	}
	response, err := stream.Recv()
	if err != nil {
		return 0, err
	}
	if response.GetBlock() == nil {
		return 0, fmt.Errorf("%w with status %s", errEnded, response.GetStatus())
	}
	return response.GetBlock().GetHeader().GetNumber(), nil
}

// openDeliver opens a stream and sends a seek.
func (c *channel) openDeliver(ctx context.Context, target link.Target, seek *ordererpb.SeekInfo) (ordererpb.AtomicBroadcast_DeliverClient, error) {
	envelope, err := c.seekEnvelope(seek)
	if err != nil {
		return nil, err
	}
	conn, err := c.peer.connections.to(target)
	if err != nil {
		return nil, err
	}
	stream, err := ordererpb.NewAtomicBroadcastClient(conn).Deliver(ctx)
	if err != nil {
		return nil, err
	}
	return stream, stream.Send(envelope)
}

// seekEnvelope signs a seek as this peer.
func (c *channel) seekEnvelope(seek *ordererpb.SeekInfo) (*commonpb.Envelope, error) {
	data, err1 := proto.Marshal(seek)
	channelHeader, err2 := proto.Marshal(&commonpb.ChannelHeader{
		Type: int32(commonpb.HeaderType_DELIVER_SEEK_INFO), ChannelId: c.name, Timestamp: timestamppb.New(c.peer.now()),
	})
	signatureHeader, err3 := proto.Marshal(&commonpb.SignatureHeader{Creator: c.peer.config.Signer.Creator(), Nonce: wire.NewNonce()})
	payload, err4 := proto.Marshal(&commonpb.Payload{
		Header: &commonpb.Header{ChannelHeader: channelHeader, SignatureHeader: signatureHeader}, Data: data,
	})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, fmt.Errorf("encode a seek: %w", err)
	}
	return wire.SignEnvelope(payload, c.peer.config.Signer)
}

func specified(number uint64) *ordererpb.SeekPosition {
	return &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Specified{Specified: &ordererpb.SeekSpecified{Number: number}}}
}

// ordererTargets lists the ordering nodes: those that the peer was told, or those
// in the channel's configuration.
func (c *channel) ordererTargets() []link.Target {
	c.peer.mu.RLock()
	told := c.peer.orderers
	c.peer.mu.RUnlock()
	if len(told) > 0 {
		return told
	}
	s := c.settings()
	if s == nil {
		return nil
	}
	var targets []link.Target
	for _, address := range s.bundle.OrdererEndpoints() {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			continue
		}
		targets = append(targets, link.Target{Name: host, Addr: address, ServerName: host})
	}
	return targets
}
