package wire_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// endorsing is what MustEndorse needs of a signer.
type endorsing interface {
	Creator() []byte
	SignParts(parts ...[]byte) ([]byte, error)
}

// MustEndorse answers a proposal as an endorser would whose chaincode wrote one
// key.
func MustEndorse(t testing.TB, p *wire.ParsedProposal, value string, endorser endorsing) *peerpb.ProposalResponse {
	t.Helper()
	results := MustMarshal(t, &rwsetpb.TxReadWriteSet{NsRwset: []*rwsetpb.NsReadWriteSet{{
		Namespace: p.ChaincodeName,
		Rwset:     MustMarshal(t, &kvrwsetpb.KVRWSet{Writes: []*kvrwsetpb.KVWrite{{Key: "a1", Value: []byte(value)}}}),
	}}})
	action := MustMarshal(t, &peerpb.ChaincodeAction{
		Results:     results,
		Events:      MustMarshal(t, &peerpb.ChaincodeEvent{ChaincodeId: "asset", EventName: "created"}),
		Response:    &peerpb.Response{Status: 200, Payload: []byte("done")},
		ChaincodeId: &peerpb.ChaincodeID{Name: p.ChaincodeName, Version: "1.0"},
	})
	payload := MustMarshal(t, &peerpb.ProposalResponsePayload{ProposalHash: p.Hash(), Extension: action})
	signature, err := endorser.SignParts(payload, endorser.Creator())
	if err != nil {
		t.Fatal(err)
	}
	return &peerpb.ProposalResponse{
		Version:     1,
		Response:    &peerpb.Response{Status: 200},
		Payload:     payload,
		Endorsement: &peerpb.Endorsement{Endorser: endorser.Creator(), Signature: signature},
	}
}

func TestAssembleTransaction(t *testing.T) {
	org1, org2 := MustOrg(t, "Org1MSP", "org1.example.com"), MustOrg(t, "Org2MSP", "org2.example.com")
	client := org1.User("User1").Signer
	peer1, peer2 := org1.Node("peer0").Signer, org2.Node("peer0").Signer
	p := MustProposal(t, client.Creator()).Parsed
	first, second := MustEndorse(t, p, "blue", peer1), MustEndorse(t, p, "blue", peer2)

	payload, err := wire.AssembleTransaction(p, []*peerpb.ProposalResponse{first, second, first})
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := wire.SignEnvelope(payload, client)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := wire.ParseTransaction(MustMarshal(t, envelope))
	if err != nil {
		t.Fatal(err)
	}
	if len(tx.Problems) > 0 {
		t.Fatalf("problems: %q", tx.Problems)
	}
	if tx.TxID != p.TxID() || tx.Channel != "mychannel" || tx.Chaincode != "asset" || tx.Creator.GetMspid() != "Org1MSP" {
		t.Errorf("transaction %q, %q, %q, %q", tx.TxID, tx.Channel, tx.Chaincode, tx.Creator.GetMspid())
	}
	if n := len(tx.Endorsements); n != 2 {
		t.Errorf("%d endorsements; the one given twice must count once", n)
	}
	if !bytes.Equal(tx.ProposalHash, p.Hash()) || !bytes.Equal(wire.Hash(tx.RawChannelHeader, tx.RawActionHeader, tx.ProposalPayload), p.Hash()) {
		t.Error("the proposal hash cannot be recomputed from the transaction")
	}
	if bytes.Contains(payload, []byte("s3 cret!")) {
		t.Error("the transaction holds the transient value")
	}
	if got := wire.CountRWSet(tx.Action.GetResults()); got != (wire.Counts{Writes: 1}) {
		t.Errorf("counts = %+v", got)
	}
	if tx.Event.GetEventName() != "created" || string(tx.Response.GetPayload()) != "done" || string(tx.Input.GetArgs()[1]) != "a1" {
		t.Errorf("event %v, response %v, input %v", tx.Event, tx.Response, tx.Input)
	}
	checkSignatures(t, tx, msp.NewSet(nil, mustMSP(t, org1), mustMSP(t, org2)))
}

