package peer

import (
	"slices"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/peer/gateway"
)

// PeerInfo names another peer of the network and says where it is.
type PeerInfo = gateway.Member

// SetPeers tells the peer which other peers the network has; entries for itself
// are ignored. It replaces what was said before.
func (p *Peer) SetPeers(infos []PeerInfo) {
	members := make([]PeerInfo, 0, len(infos))
	for _, info := range infos {
		if info.Name != p.config.Name {
			members = append(members, info)
		}
	}
	p.mu.Lock()
	p.members = members
	p.mu.Unlock()
	p.dropUnused()
	for _, c := range p.allChannels() {
		c.gateway.AskPeersAgain()
		c.askAgain()
	}
}

// others lists the other peers.
func (p *Peer) others() []PeerInfo {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.members
}

// SetOrderers tells the peer where the ordering nodes are. It replaces what was
// said before; without it the addresses in the channel's configuration are used.
func (p *Peer) SetOrderers(targets []link.Target) {
	p.mu.Lock()
	p.orderers = slices.Clone(targets)
	p.mu.Unlock()
	p.dropUnused()
	for _, c := range p.allChannels() {
		c.puller.wake()
	}
}

// dropUnused closes connections to nodes that are no longer known.
func (p *Peer) dropUnused() {
	var peers []link.Target
	for _, m := range p.others() {
		peers = append(peers, m.Target)
	}
	lists := [][]link.Target{peers}
	p.mu.RLock()
	lists = append(lists, p.orderers)
	p.mu.RUnlock()
	for _, c := range p.allChannels() {
		lists = append(lists, c.Orderers())
	}
	p.connections.Keep(lists...)
}
