package trace

// Kind names what an event is about. The strings are public: they appear in
// listings, filters, scenarios, holds and exports, and they do not change.
type Kind string

// Messages between clients, peers and ordering nodes. Each is recorded by
// internal/link at both ends, with Dir Sent and Received.
const (
	Proposal         Kind = "proposal"          // client or gateway asks an endorser; Key = chaincode
	ProposalResponse Kind = "proposal-response" // the endorser's answer; Note = status
	GatewayCall      Kind = "gateway"           // a call of the Gateway service; Key = method
	GatewayAnswer    Kind = "gateway-answer"    // its answer; Key = method
	Broadcast        Kind = "broadcast"         // an envelope for the ordering service
	BroadcastAnswer  Kind = "broadcast-answer"  // the ordering service took or refused it; Note = status
	Forward          Kind = "forward"           // an ordering node passes an envelope to the leader
	ForwardAnswer    Kind = "forward-answer"    // the leader's verdict on it
	Seek             Kind = "seek"              // a reader asks for blocks
	DeliverBlock     Kind = "block"             // one block on its way to a reader; Block = its number
	DeliverFiltered  Kind = "filtered-block"    // one filtered block; Block = its number
	DeliverStatus    Kind = "deliver-status"    // end of a seek; Note = status
	PeerCall         Kind = "peer-call"         // Fabriscope's own peer to peer service; Key = method
	PeerAnswer       Kind = "peer-answer"       // its answer; Key = method
	Other            Kind = "other"             // any other call; Key = gRPC method
)

// Raft's own messages between ordering nodes.
const (
	RaftAppend       Kind = "raft.append"        // AppendEntries with entries; Note = term, indexes
	RaftAppendReply  Kind = "raft.append-reply"  // its answer
	RaftHeartbeat    Kind = "raft.heartbeat"     // AppendEntries without entries
	RaftHeartbeatAck Kind = "raft.heartbeat-ack" // its answer
	RaftVote         Kind = "raft.vote"          // a candidate asks for a vote
	RaftVoteReply    Kind = "raft.vote-reply"    // the vote; Note = granted or refused
	RaftSnapshot     Kind = "raft.snapshot"      // a snapshot for a node that was away too long
	RaftTimeoutNow   Kind = "raft.timeout-now"   // leadership transfer
	RaftOther        Kind = "raft.other"         // answers of the two above and pre-votes
)

// The chaincode stream: "chaincode." and the protocol's own message name in
// lower case, for example "chaincode.get_state". Node and Other are the peer and
// the chaincode (in either order); Key = the state key where there is one.
const (
	ChaincodePrefix      Kind = "chaincode."
	ChaincodeRegister    Kind = "chaincode.register"
	ChaincodeRegistered  Kind = "chaincode.registered"
	ChaincodeReady       Kind = "chaincode.ready"
	ChaincodeInit        Kind = "chaincode.init"
	ChaincodeTransaction Kind = "chaincode.transaction" // Key = the function
	ChaincodeGetState    Kind = "chaincode.get_state"
	ChaincodePutState    Kind = "chaincode.put_state"
	ChaincodeDelState    Kind = "chaincode.del_state"
	ChaincodeResponse    Kind = "chaincode.response"
	ChaincodeCompleted   Kind = "chaincode.completed"
	ChaincodeError       Kind = "chaincode.error"
	ChaincodeUnknown     Kind = "chaincode.unknown" // a type that the protocol does not have; Note = its number
)

// What happens to a transaction inside a peer or a client.
const (
	SimulateStart Kind = "simulate.start" // a simulator was opened; Block = committed height it sees
	SimulateEnd   Kind = "simulate.end"   // the read-write set is complete; Note = reads, writes, status
	ReadAdded     Kind = "rwset.read"     // the read set grew; Key = key, Note = version
	RangeAdded    Kind = "rwset.range"    // a range query was recorded; Key = start, Note = end and count
	RichQuery     Kind = "rwset.rich"     // a rich query was asked; Key = query, What = how it is answered, Note = the index or CouchDB's warning
	WriteAdded    Kind = "rwset.write"    // the write set grew; Key = key, Note = size or "delete"
	Endorsed      Kind = "endorsed"       // the peer signed the result; Note = digest of the result
	Refused       Kind = "refused"        // the peer did not endorse; Note = why
	Compared      Kind = "compared"       // the client compared the results; Note = equal or what differs
	Submitted     Kind = "submitted"      // the client sent the envelope for ordering
	CommitSeen    Kind = "commit-seen"    // the client learned the verdict; Note = code
)

