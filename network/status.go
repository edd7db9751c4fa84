package network

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Poll asks until the answer is yes, an error comes or ctx ends, with growing
// pauses up to 50 ms.
func Poll(ctx context.Context, ask func() (bool, error)) error {
	pause := time.Millisecond
	for {
		ok, err := ask()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// statusTimeout bounds how long one node may take to say how it is.
const statusTimeout = 3 * time.Second

// Status asks all nodes how they are. A node that does not answer is listed as not
// running.
func (n *Nodes) Status(ctx context.Context) []NodeStatus {
	members := n.all()
	out := make([]NodeStatus, len(members))
	var all sync.WaitGroup
	for i, m := range members {
		all.Go(func() { out[i] = n.statusOf(ctx, m) })
	}
	all.Wait()
	return out
}

func (n *Nodes) statusOf(ctx context.Context, m *member) NodeStatus {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	r, err := n.askMember(ctx, m, command{Status: &statusCommand{Channel: n.topology.Channel}})
	if err != nil {
		return NodeStatus{Name: m.name, Role: string(m.role), Addr: m.addr()}
	}
	return *r.Status
}

// waitLeader waits until the ordering service has a leader.
func (n *Nodes) waitLeader(ctx context.Context) error {
	return Poll(ctx, func() (bool, error) {
		for _, s := range n.Status(ctx) { // a node that does not answer delays nobody
			if s.Role == string(roleOrderer) && s.Running && s.Leader != "" {
				return true, nil
			}
		}
		return false, nil
	})
}

// waitHeight waits until every running peer has committed at least height blocks. What
// a node under faults answers meanwhile is no reason to give up; ctx is.
func (n *Nodes) waitHeight(ctx context.Context, height uint64) error {
	for _, m := range n.running(rolePeer, "") {
		err := Poll(ctx, func() (bool, error) {
			r, err := n.askMember(ctx, m, command{Status: &statusCommand{Channel: n.topology.Channel}})
			return errors.Is(err, errStopped) || err == nil && r.Status.Height >= height, nil
		})
		if err != nil {
			return fmt.Errorf("wait until %s has block %d: %w", m.name, height-1, err)
		}
	}
	return nil
}

// Leader waits for a Raft leader that a majority of the running ordering nodes
// follows, and gives its name.
func (n *Nodes) Leader(ctx context.Context) (string, error) {
	name := ""
	err := Poll(ctx, func() (bool, error) {
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
func (n *Nodes) Settle(ctx context.Context) (height uint64, equal bool, err error) {
	var last []NodeStatus
	var committed uint64 // the most that a peer had, one look earlier
	err = Poll(ctx, func() (bool, error) {
		last = n.Status(ctx)
		if ahead := peersAhead(last); ahead != "" && committed > ordered(last) {
			return false, n.lostOrdering(ahead)
		}
		height, committed = 0, 0
		for _, s := range last {
			height = max(height, s.Height)
			if s.Role == string(rolePeer) {
				committed = max(committed, s.Height)
			}
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
