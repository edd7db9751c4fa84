package network

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	raftpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer/etcdraft"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// makeChannel makes the genesis block and joins every node to the channel.
func (n *Nodes) makeChannel(ctx context.Context) error {
	if err := n.loadOrMakeGenesis(); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, m := range n.all() {
		group.Go(func() error { return n.join(ctx, m, true) })
	}
	return group.Wait()
}

// join makes a node part of the channel and tells it of the others.
func (n *Nodes) join(ctx context.Context, m *member, fresh bool) error {
	genesis, err := proto.Marshal(n.genesis)
	if err != nil {
		return fmt.Errorf("marshal the genesis block: %w", err)
	}
	c := command{Join: &joinCommand{Genesis: genesis, Orderers: n.infos(roleOrderer), Fresh: fresh}}
	if _, err := n.askMember(ctx, m, c); err != nil {
		return fmt.Errorf("%s joins channel %s: %w", m.name, n.topology.Channel, err)
	}
	if m.role == rolePeer {
		if _, err := n.askMember(ctx, m, command{Peers: n.infos(rolePeer)}); err != nil {
			return fmt.Errorf("tell %s about the other peers: %w", m.name, err)
		}
	}
	n.trace.Record(trace.Event{Kind: trace.NodeReady, Node: m.name, Channel: n.topology.Channel, What: caseOf(m.role), Name: m.addr(), Note: m.addr()})
	return nil
}

func (n *Nodes) loadOrMakeGenesis() error {
	b, err := os.ReadFile(n.genesisPath())
	if err == nil {
		n.genesis = &commonpb.Block{}
		err := proto.Unmarshal(b, n.genesis)
		if err == nil {
			_, err = channelconfig.FromBlock(n.genesis, nil)
		}
		if err != nil {
			return fmt.Errorf("the genesis block %s cannot be read: %w; put the file back (it is block 0 of every peer's ledger), or remove the folder to start anew", n.genesisPath(), err)
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
func (n *Nodes) profile() channelconfig.Profile {
	t := n.topology
	p := channelconfig.Profile{Channel: t.Channel, Batch: channelconfig.Batch{
		MaxMessageCount: uint32(t.Block.MaxMessageCount), AbsoluteMaxBytes: uint32(t.Block.AbsoluteMaxBytes),
		PreferredMaxBytes: uint32(t.Block.PreferredMaxBytes), Timeout: time.Duration(t.Block.BatchTimeout)}}
	for i := range t.Organizations {
		o := &t.Organizations[i]
		org := channelconfig.OrgProfile{MSPID: o.MSPID, Config: n.ids.org(o.Name).MSPConfig()}
		if peers := n.running(rolePeer, o.Name); len(peers) > 0 {
			org.AnchorPeers = []string{peers[0].addr()}
		}
		p.Orgs = append(p.Orgs, org)
	}
	ordering := channelconfig.OrdererOrgProfile{MSPID: t.Orderers.Organization + "MSP", Config: n.ids.org(t.Orderers.Organization).MSPConfig()}
	for _, m := range n.running(roleOrderer, "") {
		ordering.Endpoints = append(ordering.Endpoints, m.addr())
		p.Consenters = append(p.Consenters, n.consenter(m))
	}
	p.OrdererOrgs = []channelconfig.OrdererOrgProfile{ordering}
	return p
}

// consenter is an ordering node as the channel configuration lists it.
func (n *Nodes) consenter(m *member) *raftpb.Consenter {
	host, port := splitAddr(m.addr())
	cert := n.ids.org(m.org).Nodes[m.name].TLSCertPEM
	return &raftpb.Consenter{Host: host, Port: port, ClientTlsCert: cert, ServerTlsCert: cert}
}

func splitAddr(addr string) (host string, port uint32) {
	h, p, err := net.SplitHostPort(addr)
	if err != nil {
		return addr, 0
	}
	v, _ := strconv.ParseUint(p, 10, 16)
	return h, uint32(v)
}
