package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"go.starlark.net/starlark"

	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/network"
)

// builtins are the functions that a scenario can call.
func (r *run) builtins() starlark.StringDict {
	d := starlark.StringDict{}
	for name, do := range map[string]step{
		"network": r.start, "deploy": r.deploy, "install": r.install, "approve": r.approve, "commit": r.commit,
		"say": r.say, "expect": r.expect, "sleep": r.sleep, "random": r.randomInt,
		"submit": r.submit, "evaluate": r.evaluate, "begin": r.begin, "wait": r.wait, "run_load": r.load,
		"restart": r.restart, "add_peer": r.addPeer, "add_orderer": r.addOrderer,
		"heal": r.heal, "unhold": r.unhold, "release": r.release, "wait_held": r.waitHeld,
		"chapter": r.chapter, "ask": r.ask, "reveal": r.reveal, "go_on": r.goOn, "task": r.task,
		"highlight": r.highlight, "close_up": r.closeUp, "pace": r.pace, "look": r.look, "conceal": r.conceal,
		"wait_event": r.waitEvent, "listen": r.listen, "edit_state": r.editState, "content": r.content,
		"nodes": r.nodes, "leader": r.leader, "settle": r.settle, "events": r.events,
	} {
		d[name] = r.builtin(name, do)
	}
	for kind, do := range r.faultSteps() {
		name := network.FaultKind(kind).Spec().Name
		d[name] = r.builtin(name, do)
	}
	return d
}

// start is network(topology = None, **settings): topology names a sample, a file or
// is a dict; settings such as runtime, placement, cut replace the topology's.
func (r *run) start(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	if r.net != nil {
		return nil, line{}, errors.New("a network runs already: a scenario has one")
	}
	var source starlark.Value
	var runtime, placement, cut, state string
	var timeout starlark.Value
	var count int
	var faithful bool
	if err := starlark.UnpackArgs("network", args, kwargs, "topology?", &source, "runtime?", &runtime, "placement?", &placement,
		"cut?", &cut, "batch_timeout?", &timeout, "max_messages?", &count, "faithful?", &faithful, "state?", &state); err != nil {
		return nil, line{}, err
	}
	t, err := r.topology(source)
	if err != nil {
		return nil, line{}, err
	}
	batch, err := durationOf(timeout, "batch_timeout", time.Duration(t.Block.BatchTimeout))
	if err != nil {
		return nil, line{}, err
	}
	t.Block.BatchTimeout = network.Duration(batch)
	if count > 0 {
		t.Block.MaxMessageCount = count
	}
	t.Faithful = t.Faithful || faithful
	override(&t.Block.Cut, cut)
	override(&t.State, state)
	override(&t.Placement, placement, r.options.Placement)
	if chosen := first(r.options.Runtime, runtime); chosen != "" {
		t.SetRuntime(chosen)
	}
	if err := t.Check(); err != nil {
		return nil, line{}, err
	}
	n, err := network.Start(r.ctx, t, network.Options{Trace: r.options.Trace, Log: r.options.Log,
		Progress: func(s network.Step) {
			r.note("progress", fmt.Sprintf("%s: %s", s.Name, s.Took.Round(time.Millisecond)))
		}})
	if err != nil {
		return nil, line{what: t.Name}, &callError{err}
	}
	r.net = n
	if r.options.OnStart != nil {
		r.options.OnStart(n)
	}
	return starlark.None, line{what: t.Name, result: t.Summary()}, nil
}

func override(field *string, values ...string) {
	for _, v := range values {
		if v != "" {
			*field = v
		}
	}
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// topology finds what network() means.
func (r *run) topology(source starlark.Value) (*network.Topology, error) {
	if r.options.Topology != nil {
		return r.options.Topology, nil
	}
	switch v := source.(type) {
	case nil, starlark.NoneType:
		return network.ParseTopology("default.yaml", nil)
	case starlark.String:
		name := string(v)
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(r.dir, path)
		}
		if _, err := os.Stat(path); err == nil {
			return network.LoadTopology(path)
		}
		b, err := assets.Topology(name)
		if err != nil {
			return nil, fmt.Errorf("%q is neither a file beside the scenario nor a sample topology (%s)", name, strings.Join(assets.TopologyNames(), ", "))
		}
		t, err := network.ParseTopology(name+".yaml", b)
		if err == nil {
			t.Dir = r.dir
		}
		return t, err
	case *starlark.Dict:
		plain, err := plainValue(v, 0)
		if err != nil {
			return nil, err
		}
		b, err := yaml.Marshal(plain)
		if err != nil {
			return nil, err
		}
		t, err := network.ParseTopology("topology", b)
		if err == nil {
			t.Dir = r.dir
		}
		return t, err
	}
	return nil, fmt.Errorf("network: topology must be a name, a file or a dict, not a %s", source.Type())
}

