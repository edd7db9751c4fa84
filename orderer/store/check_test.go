package store_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/orderer/store"
)

// mustChain writes a genesis block and some others.
func mustChain(t *testing.T, path string, texts ...string) {
	t.Helper()
	s := mustOpen(t, path)
	must(t, s.AppendBlocks([]store.Append{genesis()}))
	for i, text := range texts {
		entry := command(uint64(i+1), 1, text)
		must(t, s.StoreLog(entry))
		must(t, s.AppendBlocks([]store.Append{blockOf(t, s.Chain(), entry)}))
	}
	must(t, s.Close())
}

func mustFlip(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.ReadFile(path)
	must(t, err)
	at := bytes.LastIndex(file, []byte(text))
	if at < 0 {
		t.Fatalf("%q is not in the file", text)
	}
	file[at+len(text)/2] ^= 1
	must(t, os.WriteFile(path, file, 0o600))
}

// TestOneFlippedBit changes one bit of an envelope in the file: no block with it is handed
// out, and the error names file and remedy.
func TestOneFlippedBit(t *testing.T) {
	path := newPath(t)
	mustChain(t, path, "first", "an envelope like no other", "last")
	if height, problems, err := store.Check(context.Background(), path, nil); err != nil || height != 4 || len(problems) > 0 {
		t.Fatalf("a sound file: %d blocks, %q, %v", height, problems, err)
	}
	mustFlip(t, path, "an envelope like no other")
	s, err := open(path)
	if err == nil {
		_, err = s.Block(2)
		must(t, s.Close())
	}
	if !errors.Is(err, sqlite.ErrCorrupt) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "fabriscope ledger check") {
		t.Errorf("got %v", err)
	}
	_, problems, err := store.Check(context.Background(), path, nil)
	if err != nil || !strings.Contains(strings.Join(problems, "\n"), "is not what was written") {
		t.Errorf("the check says %q, %v", problems, err)
	}
}

// TestBlocksAreComparedWithTheirHashes takes a file of the first layout, which has no
// checksums: a changed envelope is found by the block's data hash.
func TestBlocksAreComparedWithTheirHashes(t *testing.T) {
	path := newPath(t)
	db, err := sqlite.Open(path, sqlite.Options{Migrations: store.FirstLayout(), ApplicationID: store.FileMark})
	must(t, err)
	must(t, db.Close())
	old, err := os.ReadFile(path)
	must(t, err)
	if old[20] != 0 {
		t.Fatal("the old file reserves room already")
	}
	mustChain(t, path, "first", "an envelope like no other", "last") // the old file is taken and gets its checksums
	file, err := os.ReadFile(path)
	must(t, err)
	if file[20] != 8 {
		t.Errorf("%d bytes are reserved for checksums, want 8", file[20])
	}
	s := mustOpen(t, path)
	if _, err := s.Block(2); err != nil {
		t.Fatal(err)
	}
	must(t, s.Change("UPDATE entry SET data = (SELECT data FROM entry WHERE idx = 1) WHERE idx = 2"))
	s.Trim()
	if _, err := s.Block(2); !errors.Is(err, sqlite.ErrCorrupt) || !strings.Contains(err.Error(), "block 2") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}
