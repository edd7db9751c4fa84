package network_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/network"
)

// Linearizability: clients increment and read a few counters while Raft leaders
// die and links are cut. Every read is a submitted transaction too (what Evaluate
// answers may be old, and nobody promised otherwise). The checker then looks for an
// order of all operations that explains every answer and fits their times.

const linearTopology = `
organizations: [{name: Org1, peers: 1}, {name: Org2, peers: 1}]
orderers: {nodes: 3}
block: {maxMessageCount: 5, batchTimeout: 30ms}
chaincodes: [{name: counter, sample: counter}]
runtime: process
`

// operation is what a client asked for.
type operation struct {
	key  string
	read bool
}

// outcome is what it was told. unknown: nothing; it may have happened or not.
type outcome struct {
	value   int64
	unknown bool
}

// counters is the model: one number for each key.
var counters = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			key := o.Input.(operation).key
			byKey[key] = append(byKey[key], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		now, asked, told := state.(int64), input.(operation), output.(outcome)
		if !asked.read {
			now++
		}
		return told.unknown || told.value == now, now
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// history collects the operations of all clients.
type history struct {
	mu         sync.Mutex
	start      time.Time
	operations []porcupine.Operation
	definite   map[string]int // valid operations by kind
	unknown    int
	failed     int
}

// run carries out one operation and writes down what became of it.
func (h *history) run(client int, c *network.Client, o operation) {
	function := "Increment"
	if o.read {
		function = "Get"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()
	called := time.Since(h.start)
	r, err := c.Submit(ctx, call("counter", function, o.key))
	returned := time.Since(h.start)
	op := porcupine.Operation{ClientId: client, Input: o, Call: called.Nanoseconds(), Return: returned.Nanoseconds()}
	var invalid *network.CommitError
	var refused *network.EndorseError
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		value, _ := strconv.ParseInt(string(r.Payload), 10, 64)
		op.Output = outcome{value: value}
		h.definite[function]++
	case errors.As(err, &invalid), errors.As(err, &refused), errors.Is(err, network.ErrNoEndorser):
		h.failed++ // it certainly had no effect
		return
	default:
		// It may take effect at any time from its call on, or never, which is the
		// same as after everything else.
		op.Output, op.Return = outcome{unknown: true}, math.MaxInt64
		h.unknown++
		if o.read {
			return
		}
	}
	h.operations = append(h.operations, op)
}

// The checker itself must find what is wrong, and let pass what is not.
func TestCheckerOfHistories(t *testing.T) {
	op := func(client int, call, back int64, read bool, value int64) porcupine.Operation {
		return porcupine.Operation{ClientId: client, Input: operation{key: "k", read: read}, Call: call, Return: back, Output: outcome{value: value}}
	}
	lost := op(2, 5, math.MaxInt64, false, 0)
	lost.Output = outcome{unknown: true}
	for _, c := range []struct {
		name string
		ops  []porcupine.Operation
		want bool
	}{
		{"one after the other", []porcupine.Operation{op(0, 0, 1, false, 1), op(0, 2, 3, false, 2), op(1, 4, 5, true, 2)}, true},
		{"at the same time", []porcupine.Operation{op(0, 0, 9, false, 2), op(1, 1, 8, false, 1), op(2, 2, 7, true, 0)}, true},
		{"an old value", []porcupine.Operation{op(0, 0, 1, false, 1), op(1, 2, 3, true, 0)}, false},
		{"a lost increment", []porcupine.Operation{op(0, 0, 1, false, 1), op(1, 2, 3, false, 1)}, false},
		{"unknown, it happened", []porcupine.Operation{op(0, 0, 1, false, 1), lost, op(1, 6, 7, true, 2)}, true},
		{"unknown, it did not happen", []porcupine.Operation{op(0, 0, 1, false, 1), lost, op(1, 6, 7, true, 1)}, true},
		{"unknown, it happened twice", []porcupine.Operation{op(0, 0, 1, false, 1), lost, op(1, 6, 7, true, 3)}, false},
		{"unknown, it happened and then did not", []porcupine.Operation{lost, op(1, 6, 7, true, 1), op(1, 8, 9, true, 0)}, false},
	} {
		if got := porcupine.CheckOperations(counters, c.ops); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestLinearizable(t *testing.T) {
	n := mustStart(t, linearTopology)
	faults := asMany(14, 8, 4)
	h := &history{start: time.Now(), definite: map[string]int{}}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i, name := range []string{"alice", "bob", "User1@Org1", "User1@Org2"} {
		c := n.mustClient(name)
		random := rand.New(rand.NewPCG(7, uint64(i)))
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					h.run(i, c, operation{key: fmt.Sprintf("k%d", random.IntN(4)), read: random.IntN(3) == 0})
				}
			}
		})
	}
	n.disturb(rand.New(rand.NewPCG(7, 99)), faults, h)
	close(stop)
	clients.Wait()
	n.mustAgree()
	t.Logf("%d operations: %v valid, %d without effect, %d unknown", len(h.operations), h.definite, h.failed, h.unknown)
	if h.definite["Increment"] < 5*faults {
		t.Errorf("only %d increments succeeded; the faults left nothing to check", h.definite["Increment"])
	}
	result, info := porcupine.CheckOperationsVerbose(counters, h.operations, 30*time.Second)
	if result == porcupine.Ok {
		return
	}
	file := filepath.Join(t.ArtifactDir(), "history.html")
	if err := porcupine.VisualizePath(counters, info, file); err != nil {
		t.Error(err)
	}
	t.Errorf("the history is not linearizable (%s); see %s", result, file)
}

// disturb breaks something, waits for a few successes, repairs it, and so on.
func (n *net) disturb(random *rand.Rand, faults int, h *history) {
	n.t.Helper()
	for i := range faults {
		leader, err := n.Nodes.Leader(n.ctx())
		if err != nil {
			n.t.Fatal(err)
		}
		var others []string
		for _, s := range n.Nodes.Status(n.ctx()) {
			if s.Role == "orderer" && s.Name != leader {
				others = append(others, s.Name)
			}
		}
		switch random.IntN(5) {
		case 0: // the leader dies
			n.must(n.Nodes.Kill(leader))
			n.successes(h)
			n.must(n.Nodes.Restart(n.ctx(), leader))
		case 1: // the leader is alone
			n.must(n.Faults.Partition([]string{leader}, others))
			n.successes(h)
			n.must(n.Faults.Heal())
		case 2: // one client sees only the leader, who is alone
			n.must(n.Faults.Partition([]string{leader, "alice"}, others))
			n.successes(h)
			n.must(n.Faults.Heal())
		case 3: // a follower is away
			n.must(n.Faults.Partition(others[:1], append([]string{leader}, others[1:]...)))
			n.successes(h)
			n.must(n.Faults.Heal())
		case 4: // a peer must get its blocks elsewhere
			n.must(n.Faults.SetLink("peer0.org1", leader, link.Shape{Cut: true}))
			n.must(n.Faults.SetLink("peer0.org1", others[0], link.Shape{Cut: true}))
			n.successes(h)
			n.must(n.Faults.Heal())
		}
		n.t.Logf("fault %d: leader was %s", i, leader)
		n.successes(h)
	}
}

// successes waits until some more operations have succeeded.
func (n *net) successes(h *history) {
	n.t.Helper()
	count := func() int {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.definite["Increment"] + h.definite["Get"]
	}
	before := count()
	n.until("operations succeed again", func() (bool, error) { return count() >= before+6, nil })
}

func (n *net) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}
