package wire_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// MustRead collects all blocks and the error at the end.
func MustRead(t testing.TB, r io.Reader) (blocks []*commonpb.Block, err error) {
	t.Helper()
	for b, e := range wire.ReadBlocks(r) {
		if e != nil {
			err = e
			continue
		}
		if err != nil {
			t.Fatal("a block after an error")
		}
		blocks = append(blocks, b)
	}
	return blocks, err
}

func TestReadBlocks(t *testing.T) {
	recorded := conformance.Read(t, "blocks.pb")
	want := conformance.Blocks(t)
	got, err := MustRead(t, bytes.NewReader(recorded))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d blocks, want %d", len(got), len(want))
	}
	var again bytes.Buffer
	for i, b := range got {
		if !proto.Equal(b, want[i]) {
			t.Errorf("block %d differs", i)
		}
		if err := writeBlock(&again, b); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(again.Bytes(), recorded) {
		t.Error("written again, the blocks are other bytes")
	}
}

func TestReadLoneBlock(t *testing.T) {
	for _, b := range []*commonpb.Block{conformance.RejectedBlock(t), conformance.Blocks(t)[0], wire.NewBlock(300, repeat(1, 32), nil)} {
		got, err := MustRead(t, bytes.NewReader(MustMarshal(t, b)))
		if err != nil || len(got) != 1 || !proto.Equal(got[0], b) {
			t.Errorf("block %d: %d blocks, %v", b.Header.Number, len(got), err)
		}
	}
}

func TestReadBlocksRefuses(t *testing.T) {
	good := MustMarshal(t, wire.NewBlock(1, nil, [][]byte{[]byte("x")}))
	stream := append(binary.AppendUvarint(nil, uint64(len(good))), good...)
	for _, tt := range []struct {
		name   string
		data   []byte
		blocks int
		want   error
	}{
		{"empty", nil, 0, nil},
		{"cut in the second block", append(bytes.Clone(stream), stream[:9]...), 1, wire.ErrMalformed},
		{"cut in the second length", append(bytes.Clone(stream), 0x80), 1, wire.ErrMalformed},
		{"length beyond the bound", append(bytes.Clone(stream), binary.AppendUvarint(nil, wire.MaxBlockBytes+1)...), 1, wire.ErrTooLarge},
		{"length beyond the file", binary.AppendUvarint(nil, wire.MaxBlockBytes), 0, wire.ErrMalformed},
		{"no block", append(bytes.Clone(stream), 2, 0xff, 0xff), 1, wire.ErrMalformed},
		{"no header", append(bytes.Clone(stream), 0), 1, wire.ErrMalformed},
		{"endless length", bytes.Repeat([]byte{0x80}, 20), 0, wire.ErrMalformed},
		{"lone block, cut", good[:len(good)-1], 0, wire.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			blocks, err := MustRead(t, bytes.NewReader(tt.data))
			if len(blocks) != tt.blocks || !errors.Is(err, tt.want) {
				t.Errorf("%d blocks, %v; want %d, %v", len(blocks), err, tt.blocks, tt.want)
			}
		})
	}
}

