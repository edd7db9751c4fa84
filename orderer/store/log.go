package store

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// fetched marks entries that are only bodies of blocks, see schema.go.
const fetched = -1

// keyFirst holds the first index of Raft's log, beside Raft's own values.
const keyFirst = "fabriscope.first"

// Log is one Raft instance's use of the store: its log, which is one window
// without gaps, and its small values. Opening a new Log fences the older ones: a
// write of theirs that is still under way either lands before every write of the
// new one, or not at all.
type Log struct {
	s          *Store
	generation uint64
}

var _ interface {
	raft.LogStore
	raft.MonotonicLogStore
	raft.StableStore
} = (*Log)(nil)

// OpenLog begins a new use of the log and ends all earlier ones.
func (s *Store) OpenLog() *Log { return &Log{s: s, generation: s.generation.Add(1)} }

// Fenced tells whether a newer Log has been opened, or the log was fenced.
func (l *Log) Fenced() bool { return l.s.generation.Load() != l.generation }

// Fence ends this use of the log.
func (l *Log) Fence() { l.s.generation.CompareAndSwap(l.generation, l.generation+1) }

// durable is Store.durable for a Log that is not fenced.
func (l *Log) durable(change func(*sql.Tx) error, done func()) error {
	return l.s.durable(func(tx *sql.Tx) error {
		if l.Fenced() {
			return ErrFenced
		}
		return change(tx)
	}, done)
}

