package msp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"
)

// The roles that NodeOUs tell apart. A certificate says its role in an
// organizational unit of that name.
const (
	RoleClient  = "client"
	RolePeer    = "peer"
	RoleAdmin   = "admin"
	RoleOrderer = "orderer"
	RoleMember  = "member" // an identity of an organisation without NodeOUs
)

// MSP is one organisation's membership rules: which authorities issue its
// identities, which units mean which role, who is an administrator, what is
// revoked. It does not change; a configuration update makes a new one.
type MSP struct {
	id            string
	roots         []*x509.Certificate
	intermediates []*x509.Certificate
	pool          *x509.CertPool
	intermediate  *x509.CertPool
	inner         map[string]bool // certificates that issued an authority: they issue no identities
	revoked       []*x509.RevocationList
	units         map[string][][]byte // organizational_unit_identifiers: name to certifiers
	nodeOUs       []nodeOU            // empty: NodeOUs are off
	adminListed   [][]byte            // raw certificates
	tlsRoots      [][]byte            // PEM
	tlsInner      [][]byte            // PEM
}

// nodeOU ties an organizational unit to a role.
type nodeOU struct {
	role       string
	unit       string
	certifiers []byte // chain that must have issued the certificate, nil for any
}

// New takes an organisation's membership rules from a channel configuration. It
// fails with ErrConfig.
func New(config *msppb.MSPConfig) (*MSP, error) {
	if config.GetType() != 0 {
		return nil, fmt.Errorf("%w: type %d; only X.509 MSPs (type 0) are supported", ErrConfig, config.GetType())
	}
	var fabric msppb.FabricMSPConfig
	if err := proto.Unmarshal(config.GetConfig(), &fabric); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	m := &MSP{id: fabric.GetName()}
	if m.id == "" {
		return nil, fmt.Errorf("%w: it has no name", ErrConfig)
	}
	for _, step := range []func(*msppb.FabricMSPConfig) error{
		m.loadAuthorities, m.loadRevocations, m.checkAuthorities, m.loadUnits, m.loadNodeOUs, m.loadAdmins, m.loadTLS,
	} {
		if err := step(&fabric); err != nil {
			return nil, fmt.Errorf("MSP %s: %w: %w", m.id, ErrConfig, err)
		}
	}
	return m, nil
}

// ID is the MSP id, for example "Org1MSP".
func (m *MSP) ID() string { return m.id }

// TLSRootsPEM are the organisation's TLS authorities as PEM texts, roots first.
func (m *MSP) TLSRootsPEM() [][]byte { return slices.Concat(m.tlsRoots, m.tlsInner) }

// loadAuthorities reads roots and intermediates and brings them into the form
// with low-s signatures.
func (m *MSP) loadAuthorities(config *msppb.FabricMSPConfig) error {
	if len(config.GetRootCerts()) == 0 {
		return fmt.Errorf("it names no certificate authority (root_certs)")
	}
	var err error
	if m.roots, err = parseCertificates(config.GetRootCerts()); err != nil {
		return fmt.Errorf("root_certs: %w", err)
	}
	if m.intermediates, err = parseCertificates(config.GetIntermediateCerts()); err != nil {
		return fmt.Errorf("intermediate_certs: %w", err)
	}
	m.fillPools()
	for i, cert := range m.roots {
		if cert.CheckSignatureFrom(cert) != nil {
			continue // signed by an authority that is not known here
		}
		if m.roots[i], err = lowSCertificate(cert, cert.PublicKey); err != nil {
			return fmt.Errorf("root_certs: %s: %w", cert.Subject.CommonName, err)
		}
	}
	for i, cert := range m.intermediates {
		chain, err := m.chain(cert)
		if err != nil {
			return fmt.Errorf("intermediate_certs: %s: %w", cert.Subject.CommonName, err)
		}
		if len(chain) < 2 {
			continue // it is listed as a root too
		}
		if m.intermediates[i], err = lowSCertificate(cert, chain[1].PublicKey); err != nil {
			return fmt.Errorf("intermediate_certs: %s: %w", cert.Subject.CommonName, err)
		}
	}
	m.fillPools()
	return nil
}

// parseCertificates decodes PEM texts.
func parseCertificates(texts [][]byte) ([]*x509.Certificate, error) {
	certs := make([]*x509.Certificate, len(texts))
	for i, text := range texts {
		cert, err := parseCertificatePEM(text)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		certs[i] = cert
	}
	return certs, nil
}

