package peer

import (
	"bytes"
	"encoding/json"
	"testing"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// The payload that an endorser signs is put together again from its parts for every
// recorded stream: it must be the recorded one.
func TestResponsePayloadAsRecorded(t *testing.T) {
	var transcripts []struct {
		Name                    string `json:"name"`
		SignedProposal          []byte `json:"signed_proposal"`
		ProposalResponsePayload []byte `json:"proposal_response_payload"`
	}
	if err := json.Unmarshal(conformance.Read(t, "stream/index.json"), &transcripts); err != nil {
		t.Fatal(err)
	}
	for _, transcript := range transcripts {
		if len(transcript.ProposalResponsePayload) == 0 {
			continue
		}
		t.Run(transcript.Name, func(t *testing.T) {
			signed := &peerpb.SignedProposal{}
			payload := &peerpb.ProposalResponsePayload{}
			action := &peerpb.ChaincodeAction{}
			for _, err := range []error{
				proto.Unmarshal(transcript.SignedProposal, signed),
				proto.Unmarshal(transcript.ProposalResponsePayload, payload),
				proto.Unmarshal(payload.GetExtension(), action),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			proposal, err := wire.ParseProposal(signed)
			if err != nil {
				t.Fatal(err)
			}
			var event *peerpb.ChaincodeEvent
			if len(action.GetEvents()) > 0 {
				event = &peerpb.ChaincodeEvent{}
				if err := proto.Unmarshal(action.GetEvents(), event); err != nil {
					t.Fatal(err)
				}
				event.ChaincodeId, event.TxId = "forged", "forged"
			}
			tx := &transaction{proposal: proposal, signed: signed}
			got, err := tx.payload(&outcome{response: action.GetResponse(), version: action.GetChaincodeId().GetVersion()}, event, action.GetResults())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, transcript.ProposalResponsePayload) {
				t.Errorf("payload differs:\n got %x\nwant %x", got, transcript.ProposalResponsePayload)
			}
		})
	}
}
