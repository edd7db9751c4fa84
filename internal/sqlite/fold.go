package sqlite

import (
	"context"
	"os"
	"sync"
	"time"
)

// Folding moves what the write-ahead log holds into the file, so that the log can
// start over. It syncs the log, writes the pages to their places and syncs the file:
// the only waits for the disk that a database has which does not sync its commits.
// It happens in the background, on a connection of its own, while commits and readers
// go on, and in small portions: whoever else syncs waits for the one under way, and so
// does a commit that is two portions ahead of the disk. Databases with one Disk take turns.

// Bounds of folding.
const (
	foldLeast = 256 << 10              // bytes of log from which a portion is worth its two syncs
	foldMost  = 2 << 20                // and that are enough
	foldTime  = 100 * time.Millisecond // what one portion should take
	pageBytes = 4096
)

// folds is the folding of one database.
type folds struct {
	passing sync.Mutex // held during a pass, also by one in the foreground
	wait    sync.WaitGroup

	mu      sync.Mutex
	running chan struct{} // closed when the pass in the background ends; nil when there is none
	began   int64         // bytes logged in all when the last pass began
	portion int64
	closed  bool
}

// Admit waits while the disk is more than two portions behind, at most until the fold
// that is under way has ended. To be called before each commit that is not an Update.
func (db *DB) Admit() {
	f := &db.folds
	f.mu.Lock()
	running, behind := f.running, db.logged()-f.began >= 2*f.portion
	f.mu.Unlock()
	if running == nil || !behind {
		return
	}
	begin := time.Now()
	<-running
	if db.options.Synced != nil {
		db.options.Synced(Sync{Waited: true, Took: time.Since(begin)})
	}
}

// Committed tells of the syncs since it was last called, and begins to fold when there is
// a portion. To be called after each commit that is not an Update. It never waits.
func (db *DB) Committed() {
	db.tellSyncs()
	f := &db.folds
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.running != nil || db.logged()-f.began < f.portion {
		return
	}
	f.running = make(chan struct{})
	f.wait.Go(db.foldAll)
}

// foldAll folds until less than a portion is left.
func (db *DB) foldAll() {
	f := &db.folds
	for more := true; more; {
		release := db.options.Disk.takeTurn()
		_, _, err := db.pass()
		release()
		db.tellSyncs()
		f.mu.Lock()
		// After an error: when there is another portion. A commit that cannot be will say why.
		more = err == nil && !f.closed && db.logged()-f.began >= f.portion
		close(f.running)
		f.running = nil
		if more {
			f.running = make(chan struct{})
		}
		f.mu.Unlock()
	}
}

// Fold folds in the foreground: as much of the log as readers of older states allow.
// It gives the size of the log, and whether all of it is in the file now; the next
// commit then starts the log over if nobody reads an older state.
func (db *DB) Fold() (size int64, all bool, err error) {
	begin := time.Now()
	defer func() {
		db.tellSyncs()
		if db.options.Synced != nil {
			db.options.Synced(Sync{Waited: true, Took: time.Since(begin)})
		}
	}()
	return db.pass()
}

// LogBytes is the size of the log as a file. Above walKept all of it is in use.
func (db *DB) LogBytes() int64 {
	info, err := os.Stat(db.path + "-wal")
	if err != nil {
		return 0
	}
	return info.Size()
}

// pass runs one checkpoint that waits for nobody.
func (db *DB) pass() (size int64, all bool, err error) {
	f := &db.folds
	f.passing.Lock()
	defer f.passing.Unlock()
	begin, from := time.Now(), db.logged()
	var busy, logged, moved int64
	err = db.folder.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &logged, &moved)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		if bytes := from - f.began; bytes >= foldLeast {
			f.portion = nextPortion(f.portion, bytes, time.Since(begin))
		}
	}
	f.began = from
	return logged * pageBytes, moved == logged, db.Explain("checkpoint", err)
}

// nextPortion is how much the next fold should take on when one of some bytes took so
// long: what a slow disk writes in a short time, at most what is worth while.
func nextPortion(now, bytes int64, took time.Duration) int64 {
	fits := float64(bytes) * float64(foldTime) / float64(max(took, time.Millisecond))
	return int64(min(max((float64(now)+fits)/2, foldLeast), foldMost))
}

// tellSyncs passes on the syncs that nobody has heard of.
func (db *DB) tellSyncs() {
	if db.options.Synced != nil {
		db.layer.each(db.options.Synced)
	}
}

// logged is how many bytes have been written to the log in all.
func (db *DB) logged() int64 {
	logged, _ := db.layer.counts()
	return logged
}

// Written is how many bytes this database has written so far: to its log and to the file itself.
func (db *DB) Written() (log, file int64) { return db.layer.counts() }

// close waits for the fold under way; none begins any more.
func (f *folds) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.wait.Wait()
}

// takeTurn waits until no other database of the disk folds.
func (d *Disk) takeTurn() (release func()) {
	if d == nil {
		return func() {}
	}
	d.turn <- struct{}{}
	return func() { <-d.turn }
}
