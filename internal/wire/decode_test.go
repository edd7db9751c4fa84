package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// checkGolden compares with a file in testdata.
func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look at the difference after go test -update", path)
	}
}

// mustIndent is the JSON form on many lines.
func mustIndent(t testing.TB, value any) []byte {
	t.Helper()
	b, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// recorded is the first recorded transaction with this case label.
func recorded(t testing.TB, label string) []byte {
	t.Helper()
	blocks := conformance.Blocks(t)
	for i, b := range conformance.Expected(t) {
		for j, tx := range b.Transactions {
			if tx.Case == label {
				return blocks[i].Data.Data[j]
			}
		}
	}
	t.Fatalf("no recorded transaction is a case of %q", label)
	return nil
}

func TestDecodeGolden(t *testing.T) {
	for _, label := range []string{"private-and-public", "lifecycle-commit", "key-policy-set"} {
		t.Run(label, func(t *testing.T) {
			tree, err := wire.Decode("common.Envelope", recorded(t, label))
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, label+".json", mustIndent(t, tree))
		})
	}
}

// Everything in the recorded blocks and chaincode streams is decoded, but for
// what is plain bytes by nature. A field that is new in this list is one that
// Decode should know.
func TestDecodeLeavesOnlyPlainBytes(t *testing.T) {
	left := map[string]bool{}
	expected := conformance.Expected(t)
	for i, b := range conformance.Blocks(t) {
		tree := mustTree(t, b)
		filter := tree.Get("metadata").(*wire.Object).Get("metadata").([]any)[2].([]any)
		envelopes := tree.Get("data").(*wire.Object).Get("data").([]any)
		for j, envelope := range envelopes {
			want := expected[i].Transactions[j]
			if filter[j] != want.CodeName {
				t.Errorf("block %d, transaction %d: code %v, want %s", i, j, filter[j], want.CodeName)
			}
			if want.Code == 0 { // the others may be broken on purpose
				collectBytes(left, envelope.(*wire.Object))
			}
		}
		collectBytes(left, &wire.Object{Fields: slices.DeleteFunc(slices.Clone(tree.Fields), func(f wire.Field) bool { return f.Name == "data" })})
	}
	got := strings.Join(slices.Sorted(maps.Keys(left)), "\n") + "\n"
	checkGolden(t, "plain_bytes.txt", []byte(got))
}

// collectBytes notes each field that stayed bytes.
func collectBytes(left map[string]bool, o *wire.Object) {
	var visit func(name string, value any)
	visit = func(name string, value any) {
		switch v := value.(type) {
		case wire.Bytes:
			if len(v) > 0 {
				left[name] = true
			}
		case *wire.Object:
			collectBytes(left, v)
		case []any:
			for _, item := range v {
				visit(name, item)
			}
		}
	}
	for _, f := range o.Fields {
		visit(o.Message+"."+f.Name, f.Value)
	}
}

// Every message of the recorded chaincode streams decodes, and so does its
// payload wherever its type says what it is.
func TestDecodeStreams(t *testing.T) {
	seen := map[string]bool{}
	files, err := fs.Glob(conformance.FS(t), "stream/*.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		for _, line := range strings.Split(strings.TrimSpace(string(conformance.Read(t, name))), "\n") {
			var entry struct {
				Type    string `json:"type"`
				Raw     []byte `json:"raw"`
				Payload []byte `json:"payload"`
			}
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatal(err)
			}
			if entry.Type == "STREAM_END" { // the recorder's remark, no message
				continue
			}
			tree, err := wire.Decode("protos.ChaincodeMessage", entry.Raw)
			if err != nil {
				t.Errorf("%s: %s: %v", name, entry.Type, err)
				continue
			}
			if tree.Get("type") != entry.Type {
				t.Errorf("%s: type %v, want %s", name, tree.Get("type"), entry.Type)
			}
			seen[entry.Type] = true
			_, decoded := tree.Get("payload").(*wire.Object)
			plain := entry.Type == "RESPONSE" || entry.Type == "ERROR" || len(entry.Payload) == 0
			if decoded == plain {
				t.Errorf("%s: %s: payload decoded = %t", name, entry.Type, decoded)
			}
		}
	}
	if len(seen) < 15 {
		t.Errorf("only these types were seen: %v", seen)
	}
}

