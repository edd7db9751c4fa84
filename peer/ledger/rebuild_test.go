package ledger_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// mustExec runs a statement on a closed ledger's file.
func mustExec(t testing.TB, path, statement string) {
	t.Helper()
	db, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(bg, func(tx *sql.Tx) error {
		_, err := tx.Exec(statement)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// mustLedgerFile writes a file with some blocks of the real chain.
func mustLedgerFile(t testing.TB, blocks []*commonpb.Block) (path string, stateHash []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "channel.db")
	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	MustReplay(t, l, blocks)
	v, err := l.View()
	if err != nil {
		t.Fatal(err)
	}
	if stateHash, err = v.StateHash(); err != nil {
		t.Fatal(err)
	}
	v.Close()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path, stateHash
}

func TestRebuild(t *testing.T) {
	blocks := conformance.Blocks(t)
	path, want := mustLedgerFile(t, blocks)
	mustExec(t, path, "DELETE FROM state")
	mustExec(t, path, "DELETE FROM gone")
	mustExec(t, path, "UPDATE hashed SET pos = 1")
	mustExec(t, path, "UPDATE savepoint SET height = 3")
	var calls, of uint64
	report, err := ledger.Rebuild(bg, path, func(done, all uint64) { calls, of = done, all })
	if err != nil {
		t.Fatal(err)
	}
	if n := uint64(len(blocks)); report.Height != n || report.Stopped != "" || calls != n || of != n {
		t.Errorf("report %+v, progress %d of %d", report, calls, of)
	}
	l := MustOpen(t, path)
	if got := mustStateHash(t, l); !bytes.Equal(got, want) {
		t.Error("the rebuilt state differs")
	}
	checkWorldState(t, l)
	files, err := filepath.Glob(path + ".rebuild*")
	if err != nil || len(files) > 0 {
		t.Errorf("left over: %v %v", files, err)
	}
}

func TestRebuildKeepsTheBlocksBeforeTheDamage(t *testing.T) {
	blocks := conformance.Blocks(t)
	for name, c := range map[string]struct {
		damage string
		height uint64
	}{
		"block missing":     {"DELETE FROM block WHERE number = 50", 50},
		"transactions gone": {"DELETE FROM segment WHERE pos = 50 << 24", 50},
		"envelope changed":  {"UPDATE segment SET data = (SELECT data FROM segment WHERE pos = 51 << 24) WHERE pos = 50 << 24", 50},
		"verdict changed":   {"UPDATE block SET metadata = (SELECT metadata FROM block WHERE number = 51) WHERE number = 50", 50},
		"tail missing":      {"DELETE FROM block WHERE number > 120", 121},
	} {
		t.Run(name, func(t *testing.T) {
			path, want := mustLedgerFile(t, blocks)
			mustExec(t, path, c.damage)
			report, err := ledger.Rebuild(bg, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if report.Height != c.height || report.Stopped == "" || report.Found != uint64(len(blocks)) {
				t.Errorf("report %+v", report)
			}
			l := MustOpen(t, path)
			MustReplay(t, l, blocks[c.height:])
			if !bytes.Equal(mustStateHash(t, l), want) {
				t.Error("the state differs after the rest was committed again")
			}
		})
	}
}

func TestRebuildOfATornFile(t *testing.T) {
	blocks := conformance.Blocks(t)[:60]
	path, want := mustLedgerFile(t, blocks)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	mustTruncate(t, path, info.Size()*9/10)
	report, err := ledger.Rebuild(bg, path, nil)
	if err != nil {
		if !errors.Is(err, ledger.ErrCorrupt) || !strings.Contains(err.Error(), "delete the file") {
			t.Fatalf("hopeless file: %v", err)
		}
		return
	}
	l := MustOpen(t, path)
	MustReplay(t, l, blocks[report.Height:])
	if !bytes.Equal(mustStateHash(t, l), want) {
		t.Error("the state differs after the rest was committed again")
	}
}

func TestRebuildOfGarbageSaysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "channel.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("garbage ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Rebuild(bg, path, nil); err == nil || !strings.Contains(err.Error(), "delete the file") {
		t.Errorf("got %v", err)
	}
	if _, err := ledger.Rebuild(bg, path+"x", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}