// fillPools makes the pools for chain building anew.
func (m *MSP) fillPools() {
	m.pool, m.intermediate = x509.NewCertPool(), x509.NewCertPool()
	for _, cert := range m.roots {
		m.pool.AddCert(cert)
	}
	for _, cert := range m.intermediates {
		m.intermediate.AddCert(cert)
	}
}

// loadRevocations reads the revocation lists.
func (m *MSP) loadRevocations(config *msppb.FabricMSPConfig) error {
	for i, text := range config.GetRevocationList() {
		list, err := x509.ParseRevocationList(derOf(text))
		if err != nil {
			return fmt.Errorf("revocation_list: entry %d: %w", i, err)
		}
		m.revoked = append(m.revoked, list)
	}
	return nil
}

// checkAuthorities insists that each authority is one, and notes which of them
// issued another.
func (m *MSP) checkAuthorities(*msppb.FabricMSPConfig) error {
	for _, cert := range slices.Concat(m.roots, m.intermediates) {
		if err := m.checkAuthority(cert); err != nil {
			return fmt.Errorf("authority %s: %w", cert.Subject.CommonName, err)
		}
	}
	m.inner = make(map[string]bool)
	for _, cert := range m.intermediates {
		chain, err := m.chain(cert)
		if err != nil {
			return fmt.Errorf("authority %s: %w", cert.Subject.CommonName, err)
		}
		for _, issuer := range chain[1:] {
			m.inner[string(issuer.Raw)] = true
		}
	}
	return nil
}

// checkAuthority checks one authority's certificate.
func (m *MSP) checkAuthority(cert *x509.Certificate) error {
	if !cert.IsCA {
		return fmt.Errorf("the certificate is not that of an authority (no CA attribute)")
	}
	if len(cert.SubjectKeyId) == 0 {
		return fmt.Errorf("the certificate has no subject key identifier")
	}
	chain, err := m.chain(cert)
	if err != nil {
		return err
	}
	if len(chain) > 1 && m.isRevoked(cert, chain[1]) {
		return fmt.Errorf("the certificate is revoked")
	}
	return nil
}

// chain is the one chain from a certificate to a root. Certificates are judged as
// of one second after their own start: an expired one stays good for what it
// signed, and all peers come to the same verdict whenever they look.
func (m *MSP) chain(cert *x509.Certificate) ([]*x509.Certificate, error) {
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots:         m.pool,
		Intermediates: m.intermediate,
		CurrentTime:   cert.NotBefore.Add(time.Second),
	})
	if err != nil {
		return nil, err
	}
	if len(chains) != 1 {
		return nil, fmt.Errorf("it has %d chains to an authority, must have 1", len(chains))
	}
	return chains[0], nil
}

// isRevoked looks for the certificate in the lists that its issuer signed.
func (m *MSP) isRevoked(cert, issuer *x509.Certificate) bool {
	for _, list := range m.revoked {
		if !bytes.Equal(list.AuthorityKeyId, issuer.SubjectKeyId) {
			continue
		}
		for _, entry := range list.RevokedCertificateEntries {
			if entry.SerialNumber.Cmp(cert.SerialNumber) != 0 {
				continue
			}
			// A list that the issuer did not sign says nothing.
			return issuer.CheckSignature(list.SignatureAlgorithm, list.RawTBSRevocationList, list.Signature) == nil
		}
	}
	return false
}

// loadUnits reads the organizational units of which an identity must have one
// where NodeOUs are off.
func (m *MSP) loadUnits(config *msppb.FabricMSPConfig) error {
	m.units = make(map[string][][]byte)
	for _, unit := range config.GetOrganizationalUnitIdentifiers() {
		certifiers, err := m.certifiersOf(unit.GetCertificate())
		if err != nil {
			return fmt.Errorf("organizational_unit_identifiers: %q: %w", unit.GetOrganizationalUnitIdentifier(), err)
		}
		name := unit.GetOrganizationalUnitIdentifier()
		m.units[name] = append(m.units[name], certifiers)
	}
	return nil
}

