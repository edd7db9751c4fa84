package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/fabriscope/fabriscope/internal/sqlite"
)

// syncs collects what a database tells of its waits.
type syncs struct {
	mu   sync.Mutex
	all  []sqlite.Sync
	some chan struct{} // gets a token with each fold of the file in the background
}

func (s *syncs) add(one sqlite.Sync) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, one)
	if one.Background && !one.Log {
		select {
		case s.some <- struct{}{}:
		default:
		}
	}
}

// mustFill writes rows of a KiB each, one a transaction.
func mustFill(t testing.TB, db *sqlite.DB, from, rows int) {
	t.Helper()
	for i := range rows {
		err := db.Update(context.Background(), func(tx *sql.Tx) error {
			_, err := tx.Exec("INSERT INTO kv VALUES (?, ?)", fmt.Sprintf("k%06d", from+i), string(make([]byte, 1024)))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The log is folded in the background, the writes of several databases come by turns,
// and no commit syncs while there is nobody who asks for it.
func TestFoldsInTheBackground(t *testing.T) {
	disk := sqlite.NewDisk(0)
	for n := range 2 {
		s := &syncs{some: make(chan struct{}, 1)}
		db := MustOpen(t, filepath.Join(t.TempDir(), fmt.Sprint(n)), sqlite.Options{Migrations: kv, Disk: disk, Synced: s.add})
		folded := false
		for i := 0; !folded; i += 100 {
			mustFill(t, db, i, 100)
			select {
			case <-s.some:
				folded = true
			default:
			}
		}
		if size := db.LogBytes(); size > 16<<20 {
			t.Errorf("the log has %d bytes although it was folded", size)
		}
		if log, file := db.Written(); log == 0 || file == 0 {
			t.Errorf("%d bytes written to the log, %d to the file", log, file)
		}
	}
}

// A database that syncs its commits says so, and how much was in them.
func TestSyncsAreTold(t *testing.T) {
	s := &syncs{}
	db := MustOpen(t, filepath.Join(t.TempDir(), "a.db"), sqlite.Options{Migrations: kv, Synchronous: "FULL", Synced: s.add})
	mustFill(t, db, 0, 3)
	s.mu.Lock()
	defer s.mu.Unlock()
	commits, bytes := 0, int64(0)
	for _, one := range s.all {
		if one.Took <= 0 {
			t.Errorf("a sync that took %s", one.Took)
		}
		if one.Log && !one.Background {
			commits++
			bytes += one.Bytes
		}
	}
	if commits < 3 || bytes < 3*1024 {
		t.Errorf("%d syncs of commits with %d bytes, three commits of a KiB were made", commits, bytes)
	}
}

// A portion is what the disk takes in a short time, within bounds.
func TestPortionsFollowTheDisk(t *testing.T) {
	slow, fast := sqlite.Portions(1<<20, 4e6), sqlite.Portions(1<<20, 1e9)
	if slow < 256<<10 || slow > 600<<10 {
		t.Errorf("at 4 MB/s portions of %d bytes, a tenth of a second is 400,000", slow)
	}
	if fast != 2<<20 {
		t.Errorf("at 1 GB/s portions of %d bytes, the largest has 2 MiB", fast)
	}
	if least := sqlite.Portions(1<<20, 1e4); least != 256<<10 {
		t.Errorf("at 10 kB/s portions of %d bytes, the least has 256 KiB", least)
	}
}

// What is still used after Close fails and harms nobody.
func TestUseAfterClose(t *testing.T) {
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "a.db"), sqlite.Options{Migrations: kv})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Reader().Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Close()); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close() // its file is the last one: the layer goes with it
	if err := db.Update(context.Background(), func(*sql.Tx) error { return nil }); err == nil {
		t.Error("an update after Close")
	}
	if _, _, err := db.Fold(); err == nil {
		t.Error("a fold after Close")
	}
	db.Committed()
}
