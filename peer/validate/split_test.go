package validate_test

import (
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/peer/validate"
)

// comparison is one way to take a message apart.
type comparison struct {
	usual proto.Message // a message in its usual form
	split func(raw []byte) (proto.Message, bool)
}

func comparisons() map[string]comparison {
	b := func(text string) []byte { return []byte(text) }
	return map[string]comparison{
		"payload": {
			&commonpb.Payload{Header: &commonpb.Header{ChannelHeader: b("channel"), SignatureHeader: b("signature")}, Data: b("data")},
			func(raw []byte) (proto.Message, bool) {
				m := new(commonpb.Payload)
				return m, validate.SplitPayload(raw, m)
			},
		},
		"signature header": {
			&commonpb.SignatureHeader{Creator: b("creator"), Nonce: b("nonce")},
			func(raw []byte) (proto.Message, bool) {
				m := new(commonpb.SignatureHeader)
				return m, validate.SplitSignatureHeader(raw, m)
			},
		},
		"actions": {
			&peerpb.Transaction{Actions: []*peerpb.TransactionAction{{Header: b("header"), Payload: b("payload")}}},
			func(raw []byte) (proto.Message, bool) {
				action, ok := validate.SplitActions(raw)
				return &peerpb.Transaction{Actions: []*peerpb.TransactionAction{action}}, ok
			},
		},
		"action": {
			&peerpb.ChaincodeActionPayload{ChaincodeProposalPayload: b("proposal"), Action: &peerpb.ChaincodeEndorsedAction{
				ProposalResponsePayload: b("result"), Endorsements: []*peerpb.Endorsement{{Endorser: b("a"), Signature: b("b")}, {Endorser: b("c"), Signature: b("d")}},
			}},
			func(raw []byte) (proto.Message, bool) {
				m := new(peerpb.ChaincodeActionPayload)
				return m, validate.SplitAction(raw, m)
			},
		},
		"result": {
			&peerpb.ProposalResponsePayload{ProposalHash: b("hash"), Extension: b("extension")},
			func(raw []byte) (proto.Message, bool) {
				m := new(peerpb.ProposalResponsePayload)
				return m, validate.SplitResult(raw, m)
			},
		},
	}
}

// What is taken apart without a decoder is what a decoder finds.
func TestSplit(t *testing.T) {
	for name, c := range comparisons() {
		t.Run(name, func(t *testing.T) {
			raw := MustMarshal(t, c.usual)
			if got, ok := c.split(raw); !ok || !proto.Equal(got, c.usual) {
				t.Fatalf("%t, %v; want %v", ok, got, c.usual)
			}
			rapid.Check(t, func(rt *rapid.T) {
				changed := append([]byte(nil), raw...)
				for range rapid.IntRange(1, 3).Draw(rt, "changes") {
					at := rapid.IntRange(0, len(changed)).Draw(rt, "at")
					end := min(len(changed), at+rapid.IntRange(0, 3).Draw(rt, "remove"))
					insert := rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom([]byte{0x0a, 0x12, 0, 1, 2, 0x80}), rapid.Byte()), 0, 3).Draw(rt, "insert")
					changed = append(append(append([]byte(nil), changed[:at]...), insert...), changed[end:]...)
				}
				got, ok := c.split(changed)
				if !ok {
					return
				}
				want := c.usual.ProtoReflect().New().Interface()
				if err := proto.Unmarshal(changed, want); err != nil || !proto.Equal(got, want) {
					rt.Fatalf("%x: %v; the decoder says %v, %v", changed, got, want, err)
				}
			})
		})
	}
}
