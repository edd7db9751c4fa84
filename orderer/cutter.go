package orderer

import (
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Limits are the batch rules of a channel's configuration.
type Limits struct {
	MaxMessageCount   uint32 // messages in a block
	PreferredMaxBytes uint32 // bytes of a block, unless one message alone has more
}

// Batch is what will become one block.
type Batch struct {
	Envelopes []*commonpb.Envelope
	Bytes     uint64     // sum of Size over the envelopes
	Why       trace.What // what cut it: CutByCount, CutByBytes, CutByTimeout, CutIdle or CutByConfig
}

// Cutter collects envelopes and says when they make a block. It has no clock:
// its owner starts the batch timer when Add leaves something pending and calls
// Cut when it fires. The rules are Fabric's (wire.md E.2).
type Cutter struct {
	Limits  Limits
	pending []*commonpb.Envelope
	bytes   uint64
}

// Size is what counts against the byte limits: payload and signature.
func Size(envelope *commonpb.Envelope) uint64 {
	return uint64(len(envelope.GetPayload())) + uint64(len(envelope.GetSignature()))
}

// Add takes an envelope in and returns the batches that are full now, in order:
// none, one, or two when a large envelope pushes out what was pending and fills
// a block of its own.
func (c *Cutter) Add(envelope *commonpb.Envelope) []Batch {
	size := Size(envelope)
	preferred := uint64(c.Limits.PreferredMaxBytes)
	if size > preferred {
		full := c.Cut(trace.CutByBytes)
		return append(full, Batch{Envelopes: []*commonpb.Envelope{envelope}, Bytes: size, Why: trace.CutByBytes})
	}
	var full []Batch
	if c.bytes+size > preferred {
		full = c.Cut(trace.CutByBytes)
	}
	c.pending = append(c.pending, envelope)
	c.bytes += size
	if uint64(len(c.pending)) >= uint64(c.Limits.MaxMessageCount) {
		full = append(full, c.Cut(trace.CutByCount)...)
	}
	return full
}

// Cut returns what is pending as a batch, or nothing when nothing is.
func (c *Cutter) Cut(why trace.What) []Batch {
	if len(c.pending) == 0 {
		return nil
	}
	batch := Batch{Envelopes: c.pending, Bytes: c.bytes, Why: why}
	c.pending, c.bytes = nil, 0
	return []Batch{batch}
}

// Pending is the number of envelopes that wait for their block, and their bytes.
func (c *Cutter) Pending() (count int, bytes uint64) { return len(c.pending), c.bytes }
