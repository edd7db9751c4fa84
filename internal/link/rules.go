package link

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// reconnectPatience bounds how long healing a link, or Redial, waits until the
// connections over it work again.
const reconnectPatience = 500 * time.Millisecond

// SetRules replaces all rules at once and ends a partition: no message passes in
// between that neither the old nor the new rules let pass. Of two rules for the
// same ends the later one counts.
func (n *Net) SetRules(rules []Rule) error {
	for _, r := range rules {
		if err := r.check(r.From, r.To); err != nil {
			return err
		}
	}
	n.links.mu.Lock()
	old := n.links.rules
	n.links.rules, n.links.partition = nil, nil
	for _, r := range rules {
		n.links.set(r.From, r.To, r.Shape)
	}
	now := slices.Clone(n.links.rules)
	healed := n.links.apply()
	n.links.mu.Unlock()
	for _, r := range now {
		if !slices.Contains(old, r) {
			n.trace.Record(trace.Event{Kind: trace.LinkRule, Node: r.From, Other: r.To, Note: r.Shape.String()})
		}
	}
	for _, r := range old {
		same := func(other Rule) bool { return other.From == r.From && other.To == r.To }
		if !slices.ContainsFunc(now, same) {
			n.trace.Record(trace.Event{Kind: trace.LinkRule, Node: r.From, Other: r.To, Note: Shape{}.String()})
		}
	}
	awaitConnections(healed)
	return nil
}

// Redial connects at once to a node that was away and is back. Without it callers
// would be refused until their connections try again by themselves.
func (n *Net) Redial(name string) {
	n.links.mu.Lock()
	var back []*grpc.ClientConn
	for _, c := range n.links.clients {
		if _, _, cut := n.links.between(c.from, c.to); c.to == name && !cut {
			c.conn.ResetConnectBackoff()
			back = append(back, c.conn)
		}
	}
	n.links.mu.Unlock()
	awaitConnections(back)
}

// awaitConnections waits until no connection refuses calls any more because of an
// earlier failure. A node may be away for another reason, so the patience is short.
func awaitConnections(all []*grpc.ClientConn) {
	ctx, cancel := context.WithTimeout(context.Background(), reconnectPatience)
	defer cancel()
	for _, conn := range all {
		for conn.GetState() == connectivity.TransientFailure && conn.WaitForStateChange(ctx, connectivity.TransientFailure) {
		}
	}
}