func mustMSP(t testing.TB, org *msp.Org) *msp.MSP {
	t.Helper()
	m, err := msp.New(org.MSPConfig())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// checkSignatures checks the creator's and all endorsers' signatures.
func checkSignatures(t *testing.T, tx *wire.Transaction, set *msp.Set) {
	t.Helper()
	creator, err := set.Identity(tx.SignatureHeader.GetCreator())
	if err != nil {
		t.Fatal(err)
	}
	if err := creator.Verify(tx.Payload, tx.Signature); err != nil {
		t.Error(err)
	}
	for i, e := range tx.Endorsements {
		endorser, err := set.Identity(e.GetEndorser())
		if err != nil {
			t.Fatal(err)
		}
		if err := endorser.VerifyParts(e.GetSignature(), tx.ResponsePayload, e.GetEndorser()); err != nil {
			t.Errorf("endorsement %d: %v", i, err)
		}
	}
}

func TestAssembleTransactionRefuses(t *testing.T) {
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	p := MustProposal(t, org.User("User1").Signer.Creator()).Parsed
	good := MustEndorse(t, p, "blue", org.Node("peer0").Signer)
	other := MustEndorse(t, p, "red", org.User("Admin").Signer)

	_, err := wire.AssembleTransaction(p, []*peerpb.ProposalResponse{good, good, other})
	var mismatch *wire.MismatchError
	if !errors.As(err, &mismatch) || mismatch.Index != 2 || !bytes.Equal(mismatch.Other, other.Payload) {
		t.Errorf("different results: %v", err)
	}
	for name, responses := range map[string][]*peerpb.ProposalResponse{
		"none":         nil,
		"nil":          {nil},
		"refused":      {good, {Response: &peerpb.Response{Status: 500, Message: "no such asset"}}},
		"not endorsed": {{Response: &peerpb.Response{Status: 200}, Payload: good.Payload}},
	} {
		if _, err := wire.AssembleTransaction(p, responses); !errors.Is(err, wire.ErrNoEndorsement) {
			t.Errorf("%s: %v, want ErrNoEndorsement", name, err)
		}
	}
}

func TestParseTransactionForgives(t *testing.T) {
	header := &commonpb.Header{
		ChannelHeader:   MustMarshal(t, &commonpb.ChannelHeader{Type: 3, TxId: "id", Extension: []byte{0xff}}),
		SignatureHeader: []byte{0xff},
	}
	payload := func(p *commonpb.Payload) []byte {
		return MustMarshal(t, &commonpb.Envelope{Payload: MustMarshal(t, p)})
	}
	for _, tt := range []struct {
		name    string
		data    []byte
		problem string
	}{
		{"garbage", []byte{0xff}, "transaction does not decode"},
		{"no action", nil, "0 actions"},
		{"garbage action", MustMarshal(t, &peerpb.Transaction{Actions: []*peerpb.TransactionAction{{Payload: []byte{0xff}}}}), "action payload"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tx, err := wire.ParseTransaction(payload(&commonpb.Payload{Header: header, Data: tt.data}))
			if err != nil {
				t.Fatal(err)
			}
			if tx.TxID != "id" || !strings.Contains(strings.Join(tx.Problems, "; "), tt.problem) {
				t.Errorf("id %q, problems %q; want one about %q", tx.TxID, tx.Problems, tt.problem)
			}
		})
	}
	for name, envelope := range map[string][]byte{
		"no header":       payload(&commonpb.Payload{}),
		"garbage":         {0xff},
		"garbage payload": MustMarshal(t, &commonpb.Envelope{Payload: []byte{0xff}}),
	} {
		if _, err := wire.ParseTransaction(envelope); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
}

// The ids, types, chaincodes and proposal hashes of all recorded transactions.
func TestConformanceTransactions(t *testing.T) {
	expected := conformance.Expected(t)
	hashes := 0
	for i, b := range conformance.Blocks(t) {
		for j, envelope := range b.Data.Data {
			want := expected[i].Transactions[j]
			tx, err := wire.ParseTransaction(envelope)
			if err != nil {
				t.Errorf("block %d, transaction %d (%s): %v", i, j, want.Case, err)
				continue
			}
			peek, ok := wire.PeekEnvelope(envelope)
			if !ok || peek.TxID != want.TxID || int(peek.Type) != want.HeaderType || peek.Channel != tx.Channel ||
				(tx.Type == commonpb.HeaderType_ENDORSER_TRANSACTION && peek.Chaincode != tx.Chaincode) {
				t.Errorf("block %d, transaction %d (%s): peek %+v", i, j, want.Case, peek)
			}
			if tx.TxID != want.TxID || int(tx.Type) != want.HeaderType {
				t.Errorf("block %d, transaction %d (%s): id %q, type %s", i, j, want.Case, tx.TxID, tx.Type)
			}
			if want.Code != int(peerpb.TxValidationCode_VALID) || tx.Type != commonpb.HeaderType_ENDORSER_TRANSACTION {
				continue
			}
			if id := wire.TxID(tx.SignatureHeader.GetNonce(), tx.SignatureHeader.GetCreator()); id != want.TxID {
				t.Errorf("block %d, transaction %d (%s): nonce and creator give %s, want %s", i, j, want.Case, id, want.TxID)
			}
			hashes++
			if got := wire.Hash(tx.RawChannelHeader, tx.RawActionHeader, tx.ProposalPayload); !bytes.Equal(got, tx.ProposalHash) {
				t.Errorf("block %d, transaction %d (%s): proposal hash %x, want %x", i, j, want.Case, got, tx.ProposalHash)
			}
		}
	}
	if hashes < 150 {
		t.Errorf("only %d proposal hashes were compared", hashes)
	}
}
