package msp

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mspIDFile holds an organisation's MSP id, which the folder tree of the
// protocol's tools does not tell. It is the one file that they do not write.
const mspIDFile = "mspid"

// maxFileBytes bounds a certificate or key file.
const maxFileBytes = 64 << 10

// orgDir is the organisation's folder under root.
func orgDir(root, domain string, orderer bool) string {
	if orderer {
		return filepath.Join(root, "ordererOrganizations", domain)
	}
	return filepath.Join(root, "peerOrganizations", domain)
}

// nodesDir is the folder of an organisation's nodes.
func nodesDir(dir string, orderer bool) string {
	if orderer {
		return filepath.Join(dir, "orderers")
	}
	return filepath.Join(dir, "peers")
}

// Write lays the organisation out under root in the tree of the protocol's tools:
// peerOrganizations/<domain> or ordererOrganizations/<domain> with ca, tlsca, msp,
// peers or orderers, and users. Private keys are readable by the owner only. It
// replaces files that exist and fills in Member.Dir.
func (o *Org) Write(root string) error {
	dir := orgDir(root, o.Domain, o.Orderer)
	w := treeWriter{}
	w.file(filepath.Join(dir, mspIDFile), []byte(o.MSPID+"\n"))
	w.authority(filepath.Join(dir, "ca"), "ca."+o.Domain, o.CA)
	w.authority(filepath.Join(dir, "tlsca"), "tlsca."+o.Domain, o.TLSCA)
	o.writeRules(&w, filepath.Join(dir, "msp"))
	for _, m := range o.Nodes {
		o.writeMember(&w, filepath.Join(nodesDir(dir, o.Orderer), m.Name), m, "server")
	}
	for _, m := range o.Users {
		o.writeMember(&w, filepath.Join(dir, "users", m.Name), m, "client")
	}
	if w.err != nil {
		return fmt.Errorf("write organisation %s: %w", o.Domain, w.err)
	}
	return nil
}

// writeRules writes the public part of an msp folder.
func (o *Org) writeRules(w *treeWriter, dir string) {
	w.file(filepath.Join(dir, "cacerts", "ca."+o.Domain+"-cert.pem"), o.CA.CertPEM())
	w.file(filepath.Join(dir, "tlscacerts", "tlsca."+o.Domain+"-cert.pem"), o.TLSCA.CertPEM())
	w.file(filepath.Join(dir, "config.yaml"), []byte(nodeOUsYAML("cacerts/ca."+o.Domain+"-cert.pem")))
}

// writeMember writes a node's or user's folder; tlsName is "server" or "client".
func (o *Org) writeMember(w *treeWriter, dir string, m *Member, tlsName string) {
	o.writeRules(w, filepath.Join(dir, "msp"))
	// By cryptogen's name and by fabric-ca's: programs look for either.
	for _, name := range []string{m.Name + "-cert.pem", "cert.pem"} {
		w.file(filepath.Join(dir, "msp", "signcerts", name), m.Signer.CertPEM())
	}
	key, err := m.Signer.KeyPEM()
	w.fail(err)
	w.secret(filepath.Join(dir, "msp", "keystore", "priv_sk"), key)
	w.file(filepath.Join(dir, "tls", "ca.crt"), o.TLSCA.CertPEM())
	w.file(filepath.Join(dir, "tls", tlsName+".crt"), m.TLSCertPEM)
	w.secret(filepath.Join(dir, "tls", tlsName+".key"), m.TLSKeyPEM)
	m.Dir = dir
}

// nodeOUsYAML is the config.yaml of an msp folder.
func nodeOUsYAML(caFile string) string {
	var b strings.Builder
	b.WriteString("NodeOUs:\n  Enable: true\n")
	for _, ou := range []struct{ key, role string }{
		{"ClientOUIdentifier", RoleClient},
		{"PeerOUIdentifier", RolePeer},
		{"AdminOUIdentifier", RoleAdmin},
		{"OrdererOUIdentifier", RoleOrderer},
	} {
		fmt.Fprintf(&b, "  %s:\n    Certificate: %s\n    OrganizationalUnitIdentifier: %s\n", ou.key, caFile, ou.role)
	}
	return b.String()
}

// treeWriter writes files until the first error, which it keeps.
type treeWriter struct{ err error }

func (w *treeWriter) fail(err error) { w.err = errors.Join(w.err, err) }

// file writes a file that everybody may read.
func (w *treeWriter) file(path string, data []byte) { w.write(path, data, 0o755, 0o644) }

// secret writes a file for the owner only.
func (w *treeWriter) secret(path string, data []byte) { w.write(path, data, 0o755, 0o600) }

