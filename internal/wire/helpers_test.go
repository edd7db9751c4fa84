package wire_test

import (
	"encoding/hex"
	"io"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
)

// MustHex decodes hexadecimal digits.
func MustHex(t testing.TB, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatalf("hex %q: %v", digits, err)
	}
	return b
}

// MustMarshal encodes a message.
func MustMarshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatalf("encode %T: %v", m, err)
	}
	return b
}

// MustOrg makes an organisation with a peer, an administrator and a client.
func MustOrg(t testing.TB, mspID, domain string) *msp.Org {
	t.Helper()
	org, err := msp.Generate(msp.OrgSpec{MSPID: mspID, Domain: domain, Nodes: []msp.NodeSpec{{Name: "peer0"}}})
	if err != nil {
		t.Fatalf("organisation %s: %v", domain, err)
	}
	return org
}

// repeat is n times the byte b.
func repeat(b byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}

// writeBlock appends a block to a file of many: its length as a varint and its bytes.
func writeBlock(w io.Writer, b *commonpb.Block) error {
	_, err := protodelim.MarshalTo(w, b)
	return err
}
