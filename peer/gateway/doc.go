// Package gateway is a peer's Gateway service, which does a client's work for it: it
// finds out who must endorse a transaction, asks them and compares what they say, sends
// the transaction to the ordering service, and tells what became of it. It serves steps
// 1 to 5 and 8 of a transaction for clients that use it, as Fabric's own client
// libraries do.
//
//   - gateway.go: the service and what it needs of its peer; Evaluate
//   - endorse.go: Endorse; plans.go: which policies matter; layout.go: which peers
//     satisfy them; survey.go: which peers there are
//   - submit.go: Submit; status.go, commits.go: CommitStatus and ChaincodeEvents
//   - failure.go: what a client learns when it does not work
//
// layout.go is pure; the handlers around it are thin.
//
// Read next: endorse.go, then layout.go.
package gateway
