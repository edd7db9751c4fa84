package scenario

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/load"
)

// faultSteps are the functions that break something, one for each kind of fault.
func (r *run) faultSteps() [network.FaultCount]step {
	return [...]step{
		network.FaultStop: r.stop, network.FaultKill: r.kill, network.FaultLink: r.link, network.FaultPartition: r.partition,
		network.FaultHold: r.hold, network.FaultLie: r.lie, network.FaultPause: r.pause,
	}
}

// unpackFault reads the arguments of a fault's function, named as network lists them.
func unpackFault(kind network.FaultKind, args starlark.Tuple, kwargs []starlark.Tuple, into ...any) error {
	spec := kind.Spec()
	var pairs []any
	for i, name := range spec.Args {
		pairs = append(pairs, name, into[i])
	}
	return starlark.UnpackArgs(spec.Name, args, kwargs, pairs...)
}

// holdFilter checks a hold's words: a kind that exists, nodes that exist.
func holdFilter(n *network.Network, f link.Filter, kind string) (link.Filter, error) {
	if kind == "" {
		return f, errors.New("hold needs a kind of message, like \"chaincode.get_state\" or \"block\"")
	}
	f.Kind = trace.Kind(kind)
	for _, name := range []*string{&f.Node, &f.Other} {
		if *name == "" {
			continue
		}
		if full, err := n.Nodes.Name(*name); err == nil {
			*name = full
		}
	}
	return f, nil
}

// unhold is unhold(id): take a hold away; what it stopped goes on.
func (r *run) unhold(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var id int
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := starlark.UnpackArgs("unhold", args, kwargs, "hold", &id); err != nil {
		return nil, line{}, err
	}
	if err := n.Faults.Unhold(link.HoldID(id)); err != nil {
		return nil, line{}, &callError{err}
	}
	return starlark.None, line{what: fmt.Sprintf("hold %d", id)}, nil
}

// release is release(msg=0): let one held message go on, or all.
func (r *run) release(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var msg starlark.Int
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := starlark.UnpackArgs("release", args, kwargs, "msg?", &msg); err != nil {
		return nil, line{}, err
	}
	id, _ := msg.Uint64()
	count, err := n.Faults.Release(id)
	if err != nil {
		return nil, line{}, &callError{err}
	}
	return starlark.MakeInt(count), line{result: fmt.Sprintf("%d messages went on", count)}, nil
}

// waitHeld is wait_held(count=1, timeout="30s"): wait until so many messages are
// held; it gives them.
func (r *run) waitHeld(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	count := 1
	var timeout starlark.Value
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := starlark.UnpackArgs("wait_held", args, kwargs, "count?", &count, "timeout?", &timeout); err != nil {
		return nil, line{}, err
	}
	d, err := durationOf(timeout, "timeout", 30*time.Second)
	if err != nil {
		return nil, line{}, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, d)
	defer cancel()
	var held []link.HeldMessage
	err = network.Poll(ctx, func() (bool, error) {
		held, err = n.Faults.Held()
		return len(held) >= count, err
	})
	if err != nil {
		return nil, line{}, &callError{fmt.Errorf("only %d of %d messages are held after %s: %w", len(held), count, d, err)}
	}
	values := make([]starlark.Value, len(held))
	var words []string
	for i, h := range held {
		values[i] = record("held", starlark.StringDict{"msg": starlark.MakeUint64(h.ID), "kind": starlark.String(h.Event.Kind),
			"node": starlark.String(h.Event.Node), "other": starlark.String(h.Event.Other), "txid": starlark.String(h.Event.TxID), "key": starlark.String(h.Event.Key)})
		words = append(words, fmt.Sprintf("%s %s to %s", h.Event.Kind, h.Event.Node, h.Event.Other))
	}
	return starlark.NewList(values), line{what: fmt.Sprintf("%d messages", count), result: strings.Join(words, "; ")}, nil
}

// editState is edit_state(peer, chaincode, key, value): a value in the state database of a
// stopped peer changes behind its back.
func (r *run) editState(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var peer, chaincode, key, value string
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := starlark.UnpackArgs("edit_state", args, kwargs, "peer", &peer, "chaincode", &chaincode, "key", &key, "value", &value); err != nil {
		return nil, line{}, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, callTimeout)
	defer cancel()
	if err := n.Nodes.EditState(ctx, peer, chaincode, key, []byte(value)); err != nil {
		return nil, line{}, &callError{err}
	}
	return starlark.None, line{what: fmt.Sprintf("%s: %s of %s is now %s", peer, key, chaincode, value)}, nil
}

// onNode is a step with one argument, a node's name.
func (r *run) onNode(name string, args starlark.Tuple, kwargs []starlark.Tuple, do func(context.Context, *network.Network, string) error) (starlark.Value, line, error) {
	var node string
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := starlark.UnpackArgs(name, args, kwargs, "node", &node); err != nil {
		return nil, line{}, err
	}
	full, err := n.Nodes.Name(node)
	if err != nil {
		return nil, line{}, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, callTimeout)
	defer cancel()
	if err := do(ctx, n, full); err != nil {
		return nil, line{what: full}, &callError{err}
	}
	return starlark.None, line{what: full}, nil
}

