package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// activeHold is a hold that is in force, in this process and in every child: its id
// inside each, by the node's name.
type activeHold struct {
	filter link.Filter
	remote map[string]uint64
}

// StopNode stops a node in good order; Restart brings it back.
func (n *Network) StopNode(ctx context.Context, name string) error {
	m, err := n.find(name)
	if err != nil {
		return err
	}
	return n.closeMember(ctx, m)
}

// Kill ends a node without warning: kill -9 under placement process, an abrupt
// end of everything it runs under placement inproc.
func (n *Network) Kill(name string) error {
	m, err := n.find(name)
	if err != nil {
		return err
	}
	n.mu.Lock()
	h := m.node
	m.node = nil
	n.mu.Unlock()
	if h == nil {
		return fmt.Errorf("%s is not running; restart it first", m.name)
	}
	err = h.kill()
	n.trace.Record(trace.Event{Kind: trace.NodeKilled, Node: m.name})
	return err
}

// Restart starts a stopped or killed node again on its old address and data; a
// running one is stopped first.
func (n *Network) Restart(ctx context.Context, name string) error {
	m, err := n.find(name)
	if err != nil {
		return err
	}
	if err := n.closeMember(ctx, m); err != nil {
		return err
	}
	if err := n.open(m); err != nil {
		return err
	}
	if err := n.joinMember(ctx, m, true); err != nil {
		return err
	}
	return n.redial(ctx, m.name)
}

// redial lets everybody connect at once to a node that is back: who asks it next
// must not be refused because of an earlier failure.
func (n *Network) redial(ctx context.Context, name string) error {
	n.link.Redial(name)
	return n.children(func(_ *member, c *child) error {
		_, err := c.do(ctx, command{Redial: name})
		return err
	})
}

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
	packages, err := n.packagesOf(ctx, o.Name)
	if err != nil {
		return "", err
	}
	m, err := n.addMember(ctx, rolePeer, o.Name, o.PeerName(*o.Peers))
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	*o.Peers++
	n.mu.Unlock()
	if err := n.tellPeers(ctx); err != nil {
		return "", err
	}
	for _, raw := range packages {
		if _, err := n.Install(ctx, raw, []string{m.name}); err != nil {
			return "", err
		}
	}
	return m.name, n.writeFiles()
}

// addMember makes an identity for a new node, starts it and joins it.
func (n *Network) addMember(ctx context.Context, r role, org, name string) (*member, error) {
	identities := n.org(org)
	if _, ok := identities.Nodes[name]; !ok {
		if _, err := identities.AddNode(nodeIdentity(name)); err != nil {
			return nil, fmt.Errorf("make an identity for %s: %w", name, err)
		}
		if err := identities.Write(n.cryptoDir()); err != nil {
			return nil, fmt.Errorf("write the identity of %s: %w", name, err)
		}
	}
	m := n.newMember(r, org, name, 0)
	if err := n.open(m); err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.members = append(n.members, m)
	n.mu.Unlock()
	return m, n.joinMember(ctx, m, r == rolePeer)
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
	n.mu.Lock()
	o.Nodes++
	n.mu.Unlock()
	if err := n.tellOrderers(ctx); err != nil {
		return "", err
	}
	if err := n.atLeader(ctx, command{Member: &memberCommand{Node: m.info()}}); err != nil {
		return "", fmt.Errorf("add %s to the Raft group: %w", name, err)
	}
	return m.name, n.writeFiles()
}

