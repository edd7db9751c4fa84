package msp_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"

	"github.com/fabriscope/fabriscope/internal/msp"
)

func TestIdentity(t *testing.T) {
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	set := msp.NewSet(msp.NewVerifier(0), MustMSP(t, org.MSPConfig(), nil))
	for _, tt := range []struct {
		member *msp.Member
		want   string
	}{
		{org.Node("peer0"), "peer0.org1.example.com (Org1MSP, peer)"},
		{org.User("Admin"), "Admin@org1.example.com (Org1MSP, admin)"},
		{org.User("User1"), "User1@org1.example.com (Org1MSP, client)"},
	} {
		id := MustIdentity(t, set, tt.member.Signer.Creator())
		if id.String() != tt.want {
			t.Errorf("identity %q, want %q", id, tt.want)
		}
		if id.Expired(time.Now()) || !id.Expired(time.Now().Add(20*365*24*time.Hour)) {
			t.Errorf("%s: Expired is wrong", id)
		}
		message := []byte("message")
		signature, err := tt.member.Signer.Sign(message)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time from memory
			if err := id.Verify(message, signature); err != nil {
				t.Error(err)
			}
		}
		if err := id.Verify([]byte("messagE"), signature); !errors.Is(err, msp.ErrSignature) {
			t.Errorf("%s: signature over another message: %v", id, err)
		}
		if again := MustIdentity(t, set, tt.member.Signer.Creator()); again != id {
			t.Errorf("%s: not remembered", id)
		}
	}
}

func TestDescribe(t *testing.T) {
	peer := MustOrg(t, "Org1MSP", "org1.example.com").Node("peer0").Signer
	for _, tt := range []struct {
		serialized []byte
		name       string
	}{
		{peer.Creator(), "peer0.org1.example.com"},
		{serialize(t, "Org1MSP", []byte("x")), ""},
		{[]byte{0xff}, ""},
		{nil, ""},
	} {
		if got := msp.NameOf(tt.serialized); got != tt.name {
			t.Errorf("name %q, want %q", got, tt.name)
		}
	}
}

func TestIdentityRefused(t *testing.T) {
	org, other := MustOrg(t, "Org1MSP", "org1.example.com"), MustOrg(t, "Org2MSP", "org2.example.com")
	set := msp.NewSet(nil, MustMSP(t, org.MSPConfig(), nil), MustMSP(t, other.MSPConfig(), nil))
	peer := org.Node("peer0").Signer
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaCert, err := org.CA.Issue(msp.CertSpec{CommonName: "rsa", OrganizationalUnits: []string{"peer"}}, &rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	self, err := msp.NewAuthority("peer0.org1.example.com", "org1.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name       string
		serialized []byte
		want       error
		why        string
	}{
		{"nothing", nil, msp.ErrUnknownMSP, ""},
		{"garbage", []byte{0xff}, msp.ErrMalformed, ""},
		{"unknown organisation", serialize(t, "Org9MSP", peer.CertPEM()), msp.ErrUnknownMSP, `"Org9MSP"`},
		{"wrong organisation", serialize(t, "Org2MSP", peer.CertPEM()), msp.ErrUntrusted, "unknown authority"},
		{"no certificate", serialize(t, "Org1MSP", []byte("hello")), msp.ErrMalformed, "PEM"},
		{"broken certificate", serialize(t, "Org1MSP", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})), msp.ErrMalformed, ""},
		{"an authority", serialize(t, "Org1MSP", org.CA.CertPEM()), msp.ErrInvalid, "authority"},
		{"self-signed", MustIssue(t, self, "Org1MSP", msp.CertSpec{CommonName: "x", OrganizationalUnits: []string{"peer"}}), msp.ErrUntrusted, ""},
		{"no role", MustIssue(t, org.CA, "Org1MSP", msp.CertSpec{CommonName: "x"}), msp.ErrInvalid, "exactly one role"},
		{"two roles", MustIssue(t, org.CA, "Org1MSP", msp.CertSpec{CommonName: "x", OrganizationalUnits: []string{"peer", "client"}}), msp.ErrInvalid, "exactly one role"},
		{"another unit only", MustIssue(t, org.CA, "Org1MSP", msp.CertSpec{CommonName: "x", OrganizationalUnits: []string{"sales"}}), msp.ErrInvalid, "sales"},
		{"RSA", serialize(t, "Org1MSP", rsaCert), msp.ErrMalformed, "RSA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := set.Identity(tt.serialized)
			if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.why) {
				t.Errorf("identity %v, error %v; want %v with %q", id, err, tt.want, tt.why)
			}
			var detail *msp.IdentityError
			if !errors.As(err, &detail) {
				t.Errorf("error %T is no IdentityError", err)
			}
		})
	}
	// One role and other units besides is fine.
	id := MustIdentity(t, set, MustIssue(t, org.CA, "Org1MSP", msp.CertSpec{CommonName: "x", OrganizationalUnits: []string{"sales", "client"}}))
	if id.Role() != msp.RoleClient {
		t.Errorf("role %q", id.Role())
	}
}

