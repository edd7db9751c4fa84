package channelconfig

import (
	"fmt"
	"maps"
	"slices"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	raftpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer/etcdraft"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
)

// Bundle is one configuration of one channel, checked and ready to be asked. It
// never changes, so any number of goroutines may share it.
type Bundle struct {
	channel  string
	config   *commonpb.Config
	verifier *msp.Verifier

	msps     *msp.Set
	policies map[string]policy.Policy // by absolute path
	orderer  ordererSettings
	acls     map[string]string // resource to absolute policy path

	ordererOrgs     []Org
	applicationOrgs []Org
	rootAddresses   []string
	capabilities    map[string][]string // by group, sorted
}

// Org is an organisation's place in a channel.
type Org struct {
	Name        string   // name of its group in the configuration, usually its MSP id
	MSPID       string   // id that its members' identities carry
	Endpoints   []string // "host:port" of its ordering nodes, in the order written
	AnchorPeers []string // "host:port", in the order written
}

// ordererSettings is what the Orderer group says about making blocks.
type ordererSettings struct {
	consensus  string
	state      ordererpb.ConsensusType_State
	consenters []*raftpb.Consenter
	options    *raftpb.Options
	batch      Batch
}

// FromBlock reads the configuration out of a config block. It trusts the block:
// whether it may follow the one before is Next's question. Errors wrap
// ErrNotConfig, ErrInvalid or ErrUnsupported. A nil verifier remembers no signatures.
func FromBlock(b *commonpb.Block, v *msp.Verifier) (*Bundle, error) {
	channel, envelope, err := ParseBlock(b)
	if err != nil {
		return nil, err
	}
	bundle, err := FromConfig(channel, envelope.GetConfig(), v)
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", b.GetHeader().GetNumber(), err)
	}
	return bundle, nil
}

// FromConfig checks a configuration and makes it ready. The config is kept and
// must not be changed afterwards. Errors wrap ErrInvalid or ErrUnsupported.
func FromConfig(channel string, config *commonpb.Config, v *msp.Verifier) (*Bundle, error) {
	return build(channel, config, v, nil)
}

// Channel is the channel's name.
func (b *Bundle) Channel() string { return b.channel }

// Config is the configuration as it stands in the block. It must not be changed.
func (b *Bundle) Config() *commonpb.Config { return b.config }

// Sequence counts the changes since the channel was made, 0 in its first block.
func (b *Bundle) Sequence() uint64 { return b.config.GetSequence() }

// MSPs knows the identities of all organisations of the channel.
func (b *Bundle) MSPs() *msp.Set { return b.msps }

// Verifier remembers which signatures were checked; nil if none are remembered.
func (b *Bundle) Verifier() *msp.Verifier { return b.verifier }

// Batch says how blocks are cut.
func (b *Bundle) Batch() Batch { return b.orderer.batch }

// ConsensusType is the name of the ordering protocol: "etcdraft", or "BFT" in some
// Fabric 3 channels.
func (b *Bundle) ConsensusType() string { return b.orderer.consensus }

// Maintenance tells whether the channel accepts configuration changes only.
func (b *Bundle) Maintenance() bool {
	return b.orderer.state == ordererpb.ConsensusType_STATE_MAINTENANCE
}

// Consenters are the nodes of the Raft cluster, none with another protocol. They
// must not be changed.
func (b *Bundle) Consenters() []*raftpb.Consenter { return b.orderer.consenters }

// RaftOptions are the Raft settings, nil with another protocol. They must not be changed.
func (b *Bundle) RaftOptions() *raftpb.Options { return b.orderer.options }

// ApplicationOrgs lists the MSP ids of the organisations with peers, sorted.
func (b *Bundle) ApplicationOrgs() []string { return mspIDs(b.applicationOrgs) }

// OrdererOrgs lists the MSP ids of the organisations with ordering nodes, sorted.
func (b *Bundle) OrdererOrgs() []string { return mspIDs(b.ordererOrgs) }

