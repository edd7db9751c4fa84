package channelconfig_test

import (
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
)

// Any bytes: a Bundle or an error, and a Bundle answers everything.
func FuzzFromConfig(f *testing.F) {
	for _, block := range configBlocks(f) {
		f.Add(MustMarshal(f, MustParseBlock(f, block)))
	}
	f.Add(MustMarshal(f, &commonpb.ConfigEnvelope{Config: MustGenesis(f, MustOrganisations(f).profile()).Config()}))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		envelope := &commonpb.ConfigEnvelope{}
		if proto.Unmarshal(encoded, envelope) != nil {
			return
		}
		b, err := channelconfig.FromConfig("mychannel", envelope.GetConfig(), nil)
		if err != nil {
			return
		}
		for _, path := range b.Policies() {
			p, err := b.Policy(path)
			if err != nil {
				t.Fatal(err)
			}
			if p.Evaluate(nil) != p.Explain(nil).Satisfied {
				t.Fatalf("%s: Evaluate and Explain differ", path)
			}
		}
		if b.Batch().MaxMessageCount == 0 || b.Batch().Timeout <= 0 || b.MSPs() == nil {
			t.Fatalf("an unusable configuration was accepted: %+v", b.Batch())
		}
		_, _ = b.LifecycleEndorsement()
		_ = b.OrdererEndpoints()
		_, _ = b.Next(envelope)
	})
}

// Any bytes as an update: the next configuration or an error, and what the
// ordering node accepts the peer accepts.
func FuzzApplyUpdate(f *testing.F) {
	blocks := configBlocks(f)
	for _, block := range blocks[1:] {
		f.Add(MustMarshal(f, MustParseBlock(f, block).GetLastUpdate()))
	}
	current := MustBundle(f, blocks[0])
	f.Fuzz(func(t *testing.T, encoded []byte) {
		envelope := &commonpb.Envelope{}
		if proto.Unmarshal(encoded, envelope) != nil {
			return
		}
		applied, err := current.ApplyUpdate(envelope)
		if err != nil {
			return
		}
		if _, err := current.Next(applied); err != nil {
			t.Fatalf("applied, but %v", err)
		}
	})
}

// Any bytes as a block's transaction.
func FuzzParseBlock(f *testing.F) {
	f.Add(configBlocks(f)[0].GetData().GetData()[0])
	f.Fuzz(func(t *testing.T, envelope []byte) {
		block := &commonpb.Block{Data: &commonpb.BlockData{Data: [][]byte{envelope}}}
		if _, config, err := channelconfig.ParseBlock(block); err == nil && config == nil {
			t.Fatal("neither a configuration nor an error")
		}
	})
}
