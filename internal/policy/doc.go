// Package policy answers one question: do these signers satisfy that policy?
//
// A transaction meets it three times: the ordering service asks whether the
// sender may write to the channel, every peer asks whether enough organisations
// endorsed (validation step 17), and a channel's configuration changes only if
// its own policies agree. The answer never depends on a clock, a disk or a
// socket: identities come in, a verdict or its explanation goes out.
//
// A policy is either a *Signature (a tree of "k of these", with principals such
// as 'Org1MSP.peer' as leaves) or a *Meta ("MAJORITY Endorsement": so many of the
// sub-groups' own policies). Both evaluate as Fabric does: greedily, from left to
// right, without going back. See Signature.Evaluate for what that means.
//
// Read next: parse.go (the language), signature.go (the evaluation), then
// internal/channelconfig, which holds a channel's policies.
package policy

import (
	"errors"

	"github.com/fabriscope/fabriscope/internal/msp"
)

// Policy is a condition on a set of signers. Signature and Meta are the two there are.
type Policy interface {
	// Evaluate tells whether the identities satisfy the policy. The identities
	// must be distinct and their signatures verified: see Identities.
	Evaluate(ids []*msp.Identity) bool
	// Explain evaluates in the same way and returns what was found where. Its
	// Satisfied always equals Evaluate of the same identities.
	Explain(ids []*msp.Identity) *Node
}

// Errors. Each is wrapped with the details.
var (
	// ErrMalformed: the bytes or the tree are not a signature policy.
	ErrMalformed = errors.New("malformed signature policy")
	// ErrTooLarge: the policy is deeper or larger than this program evaluates.
	ErrTooLarge = errors.New("signature policy too large")
)

// Bounds on what is accepted. Real policies have a few dozen leaves.
const (
	maxTextBytes = 16 << 10 // of a policy's text
	maxTextDepth = 32       // nested brackets in a policy's text
	maxDepth     = 256      // levels of a policy that arrives as bytes
	maxRules     = 1 << 16  // nodes of a policy that arrives as bytes
)