func (r *run) stop(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	return r.onNode("stop", args, kwargs, func(ctx context.Context, n *network.Network, name string) error { return n.Nodes.Stop(ctx, name) })
}

func (r *run) kill(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	return r.onNode("kill", args, kwargs, func(_ context.Context, n *network.Network, name string) error { return n.Nodes.Kill(name) })
}

func (r *run) restart(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	return r.onNode("restart", args, kwargs, func(ctx context.Context, n *network.Network, name string) error { return n.Nodes.Restart(ctx, name) })
}

// addPeer is add_peer(organisation): it gives the new peer's name.
func (r *run) addPeer(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var org string
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := starlark.UnpackArgs("add_peer", args, kwargs, "organization", &org); err != nil {
		return nil, line{}, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, callTimeout)
	defer cancel()
	name, err := n.AddPeer(ctx, org)
	if err != nil {
		return nil, line{what: org}, &callError{err}
	}
	return starlark.String(name), line{what: org, result: name}, nil
}

// addOrderer is add_orderer(): it gives the new ordering node's name.
func (r *run) addOrderer(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := starlark.UnpackArgs("add_orderer", args, kwargs); err != nil {
		return nil, line{}, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, callTimeout)
	defer cancel()
	name, err := n.AddOrderer(ctx)
	if err != nil {
		return nil, line{}, &callError{err}
	}
	return starlark.String(name), line{result: name}, nil
}

// link is link(a, b, latency=, jitter=, loss=, cut=): shape a connection.
func (r *run) link(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var a, b string
	var latency, jitter starlark.Value
	var loss starlark.Float
	var s link.Shape
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := unpackFault(network.FaultLink, args, kwargs, &a, &b, &latency, &jitter, &loss, &s.Cut); err != nil {
		return nil, line{}, err
	}
	if s.Latency, err = durationOf(latency, "latency", 0); err != nil {
		return nil, line{}, err
	}
	if s.Jitter, err = durationOf(jitter, "jitter", 0); err != nil {
		return nil, line{}, err
	}
	if s.Loss = float64(loss); s.Loss < 0 || s.Loss > 1 {
		return nil, line{}, fmt.Errorf("loss %v is not a share from 0 to 1", s.Loss)
	}
	l := line{what: fmt.Sprintf("%s and %s", a, b), result: "shaped"}
	if s.Cut {
		l.result = "cut"
	}
	if err := n.Faults.SetLink(a, b, s); err != nil {
		return nil, l, err
	}
	return starlark.None, l, nil
}

// partition is partition([names], [names], ...): groups that cannot reach each
// other.
func (r *run) partition(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if len(kwargs) > 0 || len(args) < 2 {
		return nil, line{}, errors.New("partition needs two or more lists of names, like partition([\"Org1\"], [\"Org2\", \"Orderer\"])")
	}
	groups := make([][]string, len(args))
	words := make([]string, len(args))
	for i, a := range args {
		if groups[i], err = stringList(a, "a group of partition"); err != nil {
			return nil, line{}, err
		}
		words[i] = strings.Join(groups[i], ", ")
	}
	l := line{what: strings.Join(words, " | ")}
	if err := n.Faults.Partition(groups...); err != nil {
		return nil, l, err
	}
	return starlark.None, l, nil
}

// heal is heal(): all links are perfect again.
func (r *run) heal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := starlark.UnpackArgs("heal", args, kwargs); err != nil {
		return nil, line{}, err
	}
	if err := n.Faults.Heal(); err != nil {
		return nil, line{}, &callError{err}
	}
	return starlark.None, line{}, nil
}

// lie is lie(peer, on=True): the peer's endorsements are wrong from now on.
func (r *run) lie(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var peer string
	on := true
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := unpackFault(network.FaultLie, args, kwargs, &peer, &on); err != nil {
		return nil, line{}, err
	}
	l := line{what: peer, result: map[bool]string{true: "lies", false: "is honest"}[on]}
	if err := n.Faults.SetLie(r.ctx, peer, on); err != nil {
		return nil, l, &callError{err}
	}
	return starlark.None, l, nil
}

// pause is pause(peer, chaincode, on=True): the chaincode's process stands still.
func (r *run) pause(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var peer, chaincode string
	on := true
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := unpackFault(network.FaultPause, args, kwargs, &peer, &chaincode, &on); err != nil {
		return nil, line{}, err
	}
	l := line{what: chaincode + " at " + peer, result: map[bool]string{true: "paused", false: "goes on"}[on]}
	if err := n.Faults.Pause(r.ctx, peer, chaincode, on); err != nil {
		return nil, l, &callError{err}
	}
	return starlark.None, l, nil
}

