package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/internal/sqlite"
)

// mustMake writes a file with some hundred rows, small and large ones.
func mustMake(t *testing.T, path string, options sqlite.Options) {
	t.Helper()
	db, err := sqlite.Open(path, options)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(context.Background(), func(tx *sql.Tx) error {
		for i := range 300 {
			if _, err := tx.Exec("INSERT INTO kv VALUES (?, ?)", fmt.Sprintf("key%d", i), valueOf(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func valueOf(i int) string { return strings.Repeat(fmt.Sprintf("value %d ", i), 1+i%7*i%100) }

// readAll compares every row; an error is the database's.
func readAll(db *sqlite.DB) (wrong string, err error) {
	err = db.View(context.Background(), func(tx *sql.Tx) error {
		rows, err := tx.Query("SELECT k, v FROM kv")
		if err != nil {
			return err
		}
		defer rows.Close()
		n := 0
		for rows.Next() {
			var key, value string
			if err := rows.Scan(&key, &value); err != nil {
				return err
			}
			var i int
			if _, err := fmt.Sscanf(key, "key%d", &i); err != nil || value != valueOf(i) {
				wrong = fmt.Sprintf("%q is %.40q", key, value)
			}
			n++
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if n != 300 {
			wrong = fmt.Sprintf("%d rows", n)
		}
		return nil
	})
	return wrong, err
}

// TestOneFlippedBit changes one bit of a file, anywhere: it is never opened and read as if
// it were right, and the error names the file and the remedy. A whole check finds it.
func TestOneFlippedBit(t *testing.T) {
	options := sqlite.Options{Migrations: kv, Checksums: true, ApplicationID: 7, Remedy: "run the remedy"}
	path := filepath.Join(t.TempDir(), "a.db")
	mustMake(t, path, options)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(5, 6))
	places := []int{16 * 8, 17*8 + 3, 18*8 + 1, 19*8 + 1, 20*8 + 3, 20 * 8, 4095 * 8} // page size, formats, reserved bytes, checksum
	for range 200 {
		places = append(places, random.IntN(len(sound)*8))
	}
	for _, bit := range places {
		damaged := append([]byte(nil), sound...)
		damaged[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, full := range []bool{false, true} {
			o := options
			o.SkipCheck, o.FullCheck = !full, full
			db, err := sqlite.Open(path, o)
			wrong := ""
			if err == nil {
				wrong, err = readAll(db)
				if full {
					t.Errorf("bit %d: the check finds nothing", bit)
				}
				_ = db.Close()
			}
			if wrong != "" {
				t.Errorf("bit %d of byte %d: read as right: %s", bit%8, bit/8, wrong)
			}
			if err != nil && bit >= 16*8 && (!errors.Is(err, sqlite.ErrCorrupt) || !strings.Contains(err.Error(), path)) {
				t.Errorf("bit %d of byte %d: %v", bit%8, bit/8, err)
			}
			if err != nil && bit > 100*8 && !strings.Contains(err.Error(), "run the remedy") {
				t.Errorf("bit %d of byte %d: no remedy: %v", bit%8, bit/8, err)
			}
		}
	}
}

// A file without checksums is written anew with them, and holds the same.
func TestChecksumsAreAdded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	mustMake(t, path, sqlite.Options{Migrations: kv, ApplicationID: 7})
	before, err := os.ReadFile(path)
	if err != nil || before[20] != 0 {
		t.Fatal(before[20], err)
	}
	for range 2 { // the second time there is nothing to do
		db, err := sqlite.Open(path, sqlite.Options{Migrations: kv, ApplicationID: 7, Checksums: true})
		if err != nil {
			t.Fatal(err)
		}
		if wrong, err := readAll(db); wrong != "" || err != nil {
			t.Error(wrong, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	after, err := os.ReadFile(path)
	if err != nil || after[20] != 8 {
		t.Errorf("%d bytes are reserved, want 8 (%v)", after[20], err)
	}
	damaged := append([]byte(nil), after...)
	damaged[len(damaged)-2000] ^= 1
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(path, sqlite.Options{Migrations: kv, FullCheck: true}); !errors.Is(err, sqlite.ErrCorrupt) {
		t.Errorf("a flipped bit afterwards: %v", err)
	}
}
