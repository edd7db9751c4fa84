package network

import (
	"context"
	"fmt"
	"strings"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// NodeName gives the full name of the node that a person means.
func (n *Network) NodeName(name string) (string, error) {
	m, err := n.find(name)
	if err != nil {
		return "", err
	}
	return m.name, nil
}

// Poll asks until the answer is yes, an error comes or ctx ends, with growing
// pauses up to 50 ms.
func Poll(ctx context.Context, ask func() (bool, error)) error { return poll(ctx, ask) }

// Leader waits for a Raft leader that a majority of the running ordering nodes
// follows, and gives its name.
func (n *Network) Leader(ctx context.Context) (string, error) {
	name := ""
	err := poll(ctx, func() (bool, error) {
		votes, leads := map[string]int{}, map[string]bool{}
		for _, s := range n.Status(ctx) {
			if s.Role == string(roleOrderer) && s.Running && s.Leader != "" {
				votes[s.Leader]++
				leads[s.Name] = s.Raft == "leader"
			}
		}
		for candidate, count := range votes {
			// Followers of a leader that is gone need a moment to notice.
			if 2*count > n.topology.Orderers.Nodes && leads[candidate] {
				name = candidate
				return true, nil
			}
		}
		return false, nil
	})
	return name, err
}

// Settle waits until all running nodes have the same height and no node is behind
// another, and tells whether all peers' commit hashes are equal.
func (n *Network) Settle(ctx context.Context) (height uint64, equal bool, err error) {
	var last []NodeStatus
	err = poll(ctx, func() (bool, error) {
		last = n.Status(ctx)
		height = 0
		for _, s := range last {
			height = max(height, s.Height)
		}
		for _, s := range last {
			if s.Running && s.Height != height {
				return false, nil
			}
		}
		return height > 0, nil
	})
	if err != nil {
		var heights []string
		for _, s := range last {
			if s.Running {
				heights = append(heights, fmt.Sprintf("%s %d", s.Name, s.Height))
			}
		}
		return height, false, fmt.Errorf("the nodes do not reach the same height (%s): %w", strings.Join(heights, ", "), err)
	}
	hash, equal := "", true
	for _, s := range last {
		if s.Running && s.Role == string(rolePeer) {
			if hash == "" {
				hash = s.CommitHash
			}
			equal = equal && s.CommitHash == hash
		}
	}
	return height, equal, nil
}

// StateSum gives a digest over one peer's whole state: equal on peers with equal
// state.
func (n *Network) StateSum(ctx context.Context, peerName string) (string, error) {
	m, err := n.find(peerName)
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	h := m.node
	n.mu.Unlock()
	if h == nil {
		return "", fmt.Errorf("%s: %w", m.name, errStopped)
	}
	r, err := h.do(ctx, command{StateSum: &stateSumCommand{Channel: n.topology.Channel}})
	return r.StateSum, err
}

// EventFilter chooses events; empty fields fit everything. Kind may end in *.
type EventFilter struct {
	Kind    string
	Node    string // at either end
	TxID    string // a leading part is enough
	Key     string
	Channel string
}

// Fits tells whether an event is chosen.
func (f EventFilter) Fits(e *trace.Event) bool {
	if prefix, wide := strings.CutSuffix(f.Kind, "*"); wide {
		if !strings.HasPrefix(string(e.Kind), prefix) {
			return false
		}
	} else if f.Kind != "" && f.Kind != string(e.Kind) {
		return false
	}
	return (f.Node == "" || matchName(f.Node, e.Node) || matchName(f.Node, e.Other)) &&
		(f.TxID == "" || strings.HasPrefix(e.TxID, f.TxID)) &&
		(f.Key == "" || f.Key == e.Key) && (f.Channel == "" || f.Channel == e.Channel)
}

// Events gives the events of the trace's memory that fit, oldest first.
func (n *Network) Events(f EventFilter) []trace.Event {
	var out []trace.Event
	var cursor uint64
	for {
		events, next, _ := n.trace.Since(cursor, 4096)
		for i := range events {
			if f.Fits(&events[i]) {
				out = append(out, events[i])
			}
		}
		if len(events) == 0 {
			return out
		}
		cursor = next
	}
}