// plainValue turns a Starlark value into Go's maps, slices and scalars.
func plainValue(v starlark.Value, depth int) (any, error) {
	if depth > 10 {
		return nil, errors.New("the dict is nested too deeply; a topology has three levels")
	}
	switch x := v.(type) {
	case starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		return bool(x), nil
	case starlark.String:
		return string(x), nil
	case starlark.Int:
		i, _ := x.Int64()
		return i, nil
	case starlark.Float:
		return float64(x), nil
	case *starlark.Dict:
		out := yaml.MapSlice{}
		for _, item := range x.Items() {
			key, ok := starlark.AsString(item[0])
			if !ok {
				return nil, fmt.Errorf("a key of the dict is a %s; keys are strings", item[0].Type())
			}
			value, err := plainValue(item[1], depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, yaml.MapItem{Key: key, Value: value})
		}
		return out, nil
	case starlark.Iterable:
		var out []any
		iter := x.Iterate()
		defer iter.Done()
		var e starlark.Value
		for iter.Next(&e) {
			value, err := plainValue(e, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, value)
		}
		return out, nil
	}
	return nil, fmt.Errorf("a %s cannot be part of a topology", v.Type())
}

// deploy is deploy(name, sample=, path=, package=, address=, version=, policy=,
// init_required=, runtime=): install, approve and commit.
func (r *run) deploy(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var c network.Chaincode
	if err := starlark.UnpackArgs("deploy", args, kwargs, "name", &c.Name, "sample?", &c.Sample, "path?", &c.Path, "package?", &c.Package,
		"address?", &c.Address, "version?", &c.Version, "policy?", &c.Policy, "init_required?", &c.InitRequired,
		"runtime?", &c.Runtime, "build?", &c.Build); err != nil {
		return nil, line{}, err
	}
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, 10*time.Minute)
	defer cancel()
	l := line{what: c.Name}
	d, err := n.Chaincodes.Deploy(ctx, c)
	if err != nil {
		return nil, l, &callError{err}
	}
	l.what = d.Name + " " + d.Version
	l.result = fmt.Sprintf("sequence %d, package %.20s", d.Sequence, d.PackageID)
	return record("deployment", starlark.StringDict{"name": starlark.String(d.Name), "version": starlark.String(d.Version),
		"sequence": starlark.MakeInt64(d.Sequence), "package": starlark.String(d.PackageID)}), l, nil
}

// say is say(text, **places): narration.
func (r *run) say(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	text, err := oneText("say", "text", args, kwargs)
	if err != nil {
		return nil, line{}, err
	}
	if r.teacher.Say != nil {
		r.teacher.Say(text)
	}
	return starlark.None, line{what: text.String(), text: text}, nil
}

// expect is expect(condition, message): the scenario fails if the condition is
// false. It goes on to the end of the call only: the first failure ends it.
func (r *run) expect(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var condition starlark.Value
	var message string
	if err := starlark.UnpackArgs("expect", args, kwargs, "condition", &condition, "message?", &message); err != nil {
		return nil, line{}, err
	}
	if message == "" {
		message = "the condition"
	}
	if condition.Truth() {
		return starlark.None, line{what: message, result: "holds"}, nil
	}
	r.failed = true
	return nil, line{what: message, result: "does not hold", failed: true}, &callError{fmt.Errorf("%w: %s", ErrFailed, message)}
}

// sleep is sleep("200ms"): for demonstrations; waiting for something real is wait,
// wait_held or settle.
func (r *run) sleep(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs("sleep", args, kwargs, "duration", &v); err != nil {
		return nil, line{}, err
	}
	d, err := durationOf(v, "sleep", 0)
	if err != nil {
		return nil, line{}, err
	}
	select {
	case <-time.After(d):
		return starlark.None, line{what: d.String()}, nil
	case <-r.ctx.Done():
		return nil, line{}, &callError{r.ctx.Err()}
	}
}

// randomInt is random(n): a number from 0 to n-1, the same in every run.
func (r *run) randomInt(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var n int
	if err := starlark.UnpackArgs("random", args, kwargs, "n", &n); err != nil {
		return nil, line{}, err
	}
	if n < 1 {
		return nil, line{}, fmt.Errorf("random(%d): n must be at least 1", n)
	}
	v := r.random.IntN(n)
	return starlark.MakeInt(v), line{what: fmt.Sprint(n), result: fmt.Sprint(v)}, nil
}

