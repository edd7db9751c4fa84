// Package orderer is one ordering node: it takes envelopes, puts them into an
// order that all ordering nodes agree on, makes blocks of them and serves these.
//
// It is the step of a transaction between endorsement and validation. An
// envelope that arrives is checked (check.go: only size and signature, never what
// is inside), passed to the leader if another node leads (forward.go), collected
// into a batch (cutter.go, leader.go), replicated as one Raft entry, and made a
// block by every node on its own when Raft has committed the entry (fsm.go):
// number and previous hash follow from the block before, so that headers and data
// are equal everywhere; each node adds its own signature (block.go).
//
// What an answer of SUCCESS means is Fabric's: the leader has taken the envelope
// in. It is not durable before its block is: if the leader dies the envelope may
// be gone, and the client has to send it again.
//
// Below it: store (blocks and Raft's log in one file), raftlink (Raft's messages
// over gRPC), clusterpb (those messages).
//
// Read next: DESIGN.md, then node.go (what a program uses), leader.go (the heart).
package orderer
