package store

import (
	"github.com/hashicorp/raft"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
)

// Bounds of both caches. Followers and readers that keep up find what they need
// here; others read from the file.
const (
	cacheItems = 16
	cacheBytes = 4 << 20
)

// entryCache holds the newest entries of Raft's log. The very last one stays
// under all circumstances: a leader at rest asks for it again and again.
type entryCache struct {
	logs  []*raft.Log // ascending, without gaps
	bytes int
}

func (c *entryCache) get(index uint64) *raft.Log {
	if len(c.logs) == 0 || index < c.logs[0].Index {
		return nil
	}
	if i := index - c.logs[0].Index; i < uint64(len(c.logs)) {
		return c.logs[i]
	}
	return nil
}

// put appends an entry; entries at or after its index are forgotten.
func (c *entryCache) put(l *raft.Log) {
	if n := len(c.logs); n > 0 {
		c.keep(c.logs[0].Index, l.Index-1)
		if n = len(c.logs); n > 0 && c.logs[n-1].Index+1 != l.Index {
			*c = entryCache{}
		}
	}
	c.logs = append(c.logs, l)
	c.bytes += len(l.Data)
	for len(c.logs) > 1 && (len(c.logs) > cacheItems || c.bytes > cacheBytes) {
		c.drop()
	}
}

// drop forgets the oldest entry.
func (c *entryCache) drop() {
	c.bytes -= len(c.logs[0].Data)
	c.logs[0] = nil
	c.logs = c.logs[1:]
}

// keep forgets what is outside of first to last.
func (c *entryCache) keep(first, last uint64) {
	for len(c.logs) > 0 && c.logs[0].Index < first {
		c.drop()
	}
	for n := len(c.logs); n > 0 && c.logs[n-1].Index > last; n-- {
		c.bytes -= len(c.logs[n-1].Data)
		c.logs[n-1] = nil
		c.logs = c.logs[:n-1]
	}
}

// trim forgets all but the last entry.
func (c *entryCache) trim() {
	if n := len(c.logs); n > 0 {
		last := c.logs[n-1]
		*c = entryCache{logs: []*raft.Log{last}, bytes: len(last.Data)}
	}
}

// blockCache holds the newest blocks.
type blockCache struct {
	blocks []*commonpb.Block // ascending, without gaps
	bytes  int
}

func (c *blockCache) get(number uint64) *commonpb.Block {
	if len(c.blocks) == 0 || number < c.blocks[0].Header.Number {
		return nil
	}
	if i := number - c.blocks[0].Header.Number; i < uint64(len(c.blocks)) {
		return c.blocks[i]
	}
	return nil
}

func (c *blockCache) put(b *commonpb.Block) {
	c.blocks = append(c.blocks, b)
	c.bytes += dataBytes(b)
	for len(c.blocks) > 1 && (len(c.blocks) > cacheItems || c.bytes > cacheBytes) {
		c.bytes -= dataBytes(c.blocks[0])
		c.blocks[0] = nil
		c.blocks = c.blocks[1:]
	}
}

func (c *blockCache) trim() { *c = blockCache{} }

func dataBytes(b *commonpb.Block) int {
	n := 0
	for _, d := range b.GetData().GetData() {
		n += len(d)
	}
	return n
}
