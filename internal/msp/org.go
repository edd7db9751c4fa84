package msp

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"
)

// OrgSpec says what organisation to make.
type OrgSpec struct {
	MSPID   string // for example "Org1MSP"
	Domain  string // for example "org1.example.com"
	Orderer bool   // an organisation of ordering nodes instead of peers
	Nodes   []NodeSpec
	// Users of the organisation. None given: an administrator "Admin", and for an
	// organisation of peers a client "User1".
	Users []UserSpec
}

// NodeSpec is a peer or an ordering node.
type NodeSpec struct {
	Name  string   // "peer0"; the domain is added unless it is there
	Hosts []string // further names and addresses for its TLS certificate
}

// UserSpec is somebody who sends transactions or administers.
type UserSpec struct {
	Name string // "Admin"; "@" and the domain are added unless they are there
	Role string // RoleClient or RoleAdmin; "": RoleAdmin for "Admin", else RoleClient
	// Attributes are written into the certificate, with those that fabric-ca adds by itself.
	Attributes map[string]string
}

// Org is an organisation with its authorities and everybody in it. Adding members
// is not safe for use by many goroutines.
type Org struct {
	MSPID   string
	Domain  string
	Orderer bool
	CA      *Authority         // issues identities
	TLSCA   *Authority         // issues certificates for connections
	Nodes   map[string]*Member // by full name: "peer0.org1.example.com"
	Users   map[string]*Member // by full name: "Admin@org1.example.com"
}

// Member is a node or a user with the identity it signs with and the certificate
// it connects with.
type Member struct {
	Name       string // full name
	Role       string
	Signer     *Signer
	TLS        tls.Certificate
	TLSCertPEM []byte
	TLSKeyPEM  []byte
	Dir        string // its folder (with msp and tls inside) once written or loaded, else ""
}

