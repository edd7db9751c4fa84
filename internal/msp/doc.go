// Package msp knows who somebody is: certificate authorities, identities, their
// signatures, and the roles and organisations that policies ask for. MSP is the
// protocol's word for one organisation's membership rules (membership service
// provider).
//
// It serves a transaction wherever something is signed or a signature is judged:
// the client signs its proposal, endorsers sign results, ordering nodes sign
// blocks, and everybody checks the others against the organisations in the
// channel configuration.
//
// One side makes identities: [Generate] creates an organisation with its two
// authorities, nodes and users, [Org.Write] lays it out in the folder tree that
// the protocol's tools expect, and a [Signer] signs. The other side judges them:
// [New] takes an organisation's rules from a configuration, a [Set] holds all
// organisations of a channel and turns bytes into an [Identity], and a [Verifier]
// remembers which signatures were good, so that a process checks each only once.
//
// Read next: org.go for the making, set.go and identity.go for the judging.
package msp
