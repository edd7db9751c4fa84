package channelconfig_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The whole tree of a new channel, apart from certificates.
func TestGenesisTree(t *testing.T) {
	o := MustOrganisations(t)
	p := o.profile()
	p.ACLs = map[string]string{"qscc/GetBlockByNumber": channelconfig.PathApplicationWriters}
	p.Policies = map[string]string{
		channelconfig.PathEndorsement:              "OR('Org1MSP.peer', 'Org2MSP.peer')",
		"/Channel/Application/Org2MSP/Endorsement": "OR('Org2MSP.member')",
		"/Channel/Application/Auditors":            "ANY Readers",
	}
	var got bytes.Buffer
	writeTree(&got, "/Channel", MustGenesis(t, p).Config().GetChannelGroup())
	golden := filepath.Join("testdata", "genesis.golden")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the tree differs from %s (run with -update to accept):\n%s", golden, got.Bytes())
	}
}

func writeTree(out *bytes.Buffer, path string, g *commonpb.ConfigGroup) {
	fmt.Fprintf(out, "%s version %d mod_policy %s\n", path, g.GetVersion(), g.GetModPolicy())
	for _, name := range slices.Sorted(maps.Keys(g.GetValues())) {
		v := g.GetValues()[name]
		content := fmt.Sprintf("%q", v.GetValue())
		if name == "MSP" || name == "ConsensusType" {
			content = "(certificates)"
		}
		fmt.Fprintf(out, "  value %s version %d mod_policy %s: %s\n", name, v.GetVersion(), v.GetModPolicy(), content)
	}
	for _, name := range slices.Sorted(maps.Keys(g.GetPolicies())) {
		p := g.GetPolicies()[name]
		text := fmt.Sprintf("%q", p.GetPolicy().GetValue())
		env := &commonpb.SignaturePolicyEnvelope{}
		if p.GetPolicy().GetType() == int32(commonpb.Policy_SIGNATURE) && proto.Unmarshal(p.GetPolicy().GetValue(), env) == nil {
			text = policy.Format(env)
		}
		meta := &commonpb.ImplicitMetaPolicy{}
		if p.GetPolicy().GetType() == int32(commonpb.Policy_IMPLICIT_META) && proto.Unmarshal(p.GetPolicy().GetValue(), meta) == nil {
			text = meta.GetRule().String() + " " + meta.GetSubPolicy()
		}
		fmt.Fprintf(out, "  policy %s version %d mod_policy %s: %s\n", name, p.GetVersion(), p.GetModPolicy(), text)
	}
	for _, name := range slices.Sorted(maps.Keys(g.GetGroups())) {
		writeTree(out, path+"/"+name, g.GetGroups()[name])
	}
}

// The same profile makes the same bytes; the block has Fabric's form.
func TestGenesisBlock(t *testing.T) {
	p := MustOrganisations(t).profile()
	block, err := channelconfig.Genesis(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := channelconfig.Genesis(p)
	if err != nil || !proto.Equal(block, again) {
		t.Errorf("the second time the block is another one: %v", err)
	}
	if !bytes.Equal(block.GetHeader().GetDataHash(), wire.DataHash(block.GetData().GetData())) || len(block.GetHeader().GetPreviousHash()) != 0 {
		t.Errorf("header %v", block.GetHeader())
	}
	want := [][]byte{{0x0a, 0x02, 0x0a, 0x00}, {}, {}, {}, {}}
	if !slices.EqualFunc(block.GetMetadata().GetMetadata(), want, bytes.Equal) {
		t.Errorf("metadata %x", block.GetMetadata().GetMetadata())
	}
	envelope, payload, channel, signature := &commonpb.Envelope{}, &commonpb.Payload{}, &commonpb.ChannelHeader{}, &commonpb.SignatureHeader{}
	for _, part := range []struct {
		raw  func() []byte
		into proto.Message
	}{
		{func() []byte { return block.GetData().GetData()[0] }, envelope},
		{envelope.GetPayload, payload},
		{func() []byte { return payload.GetHeader().GetChannelHeader() }, channel},
		{func() []byte { return payload.GetHeader().GetSignatureHeader() }, signature},
	} {
		if err := proto.Unmarshal(part.raw(), part.into); err != nil {
			t.Fatal(err)
		}
	}
	if envelope.GetSignature() != nil || signature.GetCreator() != nil || len(signature.GetNonce()) != 24 {
		t.Errorf("signature %x, creator %x, nonce %x", envelope.GetSignature(), signature.GetCreator(), signature.GetNonce())
	}
	if channel.GetType() != 1 || channel.GetVersion() != 1 || channel.GetChannelId() != "mychannel" || channel.GetExtension() != nil ||
		channel.GetTxId() != wire.TxID(signature.GetNonce(), nil) || channel.GetTimestamp().AsTime() != p.Time {
		t.Errorf("channel header %v", channel)
	}
	p.Nonce = nil
	if other, err := channelconfig.Genesis(p); err != nil || proto.Equal(block, other) {
		t.Errorf("two channels share a nonce: %v", err)
	}
}

// Tools decode the block to the last field: nothing in it may stay mere bytes.
func TestGenesisDecodesCompletely(t *testing.T) {
	block, err := channelconfig.Genesis(MustOrganisations(t).profile())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := wire.Decode("common.Block", MustMarshal(t, block))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"MAJORITY", "Org1MSP", "max_message_count", "orderer2.example.com", "fabric_node_ous", "snapshot_interval_size", "4294967295"} {
		if !bytes.Contains(text, []byte(part)) {
			t.Errorf("the decoded block does not show %s", part)
		}
	}
}

