package words

import (
	"cmp"
	"strings"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// held says what the kinds of message are that can be held.
var held = map[trace.Kind]string{
	trace.Proposal:             "a proposal on its way to an endorser",
	trace.ProposalResponse:     "an endorser's answer",
	trace.ChaincodeTransaction: "a call handed to the chaincode",
	trace.ChaincodeGetState:    "the chaincode asks for a key",
	trace.ChaincodePutState:    "the chaincode writes a key",
	trace.ChaincodeResponse:    "the peer's answer to the chaincode",
	trace.ChaincodeCompleted:   "the chaincode's result",
	trace.Broadcast:            "a transaction on its way to the ordering service",
	trace.Forward:              "a transaction passed on to the Raft leader",
	trace.RaftAppend:           "log entries for a follower",
	trace.DeliverBlock:         "a block on its way to a peer",
	trace.PeerCall:             "a call between peers",
}

// workloads says what loads do.
var workloads = map[string]string{
	"create": "Every transaction creates a key of its own: nothing can conflict.",
	"read":   "Queries of a few keys: nothing is ordered.",
	"hot":    "Everybody changes the same few keys: most transactions conflict.",
	"mixed":  "Half are queries, most of the rest create keys, a tenth change the hot keys.",
	"rich":   "Rich queries for 20 of 1,000 documents, by an index: nothing is ordered.",
}

// types are those that arguments of chaincode have, as metadata names them.
var types = map[string]string{
	"string":  "text",
	"integer": "whole number",
	"number":  "decimal number",
	"boolean": "true or false",
	"array":   "list, as JSON",
	"object":  "object, as JSON",
}

// found is what a computer has that a network needs.
var found = map[string]string{
	"Docker":      "Docker",
	"Go":          "Go",
	"Samples":     "Samples",
	"Memory":      "Memory",
	"Temp folder": "Temp folder",
	"Graphics":    "Graphics",
}

// steps are those of a start, and those of a deployment.
var steps = map[string]string{
	"authorities and identities": "authorities and identities",
	"nodes":                      "nodes",
	"links":                      "links",
	"election of a Raft leader":  "election of a Raft leader",
	"catching up":                "catching up",
	"package":                    "package",
	"install":                    "install",
	"approve":                    "approve",
	"commit":                     "commit",
	"launch":                     "launch",
}

const (
	malformed  = "It is not built as the protocol wants it."
	notAllowed = "Its chaincode or its write set is not what the channel allows."
)

// codes says what validation codes mean.
var codes = map[peerpb.TxValidationCode]string{
	peerpb.TxValidationCode_MVCC_READ_CONFLICT:           "A key that it has read has another version by now.",
	peerpb.TxValidationCode_PHANTOM_READ_CONFLICT:        "A list of keys that it has read has changed since.",
	peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE:   "Its endorsements don't fulfil the policy.",
	peerpb.TxValidationCode_BAD_CREATOR_SIGNATURE:        "The signature of its creator does not hold.",
	peerpb.TxValidationCode_DUPLICATE_TXID:               "There is a transaction with this id already.",
	peerpb.TxValidationCode_INVALID_CONFIG_TRANSACTION:   "The change of the channel's configuration is not allowed.",
	peerpb.TxValidationCode_EXPIRED_CHAINCODE:            notAllowed,
	peerpb.TxValidationCode_INVALID_CHAINCODE:            notAllowed,
	peerpb.TxValidationCode_ILLEGAL_WRITESET:             notAllowed,
	peerpb.TxValidationCode_INVALID_WRITESET:             notAllowed,
	peerpb.TxValidationCode_BAD_PAYLOAD:                  malformed,
	peerpb.TxValidationCode_BAD_COMMON_HEADER:            malformed,
	peerpb.TxValidationCode_BAD_HEADER_EXTENSION:         malformed,
	peerpb.TxValidationCode_BAD_PROPOSAL_TXID:            malformed,
	peerpb.TxValidationCode_BAD_RWSET:                    malformed,
	peerpb.TxValidationCode_NIL_ENVELOPE:                 malformed,
	peerpb.TxValidationCode_NIL_TXACTION:                 malformed,
	peerpb.TxValidationCode_INVALID_ENDORSER_TRANSACTION: malformed,
	peerpb.TxValidationCode_BAD_RESPONSE_PAYLOAD:         malformed,
}

// roles are what roles in Raft are called.
var roles = map[trace.What]string{trace.Leader: "leader", trace.Candidate: "candidate", trace.Stopped: "stopped", trace.Follower: "follower"}

// cuts say in a few words why a batch was cut.
var cuts = map[trace.What]string{
	trace.CutByCount:   "by its number of transactions",
	trace.CutByBytes:   "by its size",
	trace.CutByTimeout: "by its time",
	trace.CutIdle:      "nothing more was coming",
	trace.CutByConfig:  "a configuration by itself",
}

// runtime says what a chaincode is that runs by it, and how its peer starts it.
type runtime struct{ name, starts string }

// runtimes are the ways to run a chaincode, by the names that events have for them.
var runtimes = map[string]runtime{
	"docker":   {"container", "{{.Node}} starts a container with its chaincode {{.Label}}."},
	"process":  {"process", "{{.Node}} starts a process with its chaincode {{.Label}}."},
	"external": {"service", "{{.Node}} dials its chaincode {{.Label}}, which runs as a service of its own."},
}

// RunsAs is what a running chaincode is, by the name of its runtime: a container, a process or a
// service of its own. Old run files don't tell which.
func (b *Book) RunsAs(name string) string { return b.L(cmp.Or(runtimes[name].name, "instance")) }

// textOf is what a table says of a key; a key that it lacks is its own text.
func textOf[K ~string](b *Book, table map[K]string, key K) string {
	if id, known := table[key]; known {
		return b.L(id)
	}
	return string(key)
}

// Held says in the window's language what a kind of message that can be held is.
func Held(k trace.Kind) string { return textOf(Now(), held, k) }

// Workload says in the window's language what a workload does.
func Workload(name string) string { return textOf(Now(), workloads, name) }

// Type says in the window's language what type an argument of a chaincode has.
func Type(name string) string { return textOf(Now(), types, name) }

// Found says in the window's language what a thing is called that a computer has or lacks.
func Found(name string) string { return textOf(Now(), found, name) }

// Role is what a role in Raft is called.
func (b *Book) Role(role trace.What) string { return b.L(cmp.Or(roles[role], roles[trace.Follower])) }

// CutReason says in a few words why a batch was cut.
func (b *Book) CutReason(why trace.What) string {
	return b.L(cmp.Or(cuts[why], cuts[trace.CutByConfig]))
}

// Capital is a sentence that begins with a capital letter.
func Capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// StartStep says what a step of a start or a deployment did; steps have names in English
// that the network gives them, with a chaincode's or a channel's name in it.
func (b *Book) StartStep(key string) string {
	if channel, ok := strings.CutPrefix(key, "channel "); ok {
		return b.L("channel {{.Name}}", channel)
	}
	if of, ok := strings.CutPrefix(key, "chaincode "); ok {
		if name, step, ok := strings.Cut(of, ": "); ok {
			return b.L("chaincode {{.Name}}: {{.Step}}", name, textOf(b, steps, step))
		}
	}
	return textOf(b, steps, key)
}

// CodeOf is the code that a verdict, a check of one stage or a client's news tells; ok is false
// where the trace does not say. Old run files say it by its public name.
func CodeOf(e *trace.Event) (code peerpb.TxValidationCode, ok bool) {
	if e.What != trace.Untold {
		return peerpb.TxValidationCode(e.A), true
	}
	if n, ok := peerpb.TxValidationCode_value[e.Key]; ok {
		return peerpb.TxValidationCode(n), true
	}
	return peerpb.TxValidationCode_NOT_VALIDATED, false
}

// Code says in a sentence what a validation code means, "" for those that are their own
// explanation. Who has the typed reason says more.
func (b *Book) Code(code peerpb.TxValidationCode) string {
	if id, known := codes[code]; known {
		return b.L(id)
	}
	return ""
}
