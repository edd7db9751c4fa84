package network_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// patience bounds everything that a test waits for.
const patience = 60 * time.Second

// small is a network that is quick to start: two organisations with one peer each,
// one ordering node that cuts a block as soon as it has nothing else to do.
const small = `
organizations: [{name: Org1, peers: 1}, {name: Org2, peers: 1}]
orderers: {nodes: 1}
block: {cut: idle}
chaincodes: []
runtime: process
`

// net is a running network under test.
type net struct {
	*network.Network
	t testing.TB
}

func mustTopology(t testing.TB, yaml string) *network.Topology {
	t.Helper()
	topology, err := network.ParseTopology("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

// mustStart runs a topology until the end of the test. Then no handler may have
// panicked, and the network must stop in good order.
func mustStart(t testing.TB, yaml string, options ...network.Options) *net {
	t.Helper()
	var o network.Options
	if len(options) > 0 {
		o = options[0]
	}
	n, err := network.Start(within(t, patience), mustTopology(t, yaml), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustStop(t, n) })
	return &net{Network: n, t: t}
}

func mustStop(t testing.TB, n *network.Network) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, e := range n.Events(network.EventFilter{Kind: string(trace.ErrorEvent)}) {
		if strings.Contains(e.Note, "panic") {
			t.Errorf("%s panicked: %s", e.Node, e.Note)
		}
	}
	mustTellFacts(t, n)
	if err := n.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// mustTellFacts sees to it that every event carries what its kind promises: whoever
// draws or asserts reads that, and nobody reads sentences.
func mustTellFacts(t testing.TB, n *network.Network) {
	t.Helper()
	told := map[trace.Kind]bool{}
	for _, e := range n.Events(network.EventFilter{}) {
		switch {
		case told[e.Kind]:
		case !e.Fits():
			told[e.Kind] = true
			t.Errorf("%s %s says %q, which facts.go does not have: %+v", e.Kind, e.Dir, e.What, e)
		case e.Other == "outside":
			// What a stranger sends may be no message at all, and then has no facts.
		case e.What == trace.Untold && e.Dir != trace.Lost && len(trace.FactsOf(e.Kind).Whats) > 0:
			told[e.Kind] = true
			t.Errorf("%s %s tells no facts: %+v", e.Kind, e.Dir, e)
		}
	}
}

// within is a context that ends with the test or after d.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func (n *net) ctx() context.Context { return within(n.t, patience) }

func (n *net) mustClient(name string) *network.Client {
	n.t.Helper()
	c, err := n.Client(name)
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// mustDeploySample deploys a sample under its own name.
func (n *net) mustDeploySample(names ...string) {
	n.t.Helper()
	for _, name := range names {
		if _, err := n.Chaincodes.Deploy(n.ctx(), network.Chaincode{Name: name, Sample: name}); err != nil {
			n.t.Fatal(err)
		}
	}
}

// call makes a Call of a chaincode.
func call(chaincode, function string, args ...string) network.Call {
	return network.Call{Chaincode: chaincode, Function: function, Args: args}
}

// mustSubmit submits as User1 of Org1 and wants a valid transaction. As any client
// would, it tries again when the endorsers were at different heights.
func (n *net) mustSubmit(c network.Call) *network.Result {
	n.t.Helper()
	ctx := n.ctx()
	for {
		r, err := n.mustClient("User1@Org1").Submit(ctx, c)
		var refused *network.EndorseError
		if errors.As(err, &refused) && strings.Contains(refused.Differ, "another height") && ctx.Err() == nil {
			continue
		}
		if c.Flow == network.Gateway && status.Code(err) == codes.Aborted && ctx.Err() == nil {
			continue // what the gateway says of the same
		}
		if err != nil {
			n.t.Fatalf("%s %s%.100q: %v", c.Chaincode, c.Function, c.Args, err)
		}
		return r
	}
}

func (n *net) mustEvaluate(c network.Call) string {
	n.t.Helper()
	r, err := n.mustClient("User1@Org1").Evaluate(n.ctx(), c)
	if err != nil {
		n.t.Fatalf("%s %s%.100q: %v", c.Chaincode, c.Function, c.Args, err)
	}
	return string(r.Payload)
}

func (n *net) mustHold(f link.Filter) link.HoldID {
	n.t.Helper()
	id, err := n.Faults.Hold(f)
	if err != nil {
		n.t.Fatal(err)
	}
	return id
}

// mustSeeHeld waits until at least count messages are held.
func (n *net) mustSeeHeld(count int) []link.HeldMessage {
	n.t.Helper()
	var held []link.HeldMessage
	n.until("messages are held", func() (ok bool, err error) {
		held, err = n.Faults.Held()
		return len(held) >= count, err
	})
	return held
}

// mustAgree waits until all nodes have the same height; all peers must have the
// same commit hash and state then.
func (n *net) mustAgree() (height uint64) {
	n.t.Helper()
	height, equal, err := n.Nodes.Settle(n.ctx())
	if err != nil {
		n.t.Fatal(err)
	}
	if !equal {
		n.t.Errorf("the peers' commit hashes differ: %+v", n.Nodes.Status(n.ctx()))
	}
	byPeer, err := n.Nodes.StateSums(n.ctx())
	if err != nil {
		n.t.Fatal(err)
	}
	sums := map[string][]string{}
	for peer, sum := range byPeer {
		sums[sum] = append(sums[sum], peer)
	}
	if len(sums) != 1 {
		n.t.Errorf("the peers' states differ: %v", sums)
	}
	return height
}

// until waits for a condition.
func (n *net) until(what string, ask func() (bool, error)) {
	n.t.Helper()
	if err := network.Poll(n.ctx(), ask); err != nil {
		n.t.Fatalf("wait until %s: %v", what, err)
	}
}

func mustContain(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q does not say %q", text, p)
		}
	}
}