// loadLog finds the window. Called at opening only, without locks.
func (s *Store) loadLog(tx *sql.Tx) error {
	s.first = 1
	if raw, ok := s.stable[keyFirst]; ok {
		if len(raw) != 8 {
			return fmt.Errorf("first index of the log: %w", ErrMalformed)
		}
		s.first = binary.BigEndian.Uint64(raw)
	}
	var last, highest sql.NullInt64
	err := tx.QueryRow("SELECT idx FROM entry WHERE type >= 0 ORDER BY idx DESC LIMIT 1").Scan(&last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := tx.QueryRow("SELECT max(idx) FROM entry").Scan(&highest); err != nil {
		return err
	}
	s.last, s.highest = uint64(last.Int64), uint64(highest.Int64)
	return nil
}

// IsMonotonic tells Raft that the log has no gaps: after it installs a snapshot
// it empties the log instead of leaving a hole in it.
func (*Log) IsMonotonic() bool { return true }

// FirstIndex is the index of the oldest entry, 0 when the log is empty.
func (l *Log) FirstIndex() (uint64, error) {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last < s.first {
		return 0, nil
	}
	return s.first, nil
}

// LastIndex is the index of the newest entry, 0 when the log is empty.
func (l *Log) LastIndex() (uint64, error) {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last < s.first {
		return 0, nil
	}
	return s.last, nil
}

// GetLog reads one entry; raft.ErrLogNotFound when the log does not hold it.
func (l *Log) GetLog(index uint64, log *raft.Log) error {
	s := l.s
	s.mu.Lock()
	if index < s.first || index > s.last {
		s.mu.Unlock()
		return raft.ErrLogNotFound
	}
	if cached := s.entries.get(index); cached != nil {
		*log = *cached
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	var at int64
	*log = raft.Log{Index: index}
	err := s.db.Reader().QueryRow("SELECT term, type, at, data, ext FROM entry WHERE idx = ? AND type >= 0", int64(index)).
		Scan(&log.Term, &log.Type, &at, &log.Data, &log.Extensions)
	if errors.Is(err, sql.ErrNoRows) {
		return raft.ErrLogNotFound
	}
	if at != 0 {
		log.AppendedAt = time.Unix(0, at)
	}
	return s.db.Explain("read Raft entry from", err)
}

// StoreLog appends one entry.
func (l *Log) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

// StoreLogs makes these entries the end of the log, in one synced transaction.
// Entries at or after the first of them that were there before are replaced
// (such can exist when an earlier call failed towards Raft but reached the disk).
// Entries beyond a gap, which Raft only writes when a snapshot covers the gap,
// begin a new window.
func (l *Log) StoreLogs(logs []*raft.Log) error {
	s := l.s
	if len(logs) == 0 {
		return nil
	}
	for i, log := range logs {
		if log.Index != logs[0].Index+uint64(i) {
			return fmt.Errorf("store Raft entries: %d after %d: %w", log.Index, logs[i-1].Index, ErrOrder)
		}
	}
	from, to := logs[0].Index, logs[len(logs)-1].Index
	var first uint64
	return l.durable(func(tx *sql.Tx) error {
		was, last, highest, applied := s.window()
		first = was
		if from < first && last >= first {
			return fmt.Errorf("store Raft entry %d: the log begins at %d: %w", from, first, ErrOrder)
		}
		if last < first || from > last+1 {
			first = from
		}
		if first != was {
			if err := putStable(tx, keyFirst, binary.BigEndian.AppendUint64(nil, first)); err != nil {
				return err
			}
		}
		if from <= highest {
			if _, err := tx.Exec("DELETE FROM entry WHERE idx >= ? AND idx > ?", int64(from), int64(applied)); err != nil {
				return err
			}
		}
		for _, log := range logs {
			if err := putEntry(tx, log, applied); err != nil {
				return err
			}
		}
		return nil
	}, func() {
		s.first, s.last, s.highest = first, to, max(s.highest, to)
		for _, log := range logs {
			s.entries.put(log)
		}
	})
}

// window returns what a change of the log has to know; the caller holds s.writing.
func (s *Store) window() (first, last, highest, applied uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first, s.last, s.highest, s.chain.RaftIndex
}

// putEntry writes one entry. The body of a block is never written again: Raft
// guarantees that a committed entry is the same everywhere.
func putEntry(tx *sql.Tx, l *raft.Log, applied uint64) error {
	at := unixNano(l.AppendedAt)
	data := l.Data
	if data == nil {
		data = []byte{}
	}
	if l.Index > applied {
		_, err := tx.Exec("INSERT INTO entry (idx, term, type, at, data, ext) VALUES (?, ?, ?, ?, ?, ?)",
			int64(l.Index), int64(l.Term), int64(l.Type), at, data, l.Extensions)
		return err
	}
	_, err := tx.Exec(`INSERT INTO entry (idx, term, type, at, data, ext) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (idx) DO UPDATE SET term = excluded.term, type = excluded.type, at = excluded.at`,
		int64(l.Index), int64(l.Term), int64(l.Type), at, data, l.Extensions)
	return err
}

// DeleteRange removes entries from the beginning or the end of the log. Bodies
// of blocks stay, as bodies of blocks.
func (l *Log) DeleteRange(min, max uint64) error {
	s := l.s
	var first, last uint64
	return l.durable(func(tx *sql.Tx) error {
		var applied uint64
		first, last, _, applied = s.window()
		switch {
		case last < first || max < first || min > last:
			return nil
		case min <= first: // the beginning, or all of it
			first = max + 1
			if err := putStable(tx, keyFirst, binary.BigEndian.AppendUint64(nil, first)); err != nil {
				return err
			}
			// What never became a block: Raft's own entries, barriers, and what is not applied.
			_, err := tx.Exec("DELETE FROM entry WHERE idx BETWEEN ? AND ? AND (type > 0 OR idx > ? OR length(data) <= ?)",
				int64(min), int64(max), int64(applied), bodyHeader)
			return err
		case max >= last: // the end
			last = min - 1
			// A block that was fetched may stand where this log had another entry.
			if _, err := tx.Exec("UPDATE entry SET type = ? WHERE idx BETWEEN ? AND ?", fetched, int64(min), int64(applied)); err != nil {
				return err
			}
			_, err := tx.Exec("DELETE FROM entry WHERE idx >= ? AND idx > ?", int64(min), int64(applied))
			return err
		default:
			return fmt.Errorf("delete Raft entries %d to %d out of %d to %d: %w", min, max, first, last, ErrOrder)
		}
	}, func() {
		s.first, s.last = first, last
		s.entries.keep(first, last)
	})
}
