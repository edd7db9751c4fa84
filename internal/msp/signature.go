package msp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// Every ECDSA signature (r, s) has a twin (r, n-s) that is as good, n being the
// order of the curve. The protocol takes only the one with the smaller s, so that
// nobody can turn a valid message into another valid message.

// isLowS tells whether s is at most half the order of the curve.
func isLowS(curve elliptic.Curve, s *big.Int) bool {
	half := new(big.Int).Rsh(curve.Params().N, 1)
	return s.Cmp(half) <= 0
}

// rs is the form of an ECDSA signature.
type rs struct{ R, S *big.Int }

// parseSignature reads an ECDSA signature. It is as lenient as the protocol is:
// bytes after the two numbers are ignored.
func parseSignature(signature []byte) (rs, error) {
	var out rs
	if _, err := asn1.Unmarshal(signature, &out); err != nil {
		return rs{}, fmt.Errorf("%w: not an ECDSA signature: %w", ErrSignature, err)
	}
	if out.R.Sign() <= 0 || out.S.Sign() <= 0 {
		return rs{}, fmt.Errorf("%w: r and s must be positive", ErrSignature)
	}
	return out, nil
}

// p256Half is half the order of P-256, rounded down.
var p256Half = [32]byte{
	0x7f, 0xff, 0xff, 0xff, 0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
}

// plain reads without a decoder what nearly all signatures are: of P-256, in
// canonical DER. ok is false for all others, which must be looked at closer.
func plain(curve elliptic.Curve, signature []byte) (r, s []byte, ok bool) {
	if curve != elliptic.P256() || len(signature) < 2 || signature[0] != 0x30 || signature[1] > 0x7f || int(signature[1]) != len(signature)-2 {
		return nil, nil, false
	}
	r, rest, ok := plainInteger(signature[2:])
	if !ok {
		return nil, nil, false
	}
	s, rest, ok = plainInteger(rest)
	return r, s, ok && len(rest) == 0 && len(s) <= len(p256Half)
}

// plainLow tells whether s, as plain gives it, is low.
func plainLow(s []byte) bool {
	return len(s) < len(p256Half) || bytes.Compare(s, p256Half[:]) <= 0
}

// appendInteger is the inverse of plainInteger.
func appendInteger(b, number []byte) []byte {
	if number[0] <= 0x7f {
		return append(append(b, 0x02, byte(len(number))), number...)
	}
	return append(append(b, 0x02, byte(len(number)+1), 0), number...)
}

// plainInteger takes a positive number in canonical DER off b.
func plainInteger(b []byte) (number, rest []byte, ok bool) {
	if len(b) < 3 || b[0] != 0x02 || b[1] == 0 || b[1] > 0x7f || len(b)-2 < int(b[1]) {
		return nil, nil, false
	}
	number, rest = b[2:2+int(b[1])], b[2+int(b[1]):]
	switch {
	case number[0] > 0x7f: // negative
		return nil, nil, false
	case number[0] > 0:
		return number, rest, true
	case len(number) < 2 || number[1] <= 0x7f: // nothing, or a zero too many
		return nil, nil, false
	}
	return number[1:], rest, true
}

// encode gives the DER form.
func (sig rs) encode() []byte {
	b, err := asn1.Marshal(sig)
	if err != nil { // two positive numbers always encode
		panic(fmt.Sprintf("msp: encode signature: %v", err))
	}
	return b
}

// lowS replaces an ECDSA signature by its twin if its s is in the upper half.
func lowS(curve elliptic.Curve, signature []byte) ([]byte, error) {
	if r, s, ok := plain(curve, signature); ok && plainLow(s) {
		return signature, nil
	} else if ok {
		twin := new(big.Int).SetBytes(s)
		twin.Sub(curve.Params().N, twin)
		if twin.Sign() > 0 {
			body := appendInteger(appendInteger(make([]byte, 2, len(signature)+2), r), twin.Bytes())
			body[0], body[1] = 0x30, byte(len(body)-2)
			return body, nil
		}
	}
	sig, err := parseSignature(signature)
	if err != nil {
		return nil, err
	}
	if isLowS(curve, sig.S) {
		return signature, nil
	}
	sig.S.Sub(curve.Params().N, sig.S)
	return sig.encode(), nil
}

// signLowS signs a digest.
func signLowS(key *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest)
	if err != nil {
		return nil, err
	}
	return lowS(key.Curve, signature)
}

// verifyLowS checks a signature over a digest and refuses an s in the upper half.
func verifyLowS(key *ecdsa.PublicKey, digest, signature []byte) error {
	if _, s, ok := plain(key.Curve, signature); ok && plainLow(s) {
		if ecdsa.VerifyASN1(key, digest, signature) {
			return nil
		}
		return errNotMade
	}
	sig, err := parseSignature(signature)
	if err != nil {
		return err
	}
	if !isLowS(key.Curve, sig.S) {
		return fmt.Errorf("%w: its s is in the upper half of the curve's order; signers must use the lower one", ErrSignature)
	}
	if ecdsa.VerifyASN1(key, digest, signature) {
		return nil
	}
	// VerifyASN1 takes the canonical form only; what parseSignature forgives is
	// forgiven here too.
	if canonical := sig.encode(); !bytes.Equal(canonical, signature) && ecdsa.VerifyASN1(key, digest, canonical) {
		return nil
	}
	return errNotMade
}

// errNotMade is the plain answer to a signature that does not fit.
var errNotMade = fmt.Errorf("%w: it was not made by this key over these bytes", ErrSignature)

// lowSKey is an ECDSA key whose signatures have a low s, for x509.
type lowSKey struct{ *ecdsa.PrivateKey }

// Sign implements crypto.Signer.
func (k lowSKey) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return signLowS(k.PrivateKey, digest)
}

// certificateForm is the outer structure of an X.509 certificate.
type certificateForm struct {
	TBS       asn1.RawValue
	Algorithm asn1.RawValue
	Signature asn1.BitString
}

// lowSCertificate returns the certificate itself, or its twin where the issuer's
// signature on it has an s in the upper half. The protocol identifies a
// certificate by the bytes of the latter.
func lowSCertificate(cert *x509.Certificate, issuer any) (*x509.Certificate, error) {
	key, ok := issuer.(*ecdsa.PublicKey)
	if !ok {
		return cert, nil
	}
	sig, err := parseSignature(cert.Signature)
	if err != nil {
		return nil, err
	}
	if isLowS(key.Curve, sig.S) {
		return cert, nil
	}
	var form certificateForm
	if rest, err := asn1.Unmarshal(cert.Raw, &form); err != nil || len(rest) > 0 {
		return nil, errors.New("certificate does not decode as signed data")
	}
	sig.S.Sub(key.Params().N, sig.S)
	signature := sig.encode()
	form.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	raw, err := asn1.Marshal(form)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(raw)
}
