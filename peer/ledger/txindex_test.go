package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// chainID is the id of the nth transaction of a chain.
func chainID(n int) string { return wire.TxID([]byte(fmt.Sprint(n)), nil) }

// TestEveryIDIsFound commits blocks while others look up ids that are committed, and
// closes and opens the file in between: whether an id waits in memory or is in the file,
// it is found, from the moment on at which its block is there.
func TestEveryIDIsFound(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	path := filepath.Join(t.TempDir(), "channel.db")
	c := &chain{}
	for range 6 {
		l, err := ledger.Open(path, ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		l.SetRecentTxs(100)
		c.l = l
		mustFindAll(t, l, c.keys)
		growWhileLooking(t, c, random)
		if memory, file, err := l.IndexRows(); err != nil || memory > 130 || memory+file < c.keys {
			t.Errorf("%d entries in memory, %d in the file, %d transactions, %v", memory, file, c.keys, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// growWhileLooking commits blocks of some transactions.
func growWhileLooking(t *testing.T, c *chain, random *rand.Rand) {
	var committed atomic.Int64
	committed.Store(int64(c.keys))
	var wait sync.WaitGroup
	done := make(chan struct{})
	for seed := range uint64(3) {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(seed, 1))
			for {
				select {
				case <-done:
					return
				default:
				}
				if n := committed.Load(); n > 0 {
					id := chainID(int(random.Int64N(n)))
					if _, ok, err := c.l.TxStatus(id); err != nil || !ok {
						t.Errorf("id %s of %d is not found: %v", id[:8], n, err)
						return
					}
				}
			}
		})
	}
	for range 40 {
		block, sets := c.block(t, 1+random.IntN(25))
		c.commit(t, block, sets)
		committed.Store(int64(c.keys))
	}
	close(done)
	wait.Wait()
}

// mustFindAll looks up every id and some that are not there.
func mustFindAll(t *testing.T, l *ledger.Ledger, n int) {
	t.Helper()
	var ids []string
	for i := range n + 50 {
		ids = append(ids, chainID(i))
	}
	used, err := l.Used(ids)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		_, ok, err := l.TxStatus(id)
		if _, also := used[id]; err != nil || ok != (i < n) || also != ok {
			t.Fatalf("transaction %d of %d: found %v and %v, %v", i, n, ok, also, err)
		}
	}
}
