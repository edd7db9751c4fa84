package network_test

import (
	"syscall"
	"testing"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// mustEndProcess kills a node's process behind the network's back.
func (n *net) mustEndProcess(node string) {
	n.t.Helper()
	for _, s := range n.Nodes.Status(n.ctx()) {
		if s.Name == node {
			n.must(syscall.Kill(s.PID, syscall.SIGKILL))
			return
		}
	}
	n.t.Fatalf("there is no node %s", node)
}

// A node process that dies by itself is noticed and told, and can be restarted;
// mustStop sees to it that the end of the network says nothing odd.
func TestProcessThatDies(t *testing.T) {
	n := mustStart(t, small+"placement: process")
	n.mustDeploySample("counter")
	for _, node := range []string{"peer0.org2.example.com", "orderer.example.com"} {
		n.mustEndProcess(node)
		n.until("the end is told", func() (bool, error) {
			return len(n.Events(network.EventFilter{Kind: string(trace.NodeKilled), Node: node})) == 1 &&
				len(n.Events(network.EventFilter{Kind: string(trace.ErrorEvent), Node: node})) > 0, nil
		})
		told := n.Events(network.EventFilter{Kind: string(trace.ErrorEvent), Node: node})
		mustContain(t, told[len(told)-1].Note, "ended by itself", "killed", "restart it")
		n.must(n.Nodes.Restart(n.ctx(), node))
		n.mustSubmit(call("counter", "Increment", "a"))
	}
	n.mustAgree()
	if got := n.mustEvaluate(call("counter", "Get", "a")); got != "2" {
		t.Errorf("the counter stands at %s", got)
	}
	n.mustEndProcess("peer0.org1.example.com") // and nobody has noticed when everything stops
}
