package network

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

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
		{"authorities and identities", func(context.Context) error { return n.ids.generate(n.topology.orgSpecs()) }},
		{"nodes", n.startNodes},
		{"channel " + n.topology.Channel, n.Nodes.makeChannel},
		{"links", func(context.Context) error { return n.Faults.applyTopologyLinks() }},
		{"election of a Raft leader", n.Nodes.waitLeader},
	}
	for _, s := range steps {
		if err := n.step(ctx, s.name, s.do); err != nil {
			return err
		}
	}
	if err := n.Nodes.writeFiles(); err != nil {
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
	if err := n.Nodes.tellCut(ctx, orderer.CutIdle); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Nodes.tellCut(ctx, n.topology.Block.Cut)) }()
	if resumed { // until the peers have all blocks
		settle := func(ctx context.Context) error { _, _, err := n.Nodes.Settle(ctx); return err }
		if err := n.step(ctx, "catching up", settle); err != nil {
			return err
		}
	}
	for _, c := range n.topology.Chaincodes {
		if resumed {
			known, err := n.Chaincodes.Definition(ctx, c.Name)
			if err != nil {
				return err
			}
			if known != nil {
				continue
			}
		}
		if _, err := n.Chaincodes.Deploy(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// startNodes starts all ordering nodes and peers at the same time, those of a network
// that goes on at their old addresses, where clients look for them, if these are free.
func (n *Network) startNodes(context.Context) error {
	t := n.topology
	var members []*member
	for i := 0; i < t.Orderers.Nodes; i++ {
		members = append(members, n.Nodes.newMember(roleOrderer, t.Orderers.Organization, t.Orderers.NodeName(i), ordererPort(i)))
	}
	for i := range t.Organizations {
		for p := 0; p < *t.Organizations[i].Peers; p++ {
			members = append(members, n.Nodes.newMember(rolePeer, t.Organizations[i].Name, t.Organizations[i].PeerName(p), peerPort(i, p)))
		}
	}
	old := n.oldAddresses()
	for _, m := range members {
		if addr, ok := old[m.name]; ok {
			m.spec.Listen = addr
		}
	}
	n.Nodes.mu.Lock()
	n.Nodes.members = members
	n.Nodes.mu.Unlock()
	var group errgroup.Group
	for _, m := range members {
		group.Go(func() error { return n.Nodes.open(m) })
	}
	return group.Wait()
}

// The ports of Fabric's test network: 7050, 7051 and 9051; further nodes follow in
// steps of 1000 where they cannot meet the first.
func ordererPort(i int) int { return 7050 + 1000*i }

func peerPort(org, peer int) int { return 7051 + 2000*org + 1000*peer }