func TestGenesisRefusesBadProfiles(t *testing.T) {
	o := MustOrganisations(t)
	type profile = channelconfig.Profile
	for text, spoil := range map[string]func(p *profile){
		`channel name ""`:                              func(p *profile) { p.Channel = "" },
		`channel name "MyChannel"`:                     func(p *profile) { p.Channel = "MyChannel" },
		"at least one organisation with peers":         func(p *profile) { p.Orgs = nil },
		"and one with ordering nodes":                  func(p *profile) { p.OrdererOrgs = nil },
		"listed twice":                                 func(p *profile) { p.Orgs = append(p.Orgs, p.Orgs[0]) },
		`its MSP configuration is for "Org1MSP"`:       func(p *profile) { p.Orgs[0].MSPID = "Org9MSP" },
		"its MSP configuration has no MSP id":          func(p *profile) { p.Orgs[0].MSPID, p.Orgs[0].Config = "", nil },
		`address "peer0.org1" is not host:port`:        func(p *profile) { p.Orgs[0].AnchorPeers = []string{"peer0.org1"} },
		`address "peer0:99999" has no port`:            func(p *profile) { p.Orgs[0].AnchorPeers = []string{"peer0:99999"} },
		"the Application capability V7_0":              func(p *profile) { p.Capabilities.Application = "V7_0" },
		"preferred_max_bytes (2000) is more":           func(p *profile) { p.Batch.PreferredMaxBytes, p.Batch.AbsoluteMaxBytes = 2000, 1000 },
		"-1s is not more than zero":                    func(p *profile) { p.Batch.Timeout = -1e9 },
		"policy Endorsement: invalid channel":          func(p *profile) { p.Policies = map[string]string{channelconfig.PathEndorsement: "AND("} },
		"write the whole path":                         func(p *profile) { p.Policies = map[string]string{"Endorsement": "ANY Endorsement"} },
		"there is no group Org9MSP":                    func(p *profile) { p.Policies = map[string]string{"/Channel/Application/Org9MSP/Readers": "ANY X"} },
		`implicit meta policy "ANY": write a rule and`: func(p *profile) { p.Policies = map[string]string{channelconfig.PathEndorsement: "ANY"} },
		`group name "Org_1"`:                           func(p *profile) { p.Orgs[0].Name = "Org_1" },
		"MSP id Org1MSP is defined differently": func(p *profile) {
			p.Orgs[1] = channelconfig.OrgProfile{Name: "Twin", Config: MustTwin(t, p.Orgs[0].Config)}
		},
		"MSP Org1MSP: MSP configuration not valid": func(p *profile) {
			p.Orgs[0].Config = &msppb.MSPConfig{Config: MustMarshal(t, &msppb.FabricMSPConfig{Name: "Org1MSP"})}
		},
	} {
		p := o.profile()
		spoil(&p)
		_, err := channelconfig.Genesis(p)
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v does not say %s", err, text)
		}
		if !errors.Is(err, channelconfig.ErrInvalid) && !errors.Is(err, channelconfig.ErrUnsupported) {
			t.Errorf("error %v has no kind", err)
		}
	}
}

