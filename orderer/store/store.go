// Package store is what an ordering node keeps of one channel: the blocks and
// Raft's log, vote and snapshot, in one SQLite file.
//
// It serves the ordering step: a batch of envelopes is first an entry of Raft's
// log, synced to the disk before it counts as replicated here, and becomes a
// block when Raft has committed it. Both are the same bytes, stored once; the
// block adds a row with its hashes and this node's signature. That row needs no
// sync of its own: after a power cut Raft's log makes the same block again.
// docs/decisions/0001-raft-log-store.md tells why and what it costs.
//
// Read next: entry.go (the bytes), log.go (Raft's log), block.go (the chain).
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/sqlite"
)

// Errors that callers act on.
var (
	// ErrNoBlock: no block with this number is stored here.
	ErrNoBlock = errors.New("no such block")
	// ErrOrder: a block or entry does not follow the last one.
	ErrOrder = errors.New("out of order")
	// ErrFenced: another Log was opened after this one, which may not write any more.
	ErrFenced = errors.New("this use of the log has ended")
)

// Options say how a Store is opened.
type Options struct {
	// Readers is the most read-only connections; 0 means 2.
	Readers int
	// Disk is what the files of one process share; nil works.
	Disk *sqlite.Disk
	// Synced hears of each wait for the disk; see sqlite.Options.
	Synced func(sqlite.Sync)
}

// Store is an open file. All methods may be called from many goroutines.
type Store struct {
	db  *sqlite.DB
	tip deliver.Tip

	writing    sync.Mutex // one transaction at a time, with its synchronisation
	synced     bool       // the writer's present setting; guarded by writing
	generation atomic.Uint64

	mu       sync.Mutex
	first    uint64 // Raft's log is [first, last]; last < first means that it is empty
	last     uint64
	highest  uint64 // highest index of any row
	chain    Chain
	stable   map[string][]byte
	entries  entryCache
	recent   blockCache
	snapshot *snapshot
}

// Open opens the file at path or creates it.
func Open(path string, options Options) (*Store, error) {
	if options.Readers == 0 {
		options.Readers = 2
	}
	db, err := sqlite.Open(path, sqlite.Options{
		Migrations:    migrations,
		Readers:       options.Readers,
		Synchronous:   "FULL",
		ApplicationID: FileMark,
		Checksums:     true,
		Remedy:        "`fabriscope ledger check " + path + "` tells what is damaged",
		Disk:          options.Disk,
		Synced:        options.Synced,
	})
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, synced: true, stable: make(map[string][]byte)}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return s, nil
}

// Close ends all use of the file.
func (s *Store) Close() error { return s.db.Close() }

// Trim frees the caches except for what the next call needs. Its owner calls it
// when the channel is at rest.
func (s *Store) Trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries.trim()
	s.recent.trim()
}

// load reads everything that is kept in memory.
func (s *Store) load() error {
	return s.db.View(context.Background(), func(tx *sql.Tx) error {
		if err := s.loadStable(tx); err != nil {
			return err
		}
		if err := s.loadLog(tx); err != nil {
			return err
		}
		if err := s.loadSnapshot(tx); err != nil {
			return err
		}
		return s.loadChain(tx)
	})
}

// durable runs change in a transaction that is on the disk when it returns, and
// then done, which brings the memory's picture up to date, with s.mu held. No
// other transaction comes between the two.
func (s *Store) durable(change func(*sql.Tx) error, done func()) error {
	return s.update(true, change, done)
}

// lazy is durable without the sync: the transaction survives kill -9, but
// perhaps not a power cut until the next durable one.
func (s *Store) lazy(change func(*sql.Tx) error, done func()) error {
	return s.update(false, change, done)
}

func (s *Store) update(synced bool, change func(*sql.Tx) error, done func()) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if synced != s.synced {
		level := "NORMAL"
		if synced {
			level = "FULL"
		}
		if _, err := s.db.Writer().Exec("PRAGMA synchronous=" + level); err != nil {
			return s.db.Explain("write", err)
		}
		s.synced = synced
	}
	if err := s.db.Update(context.Background(), change); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	done()
	return nil
}
