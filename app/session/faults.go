package session

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/app/session/script"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// Faults is how a network is broken on purpose: nodes that end, links that are shaped,
// messages that are held, chaincodes that stand still, peers that lie; and what of that is
// in force.
type Faults struct {
	*core
	numbers map[link.HoldID]int // of holds that a person set, in the scenario that is noted
}

// StopNode stops a peer or ordering node in good order.
func (f *Faults) StopNode(node string, done func(error)) {
	f.runStep(script.Do("stop", node), done, func(ctx context.Context, n *network.Network) error { return n.Nodes.Stop(ctx, node) })
}

// Kill ends a node without warning.
func (f *Faults) Kill(node string, done func(error)) {
	f.runStep(script.Do("kill", node), done, func(_ context.Context, n *network.Network) error { return n.Nodes.Kill(node) })
}

// Restart starts a stopped or killed node again; a running one is stopped first.
func (f *Faults) Restart(node string, done func(error)) {
	f.runStep(script.Do("restart", node), done, func(ctx context.Context, n *network.Network) error { return n.Nodes.Restart(ctx, node) })
}

// SetLink shapes the connections between two ends: nodes, clients or organisations.
func (f *Faults) SetLink(a, b string, shape link.Shape, done func(error)) {
	f.runStep(script.Link(a, b, shape), done, func(_ context.Context, n *network.Network) error { return n.Faults.SetLink(a, b, shape) })
}

// Cut breaks the connections between two ends.
func (f *Faults) Cut(a, b string, done func(error)) { f.SetLink(a, b, link.Shape{Cut: true}, done) }

// Mend makes the connections between two ends perfect.
func (f *Faults) Mend(a, b string, done func(error)) { f.SetLink(a, b, link.Shape{}, done) }

// Partition divides nodes into groups that cannot reach each other.
func (f *Faults) Partition(groups [][]string, done func(error)) {
	f.runStep(script.Partition(groups), done, func(_ context.Context, n *network.Network) error { return n.Faults.Partition(groups...) })
}

// Heal makes all links perfect, those of the topology too.
func (f *Faults) Heal(done func(error)) {
	f.runStep(script.Do("heal"), done, func(_ context.Context, n *network.Network) error { return n.Faults.Heal() })
}

// Pause makes a chaincode's processes at a peer stand still, or go on. The package is
// named by its label or id.
func (f *Faults) Pause(peer, label string, on bool, done func(error)) {
	f.runStep(script.Switch("pause", on, peer, label), done, func(ctx context.Context, n *network.Network) error {
		return n.Faults.Pause(ctx, peer, label, on)
	})
}

// Lie makes a peer's endorsements wrong, or right again.
func (f *Faults) Lie(peer string, on bool, done func(error)) {
	f.runStep(script.Switch("lie", on, peer), done, func(ctx context.Context, n *network.Network) error { return n.Faults.SetLie(ctx, peer, on) })
}

// LinkRule is a link that is not perfect, or two sides of a partition.
type LinkRule struct {
	A, B   string     // nodes, clients or organisations
	Groups [][]string // of a partition; then A, B and Shape say nothing
	Shape  link.Shape
}

// Links lists the rules of links that are in force, newest last, and the partition.
func (f *Faults) Links() []LinkRule {
	now := f.now()
	var out []LinkRule
	for _, r := range now.Rules {
		l := LinkRule{A: f.endOf(r.From), B: f.endOf(r.To), Shape: link.Shape{Latency: r.Latency, Jitter: r.Jitter, Loss: r.Loss, Cut: r.Cut, OneWay: r.OneWay}}
		if !slices.ContainsFunc(out, func(o LinkRule) bool { return o.A == l.A && o.B == l.B && o.Shape == l.Shape }) {
			out = append(out, l)
		}
	}
	if len(now.Groups) > 0 {
		out = append(out, LinkRule{Groups: now.Groups})
	}
	return out
}

// endOf is what a person calls a link's end: the organisation whose nodes or users a
// pattern means, else its name.
func (f *Faults) endOf(pattern string) string {
	domain, ok := strings.CutPrefix(pattern, "*")
	if t := f.topology; ok && t != nil && domain != "" {
		for _, o := range t.Organizations {
			if o.Domain == domain[1:] {
				return o.Name
			}
		}
	}
	if t := f.topology; t != nil && pattern == "orderer*."+t.Orderers.Domain {
		return t.Orderers.Organization
	}
	return pattern
}

