package gateway

import (
	"sync"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
)

// verdict is how one transaction ended.
type verdict struct {
	code  peerpb.TxValidationCode
	block uint64
}

// commits tells clients who wait for a transaction what became of it. A waiter
// costs a map entry and a channel; nobody polls. Streams that want the next
// block wait for the ledger's height instead.
type commits struct {
	mu      sync.Mutex
	waiting map[string]map[chan verdict]struct{}
}

// await subscribes to one transaction. The verdict arrives at most once; cancel
// must be called in the end and may be called more than once.
func (c *commits) await(txID string) (arrived <-chan verdict, cancel func()) {
	ch := make(chan verdict, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = map[string]map[chan verdict]struct{}{}
	}
	if c.waiting[txID] == nil {
		c.waiting[txID] = map[chan verdict]struct{}{}
	}
	c.waiting[txID][ch] = struct{}{}
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if waiters, ok := c.waiting[txID]; ok {
			delete(waiters, ch)
			if len(waiters) == 0 {
				delete(c.waiting, txID)
			}
		}
	}
}

// publish tells the waiters that a block is on disk: ids and codes of its
// transactions by position. Of an id that occurs twice the first verdict counts,
// as in the ledger.
func (c *commits) publish(block uint64, txIDs []string, codes []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		return
	}
	for i, id := range txIDs {
		waiters, ok := c.waiting[id]
		if !ok || i >= len(codes) {
			continue
		}
		delete(c.waiting, id)
		for ch := range waiters {
			ch <- verdict{code: peerpb.TxValidationCode(codes[i]), block: block} // has room for the one
		}
	}
}
