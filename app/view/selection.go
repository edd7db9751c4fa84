package view

import (
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Selected says what kind of thing a Selection is.
type Selected uint8

// What can be selected.
const (
	Nothing       Selected = iota
	SelectTx               // TxID
	SelectBlock            // Block (and Node: the peer whose view of it is meant, "" any)
	SelectNode             // Node: a client, peer, chaincode container or ordering node
	SelectOrg              // Node: the organisation's name
	SelectLink             // Node and Other
	SelectMessage          // Seq: an event of the trace, with TxID if it has one
	SelectKey              // Key of Namespace (a chaincode), Node: the peer, "" any
	SelectLedger           // Node: a peer, whose state and blocks are listed
	SelectPeers            // all peers compared
	SelectSpan             // what happened from the event Seq to the event Until
)

// Selection is the one thing that all panels show as chosen. It is comparable.
type Selection struct {
	What      Selected
	TxID      string
	Node      string
	Other     string
	Namespace string
	Key       string
	Block     uint64
	Seq       uint64
	Until     uint64
}

// Span selects what happened between two positions, in either order.
func Span(a, b uint64) Selection {
	return Selection{What: SelectSpan, Seq: min(a, b), Until: max(a, b)}
}

// Mark is a span that begins or ends at a position, made of the one that is selected if there
// is one.
func (s Selection) Mark(at uint64, begin bool) Selection {
	switch {
	case s.What != SelectSpan:
		return Span(at, at)
	case begin:
		return Span(at, max(at, s.Until))
	}
	return Span(min(at, s.Seq), at)
}

// Tx is the transaction that a selection concerns, "" if none.
func (s Selection) Tx() string {
	if s.What == SelectTx || s.What == SelectMessage {
		return s.TxID
	}
	return ""
}

// Concerns tells whether an event is about what is selected, other than a transaction.
func (s Selection) Concerns(e *trace.Event) bool {
	if Quiet(e.Kind) {
		return false
	}
	switch s.What {
	case SelectNode, SelectLedger:
		return e.Node == s.Node || e.Other == s.Node
	case SelectOrg:
		return inOrg(e.Node, s.Node) || inOrg(e.Other, s.Node)
	case SelectLink:
		return e.Node == s.Node && e.Other == s.Other || e.Node == s.Other && e.Other == s.Node
	case SelectBlock:
		return e.Block == s.Block && aboutBlock(e.Kind) && (s.Node == "" || e.Node == s.Node || e.Other == s.Node)
	case SelectKey:
		return e.Key == s.Key && aboutKey(e.Kind) && (s.Node == "" || e.Node == s.Node || e.Other == s.Node)
	case SelectMessage:
		return e.Seq == s.Seq
	case SelectPeers:
		return e.Kind == trace.Committed
	case SelectSpan:
		return e.Seq >= s.Seq && e.Seq <= s.Until
	}
	return false
}

// inOrg tells whether a node's name lies in an organisation's domain, by the usual names.
func inOrg(node, org string) bool {
	if peer := PeerOf(node); peer != "" {
		node = peer
	}
	return slices.ContainsFunc(strings.Split(node, "."), func(part string) bool { return strings.EqualFold(part, org) })
}

func aboutBlock(k trace.Kind) bool {
	return slices.Contains([]trace.Kind{trace.BlockCut, trace.BlockWritten, trace.BlockPulled, trace.ValidateFrom, trace.PolicyJudged, trace.VersionCheck,
		trace.Verdict, trace.Committed, trace.DeliverBlock, trace.DeliverFiltered}, k)
}

func aboutKey(k trace.Kind) bool {
	return slices.Contains([]trace.Kind{trace.ReadAdded, trace.WriteAdded, trace.RangeAdded, trace.ChaincodeGetState, trace.ChaincodePutState,
		trace.ChaincodeDelState}, k)
}
