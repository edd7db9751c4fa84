package channelconfig

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	raftpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer/etcdraft"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/policy"
)

// Profile is what a person decides about a new channel. Genesis turns it into the
// channel's first block. The zero value of most fields means Fabric's default.
type Profile struct {
	Channel      string       // name: lower-case letters, digits, dots and hyphens
	Capabilities Capabilities // what members must understand
	Orgs         []OrgProfile // organisations with peers, at least one
	OrdererOrgs  []OrdererOrgProfile
	Consenters   []*raftpb.Consenter // the ordering nodes of the Raft cluster
	Options      *raftpb.Options     // Raft's settings; nil is Fabric's sample
	Batch        Batch               // how blocks are cut; zero fields are Fabric's sample
	Policies     map[string]string   // path to policy text, replaces or adds, see ParsePolicy
	ACLs         map[string]string   // resource to policy, for example "qscc/GetBlockByNumber" to PathApplicationWriters
	Time         time.Time           // of the genesis transaction; zero is now
	Nonce        []byte              // of the genesis transaction; nil is random
}

// Capabilities are the feature levels of the three parts of a channel. Empty
// strings mean V2_0, V2_0 and V2_5.
type Capabilities struct {
	Channel     string
	Orderer     string
	Application string
}

// OrgProfile is an organisation with peers.
type OrgProfile struct {
	Name        string           // name of its group, the MSP id if empty
	MSPID       string           // as in Config, may be left empty
	Config      *msppb.MSPConfig // its certificates and rules
	AnchorPeers []string         // "host:port", the first peers that others contact
}

// OrdererOrgProfile is an organisation with ordering nodes.
type OrdererOrgProfile struct {
	Name      string           // name of its group, the MSP id if empty
	MSPID     string           // as in Config, may be left empty
	Config    *msppb.MSPConfig // its certificates and rules
	Endpoints []string         // "host:port" of its ordering nodes, where clients and peers find them
}

// Batch says when an ordering node cuts a block.
type Batch struct {
	MaxMessageCount   uint32        // transactions in a block at most
	AbsoluteMaxBytes  uint32        // a larger transaction is refused
	PreferredMaxBytes uint32        // a block is cut before it grows beyond; a larger transaction gets a block of its own
	Timeout           time.Duration // from a block's first transaction to the cut
}

// Fabric's sample configuration.
const (
	defaultMessageCount   = 500
	defaultAbsoluteBytes  = 10 << 20
	defaultPreferredBytes = 2 << 20
	defaultBatchTimeout   = 2 * time.Second

	defaultChannelCapability     = "V2_0"
	defaultOrdererCapability     = "V2_0"
	defaultApplicationCapability = "V2_5"
)

// defaultOptions is Fabric's sample of Raft settings (wire.md E.6).
func defaultOptions() *raftpb.Options {
	return &raftpb.Options{
		TickInterval:         "500ms",
		ElectionTick:         10,
		HeartbeatTick:        1,
		MaxInflightBlocks:    5,
		SnapshotIntervalSize: 16 << 20,
	}
}

func (b Batch) orDefaults() Batch {
	if b.MaxMessageCount == 0 {
		b.MaxMessageCount = defaultMessageCount
	}
	if b.AbsoluteMaxBytes == 0 {
		b.AbsoluteMaxBytes = max(defaultAbsoluteBytes, b.PreferredMaxBytes)
	}
	if b.PreferredMaxBytes == 0 {
		b.PreferredMaxBytes = min(defaultPreferredBytes, b.AbsoluteMaxBytes)
	}
	if b.Timeout == 0 {
		b.Timeout = defaultBatchTimeout
	}
	return b
}

func (c Capabilities) orDefaults() Capabilities {
	if c.Channel == "" {
		c.Channel = defaultChannelCapability
	}
	if c.Orderer == "" {
		c.Orderer = defaultOrdererCapability
	}
	if c.Application == "" {
		c.Application = defaultApplicationCapability
	}
	return c
}

// ParsePolicy reads the text of a channel policy: an implicit meta policy such as
// "MAJORITY Endorsement", or a signature policy such as "OR('Org1MSP.admin')".
func ParsePolicy(text string) (*commonpb.Policy, error) {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	switch word {
	case policy.Any, policy.All, policy.Majority:
		meta, err := policy.ParseImplicitMeta(text)
		if err != nil {
			return nil, err
		}
		return wrapPolicy(commonpb.Policy_IMPLICIT_META, meta)
	default:
		env, err := policy.Parse(text)
		if err != nil {
			return nil, err
		}
		return wrapPolicy(commonpb.Policy_SIGNATURE, env)
	}
}

func wrapPolicy(kind commonpb.Policy_PolicyType, content proto.Message) (*commonpb.Policy, error) {
	encoded, err := proto.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode policy: %w", err)
	}
	return &commonpb.Policy{Type: int32(kind), Value: encoded}, nil
}

// splitAddress reads "host:port".
func splitAddress(address string) (host string, port uint16, err error) {
	host, number, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return "", 0, fmt.Errorf("%w: address %q is not host:port", ErrInvalid, address)
	}
	parsed, err := strconv.ParseUint(number, 10, 16)
	if err != nil || parsed == 0 {
		return "", 0, fmt.Errorf("%w: address %q has no port between 1 and 65535", ErrInvalid, address)
	}
	return host, uint16(parsed), nil
}
