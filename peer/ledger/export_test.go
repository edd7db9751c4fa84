package ledger

import (
	"database/sql"
	"time"

	"github.com/fabriscope/fabriscope/internal/mango"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// AddPrivate puts plain text into a ledger, as if it had come with the block of
// the version.
func (l *Ledger) AddPrivate(ns, coll, key string, value []byte, v wire.Version) error {
	_, err := l.writer.conn.ExecContext(bg, "INSERT INTO private (ns, coll, key, key_hash, pos, value) VALUES (?, ?, ?, ?, ?, ?)",
		ns, coll, key, wire.Hash([]byte(key)), position(v), value)
	return err
}

// SetRecentTxs makes the part of the index of ids that waits in memory small.
func (l *Ledger) SetRecentTxs(n int) { l.index.limit = n }

// IndexRows counts the index of ids: in memory and in the file.
func (l *Ledger) IndexRows() (memory, file int, err error) {
	err = l.db.Reader().QueryRow("SELECT count(*) FROM tx_id").Scan(&file)
	l.index.mu.RLock()
	defer l.index.mu.RUnlock()
	for _, bucket := range l.index.buckets {
		memory += len(bucket)
	}
	return memory, file, err
}

// Written is how many bytes have been written to the log and to the file.
func (l *Ledger) Written() (log, file int64) { return l.db.Written() }

// SetLogLimits makes the log's bounds small enough for a test.
func (l *Ledger) SetLogLimits(fold, patient, giveUp int64, wait time.Duration) {
	l.logLimits = logLimits{fold, patient, giveUp, wait}
}

// ExplainRich is how SQLite answers a rich query.
func (l *Ledger) ExplainRich(ns, text string) (plan string, err error) {
	indexes, err := richIndexes(l.db.Reader(), ns)
	if err != nil {
		return "", err
	}
	query, err := mango.ParseQuery(text)
	if err != nil {
		return "", err
	}
	p, err := query.Plan(indexes)
	if err != nil {
		return "", err
	}
	statement, args := (&richScanner{ns: ns, plan: p, read: &mango.Position{ID: "k", Key: []byte{1}}}).query()
	err = eachRow(l.db.Reader(), func(rows *sql.Rows) error {
		var id, parent, unused int
		var detail string
		err := rows.Scan(&id, &parent, &unused, &detail)
		plan += detail + "; "
		return err
	}, "EXPLAIN QUERY PLAN "+statement, args...)
	return plan, err
}
