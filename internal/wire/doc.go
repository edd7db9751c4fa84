// Package wire holds what is to know about the bytes of the protocol, and no
// decision about what to do with them: transaction ids and hashes, how a
// proposal, an envelope and a block are put together and taken apart, the layout
// of read-write sets, range summaries and commit hashes.
//
// Every step of a transaction passes here: a client builds its proposal with
// [NewProposal], a peer opens it with [ParseProposal], the answers become a
// transaction in [AssembleTransaction] and [SignEnvelope], an ordering node makes
// a block with [NewBlock], a peer chains its verdicts with [NextCommitHash], and
// the inspector shows any message to its last field with [Decode].
//
// Three levels of reading exist on purpose. The Peek functions look at five
// fields without decoding the rest and serve the recording of every message; the
// Parse functions decode what their step needs; [Decode] decodes everything.
//
// Read next: proposal.go, then transaction.go and block.go.
package wire
