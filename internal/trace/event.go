// Package trace is the one stream of facts that everything visible comes from.
//
// internal/link records every message that is sent and received; the owner of a
// state change (a peer that commits a block, an orderer that wins an election)
// records that change. A window, a report or a test asks Since(cursor) and reads
// on from there. Nothing is drawn, listed or asserted that did not pass here.
//
// Read next: kinds.go, the one list of everything that can be recorded.
package trace

// Event is one fact. It is flat on purpose: a million of them are filtered,
// sorted and written without following a pointer. It never holds a private key,
// and payloads are kept apart (Recorder.Payload).
//
// What a program needs of a fact are What, A, B, C and Name, which facts.go explains
// kind by kind; Note says the same to people, and no program reads it.
type Event struct {
	Seq     uint64 // position in the trace, from 1, without gaps
	Time    int64  // when, in nanoseconds since 1970 (UTC)
	Kind    Kind   // what, see kinds.go
	Dir     Dir    // for messages: which end recorded it
	Node    string // where: "peer0.org1.example.com", "asset@peer0.org1.example.com", "alice"
	Other   string // for messages: the node at the other end
	Channel string // channel name, "" when it concerns none
	TxID    string // transaction id, lower-case hex, "" when it concerns none
	Block   uint64 // block number; the kind tells whether it means anything
	Key     string // state key, chaincode name or policy path; the kind tells which
	Note    string // a few plain words, for people only
	Msg     uint64 // for messages: equal at both ends of one message, 0 when unknown
	What    What   // which of the kind's cases; Untold when nothing is known of A, B and C
	A, B, C int64  // numbers; the kind tells which (FactsOf)
	Name    string // a second name where the kind has one; of a message that was held, released or lost: which end says so, "sent" or "received"; never from outside the network
}

// Dir tells which end of a message recorded an event.
type Dir uint8

// The directions. State changes have None.
const (
	None     Dir = iota
	Sent         // the sender handed the message to the link
	Received     // the receiver took it from the link
	Held         // a hold stopped it in the link
	Released     // it went on after a hold
	Lost         // the link dropped it: cut, partitioned or the other end is gone
)

// String gives the direction's word in listings and exports.
func (d Dir) String() string {
	switch d {
	case Sent:
		return "sent"
	case Received:
		return "received"
	case Held:
		return "held"
	case Released:
		return "released"
	case Lost:
		return "lost"
	default:
		return ""
	}
}
