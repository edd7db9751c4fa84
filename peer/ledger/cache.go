package ledger

import "sync"

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

// cache remembers the newest value of recently used keys. It answers a view of
// an older height only if the value has not changed since.
//
// Two generations bound it: when the young one has grown to half the budget it
// becomes the old one, and what nobody asks for again is gone with it.
type cache struct {
	mu     sync.Mutex
	height uint64 // the height whose state is "newest"
	half   int    // bytes that one generation may take
	size   int    // bytes in young
	young  map[stateKey]cached
	old    map[stateKey]cached
}

// entryOverhead is roughly what an entry costs besides its strings and slices.
const entryOverhead = 200

func newCache(budget int, height uint64) *cache {
	return &cache{half: budget / 2, height: height, young: map[stateKey]cached{}}
}

// get answers for a view at the given height; ok is false when the file must be
// asked.
func (c *cache) get(key stateKey, height uint64) (entry cached, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok = c.young[key]
	if !ok {
		if entry, ok = c.old[key]; ok {
			delete(c.old, key)
			c.put(key, entry)
		}
	}
	return entry, ok && entry.since <= height
}

// add takes what a view of the given height found in the file. It is dropped if
// a block has been committed meanwhile: it may not be the newest any more.
func (c *cache) add(key stateKey, entry cached, height uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if height == c.height {
		c.put(key, entry)
	}
}

// commit takes the updates of a block that is now in the file.
func (c *cache) commit(height uint64, updates func(put func(stateKey, cached))) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.height = height
	updates(func(key stateKey, entry cached) {
		delete(c.old, key)
		c.put(key, entry)
	})
}

// put stores an entry in the young generation; the caller holds mu.
func (c *cache) put(key stateKey, entry cached) {
	size := entryOverhead + len(key.ns) + len(key.coll) + len(key.key) + len(entry.value.Value) + len(entry.value.Metadata)
	if size > c.half/4 { // one large value must not push out everything else
		delete(c.young, key)
		return
	}
	if c.size+size > c.half {
		c.old, c.young, c.size = c.young, map[stateKey]cached{}, 0
		delete(c.old, key)
	}
	c.young[key] = entry
	c.size += size // an entry that is replaced counts twice: the turn only comes sooner
}
