package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// MustReplay opens a channel of a peer of the organisation that has committed the
// first blocks of the recorded chain. The peer serves nothing.
func MustReplay(t testing.TB, mspID string, blocks []*commonpb.Block) *channel {
	t.Helper()
	p := &Peer{config: Config{Name: "peer0", MSPID: mspID, Dir: t.TempDir()}, log: slog.New(slog.DiscardHandler), now: time.Now, channels: map[string]*channel{}}
	p.connections = newConnections(nil)
	p.host = &chaincode.Host{}
	_, envelope, err := channelconfig.ParseBlock(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	config := &msppb.MSPConfig{}
	group := envelope.GetConfig().GetChannelGroup().GetGroups()["Application"].GetGroups()[mspID]
	if err := proto.Unmarshal(group.GetValues()["MSP"].GetValue(), config); err != nil {
		t.Fatal(err)
	}
	if p.locals, err = newLocals(mspID, config, nil); err != nil {
		t.Fatal(err)
	}
	c := &channel{peer: p, name: "mychannel", log: p.log, commits: newCommits()}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.surveyor.channel = c
	c.puller = newPuller(c)
	if c.ledger, err = ledger.OpenTemp(ledger.Options{Channel: "mychannel"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	c.validator = c.newValidator(nil)
	p.channels[c.name] = c
	for _, block := range blocks {
		MustCommit(t, c, block)
	}
	return c
}

// MustCommit commits a block without what a host would be needed for.
func MustCommit(t testing.TB, c *channel, block *commonpb.Block) {
	t.Helper()
	result, err := c.validator.Validate(t.Context(), block)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ledger.Commit(t.Context(), result.Block, result.Batch, nil); err != nil {
		t.Fatal(err)
	}
	if result.NextBundle != nil {
		c.validator.Use(result.NextBundle)
		c.current.Store(newSettings(result.NextBundle))
	}
}

// Every approval and every commit of a definition that the recorded network made is
// simulated again: the read-write set must be the same, byte by byte.
func TestLifecycleAsRecorded(t *testing.T) {
	blocks := conformance.Blocks(t)
	peers := map[string]*channel{"Org1MSP": MustReplay(t, "Org1MSP", blocks[:1]), "Org2MSP": MustReplay(t, "Org2MSP", blocks[:1])}
	seen := 0
	for _, block := range blocks[1:] {
		for i, raw := range block.GetData().GetData() {
			recorded, err := wire.ParseTransaction(raw)
			if err != nil || recorded.Chaincode != lifecycleNamespace || recorded.Action == nil {
				continue
			}
			for _, endorsement := range recorded.Endorsements {
				endorser := &msppb.SerializedIdentity{}
				if err := proto.Unmarshal(endorsement.GetEndorser(), endorser); err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("block %d transaction %d %s at %s", block.GetHeader().GetNumber(), i, recorded.Input.GetArgs()[0], endorser.GetMspid())
				t.Run(name, func(t *testing.T) { simulateAgain(t, peers[endorser.GetMspid()], recorded) })
				seen++
			}
		}
		for _, c := range peers {
			MustCommit(t, c, block)
		}
	}
	if seen < 20 {
		t.Errorf("only %d endorsements of _lifecycle were found", seen)
	}
}

func simulateAgain(t *testing.T, c *channel, recorded *wire.Transaction) {
	creator, err := c.settings().bundle.MSPs().Identity(recorded.SignatureHeader.GetCreator())
	if err != nil {
		t.Fatal(err)
	}
	proposal := &wire.ParsedProposal{ChannelHeader: recorded.ChannelHeader, SignatureHeader: recorded.SignatureHeader, ChaincodeName: recorded.Chaincode, Input: recorded.Input}
	tx := &transaction{peer: c.peer, channel: c, proposal: proposal, creator: creator}
	sim, err := c.ledger.NewSimulator(t.Context(), recorded.TxID)
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Done()
	response := tx.lifecycle(t.Context(), c, sim, recorded.Input.GetArgs())
	if response.GetStatus() != 200 {
		t.Fatalf("status %d: %s", response.GetStatus(), response.GetMessage())
	}
	result, err := sim.Result()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(result.Public, recorded.Action.GetResults()) {
		t.Errorf("read-write set differs:\n got %x\nwant %x", result.Public, recorded.Action.GetResults())
	}
	if !proto.Equal(response, recorded.Response) {
		t.Errorf("response %v, recorded %v", response, recorded.Response)
	}
}

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
