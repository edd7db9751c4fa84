package network

import (
	"fmt"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/internal/policy"
)

// Check looks at a topology that was changed after it was read.
func (t *Topology) Check() error {
	if p := t.check(); p != nil {
		return &TopologyError{File: t.Name, Key: p.key, Problem: p.text}
	}
	return nil
}

// stateCouchDB is the state database that answers rich queries.
const stateCouchDB = "couchdb"

// problem is one finding of check: the key it is about and what is wrong.
type problem struct{ key, text string }

// SetRuntime makes every chaincode of the topology run in the same way.
func (t *Topology) SetRuntime(runtime string) {
	t.Runtime = runtime
	for i := range t.Chaincodes {
		t.Chaincodes[i].Runtime = runtime
	}
}

// Summary says in one line what the topology consists of.
func (t *Topology) Summary() string {
	peers := 0
	for _, o := range t.Organizations {
		peers += *o.Peers
	}
	var names []string
	for _, c := range t.Chaincodes {
		names = append(names, c.Name)
	}
	text := fmt.Sprintf("%s, %s, %s", count(len(t.Organizations), "organisation"), count(peers, "peer"), count(t.Orderers.Nodes, "ordering node"))
	if len(names) > 0 {
		text += ", chaincode " + strings.Join(names, ", ")
	}
	return text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// check gives the first problem of a filled topology, nil if there is none.
func (t *Topology) check() *problem {
	if p := channelNames.check("channel", t.Channel); p != nil {
		return p
	}
	for _, c := range []struct{ key, value, allowed string }{
		{"runtime", t.Runtime, "auto docker process"},
		{"placement", t.Placement, "inproc process"},
		{"state", t.State, "leveldb couchdb"},
		{"ports", t.Ports, "any fabric"},
		{"block.cut", t.Block.Cut, "timeout idle quiet"},
	} {
		if p := oneOf(c.key, c.value, c.allowed); p != nil {
			return p
		}
	}
	checks := []func() *problem{t.checkOrganizations, t.checkOrderers, t.checkChaincodes, t.checkClients, t.checkLinks}
	for _, check := range checks {
		if p := check(); p != nil {
			return p
		}
	}
	return nil
}

func oneOf(key, value, allowed string) *problem {
	for _, a := range strings.Fields(allowed) {
		if value == a {
			return nil
		}
	}
	return &problem{key, fmt.Sprintf("%q is not known: write one of %s", value, strings.ReplaceAll(allowed, " ", ", "))}
}

// maxAttributes and maxAttribute bound what is written into a certificate, which every
// transaction carries: how many, and the letters of a name or value.
const (
	maxAttributes = 32
	maxAttribute  = 256
)

func (u *User) check(key string) *problem {
	if p := userNames.check(key, u.Name); p != nil {
		return p
	}
	if len(u.Attributes) > maxAttributes {
		return &problem{key + ".attributes", fmt.Sprintf("a user has up to %d attributes, not %d", maxAttributes, len(u.Attributes))}
	}
	if len(u.Attributes) > 0 && (u.Name == "Admin" || u.Name == "User1") {
		return &problem{key, u.Name + " is there without being named and has no attributes; give them to another user"}
	}
	for name, value := range u.Attributes {
		if name == "" || len(name) > maxAttribute || len(value) > maxAttribute {
			return &problem{key + ".attributes", fmt.Sprintf("the attribute %q is empty or longer than %d letters", clip([]byte(name)), maxAttribute)}
		}
	}
	return nil
}

func (t *Topology) checkOrganizations() *problem {
	if n := len(t.Organizations); n == 0 || n > maxOrganizations {
		return &problem{"organizations", fmt.Sprintf("a network has 1 to %d organisations, not %d", maxOrganizations, n)}
	}
	seen := map[string]bool{}
	peers := 0
	for i, o := range t.Organizations {
		key := fmt.Sprintf("organizations[%d]", i)
		if p := orgNames.check(key+".name", o.Name); p != nil {
			return p
		}
		if p := mspIDs.check(key+".mspID", o.MSPID); p != nil {
			return p
		}
		if p := domains.check(key+".domain", o.Domain); p != nil {
			return p
		}
		for _, name := range []string{"name " + o.Name, "MSP id " + o.MSPID, "domain " + o.Domain} {
			if seen[name] {
				return &problem{key, name + " is used twice; every organisation needs its own"}
			}
			seen[name] = true
		}
		if *o.Peers < 0 || *o.Peers > maxPeersPerOrg {
			return &problem{key + ".peers", fmt.Sprintf("an organisation has 0 to %d peers, not %d", maxPeersPerOrg, *o.Peers)}
		}
		peers += *o.Peers
		for j, u := range o.Users {
			if p := u.check(fmt.Sprintf("%s.users[%d]", key, j)); p != nil {
				return p
			}
		}
	}
	if peers == 0 {
		return &problem{"organizations", "no organisation has a peer; give at least one organisation peers: 1"}
	}
	return nil
}

func (t *Topology) checkOrderers() *problem {
	if t.Orderers.Nodes < 1 || t.Orderers.Nodes > maxOrderers {
		return &problem{"orderers.nodes", fmt.Sprintf("an ordering service has 1 to %d nodes, not %d", maxOrderers, t.Orderers.Nodes)}
	}
	if p := orgNames.check("orderers.organization", t.Orderers.Organization); p != nil {
		return p
	}
	if p := domains.check("orderers.domain", t.Orderers.Domain); p != nil {
		return p
	}
	for _, o := range t.Organizations {
		if o.Name == t.Orderers.Organization || o.MSPID == t.Orderers.Organization+"MSP" || o.Domain == t.Orderers.Domain {
			return &problem{"orderers", "the ordering organisation shares its name or domain with " + o.Name + "; give it another"}
		}
	}
	if t.Block.MaxMessageCount < 1 || t.Block.MaxMessageCount > 1_000_000 {
		return &problem{"block.maxMessageCount", fmt.Sprintf("a block holds 1 to 1000000 messages, not %d", t.Block.MaxMessageCount)}
	}
	if t.Block.PreferredMaxBytes > t.Block.AbsoluteMaxBytes {
		return &problem{"block.preferredMaxBytes", "larger than absoluteMaxBytes; make it smaller"}
	}
	if t.Block.BatchTimeout < Duration(time.Millisecond) {
		return &problem{"block.batchTimeout", "shorter than 1ms; make it longer, or use cut: idle"}
	}
	return nil
}

func (t *Topology) checkChaincodes() *problem {
	if len(t.Chaincodes) > maxChaincodes {
		return &problem{"chaincodes", fmt.Sprintf("at most %d chaincodes, not %d", maxChaincodes, len(t.Chaincodes))}
	}
	seen := map[string]bool{}
	for i, c := range t.Chaincodes {
		key := fmt.Sprintf("chaincodes[%d]", i)
		if p := chaincodeNames.check(key+".name", c.Name); p != nil {
			return p
		}
		if seen[c.Name] {
			return &problem{key + ".name", c.Name + " is used twice; every chaincode needs its own name"}
		}
		seen[c.Name] = true
		if p := c.check(key); p != nil {
			return p
		}
	}
	return nil
}

// check looks at one chaincode alone.
func (c *Chaincode) check(key string) *problem {
	sources := 0
	for _, s := range []string{c.Sample, c.Path, c.Package, c.Address} {
		if s != "" {
			sources++
		}
	}
	if sources != 1 {
		return &problem{key, "say where the code comes from with exactly one of sample, path, package and address"}
	}
	if c.Sample != "" && !contains(chaincode.SampleNames(), c.Sample) {
		return &problem{key + ".sample", fmt.Sprintf("there is no sample %q: the samples are %s", c.Sample, strings.Join(chaincode.SampleNames(), ", "))}
	}
	if p := versions.check(key+".version", c.Version); p != nil {
		return p
	}
	if p := oneOf(key+".runtime", c.Runtime, "auto docker process"); p != nil {
		return p
	}
	if c.Policy != "" && !strings.HasPrefix(c.Policy, "/") {
		if _, err := policy.Parse(c.Policy); err != nil {
			return &problem{key + ".policy", err.Error()}
		}
	}
	return nil
}

func (t *Topology) checkClients() *problem {
	if len(t.Clients) > maxClients {
		return &problem{"clients", fmt.Sprintf("at most %d clients, not %d", maxClients, len(t.Clients))}
	}
	seen := map[string]bool{}
	for i, c := range t.Clients {
		key := fmt.Sprintf("clients[%d]", i)
		if p := userNames.check(key+".name", c.Name); p != nil {
			return p
		}
		if seen[c.Name] {
			return &problem{key + ".name", c.Name + " is used twice; every client needs its own name"}
		}
		seen[c.Name] = true
		if t.organization(c.Organization) == nil {
			return &problem{key + ".organization", fmt.Sprintf("there is no organisation %q: the organisations are %s", c.Organization, strings.Join(t.orgNames(), ", "))}
		}
	}
	return nil
}

func (t *Topology) checkLinks() *problem {
	if len(t.Links) > maxLinks {
		return &problem{"links", fmt.Sprintf("at most %d links, not %d", maxLinks, len(t.Links))}
	}
	for i, l := range t.Links {
		key := fmt.Sprintf("links[%d]", i)
		if len(l.Between) != 2 {
			return &problem{key + ".between", "write the two ends, like [Org1, Org2] or [peer0.org1.example.com, orderer.example.com]"}
		}
		for j, end := range l.Between {
			if len(t.matching(end)) == 0 {
				return &problem{fmt.Sprintf("%s.between[%d]", key, j), fmt.Sprintf("%q names no node and no organisation; the nodes are %s", end, strings.Join(t.NodeNames(), ", "))}
			}
		}
	}
	return nil
}
