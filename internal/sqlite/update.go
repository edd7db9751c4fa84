package sqlite

import (
	"context"
	"database/sql"
)

// Update runs change in one writing transaction and commits it; when change
// returns an error everything is rolled back and that error is returned. Calls
// wait for each other. change must use only tx, not Writer.
//
// ctx ends the wait for the lock of another process; inside, pass
// context.Background() to statements in hot code (see Writer).
func (db *DB) Update(ctx context.Context, change func(tx *sql.Tx) error) error {
	if db.writer == nil {
		return db.Explain("write", ErrReadOnly)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	db.writing.Lock()
	defer db.writing.Unlock()
	db.Admit()
	// BeginTx with a context that can end would start a goroutine for the life
	// of the transaction and might roll back behind change's back.
	tx, err := db.writer.BeginTx(context.Background(), nil)
	if err != nil {
		return db.Explain("write", err)
	}
	defer tx.Rollback() // no effect after Commit
	if err := change(tx); err != nil {
		if classify(err) != nil {
			return db.Explain("write", err)
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return db.Explain("write", err)
	}
	db.Committed()
	db.tend()
	return nil
}

// View runs look in one reading transaction: everything it reads belongs to one
// committed state.
func (db *DB) View(ctx context.Context, look func(tx *sql.Tx) error) error {
	tx, err := db.reader.BeginTx(ctx, nil)
	if err != nil {
		return db.Explain("read", err)
	}
	defer tx.Rollback() // a reading transaction has nothing to commit
	if err := look(tx); err != nil {
		if classify(err) != nil {
			return db.Explain("read", err)
		}
		return err
	}
	return nil
}

// Checkpoint folds the whole log into the file and empties it, waiting shortly
// for readers of older states. It reports whether it could.
func (db *DB) Checkpoint(ctx context.Context) (bool, error) {
	if db.writer == nil {
		return false, db.Explain("checkpoint", ErrReadOnly)
	}
	db.writing.Lock()
	defer db.writing.Unlock()
	return db.checkpoint(ctx)
}

// checkpoint does the work of Checkpoint; the caller holds db.writing.
func (db *DB) checkpoint(ctx context.Context) (bool, error) {
	defer db.tellSyncs()
	db.folds.passing.Lock()
	defer db.folds.passing.Unlock()
	connection, err := db.writer.Conn(ctx)
	if err != nil {
		return false, db.Explain("checkpoint", err)
	}
	defer connection.Close() // back to the pool
	if _, err := connection.ExecContext(ctx, pragmaBusy(checkpointPatient)); err != nil {
		return false, db.Explain("checkpoint", err)
	}
	var blocked, logged, moved int
	err = connection.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&blocked, &logged, &moved)
	if _, restore := connection.ExecContext(ctx, pragmaBusy(busyTimeout)); err == nil {
		err = restore
	}
	if err != nil {
		return false, db.Explain("checkpoint", err)
	}
	return blocked == 0, nil
}

// tend keeps the log file bounded. The log is folded into the file in the
// background, but SQLite can only start it anew at a moment when all of it is folded
// and no reader looks at an older state, and under load that moment may never come.
// Above the limit a commit waits for it; if a long reader is in the way it is
// tried again when the log has grown by another quarter.
func (db *DB) tend() {
	size := db.LogBytes()
	if size < db.tended.Load() {
		return
	}
	done, err := db.checkpoint(context.Background())
	if err == nil && done {
		db.tended.Store(walLimit)
		return
	}
	db.tended.Store(size + walLimit/4)
}
