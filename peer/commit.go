package peer

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/lifecycle"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// commitBlock judges the next block of the channel and stores it. A
// *validate.BlockError refuses the block; after any error it can be tried again.
func (c *channel) commitBlock(ctx context.Context, block *commonpb.Block) error {
	result, err := c.validator.Validate(ctx, block)
	if err != nil {
		return err
	}
	private, err := c.privateFor(ctx, result)
	if err != nil {
		return fmt.Errorf("collect the private data of block %d: %w", block.GetHeader().GetNumber(), err)
	}
	c.keepExtracts(result) // before readers learn that the block is there
	before := c.settings()
	if result.NextBundle != nil {
		// Also before: a reader whom the new configuration shuts out does not get
		// the block that says so, as at a Fabric peer.
		c.current.Store(newSettings(result.NextBundle))
	}
	stored, err := c.ledger.Commit(ctx, result.Block, result.Batch, private)
	if err != nil {
		c.current.Store(before)
		c.dropExtracts(block.GetHeader().GetNumber())
		return err
	}
	c.committed(stored, result)
	return nil
}

// committed follows up on a block that is on disk: first what the next block
// depends on, then those who wait, then what can take its time.
func (c *channel) committed(stored *commonpb.Block, result *validate.Result) {
	number := stored.GetHeader().GetNumber()
	if result.NextBundle != nil {
		c.validator.Use(result.NextBundle)
	}
	hash := hex.EncodeToString(wire.CommitHash(stored))
	c.peer.record(trace.Event{Kind: trace.Committed, Channel: c.name, Block: number, What: trace.Told, Key: hash, Note: hash})
	before := c.definitions.All()
	changed := writesDefinitions(result)
	if changed {
		if err := c.definitions.Load(); err != nil {
			c.peer.failed(trace.Event{Channel: c.name, Block: number}, "read the chaincode definitions", err)
		}
		c.makeIndexes(c.ctx)
	}
	ids := make([]string, len(result.Transactions))
	for i := range ids {
		ids[i] = result.Transactions[i].TxID
	}
	c.gateway.Committed(number, ids, wire.Filter(stored))
	if changed {
		c.announceDefinitions(number, before)
		c.launchNeeded()
		c.stopUnneeded()
	}
	if result.NextBundle != nil {
		c.gateway.AskPeersAgain() // identities may mean something else now
	}
}

// writesDefinitions tells whether valid transactions changed anything in
// _lifecycle, an organisation's approvals included.
func writesDefinitions(result *validate.Result) bool {
	for i, tx := range result.Transactions {
		if result.Codes[i] != peerpb.TxValidationCode_VALID || tx.RWSet == nil {
			continue
		}
		for j := range tx.RWSet.Namespaces {
			ns := &tx.RWSet.Namespaces[j]
			if ns.Name != wire.LifecycleNamespace {
				continue
			}
			if len(ns.KV.GetWrites()) > 0 {
				return true
			}
			for k := range ns.Collections {
				if len(ns.Collections[k].Hashed.GetHashedWrites()) > 0 {
					return true
				}
			}
		}
	}
	return false
}

// announceDefinitions records what is newly defined.
func (c *channel) announceDefinitions(block uint64, before []*lifecycle.Defined) {
	known := map[string]int64{}
	for _, d := range before {
		known[d.Name] = d.Sequence
	}
	for _, d := range c.definitions.All() {
		if known[d.Name] != d.Sequence {
			c.peer.record(trace.Event{Kind: trace.DefinitionKnown, Channel: c.name, Block: block, Key: d.Name,
				What: trace.Told, A: d.Sequence, Name: d.Version, Note: fmt.Sprintf("version %s, sequence %d", d.Version, d.Sequence)})
		}
	}
}

// launchNeeded starts, in the background, the chaincodes that are approved,
// committed and installed, so that the first call finds them running.
func (c *channel) launchNeeded() {
	for _, d := range c.definitions.All() {
		if c.definitions.CheckRunnable(d) != nil {
			continue
		}
		id := d.PackageID
		c.Background(func(ctx context.Context) {
			// A failure is recorded by the host; the next call tries again.
			if err := c.peer.host.Launch(ctx, id); err != nil {
				c.log.Debug("launch in advance failed", "package", id, logKeyError, err)
			}
		})
	}
}

// stopPatience is how long a package that no definition means any more keeps
// running: most calls that began before the upgrade end in peace.
const stopPatience = time.Second

// stopUnneeded stops, after a while, the chaincodes whose package no definition of
// any channel means any more.
func (c *channel) stopUnneeded() {
	c.Background(func(ctx context.Context) {
		timer := time.NewTimer(stopPatience)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		needed := map[string]bool{}
		for _, other := range c.peer.allChannels() {
			for _, d := range other.definitions.All() {
				needed[d.PackageID] = true
			}
		}
		for _, running := range c.peer.host.Running() {
			if needed[running.PackageID] {
				continue
			}
			if err := c.peer.host.Stop(running.PackageID); err != nil {
				c.peer.failed(trace.Event{Channel: c.name, Key: running.PackageID}, "stop a chaincode that is no longer defined", err)
			}
		}
	})
}
