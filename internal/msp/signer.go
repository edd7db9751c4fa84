package msp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"fmt"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"
)

// Signer signs for one identity. It is safe for use by many goroutines.
type Signer struct {
	mspID   string
	certPEM []byte
	cert    *x509.Certificate
	key     crypto.Signer // *ecdsa.PrivateKey or ed25519.PrivateKey
	creator []byte
}

// NewSigner takes an identity's certificate and private key as PEM texts. The
// bytes of the certificate text become part of every signature and transaction
// id, so they are used exactly as given.
func NewSigner(mspID string, certPEM, keyPEM []byte) (*Signer, error) {
	cert, err := parseCertificatePEM(certPEM)
	if err != nil {
		return nil, fmt.Errorf("signer of %s: certificate: %w", mspID, err)
	}
	key, err := parseKeyPEM(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("signer %s of %s: %w", cert.Subject.CommonName, mspID, err)
	}
	return newSigner(mspID, certPEM, cert, key)
}

// newSigner checks that the parts belong together.
func newSigner(mspID string, certPEM []byte, cert *x509.Certificate, key any) (*Signer, error) {
	s := &Signer{mspID: mspID, certPEM: certPEM, cert: cert}
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		s.key = key
		if !key.PublicKey.Equal(cert.PublicKey) {
			return nil, fmt.Errorf("signer %s of %s: private key and certificate do not belong together", cert.Subject.CommonName, mspID)
		}
	case ed25519.PrivateKey:
		s.key = key
		if public, ok := cert.PublicKey.(ed25519.PublicKey); !ok || !public.Equal(key.Public()) {
			return nil, fmt.Errorf("signer %s of %s: private key and certificate do not belong together", cert.Subject.CommonName, mspID)
		}
	default:
		return nil, fmt.Errorf("signer %s of %s: a %T cannot sign here; use ECDSA P-256", cert.Subject.CommonName, mspID, key)
	}
	creator, err := proto.Marshal(&msppb.SerializedIdentity{Mspid: mspID, IdBytes: certPEM})
	if err != nil {
		return nil, fmt.Errorf("signer of %q: %w", mspID, err)
	}
	s.creator = creator
	return s, nil
}

// MSPID is the organisation's MSP id.
func (s *Signer) MSPID() string { return s.mspID }

// Creator is the serialized identity, as headers and endorsements carry it. It
// must not be changed.
func (s *Signer) Creator() []byte { return s.creator }

// Cert is the certificate.
func (s *Signer) Cert() *x509.Certificate { return s.cert }

// CertPEM is the certificate as PEM text.
func (s *Signer) CertPEM() []byte { return s.certPEM }

// KeyPEM is the private key as PKCS#8 PEM text. It is for files that the user
// asked for and goes nowhere else.
func (s *Signer) KeyPEM() ([]byte, error) { return encodeKey(s.key) }

// PrivateKey is the key itself, for client libraries that sign by themselves.
func (s *Signer) PrivateKey() crypto.Signer { return s.key }

// Sign signs a message: ECDSA over its SHA-256 digest, in DER and with a low s;
// with an Ed25519 key, over the message itself.
func (s *Signer) Sign(message []byte) ([]byte, error) {
	key, ok := s.key.(*ecdsa.PrivateKey)
	if !ok {
		return s.key.Sign(nil, message, crypto.Hash(0))
	}
	digest := sha256.Sum256(message)
	return s.signDigest(key, digest[:])
}

// SignParts is Sign for a message in several parts, which are not copied.
func (s *Signer) SignParts(parts ...[]byte) ([]byte, error) {
	key, ok := s.key.(*ecdsa.PrivateKey)
	if !ok {
		return s.Sign(join(parts))
	}
	return s.signDigest(key, digestOf(parts))
}

// signDigest signs and names the identity in errors.
func (s *Signer) signDigest(key *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	signature, err := signLowS(key, digest)
	if err != nil {
		return nil, fmt.Errorf("sign as %s of %s: %w", s.cert.Subject.CommonName, s.mspID, err)
	}
	return signature, nil
}

// digestOf is the SHA-256 over all parts.
func digestOf(parts [][]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(make([]byte, 0, sha256.Size))
}

// join copies the parts into one message.
func join(parts [][]byte) []byte {
	var message []byte
	for _, p := range parts {
		message = append(message, p...)
	}
	return message
}