// A certificate is judged as of its own start: that it has ended, or not begun,
// makes no difference to what it signed.
func TestIdentityExpired(t *testing.T) {
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	set := msp.NewSet(nil, MustMSP(t, org.MSPConfig(), nil))
	start := org.CA.Cert().NotBefore
	expired := MustIdentity(t, set, MustIssue(t, org.CA, "Org1MSP", msp.CertSpec{
		CommonName: "old", OrganizationalUnits: []string{"peer"}, NotBefore: start, NotAfter: start.Add(2 * time.Second)}))
	if !expired.Expired(time.Now()) {
		t.Error("an expired certificate does not say so")
	}
	MustIdentity(t, set, MustIssue(t, org.CA, "Org1MSP", msp.CertSpec{
		CommonName: "new", OrganizationalUnits: []string{"peer"}, NotBefore: time.Now().Add(time.Hour)}))
	// One second after its start this one has ended already.
	if _, err := set.Identity(MustIssue(t, org.CA, "Org1MSP", msp.CertSpec{
		CommonName: "short", OrganizationalUnits: []string{"peer"}, NotBefore: start, NotAfter: start})); !errors.Is(err, msp.ErrUntrusted) {
		t.Errorf("a certificate without any time: %v", err)
	}
}

// A certificate whose issuer's signature has a high s is the same identity as its
// twin with a low s, wherever it is met.
func TestIdentityHighS(t *testing.T) {
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	set := msp.NewSet(nil, MustMSP(t, org.MSPConfig(), nil))
	peer := org.Node("peer0").Signer
	low := MustIdentity(t, set, peer.Creator())
	highPEM := twinCertificate(t, peer.CertPEM())
	high := MustIdentity(t, set, serialize(t, "Org1MSP", highPEM))
	if low.Key() != high.Key() || !low.Same(high) {
		t.Errorf("keys %s and %s", low.Key(), high.Key())
	}
	if !bytes.Equal(high.Cert().Raw, peer.Cert().Raw) {
		t.Error("the certificate was not rewritten")
	}
	if bytes.Equal(high.Serialized(), low.Serialized()) {
		t.Error("the serialized identity was rewritten")
	}
	for _, certPEM := range [][]byte{peer.CertPEM(), highPEM} {
		principal := &msppb.MSPPrincipal{PrincipalClassification: msppb.MSPPrincipal_IDENTITY, Principal: serialize(t, "Org1MSP", certPEM)}
		if err := high.Satisfies(principal); err != nil {
			t.Error(err)
		}
	}

	// The same for authorities and listed administrators.
	m := MustMSP(t, org.MSPConfig(), func(c *msppb.FabricMSPConfig) {
		c.RootCerts = [][]byte{twinCertificate(t, org.CA.CertPEM())}
		c.Admins = [][]byte{highPEM}
	})
	id := MustIdentity(t, msp.NewSet(nil, m), peer.Creator())
	if id.Role() != msp.RoleAdmin {
		t.Errorf("role %q, want the listed administrator's", id.Role())
	}
}

