package channelconfig

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
)

func invalid(where, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrInvalid, where, fmt.Sprintf(format, args...))
}

// build checks a configuration and fills a Bundle. previous, if given, is the
// Bundle before this one: if no organisation changed, its identities are used on,
// with everything they remember.
func build(channel string, config *commonpb.Config, v *msp.Verifier, previous *Bundle) (*Bundle, error) {
	if err := checkChannelName(channel); err != nil {
		return nil, err
	}
	root := config.GetChannelGroup()
	if root == nil {
		return nil, invalid("/Channel", "there is no such group")
	}
	b := &Bundle{channel: channel, config: config, verifier: v, capabilities: map[string][]string{}}
	if err := checkNames("/Channel", root, 0); err != nil {
		return nil, err
	}
	if err := b.readRoot(root); err != nil {
		return nil, err
	}
	configs := &mspConfigs{byID: map[string]*msppb.MSPConfig{}}
	if err := b.readGroups(root, configs); err != nil {
		return nil, err
	}
	if err := b.checkCapabilities(root); err != nil {
		return nil, err
	}
	if err := b.loadMSPs(configs, previous); err != nil {
		return nil, err
	}
	return b, b.readPolicies(root)
}

func (b *Bundle) readRoot(root *commonpb.ConfigGroup) error {
	hashing := &commonpb.HashingAlgorithm{}
	width := &commonpb.BlockDataHashingStructure{}
	addresses := &commonpb.OrdererAddresses{}
	capabilities := &commonpb.Capabilities{}
	err := decodeValues("/Channel", root, map[string]proto.Message{
		valueHashing:          hashing,
		valueBlockHashing:     width,
		valueOrdererAddresses: addresses,
		valueCapabilities:     capabilities,
		valueConsortium:       &commonpb.Consortium{},
	})
	if err != nil {
		return err
	}
	if err := b.readCapabilities(groupChannel, root, capabilities); err != nil {
		return err
	}
	if hashing.GetName() != hashSHA256 {
		return invalid("/Channel/HashingAlgorithm", "%q is not known; use %s", hashing.GetName(), hashSHA256)
	}
	if width.GetWidth() != fullWidth {
		return invalid("/Channel/BlockDataHashingStructure", "width %d is not known; use %d", width.GetWidth(), uint32(fullWidth))
	}
	if b.ChannelV30() && len(addresses.GetAddresses()) > 0 {
		return invalid("/Channel/OrdererAddresses", "with capability V3_0 every ordering organisation lists its own Endpoints; remove this value")
	}
	b.rootAddresses = addresses.GetAddresses()
	return nil
}

// readGroups reads Orderer and Application with their organisations.
func (b *Bundle) readGroups(root *commonpb.ConfigGroup, configs *mspConfigs) error {
	for _, name := range sortedKeys(root.GetGroups()) {
		g := root.GetGroups()[name]
		switch name {
		case groupOrderer:
			if err := b.readOrderer(g); err != nil {
				return err
			}
		case groupApplication:
			if err := b.readApplication(g); err != nil {
				return err
			}
		case "Consortiums":
			return fmt.Errorf("%w: /Channel/Consortiums: this is the system channel of an old ordering service, which keeps no transactions", ErrUnsupported)
		default:
			return invalid("/Channel/"+name, "groups here are Orderer and Application")
		}
		orgs, err := readOrgs("/Channel/"+name, g, name == groupOrderer, configs)
		if err != nil {
			return err
		}
		if name == groupOrderer {
			b.ordererOrgs = orgs
		} else {
			b.applicationOrgs = orgs
		}
	}
	if root.GetGroups()[groupOrderer] == nil {
		return invalid("/Channel/Orderer", "there is no such group, so nobody could make blocks")
	}
	return nil
}

func (b *Bundle) readApplication(g *commonpb.ConfigGroup) error {
	capabilities := &commonpb.Capabilities{}
	acls := &peerpb.ACLs{}
	err := decodeValues("/Channel/Application", g, map[string]proto.Message{
		valueCapabilities: capabilities,
		valueACLs:         acls,
	})
	if err != nil {
		return err
	}
	b.acls = absoluteACLs(acls)
	return b.readCapabilities(groupApplication, g, capabilities)
}