// call reads the arguments that submit, evaluate and begin share:
// (client, chaincode, function, *args, endorsers=, flow=, transient=, init=).
func (r *run) call(name string, args starlark.Tuple, kwargs []starlark.Tuple) (*network.Client, network.Call, line, error) {
	var call network.Call
	n, err := r.network()
	if err != nil {
		return nil, call, line{}, err
	}
	if len(args) < 3 {
		return nil, call, line{}, fmt.Errorf("%s needs a client, a chaincode and a function, like %s(\"alice\", \"basic\", \"ReadAsset\", \"asset1\")", name, name)
	}
	texts, err := stringList(args, "arguments of "+name)
	if err != nil {
		return nil, call, line{}, err
	}
	call.Chaincode, call.Function, call.Args = texts[1], texts[2], texts[3:]
	var endorsers starlark.Value
	var transient *starlark.Dict
	var flow string
	if err := starlark.UnpackArgs(name, nil, kwargs, "endorsers?", &endorsers, "flow?", &flow, "transient?", &transient, "init?", &call.Init); err != nil {
		return nil, call, line{}, err
	}
	if flow != "" && flow != string(network.FanOut) && flow != string(network.Gateway) {
		return nil, call, line{}, fmt.Errorf("flow %q is not known: write fan-out or gateway", flow)
	}
	call.Flow = network.Flow(flow)
	if call.Endorsers, err = stringList(endorsers, "endorsers"); err != nil {
		return nil, call, line{}, err
	}
	if transient != nil {
		call.Transient = map[string][]byte{}
		for _, item := range transient.Items() {
			k, ok1 := starlark.AsString(item[0])
			v, ok2 := starlark.AsString(item[1])
			if !ok1 || !ok2 {
				return nil, call, line{}, errors.New("transient must be a dict of strings")
			}
			call.Transient[k] = []byte(v)
		}
	}
	client, err := n.Client(texts[0])
	l := line{what: fmt.Sprintf("%s: %s.%s(%s)", texts[0], call.Chaincode, call.Function, strings.Join(call.Args, ", "))}
	return client, call, l, err
}

func (l line) withResult(r *network.Result, err error) line {
	l.result = resultLine(r, err)
	l.data = map[string]any{}
	if r != nil {
		l.data["txid"] = r.TxID
		if r.Block > 0 {
			l.data["code"], l.data["block"] = r.Code.String(), r.Block
		}
		if r.Reason != "" {
			l.data["reason"] = r.Reason
		}
	}
	if err != nil {
		l.data["error"] = err.Error()
	}
	return l
}

// submit is submit(client, chaincode, function, *args, ...): endorse, order, wait
// for the verdict. A transaction that is not valid is a result, not an error.
func (r *run) submit(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	client, call, l, err := r.call("submit", args, kwargs)
	if err != nil {
		return nil, l, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, callTimeout)
	defer cancel()
	result, err := client.Submit(ctx, call)
	return resultValue(result, err), l.withResult(result, err), nil
}

// evaluate is evaluate(client, chaincode, function, *args, ...): ask one peer.
func (r *run) evaluate(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	client, call, l, err := r.call("evaluate", args, kwargs)
	if err != nil {
		return nil, l, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, callTimeout)
	defer cancel()
	result, err := client.Evaluate(ctx, call)
	return resultValue(result, err), l.withResult(result, err), nil
}

// begin is begin(client, chaincode, function, *args, ...): start a transaction and
// go on at once; wait gives its result.
func (r *run) begin(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	client, call, l, err := r.call("begin", args, kwargs)
	if err != nil {
		return nil, l, err
	}
	if r.pending++; r.pending > maxPending {
		return nil, l, fmt.Errorf("more than %d transactions begun; wait for some", maxPending)
	}
	h, err := client.Begin(r.ctx, call)
	if err != nil {
		return nil, l, &callError{err}
	}
	l.result = fmt.Sprintf("transaction %.8s begun", h.TxID)
	return &handleValue{h}, l, nil
}

// wait is wait(transaction or list, timeout="1m"): one result or a list of them.
func (r *run) wait(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var what, timeout starlark.Value
	if err := starlark.UnpackArgs("wait", args, kwargs, "transactions", &what, "timeout?", &timeout); err != nil {
		return nil, line{}, err
	}
	d, err := durationOf(timeout, "timeout", callTimeout)
	if err != nil {
		return nil, line{}, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, d)
	defer cancel()
	if one, ok := what.(*handleValue); ok {
		result, err := one.h.Wait(ctx)
		l := line{what: fmt.Sprintf("transaction %.8s", one.h.TxID)}
		return resultValue(result, err), l.withResult(result, err), nil
	}
	list, ok := what.(starlark.Iterable)
	if !ok {
		return nil, line{}, fmt.Errorf("wait needs what begin gave, or a list of it, not a %s", what.Type())
	}
	var values []starlark.Value
	codes := map[string]int{}
	iter := list.Iterate()
	defer iter.Done()
	var v starlark.Value
	for iter.Next(&v) {
		h, ok := v.(*handleValue)
		if !ok {
			return nil, line{}, fmt.Errorf("wait needs what begin gave; the list holds a %s", v.Type())
		}
		result, err := h.h.Wait(ctx)
		codes[shortOutcome(result, err)]++
		values = append(values, resultValue(result, err))
	}
	return starlark.NewList(values), line{what: fmt.Sprintf("%d transactions", len(values)), result: countsLine(codes)}, nil
}

// hold is hold(kind, node=, other=, txid=, key=, count=): stop messages of a kind.
func (r *run) hold(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	var f link.Filter
	var kind string
	if err := unpackFault(network.FaultHold, args, kwargs, &kind, &f.Node, &f.Other, &f.TxID, &f.Key, &f.Count); err != nil {
		return nil, line{}, err
	}
	if f, err = holdFilter(n, f, kind); err != nil {
		return nil, line{}, err
	}
	id, err := n.Faults.Hold(f)
	if err != nil {
		return nil, line{}, &callError{err}
	}
	return starlark.MakeUint64(uint64(id)), line{what: kind, result: fmt.Sprintf("hold %d", id)}, nil
}
