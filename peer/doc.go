// Package peer is one peer: it endorses proposals, judges and stores blocks, and
// serves whoever wants to know what was committed.
//
// It serves steps 2, 4, 7 and 8 of a transaction. A client, or another peer's
// gateway, sends a proposal: the endorser checks it, opens a simulation on the
// ledger, has the chaincode run on it, and signs the read-write set that comes out.
// Later the block with the transaction arrives from an ordering node: the peer
// judges every transaction in it, commits the block, and tells those who wait.
//
// # The files
//
//   - peer.go, channel.go: the parts and their life; access.go: who may do what
//   - endorser.go, transaction.go: one proposal from its bytes to the signature
//   - systemcc.go: the chaincodes that are part of the peer; which chaincode is meant
//     by a name is package lifecycle
//   - pull.go, commit.go: from the ordering node to the ledger
//   - private.go, peerservice.go: what peers of one organisation tell one another
//   - deliver.go, extracts.go: telling what was committed; doing a client's work for it
//     is package gateway
//
// The gRPC handlers are thin. Every failure is answered and traced.
//
// Read next: endorser.go, then commit.go.
package peer
