package msp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"
)

// Identity is somebody whose certificate is valid in a set of organisations. It
// does not change and may be kept.
type Identity struct {
	msp        *MSP
	cert       *x509.Certificate // in the form with a low-s signature
	certHash   [sha256.Size]byte
	key        string
	certifiers []byte // hash of the chain above the certificate
	roles      []string
	serialized []byte
	verifier   *Verifier
}

// MSPID is the organisation's MSP id.
func (id *Identity) MSPID() string { return id.msp.id }

// Cert is the certificate. Its bytes differ from the serialized ones where the
// issuer's signature on it had a high s.
func (id *Identity) Cert() *x509.Certificate { return id.cert }

// Serialized is the identity as the message carried it. It must not be changed.
func (id *Identity) Serialized() []byte { return id.serialized }

// Name is the common name in the certificate, for example
// "peer0.org1.example.com".
func (id *Identity) Name() string { return id.cert.Subject.CommonName }

// Role is the identity's role: "client", "peer", "admin", "orderer", or "member"
// where the organisation does not tell its members apart.
func (id *Identity) Role() string {
	if len(id.roles) == 0 {
		return RoleMember
	}
	if slices.Contains(id.roles, RoleAdmin) {
		return RoleAdmin
	}
	return id.roles[0]
}

// Key is equal for two identities exactly if they are the same one: MSP id and
// hash of the certificate. Policies count an identity once, by its Key.
func (id *Identity) Key() string { return id.key }

// String gives a form like "peer0.org1.example.com (Org1MSP, peer)".
func (id *Identity) String() string {
	return id.Name() + " (" + id.msp.id + ", " + id.Role() + ")"
}

// Expired tells whether the certificate is past its end. Proposals, broadcasts
// and seeks of such an identity are refused; what it signed earlier stays valid.
func (id *Identity) Expired(now time.Time) bool { return now.After(id.cert.NotAfter) }

// Verify checks a signature over a message. It refuses an ECDSA signature whose s
// is in the upper half. Errors wrap ErrSignature.
func (id *Identity) Verify(message, signature []byte) error {
	return id.VerifyParts(signature, message)
}

// VerifyParts is Verify for a message in several parts, which are not copied.
func (id *Identity) VerifyParts(signature []byte, parts ...[]byte) error {
	if len(signature) == 0 {
		return fmt.Errorf("%s: %w: it is empty", id, ErrSignature)
	}
	digest := digestOf(parts)
	h := sha256.New()
	h.Write(id.certHash[:])
	h.Write(digest)
	h.Write(signature)
	var key signatureKey
	h.Sum(key[:0])
	err := id.verifier.verify(key, func() error {
		if public, ok := id.cert.PublicKey.(ed25519.PublicKey); ok {
			if !ed25519.Verify(public, join(parts), signature) {
				return errNotMade
			}
			return nil
		}
		return verifyLowS(id.cert.PublicKey.(*ecdsa.PublicKey), digest, signature)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	return nil
}

// Same tells whether two identities are the same one.
func (id *Identity) Same(other *Identity) bool { return id.key == other.key }

// isCertificate tells whether this is the certificate, possibly in its form with
// a high s.
func (id *Identity) isCertificate(cert *x509.Certificate) bool {
	if bytes.Equal(id.cert.Raw, cert.Raw) {
		return true
	}
	if !bytes.Equal(id.cert.RawTBSCertificate, cert.RawTBSCertificate) {
		return false
	}
	chain, err := id.msp.chain(cert)
	if err != nil || len(chain) < 2 {
		return false
	}
	twin, err := lowSCertificate(cert, chain[1].PublicKey)
	return err == nil && bytes.Equal(id.cert.Raw, twin.Raw)
}

// NameOf is the common name in a serialized identity, for showing: nothing is
// checked, and "" is the answer to bytes that hold no certificate.
func NameOf(serialized []byte) string {
	var raw msppb.SerializedIdentity
	if proto.Unmarshal(serialized, &raw) != nil {
		return ""
	}
	cert, err := parseCertificatePEM(raw.GetIdBytes())
	if err != nil {
		return ""
	}
	return cert.Subject.CommonName
}
