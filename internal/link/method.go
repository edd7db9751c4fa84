package link

import (
	"strings"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// order tells what a held message on a stream does to those behind it.
type order uint8

const (
	inOrder  order = iota // they wait: blocks, Raft, everything not known better
	answered              // likewise, and each answer belongs to the oldest unanswered request: Broadcast
	perTx                 // those of other transactions pass: the chaincode stream
)

// method is what the link knows of a gRPC method without seeing a message.
type method struct {
	full     string     // "/protos.Endorser/ProcessProposal"
	name     string     // "ProcessProposal"
	request  trace.Kind // kinds of messages that do not say it themselves
	response trace.Kind
	key      string // Key of such messages
	order    order
}

// method looks a method up, or learns it when it is called first.
func (n *Net) method(full string) *method {
	if known, ok := n.methods.Load(full); ok {
		return known.(*method)
	}
	known, _ := n.methods.LoadOrStore(full, newMethod(full))
	return known.(*method)
}

// newMethod knows Fabric's services and Fabriscope's own by name (wire.md A.0).
func newMethod(full string) *method {
	service, name, _ := strings.Cut(strings.TrimPrefix(full, "/"), "/")
	m := &method{full: full, name: name, request: trace.Other, response: trace.Other, key: full}
	switch service {
	case "protos.Endorser":
		m.request, m.response, m.key = trace.Proposal, trace.ProposalResponse, ""
	case "gateway.Gateway":
		m.request, m.response, m.key = trace.GatewayCall, trace.GatewayAnswer, name
	case "protos.Deliver":
		m.request, m.response, m.key = trace.Seek, trace.DeliverBlock, ""
	case "orderer.AtomicBroadcast":
		m.request, m.response, m.key = trace.Seek, trace.DeliverBlock, ""
		if name == "Broadcast" {
			m.request, m.response, m.order = trace.Broadcast, trace.BroadcastAnswer, answered
		}
	case "protos.ChaincodeSupport", "protos.Chaincode":
		m.request, m.response, m.key, m.order = trace.ChaincodePrefix, trace.ChaincodePrefix, "", perTx
	case "fabriscope.v1.Raft":
		m.request, m.response = raftKinds(name)
		m.key = ""
	case "fabriscope.v1.Ordering":
		if name == "Forward" { // answers carry their request's number
			m.request, m.response, m.key, m.order = trace.Forward, trace.ForwardAnswer, "", perTx
		}
	case "fabriscope.v1.Peer":
		m.request, m.response, m.key = trace.PeerCall, trace.PeerAnswer, name
	}
	return m
}

// raftKinds names the messages of the cluster service's methods.
func raftKinds(name string) (request, response trace.Kind) {
	switch name {
	case "AppendEntries", "AppendEntriesPipeline":
		return trace.RaftAppend, trace.RaftAppendReply
	case "RequestVote":
		return trace.RaftVote, trace.RaftVoteReply
	case "InstallSnapshot":
		return trace.RaftSnapshot, trace.RaftOther
	case "TimeoutNow":
		return trace.RaftTimeoutNow, trace.RaftOther
	default:
		return trace.RaftOther, trace.RaftOther
	}
}
