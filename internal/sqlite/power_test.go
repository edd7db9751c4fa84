package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/fabriscope/fabriscope/internal/sqlite"
)

// change is one entry of a journal.
type change struct {
	what byte // W, T or S
	log  bool
	at   int64
	data []byte
}

func mustJournal(t testing.TB, path string) (all []change) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(bytes.NewReader(raw))
	for {
		var what string
		var log int
		var at, length int64
		if _, err := fmt.Fscanf(r, "%s %d %d %d\n", &what, &log, &at, &length); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		c := change{what: what[0], log: log == 1, at: at}
		if c.what == 'W' {
			c.data = make([]byte, length)
			if _, err := io.ReadFull(r, c.data); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, c)
	}
}

// image is a file as a disk has it.
type image []byte

func (i *image) apply(c change) {
	switch c.what {
	case 'W':
		if end := int(c.at) + len(c.data); end > len(*i) {
			*i = append(*i, make([]byte, end-len(*i))...)
		}
		copy((*i)[c.at:], c.data)
	case 'T':
		*i = append(image(nil), (*i)[:min(int(c.at), len(*i))]...)
	}
}

// afterPowerCut gives the file and its log as a disk may have them when the power goes
// after so many changes: what was synced, and of the rest any part, sector by sector.
func afterPowerCut(journal []change, cut int, random *rand.Rand) (file, log image) {
	var images [2]image
	var pending [2][]change
	for _, c := range journal[:cut] {
		n := 0
		if c.log {
			n = 1
		}
		if c.what != 'S' {
			pending[n] = append(pending[n], c)
			continue
		}
		for _, p := range pending[n] {
			images[n].apply(p)
		}
		pending[n] = nil
	}
	const sector = 512
	for n := range pending {
		luck := random.Float64()
		for _, p := range pending[n] {
			if p.what == 'T' {
				if random.Float64() < luck {
					images[n].apply(p)
				}
				continue
			}
			for at := 0; at < len(p.data); at += sector {
				if random.Float64() < luck {
					images[n].apply(change{what: 'W', at: p.at + int64(at), data: p.data[at:min(at+sector, len(p.data))]})
				}
			}
		}
	}
	return images[0], images[1]
}

// TestPowerCut writes and folds, and lets the power go at many places: what was synced is
// there, what was not may be gone, and the file is sound: it holds the first so many
// transactions, each wholly.
func TestPowerCut(t *testing.T) {
	for _, mode := range []string{"NORMAL", "FULL"} {
		t.Run(mode, func(t *testing.T) {
			journal, promised := mustRun(t, mode)
			random := rand.New(rand.NewPCG(1, uint64(len(mode))))
			const cuts = 60
			for range cuts {
				cut := random.IntN(len(journal) + 1)
				file, log := afterPowerCut(journal, cut, random)
				checkAfterCut(t, file, log, promised(cut))
			}
		})
	}
}

// mustRun commits transactions of two rows each and folds now and then. promised tells how
// many were on the disk for sure at a place of the journal.
func mustRun(t *testing.T, mode string) (journal []change, promised func(cut int) int) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal")
	db, err := sqlite.Open(filepath.Join(dir, "a.db"), sqlite.Options{Migrations: kv, Synchronous: mode, Journal: path})
	if err != nil {
		t.Fatal(err)
	}
	type promise struct{ bytes, rows int }
	var promises []promise
	noted := func(rows int) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		promises = append(promises, promise{int(info.Size()), rows})
	}
	const all = 300
	for i := range all {
		err := db.Update(context.Background(), func(tx *sql.Tx) error {
			for _, half := range []string{"a", "b"} {
				if _, err := tx.Exec("INSERT INTO kv VALUES (?, ?)", fmt.Sprintf("%s%d", half, i), string(make([]byte, 700))); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if mode == "FULL" {
			noted(i + 1)
		}
		if i%40 == 39 {
			if _, whole, err := db.Fold(); err != nil || !whole {
				t.Fatal(whole, err)
			}
			noted(i + 1) // what is folded is on the disk, in either mode
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	journal = mustJournal(t, path)
	ends := make([]int, 0, len(journal)) // bytes of the journal after each change
	size := 0
	for _, c := range journal {
		log := 0
		if c.log {
			log = 1
		}
		size += len(fmt.Sprintf("%c %d %d %d\n", c.what, log, c.at, len(c.data))) + len(c.data)
		ends = append(ends, size)
	}
	return journal, func(cut int) (rows int) {
		for _, p := range promises {
			if cut > 0 && p.bytes <= ends[cut-1] {
				rows = p.rows
			}
		}
		return rows
	}
}

// checkAfterCut opens what a disk holds.
func checkAfterCut(t *testing.T, file, log image, promised int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+"-wal", log, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(path, sqlite.Options{Migrations: kv, FullCheck: true, Synchronous: "OFF"})
	if err != nil {
		t.Fatalf("after a power cut with %d transactions synced: %v", promised, err)
	}
	defer db.Close()
	var a, b, most int
	err = db.Reader().QueryRow("SELECT sum(k GLOB 'a*'), sum(k GLOB 'b*'), max(CAST(substr(k, 2) AS INTEGER)) + 1 FROM kv HAVING count(*) > 0").Scan(&a, &b, &most)
	if err != nil && err != sql.ErrNoRows {
		t.Fatal(err)
	}
	if a != b || most != a {
		t.Errorf("%d first halves, %d second ones, the last is number %d", a, b, most)
	}
	if a < promised {
		t.Errorf("%d transactions are there, %d were synced", a, promised)
	}
}
