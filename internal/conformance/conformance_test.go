package conformance

import (
	"bytes"
	"io/fs"
	"os"
	"testing"
	"testing/fstest"
)

// The copy inside the package must be complete, and equal to the files beside
// the module where somebody has those.
func TestEmbeddedCopyIsComplete(t *testing.T) {
	copied, err := unpack(archive)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"README.md", "blocks.pb", "broadcast.json", "expected.json", "rejected_block.pb", "state.json", "stream/index.json", "stream/handshake.jsonl"}
	if err := fstest.TestFS(copied, want...); err != nil {
		t.Fatal(err)
	}
	dir, ok := besideModule()
	if !ok {
		return
	}
	err = fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		beside, err := fs.ReadFile(os.DirFS(dir), path)
		if err != nil {
			return err
		}
		inside, err := fs.ReadFile(copied, path)
		if err != nil {
			return err
		}
		if !bytes.Equal(beside, inside) {
			t.Errorf("%s: the copy inside the package differs from the file beside the module; pack it again", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEverythingDecodes(t *testing.T) {
	blocks, expected := Blocks(t), Expected(t)
	if len(blocks) != 196 || len(expected) != len(blocks) {
		t.Fatalf("%d blocks and %d expectations, want 196 of each", len(blocks), len(expected))
	}
	transactions := 0
	for i, block := range blocks {
		if block.GetHeader().GetNumber() != uint64(i) || expected[i].Number != uint64(i) {
			t.Fatalf("element %d has block %d and expectation %d", i, block.GetHeader().GetNumber(), expected[i].Number)
		}
		if len(block.GetData().GetData()) != len(expected[i].Transactions) {
			t.Fatalf("block %d: %d transactions, %d expected", i, len(block.GetData().GetData()), len(expected[i].Transactions))
		}
		transactions += len(expected[i].Transactions)
	}
	if transactions != 355 {
		t.Errorf("%d transactions, want 355", transactions)
	}
	state := State(t)
	if state.Height != 196 || len(state.Public["ledger"]) != 3208 || len(state.Hashed["vault"]["both"]) != 5 {
		t.Errorf("state: height %d, %d keys of ledger, %d of vault/both", state.Height, len(state.Public["ledger"]), len(state.Hashed["vault"]["both"]))
	}
	if rejected := RejectedBlock(t); rejected.GetHeader().GetNumber() != 196 {
		t.Errorf("rejected block has number %d", rejected.GetHeader().GetNumber())
	}
	if refused := Broadcasts(t); len(refused) != 19 {
		t.Errorf("%d refused broadcasts, want 19", len(refused))
	}
}