// certifiersOf identifies the chain that ends in an authority of this
// organisation: the hash of the authority's certificate and those above it.
func (m *MSP) certifiersOf(certPEM []byte) ([]byte, error) {
	cert, err := parseCertificatePEM(certPEM)
	if err != nil {
		return nil, err
	}
	sameTBS := func(c *x509.Certificate) bool {
		return bytes.Equal(c.RawTBSCertificate, cert.RawTBSCertificate)
	}
	if i := slices.IndexFunc(m.roots, sameTBS); i >= 0 {
		return certifiersHash(m.roots[i : i+1]), nil
	}
	i := slices.IndexFunc(m.intermediates, sameTBS)
	if i < 0 {
		return nil, fmt.Errorf("certificate %s is not among root_certs or intermediate_certs", cert.Subject.CommonName)
	}
	chain, err := m.chain(m.intermediates[i])
	if err != nil {
		return nil, err
	}
	if m.inner[string(chain[0].Raw)] {
		return nil, fmt.Errorf("authority %s issues authorities, not identities", cert.Subject.CommonName)
	}
	return certifiersHash(chain), nil
}

// certifiersHash is SHA-256 over the certificates of a chain.
func certifiersHash(chain []*x509.Certificate) []byte {
	h := sha256.New()
	for _, cert := range chain {
		h.Write(cert.Raw)
	}
	return h.Sum(nil)
}

// loadNodeOUs reads which unit means which role.
func (m *MSP) loadNodeOUs(config *msppb.FabricMSPConfig) error {
	ous := config.GetFabricNodeOus()
	if !ous.GetEnable() {
		return nil
	}
	for _, from := range []struct {
		role string
		id   *msppb.FabricOUIdentifier
	}{
		{RoleClient, ous.GetClientOuIdentifier()},
		{RolePeer, ous.GetPeerOuIdentifier()},
		{RoleAdmin, ous.GetAdminOuIdentifier()},
		{RoleOrderer, ous.GetOrdererOuIdentifier()},
	} {
		if from.id == nil {
			continue
		}
		out := nodeOU{role: from.role, unit: from.id.GetOrganizationalUnitIdentifier()}
		if len(from.id.GetCertificate()) > 0 {
			var err error
			if out.certifiers, err = m.certifiersOf(from.id.GetCertificate()); err != nil {
				return fmt.Errorf("fabric_node_ous: role %s: %w", from.role, err)
			}
		}
		m.nodeOUs = append(m.nodeOUs, out)
	}
	return nil
}

// loadAdmins reads the listed administrators. Without NodeOUs there must be some.
func (m *MSP) loadAdmins(config *msppb.FabricMSPConfig) error {
	for i, text := range config.GetAdmins() {
		cert, err := parseCertificatePEM(text)
		if err != nil {
			return fmt.Errorf("admins: entry %d: %w", i, err)
		}
		chain, err := m.chain(cert)
		if err != nil {
			return fmt.Errorf("admins: %s: %w", cert.Subject.CommonName, err)
		}
		if len(chain) > 1 {
			if cert, err = lowSCertificate(cert, chain[1].PublicKey); err != nil {
				return fmt.Errorf("admins: entry %d: %w", i, err)
			}
		}
		m.adminListed = append(m.adminListed, cert.Raw)
	}
	hasAdminOU := slices.ContainsFunc(m.nodeOUs, func(ou nodeOU) bool { return ou.role == RoleAdmin })
	if len(m.adminListed) == 0 && !hasAdminOU {
		return fmt.Errorf("it has no administrators: list some in admins or define an admin unit in fabric_node_ous")
	}
	return nil
}

// loadTLS reads the TLS authorities. They must be authorities; whose certificates
// they are is the concern of connections, not of identities.
func (m *MSP) loadTLS(config *msppb.FabricMSPConfig) error {
	m.tlsRoots, m.tlsInner = config.GetTlsRootCerts(), config.GetTlsIntermediateCerts()
	certs, err := parseCertificates(m.TLSRootsPEM())
	if err != nil {
		return fmt.Errorf("tls_root_certs: %w", err)
	}
	for _, cert := range certs {
		if !cert.IsCA || len(cert.SubjectKeyId) == 0 {
			return fmt.Errorf("tls_root_certs: %s is not an authority with a subject key identifier", cert.Subject.CommonName)
		}
	}
	return nil
}

// supportedKey tells whether identities may have such a key.
func supportedKey(key any, ed25519Too bool) bool {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256() || key.Curve == elliptic.P384() || key.Curve == elliptic.P224() || key.Curve == elliptic.P521()
	case ed25519.PublicKey:
		return ed25519Too
	default:
		return false
	}
}
