package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fabriscope/fabriscope/internal/sqlite"
)

var kv = []string{"CREATE TABLE kv (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID"}

// MustOpen opens the file and closes it at the end of the test.
func MustOpen(t testing.TB, path string, options sqlite.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// MustPut writes one pair.
func MustPut(t testing.TB, db *sqlite.DB, key, value string) {
	t.Helper()
	err := db.Update(context.Background(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT OR REPLACE INTO kv VALUES (?, ?)", key, value)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// get reads one value inside a reading transaction; "" when absent.
func get(tx *sql.Tx, key string) string {
	var value string
	if err := tx.QueryRow("SELECT v FROM kv WHERE k = ?", key).Scan(&value); err != nil {
		return ""
	}
	return value
}

func TestReaderKeepsItsState(t *testing.T) {
	db := MustOpen(t, filepath.Join(t.TempDir(), "a b?%.db"), sqlite.Options{Migrations: kv})
	MustPut(t, db, "k", "old")
	err := db.View(context.Background(), func(tx *sql.Tx) error {
		if got := get(tx, "k"); got != "old" {
			t.Errorf("before the write: %q", got)
		}
		MustPut(t, db, "k", "new") // a reader never blocks the writer
		if got := get(tx, "k"); got != "old" {
			t.Errorf("the same transaction after the write: %q, want the state it began with", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(context.Background(), func(tx *sql.Tx) error {
		if got := get(tx, "k"); got != "new" {
			t.Errorf("a later transaction: %q", got)
		}
		_, err := tx.Exec("DELETE FROM kv")
		return err
	})
	if !errors.Is(err, sqlite.ErrReadOnly) {
		t.Errorf("a write on a reading connection: %v, want ErrReadOnly", err)
	}
}

func TestUpdateRollsBack(t *testing.T) {
	db := MustOpen(t, filepath.Join(t.TempDir(), "a.db"), sqlite.Options{Migrations: kv})
	stop := errors.New("stop")
	err := db.Update(context.Background(), func(tx *sql.Tx) error {
		if _, err := tx.Exec("INSERT INTO kv VALUES ('k', 'v')"); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
	_ = db.View(context.Background(), func(tx *sql.Tx) error {
		if got := get(tx, "k"); got != "" {
			t.Errorf("the write of a failed update is visible: %q", got)
		}
		return nil
	})
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := db.Update(ended, func(*sql.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("update with an ended context: %v", err)
	}
}

func TestMigrations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	first, err := sqlite.FromFS(fstest.MapFS{"001_kv.sql": {Data: []byte(kv[0])}})
	if err != nil {
		t.Fatal(err)
	}
	second := append(first, "ALTER TABLE kv ADD COLUMN extra TEXT")
	db, err := sqlite.Open(path, sqlite.Options{Migrations: first, ApplicationID: 77})
	if err != nil {
		t.Fatal(err)
	}
	MustPut(t, db, "k", "v")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(path, sqlite.Options{Migrations: second, ReadOnly: true}); err == nil {
		t.Error("an older file opened read-only as if it were new")
	}
	db = MustOpen(t, path, sqlite.Options{Migrations: second, ApplicationID: 77})
	if version, err := db.Version(); err != nil || version != 2 {
		t.Errorf("version %d, %v", version, err)
	}
	if _, err := sqlite.Open(path, sqlite.Options{Migrations: first}); !errors.Is(err, sqlite.ErrNewer) {
		t.Errorf("newer file: %v", err)
	}
	if _, err := sqlite.Open(path, sqlite.Options{Migrations: second, ApplicationID: 78}); !errors.Is(err, sqlite.ErrForeign) {
		t.Errorf("another program's mark: %v", err)
	}
	if _, err := sqlite.FromFS(fstest.MapFS{"002_kv.sql": {}}); err == nil {
		t.Error("a gap in the numbers was accepted")
	}
	bad := append(second, "CREATE TABLE half (x); NONSENSE")
	if _, err := sqlite.Open(path, sqlite.Options{Migrations: bad}); err == nil {
		t.Error("a broken migration was accepted")
	}
	if version, err := db.Version(); err != nil || version != 2 {
		t.Errorf("a broken migration left version %d, %v", version, err)
	}
}

func TestRefusesDamage(t *testing.T) {
	directory := t.TempDir()
	foreign := filepath.Join(directory, "letter.txt")
	if err := os.WriteFile(foreign, []byte("Dear reader, this is not a database."), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(foreign, sqlite.Options{}); !errors.Is(err, sqlite.ErrCorrupt) {
		t.Errorf("a text file: %v", err)
	}
	if _, err := sqlite.Open(filepath.Join(directory, "none"), sqlite.Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := sqlite.Open(directory, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("a directory: %v", err)
	}

	path := filepath.Join(directory, "a.db")
	db, err := sqlite.Open(path, sqlite.Options{Migrations: kv})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		MustPut(t, db, fmt.Sprint("key", i), strings.Repeat("v", 500))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"cut short":   whole[:len(whole)/2],
		"overwritten": append(append(append([]byte{}, whole[:8192]...), make([]byte, 8192)...), whole[16384:]...),
	} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := sqlite.Open(path, sqlite.Options{Migrations: kv})
		if !errors.Is(err, sqlite.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		} else if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "restore") {
			t.Errorf("%s: %q does not name the file and the remedy", name, err)
		}
	}
}

func TestDiskFull(t *testing.T) {
	db := MustOpen(t, filepath.Join(t.TempDir(), "a.db"), sqlite.Options{Migrations: kv})
	if _, err := db.Writer().Exec("PRAGMA max_page_count=40"); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = db.Update(context.Background(), func(tx *sql.Tx) error {
			_, err := tx.Exec("INSERT INTO kv VALUES (?, ?)", fmt.Sprint(i), strings.Repeat("v", 4000))
			return err
		})
	}
	if !errors.Is(err, sqlite.ErrDiskFull) {
		t.Fatalf("got %v, want ErrDiskFull", err)
	}
	err = db.View(context.Background(), func(tx *sql.Tx) error {
		var pairs int
		if err := tx.QueryRow("SELECT count(*) FROM kv").Scan(&pairs); err != nil {
			return err
		}
		if pairs == 0 {
			t.Error("what was committed before is gone")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// The log must not grow for ever while some reader always looks at an older
// state: there is never a moment without a reader here.
func TestLogStaysBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := MustOpen(t, path, sqlite.Options{Migrations: kv, Synchronous: "OFF"})
	MustPut(t, db, "k", "v")
	open := func() *sql.Tx {
		tx, err := db.Reader().Begin()
		if err != nil {
			t.Error(err)
			return nil
		}
		get(tx, "k")
		return tx
	}
	wrote, stopped := make(chan struct{}, 1000), make(chan struct{})
	go func() {
		defer close(stopped)
		for older := open(); older != nil; {
			// The older state is let go of after three more writes, or when the
			// writer itself waits for that.
			for range 3 {
				select {
				case _, more := <-wrote:
					if !more {
						_ = older.Rollback()
						return
					}
				case <-time.After(30 * time.Millisecond):
				}
			}
			newer := open()
			_ = older.Rollback()
			older = newer
		}
	}()
	largest := int64(0)
	for i := range 150 {
		MustPut(t, db, "k", strings.Repeat(fmt.Sprint(i%10), 1<<20)) // no page stays as it was
		wrote <- struct{}{}
		if info, err := os.Stat(path + "-wal"); err == nil {
			largest = max(largest, info.Size())
		}
	}
	close(wrote)
	<-stopped
	if largest > 64<<20 {
		t.Errorf("the log grew to %d bytes", largest)
	}
	if done, err := db.Checkpoint(context.Background()); err != nil || !done {
		t.Fatalf("checkpoint without readers: %v, %v", done, err)
	}
	info, err := os.Stat(path + "-wal")
	if err != nil || info.Size() != 0 {
		t.Errorf("after a checkpoint the log has %d bytes, %v", info.Size(), err)
	}
}

func TestCloseWhole(t *testing.T) {
	directory := t.TempDir()
	path := filepath.Join(directory, "a.db")
	db, err := sqlite.Open(path, sqlite.Options{Migrations: kv})
	if err != nil {
		t.Fatal(err)
	}
	MustPut(t, db, "k", "v")
	if err := db.CloseWhole(); err != nil {
		t.Fatal(err)
	}
	db, err = sqlite.Open(path, sqlite.Options{Migrations: kv, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(context.Background(), func(tx *sql.Tx) error {
		if got := get(tx, "k"); got != "v" {
			t.Errorf("read %q", got)
		}
		return nil
	})
	if err = errors.Join(err, db.CloseWhole()); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(directory); err != nil || len(entries) != 1 {
		t.Errorf("beside the file: %v, %v", entries, err)
	}
	if err := db.Update(context.Background(), func(*sql.Tx) error { return nil }); !errors.Is(err, sqlite.ErrReadOnly) {
		t.Errorf("a write to a read-only file: %v", err)
	}
}

func TestTempIsDeleted(t *testing.T) {
	db, err := sqlite.OpenTemp(sqlite.Options{Migrations: kv})
	if err != nil {
		t.Fatal(err)
	}
	MustPut(t, db, "k", "v")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(db.Path())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func BenchmarkUpdate(b *testing.B) {
	db := MustOpen(b, filepath.Join(b.TempDir(), "a.db"), sqlite.Options{Migrations: kv})
	value := make([]byte, 200)
	i := 0
	for b.Loop() {
		err := db.Update(context.Background(), func(tx *sql.Tx) error {
			for range 100 {
				i++
				if _, err := tx.Exec("INSERT OR REPLACE INTO kv VALUES (?, ?)", i, value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSnapshotRead(b *testing.B) {
	db := MustOpen(b, filepath.Join(b.TempDir(), "a.db"), sqlite.Options{Migrations: kv})
	MustPut(b, db, "k", "v")
	for b.Loop() {
		err := db.View(context.Background(), func(tx *sql.Tx) error {
			if get(tx, "k") != "v" {
				b.Fatal("wrong value")
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
