package network_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

const three = `
organizations: [{name: Org1, peers: 2}, {name: Org2, peers: 1}]
orderers: {nodes: 3}
block: {maxMessageCount: 5, batchTimeout: 40ms}
chaincodes: [{name: counter, sample: counter}]
runtime: process
`

// Every kind of node is stopped and killed, comes back, and has what it missed.
func TestStopKillRestart(t *testing.T) {
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) {
			n := mustStart(t, three+"placement: "+placement)
			leader, err := n.Nodes.Leader(n.ctx())
			if err != nil {
				t.Fatal(err)
			}
			count := 0
			for _, name := range []string{"peer1.org1.example.com", "peer0.org1.example.com", leader, "peer0.org2.example.com", "orderer2.example.com"} {
				for _, end := range []string{"stop", "kill", "restart"} {
					switch end {
					case "stop":
						n.must(n.Nodes.Stop(n.ctx(), name))
					case "kill":
						n.must(n.Nodes.Kill(name))
					case "restart": // while it runs
						n.must(n.Nodes.Restart(n.ctx(), name))
					}
					if end != "restart" {
						if !strings.HasPrefix(name, "peer0.org2") { // without it nobody endorses for Org2
							count++
							n.mustSubmit(call("counter", "Increment", "a"))
						}
						if err := n.Nodes.Kill(name); err == nil {
							t.Errorf("%s was killed twice", name)
						}
						n.must(n.Nodes.Restart(n.ctx(), name))
					}
					n.mustAgree()
				}
			}
			if got := n.mustEvaluate(call("counter", "Get", "a")); got != fmt.Sprint(count) {
				t.Errorf("the counter stands at %s after %d increments", got, count)
			}
		})
	}
}

func TestWithoutPeerNoEndorsement(t *testing.T) {
	n := mustStart(t, small)
	n.mustDeploySample("counter")
	n.must(n.Nodes.Stop(n.ctx(), "peer0.org2"))
	alice := n.mustClient("alice")
	request := call("counter", "Increment", "a")
	request.Endorsers = []string{"Org1", "Org2"}
	if _, err := alice.Submit(n.ctx(), request); !errors.Is(err, network.ErrNoEndorser) {
		t.Errorf("got %v, want ErrNoEndorser", err)
	}
	// Asked for nothing in particular, one organisation endorses: too few.
	_, err := alice.Submit(n.ctx(), call("counter", "Increment", "a"))
	var refused *network.CommitError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want an invalid transaction", err)
	}
	mustContain(t, refused.Result.Reason, "Org2MSP")
	if _, err := n.Nodes.Ledger(n.ctx(), "peer0.org2", network.LedgerQuery{}); err == nil {
		t.Error("a stopped peer told its state")
	}
	if _, err := n.Nodes.Name("peer7"); err == nil {
		t.Error("there is a node peer7")
	}
	n.must(n.Nodes.Restart(n.ctx(), "peer0.org2"))
	n.mustSubmit(call("counter", "Increment", "a"))
}

func TestAddNodes(t *testing.T) {
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) {
			n := mustStart(t, three+"placement: "+placement)
			for i := range 12 {
				n.mustSubmit(call("counter", "Increment", fmt.Sprint(i)))
			}
			peer, err := n.AddPeer(n.ctx(), "Org2")
			n.must(err)
			if peer != "peer1.org2.example.com" {
				t.Errorf("the new peer is called %s", peer)
			}
			n.mustAgree()
			request := call("counter", "Increment", "0")
			request.Endorsers = []string{"peer0.org1", peer}
			if r := n.mustSubmit(request); string(r.Payload) != "2" {
				t.Errorf("the new peer's endorsement led to %s", r.Payload)
			}
			orderer, err := n.AddOrderer(n.ctx())
			n.must(err)
			if orderer != "orderer4.example.com" {
				t.Errorf("the new ordering node is called %s", orderer)
			}
			height := n.mustAgree()
			// Four nodes need three for a majority: the new one counts.
			leader, err := n.Nodes.Leader(n.ctx())
			n.must(err)
			n.must(n.Nodes.Kill(leader))
			n.mustSubmit(call("counter", "Increment", "1"))
			n.must(n.Nodes.Restart(n.ctx(), leader))
			n.mustAgree()
			first, second := n.mustBlocks("orderer.example.com", height), n.mustBlocks(orderer, height)
			for i := range first {
				if string(first[i].GetHeader().GetDataHash()) != string(second[i].GetHeader().GetDataHash()) {
					t.Fatalf("%s has another block %d", orderer, i)
				}
			}
			if _, err := n.AddPeer(n.ctx(), "Org9"); err == nil {
				t.Error("there is an Org9")
			}
		})
	}
}

