package network_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// placements runs a test with all nodes in this process, and with each in its own.
func placements(t *testing.T, test func(t *testing.T, placement string)) {
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) { test(t, "placement: "+placement) })
	}
}

// tell counts the events of a kind by their case.
func (n *net) tell(kind trace.Kind) map[trace.What]int {
	counts := map[trace.What]int{}
	for _, e := range n.Events(network.EventFilter{Kind: string(kind)}) {
		counts[e.What]++
	}
	return counts
}

// However many processes there are, a fact is told once.
func TestFactsAreToldOnce(t *testing.T) {
	placements(t, func(t *testing.T, placement string) {
		n := mustStart(t, small+placement)
		for i := range 1000 {
			n.must(n.Faults.SetLink("peer0.org1", "peer0.org2", link.Shape{Latency: time.Duration(i+1) * time.Microsecond}))
		}
		n.must(n.Faults.SetLink("alice", "peer0.org2", link.Shape{Cut: true}))
		n.must(n.Faults.Partition([]string{"Org1"}, []string{"peer0.org2", "orderer"}))
		id := n.mustHold(link.Filter{Kind: trace.DeliverBlock, Count: 3})
		if holds := n.Faults.Holds(); len(holds) != 1 || holds[0].ID != id || holds[0].Filter.Count != 3 {
			t.Errorf("the holds are %+v", holds)
		}
		n.must(n.Faults.Unhold(id))
		n.must(n.Faults.Heal())
		n.must(n.Faults.Heal()) // nothing is left to say
		n.mustAgree()
		for _, want := range []struct {
			kind  trace.Kind
			what  trace.What
			count int
		}{
			{trace.LinkRule, trace.RuleShaped, 1000}, {trace.LinkRule, trace.RuleCut, 1}, {trace.LinkRule, trace.RuleHealed, 2},
			{trace.Partition, trace.Parted, 3}, {trace.Partition, trace.RuleHealed, 1},
			{trace.HoldSet, trace.Told, 1}, {trace.HoldGone, trace.HoldRemoved, 1}, {trace.HoldGone, trace.HoldSpent, 0},
		} {
			if got := n.tell(want.kind)[want.what]; got != want.count {
				t.Errorf("%s %s was told %d times, want %d", want.kind, want.what, got, want.count)
			}
		}
		sides := map[string]int64{}
		for _, e := range n.Events(network.EventFilter{Kind: string(trace.Partition)}) {
			if e.What == trace.Parted {
				sides[e.Node] = e.A
			}
		}
		if sides["peer0.org1.example.com"] != 0 || sides["peer0.org2.example.com"] != 1 || sides["orderer.example.com"] != 1 {
			t.Errorf("the sides of the partition are %v", sides)
		}
	})
}

// A count is one number in the whole network, also where two endorsers in two processes
// come to the same call at the same moment.
func TestCountedHoldStopsExactlyOne(t *testing.T) {
	placements(t, func(t *testing.T, placement string) {
		n := mustStart(t, small+placement)
		n.mustDeploySample("counter")
		const all = 4
		for range 3 {
			id := n.mustHold(link.Filter{Kind: trace.ChaincodeGetState, Count: 1})
			spent := n.tell(trace.HoldGone)[trace.HoldSpent]
			done := make(chan error, all)
			for i := range all {
				h, err := n.mustClient("alice").Begin(n.ctx(), call("counter", "Increment", fmt.Sprint(i)))
				n.must(err)
				go func() {
					_, err := h.Wait(n.ctx())
					done <- err
				}()
			}
			for range all - 1 {
				n.must(<-done)
			}
			held := n.mustSeeHeld(1)
			if len(held) != 1 || held[0].Hold != id {
				t.Errorf("held by a hold with count 1: %+v", held)
			}
			n.until("the hold is gone", func() (bool, error) { return len(n.Faults.Holds()) == 0, nil })
			if got := n.tell(trace.HoldGone)[trace.HoldSpent]; got != spent+1 {
				t.Errorf("it was told %d times that the count is used up", got-spent)
			}
			n.must(n.Faults.Unhold(id)) // it is gone; what it stopped goes on
			n.must(<-done)
			n.mustAgree()
		}
	})
}

