package wire_test

import (
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/wire"
)

func TestPeekProposal(t *testing.T) {
	p := MustProposal(t, []byte("creator"))
	want := wire.Peek{Type: commonpb.HeaderType_ENDORSER_TRANSACTION, Channel: "mychannel", TxID: p.TxID, Chaincode: "asset"}
	if got, ok := wire.PeekProposal(p.Bytes); !ok || got != want {
		t.Errorf("peek = %+v, %t; want %+v", got, ok, want)
	}
	for _, b := range [][]byte{nil, {}, {0xff}, {0x0a}, {0x0a, 0x05}, {0x0a, 0x00}, {0x08, 0x01}} {
		if got, ok := wire.PeekProposal(b); ok {
			t.Errorf("%x is a proposal: %+v", b, got)
		}
	}
}

func TestPeekAllocatesStringsOnly(t *testing.T) {
	p := MustProposal(t, []byte("creator"))
	if n := testing.AllocsPerRun(100, func() { wire.PeekProposal(p.Bytes) }); n > 3 {
		t.Errorf("%v allocations, want the three strings", n)
	}
}

// Whatever the bytes are, peeking ends.
func FuzzPeekProposal(f *testing.F) {
	f.Add(MustProposal(f, []byte("creator")).Bytes)
	f.Add([]byte{0x0a, 0x02, 0x0a, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		wire.PeekProposal(b)
	})
}

// Where a decoder accepts the bytes, peeking sees the same.
func FuzzPeekEnvelope(f *testing.F) {
	f.Add(seedEnvelope(f))
	f.Add(splitHeader(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		peek, ok := wire.PeekEnvelope(b)
		tx, err := wire.ParseTransaction(b)
		if err != nil || tx.ChannelHeader == nil || len(tx.RawChannelHeader) == 0 {
			return
		}
		if !ok || peek.TxID != tx.TxID || peek.Channel != tx.Channel || peek.Type != tx.Type {
			t.Fatalf("peek %+v, %t; decoded %q, %q, %s", peek, ok, tx.TxID, tx.Channel, tx.Type)
		}
		if tx.Chaincode != "" && peek.Chaincode != tx.Chaincode {
			t.Fatalf("peek sees chaincode %q, the decoder %q", peek.Chaincode, tx.Chaincode)
		}
	})
}

// splitHeader is an envelope whose header and chaincode id come in two pieces
// each, which a decoder puts together.
func splitHeader(t testing.TB) []byte {
	t.Helper()
	id := &peerpb.ChaincodeHeaderExtension{ChaincodeId: &peerpb.ChaincodeID{Name: "cc"}}
	version := &peerpb.ChaincodeHeaderExtension{ChaincodeId: &peerpb.ChaincodeID{Version: "1"}}
	channelHeader := MustMarshal(t, &commonpb.ChannelHeader{
		Type: 3, ChannelId: "ch", TxId: "id",
		Extension: append(MustMarshal(t, id), MustMarshal(t, version)...),
	})
	first := MustMarshal(t, &commonpb.Payload{Header: &commonpb.Header{ChannelHeader: channelHeader}})
	second := MustMarshal(t, &commonpb.Payload{Header: &commonpb.Header{SignatureHeader: []byte{0x0a, 0x00}}})
	return MustMarshal(t, &commonpb.Envelope{Payload: append(first, second...)})
}

func TestPeekMerges(t *testing.T) {
	want := wire.Peek{Type: commonpb.HeaderType_ENDORSER_TRANSACTION, Channel: "ch", TxID: "id", Chaincode: "cc"}
	if got, ok := wire.PeekEnvelope(splitHeader(t)); !ok || got != want {
		t.Errorf("peek = %+v, %t; want %+v", got, ok, want)
	}
}

func BenchmarkPeekProposal(b *testing.B) {
	p := MustProposal(b, make([]byte, 900))
	b.ReportAllocs()
	for b.Loop() {
		wire.PeekProposal(p.Bytes)
	}
}

func BenchmarkPeekEnvelope(b *testing.B) {
	org := MustOrg(b, "Org1MSP", "org1.example.com")
	envelope := mustEnvelope(b, org)
	b.ReportAllocs()
	for b.Loop() {
		wire.PeekEnvelope(envelope)
	}
}
