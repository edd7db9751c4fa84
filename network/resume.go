package network

// takeBackAdded counts the nodes that were added while the network ran before: they
// are in its folder and, the ordering nodes, in the Raft group, which would miss
// them.
func (n *Network) takeBackAdded() {
	old := n.oldAddresses()
	t := n.topology
	for t.Orderers.Nodes < maxOrderers && old[t.Orderers.NodeName(t.Orderers.Nodes)] != "" {
		t.Orderers.Nodes++
	}
	for i := range t.Organizations {
		o := &t.Organizations[i]
		for *o.Peers < maxPeersPerOrg && old[o.PeerName(*o.Peers)] != "" {
			*o.Peers++
		}
	}
}
