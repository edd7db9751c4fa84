package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/peer/ledger"
)

// logSize is the size of the write-ahead log.
func logSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// commitWithViews commits blocks while there is always a view of an older height,
// each of them for so many blocks.
func commitWithViews(t *testing.T, c *chain, path string, blocks, life int) (largest int64, lost int) {
	t.Helper()
	var open []*ledger.View
	for n := range blocks {
		v := MustView(t, c.l)
		open = append(open, v)
		if len(open) > life {
			open[0].Close()
			open = open[1:]
		}
		for _, v := range open {
			if _, _, err := v.GetState("asset", fmt.Sprint("none", n)); errors.Is(err, ledger.ErrSnapshotLost) {
				lost++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		block, sets := c.block(t, 50)
		c.commit(t, block, sets)
		largest = max(largest, logSize(t, path))
	}
	return largest, lost
}

func TestLogStaysBounded(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name     string
		life     int // blocks that a view is open
		giveUp   int64
		most     int64
		lostSome bool
	}{
		{"views of the newest height", 1, 100 * mib, 6 * mib, false},
		{"views of older heights", 60, 8 * mib, 12 * mib, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "channel.db")
			chain := &chain{l: MustOpen(t, path)}
			chain.l.SetLogLimits(2*mib, 4*mib, c.giveUp, 0)
			largest, lost := commitWithViews(t, chain, path, 120, c.life)
			if largest > c.most {
				t.Errorf("the log has grown to %.1f MiB, at most %d MiB are allowed", float64(largest)/mib, c.most/mib)
			}
			if (lost > 0) != c.lostSome {
				t.Errorf("%d views were given up", lost)
			}
		})
	}
}

// TestCommitWaitsForOlderViews lets a view of an older height end while a commit
// waits for it.
func TestCommitWaitsForOlderViews(t *testing.T) {
	path := filepath.Join(t.TempDir(), "channel.db")
	c := &chain{l: MustOpen(t, path)}
	c.l.SetLogLimits(1, 1, 1<<40, time.Hour)
	block, sets := c.block(t, 1)
	c.commit(t, block, sets)
	v := MustView(t, c.l)
	if _, _, err := v.GetState("asset", "none"); err != nil {
		t.Fatal(err)
	}
	block, sets = c.block(t, 1)
	c.commit(t, block, sets)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		v.Close()
	}()
	block, sets = c.block(t, 1)
	c.commit(t, block, sets)
	<-ended
}