func TestSlowAndCutLinks(t *testing.T) {
	placements(t, func(t *testing.T, placement string) {
		n := mustStart(t, small+placement)
		n.mustDeploySample("counter")
		n.mustEvaluate(call("counter", "Get", "a"))
		const latency = 500 * time.Millisecond // so long that it is asked whether the silent node runs
		n.must(n.Faults.SetLink("Org1", "peer0.org1", link.Shape{Latency: latency}))
		begin := time.Now()
		n.mustEvaluate(call("counter", "Get", "a"))
		if took := time.Since(begin); took < 2*latency {
			t.Errorf("an evaluation over a link of %s took %s", latency, took)
		}
		n.must(n.Faults.Heal())
		n.mustEvaluate(call("counter", "Get", "a"))
		n.must(n.Faults.SetLink("alice", "peer0.org2", link.Shape{Cut: true}))
		_, err := n.mustClient("alice").Submit(n.ctx(), call("counter", "Increment", "a"))
		if err == nil {
			t.Fatal("a proposal passed a link that is cut")
		}
		mustContain(t, err.Error(), "cut", "peer0.org2")
		n.mustSubmit(call("counter", "Increment", "a")) // by somebody else
		n.must(n.Faults.Heal())
		if _, err := n.mustClient("alice").Submit(n.ctx(), call("counter", "Increment", "a")); err != nil {
			t.Errorf("after healing: %v", err)
		}
		if err := n.Faults.SetLink("nobody", "peer0.org2", link.Shape{Cut: true}); err == nil {
			t.Error("a link of nobody was cut")
		}
		if err := n.Faults.Partition([]string{"peer0.org1"}); err == nil {
			t.Error("a partition with one group")
		}
	})
}

// Who asks a node that was just restarted, or over a link that was just healed, is
// not refused because of what was before.
func TestBackAtOnce(t *testing.T) {
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) {
			n := mustStart(t, small+"placement: "+placement)
			n.mustDeploySample("counter")
			alice := n.mustClient("alice")
			ask := call("counter", "Get", "a")
			ask.Endorsers = []string{"peer0.org2"}
			through := call("counter", "Increment", "a")
			through.Flow = network.Gateway // peer0.org1 asks peer0.org2
			for round := range 3 {
				n.must(n.Faults.SetLink("peer0.org2", "*", link.Shape{Cut: true}))
				n.must(n.Faults.SetLink("alice", "peer0.org2", link.Shape{Cut: true}))
				for range 3 { // each failure makes the pause before the next attempt longer
					if _, err := alice.Evaluate(n.ctx(), ask); err == nil {
						t.Fatal("a cut link answers")
					}
				}
				n.must(n.Faults.Heal())
				if _, err := alice.Evaluate(n.ctx(), ask); err != nil {
					t.Errorf("round %d, healed: %v", round, err)
				}
				n.must(n.Nodes.Kill("peer0.org2"))
				n.must(n.Nodes.Restart(n.ctx(), "peer0.org2"))
				if _, err := alice.Evaluate(n.ctx(), ask); err != nil {
					t.Errorf("round %d, restarted: %v", round, err)
				}
				n.mustAgree()
				if _, err := alice.Submit(n.ctx(), through); err != nil {
					t.Errorf("round %d, through the gateway: %v", round, err)
				}
			}
		})
	}
}

