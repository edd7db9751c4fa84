// Package runfile keeps a trace in a file: Record writes what a Recorder is told, Open
// reads it back. It is the only part of the trace that needs SQLite; package trace
// defines what an event is and how events become chunks of bytes.
package runfile

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// ApplicationID marks SQLite files as run files: "FSCP".
const ApplicationID = 0x46534350

// migrations are the layout of a run file. Small columns come first: what
// lies behind a large value is reached only by reading through it.
var migrations = []string{`
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE chunk (
	first  INTEGER PRIMARY KEY, -- position of the first event
	last   INTEGER NOT NULL,    -- position of the last one
	start  INTEGER NOT NULL,    -- time of the first event, ns since 1970
	txids  BLOB NOT NULL,       -- sorted 8-byte FNV-1a hashes of the transaction ids in it
	events BLOB NOT NULL        -- see trace/chunk.go
);
CREATE TABLE payload (
	first INTEGER PRIMARY KEY,  -- as in chunk; no row when there are none
	data  BLOB NOT NULL         -- see trace/payloads.go
);`}

// file is a run file that is being written.
type file struct {
	db     *sqlite.DB
	meta   trace.Meta
	hashes []byte // memory used again
}

// Record writes a recorder's trace to a new run file from now on, beginning with what
// is still in memory; Recorder.StopRecording ends it. Errors: trace.ErrRecording,
// fs.ErrExist, those of package sqlite.
func Record(r *trace.Recorder, path string, meta trace.Meta) error {
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return fmt.Errorf("record to %s: %w; choose another name or delete it", path, fs.ErrExist)
	}
	if meta.Started.IsZero() {
		meta.Started = time.Now()
	}
	db, err := sqlite.Open(path, sqlite.Options{Migrations: migrations, ApplicationID: ApplicationID, Readers: 1})
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	f := &file{db: db, meta: meta, hashes: []byte{}} // not nil, which would be NULL in the file
	if err := f.writeMeta(); err != nil {
		return errors.Join(err, db.Close())
	}
	if err := r.RecordTo(f); err != nil {
		return errors.Join(fmt.Errorf("record to %s: %w", path, err), db.Close(), os.Remove(path))
	}
	return nil
}

// Write keeps chunks in one transaction.
func (f *file) Write(next func() (*trace.Chunk, error)) error {
	return f.db.Update(context.Background(), func(tx *sql.Tx) error {
		for {
			chunk, err := next()
			if err != nil || chunk == nil {
				return err
			}
			if err := f.write(tx, chunk); err != nil {
				return f.db.Explain("write", err)
			}
		}
	})
}

func (f *file) write(tx *sql.Tx, c *trace.Chunk) error {
	f.hashes = f.hashes[:0]
	for _, hash := range c.TxIDs {
		f.hashes = binary.LittleEndian.AppendUint64(f.hashes, hash)
	}
	_, err := tx.Exec("INSERT INTO chunk VALUES (?, ?, ?, ?, ?)", int64(c.First), int64(c.Last), c.Start, f.hashes, c.Events)
	if err != nil || len(c.Payloads) == 0 {
		return err
	}
	_, err = tx.Exec("INSERT INTO payload VALUES (?, ?)", int64(c.First), c.Payloads)
	return err
}

// Close notes when the recording ended, unless it failed.
func (f *file) Close(failed error) error {
	var err error
	if failed == nil {
		f.meta.Ended = time.Now()
		err = f.writeMeta()
	}
	return errors.Join(err, f.db.CloseWhole())
}

func (f *file) writeMeta() error {
	text, err := json.Marshal(f.meta)
	if err != nil {
		return fmt.Errorf("record to %s: %w", f.db.Path(), err)
	}
	return f.db.Update(context.Background(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT OR REPLACE INTO meta VALUES ('meta', ?)", string(text))
		return err
	})
}
