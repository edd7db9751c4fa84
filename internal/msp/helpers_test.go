package msp_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
)

// MustOrg makes an organisation with peer0, Admin and User1.
func MustOrg(t testing.TB, mspID, domain string) *msp.Org {
	t.Helper()
	org, err := msp.Generate(msp.OrgSpec{MSPID: mspID, Domain: domain, Nodes: []msp.NodeSpec{{Name: "peer0"}}})
	if err != nil {
		t.Fatalf("organisation %s: %v", domain, err)
	}
	return org
}

// MustMSP takes membership rules, changed as wanted.
func MustMSP(t testing.TB, config *msppb.MSPConfig, change func(*msppb.FabricMSPConfig)) *msp.MSP {
	t.Helper()
	m, err := msp.New(changed(t, config, change))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// changed is the configuration after a change.
func changed(t testing.TB, config *msppb.MSPConfig, change func(*msppb.FabricMSPConfig)) *msppb.MSPConfig {
	t.Helper()
	if change == nil {
		return config
	}
	var fabric msppb.FabricMSPConfig
	if err := proto.Unmarshal(config.Config, &fabric); err != nil {
		t.Fatal(err)
	}
	change(&fabric)
	return &msppb.MSPConfig{Config: MustMarshal(t, &fabric)}
}

// MustIdentity decodes an identity that must be valid.
func MustIdentity(t testing.TB, set *msp.Set, serialized []byte) *msp.Identity {
	t.Helper()
	id, err := set.Identity(serialized)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// MustMarshal encodes a message.
func MustMarshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// MustKey makes a key.
func MustKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// MustIssue issues a certificate for a new key and returns it as serialized
// identity.
func MustIssue(t testing.TB, ca *msp.Authority, mspID string, spec msp.CertSpec) []byte {
	t.Helper()
	certPEM, err := ca.Issue(spec, &MustKey(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return serialize(t, mspID, certPEM)
}

// serialize is a serialized identity.
func serialize(t testing.TB, mspID string, certPEM []byte) []byte {
	t.Helper()
	return MustMarshal(t, &msppb.SerializedIdentity{Mspid: mspID, IdBytes: certPEM})
}

// MustParse decodes a PEM certificate.
func MustParse(t testing.TB, certPEM []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(certPEM)
	if block == nil {
		t.Fatal("no PEM block")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// MustIntermediate makes an authority below another.
func MustIntermediate(t testing.TB, above *msp.Authority, name string) *msp.Authority {
	t.Helper()
	key := MustKey(t)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: name, Organization: above.Cert().Subject.Organization},
		NotBefore:             above.Cert().NotBefore,
		NotAfter:              above.Cert().NotAfter,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId:          []byte(name),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, above.Cert(), &key.PublicKey, caKey(t, above))
	if err != nil {
		t.Fatal(err)
	}
	return mustAuthority(t, raw, key)
}

func mustAuthority(t testing.TB, raw []byte, key *ecdsa.PrivateKey) *msp.Authority {
	t.Helper()
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a, err := msp.LoadAuthority(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// caKey is an authority's private key.
func caKey(t testing.TB, a *msp.Authority) crypto.Signer {
	t.Helper()
	text, err := a.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*ecdsa.PrivateKey)
}

// twin replaces an ECDSA P-256 signature by the other one that is as good.
func twin(t testing.TB, signature []byte) []byte {
	t.Helper()
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &sig); err != nil {
		t.Fatal(err)
	}
	sig.S.Sub(elliptic.P256().Params().N, sig.S)
	out, err := asn1.Marshal(sig)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// highS tells whether the s of a P-256 signature is in the upper half.
func highS(t testing.TB, signature []byte) bool {
	t.Helper()
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &sig); err != nil {
		t.Fatal(err)
	}
	return sig.S.Cmp(new(big.Int).Rsh(elliptic.P256().Params().N, 1)) > 0
}

// twinCertificate replaces the signature on a certificate by its twin.
func twinCertificate(t testing.TB, certPEM []byte) []byte {
	t.Helper()
	var form struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	cert := MustParse(t, certPEM)
	if _, err := asn1.Unmarshal(cert.Raw, &form); err != nil {
		t.Fatal(err)
	}
	signature := twin(t, cert.Signature)
	form.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	raw, err := asn1.Marshal(form)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

func digest(message []byte) []byte {
	sum := sha256.Sum256(message)
	return sum[:]
}
