package window

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"fyne.io/fyne/v2"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// mustWriteBlocks takes the blocks out of the recorded run, as files of another network.
func mustWriteBlocks(t *testing.T, from *session.Session) []string {
	t.Helper()
	dir, seen := t.TempDir(), map[uint64]bool{}
	var paths []string
	events, _, _ := from.Source().Since(0, 1_000_000)
	for _, e := range events {
		if e.Kind != trace.DeliverBlock || seen[e.Block] {
			continue
		}
		_, b, ok := from.Source().Payload(e.Seq)
		var d ordererpb.DeliverResponse
		if !ok || proto.Unmarshal(b, &d) != nil || d.GetBlock() == nil {
			continue
		}
		raw, err := proto.Marshal(d.GetBlock())
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "mychannel_"+strconv.FormatUint(e.Block, 10)+".block")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		seen[e.Block], paths = true, append(paths, path)
	}
	if len(paths) < 4 {
		t.Fatalf("the run holds %d blocks, want at least 4", len(paths))
	}
	return paths
}

// Blocks of another network are shown with chain and inspector; the keys that need a
// trace do nothing, and nothing breaks.
func TestBlocksOfAnotherNetwork(t *testing.T) {
	s, pump := MustOpen(t)
	paths := mustWriteBlocks(t, s.session)
	s.open(paths)
	until(t, pump, "the blocks are shown", func() bool { return s.session != nil && s.session.Kind == session.Blocks })
	s.session.Select(view.Selection{What: view.SelectBlock, Block: 4})
	if s.session.Document() == nil {
		t.Error("the inspector says nothing about a block")
	}
	s.win.Canvas().Capture()
	for _, k := range []fyne.KeyName{fyne.KeyRight, fyne.KeyLeft, fyne.KeyHome, fyne.KeyEnd, fyne.KeySpace, fyne.KeyPageDown} {
		press(s, k)
	}
	typed(s, "+-lewtqphfv123456")
	press(s, fyne.KeyF5)
	s.showPalette()
	s.closePopups()
	s.showExport()
	s.closePopups()
	for range 30 {
		pump()
	}
}

// Blocks that begin in the middle of a chain cannot be judged, but what peers recorded in
// them counts: the first transaction that was rejected is chosen.
func TestBlocksFromTheMiddle(t *testing.T) {
	s, pump := MustOpen(t)
	paths := mustWriteBlocks(t, s.session)
	paths = paths[len(paths)-2:]
	b := &commonpb.Block{}
	raw, err := os.ReadFile(paths[0])
	if err == nil {
		err = proto.Unmarshal(raw, b)
	}
	if err != nil || len(b.GetData().GetData()) < 2 {
		t.Fatalf("block %d with %d transactions, %v", b.GetHeader().GetNumber(), len(b.GetData().GetData()), err)
	}
	for len(b.Metadata.Metadata) <= int(commonpb.BlockMetadataIndex_TRANSACTIONS_FILTER) {
		b.Metadata.Metadata = append(b.Metadata.Metadata, nil)
	}
	b.Metadata.Metadata[commonpb.BlockMetadataIndex_TRANSACTIONS_FILTER] = []byte{0, 11} // valid, MVCC_READ_CONFLICT
	if raw, err = proto.Marshal(b); err == nil {
		err = os.WriteFile(paths[0], raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.open(paths)
	until(t, pump, "the blocks are shown", func() bool { return s.session != nil && s.session.Kind == session.Blocks })
	sel := s.session.Selection()
	if c := s.session.Counts(); sel.What != view.SelectTx || c.Invalid != 1 {
		t.Errorf("%s; chosen: %+v", c.Text(), sel)
	}
	if s.session.Document() == nil {
		t.Error("the inspector says nothing about it")
	}
}
