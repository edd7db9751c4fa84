// Package lifecycle is which chaincode is meant by a name: what the organisations of a
// channel approved, what they committed, and what this peer can run of it. It serves
// steps 1 and 2 of a transaction, and everything before the first one.
//
//   - definition.go: what a definition says, and when two say the same
//   - record.go: how definitions and approvals stand in the state
//   - collections.go: which collections a definition may have
//   - call.go, query.go: the system chaincode _lifecycle, one function after the other
//   - table.go: the committed definitions of one channel, for every proposal
//
// What the peer has to do about it (launch, stop, announce) is the peer's.
//
// Read next: table.go, then call.go.
package lifecycle
