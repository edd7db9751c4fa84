package msp_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/internal/msp"
)

func TestGenerate(t *testing.T) {
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	if org.Node("peer0") == nil || org.Node("peer0.org1.example.com") != org.Node("peer0") {
		t.Error("the node is not found by both its names")
	}
	if org.User("Admin") == nil || org.User("Admin@org1.example.com") != org.User("Admin") || org.Admin() != org.User("Admin") {
		t.Error("the administrator is not found by all ways")
	}
	node, err := org.AddNode(msp.NodeSpec{Name: "peer7.org1.example.com", Hosts: []string{"seven.local", "10.0.0.7", "localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	cert := MustParse(t, node.TLSCertPEM)
	for _, host := range []string{"peer7.org1.example.com", "peer7", "localhost", "127.0.0.1", "::1", "seven.local", "10.0.0.7"} {
		if err := cert.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if cert.Subject.CommonName != node.Name {
		t.Errorf("common name %q, want the node's", cert.Subject.CommonName)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: org.TLSRoots(), KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			t.Error(err)
		}
	}
	if _, err := org.AddNode(msp.NodeSpec{Name: "peer7"}); !errors.Is(err, msp.ErrName) {
		t.Errorf("the same node again: %v", err)
	}
	if _, err := org.AddUser(msp.UserSpec{Name: "Admin"}); !errors.Is(err, msp.ErrName) {
		t.Errorf("the same user again: %v", err)
	}
	if _, err := org.AddUser(msp.UserSpec{Name: "x", Role: "king"}); !errors.Is(err, msp.ErrName) {
		t.Errorf("an unknown role: %v", err)
	}
}

func TestGenerateRefusesNames(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", `a\b`, "a b", "-a", "a..b", "../x", "a\n", "ü", strings.Repeat("a", 300)} {
		if _, err := msp.Generate(msp.OrgSpec{MSPID: "Org1MSP", Domain: name}); !errors.Is(err, msp.ErrName) {
			t.Errorf("domain %q: %v", name, err)
		}
		if _, err := msp.Generate(msp.OrgSpec{MSPID: "Org1MSP", Domain: "a.b", Nodes: []msp.NodeSpec{{Name: name}}}); !errors.Is(err, msp.ErrName) {
			t.Errorf("node %q: %v", name, err)
		}
		if _, err := msp.Generate(msp.OrgSpec{MSPID: "Org1MSP", Domain: "a.b", Users: []msp.UserSpec{{Name: name}}}); !errors.Is(err, msp.ErrName) {
			t.Errorf("user %q: %v", name, err)
		}
	}
	for _, id := range []string{"", "Org 1", "Org'1", strings.Repeat("a", 200)} {
		if _, err := msp.Generate(msp.OrgSpec{MSPID: id, Domain: "a.b"}); !errors.Is(err, msp.ErrName) {
			t.Errorf("MSP id %q: %v", id, err)
		}
	}
}

// All certificates have signatures with a low s; else their bytes would differ
// from those that the protocol identifies them by.
func TestCertificatesHaveLowS(t *testing.T) {
	for i := range 8 {
		org := MustOrg(t, "Org1MSP", fmt.Sprintf("org%d.example.com", i))
		certs := []*x509.Certificate{org.CA.Cert(), org.TLSCA.Cert()}
		for _, m := range []*msp.Member{org.Node("peer0"), org.User("Admin"), org.User("User1")} {
			certs = append(certs, m.Signer.Cert(), MustParse(t, m.TLSCertPEM))
		}
		for _, cert := range certs {
			if highS(t, cert.Signature) {
				t.Errorf("%s: the issuer's signature has a high s", cert.Subject.CommonName)
			}
		}
	}
}

// Two members of different organisations connect with mutual TLS.
func TestTLS(t *testing.T) {
	org1, org2 := MustOrg(t, "Org1MSP", "org1.example.com"), MustOrg(t, "Org2MSP", "org2.example.com")
	server, client := net.Pipe()
	defer server.Close()
	defer client.Close()
	done := make(chan error, 1)
	var seen string
	go func() {
		s := tls.Server(server, &tls.Config{
			Certificates: []tls.Certificate{org1.Node("peer0").TLS},
			ClientAuth:   tls.RequireAndVerifyClientCert,
			ClientCAs:    org2.TLSRoots(),
		})
		err := s.Handshake()
		if err == nil {
			seen = s.ConnectionState().PeerCertificates[0].Subject.CommonName
			_, err = s.Write([]byte("x"))
		}
		done <- err
	}()
	c := tls.Client(client, &tls.Config{
		Certificates: []tls.Certificate{org2.User("User1").TLS},
		RootCAs:      org1.TLSRoots(),
		ServerName:   "peer0.org1.example.com",
	})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if seen != "User1@org2.example.com" {
		t.Errorf("the server saw %q", seen)
	}
}

func TestWriteAndLoad(t *testing.T) {
	root := t.TempDir()
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	orderers, err := msp.Generate(msp.OrgSpec{MSPID: "OrdererMSP", Domain: "example.com", Orderer: true, Nodes: []msp.NodeSpec{{Name: "orderer0"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []*msp.Org{org, orderers, org} { // the second time over what is there
		if err := o.Write(root); err != nil {
			t.Fatal(err)
		}
	}
	checkTree(t, root)

	for _, want := range []*msp.Org{org, orderers} {
		got, err := msp.LoadOrg(root, want.Domain, want.Orderer)
		if err != nil {
			t.Fatal(err)
		}
		if got.MSPID != want.MSPID || len(got.Nodes) != len(want.Nodes) || len(got.Users) != len(want.Users) {
			t.Errorf("loaded %s with %d nodes and %d users", got.MSPID, len(got.Nodes), len(got.Users))
		}
		if got.MSPConfig().String() != want.MSPConfig().String() {
			t.Errorf("%s: the membership rules differ", want.MSPID)
		}
		set := msp.NewSet(nil, MustMSP(t, want.MSPConfig(), nil))
		for name, m := range want.Nodes {
			checkMember(t, set, m, got.Nodes[name])
		}
		for name, m := range want.Users {
			checkMember(t, set, m, got.Users[name])
		}
		// What was loaded can grow.
		added, err := got.AddNode(msp.NodeSpec{Name: "new"})
		if err != nil {
			t.Fatal(err)
		}
		MustIdentity(t, set, added.Signer.Creator())
	}
}

// checkMember compares a member with what was loaded.
func checkMember(t *testing.T, set *msp.Set, want, got *msp.Member) {
	t.Helper()
	if got == nil {
		t.Errorf("%s was not loaded", want.Name)
		return
	}
	if got.Role != want.Role || got.Dir != want.Dir || string(got.Signer.Creator()) != string(want.Signer.Creator()) || string(got.TLSCertPEM) != string(want.TLSCertPEM) {
		t.Errorf("%s: loaded as %s in %s", want.Name, got.Role, got.Dir)
	}
	signature, err := got.Signer.Sign([]byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	if err := MustIdentity(t, set, want.Signer.Creator()).Verify([]byte("m"), signature); err != nil {
		t.Error(err)
	}
}

// checkTree compares the names and modes of all files with what the protocol's
// tools expect.
func checkTree(t *testing.T, root string) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		got = append(got, fmt.Sprintf("%s %s", info.Mode().Perm(), filepath.ToSlash(name)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := append(tree("peerOrganizations/org1.example.com", "org1.example.com", "peers/peer0.org1.example.com", "User1@org1.example.com"),
		tree("ordererOrganizations/example.com", "example.com", "orderers/orderer0.example.com")...)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("files\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// tree lists the files of an organisation with one node, Admin and further users.
func tree(dir, domain, node string, users ...string) []string {
	var files []string
	add := func(mode string, parts ...string) {
		files = append(files, mode+" "+strings.Join(append([]string{dir}, parts...), "/"))
	}
	rules := func(at ...string) {
		add("-rw-r--r--", append(at, "cacerts", "ca."+domain+"-cert.pem")...)
		add("-rw-r--r--", append(at, "tlscacerts", "tlsca."+domain+"-cert.pem")...)
		add("-rw-r--r--", append(at, "config.yaml")...)
	}
	member := func(at, tlsName string) {
		rules(at, "msp")
		add("-rw-r--r--", at, "msp/signcerts", filepath.Base(at)+"-cert.pem")
		add("-rw-r--r--", at, "msp/signcerts", "cert.pem")
		add("-rw-------", at, "msp/keystore/priv_sk")
		add("-rw-r--r--", at, "tls/ca.crt")
		add("-rw-r--r--", at, "tls", tlsName+".crt")
		add("-rw-------", at, "tls", tlsName+".key")
	}
	add("-rw-r--r--", "mspid")
	for _, ca := range []string{"ca", "tlsca"} {
		add("-rw-r--r--", ca, ca+"."+domain+"-cert.pem")
		add("-rw-------", ca, "priv_sk")
	}
	rules("msp")
	member(node, "server")
	for _, user := range append(users, "Admin@"+domain) {
		member("users/"+user, "client")
	}
	return files
}

func TestLoadRefuses(t *testing.T) {
	root := t.TempDir()
	if _, err := msp.LoadOrg(root, "org1.example.com", false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := msp.LoadOrg(root, "../x", false); !errors.Is(err, msp.ErrName) {
		t.Errorf("a path for a domain: %v", err)
	}
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	other := MustOrg(t, "Org1MSP", "org1.example.com")
	for _, tt := range []struct {
		name, file string
		data       []byte
		why        string
	}{
		{"another key", "users/User1@org1.example.com/msp/keystore/priv_sk", mustKeyPEM(t, other.User("User1").Signer), "no key"},
		{"another authority's key", "ca/priv_sk", mustCAKeyPEM(t, other.CA), "do not belong together"},
		{"no certificate", "users/User1@org1.example.com/msp/signcerts/User1@org1.example.com-cert.pem", []byte("x"), "PEM"},
		{"an endless file", "peers/peer0.org1.example.com/tls/server.key", make([]byte, 70<<10), "too many"},
		{"a strange id", "mspid", []byte("Org 1"), "MSP id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			if err := org.Write(root); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, "peerOrganizations/org1.example.com", tt.file), tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := msp.LoadOrg(root, "org1.example.com", false); err == nil || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("error %v, want one with %q", err, tt.why)
			}
		})
	}
	// A second key in the folder does no harm.
	if err := org.Write(root); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(root, "peerOrganizations/org1.example.com/users/User1@org1.example.com/msp/keystore/a_sk")
	if err := os.WriteFile(store, mustKeyPEM(t, other.User("User1").Signer), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := msp.LoadOrg(root, "org1.example.com", false); err != nil {
		t.Error(err)
	}
}

func mustKeyPEM(t testing.TB, s *msp.Signer) []byte {
	t.Helper()
	b, err := s.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustCAKeyPEM(t testing.TB, a *msp.Authority) []byte {
	t.Helper()
	b, err := a.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An organisation in three lines: who is in it, and who somebody is.
func Example() {
	org, err := msp.Generate(msp.OrgSpec{
		MSPID:  "Org1MSP",
		Domain: "org1.example.com",
		Nodes:  []msp.NodeSpec{{Name: "peer0"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	rules, err := msp.New(org.MSPConfig()) // as a channel configuration carries them
	if err != nil {
		fmt.Println(err)
		return
	}
	channel := msp.NewSet(msp.NewVerifier(0), rules)

	peer := org.Node("peer0").Signer
	signature, err := peer.Sign([]byte("a result"))
	if err != nil {
		fmt.Println(err)
		return
	}
	who, err := channel.Identity(peer.Creator())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(who, who.Verify([]byte("a result"), signature))
	fmt.Println(who.Verify([]byte("another"), signature))
	// Output:
	// peer0.org1.example.com (Org1MSP, peer) <nil>
	// peer0.org1.example.com (Org1MSP, peer): signature not valid: it was not made by this key over these bytes
}

// A network of two organisations and one of ordering nodes: 2 peers, 3 ordering
// nodes, 5 users.
func BenchmarkGenerateNetwork(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		MustOrg(b, "Org1MSP", "org1.example.com")
		MustOrg(b, "Org2MSP", "org2.example.com")
		if _, err := msp.Generate(msp.OrgSpec{MSPID: "OrdererMSP", Domain: "example.com", Orderer: true,
			Nodes: []msp.NodeSpec{{Name: "orderer0"}, {Name: "orderer1"}, {Name: "orderer2"}}}); err != nil {
			b.Fatal(err)
		}
	}
}
