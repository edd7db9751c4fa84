// Package cache is a bounded memory of what was used lately: identities, good
// signatures, state entries. It knows no clock and no lists; that of two things the one
// that was used longer ago goes first is only roughly so, and cheap.
package cache

// Cache keeps two generations. What is stored or found becomes part of the young one;
// when that has used up its half of the budget it becomes the old one, and what nobody
// has asked for since the last time is gone. It is not safe for concurrent use.
type Cache[K comparable, V any] struct {
	half       int // budget of one generation
	used       int // by the young one
	cost       func(K, V) int
	young, old map[K]V
}

// New makes a cache for entries that cost budget altogether; cost nil: one each.
func New[K comparable, V any](budget int, cost func(K, V) int) *Cache[K, V] {
	if cost == nil {
		cost = func(K, V) int { return 1 }
	}
	return &Cache[K, V]{half: max(1, budget/2), cost: cost, young: map[K]V{}}
}

// Get finds an entry.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	value, ok := c.young[key]
	if !ok {
		if value, ok = c.old[key]; ok {
			c.Put(key, value)
		}
	}
	return value, ok
}

// GetBytes is Get for a key in bytes. It copies them only when it must.
func GetBytes[V any](c *Cache[string, V], key []byte) (V, bool) {
	if value, ok := c.young[string(key)]; ok {
		return value, true
	}
	return c.Get(string(key))
}

// Put stores an entry, or replaces it. One that costs an eighth of the budget or more
// is not kept: it would push out too much else.
func (c *Cache[K, V]) Put(key K, value V) {
	delete(c.old, key)
	cost := c.cost(key, value)
	if cost > max(1, c.half/4) {
		delete(c.young, key)
		return
	}
	if c.used+cost > c.half {
		c.old, c.young, c.used = c.young, map[K]V{}, 0
		delete(c.old, key)
	}
	c.young[key] = value
	c.used += cost // an entry that is replaced counts twice: the turn only comes sooner
}

// Len is how many entries there are.
func (c *Cache[K, V]) Len() int { return len(c.young) + len(c.old) }
