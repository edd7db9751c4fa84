package view

import (
	"strings"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Class is a message's shape, colour and name on every panel. Who keeps something for each
// class has an array of ClassCount, so that a new class does not compile until it has its
// place there.
type Class uint8

// The classes.
const (
	Plain Class = iota // everything else
	Proposal
	Read
	Write
	Endorsement
	Raft
	Block

	ClassCount = iota // how many there are
)

// Figure is a shape that can be told from the others without colours.
type Figure uint8

// The figures.
const (
	SmallDisc Figure = iota
	Disc
	Ring
	Square
	Diamond
	Triangle
	RoundedSquare

	FigureCount = iota
)

// classes says of every class what it is called and which shape it has; its colours are
// Theme.Classes in package paint.
var classes [ClassCount]struct {
	name   string
	figure Figure
} = [...]struct {
	name   string
	figure Figure
}{
	Plain:       {"", SmallDisc},
	Proposal:    {"proposal", Disc},
	Read:        {"read", Ring},
	Write:       {"write", Square},
	Endorsement: {"endorsement", Diamond},
	Raft:        {"raft", Triangle},
	Block:       {"block", RoundedSquare},
}

// Name is what the class is called, "" of Plain.
func (c Class) Name() string { return classes[c].name }

// Figure is the shape of the class's messages.
func (c Class) Figure() Figure { return classes[c].figure }

// ClassOf gives the class of a kind of event.
func ClassOf(k trace.Kind) Class {
	switch k {
	case trace.Proposal, trace.GatewayCall, trace.Broadcast, trace.Forward, trace.Submitted, trace.SimulateStart,
		trace.ChaincodeTransaction, trace.ChaincodeInit:
		return Proposal
	case trace.ProposalResponse, trace.GatewayAnswer, trace.Endorsed, trace.ChaincodeCompleted:
		return Endorsement
	case trace.ChaincodePutState, trace.ChaincodeDelState, trace.WriteAdded:
		return Write
	case trace.ReadAdded, trace.RangeAdded, trace.RichQuery, trace.ChaincodeResponse:
		return Read
	case trace.DeliverBlock, trace.DeliverFiltered, trace.BlockCut, trace.BlockWritten, trace.BlockPulled, trace.ValidateFrom,
		trace.PolicyJudged, trace.VersionCheck, trace.Verdict, trace.Committed:
		return Block
	}
	switch {
	case strings.HasPrefix(string(k), "raft."):
		return Raft
	case strings.HasPrefix(string(k), "chaincode.put_"), strings.HasPrefix(string(k), "chaincode.write"), strings.HasPrefix(string(k), "chaincode.purge"):
		return Write
	case strings.HasPrefix(string(k), "chaincode.get_"), strings.HasPrefix(string(k), "chaincode.query_"):
		return Read
	}
	return Plain
}