// MustTwin is another organisation's configuration under the same MSP id.
func MustTwin(t testing.TB, config *msppb.MSPConfig) *msppb.MSPConfig {
	t.Helper()
	inside := &msppb.FabricMSPConfig{}
	if err := proto.Unmarshal(config.GetConfig(), inside); err != nil {
		t.Fatal(err)
	}
	inside.TlsRootCerts = nil
	return &msppb.MSPConfig{Config: MustMarshal(t, inside)}
}

// With V3_0 only the organisations' own lists of ordering nodes are allowed.
func TestGenesisV3(t *testing.T) {
	p := MustOrganisations(t).profile()
	p.Capabilities.Channel = "V3_0"
	b := MustGenesis(t, p)
	if !b.ChannelV30() || len(b.OrdererEndpoints()) != 3 || b.Config().GetChannelGroup().GetValues()["OrdererAddresses"] != nil {
		t.Errorf("endpoints %v, values %v", b.OrdererEndpoints(), b.Config().GetChannelGroup().GetValues())
	}
	p.OrdererOrgs[0].Endpoints = nil
	p.Capabilities.Channel = ""
	if got := MustGenesis(t, p).OrdererEndpoints(); len(got) != 0 {
		t.Errorf("endpoints %v out of nowhere", got)
	}
}

func TestFromConfigRefuses(t *testing.T) {
	o := MustOrganisations(t)
	type group = commonpb.ConfigGroup
	for text, spoil := range map[string]func(root *group){
		"/Channel/Orderer: there is no such group":           func(g *group) { delete(g.Groups, "Orderer") },
		"/Channel/HashingAlgorithm: \"MD5\" is not known":    func(g *group) { set(t, g, "HashingAlgorithm", &commonpb.HashingAlgorithm{Name: "MD5"}) },
		"/Channel/HashingAlgorithm: \"\" is not known":       func(g *group) { delete(g.Values, "HashingAlgorithm") },
		"/Channel/BlockDataHashingStructure: width 0":        func(g *group) { delete(g.Values, "BlockDataHashingStructure") },
		"/Channel/Orderer/BatchSize: max_message_count is 0": func(g *group) { set(t, g.Groups["Orderer"], "BatchSize", &ordererpb.BatchSize{}) },
		"BatchSize: absolute_max_bytes is 0":                 func(g *group) { set(t, g.Groups["Orderer"], "BatchSize", &ordererpb.BatchSize{MaxMessageCount: 1}) },
		"BatchSize: preferred_max_bytes is 0": func(g *group) {
			set(t, g.Groups["Orderer"], "BatchSize", &ordererpb.BatchSize{MaxMessageCount: 1, AbsoluteMaxBytes: 1})
		},
		"BatchTimeout: \"\" is not a duration": func(g *group) { delete(g.Groups["Orderer"].Values, "BatchTimeout") },
		"ConsensusType: its metadata is not that of etcdraft": func(g *group) {
			set(t, g.Groups["Orderer"], "ConsensusType", &ordererpb.ConsensusType{Type: "etcdraft", Metadata: []byte{7}})
		},
		"Capabilities: it is missing":                       func(g *group) { delete(g.Groups["Orderer"].Values, "Capabilities") },
		"/Channel/Consortiums: this is the system channel":  func(g *group) { g.Groups["Consortiums"] = &group{} },
		"/Channel/Application/Org1MSP: it has no value MSP": func(g *group) { delete(g.Groups["Application"].Groups["Org1MSP"].Values, "MSP") },
		"Org1MSP/MSP: type 1; only X.509":                   func(g *group) { set(t, g.Groups["Application"].Groups["Org1MSP"], "MSP", &msppb.MSPConfig{Type: 1}) },
		"Org1MSP: an organisation has no groups below it":   func(g *group) { g.Groups["Application"].Groups["Org1MSP"].Groups = map[string]*group{"Team": {}} },
		"/Endpoints: this value is not known here; known are [AnchorPeers MSP]": func(g *group) {
			set(t, g.Groups["Application"].Groups["Org1MSP"], "Endpoints", &commonpb.OrdererAddresses{})
		},
		"/Channel/Readers: the policy is empty":   func(g *group) { g.Policies["Readers"] = &commonpb.ConfigPolicy{} },
		"/Channel/Readers: policy type 2":         func(g *group) { g.Policies["Readers"].Policy.Type = 2 },
		"/Channel/Readers: implicit meta policy:": func(g *group) { g.Policies["Readers"].Policy.Value = []byte{7} },
		"rule 5 is not known": func(g *group) {
			g.Policies["Readers"].Policy.Value = MustMarshal(t, &commonpb.ImplicitMetaPolicy{Rule: 5})
		},
		"/Channel/Readers: malformed signature policy": func(g *group) { g.Policies["Readers"].Policy.Type = 1 },
		"with capability V3_0 every ordering organisation": func(g *group) {
			set(t, g, "Capabilities", &commonpb.Capabilities{Capabilities: map[string]*commonpb.Capability{"V3_0": {}}})
		},
		"/Channel/Capabilities: it cannot be read": func(g *group) { g.Values["Capabilities"].Value = []byte{7} },
		`/Channel: value name ""`:                  func(g *group) { g.Values[""] = &commonpb.ConfigValue{} },
		`/Channel: policy name "a b"`:              func(g *group) { g.Policies["a b"] = &commonpb.ConfigPolicy{} },
	} {
		config := proto.CloneOf(MustGenesis(t, o.profile()).Config())
		spoil(config.GetChannelGroup())
		_, err := channelconfig.FromConfig("mychannel", config, nil)
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v does not say %s", err, text)
		}
		if !errors.Is(err, channelconfig.ErrInvalid) && !errors.Is(err, channelconfig.ErrUnsupported) {
			t.Errorf("error %v has no kind", err)
		}
	}
	if _, err := channelconfig.FromConfig("mychannel", nil, nil); !errors.Is(err, channelconfig.ErrInvalid) {
		t.Errorf("no configuration: %v", err)
	}
}

