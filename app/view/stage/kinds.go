package stage

import (
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// op is what an event does to the state; kinds that do the same share one.
type op uint8

const (
	opNone op = iota
	opProposal
	opProposalResponse
	opGateway
	opGatewayAnswer
	opBroadcast
	opBroadcastAnswer
	opForward
	opSeek
	opBlock
	opRaftAppend
	opRaftReply
	opRaftVote
	opRaftVoteReply
	opCall      // the peer hands a call to its chaincode
	opRequest   // the chaincode asks its peer
	opCompleted // the call's result, or its failure
	opSimulate
	opSimulated
	opEndorsed
	opRefused
	opSubmitted
	opCommitSeen
	opEnqueued
	opCut
	opWritten
	opPulled
	opValidate
	opJudged
	opVerdict
	opCommitted
	opInstalled
	opBuild
	opBuilt
	opLaunch
	opLaunched
	opExit
	opProgress
	opStart
	opReady
	opStop
	opKilled
	opJoin
	opRole
	opLeader
	opRule
	opHoldSet
	opHoldGone
	opFault
	opError
	opMessage // a message that changes nothing
)

// kindInfo is what is known about a kind of event, looked up once an event.
type kindInfo struct {
	op        op
	class     view.Class
	quiet     bool
	chaincode bool   // of the chaincode stream
	fromCode  bool   // the chaincode sends it
	names     bool   // Other names a chaincode
	call      string // what a lane says: "GetState"
	from, to  kind   // of messages
	at        kind   // of changes of state: what the node is
}

// info gives what is known about a kind.
func (w *World) info(k trace.Kind) *kindInfo {
	if i, ok := w.kinds[k]; ok {
		return i
	}
	i := describeKind(k)
	i.class, i.quiet = view.ClassOf(k), view.Quiet(k)
	w.kinds[k] = &i
	return &i
}

func describeKind(k trace.Kind) kindInfo {
	switch k {
	case trace.Proposal:
		return kindInfo{op: opProposal, from: clientKind, to: peerKind}
	case trace.ProposalResponse:
		return kindInfo{op: opProposalResponse, from: peerKind, to: clientKind}
	case trace.GatewayCall:
		return kindInfo{op: opGateway, from: clientKind, to: peerKind}
	case trace.GatewayAnswer:
		return kindInfo{op: opGatewayAnswer, from: peerKind, to: clientKind}
	case trace.Broadcast:
		return kindInfo{op: opBroadcast, from: clientKind, to: ordererKind}
	case trace.BroadcastAnswer:
		return kindInfo{op: opBroadcastAnswer, from: ordererKind, to: clientKind}
	case trace.Forward, trace.ForwardAnswer:
		return kindInfo{op: opForward, from: ordererKind, to: ordererKind}
	case trace.Seek:
		return kindInfo{op: opSeek, from: clientKind, to: unknownKind}
	case trace.DeliverBlock, trace.DeliverFiltered, trace.DeliverStatus:
		return kindInfo{op: opBlock, from: unknownKind, to: clientKind}
	case trace.PeerCall, trace.PeerAnswer:
		return kindInfo{op: opMessage, from: peerKind, to: peerKind}
	case trace.Other:
		return kindInfo{op: opMessage, from: clientKind, to: unknownKind}
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

func describeRaft(k trace.Kind) kindInfo {
	i := kindInfo{op: opMessage, from: ordererKind, to: ordererKind}
	switch k {
	case trace.RaftAppend:
		i.op = opRaftAppend
	case trace.RaftAppendReply:
		i.op = opRaftReply
	case trace.RaftVote:
		i.op = opRaftVote
	case trace.RaftVoteReply:
		i.op = opRaftVoteReply
	}
	return i
}

// describeChaincode covers the chaincode stream, where the protocol names the kinds.
func describeChaincode(k trace.Kind) kindInfo {
	i := kindInfo{op: opMessage, chaincode: true, from: peerKind, to: chaincodeKind}
	switch k {
	case trace.ChaincodeTransaction, trace.ChaincodeInit:
		i.op = opCall
	case trace.ChaincodeCompleted, trace.ChaincodeError:
		i.op, i.fromCode = opCompleted, true
	case trace.ChaincodeRegister:
		i.fromCode = true
	case trace.ChaincodeRegistered, trace.ChaincodeReady, trace.ChaincodeUnknown, trace.ChaincodeResponse:
	default:
		i.op, i.fromCode = opRequest, true
		i.call = callName(strings.TrimPrefix(string(k), string(trace.ChaincodePrefix)))
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
func describeChange(k trace.Kind) kindInfo {
	peers := map[trace.Kind]op{
		trace.SimulateStart: opSimulate, trace.SimulateEnd: opSimulated, trace.Endorsed: opEndorsed, trace.Refused: opRefused,
		trace.BlockPulled: opPulled, trace.ValidateFrom: opValidate, trace.PolicyJudged: opJudged, trace.VersionCheck: opNone,
		trace.Verdict: opVerdict, trace.Committed: opCommitted, trace.ReadAdded: opNone, trace.WriteAdded: opNone, trace.RangeAdded: opNone,
	}
	if o, ok := peers[k]; ok {
		return kindInfo{op: o, at: peerKind}
	}
	chaincodes := map[trace.Kind]op{
		trace.Installed: opInstalled, trace.BuildStart: opBuild, trace.BuildEnd: opBuilt, trace.LaunchStart: opLaunch,
		trace.LaunchEnd: opLaunched, trace.ChaincodeExit: opExit,
	}
	if o, ok := chaincodes[k]; ok {
		return kindInfo{op: o, at: peerKind, names: true}
	}
	orderers := map[trace.Kind]op{
		trace.Enqueued: opEnqueued, trace.BlockCut: opCut, trace.BlockWritten: opWritten, trace.RaftRole: opRole, trace.RaftLeader: opLeader,
	}
	if o, ok := orderers[k]; ok {
		return kindInfo{op: o, at: ordererKind}
	}
	clients := map[trace.Kind]op{trace.Submitted: opSubmitted, trace.CommitSeen: opCommitSeen, trace.Compared: opNone}
	if o, ok := clients[k]; ok {
		return kindInfo{op: o, at: clientKind}
	}
	rest := map[trace.Kind]op{
		trace.NodeStart: opStart, trace.NodeReady: opReady, trace.NodeStop: opStop, trace.NodeKilled: opKilled, trace.ChannelJoin: opJoin,
		trace.LinkRule: opRule, trace.HoldSet: opHoldSet, trace.HoldGone: opHoldGone, trace.Fault: opFault, trace.ErrorEvent: opError,
		trace.Progress: opProgress,
	}
	return kindInfo{op: rest[k]}
}