// A process that stands still does not hang who commands it, and hears what it missed.
func TestHungNode(t *testing.T) {
	const hung = "peer0.org2.example.com"
	n := mustStart(t, small+"placement: process", network.Options{Answer: 500 * time.Millisecond})
	n.mustDeploySample("counter")
	pid := 0
	for _, s := range n.Nodes.Status(n.ctx()) {
		if s.Name == hung {
			pid = s.PID
		}
	}
	n.must(syscall.Kill(pid, syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	n.untilHung(hung)

	n.mustSayHung(n.Faults.SetLink("peer0.org2", "*", link.Shape{Cut: true}), hung)
	id, err := n.Faults.Hold(link.Filter{Kind: trace.Proposal, Node: "alice", Other: "peer0.org1.example.com"})
	n.mustSayHung(err, hung)
	ask := call("counter", "Get", "a")
	ask.Endorsers = []string{"peer0.org1"}
	asked := make(chan error, 1)
	go func() {
		_, err := n.mustClient("alice").Evaluate(n.ctx(), ask)
		asked <- err
	}()
	n.until("the others' part is done", func() (bool, error) {
		held, err := n.Faults.Held()
		if len(held) == 0 {
			return false, nil
		}
		n.mustSayHung(err, hung)
		return true, nil
	})
	n.mustSayHung(n.Faults.Unhold(id), hung)
	n.must(<-asked)
	n.mustSayHung(n.Faults.Heal(), hung)

	n.must(syscall.Kill(pid, syscall.SIGCONT))
	n.until("it has heard that the link is healed", func() (bool, error) {
		_, err := n.mustClient("bob").Submit(n.ctx(), call("counter", "Increment", "a"))
		return err == nil, nil
	})
	n.mustAgree()

	n.must(syscall.Kill(pid, syscall.SIGSTOP))
	n.untilHung(hung)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	n.mustSayHung(n.Stop(ctx), hung)
	stopped := 0
	for _, count := range n.tell(trace.NodeStop) {
		stopped += count
	}
	if stopped != 3 {
		t.Errorf("the end of %d nodes was told, want each of 3 once", stopped)
	}
}

// untilHung waits until a process that was told to stand still does.
func (n *net) untilHung(node string) {
	n.t.Helper()
	n.until(node+" stands still", func() (bool, error) {
		for _, s := range n.Nodes.Status(n.ctx()) {
			if s.Name == node {
				return !s.Running, nil
			}
		}
		return false, nil
	})
}

// mustSayHung wants an error that names the node that does not answer.
func (n *net) mustSayHung(err error, node string) {
	n.t.Helper()
	if err == nil || !strings.Contains(err.Error(), node) || !strings.Contains(err.Error(), "did not") {
		n.t.Errorf("got %v, want an error that names %s", err, node)
	}
}

// Who is told to do what its role cannot do says so.
func TestCommandForTheWrongRole(t *testing.T) {
	placements(t, func(t *testing.T, placement string) {
		n := mustStart(t, small+placement)
		_, read := n.Nodes.Ledger(n.ctx(), "orderer", network.LedgerQuery{})
		for what, err := range map[string]error{
			"lie":             n.Faults.SetLie(n.ctx(), "orderer", true),
			"pause":           n.Faults.Pause(n.ctx(), "orderer", "counter", true),
			"read its ledger": read,
		} {
			if err == nil {
				t.Errorf("an ordering node can %s", what)
				continue
			}
			mustContain(t, err.Error(), "orderer.example.com", "an ordering node", what, "name a peer")
		}
	})
}
