package cache_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/cache"
)

// Whatever happens, an entry that is found is the last one stored, the budget holds, and
// what is used all the time stays.
func TestCacheProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		budget := rapid.IntRange(1, 40).Draw(t, "budget")
		cost := func(_ int, value int) int { return 1 + value%4 }
		c := cache.New(budget, cost)
		last := map[int]int{}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			key := rapid.IntRange(0, 30).Draw(t, "key")
			if rapid.Bool().Draw(t, "put") {
				value := rapid.IntRange(0, 1000).Draw(t, "value")
				c.Put(key, value)
				last[key] = value
			}
			if value, ok := c.Get(key); ok && value != last[key] {
				t.Fatalf("key %d is %d, stored was %d", key, value, last[key])
			}
		}
		total := 0
		for key := range last {
			if value, ok := c.Get(key); ok {
				total += cost(key, value)
			}
		}
		if total > max(budget, 2) || c.Len() > max(budget, 2) {
			t.Fatalf("%d entries that cost %d are kept, the budget is %d", c.Len(), total, budget)
		}
	})
}

func TestWhatIsUsedStays(t *testing.T) {
	c := cache.New[int, string](16, nil)
	c.Put(-1, "always used")
	for i := range 1000 {
		c.Put(i, "never used again")
		if _, ok := c.Get(-1); !ok {
			t.Fatalf("gone after %d others", i)
		}
	}
	if _, ok := c.Get(0); ok {
		t.Error("the first of a thousand is still there")
	}
}

func TestExpensiveEntriesAreNotKept(t *testing.T) {
	c := cache.New(800, func(_ string, value []byte) int { return len(value) })
	c.Put("k", make([]byte, 10))
	c.Put("k", make([]byte, 200))
	if _, ok := c.Get("k"); ok {
		t.Error("an expensive entry is kept, or the one before it")
	}
}
