package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	raftpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer/etcdraft"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/orderer"
)

// start carries out the steps of a start, each reported when it is done.
func (n *Network) start(ctx context.Context, deploy bool) error {
	if err := n.sameNetwork(); err != nil {
		return err
	}
	n.takeBackAdded()
	resumed := n.hasState()
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"authorities and identities", n.makeIdentities},
		{"nodes", n.startNodes},
		{"channel " + n.topology.Channel, n.makeChannel},
		{"links", func(context.Context) error { return n.applyTopologyLinks() }},
		{"election of a Raft leader", n.waitLeader},
	}
	for _, s := range steps {
		if err := n.step(ctx, s.name, s.do); err != nil {
			return err
		}
	}
	if err := n.writeFiles(); err != nil {
		return err
	}
	if !deploy {
		return nil
	}
	return n.deployAll(ctx, resumed)
}

// deployAll deploys the topology's chaincodes; where a network goes on, those that
// the program did not get to when it ended.
func (n *Network) deployAll(ctx context.Context, resumed bool) (err error) {
	// Nobody learns anything from waiting for the batch timer while a network starts.
	if err := n.tellCut(ctx, orderer.CutIdle); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.tellCut(ctx, n.topology.Block.Cut)) }()
	if resumed {
		if err := n.step(ctx, "catching up", n.catchUp); err != nil {
			return err
		}
	}
	for _, c := range n.topology.Chaincodes {
		if resumed {
			known, err := n.Definition(ctx, c.Name)
			if err != nil {
				return err
			}
			if known != nil {
				continue
			}
		}
		if _, err := n.Deploy(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// tellCut says to all ordering nodes when to cut blocks.
func (n *Network) tellCut(ctx context.Context, cut string) error {
	return n.each(roleOrderer, func(_ *member, h handle) error {
		_, err := h.do(ctx, command{Cut: cut})
		return err
	})
}

// catchUp waits until the peers of a network that goes on have all blocks.
func (n *Network) catchUp(ctx context.Context) error {
	_, _, err := n.Settle(ctx)
	return err
}

func (n *Network) step(ctx context.Context, name string, do func(context.Context) error) error {
	begin := time.Now()
	if err := do(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	n.told(name, time.Since(begin))
	return nil
}

// told reports a finished step.
func (n *Network) told(name string, took time.Duration) {
	n.trace.Record(trace.Event{Kind: trace.Progress, Node: n.topology.Name, Key: name, Note: took.Round(time.Microsecond).String()})
	n.progress(Step{Name: name, Took: took})
}

func (n *Network) cryptoDir() string { return filepath.Join(n.dir, "organizations") }

// makeIdentities generates all organisations at the same time, or loads those
// that the folder already has.
func (n *Network) makeIdentities(context.Context) error {
	var group errgroup.Group
	var mu sync.Mutex
	for _, spec := range n.topology.orgSpecs() {
		group.Go(func() error {
			org, err := msp.LoadOrg(n.cryptoDir(), spec.Domain, spec.Orderer)
			if errors.Is(err, os.ErrNotExist) {
				if org, err = msp.Generate(spec.OrgSpec); err == nil {
					err = org.Write(n.cryptoDir())
				}
			}
			if err != nil {
				return fmt.Errorf("organisation %s: %w", spec.name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			n.orgs[spec.name] = org
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var err error
	n.roots, err = tlsRoots(n.cryptoDir())
	return err
}

// namedOrg is the identities that one organisation of the topology needs.
type namedOrg struct {
	name string
	msp.OrgSpec
}

func (t *Topology) orgSpecs() []namedOrg {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	var specs []namedOrg
	for i := range t.Organizations {
		o := &t.Organizations[i]
		s := msp.OrgSpec{MSPID: o.MSPID, Domain: o.Domain, Users: []msp.UserSpec{{Name: "Admin", Role: "admin"}, {Name: "User1", Role: "client"}}}
		for p := 0; p < *o.Peers; p++ {
			s.Nodes = append(s.Nodes, msp.NodeSpec{Name: o.PeerName(p), Hosts: hosts})
		}
		for _, u := range t.usersOf(o) {
			s.Users = append(s.Users, msp.UserSpec{Name: u, Role: "client"})
		}
		specs = append(specs, namedOrg{o.Name, s})
	}
	s := msp.OrgSpec{MSPID: t.Orderers.Organization + "MSP", Domain: t.Orderers.Domain, Orderer: true, Users: []msp.UserSpec{{Name: "Admin", Role: "admin"}}}
	for i := 0; i < t.Orderers.Nodes; i++ {
		s.Nodes = append(s.Nodes, msp.NodeSpec{Name: t.Orderers.NodeName(i), Hosts: hosts})
	}
	return append(specs, namedOrg{t.Orderers.Organization, s})
}

// usersOf gives the organisation's users besides Admin and User1, each once.
func (t *Topology) usersOf(o *Organization) []string {
	seen := map[string]bool{"Admin": true, "User1": true}
	var out []string
	add := func(u string) {
		if !seen[u] {
			seen[u] = true
			out = append(out, u)
		}
	}
	for _, u := range o.Users {
		add(u)
	}
	for _, c := range t.Clients {
		if t.organization(c.Organization) == o {
			add(c.Name)
		}
	}
	return out
}

// startNodes starts all ordering nodes and peers at the same time.
func (n *Network) startNodes(context.Context) error {
	t := n.topology
	for i := 0; i < t.Orderers.Nodes; i++ {
		n.members = append(n.members, n.newMember(roleOrderer, t.Orderers.Organization, t.Orderers.NodeName(i), ordererPort(i)))
	}
	for i := range t.Organizations {
		for p := 0; p < *t.Organizations[i].Peers; p++ {
			n.members = append(n.members, n.newMember(rolePeer, t.Organizations[i].Name, t.Organizations[i].PeerName(p), peerPort(i, p)))
		}
	}
	n.reuseAddresses()
	var group errgroup.Group
	for _, m := range n.members {
		group.Go(func() error { return n.open(m) })
	}
	return group.Wait()
}

// newMember fills in a node's spec; fabricPort is its port in Fabric's test
// network.
func (n *Network) newMember(r role, org, name string, fabricPort int) *member {
	t := n.topology
	spec := nodeSpec{Role: r, Name: name, Dir: filepath.Join(n.dir, "nodes", name), Crypto: n.cryptoDir(), Listen: "127.0.0.1:0",
		RunID: n.runID, Seed: t.Seed, Runtime: t.Runtime, BuildPerPeer: t.OneBuildPerPeer, Faithful: t.Faithful}
	if t.Ports == "fabric" && fabricPort > 0 {
		spec.Listen = fmt.Sprintf("127.0.0.1:%d", fabricPort)
	}
	if r == roleOrderer {
		spec.Cut, spec.MSPID, spec.Domain = t.Block.Cut, t.Orderers.Organization+"MSP", t.Orderers.Domain
	} else {
		o := t.organization(org)
		spec.MSPID, spec.Domain = o.MSPID, o.Domain
		for _, c := range t.Chaincodes {
			if c.Runtime != t.Runtime || c.Build {
				spec.Labels = append(spec.Labels, runtimeCommand{c.label(), chaincode.ForLabel{Runtime: c.Runtime, Build: c.Build}})
			}
		}
	}
	return &member{name: name, role: r, org: org, mspID: spec.MSPID, spec: spec}
}

// The ports of Fabric's test network: 7050, 7051 and 9051; further nodes follow in
// steps of 1000 where they cannot meet the first.
func ordererPort(i int) int { return 7050 + 1000*i }

func peerPort(org, peer int) int { return 7051 + 2000*org + 1000*peer }

// open starts a member in its place: this process or one of its own.
func (n *Network) open(m *member) error {
	if err := os.MkdirAll(m.spec.Dir, 0o700); err != nil {
		return fmt.Errorf("start %s: %w", m.name, err)
	}
	var h handle
	var err error
	if n.topology.Placement == "process" {
		h, err = n.openChild(m.spec)
	} else {
		h, err = openNode(m.spec, shared{link: n.link, verifier: n.verifier, trace: n.trace, log: n.log, org: n.org(m.org)})
	}
	if err != nil {
		if n.topology.Ports == "fabric" && strings.Contains(err.Error(), "in use") {
			err = fmt.Errorf("%w; or use any free ports: --ports any", err)
		}
		return err
	}
	n.mu.Lock()
	m.node, m.addr = h, h.addr()
	// A restart must find the node where the others know it.
	m.spec.Listen = m.addr
	n.mu.Unlock()
	if c, ok := h.(*child); ok {
		return n.catchUpLinks(c)
	}
	return nil
}

func (n *Network) org(name string) *msp.Org {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.orgs[name]
}

// makeChannel makes the genesis block and joins every node to the channel.
func (n *Network) makeChannel(ctx context.Context) error {
	if err := n.loadOrMakeGenesis(); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, m := range n.members {
		group.Go(func() error { return n.joinMember(ctx, m, true) })
	}
	return group.Wait()
}

// joinMember makes a node part of the channel and tells it of the others.
func (n *Network) joinMember(ctx context.Context, m *member, fresh bool) error {
	genesis, err := proto.Marshal(n.genesis)
	if err != nil {
		return fmt.Errorf("marshal the genesis block: %w", err)
	}
	h := n.handleOf(m)
	if h == nil {
		return fmt.Errorf("%s: %w", m.name, errStopped)
	}
	if _, err := h.do(ctx, command{Join: &joinCommand{Genesis: genesis, Orderers: n.infos(roleOrderer), Fresh: fresh}}); err != nil {
		return fmt.Errorf("%s joins channel %s: %w", m.name, n.topology.Channel, err)
	}
	if m.role == rolePeer {
		if _, err := h.do(ctx, command{Peers: n.infos(rolePeer)}); err != nil {
			return fmt.Errorf("tell %s about the other peers: %w", m.name, err)
		}
	}
	n.trace.Record(trace.Event{Kind: trace.NodeReady, Node: m.name, Channel: n.topology.Channel, Note: m.addr})
	return nil
}

func (n *Network) infos(r role) []targetInfo {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []targetInfo
	for _, m := range n.members {
		if m.role == r && m.addr != "" {
			out = append(out, m.info())
		}
	}
	return out
}

func (n *Network) genesisPath() string { return filepath.Join(n.dir, n.topology.Channel+".block") }

func (n *Network) loadOrMakeGenesis() error {
	b, err := os.ReadFile(n.genesisPath())
	if err == nil {
		n.genesis = &commonpb.Block{}
		if err := proto.Unmarshal(b, n.genesis); err != nil {
			return fmt.Errorf("the genesis block %s cannot be read: %w; remove the folder to start anew", n.genesisPath(), err)
		}
		return nil
	}
	if n.genesis, err = channelconfig.Genesis(n.profile()); err != nil {
		return fmt.Errorf("make the genesis block: %w", err)
	}
	if b, err = proto.Marshal(n.genesis); err != nil {
		return fmt.Errorf("marshal the genesis block: %w", err)
	}
	return writeFile(n.genesisPath(), b)
}

// profile describes the channel for its genesis block.
func (n *Network) profile() channelconfig.Profile {
	t := n.topology
	p := channelconfig.Profile{Channel: t.Channel, Batch: channelconfig.Batch{
		MaxMessageCount: uint32(t.Block.MaxMessageCount), AbsoluteMaxBytes: uint32(t.Block.AbsoluteMaxBytes),
		PreferredMaxBytes: uint32(t.Block.PreferredMaxBytes), Timeout: time.Duration(t.Block.BatchTimeout)}}
	for i := range t.Organizations {
		o := &t.Organizations[i]
		org := channelconfig.OrgProfile{MSPID: o.MSPID, Config: n.orgs[o.Name].MSPConfig()}
		if m := n.first(rolePeer, o.Name); m != nil {
			org.AnchorPeers = []string{m.addr}
		}
		p.Orgs = append(p.Orgs, org)
	}
	ordering := channelconfig.OrdererOrgProfile{MSPID: t.Orderers.Organization + "MSP", Config: n.orgs[t.Orderers.Organization].MSPConfig()}
	for _, m := range n.members {
		if m.role == roleOrderer {
			ordering.Endpoints = append(ordering.Endpoints, m.addr)
			p.Consenters = append(p.Consenters, n.consenter(m))
		}
	}
	p.OrdererOrgs = []channelconfig.OrdererOrgProfile{ordering}
	return p
}

// consenter is an ordering node as the channel configuration lists it.
func (n *Network) consenter(m *member) *raftpb.Consenter {
	host, port := splitAddr(m.addr)
	cert := n.orgs[m.org].Nodes[m.name].TLSCertPEM
	return &raftpb.Consenter{Host: host, Port: port, ClientTlsCert: cert, ServerTlsCert: cert}
}

func (n *Network) first(r role, org string) *member {
	for _, m := range n.members {
		if m.role == r && m.org == org {
			return m
		}
	}
	return nil
}