func TestFromBlockRefuses(t *testing.T) {
	for name, block := range map[string]*commonpb.Block{
		"nothing":          nil,
		"no transactions":  wire.NewBlock(7, nil, nil),
		"two transactions": wire.NewBlock(7, nil, [][]byte{{}, {}}),
		"garbage":          wire.NewBlock(7, nil, [][]byte{{7}}),
		"empty envelope":   wire.NewBlock(7, nil, [][]byte{{}}),
	} {
		if _, err := channelconfig.FromBlock(block, nil); !errors.Is(err, channelconfig.ErrNotConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACL(t *testing.T) {
	p := MustOrganisations(t).profile()
	p.ACLs = map[string]string{"peer/Propose": "Admins", "qscc/GetBlockByNumber": "/Channel/Admins", "event/Block": ""}
	b := MustGenesis(t, p)
	for resource, want := range map[string]string{
		"peer/Propose":                         "/Channel/Application/Admins",
		"qscc/GetBlockByNumber":                "/Channel/Admins",
		"qscc/GetChainInfo":                    channelconfig.PathApplicationReaders,
		"event/Block":                          channelconfig.PathApplicationReaders,
		"_lifecycle/CommitChaincodeDefinition": channelconfig.PathApplicationWriters,
		"_lifecycle/InstallChaincode":          "",
		"":                                     "",
	} {
		if got := b.ACL(resource); got != want {
			t.Errorf("%s is guarded by %q, want %q", resource, got, want)
		}
	}
}

// Channels without that policy: a majority of organisations, any member.
func TestLifecycleEndorsementWithoutPolicy(t *testing.T) {
	o := MustOrganisations(t)
	config := proto.CloneOf(MustGenesis(t, o.profile()).Config())
	given, err := MustGenesis(t, o.profile()).LifecycleEndorsement()
	if err != nil || given.Explain(nil).Text != "MAJORITY Endorsement" {
		t.Errorf("with the policy: %v, %v", given, err)
	}
	delete(config.GetChannelGroup().GetGroups()["Application"].Policies, "LifecycleEndorsement")
	b, err := channelconfig.FromConfig("mychannel", config, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.LifecycleEndorsement()
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]*msp.Identity, 0, 2)
	for _, org := range []*msp.Org{o.one, o.two} {
		id, err := b.MSPs().Identity(org.User("User1").Signer.Creator())
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if p.Evaluate(ids[:1]) || !p.Evaluate(ids) {
		t.Errorf("one of two: %v, two of two: %v", p.Evaluate(ids[:1]), p.Evaluate(ids))
	}
}
