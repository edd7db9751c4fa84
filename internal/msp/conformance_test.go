package msp_test

import (
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// recordedSet is the organisations in the recorded chain's first block.
func recordedSet(t testing.TB, v *msp.Verifier) *msp.Set {
	t.Helper()
	tx, err := wire.ParseTransaction(conformance.Blocks(t)[0].Data.Data[0])
	if err != nil {
		t.Fatal(err)
	}
	var msps []*msp.MSP
	for _, part := range []string{"Application", "Orderer"} {
		for name, org := range tx.Config.GetConfig().GetChannelGroup().GetGroups()[part].GetGroups() {
			var config msppb.MSPConfig
			if err := proto.Unmarshal(org.GetValues()["MSP"].GetValue(), &config); err != nil {
				t.Fatal(err)
			}
			m, err := msp.New(&config)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			msps = append(msps, m)
		}
	}
	if len(msps) != 3 {
		t.Fatalf("%d organisations, want 3", len(msps))
	}
	return msp.NewSet(v, msps...)
}

// Fabric's verdict on every recorded creator: refused exactly where the identity
// or its signature is refused here.
func TestConformanceCreators(t *testing.T) {
	set := recordedSet(t, msp.NewVerifier(0))
	expected := conformance.Expected(t)
	good, bad := 0, 0
	for i, b := range conformance.Blocks(t) {
		if i == 0 {
			continue // the first block is signed by nobody
		}
		for j, envelope := range b.Data.Data {
			want := expected[i].Transactions[j]
			switch peerpb.TxValidationCode(want.Code) {
			case peerpb.TxValidationCode_BAD_PAYLOAD, peerpb.TxValidationCode_BAD_COMMON_HEADER:
				continue // judged before the creator is looked at
			}
			tx, err := wire.ParseTransaction(envelope)
			if err != nil {
				t.Fatal(err)
			}
			err = checkCreator(set, tx)
			refused := want.Code == int(peerpb.TxValidationCode_BAD_CREATOR_SIGNATURE)
			if (err != nil) != refused {
				t.Errorf("block %d, transaction %d (%s): %v; Fabric says %s", i, j, want.Case, err, want.CodeName)
			}
			if refused {
				bad++
				t.Logf("%s: %v", want.Case, err)
			} else {
				good++
			}
		}
	}
	if good < 300 || bad != 8 {
		t.Errorf("%d creators good and %d bad", good, bad)
	}
}

// checkCreator checks who signed an envelope.
func checkCreator(set *msp.Set, tx *wire.Transaction) error {
	id, err := set.Identity(tx.SignatureHeader.GetCreator())
	if err != nil {
		return err
	}
	return id.Verify(tx.Payload, tx.Signature)
}

// In transactions that Fabric found valid, all endorsements are good but for
// those that the case adds on purpose.
func TestConformanceEndorsements(t *testing.T) {
	set := recordedSet(t, msp.NewVerifier(0))
	expected := conformance.Expected(t)
	good := 0
	for i, b := range conformance.Blocks(t) {
		for j, envelope := range b.Data.Data {
			want := expected[i].Transactions[j]
			tx, err := wire.ParseTransaction(envelope)
			if err != nil {
				t.Fatal(err)
			}
			goodHere := 0
			for k, e := range tx.Endorsements {
				id, err := set.Identity(e.GetEndorser())
				if err == nil {
					err = id.VerifyParts(e.GetSignature(), tx.ResponsePayload, e.GetEndorser())
				}
				if err == nil {
					goodHere++
					continue
				}
				if want.Code == 0 && want.Case != "extra-bad-endorsement" && want.Case != "bad-then-good-same-endorser" {
					t.Errorf("block %d, transaction %d (%s): endorsement %d: %v", i, j, want.Case, k, err)
				}
			}
			if want.Code == 0 && len(tx.Endorsements) > 0 && goodHere == 0 {
				t.Errorf("block %d, transaction %d (%s) is valid without a good endorsement", i, j, want.Case)
			}
			good += goodHere
		}
	}
	if good < 449 {
		t.Errorf("%d endorsements were good, want at least the 449 that were recorded as such", good)
	}
}

// Every block but the first carries a good signature of an ordering node.
func TestConformanceBlockSignatures(t *testing.T) {
	set := recordedSet(t, nil)
	isOrderer := &msppb.MSPPrincipal{Principal: MustMarshal(t, &msppb.MSPRole{MspIdentifier: "OrdererMSP", Role: msppb.MSPRole_ORDERER})}
	for _, b := range conformance.Blocks(t)[1:] {
		var metadata commonpb.Metadata
		if err := proto.Unmarshal(wire.Metadata(b, commonpb.BlockMetadataIndex_SIGNATURES), &metadata); err != nil {
			t.Fatal(err)
		}
		if len(metadata.Signatures) != 1 {
			t.Fatalf("block %d has %d signatures", b.Header.Number, len(metadata.Signatures))
		}
		signature := metadata.Signatures[0]
		var header commonpb.SignatureHeader
		if err := proto.Unmarshal(signature.SignatureHeader, &header); err != nil {
			t.Fatal(err)
		}
		id := MustIdentity(t, set, header.Creator)
		if err := id.VerifyParts(signature.Signature, metadata.Value, signature.SignatureHeader, wire.HeaderBytes(b.Header)); err != nil {
			t.Errorf("block %d: %v", b.Header.Number, err)
		}
		if err := id.Satisfies(isOrderer); err != nil {
			t.Errorf("block %d: %v", b.Header.Number, err)
		}
	}
}
