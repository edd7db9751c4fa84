// Package channelconfig knows what a channel is: which organisations belong to it,
// who may do what, how blocks are cut, and how all of that may change.
//
// Block 0 of every channel is a config block, and so is every block that changes
// the configuration. Genesis writes the first one; FromBlock reads any of them into
// a Bundle, which peers and ordering nodes ask for identities, policies and
// settings while they handle a transaction. A Bundle never changes: ApplyUpdate
// (ordering node) and Next (peer) answer with the configuration that comes after.
//
// The configuration is a tree: /Channel with the groups Orderer and Application,
// and below each of them one group per organisation. Every group holds values,
// policies and a mod_policy, the policy that whoever changes it must satisfy.
//
// Read next: profile.go and genesis.go (writing one), bundle.go (reading one),
// update.go (changing one). The rules come from wire.md E.3 to E.5.
package channelconfig

import "errors"

// Errors. They are wrapped with the part of the tree and the remedy.
var (
	// ErrInvalid: the configuration breaks a rule that every channel keeps.
	ErrInvalid = errors.New("invalid channel configuration")
	// ErrUnsupported: the configuration asks for something this program does not do.
	ErrUnsupported = errors.New("unsupported channel configuration")
	// ErrNotConfig: the block or envelope holds no configuration.
	ErrNotConfig = errors.New("not a configuration")
	// ErrNoPolicy: the channel has no policy of that name. Whoever needs it is refused.
	ErrNoPolicy = errors.New("no such policy")
	// ErrDenied: the signatures do not satisfy a policy. The error is a *DeniedError.
	ErrDenied = errors.New("policy not satisfied")
	// ErrBadUpdate: the bytes of an update cannot be read.
	ErrBadUpdate = errors.New("malformed config update")
	// ErrWrongChannel: the update is for another channel.
	ErrWrongChannel = errors.New("config update for another channel")
	// ErrStale: the update was made against another version of the configuration.
	ErrStale = errors.New("config update does not fit the current configuration")
	// ErrNoChange: the update changes nothing.
	ErrNoChange = errors.New("config update without effect")
	// ErrSequence: the configuration is not the one that follows the current one.
	ErrSequence = errors.New("config sequence does not follow")
	// ErrDiffers: the new configuration is not what its own update leads to.
	ErrDiffers = errors.New("config differs from what its update leads to")
)

// The groups of the tree.
const (
	groupChannel     = "Channel"
	groupOrderer     = "Orderer"
	groupApplication = "Application"
)

// The values that groups hold.
const (
	valueHashing          = "HashingAlgorithm"
	valueBlockHashing     = "BlockDataHashingStructure"
	valueOrdererAddresses = "OrdererAddresses"
	valueConsortium       = "Consortium"
	valueCapabilities     = "Capabilities"
	valueConsensusType    = "ConsensusType"
	valueBatchSize        = "BatchSize"
	valueBatchTimeout     = "BatchTimeout"
	valueRestrictions     = "ChannelRestrictions"
	valueKafkaBrokers     = "KafkaBrokers"
	valueOrderers         = "Orderers"
	valueACLs             = "ACLs"
	valueMSP              = "MSP"
	valueEndpoints        = "Endpoints"
	valueAnchorPeers      = "AnchorPeers"
)

// The policies that a channel of ours has, and the paths that the protocol names.
const (
	policyReaders     = "Readers"
	policyWriters     = "Writers"
	policyAdmins      = "Admins"
	policyEndorsement = "Endorsement"
	policyLifecycle   = "LifecycleEndorsement"
	policyBlocks      = "BlockValidation"

	// PathReaders is who may receive blocks from an ordering node.
	PathReaders = "/Channel/Readers"
	// PathWriters is who may send transactions to an ordering node.
	PathWriters = "/Channel/Writers"
	// PathAdmins is who may change the channel as a whole.
	PathAdmins = "/Channel/Admins"
	// PathBlockValidation is whose signatures make a block.
	PathBlockValidation = "/Channel/Orderer/BlockValidation"
	// PathEndorsement is the endorsement policy of chaincodes that name no other.
	PathEndorsement = "/Channel/Application/Endorsement"
	// PathLifecycleEndorsement is the endorsement policy of chaincode definitions.
	PathLifecycleEndorsement = "/Channel/Application/LifecycleEndorsement"
	// PathApplicationReaders is who may ask peers for blocks and events.
	PathApplicationReaders = "/Channel/Application/Readers"
	// PathApplicationWriters is who may have peers simulate a transaction.
	PathApplicationWriters = "/Channel/Application/Writers"
)

const (
	hashSHA256    = "SHA256"
	fullWidth     = 1<<32 - 1 // the only width of a block's data hash: no tree at all
	consensusRaft = "etcdraft"
	consensusBFT  = "BFT"
	maxTreeDepth  = 8   // groups below /Channel are three deep, an update may claim more
	maxNameBytes  = 249 // of a channel, group, value or policy name
)
