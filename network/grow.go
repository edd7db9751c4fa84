package network

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// AddPeer gives an organisation one more peer, which catches up with the channel,
// and installs the packages on it that the organisation approved. It gives the
// peer's name.
func (n *Network) AddPeer(ctx context.Context, orgName string) (string, error) {
	o := n.topology.organization(orgName)
	if o == nil {
		return "", fmt.Errorf("there is no organisation %q; the organisations are %s", orgName, strings.Join(n.topology.orgNames(), ", "))
	}
	if *o.Peers >= maxPeersPerOrg {
		return "", fmt.Errorf("%s has %d peers already; that is the most", o.Name, maxPeersPerOrg)
	}
	packages, err := n.Chaincodes.packagesOf(ctx, o.Name)
	if err != nil {
		return "", err
	}
	m, err := n.addMember(ctx, rolePeer, o.Name, o.PeerName(*o.Peers))
	if err != nil {
		return "", err
	}
	n.Nodes.mu.Lock()
	*o.Peers++
	n.Nodes.mu.Unlock()
	if err := n.Nodes.tellPeers(ctx); err != nil {
		return "", err
	}
	for _, raw := range packages {
		if _, err := n.Chaincodes.Install(ctx, raw, []string{m.name}); err != nil {
			return "", err
		}
	}
	return m.name, n.Nodes.writeFiles()
}

// AddOrderer adds an ordering node: it joins the Raft group and catches up. It
// gives the node's name.
func (n *Network) AddOrderer(ctx context.Context) (string, error) {
	o := &n.topology.Orderers
	if o.Nodes >= maxOrderers {
		return "", fmt.Errorf("the ordering service has %d nodes already; that is the most", maxOrderers)
	}
	name := o.NodeName(o.Nodes)
	m, err := n.addMember(ctx, roleOrderer, o.Organization, name)
	if err != nil {
		return "", err
	}
	n.Nodes.mu.Lock()
	o.Nodes++
	n.Nodes.mu.Unlock()
	if err := n.Nodes.tellOrderers(ctx); err != nil {
		return "", err
	}
	if err := n.atLeader(ctx, command{Member: &memberCommand{Node: m.info()}}); err != nil {
		return "", fmt.Errorf("add %s to the Raft group: %w", name, err)
	}
	return m.name, n.Nodes.writeFiles()
}

// addMember makes an identity for a new node, starts it and joins it.
func (n *Network) addMember(ctx context.Context, r role, org, name string) (*member, error) {
	if n.attached {
		return nil, errOtherProgram
	}
	if err := n.ids.addNode(org, name); err != nil {
		return nil, err
	}
	m := n.Nodes.newMember(r, org, name, 0)
	if err := n.Nodes.open(m); err != nil {
		return nil, err
	}
	n.Nodes.mu.Lock()
	n.Nodes.members = append(n.Nodes.members, m)
	n.Nodes.mu.Unlock()
	return m, n.Nodes.join(ctx, m, r == rolePeer)
}

// atLeader tries a command on the ordering nodes, the leader first, until one
// carries it out.
func (n *Network) atLeader(ctx context.Context, c command) error {
	var last error
	for ctx.Err() == nil {
		for _, t := range n.clients.orderersToAsk() {
			if _, last = n.Nodes.ask(ctx, t.Name, c); last == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.Join(ctx.Err(), last)
}
