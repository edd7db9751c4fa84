package msp

import (
	"errors"
	"fmt"
)

// The kinds of failure. The first four are the Kind of an *IdentityError.
var (
	// ErrUnknownMSP: the identity claims an organisation that the channel does
	// not have.
	ErrUnknownMSP = errors.New("unknown MSP")
	// ErrMalformed: the bytes are no identity, or the certificate does not
	// decode, or its key is of a kind that is not accepted.
	ErrMalformed = errors.New("malformed identity")
	// ErrUntrusted: the certificate was not issued by the organisation it
	// claims. The protocol treats it like a malformed one.
	ErrUntrusted = errors.New("certificate not issued by this organisation")
	// ErrInvalid: issued by the organisation, but not acceptable as an identity:
	// revoked, an authority's own certificate, or not exactly one role.
	ErrInvalid = errors.New("identity not valid")
	// ErrSignature: the signature does not belong to message and key, or its s
	// is in the upper half.
	ErrSignature = errors.New("signature not valid")
	// ErrConfig: an MSP configuration that cannot be used.
	ErrConfig = errors.New("MSP configuration not valid")
	// ErrName: a name that cannot be used for an organisation, node or user.
	ErrName = errors.New("name not usable")
)

// IdentityError says why bytes were not accepted as an identity.
type IdentityError struct {
	Kind  error  // ErrUnknownMSP, ErrMalformed, ErrUntrusted or ErrInvalid
	MSPID string // the organisation it claims, "" if it does not get that far
	Name  string // common name in the certificate, "" if it does not get that far
	Why   string // one phrase
}

// Error names the identity, the organisation and the reason.
func (e *IdentityError) Error() string {
	name := e.Name
	if name == "" {
		name = "identity"
	}
	if e.MSPID == "" {
		return fmt.Sprintf("%s: %v: %s", name, e.Kind, e.Why)
	}
	return fmt.Sprintf("%s of %q: %v: %s", name, e.MSPID, e.Kind, e.Why)
}

// Unwrap gives the kind, for errors.Is.
func (e *IdentityError) Unwrap() error { return e.Kind }
