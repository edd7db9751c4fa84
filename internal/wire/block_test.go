package wire_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
)

func TestHeaderBytes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		header *commonpb.BlockHeader
		prefix string // the bytes begin with
		hash   string
	}{
		{"ordinary", &commonpb.BlockHeader{Number: 1, PreviousHash: repeat(1, 32), DataHash: repeat(2, 32)},
			"3047020101" + "0420" + hex.EncodeToString(repeat(1, 32)) + "0420" + hex.EncodeToString(repeat(2, 32)),
			"8958d309221dff9175606e70d8b0f60d44326787f5375730953d3e4c7277894b"},
		{"genesis", &commonpb.BlockHeader{DataHash: repeat(2, 32)},
			"3027020100" + "0400" + "0420" + hex.EncodeToString(repeat(2, 32)),
			"0a3e038c1e47233245443e7b5d6f0b9a22bbf19120874368460d2145368442e4"},
		{"number with a sign byte", &commonpb.BlockHeader{Number: 128, PreviousHash: repeat(1, 32), DataHash: repeat(2, 32)},
			"304802020080",
			"c0ffbca2c19ee62fc3e76d183167f01a4de3f8f27c83daf84ee54d30774edb24"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := hex.EncodeToString(wire.HeaderBytes(tt.header)); got[:len(tt.prefix)] != tt.prefix {
				t.Errorf("header bytes = %s, want them to begin with %s", got, tt.prefix)
			}
			if got := hex.EncodeToString(wire.BlockHash(tt.header)); got != tt.hash {
				t.Errorf("block hash = %s, want %s", got, tt.hash)
			}
		})
	}
}

// The hand-written DER encoder and the library's agree on everything.
func TestHeaderBytesIsDER(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		header := &commonpb.BlockHeader{
			Number:       rapid.Uint64().Draw(t, "number"),
			PreviousHash: rapid.SliceOfN(rapid.Byte(), 0, 70000).Draw(t, "previous"),
			DataHash:     rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data"),
		}
		want, err := asn1.Marshal(struct {
			Number         *big.Int
			Previous, Data []byte
		}{new(big.Int).SetUint64(header.Number), header.PreviousHash, header.DataHash})
		if err != nil {
			t.Fatal(err)
		}
		if got := wire.HeaderBytes(header); !bytes.Equal(got, want) {
			t.Fatalf("header bytes = %x, want %x", got, want)
		}
	})
}

func TestNewBlock(t *testing.T) {
	b := wire.NewBlock(7, repeat(1, 32), [][]byte{[]byte("one"), []byte("two")})
	if got, want := b.Header.DataHash, wire.Hash([]byte("onetwo")); !bytes.Equal(got, want) {
		t.Errorf("data hash = %x, want %x", got, want)
	}
	if n := len(b.Metadata.Metadata); n != 5 {
		t.Errorf("%d metadata entries, want 5", n)
	}
	if wire.CommitHash(b) != nil || len(wire.Filter(b)) != 0 {
		t.Error("a new block has a commit hash or a filter")
	}
	wire.SetFilter(b, []byte{0, 11})
	wire.SetCommitHash(b, []byte("hash"))
	if got := wire.Filter(b); !bytes.Equal(got, []byte{0, 11}) {
		t.Errorf("filter = %x", got)
	}
	if got := wire.CommitHash(b); string(got) != "hash" {
		t.Errorf("commit hash = %q", got)
	}
}

// A block whose metadata is missing is an ordinary thing to be handed.
func TestBlockWithoutMetadata(t *testing.T) {
	b := &commonpb.Block{Header: &commonpb.BlockHeader{Number: 3}}
	if wire.Filter(b) != nil || wire.CommitHash(b) != nil || wire.IsConfigBlock(b) {
		t.Error("an empty block has a filter, a commit hash or a configuration")
	}
	if last, err := wire.LastConfig(b); last != 0 || err != nil {
		t.Errorf("last configuration = %d, %v", last, err)
	}
	wire.SetFilter(b, []byte{1})
	if n := len(b.GetMetadata().GetMetadata()); n != 5 {
		t.Errorf("%d metadata entries after SetFilter, want 5", n)
	}
}

