// Package conformance gives tests the chains that a real Hyperledger Fabric
// network made: 196 blocks with its verdicts, the state after them, envelopes
// its orderer refused, and transcripts of its chaincode streams.
//
// It serves every step of a transaction, but only in tests: whatever this project
// decides about bytes, hashes, codes or state is compared with what is in here.
// The README among the files describes them.
//
// Read next: peer/validate, which judges all the blocks again.
package conformance

import (
	"archive/tar"
	"bufio"
	"bytes"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
)

// archive is the copy that travels with the source: a tar file, zstd-compressed.
//
//go:embed testdata/vectors.tar.zst
var archive []byte

// maxBlockBytes is larger than the largest recorded block (about 1 MB).
const maxBlockBytes = 64 << 20

// FS returns the recorded files: README.md, blocks.pb, expected.json, state.json,
// broadcast.json, rejected_block.pb and stream/. A directory ../shared/vectors
// beside the module's root is preferred, so that a newer recording can be tried
// without touching the repository; otherwise it is the copy inside this package.
func FS(t testing.TB) fs.FS {
	t.Helper()
	if dir, ok := besideModule(); ok {
		return os.DirFS(dir)
	}
	files, err := unpack(archive)
	if err != nil {
		t.Fatalf("conformance: unpack the recorded files: %v", err)
	}
	return files
}

// besideModule looks for ../shared/vectors next to the directory with go.mod,
// starting at the working directory (of a test: its package's).
func besideModule() (string, bool) {
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			vectors := filepath.Join(filepath.Dir(dir), "shared", "vectors")
			_, err := os.Stat(filepath.Join(vectors, "blocks.pb"))
			return vectors, err == nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

func unpack(packed []byte) (fs.FS, error) {
	plain, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	files := fstest.MapFS{}
	for archived := tar.NewReader(plain); ; {
		header, err := archived.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(archived)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, err)
		}
		files[header.Name] = &fstest.MapFile{Data: data, Mode: 0o444}
	}
}

// Read returns one recorded file whole.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := fs.ReadFile(FS(t), name)
	if err != nil {
		t.Fatalf("conformance: %v", err)
	}
	return data
}

// Blocks returns the recorded chain from block 0 on, as a peer serves it: codes
// in metadata slot 2, commit hash in slot 4.
func Blocks(t testing.TB) []*commonpb.Block {
	t.Helper()
	in := bufio.NewReader(bytes.NewReader(Read(t, "blocks.pb")))
	var blocks []*commonpb.Block
	for {
		block := &commonpb.Block{}
		err := protodelim.UnmarshalOptions{MaxSize: maxBlockBytes}.UnmarshalFrom(in, block)
		if errors.Is(err, io.EOF) {
			return blocks
		}
		if err != nil {
			t.Fatalf("conformance: block %d of blocks.pb: %v", len(blocks), err)
		}
		blocks = append(blocks, block)
	}
}

// RejectedBlock returns the block after the last of Blocks, as the orderer made
// it. Its second envelope has no signature: Fabric's peers refuse the whole block.
func RejectedBlock(t testing.TB) *commonpb.Block {
	t.Helper()
	block := &commonpb.Block{}
	if err := proto.Unmarshal(Read(t, "rejected_block.pb"), block); err != nil {
		t.Fatalf("conformance: rejected_block.pb: %v", err)
	}
	return block
}

// Hex is a byte string that is written as hexadecimal digits in the files.
type Hex []byte

// UnmarshalText reads hexadecimal digits.
func (h *Hex) UnmarshalText(text []byte) error {
	decoded, err := hex.DecodeString(string(text))
	*h = decoded
	return err
}

// MarshalText writes hexadecimal digits.
func (h Hex) MarshalText() ([]byte, error) {
	return []byte(hex.EncodeToString(h)), nil
}

// Block is what Fabric says about one block.
type Block struct {
	Number       uint64        `json:"number"`
	HeaderHash   Hex           `json:"header_hash"`
	DataHash     Hex           `json:"data_hash"`
	PreviousHash Hex           `json:"previous_hash"`
	CommitHash   Hex           `json:"commit_hash"` // empty for block 0
	Filter       Hex           `json:"filter"`      // one code per transaction
	Transactions []Transaction `json:"transactions"`
}

// Transaction is what Fabric says about one transaction.
type Transaction struct {
	Index      int    `json:"index"`
	TxID       string `json:"tx_id"` // as in the channel header, "" when there is none
	HeaderType int    `json:"header_type"`
	Code       int    `json:"code"` // peer.TxValidationCode
	CodeName   string `json:"code_name"`
	Chaincode  string `json:"chaincode"`
	Case       string `json:"case"` // label of the case, not unique
	Why        string `json:"why"`  // one sentence: why this verdict is right
}

// Expected returns Fabric's verdicts and hashes, one element per block of Blocks.
func Expected(t testing.TB) []Block {
	t.Helper()
	var file struct {
		Channel string  `json:"channel"`
		Blocks  []Block `json:"blocks"`
	}
	mustDecode(t, "expected.json", &file)
	return file.Blocks
}

// WorldState is the state after the last block.
type WorldState struct {
	Height uint64                              `json:"height"`
	Public map[string]map[string]Entry         `json:"public"` // namespace, key
	Hashed map[string]map[string][]HashedEntry `json:"hashed"` // namespace, collection
}

// Entry is one public key's value.
type Entry struct {
	Value    []byte `json:"value"`
	Version  string `json:"version"`            // "block:tx"
	Metadata []byte `json:"metadata,omitempty"` // kvrwset.KVMetadataWrite without the key
}

// HashedEntry is one private key's public trace.
type HashedEntry struct {
	KeyHash   Hex    `json:"key_hash"`
	ValueHash Hex    `json:"value_hash"`
	Version   string `json:"version"`            // "block:tx"
	Metadata  []byte `json:"metadata,omitempty"` // kvrwset.KVMetadataWrite without the key
}

// State returns the state after the last block of Blocks. The channel
// configuration (the namespace with the empty name) is not part of it.
func State(t testing.TB) *WorldState {
	t.Helper()
	state := &WorldState{}
	mustDecode(t, "state.json", state)
	return state
}

// Broadcast is one envelope that the orderer refused.
type Broadcast struct {
	Case     string `json:"case"`
	Why      string `json:"why"`
	Size     int    `json:"size"`        // bytes of the envelope
	Envelope []byte `json:"envelope"`    // common.Envelope; left out above 200 kB
	Status   string `json:"status"`      // name of a common.Status
	Code     int32  `json:"status_code"` // its number
	Info     string `json:"info"`
}

// Broadcasts returns the envelopes that the orderer refused, with its answers.
func Broadcasts(t testing.TB) []Broadcast {
	t.Helper()
	var refused []Broadcast
	mustDecode(t, "broadcast.json", &refused)
	return refused
}

func mustDecode(t testing.TB, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(Read(t, name), into); err != nil {
		t.Fatalf("conformance: %s: %v", name, err)
	}
}
