package network

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fabriscope/fabriscope/internal/msp"
)

// identities are the authorities, nodes and users of all organisations.
type identities struct {
	dir   string         // the crypto tree
	roots *x509.CertPool // the TLS authorities of all organisations

	mu   sync.Mutex
	orgs map[string]*msp.Org // by organisation name
}

// generate makes all organisations at the same time, or loads those that the folder
// already has.
func (i *identities) generate(specs []namedOrg) error {
	var group errgroup.Group
	for _, spec := range specs {
		group.Go(func() error {
			org, err := msp.LoadOrg(i.dir, spec.Domain, spec.Orderer)
			if errors.Is(err, os.ErrNotExist) {
				if org, err = msp.Generate(spec.OrgSpec); err == nil {
					err = org.Write(i.dir)
				}
			}
			if err != nil {
				return fmt.Errorf("organisation %s: %w", spec.name, err)
			}
			i.mu.Lock()
			defer i.mu.Unlock()
			i.orgs[spec.name] = org
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var err error
	i.roots, err = tlsRoots(i.dir)
	return err
}

// org gives the identities of one organisation by its name.
func (i *identities) org(name string) *msp.Org {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.orgs[name]
}

// addNode makes an identity for a new node, unless it has one.
func (i *identities) addNode(org, name string) error {
	identities := i.org(org)
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, ok := identities.Nodes[name]; ok {
		return nil
	}
	if _, err := identities.AddNode(nodeIdentity(name)); err != nil {
		return fmt.Errorf("make an identity for %s: %w", name, err)
	}
	if err := identities.Write(i.dir); err != nil {
		return fmt.Errorf("write the identity of %s: %w", name, err)
	}
	return nil
}

func nodeIdentity(name string) msp.NodeSpec {
	return msp.NodeSpec{Name: name, Hosts: []string{"localhost", "127.0.0.1", "::1"}}
}

// namedOrg is the identities that one organisation of the topology needs.
type namedOrg struct {
	name string
	msp.OrgSpec
}

func (t *Topology) orgSpecs() []namedOrg {
	var specs []namedOrg
	for i := range t.Organizations {
		o := &t.Organizations[i]
		s := msp.OrgSpec{MSPID: o.MSPID, Domain: o.Domain, Users: []msp.UserSpec{{Name: "Admin", Role: "admin"}, {Name: "User1", Role: "client"}}}
		for p := 0; p < *o.Peers; p++ {
			s.Nodes = append(s.Nodes, nodeIdentity(o.PeerName(p)))
		}
		for _, u := range t.usersOf(o) {
			s.Users = append(s.Users, msp.UserSpec{Name: u.Name, Role: "client", Attributes: u.Attributes})
		}
		specs = append(specs, namedOrg{o.Name, s})
	}
	s := msp.OrgSpec{MSPID: t.Orderers.Organization + "MSP", Domain: t.Orderers.Domain, Orderer: true, Users: []msp.UserSpec{{Name: "Admin", Role: "admin"}}}
	for i := 0; i < t.Orderers.Nodes; i++ {
		s.Nodes = append(s.Nodes, nodeIdentity(t.Orderers.NodeName(i)))
	}
	return append(specs, namedOrg{t.Orderers.Organization, s})
}

// usersOf gives the organisation's users besides Admin and User1, each once.
func (t *Topology) usersOf(o *Organization) []User {
	seen := map[string]bool{"Admin": true, "User1": true}
	var out []User
	users := slices.Clone(o.Users)
	for _, c := range t.Clients {
		if t.organization(c.Organization) == o {
			users = append(users, User{Name: c.Name})
		}
	}
	for _, u := range users {
		if !seen[u.Name] {
			seen[u.Name] = true
			out = append(out, u)
		}
	}
	return out
}

// tlsRoots reads the TLS authorities of all organisations in a crypto tree.
func tlsRoots(crypto string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	found := false
	for _, kind := range []string{"peerOrganizations", "ordererOrganizations"} {
		files, err := filepath.Glob(filepath.Join(crypto, kind, "*", "msp", "tlscacerts", "*.pem"))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				return nil, fmt.Errorf("read a TLS authority: %w", err)
			}
			found = pool.AppendCertsFromPEM(b) || found
		}
	}
	if !found {
		return nil, fmt.Errorf("%s holds no TLS authority; it is not the folder of a network", crypto)
	}
	return pool, nil
}