// write goes through a temporary file, so that a key is never there by half and
// never readable by others for a moment.
func (w *treeWriter) write(path string, data []byte, dirMode, mode fs.FileMode) {
	if w.err != nil {
		return
	}
	if w.err = os.MkdirAll(filepath.Dir(path), dirMode); w.err != nil {
		return
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*") // made with mode 0600
	if err != nil {
		w.err = err
		return
	}
	_, err = temporary.Write(data)
	err = errors.Join(err, temporary.Chmod(mode), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		w.err = errors.Join(err, os.Remove(temporary.Name()))
	}
}

// authority writes an authority's certificate and key.
func (w *treeWriter) authority(dir, name string, a *Authority) {
	key, err := a.KeyPEM()
	w.fail(err)
	w.file(filepath.Join(dir, name+"-cert.pem"), a.CertPEM())
	w.secret(filepath.Join(dir, "priv_sk"), key)
}

// LoadOrg reads an organisation that Write wrote.
func LoadOrg(root, domain string, orderer bool) (*Org, error) {
	if err := checkName("domain", domain); err != nil {
		return nil, err
	}
	dir := orgDir(root, domain, orderer)
	o := &Org{Domain: domain, Orderer: orderer, Nodes: map[string]*Member{}, Users: map[string]*Member{}}
	err := o.load(dir)
	if err != nil {
		return nil, fmt.Errorf("load organisation %s: %w", domain, err)
	}
	return o, nil
}

// load reads everything under the organisation's folder.
func (o *Org) load(dir string) error {
	id, err := readFile(filepath.Join(dir, mspIDFile))
	if err != nil {
		return fmt.Errorf("%w; if the folder was made by another tool, write the MSP id (for example Org1MSP) into this file", err)
	}
	o.MSPID = strings.TrimSpace(string(id))
	if !mspIDForm.MatchString(o.MSPID) {
		return fmt.Errorf("%w: MSP id %q in %s", ErrName, o.MSPID, filepath.Join(dir, mspIDFile))
	}
	if o.CA, err = loadAuthorityDir(filepath.Join(dir, "ca")); err != nil {
		return err
	}
	if o.TLSCA, err = loadAuthorityDir(filepath.Join(dir, "tlsca")); err != nil {
		return err
	}
	if err := o.loadMembers(nodesDir(dir, o.Orderer), "server", o.Nodes); err != nil {
		return err
	}
	return o.loadMembers(filepath.Join(dir, "users"), "client", o.Users)
}

// loadMembers reads every folder in dir as a member.
func (o *Org) loadMembers(dir, tlsName string, into map[string]*Member) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		m, err := o.loadMember(filepath.Join(dir, entry.Name()), tlsName)
		if err != nil {
			return err
		}
		into[m.Name] = m
	}
	return nil
}

// loadMember reads one node's or user's folder.
func (o *Org) loadMember(dir, tlsName string) (*Member, error) {
	m := &Member{Name: filepath.Base(dir), Role: RoleMember, Dir: dir}
	var err error
	if m.Signer, err = LoadSigner(o.MSPID, filepath.Join(dir, "msp")); err != nil {
		return nil, err
	}
	for _, role := range []string{RoleClient, RolePeer, RoleAdmin, RoleOrderer} {
		if slices.Contains(m.Signer.Cert().Subject.OrganizationalUnit, role) {
			m.Role = role
		}
	}
	certPEM, err := readFile(filepath.Join(dir, "tls", tlsName+".crt"))
	if err != nil {
		return nil, err
	}
	keyPEM, err := readFile(filepath.Join(dir, "tls", tlsName+".key"))
	if err != nil {
		return nil, err
	}
	return m, m.setTLS(certPEM, keyPEM)
}

// LoadSigner reads the certificate in signcerts and the key that belongs to it in
// keystore, whatever their files are called, from an msp folder.
func LoadSigner(mspID, dir string) (*Signer, error) {
	certs, err := readDir(filepath.Join(dir, "signcerts"))
	if err != nil {
		return nil, err
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("no certificate in %s", filepath.Join(dir, "signcerts"))
	}
	keys, err := readDir(filepath.Join(dir, "keystore"))
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no key in %s: put back the key that belongs to the certificate in signcerts, or have the identity issued anew", filepath.Join(dir, "keystore"))
	}
	var problems []error
	for _, key := range keys {
		signer, err := NewSigner(mspID, certs[0], key)
		if err == nil {
			return signer, nil
		}
		problems = append(problems, err)
	}
	return nil, fmt.Errorf("no key in %s belongs to the certificate in signcerts: %w",
		filepath.Join(dir, "keystore"), errors.Join(problems...))
}

// loadAuthorityDir reads the certificate and the key in a ca or tlsca folder.
func loadAuthorityDir(dir string) (*Authority, error) {
	files, err := readDir(dir)
	if err != nil {
		return nil, err
	}
	var certPEM, keyPEM []byte
	for _, data := range files {
		switch block, _ := pem.Decode(data); {
		case block == nil:
		case block.Type == "CERTIFICATE":
			certPEM = data
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			keyPEM = data
		}
	}
	a, err := LoadAuthority(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return a, nil
}

// readDir reads all ordinary files of a folder in the order of their names.
func readDir(dir string) ([][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files [][]byte
	for _, entry := range entries {
		if !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		data, err := readFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, data)
	}
	return files, nil
}

// readFile reads a small file.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%s has %d bytes, too many for a certificate or key", path, info.Size())
	}
	return os.ReadFile(path)
}

// derOf is the content of a PEM text, or the bytes themselves where they are none.
func derOf(text []byte) []byte {
	if block, _ := pem.Decode(text); block != nil {
		return block.Bytes
	}
	return text
}
