package network

import "github.com/fabriscope/fabriscope/internal/trace"

// FaultKind is a way to break something on purpose.
type FaultKind uint8

// The kinds of fault. Whoever does something for each has an array of FaultCount, filled
// from a literal [...]: a fault without its place does not compile.
const (
	FaultStop FaultKind = iota
	FaultKill
	FaultLink
	FaultPartition
	FaultHold
	FaultLie
	FaultPause
	FaultCount
)

// FaultSpec is what is known of a kind of fault.
type FaultSpec struct {
	Name    string     // the scenario's function
	Args    []string   // its arguments in order; those that end in "?" may be left out
	Target  string     // what it is done to: node, peer, link, message
	Command string     // the command that a node carries it out with, "" = the network does
	Undo    string     // the scenario's function that undoes it
	Event   trace.Kind // what tells it
}

var faultSpecs [FaultCount]FaultSpec = [...]FaultSpec{
	FaultStop:      {"stop", []string{"node"}, "node", "", "restart", trace.NodeStop},
	FaultKill:      {"kill", []string{"node"}, "node", "", "restart", trace.NodeKilled},
	FaultLink:      {"link", []string{"a", "b", "latency?", "jitter?", "loss?", "cut?"}, "link", "InForce", "heal", trace.LinkRule},
	FaultPartition: {"partition", []string{"groups"}, "node", "InForce", "heal", trace.Partition},
	FaultHold:      {"hold", []string{"kind", "node?", "other?", "txid?", "key?", "count?"}, "message", "InForce", "unhold", trace.HoldSet},
	FaultLie:       {"lie", []string{"peer", "on?"}, "peer", "Lie", "lie", trace.Fault},
	FaultPause:     {"pause", []string{"peer", "chaincode", "on?"}, "peer", "Pause", "pause", trace.Progress},
}

// Spec tells what is known of a fault.
func (k FaultKind) Spec() FaultSpec { return faultSpecs[k] }
