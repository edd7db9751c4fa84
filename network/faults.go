package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Faults is what is broken on purpose: links that are slow or cut, partitions, messages
// that are held, peers that lie, chaincodes that stand still.
//
// However many processes the nodes are, each fact stands here once, is recorded here
// once, and is told to all of them as a whole (inForce): a rule that replaces another,
// or a hold that is used up, cannot stay behind in one of them.
type Faults struct {
	*run
	nodes *Nodes
	here  enforcer

	mu      sync.Mutex
	version uint64
	rules   link.Rules
	parted  int64 // identity of the newest partition
	last    link.HoldID
	holds   []*activeHold // oldest first
}

// inForce is everything that the processes of a network do to messages. A later version
// replaces an earlier one whole.
type inForce struct {
	Version uint64      `json:"version"`
	Rules   link.Rules  `json:"rules"`
	Holds   []link.Hold `json:"holds"`
}

// enforcer carries out what is in force in one process.
type enforcer struct {
	mu      sync.Mutex
	version uint64
}

// apply brings a process to a version; one that comes late is passed over.
func (e *enforcer) apply(l *link.Net, f inForce) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f.Version <= e.version {
		return nil
	}
	if err := l.SetHolds(f.Holds); err != nil {
		return err
	}
	if err := l.SetRules(f.Rules); err != nil {
		return err
	}
	e.version = f.Version
	return nil
}

// inForce gives what must be in force now.
func (f *Faults) inForce() inForce {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := inForce{Version: f.version, Rules: link.Rules{Links: slices.Clone(f.rules.Links), Groups: f.rules.Groups}}
	for _, h := range f.holds {
		all.Holds = append(all.Holds, h.Hold)
	}
	return all
}

// enforce brings this process and all children to what is in force now. A child that
// does not answer is named in the error, and told again until it does.
func (f *Faults) enforce() error {
	now := f.inForce()
	if err := f.here.apply(f.link, now); err != nil {
		return err
	}
	return f.nodes.children(func(m *member, c *child) error {
		_, err := c.do(context.Background(), command{InForce: &now})
		if err != nil {
			go f.owe(c)
		}
		return err
	})
}

// oweEvery is how often a child that did not hear what is in force is told again.
const oweEvery = time.Second

// owe tells a child what is in force until it has heard it, ends, or the network stops:
// one that stood still must not keep a cut that was healed meanwhile.
func (f *Faults) owe(c *child) {
	if !c.owed.CompareAndSwap(false, true) {
		return
	}
	defer c.owed.Store(false)
	for {
		select {
		case <-time.After(oweEvery):
		case <-c.exited:
			return
		case <-f.done:
			return
		}
		now := f.inForce()
		if _, err := c.do(context.Background(), command{InForce: &now}); err == nil && f.inForce().Version == now.Version {
			return
		}
	}
}

// catchUp tells a child of what has changed while it started.
func (f *Faults) catchUp(c *child) error {
	now := f.inForce()
	if now.Version == c.spec.InForce.Version {
		return nil
	}
	_, err := c.do(context.Background(), command{InForce: &now})
	return err
}

// SetLie makes a peer's endorsements wrong, or right again: it changes a written
// value before it signs.
func (f *Faults) SetLie(ctx context.Context, peerName string, on bool) error {
	_, err := f.nodes.ask(ctx, peerName, command{Lie: &lieCommand{On: on}})
	return err
}

// Pause stops the processes of a chaincode at one peer from running, or
// lets them go on. The package is named by its id or label.
func (f *Faults) Pause(ctx context.Context, peerName, pkg string, on bool) error {
	_, err := f.nodes.ask(ctx, peerName, command{Pause: &pauseCommand{Package: pkg, On: on}})
	return err
}