func mspIDs(orgs []Org) []string {
	ids := make([]string, len(orgs))
	for i, org := range orgs {
		ids[i] = org.MSPID
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Applications returns the organisations with peers, sorted by group name.
func (b *Bundle) Applications() []Org { return slices.Clone(b.applicationOrgs) }

// Orderers returns the organisations with ordering nodes, sorted by group name.
func (b *Bundle) Orderers() []Org { return slices.Clone(b.ordererOrgs) }

// OrdererEndpoints lists where ordering nodes are found, each once: those of the
// organisations or, if there are none, the channel's own list.
func (b *Bundle) OrdererEndpoints() []string {
	var all []string
	for _, org := range b.ordererOrgs {
		all = append(all, org.Endpoints...)
	}
	if len(all) == 0 {
		all = slices.Clone(b.rootAddresses)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// OrgPolicyPath is the path of a policy of the application organisation with the
// MSP id, such as /Channel/Application/Org1MSP/Endorsement; false if the channel
// has no such organisation. Implicit collections are governed by it.
func (b *Bundle) OrgPolicyPath(mspID, name string) (string, bool) {
	for _, org := range b.applicationOrgs {
		if org.MSPID == mspID {
			return "/" + groupChannel + "/" + groupApplication + "/" + org.Name + "/" + name, true
		}
	}
	return "", false
}

// Capability tells whether a group ("Channel", "Orderer" or "Application") has a
// capability, such as "V2_5".
func (b *Bundle) Capability(group, name string) bool {
	return slices.Contains(b.capabilities[group], name)
}

// Capabilities lists a group's capabilities, sorted.
func (b *Bundle) Capabilities(group string) []string { return slices.Clone(b.capabilities[group]) }

// ApplicationV20 tells whether the channel uses the chaincode lifecycle and the
// validation rules of Fabric 2.0.
func (b *Bundle) ApplicationV20() bool {
	return b.Capability(groupApplication, "V2_0") || b.ApplicationV25()
}

// ApplicationV25 tells whether private data may be purged on this channel.
func (b *Bundle) ApplicationV25() bool { return b.Capability(groupApplication, "V2_5") }

// ChannelV30 tells whether the channel uses the rules of Fabric 3.0.
func (b *Bundle) ChannelV30() bool { return b.Capability(groupChannel, "V3_0") }

// Policies lists the absolute paths of all policies, sorted.
func (b *Bundle) Policies() []string { return slices.Sorted(maps.Keys(b.policies)) }

// readOrderer reads the Orderer group's own values.
func (b *Bundle) readOrderer(g *commonpb.ConfigGroup) error {
	consensus := &ordererpb.ConsensusType{}
	size := &ordererpb.BatchSize{}
	timeout := &ordererpb.BatchTimeout{}
	capabilities := &commonpb.Capabilities{}
	err := decodeValues("/Channel/Orderer", g, map[string]proto.Message{
		valueConsensusType: consensus,
		valueBatchSize:     size,
		valueBatchTimeout:  timeout,
		valueCapabilities:  capabilities,
		valueRestrictions:  &ordererpb.ChannelRestrictions{},
		valueKafkaBrokers:  &ordererpb.KafkaBrokers{},
		valueOrderers:      &commonpb.Orderers{},
	})
	if err != nil {
		return err
	}
	if err := b.readCapabilities(groupOrderer, g, capabilities); err != nil {
		return err
	}
	if b.orderer.batch, err = readBatch(size, timeout); err != nil {
		return err
	}
	b.orderer.consensus, b.orderer.state = consensus.GetType(), consensus.GetState()
	if consensus.GetType() != consensusRaft {
		return nil
	}
	metadata := &raftpb.ConfigMetadata{}
	if err := proto.Unmarshal(consensus.GetMetadata(), metadata); err != nil {
		return invalid("/Channel/Orderer/ConsensusType", "its metadata is not that of etcdraft: %v", err)
	}
	b.orderer.consenters, b.orderer.options = metadata.GetConsenters(), metadata.GetOptions()
	return nil
}

func readBatch(size *ordererpb.BatchSize, timeout *ordererpb.BatchTimeout) (Batch, error) {
	batch := Batch{
		MaxMessageCount:   size.GetMaxMessageCount(),
		AbsoluteMaxBytes:  size.GetAbsoluteMaxBytes(),
		PreferredMaxBytes: size.GetPreferredMaxBytes(),
	}
	const at = "/Channel/Orderer/BatchSize"
	switch {
	case batch.MaxMessageCount == 0:
		return Batch{}, invalid(at, "max_message_count is 0; allow at least one transaction a block")
	case batch.AbsoluteMaxBytes == 0:
		return Batch{}, invalid(at, "absolute_max_bytes is 0; no transaction would fit")
	case batch.PreferredMaxBytes == 0:
		return Batch{}, invalid(at, "preferred_max_bytes is 0; give at least the size of one transaction")
	case batch.PreferredMaxBytes > batch.AbsoluteMaxBytes:
		return Batch{}, invalid(at, "preferred_max_bytes (%d) is more than absolute_max_bytes (%d)",
			batch.PreferredMaxBytes, batch.AbsoluteMaxBytes)
	}
	var err error
	if batch.Timeout, err = time.ParseDuration(timeout.GetTimeout()); err != nil {
		return Batch{}, invalid("/Channel/Orderer/BatchTimeout", "%q is not a duration such as 2s", timeout.GetTimeout())
	}
	if batch.Timeout <= 0 {
		return Batch{}, invalid("/Channel/Orderer/BatchTimeout", "%s is not more than zero", batch.Timeout)
	}
	return batch, nil
}
