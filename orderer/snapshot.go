package orderer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/hashicorp/raft"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/orderer/clusterpb"
	"github.com/fabriscope/fabriscope/orderer/store"
)

// snapshots is Raft's snapshot store. A snapshot says how long the chain is and
// with which hash it ends; whoever receives one fetches the blocks that it lacks
// from other ordering nodes before the snapshot counts, so that a crash in between
// leaves a shorter chain and no hole.
type snapshots struct{ c *chain }

var _ raft.SnapshotStore = snapshots{}

const maxSnapshotBytes = 1 << 20

// Create begins a snapshot: one of our own, or one that the leader sends.
func (s snapshots) Create(_ raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	meta := raft.SnapshotMeta{Index: index, Term: term, Configuration: configuration, ConfigurationIndex: configurationIndex}
	return &sink{c: s.c, meta: meta}, nil
}

func snapshotID(meta raft.SnapshotMeta) string { return fmt.Sprintf("%d-%d", meta.Term, meta.Index) }

// List gives the one snapshot that is kept.
func (s snapshots) List() ([]*raft.SnapshotMeta, error) {
	meta, _, ok := s.c.store.Snapshot()
	if !ok {
		return nil, nil
	}
	meta.ID = snapshotID(meta)
	return []*raft.SnapshotMeta{&meta}, nil
}

// Open reads the snapshot.
func (s snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, data, ok := s.c.store.Snapshot()
	if !ok || snapshotID(meta) != id {
		return nil, nil, fmt.Errorf("snapshot %s of channel %s is not kept any more", id, s.c.name)
	}
	meta.ID = id
	return &meta, io.NopCloser(bytes.NewReader(data)), nil
}

// sink collects a snapshot's few bytes.
type sink struct {
	c      *chain
	meta   raft.SnapshotMeta
	data   bytes.Buffer
	closed bool
}

// ID names the snapshot.
func (s *sink) ID() string { return snapshotID(s.meta) }

// Write takes bytes.
func (s *sink) Write(b []byte) (int, error) {
	if s.data.Len()+len(b) > maxSnapshotBytes {
		return 0, fmt.Errorf("snapshot of channel %s: more than %d bytes", s.c.name, maxSnapshotBytes)
	}
	return s.data.Write(b)
}

// Cancel forgets the snapshot.
func (s *sink) Cancel() error {
	s.closed = true
	return nil
}

// Close fetches the blocks that the snapshot stands for and are not here, and
// keeps it. It can take long; Raft answers heartbeats meanwhile.
func (s *sink) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	var state clusterpb.Snapshot
	if err := proto.Unmarshal(s.data.Bytes(), &state); err != nil {
		return fmt.Errorf("snapshot of channel %s: %w", s.c.name, err)
	}
	if err := s.c.catchUp(s.meta.Configuration.Servers, &state); err != nil {
		return err
	}
	return s.c.store.SaveSnapshot(s.meta, s.data.Bytes())
}

// patience is how long a source may take for the next block before another one
// is asked.
const patience = 5 * time.Second

// catchUp makes our chain as long as a snapshot says, from the other members.
func (c *chain) catchUp(members []raft.Server, until *clusterpb.Snapshot) error {
	began := c.store.Height()
	for c.store.Height() < until.GetHeight() {
		before := c.store.Height()
		var failures error
		for _, member := range c.sources(members) {
			if err := c.pull(member, until.GetHeight()); err == nil {
				break
			} else {
				failures = errors.Join(failures, fmt.Errorf("from %s: %w", member.ID, err))
			}
		}
		if c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		if c.store.Height() == before {
			return fmt.Errorf("channel %s: fetch blocks from %d on: %w", c.name, before, errors.Join(failures, errors.New("no other ordering node gave any")))
		}
	}
	if height := c.store.Height(); height > began {
		c.event(trace.Event{Kind: trace.Progress, Block: height - 1, What: trace.CaughtUp, A: int64(height - began), Note: fmt.Sprintf("caught up: fetched %s", count(int(height-began), "block"))})
	}
	return c.sameChain(until)
}

// sameChain makes sure that our chain and the snapshot's are one.
func (c *chain) sameChain(until *clusterpb.Snapshot) error {
	if until.GetHeight() == 0 {
		return nil
	}
	last, err := c.store.Block(until.GetHeight() - 1)
	if err != nil {
		return err
	}
	if !bytes.Equal(wire.BlockHash(last.Header), until.GetLastHash()) {
		return fmt.Errorf("channel %s: block %d differs from the leader's: this node's directory belongs to another network; delete it and let the node join again", c.name, until.GetHeight()-1)
	}
	return nil
}

// sources are the members to ask: the leader first, then the others.
func (c *chain) sources(members []raft.Server) []raft.Server {
	leader := raft.ServerID(c.leaderName())
	var others []raft.Server
	for _, m := range members {
		if m.ID != raft.ServerID(c.node.config.Name) {
			others = append(others, m)
		}
	}
	slices.SortStableFunc(others, func(a, b raft.Server) int {
		switch leader {
		case a.ID:
			return -1
		case b.ID:
			return 1
		}
		return 0
	})
	return others
}

// pull fetches blocks from one member until our chain has that height.
func (c *chain) pull(from raft.Server, height uint64) error {
	connection, err := c.node.peers.Connection(string(from.ID), string(from.Address))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	timer := time.AfterFunc(patience, cancel)
	defer timer.Stop()
	reader := deliver.Reader{Channel: c.name, Signer: c.node.config.Signer}
	next, err := reader.Blocks(ctx, connection, &ordererpb.SeekInfo{
		Start: deliver.At(c.store.Height()), Stop: deliver.At(height - 1),
		// The other node may have no leader either: that does not matter here.
		ErrorResponse: ordererpb.SeekInfo_BEST_EFFORT,
	})
	if err != nil {
		return err
	}
	for c.store.Height() < height {
		block, err := next()
		if err != nil {
			return err
		}
		timer.Reset(patience)
		if err := c.takeFetched(block); err != nil {
			return err
		}
	}
	return nil
}

// takeFetched checks and stores one block.
func (c *chain) takeFetched(block *commonpb.Block) error {
	c.applying.Lock()
	defer c.applying.Unlock()
	end, bundle := c.store.Chain(), c.bundle.Load()
	if block.GetHeader().GetNumber() < end.Height {
		return nil // came in another way meanwhile
	}
	b, err := checkFetched(end, block, bundle)
	if err != nil {
		return err
	}
	if b.Config {
		if bundle, err = nextBundle(bundle, block.Data.Data[0]); err != nil {
			return fmt.Errorf("block %d: %w", block.Header.Number, err)
		}
	}
	if err := c.store.AppendBlocks([]store.Append{b}); err != nil {
		return err
	}
	c.bundle.Store(bundle)
	c.written(block, batch{})
	return nil
}

// readBundle reads the configuration at the end of the stored chain.
func readBundle(s *store.Store, node *Node) (*channelconfig.Bundle, error) {
	block, err := s.Block(s.Chain().LastConfig)
	if err != nil {
		return nil, err
	}
	return channelconfig.FromBlock(block, node.config.Verifier)
}