// mspConfigs collects the organisations' MSP configurations, each id once.
type mspConfigs struct {
	byID  map[string]*msppb.MSPConfig
	order []string
}

func readOrgs(path string, g *commonpb.ConfigGroup, ordering bool, configs *mspConfigs) ([]Org, error) {
	var orgs []Org
	for _, name := range sortedKeys(g.GetGroups()) {
		org, err := readOrg(path+"/"+name, name, g.GetGroups()[name], ordering, configs)
		if err != nil {
			return nil, err
		}
		orgs = append(orgs, org)
	}
	return orgs, nil
}

func readOrg(path, name string, g *commonpb.ConfigGroup, ordering bool, configs *mspConfigs) (Org, error) {
	if len(g.GetGroups()) > 0 {
		return Org{}, invalid(path, "an organisation has no groups below it")
	}
	config := &msppb.MSPConfig{}
	endpoints := &commonpb.OrdererAddresses{}
	anchors := &peerpb.AnchorPeers{}
	known := map[string]proto.Message{valueMSP: config}
	if ordering {
		known[valueEndpoints] = endpoints
	} else {
		known[valueAnchorPeers] = anchors
	}
	if err := decodeValues(path, g, known); err != nil {
		return Org{}, err
	}
	if g.GetValues()[valueMSP] == nil {
		return Org{}, invalid(path, "it has no value MSP, so none of its members can be known")
	}
	if config.GetType() != 0 {
		return Org{}, fmt.Errorf("%w: %s/MSP: type %d; only X.509 (type 0) is served", ErrUnsupported, path, config.GetType())
	}
	inside := &msppb.FabricMSPConfig{}
	if err := proto.Unmarshal(config.GetConfig(), inside); err != nil {
		return Org{}, invalid(path+"/MSP", "it cannot be read: %v", err)
	}
	if inside.GetName() == "" {
		return Org{}, invalid(path+"/MSP", "it has no MSP id")
	}
	if other := configs.byID[inside.GetName()]; other == nil {
		configs.byID[inside.GetName()] = config
		configs.order = append(configs.order, inside.GetName())
	} else if !proto.Equal(other, config) {
		return Org{}, invalid(path+"/MSP", "MSP id %s is defined differently elsewhere in the channel", inside.GetName())
	}
	org := Org{Name: name, MSPID: inside.GetName(), Endpoints: endpoints.GetAddresses()}
	for _, anchor := range anchors.GetAnchorPeers() {
		org.AnchorPeers = append(org.AnchorPeers, net.JoinHostPort(anchor.GetHost(), strconv.Itoa(int(anchor.GetPort()))))
	}
	return org, nil
}

// loadMSPs makes the set of identities, or takes the previous one if it fits.
func (b *Bundle) loadMSPs(configs *mspConfigs, previous *Bundle) error {
	if previous != nil && previous.ChannelV30() == b.ChannelV30() && previous.sameMSPs(b) {
		b.msps = previous.msps
		return nil
	}
	msps := make([]*msp.MSP, 0, len(configs.order))
	for _, id := range configs.order {
		loaded, err := msp.New(configs.byID[id])
		if err != nil {
			return fmt.Errorf("%w: MSP %s: %w", ErrInvalid, id, err)
		}
		msps = append(msps, loaded)
	}
	b.msps = msp.NewSet(b.verifier, msps...)
	if b.ChannelV30() {
		b.msps.AcceptEd25519()
	}
	return nil
}

// sameMSPs compares the bytes of all organisations' MSP values.
func (b *Bundle) sameMSPs(next *Bundle) bool {
	same := func(x, y *commonpb.ConfigGroup) bool {
		return maps.EqualFunc(x.GetGroups(), y.GetGroups(), func(g, h *commonpb.ConfigGroup) bool {
			return string(g.GetValues()[valueMSP].GetValue()) == string(h.GetValues()[valueMSP].GetValue())
		})
	}
	old, now := b.config.GetChannelGroup().GetGroups(), next.config.GetChannelGroup().GetGroups()
	return same(old[groupOrderer], now[groupOrderer]) && same(old[groupApplication], now[groupApplication])
}

