package ledger

import (
	"cmp"
	"database/sql"
	"slices"
	"sync"
	"sync/atomic"
)

// recentTxs is how many entries of the index of transaction ids wait in memory.
const recentTxs = 8192

// txIndex is the newest part of the index of transaction ids. Ids are random: written as
// they come, each would cost a page of its own. So they are collected here and written
// bucket by bucket, in the order of the index: the entries of one bucket belong to a few
// neighbouring pages.
//
// What a crash takes from memory is read again from the transactions themselves. The
// savepoint says from which position on: when the cursor has gone once through all buckets,
// everything that was there when it began is in the file.
type txIndex struct {
	mu      sync.RWMutex
	buckets [256][]indexed // by the first byte of the hash, in the order of the file
	count   int

	drains atomic.Uint64 // how often entries have left

	// Used by whoever commits.
	limit  int   // how many wait; recentTxs but in tests
	cursor int   // the bucket that is written next
	began  int64 // first position of the block in which the cursor began this round
	since  int64 // all before this position is in the file
}

// indexed is an entry of the index of transaction ids.
type indexed struct{ hash, pos int64 }

func compareIndexed(a, b indexed) int {
	return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.pos, b.pos))
}

// bucketOf keeps the order of the file, which compares signed numbers.
func bucketOf(hash int64) int { return int((uint64(hash) ^ 1<<63) >> 56) }

// find gives the positions of entries with a hash.
func (x *txIndex) find(hash int64) (places []int64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, e := range x.buckets[bucketOf(hash)] {
		if e.hash == hash {
			places = append(places, e.pos)
		}
	}
	return places
}

// add takes the entries of a block that has been committed.
func (x *txIndex) add(entries []indexed) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range entries {
		b := bucketOf(e.hash)
		x.buckets[b] = append(x.buckets[b], e)
	}
	x.count += len(entries)
}

// drain is what one commit writes to the file.
type drain struct {
	entries []indexed // in the order of the file, bucket by bucket
	buckets []int
	taken   []int // of each bucket

	cursor       int
	began, since int64
}

// next chooses what the block that begins at a position writes, so that with its own
// entries no more than the limit wait. Nothing is changed yet.
func (x *txIndex) next(first int64, more int) *drain {
	d := &drain{cursor: x.cursor, began: x.began, since: x.since}
	for left := x.count + more; left > x.limit && len(d.buckets) < len(x.buckets); {
		b := d.cursor
		part := slices.Clone(x.buckets[b])
		slices.SortFunc(part, compareIndexed)
		d.entries = append(d.entries, part...)
		d.buckets, d.taken = append(d.buckets, b), append(d.taken, len(part))
		left -= len(part)
		if d.cursor = (b + 1) % len(x.buckets); d.cursor == 0 {
			d.since, d.began = d.began, first
		}
	}
	return d
}

// wrote forgets what a commit has written. It comes after the new height can be seen:
// whoever looks at an older height finds the entries here until then.
func (x *txIndex) wrote(d *drain) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, b := range d.buckets {
		// Entries of the block itself came behind them and stay.
		x.buckets[b] = append([]indexed(nil), x.buckets[b][d.taken[i]:]...)
		x.count -= d.taken[i]
	}
	if len(d.buckets) > 0 {
		x.drains.Add(1)
	}
	x.cursor, x.began, x.since = d.cursor, d.began, d.since
}

// load reads what may not be in the file, after opening. A round begins anew, with
// everything that is there.
func (x *txIndex) load(from querier, since, end int64) error {
	x.since, x.began = since, end
	var entries []indexed
	err := eachRow(from, func(rows *sql.Rows) error {
		var pos int64
		var key any
		if err := rows.Scan(&pos, &key); err != nil {
			return err
		}
		if id := txID(key); id != "" {
			entries = append(entries, indexed{txHash(id), pos})
		}
		return nil
	}, "SELECT pos, id FROM tx WHERE pos >= ? ORDER BY pos", since)
	x.add(entries)
	return err
}
