package wire

import (
	"errors"
	"fmt"
)

// The kinds of failure. They are wrapped with what was looked at and why.
var (
	// ErrMalformed: the bytes are not what they should be. The sender is at
	// fault; sending the same bytes again cannot help.
	ErrMalformed = errors.New("malformed")
	// ErrTooLarge: a message is larger than this program accepts.
	ErrTooLarge = errors.New("too large")
	// ErrUnknownMessage: Decode was asked for a message name that is no part of
	// the protocol.
	ErrUnknownMessage = errors.New("unknown message name")
	// ErrNoEndorsement: a proposal response carries no endorsement, so no
	// transaction can be made of it (the endorser refused the proposal, or it
	// was a query that is never endorsed).
	ErrNoEndorsement = errors.New("no endorsement")
)

// MismatchError tells that two endorsers came to different results, so that one
// transaction cannot carry both endorsements. The usual causes are chaincode that
// is not deterministic and a peer that lags behind.
type MismatchError struct {
	Index int    // position of the first response that differs from response 0
	First []byte // payload of response 0: ProposalResponsePayload bytes
	Other []byte // payload of response Index
}

// Error names the response that differs, the usual causes and what to do.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("proposal responses 0 and %d carry different results: "+
		"compare their read-write sets; either the chaincode is not deterministic or one peer's state is behind, then try again", e.Index)
}

// malformed wraps a decoding error of the named thing.
func malformed(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, ErrMalformed, err)
}
