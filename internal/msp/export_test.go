package msp

import "crypto/elliptic"

// PlainLowS is for tests: the quick look that nearly all signatures pass.
func PlainLowS(curve elliptic.Curve, signature []byte) bool {
	_, s, ok := plain(curve, signature)
	return ok && plainLow(s)
}

// LowS is for tests: the twin with the lower s.
var LowS = lowS
