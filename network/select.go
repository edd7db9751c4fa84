package network

import (
	"context"
	"fmt"
	"net"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// running tells whether a member can be asked. Of an attached network nothing is
// known, so all are.
func (n *Network) running(m *member) bool { return m.node != nil || n.attached }

// endorsers gives the peers that a call names, each once: peers by name, or one
// running peer of each organisation. Nothing named: one of every organisation
// that has a running peer.
func (n *Network) endorsers(c *Client, named []string) ([]link.Target, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(named) == 0 {
		named = n.topology.orgNames()
		// The client's own organisation first: its answer is the one to compare with.
		sort.SliceStable(named, func(i, j int) bool {
			return n.topology.organization(named[i]).MSPID == c.MSPID && n.topology.organization(named[j]).MSPID != c.MSPID
		})
		return n.onePerOrg(named, true)
	}
	var out []link.Target
	seen := map[string]bool{}
	for _, name := range named {
		targets, err := n.endorser(name)
		if err != nil {
			return nil, err
		}
		for _, t := range targets {
			if !seen[t.Name] {
				seen[t.Name] = true
				out = append(out, t)
			}
		}
	}
	return out, nil
}

// endorser resolves one name; the caller holds mu.
func (n *Network) endorser(name string) ([]link.Target, error) {
	if o := n.topology.organization(name); o != nil {
		return n.onePerOrg([]string{o.Name}, false)
	}
	for _, m := range n.members {
		if m.role == rolePeer && matchName(name, m.name) {
			if !n.running(m) {
				return nil, fmt.Errorf("%s is stopped: %w; restart it or name another peer", m.name, ErrNoEndorser)
			}
			return []link.Target{m.target()}, nil
		}
	}
	return nil, fmt.Errorf("%q is neither a peer nor an organisation of this network: %w", name, ErrNoEndorser)
}

// onePerOrg gives the first running peer of each organisation; the caller holds mu.
func (n *Network) onePerOrg(orgs []string, skipEmpty bool) ([]link.Target, error) {
	var out []link.Target
	for _, org := range orgs {
		found := false
		for _, m := range n.members {
			if m.role == rolePeer && m.org == org && n.running(m) {
				out, found = append(out, m.target()), true
				break
			}
		}
		if !found && !skipEmpty {
			return nil, fmt.Errorf("no peer of %s is running: %w", org, ErrNoEndorser)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no peer is running: %w; restart one", ErrNoEndorser)
	}
	return out, nil
}

// homePeers gives the running peers of the client's organisation, or all running
// peers where the organisation has none.
func (n *Network) homePeers(c *Client) ([]link.Target, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var own, others []link.Target
	for _, m := range n.members {
		if m.role != rolePeer || !n.running(m) {
			continue
		}
		if m.mspID == c.MSPID {
			own = append(own, m.target())
		} else {
			others = append(others, m.target())
		}
	}
	if len(own) > 0 {
		return own, nil
	}
	if len(others) > 0 {
		return others, nil
	}
	return nil, fmt.Errorf("no peer is running: %w; restart one", ErrNoEndorser)
}

// peersOf gives the running peers of an organisation.
func (n *Network) peersOf(org string) []*member {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []*member
	for _, m := range n.members {
		if m.role == rolePeer && (org == "" || m.org == org) && n.running(m) {
			out = append(out, m)
		}
	}
	return out
}

// mspIDs turns the endorsers of a call into the organisations that the Gateway
// service wants to be told.
func (n *Network) mspIDs(named []string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, name := range named {
		if o := n.topology.organization(name); o != nil {
			out = append(out, o.MSPID)
			continue
		}
		for _, m := range n.members {
			if m.role == rolePeer && matchName(name, m.name) && !contains(out, m.mspID) {
				out = append(out, m.mspID)
			}
		}
	}
	return out
}

// leaderCache remembers the Raft leader as the trace tells it, so that clients
// need not ask first.
type leaderCache struct {
	mu     sync.Mutex
	cursor uint64
	name   string
	looked time.Time
}

// leaderLookEvery bounds how often the trace is looked through for a new leader.
const leaderLookEvery = 50 * time.Millisecond

// leaderName gives the ordering node that won the last election in the trace, ""
// if none is known.
func (n *Network) leaderName() string {
	c := &n.leader
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < leaderLookEvery {
		return c.name
	}
	events, next := n.trace.Of(trace.RaftRole, c.cursor)
	for i := range events {
		if strings.HasPrefix(events[i].Note, "leader") {
			c.name = events[i].Node
		}
	}
	c.cursor = next
	c.looked = time.Now()
	return c.name
}

// orderersToAsk gives the running ordering nodes, the leader first.
func (n *Network) orderersToAsk() []link.Target {
	leader := n.leaderName()
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []link.Target
	for _, m := range n.members {
		if m.role != roleOrderer || !n.running(m) {
			continue
		}
		out = append(out, m.target())
		if m.name == leader {
			last := len(out) - 1
			out[0], out[last] = out[last], out[0]
		}
	}
	return out
}

// reason gives the sentence with which a peer explained a transaction's verdict,
// "" if the trace does not have it. What nodes that are processes of their own record
// arrives a moment later than the verdict itself.
func (n *Network) reason(ctx context.Context, txID string) string {
	cursor := n.trace.Last()
	if e, ok := n.trace.Latest(trace.Verdict, func(e *trace.Event) bool { return e.TxID == txID }); ok {
		return e.Note
	}
	if n.attached || n.topology.Placement != "process" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, reasonTimeout)
	defer cancel()
	e, _, err := n.trace.Wait(ctx, cursor, func(e *trace.Event) bool { return e.Kind == trace.Verdict && e.TxID == txID })
	if err != nil {
		return ""
	}
	return e.Note
}

// reasonTimeout is how long a client waits for the explanation of a verdict.
const reasonTimeout = 2 * time.Second

// waitLeader waits until the ordering service has a leader.
func (n *Network) waitLeader(ctx context.Context) error {
	return poll(ctx, func() (bool, error) {
		for _, m := range n.orderersSnapshot() {
			h := n.handleOf(m)
			if h == nil {
				continue
			}
			r, err := h.do(ctx, command{Status: &statusCommand{Channel: n.topology.Channel}})
			if err != nil {
				return false, err
			}
			if r.Status.Leader != "" {
				return true, nil
			}
		}
		return false, nil
	})
}

func (n *Network) orderersSnapshot() []*member {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []*member
	for _, m := range n.members {
		if m.role == roleOrderer {
			out = append(out, m)
		}
	}
	return out
}

// poll asks until the answer is yes, with growing pauses up to 50 ms.
func poll(ctx context.Context, ask func() (bool, error)) error {
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

func splitAddr(addr string) (host string, port uint32) {
	h, p, err := net.SplitHostPort(addr)
	if err != nil {
		return addr, 0
	}
	v, _ := strconv.ParseUint(p, 10, 16)
	return h, uint32(v)
}