func TestWithoutNodeOUs(t *testing.T) {
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	peer, admin := org.Node("peer0").Signer, org.User("Admin").Signer
	off := func(c *msppb.FabricMSPConfig) {
		c.FabricNodeOus.Enable = false
		c.Admins = [][]byte{admin.CertPEM()}
	}
	set := msp.NewSet(nil, MustMSP(t, org.MSPConfig(), off))
	if got := MustIdentity(t, set, peer.Creator()).Role(); got != msp.RoleMember {
		t.Errorf("role %q, want member", got)
	}
	if got := MustIdentity(t, set, admin.Creator()).Role(); got != msp.RoleAdmin {
		t.Errorf("role %q, want admin", got)
	}
	MustIdentity(t, set, MustIssue(t, org.CA, "Org1MSP", msp.CertSpec{CommonName: "no unit"}))

	// With units listed, one of them is needed.
	set = msp.NewSet(nil, MustMSP(t, org.MSPConfig(), func(c *msppb.FabricMSPConfig) {
		off(c)
		c.OrganizationalUnitIdentifiers = []*msppb.FabricOUIdentifier{{Certificate: org.CA.CertPEM(), OrganizationalUnitIdentifier: "peer"}}
		c.Admins = [][]byte{peer.CertPEM()}
	}))
	MustIdentity(t, set, peer.Creator())
	if _, err := set.Identity(admin.Creator()); !errors.Is(err, msp.ErrInvalid) {
		t.Errorf("an identity without a listed unit: %v", err)
	}
}

func TestIntermediates(t *testing.T) {
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	inter := MustIntermediate(t, org.CA, "inter")
	config := org.MSPConfig()
	set := msp.NewSet(nil, MustMSP(t, config, func(c *msppb.FabricMSPConfig) {
		c.IntermediateCerts = [][]byte{twinCertificate(t, inter.CertPEM())}
		c.FabricNodeOus.PeerOuIdentifier.Certificate = inter.CertPEM()
		c.FabricNodeOus.ClientOuIdentifier.Certificate = nil
	}))
	peer := msp.CertSpec{CommonName: "p", OrganizationalUnits: []string{"peer"}}
	MustIdentity(t, set, MustIssue(t, inter, "Org1MSP", peer))
	MustIdentity(t, set, MustIssue(t, inter, "Org1MSP", msp.CertSpec{CommonName: "c", OrganizationalUnits: []string{"client"}}))
	// The administrator's unit is bound to the root, which issues authorities only.
	if _, err := set.Identity(MustIssue(t, inter, "Org1MSP", msp.CertSpec{CommonName: "a", OrganizationalUnits: []string{"admin"}})); !errors.Is(err, msp.ErrInvalid) {
		t.Errorf("a unit of another issuer: %v", err)
	}
	if _, err := set.Identity(org.Node("peer0").Signer.Creator()); !errors.Is(err, msp.ErrInvalid) {
		t.Errorf("an identity that the root issued: %v", err)
	}
}

func TestRevocation(t *testing.T) {
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	stranger, err := msp.NewAuthority("ca.org1.example.com", "org1.example.com")
	if err != nil {
		t.Fatal(err)
	}
	peer, admin := org.Node("peer0").Signer, org.User("Admin").Signer
	list := func(issuer *x509.Certificate, key *msp.Authority, serial *big.Int) []byte {
		raw, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number:                    big.NewInt(1),
			ThisUpdate:                time.Now(),
			NextUpdate:                time.Now().Add(time.Hour),
			RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: serial, RevocationTime: time.Now()}},
		}, issuer, caKey(t, key))
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: raw})
	}
	// The second list claims to be the authority's but somebody else signed it.
	forged := *org.CA.Cert()
	forged.PublicKey = stranger.Cert().PublicKey
	set := msp.NewSet(nil, MustMSP(t, org.MSPConfig(), func(c *msppb.FabricMSPConfig) {
		c.RevocationList = [][]byte{
			list(org.CA.Cert(), org.CA, peer.Cert().SerialNumber),
			list(&forged, stranger, admin.Cert().SerialNumber),
		}
	}))
	if _, err := set.Identity(peer.Creator()); !errors.Is(err, msp.ErrInvalid) || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a revoked identity: %v", err)
	}
	MustIdentity(t, set, admin.Creator())
	MustIdentity(t, set, org.User("User1").Signer.Creator())
}

