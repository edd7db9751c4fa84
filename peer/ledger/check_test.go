package ledger_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

func mustCheck(t *testing.T, path string) ledger.CheckReport {
	t.Helper()
	report, err := ledger.Check(bg, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestCheckFindsNothingInASoundFile(t *testing.T) {
	blocks := conformance.Blocks(t)
	path, _ := mustLedgerFile(t, blocks)
	report := mustCheck(t, path)
	if len(report.Problems) > 0 || report.Height != uint64(len(blocks)) || report.Keys == 0 {
		t.Errorf("report %+v of %d blocks", report, len(blocks))
	}
	l := MustOpen(t, path) // and while it is in use
	if report := mustCheck(t, path); len(report.Problems) > 0 {
		t.Errorf("while it is open: %+v", report)
	}
	_ = l
}

// TestCheckNamesWhatIsWrong damages rows so that every page is sound again: what belongs
// together no longer does.
func TestCheckNamesWhatIsWrong(t *testing.T) {
	blocks := conformance.Blocks(t)[:80]
	for name, c := range map[string]struct{ damage, says string }{
		"a value":                {"UPDATE state SET value = value || 'x' WHERE key = (SELECT key FROM state WHERE ns <> '' AND ns <> '_lifecycle' ORDER BY key LIMIT 1)", "is not the one that it wrote"},
		"a version":              {"UPDATE state SET pos = 5 << 24 WHERE ns = ''", "written by transaction 5:0"},
		"the hash of a value":    {"UPDATE hashed SET value_hash = randomblob(32)", "key hash"},
		"an envelope":            {"UPDATE segment SET data = (SELECT data FROM segment WHERE pos = 51 << 24) WHERE pos = 50 << 24", "block 50: its transactions are not those of its data hash"},
		"a verdict":              {"UPDATE tx SET code = 255 WHERE pos = 50 << 24", "block 50: id or verdict of transaction 0"},
		"an id":                  {"UPDATE tx SET id = randomblob(32) WHERE pos = 50 << 24", "block 50: id or verdict of transaction 0"},
		"a block":                {"DELETE FROM block WHERE number = 50", "block 50: it is missing"},
		"a link of the chain":    {"UPDATE block SET previous = randomblob(32) WHERE number = 50", "block 50: its previous hash"},
		"the end of the chain":   {"UPDATE savepoint SET hash = randomblob(32)", "the savepoint's hashes"},
		"the list of a block":    {"DELETE FROM tx WHERE pos = 50 << 24", "block 50"},
		"plain text of a secret": {"UPDATE private SET value = 'x'", "private key"},
	} {
		t.Run(name, func(t *testing.T) {
			path, _ := mustLedgerFile(t, blocks)
			mustExec(t, path, c.damage)
			report := mustCheck(t, path)
			if name == "plain text of a secret" && len(report.Problems) == 0 {
				t.Skip("these blocks have come without plain text")
			}
			if !strings.Contains(strings.Join(report.Problems, "\n"), c.says) {
				t.Errorf("problems %q, want one with %q", report.Problems, c.says)
			}
		})
	}
}

// mustFlip changes one bit of the last place of the file at which the text stands.
func mustFlip(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(file, []byte(text))
	if at < 0 {
		t.Fatalf("%q is not in the file", text)
	}
	file[at+len(text)/2] ^= 4
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOneFlippedBit changes one bit of a value in the state, and one of a stored envelope,
// in the file of a closed ledger: neither is ever handed out, the error names file and
// remedy, the check finds it, and the remedy helps.
func TestOneFlippedBit(t *testing.T) {
	for name, what := range map[string]string{"a value": "the value of the key", "an envelope": "the nonce of an envelope"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "channel.db")
			l, err := ledger.Open(path, ledger.Options{})
			if err != nil {
				t.Fatal(err)
			}
			c := &chain{l: l}
			block, sets := c.block(t, 3)
			sets[1].Namespaces[0].KV.Writes[0].Value = []byte("the value of the key")
			c.commit(t, block, sets)
			// Of the envelopes only the last bytes stand in the file as they are.
			block, sets = c.blockOf(t, []byte("the nonce of an envelope"))
			c.commit(t, block, sets)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			mustFlip(t, path, what)
			mustRefuse(t, path, name == "a value")
			report := mustCheck(t, path)
			if all := strings.Join(report.Problems, "\n"); !strings.Contains(all, path) || !strings.Contains(all, "is not what was written") {
				t.Errorf("the check says %q", report.Problems)
			}
		})
	}
}

// mustRefuse opens a damaged file, if it can be opened, and reads what is damaged.
func mustRefuse(t *testing.T, path string, state bool) {
	t.Helper()
	l, err := ledger.Open(path, ledger.Options{})
	if err == nil {
		defer l.Close()
		if state {
			_, _, err = MustView(t, l).GetState("asset", assetKey(1))
		} else {
			_, err = l.Block(1)
		}
	}
	if !errors.Is(err, ledger.ErrCorrupt) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "fabriscope ledger rebuild") {
		t.Errorf("got %v, want an error that names the file and the remedy", err)
	}
}

// TestBlocksAreComparedWithTheirHashes takes a file whose pages are sound and whose block
// is not: it is not handed out.
func TestBlocksAreComparedWithTheirHashes(t *testing.T) {
	path, _ := mustLedgerFile(t, conformance.Blocks(t)[:60])
	mustExec(t, path, "UPDATE segment SET data = (SELECT data FROM segment WHERE pos = 51 << 24) WHERE pos = 50 << 24")
	l := MustOpen(t, path)
	if _, err := l.Block(50); !errors.Is(err, ledger.ErrCorrupt) || !strings.Contains(err.Error(), "block 50") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if _, err := l.Block(49); err != nil {
		t.Error(err)
	}
}

// TestOlderLayouts opens a file that the first layout's program has written: without
// checksums, and with every transaction in the index. It goes on with what it holds.
func TestOlderLayouts(t *testing.T) {
	old, err := os.ReadFile("testdata/layout1.db")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "channel.db")
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if old[20] != 0 {
		t.Fatal("the old file reserves room already")
	}
	blocks := conformance.Blocks(t)
	const kept = 40 // blocks in the old file
	l := MustOpen(t, path)
	if l.Height() != kept {
		t.Fatalf("height %d, want %d", l.Height(), kept)
	}
	for _, block := range blocks[:kept] {
		for _, envelope := range block.GetData().GetData() {
			peek, _ := wire.PeekEnvelope(envelope)
			if _, ok, err := l.TxStatus(peek.TxID); peek.TxID != "" && (!ok || err != nil) {
				t.Errorf("transaction %s of the old file is not found: %v", peek.TxID, err)
			}
		}
	}
	MustReplay(t, l, blocks[kept:])
	checkWorldState(t, l)
	if report := mustCheck(t, path); len(report.Problems) > 0 {
		t.Errorf("afterwards: %q", report.Problems)
	}
	if now, err := os.ReadFile(path); err != nil || now[20] != 8 {
		t.Errorf("%d bytes are reserved for checksums, want 8 (%v)", now[20], err)
	}
}
