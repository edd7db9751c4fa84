package ledger

import (
	"time"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// AddPrivate puts plain text into a ledger, as if it had come with the block of
// the version.
func (l *Ledger) AddPrivate(ns, coll, key string, value []byte, v wire.Version) error {
	_, err := l.writer.conn.ExecContext(bg, "INSERT INTO private (ns, coll, key, key_hash, pos, value) VALUES (?, ?, ?, ?, ?, ?)",
		ns, coll, key, wire.Hash([]byte(key)), position(v), value)
	return err
}

// SetLogLimits makes the log's bounds small enough for a test.
func (l *Ledger) SetLogLimits(checkpoint, patient, giveUp int64, wait time.Duration) {
	l.logLimits = logLimits{checkpoint, patient, giveUp, wait}
}
