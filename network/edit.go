package network

import (
	"context"
	"fmt"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/peer"
)

// EditState changes a value in the state database of a peer that is stopped, behind the peer's
// back: its version stays, and no block tells of it. It exists to show who notices, and is
// traced as a fault.
func (n *Nodes) EditState(ctx context.Context, peerName, chaincode, key string, value []byte) error {
	m, err := n.own(peerName)
	if err != nil {
		return err
	}
	if m.role != rolePeer {
		return fmt.Errorf("%s has no state: %s", m.name, deed{role: rolePeer}.remedy())
	}
	n.mu.Lock()
	running := m.node != nil
	n.mu.Unlock()
	if running {
		return fmt.Errorf("%s runs and holds its state database; stop it first", m.name)
	}
	if err := peer.EditState(ctx, m.spec.Dir, n.topology.Channel, chaincode, key, value); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	n.trace.Record(trace.Event{Kind: trace.Fault, What: trace.FaultStateEdited, Node: m.name, Channel: n.topology.Channel, Key: key,
		Note: "the value of " + key + " was changed in its state database"})
	return nil
}
