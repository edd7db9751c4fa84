package network_test

import (
	"syscall"
	"testing"

	"github.com/fabriscope/fabriscope/network"
)

// mustHang makes a node's process stand still until the test ends or goOn is called.
func (n *net) mustHang(node string) (goOn func()) {
	n.t.Helper()
	for _, s := range n.Nodes.Status(n.ctx()) {
		if s.Name == node {
			n.must(syscall.Kill(s.PID, syscall.SIGSTOP))
			n.t.Cleanup(func() { _ = syscall.Kill(s.PID, syscall.SIGCONT) })
			n.untilHung(node)
			return func() { n.must(syscall.Kill(s.PID, syscall.SIGCONT)) }
		}
	}
	n.t.Fatalf("there is no node %s", node)
	return nil
}

// A node that hangs is no reason for a client to hang, whatever the node does for it:
// the next one is asked, or another one leads.
func TestClientsGoOnWithoutANodeThatHangs(t *testing.T) {
	n := mustStart(t, `
organizations: [{name: Org1, peers: 2}, {name: Org2, peers: 2}]
orderers: {nodes: 3}
block: {cut: idle}
chaincodes: [{name: counter, sample: counter}]
runtime: process
placement: process
`)
	leader, err := n.Nodes.Leader(n.ctx())
	n.must(err)
	n.until("every peer can run the chaincode", func() (bool, error) {
		ready := 0
		for _, s := range n.Nodes.Status(n.ctx()) {
			for _, c := range s.Chaincodes {
				if c.Ready {
					ready++
				}
			}
		}
		return ready == 4, nil
	})
	ways := func(flow network.Flow, function string) network.Call {
		c := call("counter", function, "a")
		c.Flow = flow
		return c
	}
	for _, flow := range []network.Flow{network.FanOut, network.Gateway} {
		n.mustSubmit(ways(flow, "Increment")) // connections and streams are open
	}
	for name, hung := range map[string]string{
		"the leader":   leader,
		"the gateway":  "peer0.org1.example.com",
		"the endorser": "peer0.org2.example.com",
	} {
		t.Run(name, func(t *testing.T) {
			goOn := n.mustHang(hung)
			for _, flow := range []network.Flow{network.FanOut, network.Gateway} {
				n.mustSubmit(ways(flow, "Increment"))
				n.mustEvaluate(ways(flow, "Get"))
			}
			goOn()
			n.mustAgree()
		})
	}
}
