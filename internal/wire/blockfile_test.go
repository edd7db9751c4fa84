package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
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
		if err := wire.WriteBlock(&again, b); err != nil {
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
		if err := wire.WriteBlock(&stream, wire.NewBlock(i, nil, nil)); err != nil {
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