// decodeValues decodes a group's values into the messages of the same names.
// Values that nobody knows make the configuration invalid, as in Fabric.
func decodeValues(path string, g *commonpb.ConfigGroup, known map[string]proto.Message) error {
	for _, name := range sortedKeys(g.GetValues()) {
		into := known[name]
		if into == nil {
			return invalid(path+"/"+name, "this value is not known here; known are %v", sortedKeys(known))
		}
		if err := proto.Unmarshal(g.GetValues()[name].GetValue(), into); err != nil {
			return invalid(path+"/"+name, "it cannot be read: %v", err)
		}
	}
	return nil
}

// readCapabilities refuses capabilities that this program does not know: whoever
// set them expects rules that it would not apply.
func (b *Bundle) readCapabilities(group string, _ *commonpb.ConfigGroup, c *commonpb.Capabilities) error {
	for _, name := range sortedKeys(c.GetCapabilities()) {
		if !slices.Contains(knownCapabilities(group), name) {
			return fmt.Errorf("%w: the %s capability %s; known are %v", ErrUnsupported, group, name, knownCapabilities(group))
		}
		b.capabilities[group] = append(b.capabilities[group], name)
	}
	return nil
}

func knownCapabilities(group string) []string {
	switch group {
	case groupChannel:
		return []string{"V1_1", "V1_3", "V1_4_2", "V1_4_3", "V2_0", "V3_0"}
	case groupOrderer:
		return []string{"V1_1", "V1_4_2", "V2_0"}
	default:
		return []string{"V1_1", "V1_2", "V1_3", "V1_4_2", "V2_0", "V2_5"}
	}
}

// checkCapabilities: members that make blocks must understand what others are told
// to understand.
func (b *Bundle) checkCapabilities(root *commonpb.ConfigGroup) error {
	has := func(g *commonpb.ConfigGroup) bool { return g.GetValues()[valueCapabilities] != nil }
	if has(root.GetGroups()[groupOrderer]) {
		return nil
	}
	if has(root) || has(root.GetGroups()[groupApplication]) {
		return invalid("/Channel/Orderer/Capabilities", "it is missing, but other groups have capabilities; set V2_0")
	}
	return nil
}

// checkChannelName keeps Fabric's rule for names of channels.
func checkChannelName(name string) error {
	ok := name != "" && len(name) <= maxNameBytes && name[0] >= 'a' && name[0] <= 'z'
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-'
	}
	if !ok {
		return fmt.Errorf("%w: channel name %q: use a lower-case letter, then lower-case letters, digits, dots and hyphens, at most %d",
			ErrInvalid, name, maxNameBytes)
	}
	return nil
}

// checkNames keeps Fabric's rule for names of groups, values and policies, and
// bounds the depth of the tree.
func checkNames(path string, g *commonpb.ConfigGroup, depth int) error {
	if depth > maxTreeDepth {
		return invalid(path, "groups are nested more than %d deep", maxTreeDepth)
	}
	for name, sub := range g.GetGroups() {
		if err := checkName(path, "group", name); err != nil {
			return err
		}
		if err := checkNames(path+"/"+name, sub, depth+1); err != nil {
			return err
		}
	}
	for name := range g.GetValues() {
		if err := checkName(path, "value", name); err != nil {
			return err
		}
	}
	for name := range g.GetPolicies() {
		if err := checkName(path, "policy", name); err != nil {
			return err
		}
	}
	return nil
}

func checkName(path, kind, name string) error {
	ok := name != "" && len(name) <= maxNameBytes && name != "." && name != ".."
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-'
	}
	if !ok {
		return invalid(path, "%s name %q: use letters, digits, dots and hyphens, at most %d", kind, name, maxNameBytes)
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
