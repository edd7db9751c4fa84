package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
)

func TestTxID(t *testing.T) {
	nonce := make([]byte, 24)
	for i := range nonce {
		nonce[i] = byte(i)
	}
	const want = "151635d156b87fcdd972bf6d45d83eb75864e6b9caff423a784c5c4e58051968"
	if got := wire.TxID(nonce, []byte("creator")); got != want {
		t.Errorf("transaction id = %s, want %s", got, want)
	}
}

// MustProposal builds a proposal of a creator with two arguments and a transient
// value.
func MustProposal(t testing.TB, creator []byte) *wire.Proposal {
	t.Helper()
	p, err := wire.NewProposal(wire.ProposalSpec{
		Channel:   "mychannel",
		Chaincode: "asset",
		Args:      [][]byte{[]byte("CreateAsset"), []byte("a1")},
		Transient: map[string][]byte{"secret": []byte("s3 cret!")},
		Creator:   creator,
		Time:      time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNewProposal(t *testing.T) {
	p := MustProposal(t, []byte("creator"))
	parsed, err := wire.ParseProposal(&peerpb.SignedProposal{ProposalBytes: p.Bytes, Signature: []byte("sig")})
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.CheckHeader(); err != nil {
		t.Error(err)
	}
	if parsed.TxID() != p.TxID || parsed.Channel() != "mychannel" || parsed.ChaincodeName != "asset" || string(parsed.Creator()) != "creator" {
		t.Errorf("parsed %q, %q, %q, %q", parsed.TxID(), parsed.Channel(), parsed.ChaincodeName, parsed.Creator())
	}
	if got := string(bytes.Join(parsed.Input.GetArgs(), []byte(" "))); got != "CreateAsset a1" {
		t.Errorf("args = %q", got)
	}
	if got := string(parsed.Transient["secret"]); got != "s3 cret!" {
		t.Errorf("transient value = %q", got)
	}
	if bytes.Contains(parsed.PayloadForTx, []byte("s3 cret!")) {
		t.Error("the transaction's payload holds the transient value")
	}
	if len(parsed.SignatureHeader.GetNonce()) != wire.NonceLength {
		t.Errorf("nonce of %d bytes", len(parsed.SignatureHeader.GetNonce()))
	}
	// What NewProposal returns is what a receiver sees.
	if !bytes.Equal(parsed.Hash(), p.Parsed.Hash()) || !proto.Equal(parsed.Spec, p.Parsed.Spec) || !proto.Equal(parsed.ChannelHeader, p.Parsed.ChannelHeader) {
		t.Error("the sender's view of the proposal differs from the receiver's")
	}
}

func TestNewProposalRefuses(t *testing.T) {
	for name, spec := range map[string]wire.ProposalSpec{
		"no chaincode":  {Creator: []byte("c")},
		"no creator":    {Chaincode: "asset"},
		"bad channel":   {Chaincode: "asset", Creator: []byte("c"), Channel: "\xff"},
		"bad chaincode": {Chaincode: "\xff", Creator: []byte("c")},
		"bad transient": {Chaincode: "asset", Creator: []byte("c"), Transient: map[string][]byte{"\xff": nil}},
	} {
		if _, err := wire.NewProposal(spec); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestCheckHeader(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*wire.ParsedProposal)
		want   string
	}{
		{"type", func(p *wire.ParsedProposal) { p.ChannelHeader.Type = 2 }, "CONFIG_UPDATE"},
		{"epoch", func(p *wire.ParsedProposal) { p.ChannelHeader.Epoch = 1 }, "epoch"},
		{"nonce", func(p *wire.ParsedProposal) { p.SignatureHeader.Nonce = nil }, "nonce"},
		{"creator", func(p *wire.ParsedProposal) { p.SignatureHeader.Creator = nil }, "creator"},
		{"id", func(p *wire.ParsedProposal) { p.ChannelHeader.TxId = strings.ToUpper(p.ChannelHeader.TxId) }, "transaction id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := MustProposal(t, []byte("creator")).Parsed
			tt.change(p)
			err := p.CheckHeader()
			if !errors.Is(err, wire.ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want ErrMalformed that mentions %q", err, tt.want)
			}
		})
	}
	config, err := wire.NewProposal(wire.ProposalSpec{Chaincode: "cscc", Creator: []byte("c"), Type: commonpb.HeaderType_CONFIG})
	if err != nil {
		t.Fatal(err)
	}
	if err := config.Parsed.CheckHeader(); err != nil {
		t.Errorf("a CONFIG proposal: %v", err)
	}
}

func TestParseProposalRefuses(t *testing.T) {
	good := MustProposal(t, []byte("creator")).Parsed
	header := func(change func(*commonpb.ChannelHeader)) []byte {
		ch := proto.Clone(good.ChannelHeader).(*commonpb.ChannelHeader)
		change(ch)
		return MustMarshal(t, &commonpb.Header{ChannelHeader: MustMarshal(t, ch), SignatureHeader: good.RawSignatureHeader})
	}
	payload := MustMarshal(t, good.Payload)
	rawHeader := MustMarshal(t, &commonpb.Header{ChannelHeader: good.RawChannelHeader, SignatureHeader: good.RawSignatureHeader})
	for name, proposal := range map[string]*peerpb.Proposal{
		"empty":            {},
		"no header":        {Payload: payload},
		"bad header":       {Header: []byte{0xff}, Payload: payload},
		"bad ch header":    {Header: MustMarshal(t, &commonpb.Header{ChannelHeader: []byte{0xff}}), Payload: payload},
		"bad sig header":   {Header: MustMarshal(t, &commonpb.Header{ChannelHeader: good.RawChannelHeader, SignatureHeader: []byte{0xff}}), Payload: payload},
		"no extension":     {Header: header(func(ch *commonpb.ChannelHeader) { ch.Extension = nil }), Payload: payload},
		"bad extension":    {Header: header(func(ch *commonpb.ChannelHeader) { ch.Extension = []byte{0xff} }), Payload: payload},
		"no payload":       {Header: rawHeader},
		"bad payload":      {Header: rawHeader, Payload: []byte{0xff}},
		"bad input":        {Header: rawHeader, Payload: MustMarshal(t, &peerpb.ChaincodeProposalPayload{Input: []byte{0xff}})},
		"no specification": {Header: rawHeader, Payload: MustMarshal(t, &peerpb.ChaincodeProposalPayload{Input: MustMarshal(t, &peerpb.ChaincodeInvocationSpec{})})},
	} {
		p, err := wire.ParseProposal(&peerpb.SignedProposal{ProposalBytes: MustMarshal(t, proposal)})
		if !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: %v, %v; want ErrMalformed", name, p, err)
		}
	}
	if _, err := wire.ParseProposal(nil); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("nil: %v", err)
	}
}

