package facts

import (
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Op is what an event does to the state; kinds that do the same share one.
type Op uint8

// The operations.

const (
	OpNone Op = iota
	OpProposal
	OpProposalResponse
	OpGateway
	OpGatewayAnswer
	OpBroadcast
	OpBroadcastAnswer
	OpForward
	OpSeek
	OpBlock
	OpRaftAppend
	OpRaftReply
	OpRaftVote
	OpRaftVoteReply
	OpCall      // the peer hands a call to its chaincode
	OpRequest   // the chaincode asks its peer
	OpCompleted // the call's result, or its failure
	OpSimulate
	OpSimulated
	OpEndorsed
	OpRefused
	OpCompared
	OpSubmitted
	OpCommitSeen
	OpEnqueued
	OpConfig
	OpCut
	OpWritten
	OpPulled
	OpValidate
	OpJudged
	OpVerdict
	OpCommitted
	OpInstalled
	OpBuild
	OpBuilt
	OpLaunch
	OpLaunched
	OpExit
	OpLog
	OpProgress
	OpStart
	OpReady
	OpStop
	OpKilled
	OpJoin
	OpRole
	OpLeader
	OpRule
	OpPartition
	OpHoldSet
	OpHoldGone
	OpFault
	OpDefinition
	OpNetwork
	OpError
	OpSync
	OpMessage // a message that changes nothing
)

// Kind is what is known about a kind of event, looked up once an event.
type Kind struct {
	Of        trace.Kind // the kind itself
	Op        Op
	Class     view.Class
	Quiet     bool
	Chaincode bool   // of the chaincode stream
	FromCode  bool   // the chaincode sends it
	Names     bool   // Other names a chaincode
	Call      string // what a lane says: "GetState"
	From, To  Being  // of messages
	At        Being  // of changes of state: what the node is
}

// Info gives what is known about a kind.
func (w *World) Info(k trace.Kind) *Kind {
	if i, ok := w.kinds[k]; ok {
		return i
	}
	i := describeKind(k)
	i.Of, i.Class, i.Quiet = k, view.ClassOf(k), view.Quiet(k)
	w.kinds[k] = &i
	return &i
}

func describeKind(k trace.Kind) Kind {
	switch k {
	case trace.Proposal:
		return Kind{Op: OpProposal, From: Client, To: Peer}
	case trace.ProposalResponse:
		return Kind{Op: OpProposalResponse, From: Peer, To: Client}
	case trace.GatewayCall:
		return Kind{Op: OpGateway, From: Client, To: Peer}
	case trace.GatewayAnswer:
		return Kind{Op: OpGatewayAnswer, From: Peer, To: Client}
	case trace.Broadcast:
		return Kind{Op: OpBroadcast, From: Client, To: Orderer}
	case trace.BroadcastAnswer:
		return Kind{Op: OpBroadcastAnswer, From: Orderer, To: Client}
	case trace.Forward, trace.ForwardAnswer:
		return Kind{Op: OpForward, From: Orderer, To: Orderer}
	case trace.Seek:
		return Kind{Op: OpSeek, From: Client, To: Unknown}
	case trace.DeliverBlock, trace.DeliverFiltered, trace.DeliverStatus:
		return Kind{Op: OpBlock, From: Unknown, To: Client}
	case trace.PeerCall, trace.PeerAnswer:
		return Kind{Op: OpMessage, From: Peer, To: Peer}
	case trace.Other:
		return Kind{Op: OpMessage, From: Client, To: Unknown}
	case trace.ChaincodeLog: // no message, in spite of its name
		return describeChange(k)
	}
	name := string(k)
	switch {
	case strings.HasPrefix(name, "raft.") && k != trace.RaftRole && k != trace.RaftLeader:
		return describeRaft(k)
	case strings.HasPrefix(name, string(trace.ChaincodePrefix)):
		return describeChaincode(k)
	}
	return describeChange(k)
}

func describeRaft(k trace.Kind) Kind {
	i := Kind{Op: OpMessage, From: Orderer, To: Orderer}
	switch k {
	case trace.RaftAppend:
		i.Op = OpRaftAppend
	case trace.RaftAppendReply:
		i.Op = OpRaftReply
	case trace.RaftVote:
		i.Op = OpRaftVote
	case trace.RaftVoteReply:
		i.Op = OpRaftVoteReply
	}
	return i
}

// describeChaincode covers the chaincode stream, where the protocol names the kinds.
func describeChaincode(k trace.Kind) Kind {
	i := Kind{Op: OpMessage, Chaincode: true, From: Peer, To: Code}
	switch k {
	case trace.ChaincodeTransaction, trace.ChaincodeInit:
		i.Op = OpCall
	case trace.ChaincodeCompleted, trace.ChaincodeError:
		i.Op, i.FromCode = OpCompleted, true
	case trace.ChaincodeRegister:
		i.FromCode = true
	case trace.ChaincodeRegistered, trace.ChaincodeReady, trace.ChaincodeUnknown, trace.ChaincodeResponse:
	default:
		i.Op, i.FromCode = OpRequest, true
		i.Call = callName(strings.TrimPrefix(string(k), string(trace.ChaincodePrefix)))
	}
	return i
}

// callName is the shim's name of a request: get_state is GetState.
func callName(request string) string {
	words := strings.Split(request, "_")
	for i, word := range words {
		if word != "" {
			words[i] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}

// describeChange covers the changes of state, and which kind of node records each.
func describeChange(k trace.Kind) Kind {
	peers := map[trace.Kind]Op{
		trace.SimulateStart: OpSimulate, trace.SimulateEnd: OpSimulated, trace.Endorsed: OpEndorsed, trace.Refused: OpRefused,
		trace.BlockPulled: OpPulled, trace.ValidateFrom: OpValidate, trace.PolicyJudged: OpJudged, trace.VersionCheck: OpNone,
		trace.Verdict: OpVerdict, trace.Committed: OpCommitted, trace.ReadAdded: OpNone, trace.WriteAdded: OpNone, trace.RangeAdded: OpNone, trace.RichQuery: OpNone, trace.IndexMade: OpNone,
	}
	if o, ok := peers[k]; ok {
		return Kind{Op: o, At: Peer}
	}
	chaincodes := map[trace.Kind]Op{
		trace.Installed: OpInstalled, trace.BuildStart: OpBuild, trace.BuildEnd: OpBuilt, trace.LaunchStart: OpLaunch,
		trace.LaunchEnd: OpLaunched, trace.ChaincodeExit: OpExit, trace.ChaincodeLog: OpLog,
	}
	if o, ok := chaincodes[k]; ok {
		return Kind{Op: o, At: Peer, Names: true}
	}
	orderers := map[trace.Kind]Op{
		trace.Enqueued: OpEnqueued, trace.ChannelConfig: OpConfig, trace.BlockCut: OpCut, trace.BlockWritten: OpWritten, trace.RaftRole: OpRole, trace.RaftLeader: OpLeader,
	}
	if o, ok := orderers[k]; ok {
		return Kind{Op: o, At: Orderer}
	}
	clients := map[trace.Kind]Op{trace.Submitted: OpSubmitted, trace.CommitSeen: OpCommitSeen, trace.Compared: OpCompared}
	if o, ok := clients[k]; ok {
		return Kind{Op: o, At: Client}
	}
	rest := map[trace.Kind]Op{
		trace.NodeStart: OpStart, trace.NodeReady: OpReady, trace.NodeStop: OpStop, trace.NodeKilled: OpKilled, trace.ChannelJoin: OpJoin,
		trace.LinkRule: OpRule, trace.Partition: OpPartition, trace.HoldSet: OpHoldSet, trace.HoldGone: OpHoldGone, trace.Fault: OpFault, trace.ErrorEvent: OpError,
		trace.Progress: OpProgress, trace.DefinitionKnown: OpDefinition, trace.NetworkReady: OpNetwork,
		trace.DiskSync: OpSync,
	}
	return Kind{Op: rest[k]}
}
