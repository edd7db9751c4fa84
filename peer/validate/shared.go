package validate

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// decoded is what a block and the configuration before it say about its transactions:
// everything that needs no state. Nothing of it is changed any more.
type decoded struct {
	early []transaction // after steps 1 to 9 of wire.md F.1
	late  []transaction // of those that passed, after steps 11 to 15, with endorsements verified
}

// decode does those steps.
func (v *Validator) decode(ctx context.Context, block *commonpb.Block) (*decoded, error) {
	data := block.GetData().GetData()
	d := &decoded{early: make([]transaction, len(data)), late: make([]transaction, len(data))}
	contents, all := make([]content, len(data)), make([]results, len(data))
	none := &results{}
	err := each(ctx, v.config.Workers, len(data), func(i int) {
		t := &d.early[i]
		contents[i].index, contents[i].raw = i, data[i]
		t.content, t.results = &contents[i], none
		if block.GetHeader().GetNumber() == 0 {
			t.decodeHeaders() // nobody signs a first block
			return
		}
		if !(t.decodeHeaders() && t.authenticate(v.bundle.Channel(), v.bundle.MSPs()) && t.checkStructure()) {
			return
		}
		if t.kind != commonpb.HeaderType_ENDORSER_TRANSACTION {
			return
		}
		late := &d.late[i]
		late.content, late.results = t.content, &all[i]
		if late.decodeResult() {
			late.verifyEndorsements(v.bundle.MSPs())
		}
	})
	if err != nil {
		return nil, fmt.Errorf("validate block %d: %w", block.GetHeader().GetNumber(), err)
	}
	return d, nil
}

// each does work for 0 to n-1, a few at a time. It fails only if the context has
// ended; then some of the work is not done.
func each(ctx context.Context, workers, n int, work func(i int)) error {
	var next atomic.Int64
	loop := func() {
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			work(i)
		}
	}
	var running sync.WaitGroup
	for range min(workers, n) - 1 {
		running.Go(loop)
	}
	loop()
	running.Wait()
	return ctx.Err()
}

// Bounds of what is shared: peers of one process that keep up with each other are at
// most a few blocks apart.
const (
	sharedBlocks = 8
	sharedBytes  = 8 << 20 // of envelopes
)

// Shared lets the peers of one process decode each block, and verify what does not
// depend on the state, once. A block's hash names everything that this depends on: its
// transactions, and by the blocks before it the configuration. What depends on the state
// every peer decides for itself.
type Shared struct {
	mu     sync.Mutex
	blocks []*sharedBlock // oldest first
}

type sharedBlock struct {
	number   uint64
	hash     []byte
	bytes    int
	data     []*commonpb.BlockData // in memory at these places, and not changed: their hash was compared
	ready    chan struct{}         // nil until somebody decodes
	decoded  *decoded              // nil if that came to nothing
	dataHash []byte
}

// NewShared makes an empty one.
func NewShared() *Shared { return &Shared{} }

// holds tells whether the very bytes of the block have been looked at already.
func (s *Shared) holds(b *commonpb.Block) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.blocks, func(known *sharedBlock) bool {
		return bytes.Equal(known.dataHash, b.GetHeader().GetDataHash()) && slices.Contains(known.data, b.GetData())
	})
}

// note remembers that they have.
func (s *Shared) note(b *commonpb.Block) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.find(b); known != nil {
		known.data = append(known.data, b.GetData())
	}
}

// find gives the entry of a block, nil if it is older than what is kept. Caller holds mu.
func (s *Shared) find(b *commonpb.Block) *sharedBlock {
	hash := wire.BlockHash(b.GetHeader())
	number := b.GetHeader().GetNumber()
	for _, known := range s.blocks {
		if bytes.Equal(known.hash, hash) {
			return known
		}
	}
	if len(s.blocks) > 0 && number < s.blocks[0].number {
		return nil
	}
	made := &sharedBlock{number: number, hash: hash, dataHash: b.GetHeader().GetDataHash()}
	for _, raw := range b.GetData().GetData() {
		made.bytes += len(raw)
	}
	at := 0
	for at < len(s.blocks) && s.blocks[at].number <= number {
		at++
	}
	s.blocks = slices.Insert(s.blocks, at, made)
	total := 0
	for _, known := range s.blocks {
		total += known.bytes
	}
	for len(s.blocks) > sharedBlocks || total > sharedBytes && len(s.blocks) > 1 {
		total -= s.blocks[0].bytes
		s.blocks = slices.Delete(s.blocks, 0, 1)
	}
	return made
}

// decoded gives what decode makes of the block, or has made of it for another peer.
func (s *Shared) decoded(ctx context.Context, block *commonpb.Block, decode func(context.Context, *commonpb.Block) (*decoded, error)) (*decoded, error) {
	if s == nil {
		return decode(ctx, block)
	}
	for {
		s.mu.Lock()
		known := s.find(block)
		if known == nil {
			s.mu.Unlock()
			return decode(ctx, block)
		}
		ready := known.ready
		if ready == nil {
			known.ready = make(chan struct{})
		}
		s.mu.Unlock()
		if ready == nil {
			return s.fill(ctx, known, block, decode)
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		s.mu.Lock()
		made := known.decoded
		s.mu.Unlock()
		if made != nil {
			return made, nil
		}
	}
}

// fill decodes for everybody.
func (s *Shared) fill(ctx context.Context, known *sharedBlock, block *commonpb.Block, decode func(context.Context, *commonpb.Block) (*decoded, error)) (made *decoded, err error) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(known.ready)
		if known.decoded = made; made == nil {
			known.ready = nil // the next one tries, and finds out for itself what went wrong
		}
	}()
	return decode(ctx, block)
}