// atLeader tries a command on the ordering nodes, the leader first, until one
// carries it out.
func (n *Network) atLeader(ctx context.Context, c command) error {
	var last error
	for ctx.Err() == nil {
		for _, t := range n.orderersToAsk() {
			m, err := n.find(t.Name)
			if err != nil {
				continue
			}
			h := n.handleOf(m)
			if h == nil {
				continue
			}
			if _, last = h.do(ctx, c); last == nil {
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

func (n *Network) tellPeers(ctx context.Context) error {
	infos := n.infos(rolePeer)
	return n.each(rolePeer, func(m *member, h handle) error {
		_, err := h.do(ctx, command{Peers: infos})
		return err
	})
}

func (n *Network) tellOrderers(ctx context.Context) error {
	infos := n.infos(roleOrderer)
	return n.each("", func(m *member, h handle) error {
		_, err := h.do(ctx, command{Orderers: infos})
		return err
	})
}

// each calls f for every running node of a role ("" for all).
func (n *Network) each(r role, f func(*member, handle) error) error {
	n.mu.Lock()
	members := append([]*member(nil), n.members...)
	n.mu.Unlock()
	var errs []error
	for _, m := range members {
		h := n.handleOf(m)
		if h == nil || r != "" && m.role != r {
			continue
		}
		if err := f(m, h); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.name, err))
		}
	}
	return errors.Join(errs...)
}

// children calls f for every running node that is a process of its own.
func (n *Network) children(f func(*member, *child) error) error {
	return n.each("", func(m *member, h handle) error {
		if c, ok := h.(*child); ok {
			return f(m, c)
		}
		return nil
	})
}

// SetLie makes a peer's endorsements wrong, or right again: it changes a written
// value before it signs.
func (n *Network) SetLie(ctx context.Context, name string, on bool) error {
	m, err := n.find(name)
	if err != nil {
		return err
	}
	if m.role != rolePeer {
		return fmt.Errorf("%s is an ordering node; only peers endorse", m.name)
	}
	h := n.handleOf(m)
	if h == nil {
		return fmt.Errorf("%s is not running; restart it first", m.name)
	}
	_, err = h.do(ctx, command{Lie: &lieCommand{On: on}})
	return err
}

// PauseChaincode stops the processes of a chaincode at one peer from running, or
// lets them go on. The package is named by its id or label.
func (n *Network) PauseChaincode(ctx context.Context, peerName, pkg string, on bool) error {
	m, err := n.find(peerName)
	if err != nil {
		return err
	}
	h := n.handleOf(m)
	if h == nil {
		return fmt.Errorf("%s is not running; restart it first", m.name)
	}
	_, err = h.do(ctx, command{Pause: &pauseCommand{Package: pkg, On: on}})
	return err
}

// SetLink shapes the connections between two ends: node names, short names,
// patterns with *, clients or organisations.
func (n *Network) SetLink(a, b string, s link.Shape) error {
	var rules []shapeRule
	for _, from := range n.topology.matching(a) {
		for _, to := range n.topology.matching(b) {
			rules = append(rules, shapeRule{From: from, To: to, Shape: s})
		}
	}
	if len(rules) == 0 {
		return fmt.Errorf("no connection between %q and %q: one of them names no node, client or organisation", a, b)
	}
	n.mu.Lock()
	n.shapes = append(n.shapes, rules...)
	n.mu.Unlock()
	return n.pushShapes()
}

// Partition divides the nodes into groups that cannot reach each other. Clients
// and nodes in no group are not cut off.
func (n *Network) Partition(groups ...[]string) error {
	var rules []shapeRule
	for i, a := range groups {
		for _, b := range groups[i+1:] {
			for _, x := range a {
				for _, y := range b {
					for _, from := range n.topology.matching(x) {
						for _, to := range n.topology.matching(y) {
							rules = append(rules, shapeRule{From: from, To: to, Shape: link.Shape{Cut: true}})
						}
					}
				}
			}
		}
	}
	if len(rules) == 0 {
		return errors.New("a partition needs at least two groups of nodes that exist")
	}
	n.mu.Lock()
	n.shapes = append(n.shapes, rules...)
	n.mu.Unlock()
	return n.pushShapes()
}

// Heal makes all links perfect again, those of the topology too.
func (n *Network) Heal() error {
	n.mu.Lock()
	n.shapes = nil
	n.mu.Unlock()
	return n.pushShapes()
}

func (n *Network) applyTopologyLinks() error {
	for _, l := range n.topology.Links {
		s := link.Shape{Latency: time.Duration(l.Latency), Jitter: time.Duration(l.Jitter), Loss: float64(l.Loss), Cut: l.Cut}
		if err := n.SetLink(l.Between[0], l.Between[1], s); err != nil {
			return err
		}
	}
	return nil
}

func (n *Network) shapeRules() []shapeRule {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]shapeRule(nil), n.shapes...)
}

