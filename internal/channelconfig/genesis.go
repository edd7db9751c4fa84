package channelconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	raftpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer/etcdraft"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
)

// modAdmins is the mod_policy of nearly everything: the Admins of the group.
const modAdmins = policyAdmins

// Genesis makes block 0 of a channel: complete, so that Fabric's own tools decode
// it, and checked, so that FromBlock accepts it. Errors wrap ErrInvalid or
// ErrUnsupported and name the part of the profile.
func Genesis(p Profile) (*commonpb.Block, error) {
	tree, err := buildTree(&p)
	if err != nil {
		return nil, fmt.Errorf("genesis of channel %q: %w", p.Channel, err)
	}
	config := &commonpb.Config{ChannelGroup: tree}
	if _, err := FromConfig(p.Channel, config, nil); err != nil {
		return nil, fmt.Errorf("genesis of channel %q: %w", p.Channel, err)
	}
	block, err := genesisBlock(&p, config)
	if err != nil {
		return nil, fmt.Errorf("genesis of channel %q: %w", p.Channel, err)
	}
	return block, nil
}

// buildTree makes the groups, then puts the profile's own policies over the usual ones.
func buildTree(p *Profile) (*commonpb.ConfigGroup, error) {
	if len(p.Orgs) == 0 || len(p.OrdererOrgs) == 0 {
		// With no organisations an implicit meta policy needs nobody: anyone
		// could rewrite the channel.
		return nil, fmt.Errorf("%w: it needs at least one organisation with peers and one with ordering nodes", ErrInvalid)
	}
	t := &tree{}
	p.Capabilities = p.Capabilities.orDefaults()
	root := t.group(map[string]string{policyReaders: "ANY Readers", policyWriters: "ANY Writers", policyAdmins: "MAJORITY Admins"})
	t.value(root, valueHashing, &commonpb.HashingAlgorithm{Name: hashSHA256})
	t.value(root, valueBlockHashing, &commonpb.BlockDataHashingStructure{Width: fullWidth})
	t.value(root, valueCapabilities, capabilities(p.Capabilities.Channel))
	root.Groups[groupOrderer] = ordererGroup(t, p)
	root.Groups[groupApplication] = applicationGroup(t, p)

	if addresses := allEndpoints(p); len(addresses) > 0 && p.Capabilities.Channel != "V3_0" {
		// The command line client looks here for ordering nodes if it is given
		// none; with V3_0 only the organisations' own lists are allowed.
		t.value(root, valueOrdererAddresses, &commonpb.OrdererAddresses{Addresses: addresses})
		root.Values[valueOrdererAddresses].ModPolicy = "/Channel/Orderer/Admins"
	}
	for _, path := range slices.Sorted(maps.Keys(p.Policies)) {
		t.override(root, path, p.Policies[path])
	}
	return root, t.err
}

func allEndpoints(p *Profile) []string {
	var all []string
	for _, org := range p.OrdererOrgs {
		all = append(all, org.Endpoints...)
	}
	return all
}

func ordererGroup(t *tree, p *Profile) *commonpb.ConfigGroup {
	g := t.group(map[string]string{
		policyReaders: "ANY Readers", policyWriters: "ANY Writers", policyAdmins: "MAJORITY Admins",
		policyBlocks: "ANY Writers",
	})
	options := p.Options
	if options == nil {
		options = defaultOptions()
	}
	metadata, err := proto.Marshal(&raftpb.ConfigMetadata{Consenters: p.Consenters, Options: options})
	t.fail("consenters", err)
	batch := p.Batch.orDefaults()
	t.value(g, valueConsensusType, &ordererpb.ConsensusType{Type: consensusRaft, Metadata: metadata})
	t.value(g, valueBatchSize, &ordererpb.BatchSize{
		MaxMessageCount:   batch.MaxMessageCount,
		AbsoluteMaxBytes:  batch.AbsoluteMaxBytes,
		PreferredMaxBytes: batch.PreferredMaxBytes,
	})
	t.value(g, valueBatchTimeout, &ordererpb.BatchTimeout{Timeout: batch.Timeout.String()})
	t.value(g, valueRestrictions, &ordererpb.ChannelRestrictions{})
	t.value(g, valueCapabilities, capabilities(p.Capabilities.Orderer))
	for _, org := range p.OrdererOrgs {
		id := t.mspID(org.MSPID, org.Config)
		member := t.group(map[string]string{
			policyReaders: oneOf(id, "member"), policyWriters: oneOf(id, "member"), policyAdmins: oneOf(id, "admin"),
		})
		t.value(member, valueMSP, org.Config)
		if len(org.Endpoints) > 0 {
			t.value(member, valueEndpoints, &commonpb.OrdererAddresses{Addresses: org.Endpoints})
		}
		t.org(g, org.Name, id, member)
	}
	return g
}