// The hash of a proposal is over both headers as they came and over the payload without
// its transient map.
func TestProposalHash(t *testing.T) {
	p := MustProposal(t, []byte("creator")).Parsed
	if len(p.Payload.GetTransientMap()) == 0 {
		t.Fatal("the proposal has no transient map")
	}
	want := wire.Hash(p.RawChannelHeader, p.RawSignatureHeader, MustMarshal(t, &peerpb.ChaincodeProposalPayload{Input: p.Payload.GetInput()}))
	if !bytes.Equal(want, p.Hash()) {
		t.Errorf("hash %x, want %x", p.Hash(), want)
	}
}

// A client builds, signs and sends a proposal; a peer opens it and checks it.
func ExampleNewProposal() {
	org, err := msp.Generate(msp.OrgSpec{MSPID: "Org1MSP", Domain: "org1.example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	alice := org.User("User1").Signer

	proposal, err := wire.NewProposal(wire.ProposalSpec{
		Channel:   "mychannel",
		Chaincode: "asset",
		Args:      [][]byte{[]byte("ReadAsset"), []byte("a1")},
		Creator:   alice.Creator(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	signed, err := proposal.Sign(alice)
	if err != nil {
		fmt.Println(err)
		return
	}

	received, err := wire.ParseProposal(signed)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(received.Channel(), received.ChaincodeName, received.CheckHeader())
	for _, arg := range received.Input.GetArgs() {
		fmt.Println(string(arg))
	}
	// Output:
	// mychannel asset <nil>
	// ReadAsset
	// a1
}