// pushShapes puts the present rules into force here and in all children.
func (n *Network) pushShapes() error {
	rules := n.shapeRules()
	if err := applyShapes(n.link, rules); err != nil {
		return err
	}
	return n.children(func(_ *member, c *child) error {
		_, err := c.do(context.Background(), command{Links: &linksCommand{Shapes: rules}})
		return err
	})
}

// catchUpLinks tells a child of rules that were set while it started.
func (n *Network) catchUpLinks(c *child) error {
	rules := n.shapeRules()
	if slices.Equal(rules, c.spec.Shapes) {
		return nil
	}
	_, err := c.do(context.Background(), command{Links: &linksCommand{Shapes: rules}})
	return err
}

// applyShapes makes the rules of a process equal to rules, all at once, so that no
// cut opens for a moment. A later rule for the same two ends replaces an earlier one.
func applyShapes(l *link.Net, rules []shapeRule) error {
	all := make([]link.Rule, len(rules))
	for i, r := range rules {
		all[i] = link.Rule{From: r.From, To: r.To, Shape: r.Shape}
	}
	return l.SetRules(all)
}

// Hold stops messages of a kind until they are released.
func (n *Network) Hold(f link.Filter) (link.HoldID, error) {
	id, err := n.link.Hold(f)
	if err != nil {
		return 0, err
	}
	n.mu.Lock()
	n.holds[id] = &activeHold{filter: f, remote: map[string]uint64{}}
	n.mu.Unlock()
	return id, n.children(func(m *member, c *child) error {
		r, err := c.do(context.Background(), command{Hold: &f})
		if err == nil {
			n.takeHolds(m.name, []link.HoldID{id}, []uint64{r.HoldID})
		}
		return err
	})
}

// activeHolds gives what a child that is starting must hold, oldest first. Holds that
// stop a number of messages are not among them: they may have done that already.
func (n *Network) activeHolds() (ids []link.HoldID, filters []link.Filter) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, h := range n.holds {
		if h.filter.Count == 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		filters = append(filters, n.holds[id].filter)
	}
	return ids, filters
}

// takeHolds remembers the ids that holds have inside a child.
func (n *Network) takeHolds(child string, ids []link.HoldID, remote []uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, id := range ids {
		if h := n.holds[id]; h != nil && i < len(remote) {
			h.remote[child] = remote[i]
		}
	}
}

// Unhold takes a hold away; messages that it stopped go on.
func (n *Network) Unhold(id link.HoldID) error {
	n.link.Unhold(id)
	n.mu.Lock()
	h := n.holds[id]
	delete(n.holds, id)
	n.mu.Unlock()
	if h == nil {
		return nil
	}
	return n.children(func(m *member, c *child) error {
		remote, ok := h.remote[m.name]
		if !ok {
			return nil
		}
		_, err := c.do(context.Background(), command{Unhold: remote})
		return err
	})
}

// Held lists the messages that holds have stopped, here and in all children.
func (n *Network) Held() ([]link.HeldMessage, error) {
	held := n.link.Held()
	err := n.children(func(_ *member, c *child) error {
		r, err := c.do(context.Background(), command{Held: true})
		held = append(held, r.Held...)
		return err
	})
	return held, err
}

// Release lets one held message go on (its Msg id), or all with 0. It gives how
// many went on.
func (n *Network) Release(msg uint64) (int, error) {
	released := 0
	if msg == 0 {
		released = n.link.ReleaseAll()
	} else if n.link.Release(msg) {
		return 1, nil
	}
	err := n.children(func(_ *member, c *child) error {
		r, err := c.do(context.Background(), command{Release: &releaseCommand{Msg: msg}})
		released += r.Released
		return err
	})
	return released, err
}
