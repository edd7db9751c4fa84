package store

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"time"

	"github.com/hashicorp/raft"
)

// loadStable reads Raft's small values. Called at opening only, without locks.
func (s *Store) loadStable(tx *sql.Tx) error {
	rows, err := tx.Query("SELECT name, value FROM stable")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, value []byte
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		s.stable[string(name)] = value
	}
	return rows.Err()
}

func putStable(tx *sql.Tx, name string, value []byte) error {
	_, err := tx.Exec("INSERT INTO stable (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
		[]byte(name), value)
	return err
}

// Set keeps one of Raft's values; it is on the disk when Set returns.
func (l *Log) Set(key, value []byte) error {
	s := l.s
	if value == nil {
		value = []byte{}
	}
	return l.durable(
		func(tx *sql.Tx) error { return putStable(tx, string(key), value) },
		func() { s.stable[string(key)] = bytes.Clone(value) })
}

// Get returns a value, empty when there is none.
func (l *Log) Get(key []byte) ([]byte, error) {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.stable[string(key)]), nil
}

// SetUint64 keeps a number.
func (l *Log) SetUint64(key []byte, value uint64) error {
	return l.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// GetUint64 returns a number, 0 when there is none.
func (l *Log) GetUint64(key []byte) (uint64, error) {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	value := s.stable[string(key)]
	if len(value) != 8 {
		return 0, nil
	}
	return binary.BigEndian.Uint64(value), nil
}

// snapshot is the one snapshot that is kept: the newest.
type snapshot struct {
	meta raft.SnapshotMeta
	data []byte
}

func (s *Store) loadSnapshot(tx *sql.Tx) error {
	var kept snapshot
	var config []byte
	err := tx.QueryRow("SELECT idx, term, config, at, data FROM snapshot").
		Scan(&kept.meta.Index, &kept.meta.Term, &config, &kept.meta.ConfigurationIndex, &kept.data)
	if err == sql.ErrNoRows {
		return nil
	}
	if err != nil {
		return err
	}
	kept.meta.Version = 1
	kept.meta.Configuration = raft.DecodeConfiguration(config)
	kept.meta.Size = int64(len(kept.data))
	s.snapshot = &kept
	return nil
}

// SaveSnapshot replaces the snapshot; it is on the disk when SaveSnapshot returns.
func (s *Store) SaveSnapshot(meta raft.SnapshotMeta, data []byte) error {
	meta.Version, meta.Size = 1, int64(len(data))
	return s.durable(func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT OR REPLACE INTO snapshot (one, idx, term, config, at, data) VALUES (1, ?, ?, ?, ?, ?)",
			int64(meta.Index), int64(meta.Term), raft.EncodeConfiguration(meta.Configuration), int64(meta.ConfigurationIndex), data)
		return err
	}, func() { s.snapshot = &snapshot{meta: meta, data: data} })
}

// Snapshot returns the newest snapshot; ok is false when there is none. The
// time of its making is not kept.
func (s *Store) Snapshot() (meta raft.SnapshotMeta, data []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.snapshot == nil {
		return raft.SnapshotMeta{}, nil, false
	}
	return s.snapshot.meta, s.snapshot.data, true
}

// unixNano is 0 for the zero time, which has no such number.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