// Where no bytes are nested the JSON form is protobuf's own.
func TestToJSONIsProtoJSON(t *testing.T) {
	detail, err := anypb.New(&gatewaypb.ErrorDetail{Address: "peer0:7051", MspId: "Org1MSP", Message: "no"})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []proto.Message{
		&peerpb.StaticCollectionConfig{Name: "c", RequiredPeerCount: 1, MaximumPeerCount: -2, BlockToLive: 1 << 60, MemberOnlyRead: true, MemberOnlyWrite: true},
		&ordererpb.SeekInfo{
			Start:    &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Newest{Newest: &ordererpb.SeekNewest{}}},
			Stop:     &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Specified{Specified: &ordererpb.SeekSpecified{Number: 1 << 63}}},
			Behavior: ordererpb.SeekInfo_FAIL_IF_NOT_READY,
		},
		&commonpb.Capabilities{Capabilities: map[string]*commonpb.Capability{"V2_5": {}, "V2_0": {}}},
		&commonpb.SignaturePolicy{Type: &commonpb.SignaturePolicy_SignedBy{}},
		&commonpb.BlockchainInfo{Height: 3, CurrentBlockHash: []byte{1, 2, 255}, PreviousBlockHash: []byte("x")},
		&peerpb.ProposalResponse{Version: 1, Timestamp: timestamppb.New(timestamppb.Now().AsTime()), Response: &peerpb.Response{Status: 200, Message: "<\"ü\u2028>"}},
		detail,
	} {
		want, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got := mustIndent(t, mustTree(t, m))
		var wantTree, gotTree any
		if json.Unmarshal(want, &wantTree) != nil || json.Unmarshal(got, &gotTree) != nil {
			t.Fatalf("not JSON: %s, %s", want, got)
		}
		if !contains(gotTree, wantTree) {
			t.Errorf("%T:\n%s\nlacks something of\n%s", m, got, want)
		}
	}
}

// contains tells whether everything in want is in got; got may have more fields,
// namely numbers that are zero.
func contains(got, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range want {
			if !contains(got[k], v) {
				return false
			}
		}
		return true
	default:
		return got == want
	}
}

func TestDecodeRefuses(t *testing.T) {
	if _, err := wire.Decode("common.Nothing", nil); !errors.Is(err, wire.ErrUnknownMessage) {
		t.Errorf("unknown name: %v", err)
	}
	if _, err := wire.Decode("common.Envelope", []byte{0xff}); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("garbage: %v", err)
	}
}

// Policies nest without end; what is shown of them ends.
func TestDecodeBoundsDepth(t *testing.T) {
	rule := &commonpb.SignaturePolicy{Type: &commonpb.SignaturePolicy_SignedBy{}}
	for range 90 {
		rule = &commonpb.SignaturePolicy{Type: &commonpb.SignaturePolicy_NOutOf_{NOutOf: &commonpb.SignaturePolicy_NOutOf{N: 1, Rules: []*commonpb.SignaturePolicy{rule}}}}
	}
	tree, err := wire.Decode("common.SignaturePolicy", MustMarshal(t, rule))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(mustIndent(t, tree)); !strings.Contains(text, "too deep") {
		t.Error("180 levels were shown")
	}
	inner := []byte("x")
	for range 300 { // an envelope in an envelope: the orderer's old transactions could
		inner = MustMarshal(t, &commonpb.Envelope{Payload: MustMarshal(t, &commonpb.Payload{
			Header: &commonpb.Header{ChannelHeader: MustMarshal(t, &commonpb.ChannelHeader{Type: int32(commonpb.HeaderType_ORDERER_TRANSACTION)})},
			Data:   inner,
		})})
	}
	tree, err = wire.Decode("common.Envelope", inner)
	if err != nil {
		t.Fatal(err)
	}
	depth := 0
	for o := tree; o != nil; depth++ {
		payload, _ := o.Get("payload").(*wire.Object)
		o, _ = payload.Get("data").(*wire.Object)
	}
	if depth > 60 {
		t.Errorf("%d envelopes deep", depth)
	}
}

// A small message can claim a great many fields; what is shown of them ends.
func TestDecodeBoundsFields(t *testing.T) {
	many := bytes.Repeat([]byte{0x0a, 0x00}, 1_500_000)
	tree, err := wire.Decode("protos.Transaction", many)
	if err != nil {
		t.Fatal(err)
	}
	actions := tree.Get("actions").([]any)
	if last, ok := actions[len(actions)-1].(string); len(actions) > 1_000_001 || !ok || !strings.Contains(last, "left out") {
		t.Errorf("%d items, the last is %v", len(actions), actions[len(actions)-1])
	}
}

func TestBytesText(t *testing.T) {
	for _, tt := range []struct {
		bytes wire.Bytes
		want  string
	}{
		{wire.Bytes("hello\nü"), "hello\nü"},
		{wire.Bytes{0, 1, 255}, "0001ff"},
		{wire.Bytes{'a', 0}, "6100"},
	} {
		if got := tt.bytes.String(); got != tt.want {
			t.Errorf("%x reads %q, want %q", []byte(tt.bytes), got, tt.want)
		}
	}
}

func BenchmarkDecodeEnvelope(b *testing.B) {
	envelope := recorded(b, "private-and-public")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Decode("common.Envelope", envelope); err != nil {
			b.Fatal(err)
		}
	}
}

func mustTree(t testing.TB, m proto.Message) *wire.Object {
	t.Helper()
	tree, err := wire.Decode(string(proto.MessageName(m)), MustMarshal(t, m))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