// SetLink shapes the connections between two ends: node names, short names,
// patterns with *, clients or organisations. It replaces what was said of these ends
// before.
func (f *Faults) SetLink(a, b string, s link.Shape) error {
	var rules []link.Rule
	for _, from := range f.topology.matching(a) {
		for _, to := range f.topology.matching(b) {
			r := link.Rule{From: from, To: to, Shape: s}
			if err := r.Check(); err != nil {
				return err
			}
			rules = append(rules, r)
		}
	}
	if len(rules) == 0 {
		return fmt.Errorf("no connection between %q and %q: one of them names no node, client or organisation", a, b)
	}
	f.mu.Lock()
	old := f.rules.Links
	for _, r := range rules {
		f.rules.Put(r)
	}
	f.version++
	f.record(old, f.rules.Links)
	f.mu.Unlock()
	return f.enforce()
}

// record says what became of the rules for links: each change once. Caller holds mu.
func (f *Faults) record(old, now []link.Rule) {
	for _, r := range now {
		if !slices.Contains(old, r) {
			f.trace.Record(r.Event())
		}
	}
	for _, r := range old {
		same := func(other link.Rule) bool { return other.From == r.From && other.To == r.To }
		if !slices.ContainsFunc(now, same) {
			f.trace.Record(link.Rule{From: r.From, To: r.To}.Event())
		}
	}
}

// Partition divides the nodes into groups that cannot reach each other, instead of an
// earlier partition. Clients and nodes in no group are not cut off.
func (f *Faults) Partition(groups ...[]string) error {
	var sides [][]string
	for _, g := range groups {
		var side []string
		for _, name := range g {
			for _, node := range f.topology.matching(name) {
				if slices.ContainsFunc(sides, func(other []string) bool { return slices.Contains(other, node) }) {
					return fmt.Errorf("%s stands in two groups; a node is on one side of a partition", node)
				}
				side = append(side, node)
			}
		}
		if len(side) > 0 {
			sides = append(sides, side)
		}
	}
	if len(sides) < 2 {
		return errors.New("a partition needs at least two groups of nodes that exist")
	}
	f.mu.Lock()
	f.unite()
	f.rules.Groups = sides
	f.parted++
	f.version++
	for _, e := range f.partitionEvents() {
		f.trace.Record(e)
	}
	f.mu.Unlock()
	return f.enforce()
}

// partitionEvents are one event for each node that has a side. Caller holds mu.
func (f *Faults) partitionEvents() []trace.Event {
	names := f.topology.NodeNames()
	for _, c := range f.topology.Clients {
		names = append(names, c.Name)
	}
	var events []trace.Event
	for _, name := range names {
		side := slices.IndexFunc(f.rules.Groups, func(side []string) bool {
			return slices.ContainsFunc(side, func(pattern string) bool { return matchName(pattern, name) })
		})
		if side >= 0 {
			events = append(events, trace.Event{Kind: trace.Partition, What: trace.Parted, Node: name,
				A: int64(side), B: int64(len(f.rules.Groups)), C: f.parted, Note: fmt.Sprintf("side %d of %d", side+1, len(f.rules.Groups))})
		}
	}
	return events
}

// unite ends a partition. Caller holds mu and enforces.
func (f *Faults) unite() {
	if f.rules.Groups != nil {
		f.rules.Groups = nil
		f.trace.Record(trace.Event{Kind: trace.Partition, What: trace.RuleHealed, C: f.parted, Note: "partition ended"})
	}
}

// Heal makes all links perfect again, those of the topology too, and ends a partition.
func (f *Faults) Heal() error {
	f.mu.Lock()
	f.record(f.rules.Links, nil)
	f.rules.Links = nil
	f.unite()
	f.version++
	f.mu.Unlock()
	return f.enforce()
}

func (f *Faults) applyTopologyLinks() error {
	for _, l := range f.topology.Links {
		s := link.Shape{Latency: time.Duration(l.Latency), Jitter: time.Duration(l.Jitter), Loss: float64(l.Loss), Cut: l.Cut}
		if err := f.SetLink(l.Between[0], l.Between[1], s); err != nil {
			return err
		}
	}
	return nil
}