// nodes is nodes(): how every peer and ordering node is.
func (r *run) nodes(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := starlark.UnpackArgs("nodes", args, kwargs); err != nil {
		return nil, line{}, err
	}
	all := n.Nodes.Status(r.ctx)
	values := make([]starlark.Value, len(all))
	running := 0
	for i, s := range all {
		values[i] = nodeValue(s)
		if s.Running {
			running++
		}
	}
	return starlark.NewList(values), line{result: fmt.Sprintf("%d of %d nodes run", running, len(all))}, nil
}

// leader is leader(timeout="30s"): the Raft leader's name, once there is one.
func (r *run) leader(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var timeout starlark.Value
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := starlark.UnpackArgs("leader", args, kwargs, "timeout?", &timeout); err != nil {
		return nil, line{}, err
	}
	d, err := durationOf(timeout, "timeout", 30*time.Second)
	if err != nil {
		return nil, line{}, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, d)
	defer cancel()
	name, err := n.Nodes.Leader(ctx)
	if err != nil {
		return nil, line{}, &callError{fmt.Errorf("no Raft leader: %w", err)}
	}
	return starlark.String(name), line{result: name}, nil
}

// settle is settle(timeout="30s"): wait until all running peers have committed the
// ordering service's last block; it gives whether their commit hashes are equal.
func (r *run) settle(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var timeout starlark.Value
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := starlark.UnpackArgs("settle", args, kwargs, "timeout?", &timeout); err != nil {
		return nil, line{}, err
	}
	d, err := durationOf(timeout, "timeout", 30*time.Second)
	if err != nil {
		return nil, line{}, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, d)
	defer cancel()
	height, equal, err := n.Nodes.Settle(ctx)
	if err != nil {
		return nil, line{}, &callError{err}
	}
	word := "equal"
	if !equal {
		word = "DIFFERENT"
	}
	return starlark.Bool(equal), line{result: fmt.Sprintf("height %d everywhere, commit hashes %s", height, word)}, nil
}

// events is events(kind=, node=, txid=, key=): what the trace holds.
func (r *run) events(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var f network.EventFilter
	var kind string
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := starlark.UnpackArgs("events", args, kwargs, "kind?", &kind, "node?", &f.Node, "txid?", &f.TxID, "key?", &f.Key); err != nil {
		return nil, line{}, err
	}
	f.Kind, f.Node = kind, fullName(n, f.Node)
	var values []starlark.Value
	for _, e := range n.Events(f) {
		values = append(values, eventValue(e))
	}
	return starlark.NewList(values), line{what: strings.TrimSpace(kind + " " + f.Node), result: fmt.Sprintf("%d events", len(values))}, nil
}

// load is run_load(workload="create", clients=8, duration="2s", count=0, chaincode=):
// many transactions; it gives throughput, latencies and codes.
func (r *run) load(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	o := load.Options{Workload: "create", Clients: 8, Seed: 1}
	var duration starlark.Value
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if err := starlark.UnpackArgs("run_load", args, kwargs, "workload?", &o.Workload, "clients?", &o.Clients, "duration?", &duration,
		"count?", &o.Count, "chaincode?", &o.Chaincode, "rate?", &o.Rate); err != nil {
		return nil, line{}, err
	}
	if o.Duration, err = durationOf(duration, "duration", 2*time.Second); err != nil {
		return nil, line{}, err
	}
	s, err := load.Run(r.ctx, n, o)
	if err != nil {
		return nil, line{what: o.Workload}, &callError{err}
	}
	codes := starlark.NewDict(len(s.Codes))
	for code, count := range s.Codes {
		if err := codes.SetKey(starlark.String(code), starlark.MakeInt(count)); err != nil {
			return nil, line{}, err
		}
	}
	l := line{what: fmt.Sprintf("%s, %d clients", o.Workload, o.Clients),
		result: fmt.Sprintf("%d transactions, %.0f a second, median %.1f ms; %s", s.Committed, s.ThroughputTxS, s.LatencyMS.P50, countsLine(s.Codes))}
	return record("run_load", starlark.StringDict{"committed": starlark.MakeInt(s.Committed), "throughput": starlark.Float(s.ThroughputTxS),
		"p50_ms": starlark.Float(s.LatencyMS.P50), "p99_ms": starlark.Float(s.LatencyMS.P99), "codes": codes,
		"errors": starlark.MakeInt(s.Errors)}), l, nil
}

// shortOutcome names what came of a transaction in a count.
func shortOutcome(r *network.Result, err error) string {
	var commit *network.CommitError
	switch {
	case err == nil, errors.As(err, &commit):
		return r.Code.String()
	default:
		return "failed before ordering or without a verdict"
	}
}

// countsLine lists counts, the largest first.
func countsLine(counts map[string]int) string {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		return counts[names[i]] > counts[names[j]] || counts[names[i]] == counts[names[j]] && names[i] < names[j]
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", counts[name], name)
	}
	return strings.Join(names, ", ")
}
