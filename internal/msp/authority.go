package msp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// How long certificates are good for. The start lies a little in the past, for
// computers whose clocks differ.
const (
	certificateLifetime = 10 * 365 * 24 * time.Hour
	certificateHeadroom = 5 * time.Minute
)

// Authority is a certificate authority that signs its own certificate: an ECDSA
// P-256 key and what it issues with it. It is safe for use by many goroutines.
type Authority struct {
	cert *x509.Certificate
	pem  []byte
	key  *ecdsa.PrivateKey
}

// NewAuthority makes a key and a certificate, for example for
// ("ca.org1.example.com", "org1.example.com").
func NewAuthority(commonName, organization string) (*Authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("new authority %s: %w", commonName, err)
	}
	start := time.Now().UTC().Add(-certificateHeadroom).Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: commonName, Organization: []string{organization}},
		NotBefore:             start,
		NotAfter:              start.Add(certificateLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		SubjectKeyId:          keyID(&key.PublicKey),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, lowSKey{key})
	if err != nil {
		return nil, fmt.Errorf("new authority %s: %w", commonName, err)
	}
	return authorityOf(raw, key)
}

// authorityOf puts an authority together from certificate bytes and key.
func authorityOf(raw []byte, key *ecdsa.PrivateKey) (*Authority, error) {
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	return &Authority{cert: cert, pem: encodeCertificate(raw), key: key}, nil
}

// LoadAuthority takes an authority's certificate and key as PEM texts.
func LoadAuthority(certPEM, keyPEM []byte) (*Authority, error) {
	cert, err := parseCertificatePEM(certPEM)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	if !cert.IsCA {
		return nil, fmt.Errorf("authority %s: the certificate is not that of an authority", cert.Subject.CommonName)
	}
	key, err := parseKeyPEM(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", cert.Subject.CommonName, err)
	}
	ecdsaKey, ok := key.(*ecdsa.PrivateKey)
	if !ok || !ecdsaKey.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("authority %s: key and certificate do not belong together", cert.Subject.CommonName)
	}
	return &Authority{cert: cert, pem: certPEM, key: ecdsaKey}, nil
}

// Cert is the authority's certificate.
func (a *Authority) Cert() *x509.Certificate { return a.cert }

// CertPEM is the authority's certificate as PEM text.
func (a *Authority) CertPEM() []byte { return a.pem }

// KeyPEM is the authority's private key as PKCS#8 PEM text.
func (a *Authority) KeyPEM() ([]byte, error) { return encodeKey(a.key) }

// Pool is a pool with the authority's certificate alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// CertSpec says what a certificate is for.
type CertSpec struct {
	CommonName          string            // required
	OrganizationalUnits []string          // the role: "peer", "client", "admin" or "orderer"
	Hosts               []string          // names and addresses, for TLS
	TLS                 bool              // for connections: as server and as client
	Attributes          map[string]string // that a chaincode can ask for, as fabric-ca writes them
	NotBefore           time.Time
	NotAfter            time.Time // zero: the authority's own end
}

// attributesID is the extension in which fabric-ca keeps an identity's attributes, as JSON.
var attributesID = asn1.ObjectIdentifier{1, 2, 3, 4, 5, 6, 7, 8, 1}

// Issue signs a certificate for a public key and returns it as PEM text.
func (a *Authority) Issue(spec CertSpec, public any) (certPEM []byte, err error) {
	if spec.CommonName == "" {
		return nil, errors.New("issue certificate: no common name given")
	}
	template := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject: pkix.Name{
			CommonName:         spec.CommonName,
			Organization:       a.cert.Subject.Organization,
			OrganizationalUnit: spec.OrganizationalUnits,
		},
		NotBefore:             a.notBefore(spec.NotBefore),
		NotAfter:              spec.NotAfter,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = a.cert.NotAfter
	}
	if spec.TLS {
		template.KeyUsage |= x509.KeyUsageKeyEncipherment
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		if key, ok := public.(*ecdsa.PublicKey); ok {
			template.SubjectKeyId = keyID(key)
		}
	}
	for _, host := range spec.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if len(spec.Attributes) > 0 {
		value, err := json.Marshal(map[string]any{"attrs": spec.Attributes})
		if err != nil {
			return nil, fmt.Errorf("issue certificate for %s: %w", spec.CommonName, err)
		}
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: attributesID, Value: value})
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, lowSKey{a.key})
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %s: %w", spec.CommonName, err)
	}
	return encodeCertificate(raw), nil
}

// notBefore is the start of a new certificate. It is not before the authority's
// own: identities are judged as of one second after their start, and then the
// authority must be good already.
func (a *Authority) notBefore(wanted time.Time) time.Time {
	if wanted.IsZero() {
		wanted = time.Now().Add(-certificateHeadroom)
	}
	wanted = wanted.UTC().Truncate(time.Second)
	if wanted.Before(a.cert.NotBefore) {
		return a.cert.NotBefore
	}
	return wanted
}

// newKey makes an ECDSA P-256 key.
func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// newSerial makes a serial number of 128 random bits.
func newSerial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime ends the program instead
	b[0] &= 0x7f           // some readers take numbers with the first bit set as negative
	b[15] |= 1             // never zero
	return new(big.Int).SetBytes(b[:])
}

// keyID is the subject key identifier: the SHA-256 of the curve point in its
// uncompressed form. The command line tools look keys up by it.
func keyID(public *ecdsa.PublicKey) []byte {
	point, err := public.Bytes()
	if err != nil { // only curves that this package does not make
		return nil
	}
	sum := sha256.Sum256(point)
	return sum[:]
}

// encodeCertificate gives PEM text with line feeds and a final newline.
func encodeCertificate(raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

// encodeKey gives a private key as PKCS#8 PEM text.
func encodeKey(key any) ([]byte, error) {
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), nil
}

// parseCertificatePEM decodes the first certificate of a PEM text.
func parseCertificatePEM(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM certificate found")
	}
	return x509.ParseCertificate(block.Bytes)
}

// parseKeyPEM decodes a private key in PKCS#8 or SEC 1 form.
func parseKeyPEM(text []byte) (any, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM private key found")
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the private key is neither PKCS#8 nor an EC key")
	}
	return key, nil
}