func applicationGroup(t *tree, p *Profile) *commonpb.ConfigGroup {
	g := t.group(map[string]string{
		policyReaders: "ANY Readers", policyWriters: "ANY Writers", policyAdmins: "MAJORITY Admins",
		policyEndorsement: "MAJORITY Endorsement", policyLifecycle: "MAJORITY Endorsement",
	})
	t.value(g, valueCapabilities, capabilities(p.Capabilities.Application))
	if len(p.ACLs) > 0 {
		acls := &peerpb.ACLs{Acls: map[string]*peerpb.APIResource{}}
		for resource, path := range p.ACLs {
			acls.Acls[resource] = &peerpb.APIResource{PolicyRef: path}
		}
		t.value(g, valueACLs, acls)
	}
	for _, org := range p.Orgs {
		id := t.mspID(org.MSPID, org.Config)
		member := t.group(map[string]string{
			policyReaders: oneOf(id, "admin", "peer", "client"), policyWriters: oneOf(id, "admin", "client"),
			policyAdmins: oneOf(id, "admin"), policyEndorsement: oneOf(id, "peer"),
		})
		t.value(member, valueMSP, org.Config)
		if len(org.AnchorPeers) > 0 {
			t.value(member, valueAnchorPeers, t.anchorPeers(org.AnchorPeers))
		}
		t.org(g, org.Name, id, member)
	}
	return g
}

// oneOf writes the policy that one member of the MSP with any of the roles satisfies.
func oneOf(mspID string, roles ...string) string {
	principals := make([]string, len(roles))
	for i, role := range roles {
		principals[i] = "'" + mspID + "." + role + "'"
	}
	return "OR(" + strings.Join(principals, ",") + ")"
}

func capabilities(name string) *commonpb.Capabilities {
	return &commonpb.Capabilities{Capabilities: map[string]*commonpb.Capability{name: {}}}
}

// tree collects the first error, so that building reads as a plain list.
type tree struct{ err error }

func (t *tree) fail(what string, err error) {
	if err != nil && t.err == nil {
		t.err = fmt.Errorf("%s: %w", what, err)
	}
}

// group makes a group with policies written as text.
func (t *tree) group(policies map[string]string) *commonpb.ConfigGroup {
	g := &commonpb.ConfigGroup{
		Groups:    map[string]*commonpb.ConfigGroup{},
		Values:    map[string]*commonpb.ConfigValue{},
		Policies:  map[string]*commonpb.ConfigPolicy{},
		ModPolicy: modAdmins,
	}
	for name, text := range policies {
		t.policy(g, name, text)
	}
	return g
}

func (t *tree) policy(g *commonpb.ConfigGroup, name, text string) {
	parsed, err := ParsePolicy(text)
	if err != nil {
		t.fail("policy "+name, fmt.Errorf("%w: %w", ErrInvalid, err))
		return
	}
	mod := modAdmins
	if old := g.Policies[name]; old != nil {
		mod = old.ModPolicy
	}
	g.Policies[name] = &commonpb.ConfigPolicy{Policy: parsed, ModPolicy: mod}
}

// value adds a value; maps in it are written in order of their keys, so that one
// profile always makes the same bytes.
func (t *tree) value(g *commonpb.ConfigGroup, name string, content proto.Message) {
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(content)
	t.fail("value "+name, err)
	g.Values[name] = &commonpb.ConfigValue{Value: encoded, ModPolicy: modAdmins}
}

// mspID returns the MSP id inside the configuration and compares it with the one
// that the profile gives beside it.
func (t *tree) mspID(given string, config *msppb.MSPConfig) string {
	inside := &msppb.FabricMSPConfig{}
	if err := proto.Unmarshal(config.GetConfig(), inside); err != nil {
		t.fail("organisation "+given, fmt.Errorf("%w: its MSP configuration cannot be read: %v", ErrInvalid, err))
		return given
	}
	switch {
	case inside.GetName() == "":
		t.fail("organisation "+given, fmt.Errorf("%w: its MSP configuration has no MSP id", ErrInvalid))
	case given != "" && given != inside.GetName():
		t.fail("organisation "+given, fmt.Errorf("%w: its MSP configuration is for %q", ErrInvalid, inside.GetName()))
	}
	return inside.GetName()
}

// org adds an organisation's group under its name, which must be new.
func (t *tree) org(parent *commonpb.ConfigGroup, name, mspID string, member *commonpb.ConfigGroup) {
	if name == "" {
		name = mspID
	}
	if parent.Groups[name] != nil {
		t.fail("organisation "+name, fmt.Errorf("%w: it is listed twice", ErrInvalid))
	}
	parent.Groups[name] = member
}

func (t *tree) anchorPeers(addresses []string) *peerpb.AnchorPeers {
	anchors := &peerpb.AnchorPeers{}
	for _, address := range addresses {
		host, port, err := splitAddress(address)
		t.fail("anchor peer", err)
		anchors.AnchorPeers = append(anchors.AnchorPeers, &peerpb.AnchorPeer{Host: host, Port: int32(port)})
	}
	return anchors
}

// override replaces or adds the policy at an absolute path.
func (t *tree) override(root *commonpb.ConfigGroup, path, text string) {
	parts := strings.Split(path, "/")
	if len(parts) < 3 || parts[0] != "" || parts[1] != groupChannel {
		t.fail("policy "+path, fmt.Errorf("%w: write the whole path, such as %s", ErrInvalid, PathEndorsement))
		return
	}
	g := root
	for _, name := range parts[2 : len(parts)-1] {
		if g = g.Groups[name]; g == nil {
			t.fail("policy "+path, fmt.Errorf("%w: there is no group %s", ErrInvalid, name))
			return
		}
	}
	before := t.err
	t.policy(g, parts[len(parts)-1], text)
	if before == nil && t.err != nil {
		t.err = fmt.Errorf("%s: %w", path, t.err)
	}
}