// Generate makes an organisation: two authorities and a pair of keys and
// certificates for everybody. Nothing is written.
func Generate(spec OrgSpec) (*Org, error) {
	if err := checkName("domain", spec.Domain); err != nil {
		return nil, err
	}
	if !mspIDForm.MatchString(spec.MSPID) {
		return nil, fmt.Errorf("%w: MSP id %q; use letters, digits, '.', '-' and '_'", ErrName, spec.MSPID)
	}
	o := &Org{MSPID: spec.MSPID, Domain: spec.Domain, Orderer: spec.Orderer, Nodes: map[string]*Member{}, Users: map[string]*Member{}}
	var err error
	if o.CA, err = NewAuthority("ca."+spec.Domain, spec.Domain); err != nil {
		return nil, err
	}
	if o.TLSCA, err = NewAuthority("tlsca."+spec.Domain, spec.Domain); err != nil {
		return nil, err
	}
	for _, node := range spec.Nodes {
		if _, err := o.AddNode(node); err != nil {
			return nil, err
		}
	}
	users := spec.Users
	if users == nil {
		users = []UserSpec{{Name: "Admin"}}
		if !spec.Orderer {
			users = append(users, UserSpec{Name: "User1"})
		}
	}
	for _, user := range users {
		if _, err := o.AddUser(user); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Names become file names, host names and parts of certificates, so they are kept
// to what all of these take.
var (
	nameForm  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$`)
	mspIDForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
)

// checkName refuses what could not be a host or file name.
func checkName(what, name string) error {
	if len(name) > 200 || !nameForm.MatchString(name) {
		return fmt.Errorf("%w: %s %q; use letters, digits and '-', with '.' between parts", ErrName, what, name)
	}
	return nil
}

// AddNode makes a new peer or ordering node.
func (o *Org) AddNode(spec NodeSpec) (*Member, error) {
	short := strings.TrimSuffix(spec.Name, "."+o.Domain)
	if err := checkName("node", short); err != nil {
		return nil, err
	}
	name := short + "." + o.Domain
	if o.Nodes[name] != nil {
		return nil, fmt.Errorf("%w: node %q exists already", ErrName, name)
	}
	role := RolePeer
	if o.Orderer {
		role = RoleOrderer
	}
	hosts := []string{name, short, "localhost", "127.0.0.1", "::1"}
	for _, host := range spec.Hosts {
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	m, err := o.newMember(name, role, hosts, nil)
	if err != nil {
		return nil, err
	}
	o.Nodes[name] = m
	return m, nil
}

// AddUser makes a new user.
func (o *Org) AddUser(spec UserSpec) (*Member, error) {
	short := strings.TrimSuffix(spec.Name, "@"+o.Domain)
	if err := checkName("user", short); err != nil {
		return nil, err
	}
	name := short + "@" + o.Domain
	if o.Users[name] != nil {
		return nil, fmt.Errorf("%w: user %q exists already", ErrName, name)
	}
	role := spec.Role
	switch {
	case role == "" && short == "Admin":
		role = RoleAdmin
	case role == "":
		role = RoleClient
	case role != RoleAdmin && role != RoleClient:
		return nil, fmt.Errorf("%w: role %q of user %q; use %q or %q", ErrName, role, name, RoleClient, RoleAdmin)
	}
	m, err := o.newMember(name, role, nil, attributesOf(short, role, spec.Attributes))
	if err != nil {
		return nil, err
	}
	o.Users[name] = m
	return m, nil
}

// attributesOf adds what fabric-ca says of everybody who is given attributes.
func attributesOf(name, role string, own map[string]string) map[string]string {
	if len(own) == 0 {
		return nil
	}
	all := map[string]string{"hf.Affiliation": "", "hf.EnrollmentID": name, "hf.Type": role}
	maps.Copy(all, own)
	return all
}

// newMember makes both pairs of key and certificate.
func (o *Org) newMember(name, role string, hosts []string, attributes map[string]string) (*Member, error) {
	m := &Member{Name: name, Role: role}
	key, certPEM, err := o.CA.issueWithKey(CertSpec{CommonName: name, OrganizationalUnits: []string{role}, Attributes: attributes})
	if err != nil {
		return nil, err
	}
	cert, err := parseCertificatePEM(certPEM)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	if m.Signer, err = newSigner(o.MSPID, certPEM, cert, key); err != nil {
		return nil, err
	}
	key, certPEM, err = o.TLSCA.issueWithKey(CertSpec{CommonName: name, Hosts: hosts, TLS: true})
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return m, m.setTLS(certPEM, keyPEM)
}

// issueWithKey makes a key and a certificate for it.
func (a *Authority) issueWithKey(spec CertSpec) (*ecdsa.PrivateKey, []byte, error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, fmt.Errorf("key of %s: %w", spec.CommonName, err)
	}
	certPEM, err := a.Issue(spec, &key.PublicKey)
	return key, certPEM, err
}

// setTLS takes the pair for connections.
func (m *Member) setTLS(certPEM, keyPEM []byte) error {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("TLS certificate of %s: %w", m.Name, err)
	}
	m.TLS, m.TLSCertPEM, m.TLSKeyPEM = pair, certPEM, keyPEM
	return nil
}

// Node is the node with this name, with or without the domain; nil if none.
func (o *Org) Node(name string) *Member {
	if m := o.Nodes[name]; m != nil {
		return m
	}
	return o.Nodes[name+"."+o.Domain]
}

// User is the user with this name, with or without the domain; nil if none.
func (o *Org) User(name string) *Member {
	if m := o.Users[name]; m != nil {
		return m
	}
	return o.Users[name+"@"+o.Domain]
}

// Admin is an administrator, nil if the organisation has none.
func (o *Org) Admin() *Member {
	for _, name := range slices.Sorted(maps.Keys(o.Users)) {
		if o.Users[name].Role == RoleAdmin {
			return o.Users[name]
		}
	}
	return nil
}

// TLSRoots is the pool with the organisation's TLS authority.
func (o *Org) TLSRoots() *x509.CertPool { return o.TLSCA.Pool() }

// MSPConfig is the organisation's membership rules for a channel configuration:
// one authority, NodeOUs for all four roles, no listed administrators.
func (o *Org) MSPConfig() *msppb.MSPConfig {
	ou := func(role string) *msppb.FabricOUIdentifier {
		return &msppb.FabricOUIdentifier{Certificate: o.CA.CertPEM(), OrganizationalUnitIdentifier: role}
	}
	config, err := proto.Marshal(&msppb.FabricMSPConfig{
		Name:         o.MSPID,
		RootCerts:    [][]byte{o.CA.CertPEM()},
		TlsRootCerts: [][]byte{o.TLSCA.CertPEM()},
		CryptoConfig: &msppb.FabricCryptoConfig{SignatureHashFamily: "SHA2", IdentityIdentifierHashFunction: "SHA256"},
		FabricNodeOus: &msppb.FabricNodeOUs{
			Enable:              true,
			ClientOuIdentifier:  ou(RoleClient),
			PeerOuIdentifier:    ou(RolePeer),
			AdminOuIdentifier:   ou(RoleAdmin),
			OrdererOuIdentifier: ou(RoleOrderer),
		},
	})
	if err != nil { // the MSP id is the only text in it, and Generate checked that
		panic(fmt.Sprintf("msp: encode configuration of %s: %v", o.MSPID, err))
	}
	return &msppb.MSPConfig{Config: config}
}