// Hold is a rule that stops messages.
type Hold struct {
	ID     link.HoldID
	Filter link.Filter
	number int // in the scenario that is noted
}

// Words is what the hold stops, to be said.
func (h Hold) Words(names view.Names) words.Hold {
	f := &h.Filter
	return words.Hold{Kind: string(f.Kind), From: names.Short(f.Node), To: names.Short(f.Other), Tx: f.TxID, Key: f.Key, Count: f.Count}
}

// HoldKinds lists the kinds of message that are worth holding.
func HoldKinds() []trace.Kind {
	return []trace.Kind{trace.Proposal, trace.ProposalResponse, trace.ChaincodeTransaction, trace.ChaincodeGetState, trace.ChaincodePutState,
		trace.ChaincodeResponse, trace.ChaincodeCompleted, trace.Broadcast, trace.Forward, trace.RaftAppend, trace.DeliverBlock, trace.PeerCall}
}

// Hold stops messages that fit the filter until they are released.
func (f *Faults) Hold(filter link.Filter, done func(Hold, error)) {
	if done == nil {
		done = func(Hold, error) {}
	}
	n, err := f.liveNetwork()
	if err == nil && filter.Kind == "" {
		err = words.NewFault("a hold needs a kind of message, like {{.Kind}}", "", trace.Broadcast)
	}
	if err != nil {
		done(Hold{}, err)
		return
	}
	for _, name := range []*string{&filter.Node, &filter.Other} {
		if full, err := n.Nodes.Name(*name); *name != "" && err == nil {
			*name = full
		}
	}
	h := Hold{Filter: filter}
	f.runNoted(func() *script.Entry {
		e := f.notes.Hold(filter)
		h.number = e.Hold
		return e
	}, func(err error) { done(h, err) }, func(_ context.Context, n *network.Network) (err error) {
		h.ID, err = n.Faults.Hold(filter)
		return err
	}, func() { f.numbers[h.ID] = h.number })
}

// Holds lists the holds that are active, oldest first: a person's and a script's.
func (f *Faults) Holds() []Hold {
	var out []Hold
	for _, h := range f.now().Holds {
		id := link.HoldID(h.ID)
		out = append(out, Hold{id, link.Filter{Kind: trace.Kind(h.Kind), Node: h.From, Other: h.To, Channel: h.Channel, TxID: h.Tx, Key: h.Key, Count: h.Count}, f.numbers[id]})
	}
	return out
}

// Unhold takes a hold away; messages that it stopped go on.
func (f *Faults) Unhold(id link.HoldID, done func(error)) {
	holds := f.Holds()
	i := slices.IndexFunc(holds, func(h Hold) bool { return h.ID == id })
	if i < 0 {
		if done != nil {
			done(words.NewFault("hold {{.ID}} is gone already", "", id))
		}
		return
	}
	f.runNoted(func() *script.Entry {
		return f.notes.Unhold(holds[i].number, words.English().Hold(holds[i].Words(view.Names{})))
	}, done,
		func(_ context.Context, n *network.Network) error { return n.Faults.Unhold(id) }, nil)
}

// Release lets one held message go on, by its id, or all of them with 0.
func (f *Faults) Release(msg uint64, done func(error)) {
	f.runNoted(func() *script.Entry { return f.notes.Release(msg) }, done, func(_ context.Context, n *network.Network) error {
		count, err := n.Faults.Release(msg)
		if err == nil && count == 0 {
			return words.NewFault("nothing was held any more", "")
		}
		return err
	}, nil)
}

// Held lists the messages that stand still, oldest first.
func (f *Faults) Held() []link.HeldMessage {
	now, w := f.now(), f.panels.World
	holds := f.Holds()
	var out []link.HeldMessage
	for _, h := range now.Held {
		from, to := w.Name(h.From), w.Name(h.To)
		m := link.HeldMessage{ID: h.Msg, Since: time.Unix(0, h.Since), Event: trace.Event{Seq: h.Seq, Time: h.Since, Kind: h.Info.Of, Dir: trace.Held, Msg: h.Msg,
			Node: w.Name(h.At), Other: from, TxID: h.Tx, Key: h.Key}}
		if h.At == h.From {
			m.Event.Other = to
		}
		if i := slices.IndexFunc(holds, func(o Hold) bool { return o.Filter.Fits(&m.Event, from, to) }); i >= 0 {
			m.Hold = holds[i].ID
		}
		out = append(out, m)
	}
	return out
}
