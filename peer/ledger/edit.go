package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fabriscope/fabriscope/internal/sqlite"
)

// Edit changes a value in the state of the ledger at path, as somebody does who can write the
// file and means no good: the version stays, and so does the chain. The ledger must not be
// open. It exists to show who notices. Errors: ErrNotFound, those of sqlite.Open.
func Edit(ctx context.Context, path, namespace, key string, value []byte) (err error) {
	db, err := sqlite.Open(path, sqlite.Options{Readers: 1, CacheKiB: readerCacheKiB, SkipCheck: true})
	if err != nil {
		return fmt.Errorf("edit the state: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Update(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, "UPDATE state SET value = ? WHERE ns = ? AND key = ?", value, namespace, key)
		if err != nil {
			return db.Explain("edit the state", err)
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return fmt.Errorf("edit the state: key %q of %s: %w", key, namespace, ErrNotFound)
		}
		return nil
	})
}
