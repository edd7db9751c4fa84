package orderer

import (
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/orderer/clusterpb"
	"github.com/fabriscope/fabriscope/orderer/store"
)

// fsm is what Raft calls with committed entries. It is a thin shell: makeBlock
// decides, the store keeps. Raft calls it from one goroutine.
type fsm struct{ c *chain }

var _ raft.BatchingFSM = fsm{}

// Apply is asked for by the interface; Raft uses ApplyBatch.
func (f fsm) Apply(log *raft.Log) any { return f.ApplyBatch([]*raft.Log{log})[0] }

// ApplyBatch makes blocks of committed entries.
func (f fsm) ApplyBatch(logs []*raft.Log) []any {
	f.c.apply(logs)
	return make([]any, len(logs))
}

// plan is what a run of committed entries leads to.
type plan struct {
	blocks  []store.Append
	bundle  *channelconfig.Bundle // configuration after them
	epoch   uint64                // the last proposal among them
	number  uint64
	skipped []string // entries that make no block, and why
	batches []batch  // by block: the proposal that it was
}

// batch is the identity of a proposal, by which block.cut and block.written belong together.
type batch struct{ epoch, number uint64 }

// planBlocks turns committed entries into blocks. Every node comes to the same
// plan but for its signatures. Entries that became blocks already (Raft repeats
// them after a restart) are passed over, and so are entries that no node of ours
// could have proposed: rather no block than a different one on each node.
func (c *chain) planBlocks(logs []*raft.Log, end store.Chain, bundle *channelconfig.Bundle) (plan, error) {
	p := plan{bundle: bundle}
	for _, l := range logs {
		if l.Type != raft.LogCommand || l.Index <= end.RaftIndex {
			continue
		}
		body, err := store.DecodeBody(l.Data)
		if err != nil {
			p.skipped = append(p.skipped, fmt.Sprintf("Raft entry %d makes no block: %v", l.Index, err))
			continue
		}
		p.epoch, p.number = body.Epoch, body.Number
		if body.Kind == store.KindBarrier {
			continue
		}
		config := body.Kind == store.KindConfig
		if config {
			next, err := nextBundle(p.bundle, body.Envelopes[0])
			if err != nil {
				p.skipped = append(p.skipped, fmt.Sprintf("Raft entry %d makes no block: %v", l.Index, err))
				continue
			}
			p.bundle = next
		} else if err := allAdmissible(body.Envelopes, p.bundle); err != nil {
			p.skipped = append(p.skipped, fmt.Sprintf("Raft entry %d of %s makes no block: %v", l.Index, cmp.Or(c.leaderName(), "an earlier leader"), err))
			continue
		}
		b, err := makeBlock(end, body.Envelopes, l.Index, config, p.bundle, c.node.config.Signer)
		if err != nil {
			return plan{}, err
		}
		if end, err = end.Next(b); err != nil {
			return plan{}, err
		}
		p.blocks, p.batches = append(p.blocks, b), append(p.batches, batch{body.Epoch, body.Number})
	}
	return p, nil
}

// nextBundle is the configuration that a CONFIG envelope brings.
func nextBundle(bundle *channelconfig.Bundle, raw []byte) (*channelconfig.Bundle, error) {
	envelope := &commonpb.Envelope{}
	if err := proto.Unmarshal(raw, envelope); err != nil {
		return nil, err
	}
	_, config, err := channelconfig.ParseEnvelope(envelope)
	if err != nil {
		return nil, err
	}
	return bundle.Next(config)
}

// apply makes and stores the blocks of committed entries. It does not return
// before they are stored: an entry that is committed cannot be refused.
func (c *chain) apply(logs []*raft.Log) {
	c.announce(logs[len(logs)-1].Index)
	c.applying.Lock()
	defer c.applying.Unlock()
	var p plan
	done := c.retryUntilDone("make blocks", func() (err error) {
		if p, err = c.planBlocks(logs, c.store.Chain(), c.bundle.Load()); err != nil {
			return err
		}
		return c.store.AppendBlocks(p.blocks)
	})
	if !done {
		return // the node stops; a restart applies them again
	}
	c.bundle.Store(p.bundle)
	for _, why := range p.skipped {
		c.report("apply", errors.New(why))
	}
	for i, b := range p.blocks {
		c.written(b.Block, p.batches[i])
		if b.Config {
			c.recordLimits()
		}
	}
	if p.number > 0 {
		c.noteApplied(p.epoch, p.number)
	}
	if i := c.current(); i != nil {
		i.snapshotIfDue(logs[len(logs)-1].Index)
	}
}

// written records a block that is on the disk, with the proposal that it was; one that
// was fetched from another node has none here.
func (c *chain) written(block *commonpb.Block, of batch) {
	if c.node.config.Trace != nil {
		c.event(trace.Event{Kind: trace.BlockWritten, Block: block.Header.Number, What: trace.Told, A: int64(len(block.Data.Data)),
			B: int64(of.number), C: int64(of.epoch), Note: count(len(block.Data.Data), "transaction")})
	}
}

// recordLimits records by which rules batches are cut from now on.
func (c *chain) recordLimits() {
	if c.node.config.Trace == nil {
		return
	}
	limits := c.bundle.Load().Batch()
	c.event(trace.Event{Kind: trace.ChannelConfig, Block: c.store.Chain().LastConfig, What: trace.Told, A: int64(limits.MaxMessageCount),
		B: int64(limits.PreferredMaxBytes), C: int64(limits.Timeout),
		Note: fmt.Sprintf("batches of %s, %d bytes, %s", count(int(limits.MaxMessageCount), "message"), limits.PreferredMaxBytes, limits.Timeout)})
}

// announce tells the followers what is committed, if this node leads.
func (c *chain) announce(index uint64) {
	if i := c.current(); i != nil && i.raft != nil && i.raft.State() == raft.Leader {
		i.transport.Announce(index)
	}
}

// Snapshot tells Raft that everything up to here is in the store.
func (f fsm) Snapshot() (raft.FSMSnapshot, error) {
	end := f.c.store.Chain()
	return fsmSnapshot{&clusterpb.Snapshot{Height: end.Height, LastHash: end.LastHash, RaftIndex: end.RaftIndex, LastConfig: end.LastConfig}}, nil
}

// Restore checks that the store has what a snapshot stands for: the blocks were
// fetched before the snapshot was kept, see snapshots.
func (f fsm) Restore(from io.ReadCloser) error {
	raw, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	var s clusterpb.Snapshot
	if err := proto.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("snapshot of channel %s: %w", f.c.name, err)
	}
	if height := f.c.store.Height(); height < s.GetHeight() {
		return fmt.Errorf("snapshot of channel %s: it stands for %d blocks, %d are here: delete the node's directory and let it join again", f.c.name, s.GetHeight(), height)
	}
	return nil
}

// fsmSnapshot is a few numbers; the blocks stay where they are.
type fsmSnapshot struct{ state *clusterpb.Snapshot }

// Persist writes the numbers.
func (s fsmSnapshot) Persist(sink raft.SnapshotSink) error {
	raw, err := proto.Marshal(s.state)
	if err != nil {
		return errors.Join(err, sink.Cancel())
	}
	if _, err := sink.Write(raw); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

// Release is asked for by the interface.
func (fsmSnapshot) Release() {}

// count writes "1 block" or "3 blocks".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprint(n, " ", what, "s")
}