func TestMinorityLeader(t *testing.T) {
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) {
			n := mustStart(t, three+"placement: "+placement)
			old, err := n.Nodes.Leader(n.ctx())
			n.must(err)
			var others []string
			for _, name := range []string{"orderer.example.com", "orderer2.example.com", "orderer3.example.com"} {
				if name != old {
					others = append(others, name)
				}
			}
			n.must(n.Faults.Partition([]string{old}, others))
			n.until("the others have a leader", func() (bool, error) {
				for _, s := range n.Nodes.Status(n.ctx()) {
					if s.Raft == "leader" && s.Name != old {
						return true, nil
					}
				}
				return false, nil
			})
			before := n.mustSubmit(call("counter", "Increment", "a"))
			n.must(n.Faults.Heal())
			n.until("the old leader follows", func() (bool, error) {
				leader, err := n.Nodes.Leader(n.ctx())
				return leader != old, err
			})
			if height := n.mustAgree(); height <= before.Block {
				t.Errorf("the height is %d, block %d was committed by the majority", height, before.Block)
			}
			if got := n.mustEvaluate(call("counter", "Get", "a")); got != "1" {
				t.Errorf("the counter stands at %s", got)
			}
		})
	}
}

// A held message of one transaction stops that one only, and its clock.
func TestHeldTransaction(t *testing.T) {
	placements(t, func(t *testing.T, placement string) {
		n := mustStart(t, small+placement)
		n.mustDeploySample("counter")
		n.mustEvaluate(call("counter", "Get", "free"))
		id := n.mustHold(link.Filter{Kind: trace.ChaincodeGetState, Key: "stopped"})
		h, err := n.mustClient("alice").Begin(n.ctx(), call("counter", "Increment", "stopped"))
		n.must(err)
		held := n.mustSeeHeld(2) // at both endorsers
		for _, m := range held {
			if m.Event.TxID != h.TxID || m.Event.Key != "stopped" || m.Event.Dir != trace.Held {
				t.Errorf("held: %+v", m.Event)
			}
		}
		// The same chaincode, the same streams.
		for range 5 {
			n.mustSubmit(call("counter", "Increment", "free"))
		}
		released, err := n.Faults.Release(held[0].ID)
		if err != nil || released != 1 {
			t.Errorf("released %d, %v", released, err)
		}
		n.mustSubmit(call("counter", "Increment", "free"))
		select {
		case <-waited(h):
			t.Error("the transaction ended although one endorser is held")
		default:
		}
		n.must(n.Faults.Unhold(id))
		r, err := h.Wait(n.ctx())
		if err != nil || string(r.Payload) != "1" {
			t.Errorf("got %+v, %v", r, err)
		}
		if held, err := n.Faults.Held(); err != nil || len(held) != 0 {
			t.Errorf("still held: %+v, %v", held, err)
		}
	})
}

func waited(h *network.TxHandle) <-chan struct{} {
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.Wait(ctx); !errors.Is(err, context.Canceled) {
		close(done)
	}
	return done
}

// Envelopes and blocks on their way are held and go on, here and in other processes.
func TestHeldEnvelopeAndBlock(t *testing.T) {
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) {
			n := mustStart(t, small+"placement: "+placement)
			n.mustDeploySample("counter")
			id := n.mustHold(link.Filter{Kind: trace.Broadcast, Node: "alice"})
			h, err := n.mustClient("alice").Begin(n.ctx(), call("counter", "Increment", "a"))
			n.must(err)
			n.mustSeeHeld(1)
			first := n.mustSubmit(call("counter", "Increment", "b")) // another client passes
			n.must(n.Faults.Unhold(id))
			second, err := h.Wait(n.ctx())
			n.must(err)
			if second.Block <= first.Block {
				t.Errorf("the held transaction is in block %d, the other in %d", second.Block, first.Block)
			}
			n.mustAgree()

			id = n.mustHold(link.Filter{Kind: trace.DeliverBlock, Other: "peer0.org2.example.com"})
			held := n.mustSubmit(call("counter", "Increment", "c"))
			n.mustSeeHeld(1)
			n.mustSubmit(call("counter", "Increment", "d")) // the other keys do not depend on it
			heights := map[string]uint64{}
			for _, s := range n.Nodes.Status(n.ctx()) {
				heights[s.Name] = s.Height
			}
			if heights["peer0.org2.example.com"] > held.Block || heights["peer0.org1.example.com"] <= held.Block {
				t.Errorf("block %d is held on its way to peer0.org2; the heights are %v", held.Block, heights)
			}
			n.must(n.Faults.Unhold(id))
			n.mustAgree()
		})
	}
}