// What happens to blocks.
const (
	Enqueued Kind = "enqueued" // the leader took an envelope into its batch; Note = count and bytes pending
	// ChannelConfig is recorded by an ordering node at its start and when a block of
	// configuration is in force: Block = that block's number, A, B, C = the limits of a batch.
	ChannelConfig Kind = "channel.config"
	BlockCut      Kind = "block.cut"     // the batch was cut; What = why; Block = its number if this node goes on leading
	BlockWritten  Kind = "block.written" // an ordering node wrote the block; B and C are those of the block.cut that it was
	BlockPulled   Kind = "block.pulled"  // a peer received the block; Block = number
	ValidateFrom  Kind = "validate.start"
	PolicyJudged  Kind = "validate.policy" // one transaction's signatures and policies; Note = code
	VersionCheck  Kind = "validate.mvcc"   // one transaction's read versions; Note = code
	Verdict       Kind = "verdict"         // final code of one transaction; Key = code name, Note = reason
	Committed     Kind = "committed"       // block, state and history are on disk; Key = commit hash in hex
	// DiskSync is a wait of a peer or an ordering node for the disk, recorded soon after it
	// has ended: What = which, A = how long, B = bytes.
	DiskSync Kind = "disk.sync"
)

// Chaincode life, all recorded by the peer concerned; Key = package id or name.
const (
	Installed     Kind = "chaincode-install"
	BuildStart    Kind = "chaincode-build.start"
	BuildEnd      Kind = "chaincode-build.end"
	LaunchStart   Kind = "chaincode-launch.start"
	LaunchEnd     Kind = "chaincode-launch.end" // registered and ready
	ChaincodeExit Kind = "chaincode-exit"       // Note = exit code or cause
	// ChaincodeLog is a line that a chaincode printed, at stdout or stderr: Other = the
	// chaincode, Name = its package id, Key = the line, cut where it is very long. Of a
	// chaincode that prints very much lines are left out: What = LinesLeftOut, A = how many.
	ChaincodeLog    Kind = "chaincode.log"
	DefinitionKnown Kind = "chaincode-definition" // a definition was committed; Note = version and sequence
	IndexMade       Kind = "chaincode-index"      // an index of its package is in the state database; Key = index, Name = chaincode
)

// Nodes, Raft roles, links, holds and the script.
const (
	NodeStart    Kind = "node.start"
	NodeReady    Kind = "node.ready"
	NodeStop     Kind = "node.stop"
	NodeKilled   Kind = "node.killed"
	ChannelJoin  Kind = "channel.join"
	RaftRole     Kind = "raft.role" // What = follower, candidate or leader; A = term
	RaftLeader   Kind = "raft.leader"
	LinkRule     Kind = "link.rule" // a link was cut, slowed or healed; What = which
	Partition    Kind = "partition" // one event for each node of a partition, in a row, with its group; or its end, without a node
	HoldSet      Kind = "hold.set"
	HoldGone     Kind = "hold.gone"
	Say          Kind = "say"   // narration of a scenario; Note = text
	Step         Kind = "step"  // a scenario's step; Key = name, Note = result
	Fault        Kind = "fault" // something was broken on purpose; Note = what
	ErrorEvent   Kind = "error" // something failed; Note = the sentence
	Progress     Kind = "progress"
	NetworkReady Kind = "network.ready"
)

// Kinds lists every kind except the messages of the chaincode stream that have no
// constant here: those are named by the protocol.
func Kinds() []Kind {
	return []Kind{
		Proposal, ProposalResponse, GatewayCall, GatewayAnswer, Broadcast, BroadcastAnswer, Forward, ForwardAnswer, Seek,
		DeliverBlock, DeliverFiltered, DeliverStatus, PeerCall, PeerAnswer, Other,
		RaftAppend, RaftAppendReply, RaftHeartbeat, RaftHeartbeatAck, RaftVote, RaftVoteReply, RaftSnapshot, RaftTimeoutNow,
		RaftOther,
		ChaincodeRegister, ChaincodeRegistered, ChaincodeReady, ChaincodeInit, ChaincodeTransaction, ChaincodeGetState,
		ChaincodePutState, ChaincodeDelState, ChaincodeResponse, ChaincodeCompleted, ChaincodeError, ChaincodeUnknown,
		SimulateStart, SimulateEnd, ReadAdded, RangeAdded, RichQuery, WriteAdded, Endorsed, Refused, Compared, Submitted, CommitSeen,
		Enqueued, ChannelConfig, BlockCut, BlockWritten, BlockPulled, ValidateFrom, PolicyJudged, VersionCheck, Verdict, Committed,
		DiskSync, Installed, BuildStart, BuildEnd, LaunchStart, LaunchEnd, ChaincodeExit, ChaincodeLog, DefinitionKnown, IndexMade,
		NodeStart, NodeReady, NodeStop, NodeKilled, ChannelJoin, RaftRole, RaftLeader, LinkRule, Partition, HoldSet, HoldGone, Say, Step,
		Fault, ErrorEvent, Progress, NetworkReady,
	}
}
