package msp

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/cache"
)

// A set remembers this many identities, and none whose bytes are longer than any
// honest certificate.
const (
	cachedIdentities  = 512
	maxCachedIdentity = 16 << 10
)

// Set is the organisations of one channel (or just the own one, for calls that
// concern no channel). It turns the identities in messages into Identity values
// and remembers those. It is safe for use by many goroutines.
type Set struct {
	msps     map[string]*MSP
	verifier *Verifier
	ed25519  bool

	mu    sync.Mutex
	known *cache.Cache[string, *Identity] // by serialized bytes
}

// NewSet makes a set whose signatures are checked through the verifier (nil:
// each time). Of two organisations with one id the first counts.
func NewSet(v *Verifier, msps ...*MSP) *Set {
	s := &Set{msps: make(map[string]*MSP, len(msps)), verifier: v, known: cache.New[string, *Identity](cachedIdentities, nil)}
	for _, m := range msps {
		if _, ok := s.msps[m.id]; !ok {
			s.msps[m.id] = m
		}
	}
	return s
}

// AcceptEd25519 lets identities have Ed25519 keys, which the channel capability
// V3_0 allows. To be called before the set is used.
func (s *Set) AcceptEd25519() { s.ed25519 = true }

// MSP is the organisation with this id, nil if the set has none.
func (s *Set) MSP(id string) *MSP { return s.msps[id] }

// IDs are the MSP ids in order.
func (s *Set) IDs() []string { return slices.Sorted(maps.Keys(s.msps)) }

// Identity decodes and validates a serialized identity. An *IdentityError says
// why it is refused. That a certificate has expired is no reason: see
// [Identity.Expired].
func (s *Set) Identity(serialized []byte) (*Identity, error) {
	if id := s.cached(serialized); id != nil {
		return id, nil
	}
	var raw msppb.SerializedIdentity
	if err := proto.Unmarshal(serialized, &raw); err != nil {
		return nil, &IdentityError{Kind: ErrMalformed, Why: err.Error()}
	}
	m := s.msps[raw.GetMspid()]
	if m == nil {
		return nil, &IdentityError{Kind: ErrUnknownMSP, MSPID: raw.GetMspid(), Why: fmt.Sprintf("known are %q", s.IDs())}
	}
	id, err := m.identity(raw.GetIdBytes(), s.ed25519)
	if err != nil {
		return nil, err
	}
	id.serialized = bytes.Clone(serialized)
	id.verifier = s.verifier
	s.remember(id)
	return id, nil
}

// cached gives an identity that was seen before, nil if it was not.
func (s *Set) cached(serialized []byte) *Identity {
	if len(serialized) > maxCachedIdentity {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, _ := cache.GetBytes(s.known, serialized)
	return id
}

// remember keeps an identity unless it is suspiciously long.
func (s *Set) remember(id *Identity) {
	if len(id.serialized) > maxCachedIdentity {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.Put(string(id.serialized), id)
}

// CertificateEnd reads until when the certificate in a serialized identity is valid;
// zero when there is none to read. Members are known already; others are read here,
// because Fabric says "expired" to them as well.
func (s *Set) CertificateEnd(serialized []byte) time.Time {
	if id, err := s.Identity(serialized); err == nil {
		return id.cert.NotAfter
	}
	var raw msppb.SerializedIdentity
	if proto.Unmarshal(serialized, &raw) != nil {
		return time.Time{}
	}
	block, _ := pem.Decode(raw.GetIdBytes())
	if block == nil {
		return time.Time{}
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return cert.NotAfter
}

// identity decodes and validates a PEM certificate as an identity of m.
func (m *MSP) identity(certPEM []byte, ed25519Too bool) (*Identity, error) {
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return nil, &IdentityError{Kind: ErrMalformed, MSPID: m.id, Why: "it holds no PEM certificate"}
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, &IdentityError{Kind: ErrMalformed, MSPID: m.id, Why: err.Error()}
	}
	refuse := func(kind error, format string, args ...any) (*Identity, error) {
		return nil, &IdentityError{Kind: kind, MSPID: m.id, Name: cert.Subject.CommonName, Why: fmt.Sprintf(format, args...)}
	}
	if !supportedKey(cert.PublicKey, ed25519Too) {
		return refuse(ErrMalformed, "a %v key cannot be used here", cert.PublicKeyAlgorithm)
	}
	if cert.IsCA {
		return refuse(ErrInvalid, "it is the certificate of an authority")
	}
	chain, err := m.chain(cert)
	if err != nil {
		return refuse(ErrUntrusted, "%v", err)
	}
	if len(chain) < 2 {
		return refuse(ErrInvalid, "it is not issued by an authority")
	}
	issuer := chain[1]
	if cert, err = lowSCertificate(cert, issuer.PublicKey); err != nil {
		return refuse(ErrMalformed, "%v", err)
	}
	if m.inner[string(issuer.Raw)] {
		return refuse(ErrInvalid, "its issuer %s issues authorities, not identities", issuer.Subject.CommonName)
	}
	if m.isRevoked(cert, issuer) {
		return refuse(ErrInvalid, "it is revoked")
	}
	id := &Identity{msp: m, cert: cert, certHash: sha256.Sum256(cert.Raw), certifiers: certifiersHash(chain[1:])}
	id.key = m.id + "/" + hex.EncodeToString(id.certHash[:])
	if why := m.assignRoles(id); why != "" {
		return refuse(ErrInvalid, "%s", why)
	}
	return id, nil
}

// assignRoles applies the rules about organizational units. It returns why they
// are not kept, or "".
func (m *MSP) assignRoles(id *Identity) (why string) {
	units := id.cert.Subject.OrganizationalUnit
	if slices.ContainsFunc(m.adminListed, func(raw []byte) bool { return bytes.Equal(raw, id.cert.Raw) }) {
		id.roles = append(id.roles, RoleAdmin)
	}
	if len(m.nodeOUs) == 0 {
		return m.checkUnits(id, units)
	}
	count := 0
	for _, unit := range units {
		matched := false
		for i := range m.nodeOUs {
			ou := &m.nodeOUs[i]
			if ou.unit != unit {
				continue
			}
			if len(ou.certifiers) > 0 && !bytes.Equal(ou.certifiers, id.certifiers) {
				return fmt.Sprintf("the authority that issued it may not issue unit %q", unit)
			}
			matched = true
			if !slices.Contains(id.roles, ou.role) {
				id.roles = append(id.roles, ou.role)
			}
		}
		if matched {
			count++
		}
	}
	if count != 1 {
		return fmt.Sprintf("it must have exactly one role among client, peer, admin and orderer; its organizational units are %q", units)
	}
	return ""
}

// checkUnits is the rule without NodeOUs: where the configuration lists units, the
// certificate must have one of them.
func (m *MSP) checkUnits(id *Identity, units []string) (why string) {
	if len(m.units) == 0 {
		return ""
	}
	for _, unit := range units {
		for _, certifiers := range m.units[unit] {
			if bytes.Equal(certifiers, id.certifiers) {
				return ""
			}
		}
	}
	return fmt.Sprintf("none of its organizational units %q is one of the organisation's", units)
}
