package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"
)

// FromFS reads embedded migrations: every file of the root folder named
// "NNN_words.sql", numbered from 1 without gaps.
func FromFS(files fs.FS) ([]string, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	sort.Strings(names)
	migrations := make([]string, 0, len(names))
	for i, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		if n, err := strconv.Atoi(number); err != nil || n != i+1 {
			return nil, fmt.Errorf("read migrations: %s should begin with %03d_", name, i+1)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		migrations = append(migrations, string(text))
	}
	return migrations, nil
}

// Version is the number of the last migration that the file went through.
func (db *DB) Version() (int, error) {
	connection := db.writer
	if connection == nil {
		connection = db.reader
	}
	var version int
	err := connection.QueryRowContext(context.Background(), "PRAGMA user_version").Scan(&version)
	return version, db.Explain("read version of", err)
}

// checkVersion refuses a file whose layout this program does not know.
func (db *DB) checkVersion() error {
	version, err := db.Version()
	if err != nil {
		return err
	}
	known := len(db.options.Migrations)
	switch {
	case known == 0 || version == known:
		return nil
	case version > known:
		return fmt.Errorf("open %s: layout %d, this program knows up to %d: %w", db.path, version, known, ErrNewer)
	default:
		return fmt.Errorf("open %s: layout %d is older than %d; open it once for writing to bring it up to date", db.path, version, known)
	}
}

// migrate runs the migrations that the file has not seen, each in a transaction
// with its number, so that a crash between two leaves a consistent file.
func (db *DB) migrate() error {
	version, err := db.Version()
	if err != nil {
		return err
	}
	if version > len(db.options.Migrations) {
		return db.checkVersion()
	}
	for i := version; i < len(db.options.Migrations); i++ {
		err := db.Update(context.Background(), func(tx *sql.Tx) error {
			if i == 0 && db.options.ApplicationID != 0 {
				if _, err := tx.Exec(fmt.Sprintf("PRAGMA application_id=%d", db.options.ApplicationID)); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(db.options.Migrations[i]); err != nil {
				return fmt.Errorf("migration %d: %w", i+1, err)
			}
			_, err := tx.Exec(fmt.Sprintf("PRAGMA user_version=%d", i+1))
			return err
		})
		if err != nil {
			return db.Explain("open", err)
		}
	}
	return nil
}

// pragmaBusy is the statement that sets how long a connection waits for a lock.
func pragmaBusy(wait time.Duration) string {
	return fmt.Sprintf("PRAGMA busy_timeout=%d", wait.Milliseconds())
}
