package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/deliver"
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

	boasters map[string]bool // nodes that said that they had more blocks, and gave none; only run touches it

	mu   sync.Mutex
	from string // node that blocks come from now
	halt error  // why the channel stands still
	said string // the failure that was told last, so that it is not told with every attempt
}

func newPuller(c *channel) *puller {
	return &puller{channel: c, woken: make(chan struct{}, 1), boasters: map[string]bool{}}
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

func (p *puller) setState(from string, halt error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from = from
	p.halt = halt
}

// comesFrom notes where the next block comes from; whether it can be taken is not known yet.
func (p *puller) comesFrom(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from = name
}

// run pulls until the channel closes: from one ordering node after the other,
// each as long as it works.
func (p *puller) run(ctx context.Context) {
	pause := firstPause
	var ahead *link.Target // a node that says that it has more blocks
	for turn := 0; ctx.Err() == nil; turn++ {
		targets := p.channel.Orderers()
		if len(targets) == 0 {
			p.pause(ctx, lastPause)
			continue
		}
		target, boasted := targets[turn%len(targets)], ahead != nil
		if boasted {
			target, ahead = *ahead, nil
		}
		// Every second round takes what a node has even if it knows no leader.
		patient := turn/len(targets)%2 == 1
		before := p.channel.ledger.Height()
		err := p.pullFrom(ctx, target, patient || boasted, boasted)
		if ctx.Err() != nil {
			return
		}
		p.report(target, err)
		var behind *behindError
		if errors.As(err, &behind) {
			ahead = &behind.other
		}
		gave := p.channel.ledger.Height() > before
		p.boasters[target.Name] = boasted && !gave
		if gave || behind != nil {
			pause = firstPause
			continue
		}
		if (turn+1)%len(targets) == 0 {
			p.pause(ctx, pause)
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
		p.setState("", err)
		if said := target.Name + err.Error(); said != p.said {
			p.said = said
			c.peer.failed(trace.Event{Channel: c.name, Other: target.Name, Block: c.ledger.Height()}, "block from "+target.Name, err)
		}
	default:
		if p.stopped() == nil {
			p.setState("", nil)
		}
		c.log.Debug("left an ordering node", logKeyOrderer, target.Name, logKeyError, err)
	}
}

// whatNow is what can be done about a block that no peer may take.
const whatNow = "the other ordering nodes are asked for another block; if all have this one, no peer can go on in the channel, because what was ordered cannot be taken back: remove that node, keep the ledger of a peer for reading, and begin the channel anew in another folder"

// blame says in a refusal which ordering nodes made the block, by its signatures, and
// what can be done.
func (c *channel) blame(block *commonpb.Block, refused *validate.BlockError) error {
	var metadata commonpb.Metadata
	var makers []string
	if proto.Unmarshal(wire.Metadata(block, commonpb.BlockMetadataIndex_SIGNATURES), &metadata) == nil {
		for _, s := range metadata.GetSignatures() {
			var header commonpb.SignatureHeader
			if proto.Unmarshal(s.GetSignatureHeader(), &header) != nil {
				continue
			}
			if id, err := c.Bundle().MSPs().Identity(header.GetCreator()); err == nil {
				makers = append(makers, id.String())
			}
		}
	}
	if len(makers) == 0 {
		makers = []string{"nobody whom the channel knows"}
	}
	return fmt.Errorf("%w (made by %s); %s", refused, strings.Join(makers, ", "), whatNow)
}

// pause waits for a while, or until something has changed.
func (p *puller) pause(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.woken:
	case <-ctx.Done():
	}
}

// errStore is a reason to leave an ordering node that is not the node's.
var errStore = errors.New("the block could not be stored")

// behindError: another ordering node has more blocks.
type behindError struct{ other link.Target }

func (e *behindError) Error() string { return e.other.Name + " has more blocks" }

// errBoasted: a node said that it had more blocks and gave none.
var errBoasted = errors.New("it said that it had more blocks, and gave none")

// pullFrom reads from one node until it fails. It returns why it stopped. One that
// has boasted must give a block soon.
func (p *puller) pullFrom(ctx context.Context, target link.Target, patient, boasted bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seek := &ordererpb.SeekInfo{Start: deliver.At(p.channel.ledger.Height()), Stop: deliver.Never()}
	if patient {
		seek.ErrorResponse = ordererpb.SeekInfo_BEST_EFFORT
	}
	conn, err := p.channel.peer.connections.To(target)
	if err != nil {
		return err
	}
	// A node that hangs is left by and by for its silence; to open the stream there is
	// no time limit but this.
	ctx, cancelOpening := context.WithCancelCause(ctx)
	stop := p.channel.peer.config.Link.Guard(ctx, target, conn, cancelOpening)
	next, err := p.channel.reader().Blocks(ctx, conn, seek)
	stop()
	if err != nil {
		return deliver.Failure(ctx, err)
	}
	blocks := make(chan *commonpb.Block, prefetch)
	failed := make(chan error, 1)
	go func() { failed <- receive(ctx, next, blocks) }()
	silence := firstSilence
	timer := time.NewTimer(silence)
	defer timer.Stop()
	for {
		select {
		case block := <-blocks:
			p.comesFrom(target.Name) // who hears of the block can ask where it came from
			if err := p.commitPulled(ctx, target, block); err != nil {
				return err
			}
			p.setState(target.Name, nil)
			silence, boasted = firstSilence, false
		case err := <-failed:
			return p.drain(ctx, target, blocks, err)
		case <-timer.C:
			if boasted {
				return errBoasted
			}
			if !p.channel.peer.config.Link.Alive(ctx, target, conn) {
				return fmt.Errorf("%s: %w", target.Name, link.ErrHung)
			}
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
			if err := p.commitPulled(ctx, target, block); err != nil {
				return err
			}
		default:
			return why
		}
	}
}

// commitPulled judges and stores one block. A panic on the way is a fault of this program;
// it stops the channel, not the other nodes of the process.
func (p *puller) commitPulled(ctx context.Context, target link.Target, block *commonpb.Block) (err error) {
	c := p.channel
	defer func() {
		if fault := recover(); fault != nil {
			c.log.Error("panic", logKeyBlock, block.GetHeader().GetNumber(), logKeyError, fault, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: panic: %v", errStore, fault)
		}
	}()
	c.peer.record(trace.Event{Kind: trace.BlockPulled, Channel: c.name, Other: target.Name, Block: block.GetHeader().GetNumber(),
		What: trace.Told, A: int64(len(block.GetData().GetData())), Note: fmt.Sprintf("%d transactions", len(block.GetData().GetData()))})
	err = c.commitBlock(ctx, block)
	var refused *validate.BlockError
	if errors.As(err, &refused) {
		return c.blame(block, refused)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", errStore, err)
}

// receive reads blocks until the stream ends.
func receive(ctx context.Context, next func() (*commonpb.Block, error), blocks chan<- *commonpb.Block) error {
	for {
		block, err := next()
		if err != nil {
			return err
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
// has lost touch with its leader would keep this peer in the dark. A number is only
// what the node says: one that gave no block after such a word is passed over the
// next time.
func (p *puller) behind(ctx context.Context, present link.Target) (other link.Target, ok bool) {
	for _, target := range p.channel.Orderers() {
		if deliver.SameNode(target, present) {
			continue
		}
		if p.boasters[target.Name] {
			delete(p.boasters, target.Name)
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
	conn, err := c.peer.connections.To(target)
	if err != nil {
		return 0, err
	}
	block, err := c.reader().NewestBlock(ctx, conn, ordererpb.SeekInfo_HEADER_WITH_SIG)
	return block.GetHeader().GetNumber(), err
}

// reader reads the channel as this peer.
func (c *channel) reader() deliver.Reader {
	return deliver.Reader{Channel: c.name, Signer: c.peer.config.Signer, Now: c.peer.now}
}

// Orderers lists the ordering nodes: those that the peer was told, or those
// in the channel's configuration.
func (c *channel) Orderers() []link.Target {
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
