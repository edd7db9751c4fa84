package channelconfig_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// configBlocks returns the config blocks that a real network made.
func configBlocks(t testing.TB) []*commonpb.Block {
	t.Helper()
	blocks := slices.DeleteFunc(conformance.Blocks(t), func(b *commonpb.Block) bool { return !wire.IsConfigBlock(b) })
	if len(blocks) < 5 {
		t.Fatalf("only %d config blocks recorded", len(blocks))
	}
	return blocks
}

func MustBundle(t testing.TB, block *commonpb.Block) *channelconfig.Bundle {
	t.Helper()
	b, err := channelconfig.FromBlock(block, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func MustParseBlock(t testing.TB, block *commonpb.Block) *commonpb.ConfigEnvelope {
	t.Helper()
	_, config, err := channelconfig.ParseBlock(block)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// Every recorded configuration is read, follows from the one before, and the
// orderer's side reaches the same result as the recorded orderer did.
func TestRecordedConfigurationsFollowOneAnother(t *testing.T) {
	blocks := configBlocks(t)
	current := MustBundle(t, blocks[0])
	for _, block := range blocks[1:] {
		if _, err := channelconfig.FromBlock(block, nil); err != nil {
			t.Fatal(err)
		}
		recorded := MustParseBlock(t, block)
		applied, err := current.ApplyUpdate(recorded.GetLastUpdate())
		if err != nil {
			t.Fatalf("block %d: the orderer's side: %v", block.GetHeader().GetNumber(), err)
		}
		if !proto.Equal(applied, recorded) {
			t.Fatalf("block %d: ApplyUpdate gives another configuration than the recorded one", block.GetHeader().GetNumber())
		}
		next, err := current.Next(recorded)
		if err != nil {
			t.Fatalf("block %d: %v", block.GetHeader().GetNumber(), err)
		}
		if next.Sequence() != current.Sequence()+1 || next.Channel() != "mychannel" {
			t.Fatalf("block %d: sequence %d of %s", block.GetHeader().GetNumber(), next.Sequence(), next.Channel())
		}
		if next.MSPs() != current.MSPs() {
			t.Errorf("block %d: no organisation changed, but the identities were thrown away", block.GetHeader().GetNumber())
		}
		current = next
	}
	everybody, err := current.Policy(channelconfig.PathWriters)
	if err != nil || !everybody.Evaluate(nil) {
		t.Errorf("the last recorded /Channel/Writers lets everybody write; got %v, %v", everybody, err)
	}
}

// A block may be skipped, repeated or altered by nobody.
func TestNextRefusesRecordedBlocksOutOfTurn(t *testing.T) {
	blocks := configBlocks(t)
	genesis := MustBundle(t, blocks[0])
	first, second := MustParseBlock(t, blocks[1]), MustParseBlock(t, blocks[2])
	if _, err := genesis.Next(second); !errors.Is(err, channelconfig.ErrSequence) {
		t.Errorf("skipped one: %v", err)
	}
	if _, err := genesis.Next(MustParseBlock(t, blocks[0])); !errors.Is(err, channelconfig.ErrSequence) {
		t.Errorf("repeated: %v", err)
	}
	if _, err := genesis.Next(nil); !errors.Is(err, channelconfig.ErrNotConfig) {
		t.Errorf("nothing: %v", err)
	}
	crossed := &commonpb.ConfigEnvelope{Config: first.GetConfig(), LastUpdate: second.GetLastUpdate()}
	if _, err := genesis.Next(crossed); !errors.Is(err, channelconfig.ErrStale) {
		t.Errorf("another update: %v", err)
	}
	altered := proto.CloneOf(first)
	altered.GetConfig().GetChannelGroup().GetGroups()["Orderer"].GetValues()["BatchTimeout"].Value = []byte("\x0a\x0217")
	if _, err := genesis.Next(altered); !errors.Is(err, channelconfig.ErrDiffers) {
		t.Errorf("altered: %v", err)
	}
	without := proto.CloneOf(first)
	without.LastUpdate = nil
	if _, err := genesis.Next(without); !errors.Is(err, channelconfig.ErrBadUpdate) {
		t.Errorf("without its update: %v", err)
	}
}

// What the recorded genesis block says, through the Bundle.
func TestRecordedGenesis(t *testing.T) {
	b := MustBundle(t, configBlocks(t)[0])
	if got := b.ApplicationOrgs(); !slices.Equal(got, []string{"Org1MSP", "Org2MSP"}) {
		t.Errorf("application organisations %v", got)
	}
	if got := b.OrdererOrgs(); !slices.Equal(got, []string{"OrdererMSP"}) {
		t.Errorf("ordering organisations %v", got)
	}
	if got := b.OrdererEndpoints(); len(got) != 3 || got[0] != "127.0.0.1:16051" {
		t.Errorf("endpoints %v", got)
	}
	if got := len(b.Consenters()); got != 3 || b.ConsensusType() != "etcdraft" {
		t.Errorf("%d consenters of %s", got, b.ConsensusType())
	}
	if got, want := b.Batch(), (channelconfig.Batch{MaxMessageCount: 100, AbsoluteMaxBytes: 10 << 20, PreferredMaxBytes: 2 << 20, Timeout: 300 * time.Millisecond}); got != want {
		t.Errorf("batch %+v, want %+v", got, want)
	}
	if !b.ApplicationV25() || !b.ApplicationV20() || b.ChannelV30() || !b.Capability("Orderer", "V2_0") || b.Maintenance() {
		t.Errorf("capabilities %v %v %v", b.Capabilities("Channel"), b.Capabilities("Orderer"), b.Capabilities("Application"))
	}
	if path, ok := b.OrgPolicyPath("Org2MSP", "Endorsement"); !ok || path != "/Channel/Application/Org2MSP/Endorsement" {
		t.Errorf("path %s", path)
	}
	if apps := b.Applications(); len(apps) != 2 || len(apps[0].AnchorPeers) != 1 {
		t.Errorf("organisations %+v", apps)
	}
	if got := len(b.Policies()); got != 23 {
		t.Errorf("%d policies: %v", got, b.Policies())
	}
}

// Genesis builds the same tree as configtxgen did for the recorded network, apart
// from the list of ordering nodes that older tools look for.
func TestGenesisEqualsTheRecordedOne(t *testing.T) {
	recorded := MustParseBlock(t, configBlocks(t)[0]).GetConfig().GetChannelGroup()
	b := MustBundle(t, configBlocks(t)[0])
	profile := channelconfig.Profile{
		Channel:    "mychannel",
		Consenters: b.Consenters(),
		Options:    b.RaftOptions(),
		Batch:      b.Batch(),
	}
	mspOf := func(group, org string) *msppb.MSPConfig {
		config := &msppb.MSPConfig{}
		if err := proto.Unmarshal(recorded.GetGroups()[group].GetGroups()[org].GetValues()["MSP"].GetValue(), config); err != nil {
			t.Fatal(err)
		}
		return config
	}
	for _, org := range b.Applications() {
		profile.Orgs = append(profile.Orgs, channelconfig.OrgProfile{Name: org.Name, MSPID: org.MSPID, Config: mspOf("Application", org.Name), AnchorPeers: org.AnchorPeers})
	}
	for _, org := range b.Orderers() {
		profile.OrdererOrgs = append(profile.OrdererOrgs, channelconfig.OrdererOrgProfile{Name: org.Name, MSPID: org.MSPID, Config: mspOf("Orderer", org.Name), Endpoints: org.Endpoints})
	}
	block, err := channelconfig.Genesis(profile)
	if err != nil {
		t.Fatal(err)
	}
	made := MustParseBlock(t, block).GetConfig().GetChannelGroup()
	addresses := made.GetValues()["OrdererAddresses"]
	if addresses.GetModPolicy() != "/Channel/Orderer/Admins" {
		t.Errorf("OrdererAddresses has mod_policy %q", addresses.GetModPolicy())
	}
	delete(made.GetValues(), "OrdererAddresses")
	if !proto.Equal(made, recorded) {
		update, err := channelconfig.ComputeUpdate("mychannel", &commonpb.Config{ChannelGroup: recorded}, &commonpb.Config{ChannelGroup: made})
		t.Errorf("the trees differ: %v %v", update, err)
	}
	metadata := configBlocks(t)[0].GetMetadata().GetMetadata()
	if got := block.GetMetadata().GetMetadata(); !bytes.Equal(got[0], []byte{0x0a, 0x02, 0x0a, 0x00}) || !bytes.Equal(got[0], metadata[0]) || len(got) != len(metadata) {
		t.Errorf("metadata %x, recorded %x", got, metadata)
	}
}

// The transaction id of a genesis block is made from the nonce alone.
func TestRecordedGenesisTransactionID(t *testing.T) {
	tx, err := wire.ParseTransaction(configBlocks(t)[0].GetData().GetData()[0])
	if err != nil {
		t.Fatal(err)
	}
	if got := wire.TxID(tx.SignatureHeader.GetNonce(), nil); got != tx.ChannelHeader.GetTxId() || len(tx.SignatureHeader.GetCreator()) != 0 {
		t.Errorf("the recorded id is %s, ours %s", tx.ChannelHeader.GetTxId(), got)
	}
}

// The orderers' signatures on recorded blocks satisfy BlockValidation; the creators
// of recorded transactions may write.
func TestRecordedSignaturesSatisfyPolicies(t *testing.T) {
	blocks := conformance.Blocks(t)
	b, err := channelconfig.FromBlock(blocks[0], msp.NewVerifier(100))
	if err != nil {
		t.Fatal(err)
	}
	metadata := &commonpb.Metadata{}
	if err := proto.Unmarshal(blocks[1].GetMetadata().GetMetadata()[0], metadata); err != nil {
		t.Fatal(err)
	}
	var signed []policy.Signed
	for _, s := range metadata.GetSignatures() {
		header := &commonpb.SignatureHeader{}
		if err := proto.Unmarshal(s.GetSignatureHeader(), header); err != nil {
			t.Fatal(err)
		}
		data := slices.Concat(metadata.GetValue(), s.GetSignatureHeader(), wire.HeaderBytes(blocks[1].GetHeader()))
		signed = append(signed, policy.Signed{Data: data, Identity: header.GetCreator(), Signature: s.GetSignature()})
	}
	if err := b.Check(channelconfig.PathBlockValidation, signed...); err != nil {
		t.Error(err)
	}
	err = b.Check(channelconfig.PathApplicationWriters, signed...)
	var denied *channelconfig.DeniedError
	if !errors.As(err, &denied) || !errors.Is(err, channelconfig.ErrDenied) || denied.Node.Satisfied {
		t.Errorf("an orderer may propose transactions: %v", err)
	}
	signed[0].Signature = signed[0].Signature[1:]
	err = b.Check(channelconfig.PathBlockValidation, signed...)
	if !errors.As(err, &denied) || len(denied.Rejected) != 1 {
		t.Errorf("a broken signature: %v", err)
	}
	if err := b.Check("/Channel/Nobody"); !errors.Is(err, channelconfig.ErrNoPolicy) {
		t.Errorf("an unknown policy: %v", err)
	}
}