func TestReadBlocksPassesReaderErrors(t *testing.T) {
	broken := errors.New("disk on fire")
	if _, err := MustRead(t, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	half := io.MultiReader(strings.NewReader("\x30\x0a"), iotest.ErrReader(broken))
	if _, err := MustRead(t, half); !errors.Is(err, broken) {
		t.Errorf("error in the middle of a block: %v", err)
	}
}

// The reader stops when its user does.
func TestReadBlocksStops(t *testing.T) {
	var stream bytes.Buffer
	for i := range uint64(3) {
		if err := writeBlock(&stream, wire.NewBlock(i, nil, nil)); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	for range wire.ReadBlocks(&stream) {
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("%d blocks seen, want 1", seen)
	}
}

// storeBlock writes a block as a peer's block store has it on disk.
func storeBlock(out *bytes.Buffer, b *commonpb.Block) {
	var entry []byte
	field := func(v []byte) { entry = append(binary.AppendUvarint(entry, uint64(len(v))), v...) }
	list := func(all [][]byte) {
		entry = binary.AppendUvarint(entry, uint64(len(all)))
		for _, v := range all {
			field(v)
		}
	}
	entry = binary.AppendUvarint(entry, b.Header.Number)
	field(b.Header.DataHash)
	field(b.Header.PreviousHash)
	list(b.Data.Data)
	list(b.Metadata.Metadata)
	out.Write(append(binary.AppendUvarint(nil, uint64(len(entry))), entry...))
}

// A peer's own files, wherever one begins, compressed or not, also while the last block
// is being written.
func TestReadBlockStore(t *testing.T) {
	want := conformance.Blocks(t)
	for _, first := range []int{0, 1, 9, 10, 11, 32, 128, len(want) - 1} {
		var stored, zipped bytes.Buffer
		for _, b := range want[first:] {
			storeBlock(&stored, b)
		}
		z := gzip.NewWriter(&zipped)
		if _, err := z.Write(stored.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		whole := bytes.Clone(stored.Bytes())
		storeBlock(&stored, want[0])
		for name, file := range map[string][]byte{
			"as it is": whole, "gzip": zipped.Bytes(),
			"last cut": stored.Bytes()[:stored.Len()-1], "last length cut": append(bytes.Clone(whole), 0x80),
		} {
			got, err := MustRead(t, bytes.NewReader(file))
			if err != nil || len(got) != len(want)-first {
				t.Fatalf("from block %d, %s: %d blocks, want %d; %v", first, name, len(got), len(want)-first, err)
			}
			for i, b := range got {
				if !bytes.Equal(MustMarshal(t, b), MustMarshal(t, want[first+i])) {
					t.Errorf("from block %d, %s: block %d differs", first, name, i)
				}
			}
		}
	}
}

func TestReadBlockFolder(t *testing.T) {
	want := conformance.Blocks(t)
	store, fetched := t.TempDir(), t.TempDir()
	write := func(dir, name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, b := range want[:12] {
		var stored bytes.Buffer
		storeBlock(&stored, b)
		write(store, fmt.Sprintf("blockfile_%06d", i), stored.Bytes())
		write(fetched, fmt.Sprintf("mychannel_%d.block", i), MustMarshal(t, b))
	}
	write(store, "index.txt", []byte("something else"))
	for _, dir := range []string{store, fetched} {
		number := uint64(0)
		for b, err := range wire.ReadBlockFiles([]string{dir}) {
			if err != nil || b.Header.Number != number {
				t.Fatalf("%s: block %d comes at place %d, %v", dir, b.GetHeader().GetNumber(), number, err)
			}
			number++
		}
		if number != 12 {
			t.Errorf("%s: %d blocks, want 12", dir, number)
		}
	}
	for _, err := range wire.ReadBlockFiles([]string{t.TempDir()}) {
		if err == nil || !strings.Contains(err.Error(), "a folder without blocks") {
			t.Errorf("an empty folder: %v", err)
		}
	}
}

// Before there was a commit hash blocks had four metadata entries.
func TestReadOldBlock(t *testing.T) {
	old := proto.CloneOf(conformance.Blocks(t)[3])
	old.Metadata.Metadata = old.Metadata.Metadata[:4]
	got, err := MustRead(t, bytes.NewReader(MustMarshal(t, old)))
	if err != nil || len(got) != 1 {
		t.Fatalf("%d blocks, %v", len(got), err)
	}
	old.Metadata.Metadata = append(old.Metadata.Metadata, nil)
	if !bytes.Equal(MustMarshal(t, got[0]), MustMarshal(t, old)) {
		t.Errorf("metadata %q", got[0].Metadata.Metadata)
	}
}