// A node that is restarted behind a cut link, or while messages are held, begins so.
func TestRestartUnderFaults(t *testing.T) {
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) {
			n := mustStart(t, three+"placement: "+placement)
			heights := func() map[string]uint64 {
				all := map[string]uint64{}
				for _, s := range n.Nodes.Status(n.ctx()) {
					all[s.Name] = s.Height
				}
				return all
			}
			const away, peer = "orderer2.example.com", "peer0.org2.example.com"
			n.must(n.Nodes.Kill(away))
			n.must(n.Faults.Partition([]string{away}, []string{"orderer.example.com", "orderer3.example.com"}))
			n.must(n.Nodes.Restart(n.ctx(), away))
			before := n.mustSubmit(call("counter", "Increment", "a"))
			if h := heights(); h[away] > before.Block {
				t.Errorf("%s got block %d over a link that is cut: %v", away, before.Block, h)
			}
			n.must(n.Faults.Heal())
			n.mustAgree()

			id := n.mustHold(link.Filter{Kind: trace.DeliverBlock, Other: peer})
			for _, name := range []string{"orderer.example.com", "orderer2.example.com", "orderer3.example.com"} {
				n.must(n.Nodes.Restart(n.ctx(), name))
			}
			held := n.mustSubmit(call("counter", "Increment", "b"))
			n.mustSeeHeld(1)
			if h := heights(); h[peer] > held.Block {
				t.Errorf("%s got block %d although it is held: %v", peer, held.Block, h)
			}
			n.must(n.Faults.Unhold(id))
			n.mustAgree()
		})
	}
}

func TestLyingPeer(t *testing.T) {
	placements(t, func(t *testing.T, placement string) {
		n := mustStart(t, small+placement)
		n.mustDeploySample("counter")
		n.must(n.Faults.SetLie(n.ctx(), "peer0.org2", true))
		_, err := n.mustClient("alice").Submit(n.ctx(), call("counter", "Increment", "a"))
		var refused *network.EndorseError
		if !errors.As(err, &refused) || refused.Differ == "" {
			t.Fatalf("got %v, want results that differ", err)
		}
		mustContain(t, err.Error(), "write of counter/a")
		through := call("counter", "Increment", "a")
		through.Flow = network.Gateway
		if _, err := n.mustClient("alice").Submit(n.ctx(), through); err == nil {
			t.Error("the gateway took two results that differ")
		} else {
			mustContain(t, err.Error(), "ProposalResponsePayloads do not match")
		}
		n.must(n.Faults.SetLie(n.ctx(), "peer0.org2", false))
		n.mustSubmit(call("counter", "Increment", "a"))
		if err := n.Faults.SetLie(n.ctx(), "orderer", true); err == nil {
			t.Error("an ordering node lies about endorsements")
		}
	})
}

// Block cutting as the configuration says: by count, by time, and when idle.
func TestBlockCutting(t *testing.T) {
	n := mustStart(t, `
organizations: [{name: Org1, peers: 1}]
orderers: {nodes: 1}
block: {maxMessageCount: 4, batchTimeout: 300ms}
chaincodes: [{name: counter, sample: counter}]
runtime: process
`)
	alice := n.mustClient("alice")
	var handles []*network.TxHandle
	for i := range 9 {
		h, err := alice.Begin(n.ctx(), call("counter", "Increment", fmt.Sprint(i)))
		n.must(err)
		handles = append(handles, h)
	}
	perBlock := map[uint64]int{}
	for _, h := range handles {
		r, err := h.Wait(n.ctx())
		n.must(err)
		perBlock[r.Block]++
	}
	full := 0
	for block, count := range perBlock {
		if count > 4 {
			t.Errorf("block %d holds %d transactions", block, count)
		}
		if count == 4 {
			full++
		}
	}
	if full < 2 {
		t.Errorf("nine transactions at once are in blocks of %v", perBlock)
	}
	why := map[string]int{}
	for _, e := range n.Events(network.EventFilter{Kind: string(trace.BlockCut)}) {
		word, _, _ := strings.Cut(e.Note, " ")
		why[strings.TrimRight(word, ":,")]++
	}
	if why["count"] < 2 || why["timeout"] == 0 {
		t.Errorf("the reasons for cutting were %v", why)
	}
}
