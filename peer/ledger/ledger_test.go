package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

var bg = context.Background()

// MustOpen opens the ledger at path and closes it with the test.
func MustOpen(t testing.TB, path string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// MustTemp opens an empty ledger that is gone with the test.
func MustTemp(t testing.TB, options ledger.Options) *ledger.Ledger {
	t.Helper()
	l, err := ledger.OpenTemp(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// MustView opens a view and closes it with the test.
func MustView(t testing.TB, l *ledger.Ledger) *ledger.View {
	t.Helper()
	v, err := l.View()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// MustReplay commits blocks with the verdicts that they carry.
func MustReplay(t testing.TB, l *ledger.Ledger, blocks []*commonpb.Block) {
	t.Helper()
	for _, block := range blocks {
		mustReplayOne(t, l, block)
	}
}

func mustReplayOne(t testing.TB, l *ledger.Ledger, block *commonpb.Block) *commonpb.Block {
	t.Helper()
	v, err := l.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	batch, err := ledger.RecordedBatch(block, v)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := l.Commit(bg, withoutCommitHash(block), batch, nil)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// withoutCommitHash is the block as a validator passes it on.
func withoutCommitHash(block *commonpb.Block) *commonpb.Block {
	c := proto.Clone(block).(*commonpb.Block)
	wire.SetMetadata(c, commonpb.BlockMetadataIndex_COMMIT_HASH, []byte{})
	return c
}

func mustStateHash(t testing.TB, l *ledger.Ledger) []byte {
	t.Helper()
	hash, err := MustView(t, l).StateHash()
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// TestRealChain replays the chain of a real network with its verdicts: every
// commit hash, and the state at the end, must be the recorded ones.
func TestRealChain(t *testing.T) {
	l := MustTemp(t, ledger.Options{})
	blocks, expected := conformance.Blocks(t), conformance.Expected(t)
	for i, block := range blocks {
		stored := mustReplayOne(t, l, block)
		if got, want := wire.CommitHash(stored), []byte(expected[i].CommitHash); !bytes.Equal(got, want) {
			t.Fatalf("block %d: commit hash %x, Fabric has %x", i, got, want)
		}
		if !proto.Equal(stored, block) {
			t.Fatalf("block %d: stored otherwise than Fabric's peer stores it", i)
		}
	}
	if got := l.Height(); got != uint64(len(blocks)) {
		t.Errorf("height %d after %d blocks", got, len(blocks))
	}
	checkWorldState(t, l)
}

func checkWorldState(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	world, v := conformance.State(t), MustView(t, l)
	for ns, entries := range world.Public {
		found := map[string]bool{}
		for entry, err := range v.Range(ns, "", "", false) {
			if err != nil {
				t.Fatal(err)
			}
			found[entry.Key] = true
			want, ok := entries[entry.Key]
			if !ok {
				t.Errorf("%s %q: not in Fabric's state", ns, entry.Key)
				continue
			}
			if !bytes.Equal(entry.Value.Value, want.Value) || entry.Version.String() != want.Version || !bytes.Equal(entry.Metadata, want.Metadata) {
				t.Errorf("%s %q: %q %s %x, Fabric has %q %s %x", ns, entry.Key, entry.Value.Value, entry.Version, entry.Metadata, want.Value, want.Version, want.Metadata)
			}
		}
		if len(found) != len(entries) {
			t.Errorf("namespace %s has %d keys, Fabric has %d", ns, len(found), len(entries))
		}
	}
	hashed := 0
	for entry, err := range v.Hashed() {
		if err != nil {
			t.Fatal(err)
		}
		hashed++
		ok := false
		for _, want := range world.Hashed[entry.Namespace][entry.Collection] {
			if bytes.Equal(entry.KeyHash, want.KeyHash) {
				ok = bytes.Equal(entry.Value.Value, want.ValueHash) && entry.Version.String() == want.Version && bytes.Equal(entry.Metadata, want.Metadata)
			}
		}
		if !ok {
			t.Errorf("%s %s %x: differs from Fabric's state", entry.Namespace, entry.Collection, entry.KeyHash)
		}
	}
	want := 0
	for _, collections := range world.Hashed {
		for _, entries := range collections {
			want += len(entries)
		}
	}
	if hashed != want {
		t.Errorf("%d hashed entries, Fabric has %d", hashed, want)
	}
}

func TestLookUps(t *testing.T) {
	l := MustTemp(t, ledger.Options{})
	blocks, expected := conformance.Blocks(t), conformance.Expected(t)
	MustReplay(t, l, blocks)

	info := l.Info()
	last := expected[len(expected)-1]
	if info.Height != uint64(len(blocks)) || !bytes.Equal(info.CurrentBlockHash, last.HeaderHash) || !bytes.Equal(info.PreviousBlockHash, last.PreviousHash) {
		t.Errorf("Info() = %v", info)
	}
	seen := map[string]bool{}
	for i, want := range blocks {
		for name, find := range map[string]func() (*commonpb.Block, error){
			"Block":       func() (*commonpb.Block, error) { return l.Block(uint64(i)) },
			"BlockByHash": func() (*commonpb.Block, error) { return l.BlockByHash(expected[i].HeaderHash) },
		} {
			if got, err := find(); err != nil || !proto.Equal(got, want) {
				t.Fatalf("%s(%d): %v, or another block", name, i, err)
			}
		}
		for _, tx := range expected[i].Transactions {
			if tx.TxID == "" || seen[tx.TxID] {
				continue
			}
			seen[tx.TxID] = true
			status, ok, err := l.TxStatus(tx.TxID)
			if err != nil || !ok || int(status.Code) != tx.Code || status.Block != uint64(i) || int(status.Index) != tx.Index {
				t.Errorf("TxStatus(%s) = %v, %v, %v; want code %d at %d:%d", tx.TxID, status, ok, err, tx.Code, i, tx.Index)
			}
			got, err := l.Transaction(tx.TxID)
			if err != nil || int(got.ValidationCode) != tx.Code {
				t.Errorf("Transaction(%s) = %v, %v", tx.TxID, got, err)
			}
			if got, err := l.BlockByTxID(tx.TxID); err != nil || got.GetHeader().GetNumber() != uint64(i) {
				t.Errorf("BlockByTxID(%s) = block %d, %v", tx.TxID, got.GetHeader().GetNumber(), err)
			}
			if envelope := mustMarshal(t, got.TransactionEnvelope); !bytes.Equal(envelope, want.GetData().GetData()[tx.Index]) {
				t.Errorf("Transaction(%s) has another envelope", tx.TxID)
			}
			id, code, err := l.TxAt(wire.Version{Block: uint64(i), Tx: uint64(tx.Index)})
			if err != nil || id != tx.TxID || int(code) != tx.Code {
				t.Errorf("TxAt(%d:%d) = %s, %v, %v", i, tx.Index, id, code, err)
			}
		}
	}
}

func TestNotFound(t *testing.T) {
	l := MustTemp(t, ledger.Options{})
	MustReplay(t, l, conformance.Blocks(t)[:3])
	_, byNumber := l.Block(3)
	_, byID := l.Transaction("x")
	_, byTx := l.BlockByTxID("x")
	_, byHash := l.BlockByHash([]byte{1})
	for _, c := range []struct {
		err  error
		text string
	}{
		{byNumber, "no such block number [3] in index"},
		{byID, "no such transaction ID [x] in index"},
		{byTx, "no such transaction ID [x] in index"},
		{byHash, "no such block hash [01] in index"},
	} {
		if !errors.Is(c.err, ledger.ErrNotFound) || c.err.Error() != c.text {
			t.Errorf("got %v, want %q", c.err, c.text)
		}
	}
	if _, ok, err := l.TxStatus("x"); ok || err != nil {
		t.Errorf("TxStatus of an unknown id: %v, %v", ok, err)
	}
}

func TestCommitRefusesWhatDoesNotContinueTheChain(t *testing.T) {
	l := MustTemp(t, ledger.Options{})
	blocks := conformance.Blocks(t)
	MustReplay(t, l, blocks[:2])
	before := mustStateHash(t, l)
	try := func(block *commonpb.Block, number uint64) error {
		_, err := l.Commit(bg, block, ledger.NewBatch(number, MustView(t, l)), nil)
		return err
	}
	if err := try(blocks[3], 3); !errors.Is(err, ledger.ErrOutOfOrder) {
		t.Errorf("a block too far: %v", err)
	}
	if err := try(blocks[1], 1); !errors.Is(err, ledger.ErrOutOfOrder) {
		t.Errorf("a block again: %v", err)
	}
	other := proto.Clone(blocks[2]).(*commonpb.Block)
	other.Header.PreviousHash = wire.Hash(nil)
	if err := try(other, 2); !errors.Is(err, ledger.ErrOutOfOrder) {
		t.Errorf("another chain: %v", err)
	}
	unjudged := proto.Clone(blocks[2]).(*commonpb.Block)
	wire.SetFilter(unjudged, nil)
	if err := try(unjudged, 2); err == nil {
		t.Error("a block without verdicts was taken")
	}
	if err := try(blocks[2], 7); err == nil {
		t.Error("another block's batch was taken")
	}
	if l.Height() != 2 || !bytes.Equal(mustStateHash(t, l), before) {
		t.Error("a refused block left something")
	}
	mustReplayOne(t, l, blocks[2])
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "channel.db")
	blocks := conformance.Blocks(t)
	l, err := ledger.Open(path, ledger.Options{Channel: "mychannel"})
	if err != nil {
		t.Fatal(err)
	}
	MustReplay(t, l, blocks[:100])
	info, commitHash := l.Info(), l.CommitHash()
	left := MustView(t, l) // must not keep the file open
	if _, _, err := left.GetState("ledger", "x"); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := left.GetState("ledger", "y"); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("a view after Close: %v", err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the log is left after Close: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := l.View(); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("View after Close: %v", err)
	}
	if _, err := ledger.Open(path, ledger.Options{Channel: "yourchannel"}); !errors.Is(err, ledger.ErrWrongChannel) {
		t.Errorf("another channel's file: %v", err)
	}
	again := MustOpen(t, path)
	if !proto.Equal(again.Info(), info) || !bytes.Equal(again.CommitHash(), commitHash) || again.Channel() != "mychannel" {
		t.Errorf("reopened with %v, %x, %s", again.Info(), again.CommitHash(), again.Channel())
	}
	MustReplay(t, again, blocks[100:])
	checkWorldState(t, again)
}

func TestGrown(t *testing.T) {
	l := MustTemp(t, ledger.Options{})
	height, grown := l.Grown()
	if height != 0 {
		t.Fatalf("height %d", height)
	}
	select {
	case <-grown:
		t.Fatal("told of a block that is not there")
	default:
	}
	MustReplay(t, l, conformance.Blocks(t)[:1])
	<-grown
	_, grown = l.Grown()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	<-grown
}

func TestViewKeepsItsHeight(t *testing.T) {
	l := MustTemp(t, ledger.Options{Readers: 4})
	blocks := conformance.Blocks(t)
	MustReplay(t, l, blocks[:20])
	early := MustView(t, l)
	before, err := early.StateHash()
	if err != nil {
		t.Fatal(err)
	}
	unread := MustView(t, l) // has no connection yet
	for i, block := range blocks[20:] {
		if i%40 == 0 {
			late := MustView(t, l)
			_ = late
		}
		mustReplayOne(t, l, block)
	}
	for name, v := range map[string]*ledger.View{"read before": early, "not read before": unread} {
		if after, err := v.StateHash(); err == nil && !bytes.Equal(after, before) {
			t.Errorf("%s: the view of height %d changed", name, v.Height())
		} else if err != nil && !errors.Is(err, ledger.ErrSnapshotLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	checkWorldState(t, l)
}

func TestOldViewsAreGivenUpOldestFirst(t *testing.T) {
	l := MustTemp(t, ledger.Options{Readers: 3})
	blocks := conformance.Blocks(t)
	var views []*ledger.View
	for _, block := range blocks[:10] {
		mustReplayOne(t, l, block)
		views = append(views, MustView(t, l))
	}
	lost := 0
	for i, v := range views {
		_, _, err := v.GetState("ledger", "no such key")
		switch {
		case err == nil && i < len(views)-4:
			t.Errorf("view of height %d is still there", v.Height())
		case errors.Is(err, ledger.ErrSnapshotLost):
			lost++
		case err != nil:
			t.Error(err)
		}
	}
	// Three connections serve three older heights; the newest takes one from them
	// when it is read, last of all.
	if want := len(views) - 4; lost != want {
		t.Errorf("%d views were given up, want %d", lost, want)
	}
}

func TestCorruptFileIsRefused(t *testing.T) {
	blocks := conformance.Blocks(t)[:30]
	for name, damage := range map[string]func(t *testing.T, path string){
		"cut short": func(t *testing.T, path string) { mustTruncate(t, path, 100_000) },
		"no database": func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 8192), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"savepoint ahead":      sqlDamage("UPDATE savepoint SET height = height + 1"),
		"savepoint gone":       sqlDamage("DELETE FROM savepoint"),
		"savepoint's hash":     sqlDamage("UPDATE savepoint SET hash = x'00'"),
		"commit hash":          sqlDamage("UPDATE savepoint SET commit_hash = x'00'"),
		"block gone":           sqlDamage("DELETE FROM block WHERE number = 7"),
		"last block gone":      sqlDamage("DELETE FROM block WHERE number = 29"),
		"transaction gone":     sqlDamage("DELETE FROM tx WHERE pos = (SELECT max(pos) FROM tx)"),
		"transaction too much": sqlDamage("INSERT INTO tx (pos, code) SELECT max(pos) + 1, 0 FROM tx"),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "channel.db")
			l, err := ledger.Open(path, ledger.Options{})
			if err != nil {
				t.Fatal(err)
			}
			MustReplay(t, l, blocks)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			damage(t, path)
			l, err = ledger.Open(path, ledger.Options{})
			if err == nil {
				l.Close()
				t.Fatal("the file was opened")
			}
			if !errors.Is(err, ledger.ErrCorrupt) {
				t.Errorf("not ErrCorrupt: %v", err)
			}
			if want := "fabriscope ledger rebuild " + path; !bytes.Contains([]byte(err.Error()), []byte(want)) {
				t.Errorf("the error does not name file and remedy: %v", err)
			}
		})
	}
}

func mustTruncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// sqlDamage damages a file through SQL.
func sqlDamage(statement string) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		t.Helper()
		mustExec(t, path, statement)
	}
}