func TestLastConfig(t *testing.T) {
	old := wire.NewBlock(9, nil, nil)
	wire.SetMetadata(old, commonpb.BlockMetadataIndex_LAST_CONFIG,
		MustMarshal(t, &commonpb.Metadata{Value: MustMarshal(t, &commonpb.LastConfig{Index: 4})}))
	if last, err := wire.LastConfig(old); last != 4 || err != nil {
		t.Errorf("from LAST_CONFIG: %d, %v; want 4", last, err)
	}
	signed := wire.NewBlock(9, nil, nil)
	wire.SetMetadata(signed, commonpb.BlockMetadataIndex_SIGNATURES, MustMarshal(t, &commonpb.Metadata{
		Value: MustMarshal(t, &commonpb.OrdererBlockMetadata{LastConfig: &commonpb.LastConfig{Index: 6}}),
	}))
	if last, err := wire.LastConfig(signed); last != 6 || err != nil {
		t.Errorf("from SIGNATURES: %d, %v; want 6", last, err)
	}
	broken := wire.NewBlock(9, nil, nil)
	wire.SetMetadata(broken, commonpb.BlockMetadataIndex_SIGNATURES, []byte{0xff})
	if _, err := wire.LastConfig(broken); err == nil {
		t.Error("a broken SIGNATURES entry was accepted")
	}
}

// A header that is written in two pieces is one header.
func TestIsConfigBlockMergesHeaders(t *testing.T) {
	first := MustMarshal(t, &commonpb.Payload{Header: &commonpb.Header{
		ChannelHeader: MustMarshal(t, &commonpb.ChannelHeader{Type: int32(commonpb.HeaderType_CONFIG)})}})
	second := MustMarshal(t, &commonpb.Payload{Header: &commonpb.Header{SignatureHeader: []byte("s")}})
	envelope := MustMarshal(t, &commonpb.Envelope{Payload: append(first, second...)})
	if !wire.IsConfigBlock(wire.NewBlock(1, nil, [][]byte{envelope})) {
		t.Error("the configuration was not seen")
	}
	if wire.IsConfigBlock(wire.NewBlock(1, nil, [][]byte{envelope, envelope})) {
		t.Error("two transactions are a configuration block")
	}
}

// Every hash of the recorded chain is what this package computes.
func TestConformanceBlocks(t *testing.T) {
	expected := conformance.Expected(t)
	lastConfig := uint64(0)
	for i, b := range conformance.Blocks(t) {
		want := expected[i]
		if got := wire.BlockHash(b.Header); !bytes.Equal(got, want.HeaderHash) {
			t.Errorf("block %d: header hash %x, want %x", i, got, want.HeaderHash)
		}
		if got := wire.DataHash(b.Data.Data); !bytes.Equal(got, want.DataHash) {
			t.Errorf("block %d: data hash %x, want %x", i, got, want.DataHash)
		}
		if got := wire.Filter(b); !bytes.Equal(got, want.Filter) {
			t.Errorf("block %d: filter %x, want %x", i, got, want.Filter)
		}
		if got := wire.CommitHash(b); !bytes.Equal(got, want.CommitHash) {
			t.Errorf("block %d: commit hash %x, want %x", i, got, want.CommitHash)
		}
		isConfig := len(want.Transactions) == 1 && want.Transactions[0].HeaderType == int(commonpb.HeaderType_CONFIG)
		if got := wire.IsConfigBlock(b); got != isConfig {
			t.Errorf("block %d: config block = %t, want %t", i, got, isConfig)
		}
		if isConfig {
			lastConfig = b.Header.Number
		}
		if got, err := wire.LastConfig(b); err != nil || got != lastConfig {
			t.Errorf("block %d: last configuration %d, %v; want %d", i, got, err, lastConfig)
		}
	}
}
