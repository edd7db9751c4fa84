package ledger

import (
	"sync"

	"github.com/fabriscope/fabriscope/internal/cache"
)

// stateKey names an entry of the public state (coll "") or of a collection's
// hashed state (key is the key hash).
type stateKey struct{ ns, coll, key string }

// cached is what the cache knows of one key: its newest value, or that it is
// absent, and the first height at which that is known to be so.
type cached struct {
	value   Value
	present bool
	since   uint64
}

// stateCache remembers the newest value of recently used keys. It answers a view of
// an older height only if the value has not changed since.
type stateCache struct {
	mu     sync.Mutex
	height uint64 // the height whose state is "newest"
	recent *cache.Cache[stateKey, cached]
}

// entryOverhead is roughly what an entry costs besides its strings and slices.
const entryOverhead = 200

func newStateCache(budget int, height uint64) *stateCache {
	return &stateCache{height: height, recent: cache.New(budget, func(key stateKey, entry cached) int {
		return entryOverhead + len(key.ns) + len(key.coll) + len(key.key) + len(entry.value.Value) + len(entry.value.Metadata)
	})}
}

// get answers for a view at the given height; ok is false when the file must be
// asked.
func (c *stateCache) get(key stateKey, height uint64) (entry cached, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok = c.recent.Get(key)
	return entry, ok && entry.since <= height
}

// add takes what a view of the given height found in the file. It is dropped if
// a block has been committed meanwhile: it may not be the newest any more.
func (c *stateCache) add(key stateKey, entry cached, height uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if height == c.height {
		c.recent.Put(key, entry)
	}
}

// commit takes the updates of a block that is now in the file.
func (c *stateCache) commit(height uint64, updates func(put func(stateKey, cached))) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.height = height
	updates(c.recent.Put)
}