func TestEd25519(t *testing.T) {
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certPEM, err := org.CA.Issue(msp.CertSpec{CommonName: "ed", OrganizationalUnits: []string{"client"}}, public)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := msp.NewSigner("Org1MSP", certPEM, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	if err != nil {
		t.Fatal(err)
	}
	set := msp.NewSet(msp.NewVerifier(0), MustMSP(t, org.MSPConfig(), nil))
	if _, err := set.Identity(signer.Creator()); !errors.Is(err, msp.ErrMalformed) {
		t.Errorf("without the capability: %v", err)
	}
	set.AcceptEd25519()
	id := MustIdentity(t, set, signer.Creator())
	signature, err := signer.SignParts([]byte("mes"), []byte("sage"))
	if err != nil {
		t.Fatal(err)
	}
	if err := id.Verify([]byte("message"), signature); err != nil {
		t.Error(err)
	}
	if err := id.Verify([]byte("massage"), signature); !errors.Is(err, msp.ErrSignature) {
		t.Errorf("signature over another message: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	org, other := MustOrg(t, "Org1MSP", "org1.example.com"), MustOrg(t, "Org2MSP", "org2.example.com")
	for _, tt := range []struct {
		name   string
		change func(*msppb.FabricMSPConfig)
		why    string
	}{
		{"no name", func(c *msppb.FabricMSPConfig) { c.Name = "" }, "name"},
		{"no root", func(c *msppb.FabricMSPConfig) { c.RootCerts = nil }, "root_certs"},
		{"broken root", func(c *msppb.FabricMSPConfig) { c.RootCerts = [][]byte{[]byte("x")} }, "root_certs"},
		{"root is no authority", func(c *msppb.FabricMSPConfig) { c.RootCerts = [][]byte{org.Node("peer0").Signer.CertPEM()} }, "no CA attribute"},
		{"stray intermediate", func(c *msppb.FabricMSPConfig) {
			c.IntermediateCerts = [][]byte{MustIntermediate(t, other.CA, "inter").CertPEM()}
		}, "intermediate_certs"},
		{"unit of a stranger", func(c *msppb.FabricMSPConfig) { c.FabricNodeOus.PeerOuIdentifier.Certificate = other.CA.CertPEM() }, "role peer"},
		{"no administrators", func(c *msppb.FabricMSPConfig) { c.FabricNodeOus.AdminOuIdentifier = nil }, "administrators"},
		{"strange administrator", func(c *msppb.FabricMSPConfig) { c.Admins = [][]byte{other.User("Admin").Signer.CertPEM()} }, "admins"},
		{"broken list", func(c *msppb.FabricMSPConfig) { c.RevocationList = [][]byte{[]byte("x")} }, "revocation_list"},
		{"TLS root is no authority", func(c *msppb.FabricMSPConfig) { c.TlsRootCerts = [][]byte{org.Node("peer0").TLSCertPEM} }, "tls_root_certs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := msp.New(changed(t, org.MSPConfig(), tt.change))
			if !errors.Is(err, msp.ErrConfig) || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("error %v, want ErrConfig with %q", err, tt.why)
			}
		})
	}
	if _, err := msp.New(&msppb.MSPConfig{Type: 1}); !errors.Is(err, msp.ErrConfig) {
		t.Errorf("idemix: %v", err)
	}
	if _, err := msp.New(&msppb.MSPConfig{Config: []byte{0xff}}); !errors.Is(err, msp.ErrConfig) {
		t.Errorf("garbage: %v", err)
	}
}

func FuzzIdentity(f *testing.F) {
	org := MustOrg(f, "Org1MSP", "org1.example.com")
	set := msp.NewSet(nil, MustMSP(f, org.MSPConfig(), nil))
	f.Add(org.Node("peer0").Signer.Creator())
	f.Add(serialize(f, "Org1MSP", []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := set.Identity(b)
		var detail *msp.IdentityError
		if err != nil && !errors.As(err, &detail) {
			t.Fatalf("error %T is no IdentityError", err)
		}
		if err == nil && (id.MSPID() != "Org1MSP" || id.Role() == msp.RoleMember || len(id.Serialized()) != len(b)) {
			t.Fatalf("accepted %s", id)
		}
	})
}

func BenchmarkIdentityRemembered(b *testing.B) {
	org := MustOrg(b, "Org1MSP", "org1.example.com")
	set := msp.NewSet(nil, MustMSP(b, org.MSPConfig(), nil))
	creator := org.Node("peer0").Signer.Creator()
	b.ReportAllocs()
	for b.Loop() {
		MustIdentity(b, set, creator)
	}
}

func BenchmarkIdentityFresh(b *testing.B) {
	org := MustOrg(b, "Org1MSP", "org1.example.com")
	m := MustMSP(b, org.MSPConfig(), nil)
	creator := org.Node("peer0").Signer.Creator()
	b.ReportAllocs()
	for b.Loop() {
		MustIdentity(b, msp.NewSet(nil, m), creator)
	}
}
