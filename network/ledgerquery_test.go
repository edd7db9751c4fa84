package network_test

import (
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/network"
)

// A peer tells what it has committed, in this process or in one of its own.
func TestLedger(t *testing.T) {
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) {
			n := mustStart(t, small+"placement: "+placement+"\n")
			n.mustDeploySample("asset")
			n.mustSubmit(call("asset", "CreateAsset", "car1", "red", "1", "alice", "10"))
			n.mustSubmit(call("asset", "CreateAsset", "car2", "red", "1", "bob", "10"))
			n.mustSubmit(call("asset", "TransferAsset", "car1", "carol"))
			n.mustAgree()
			a, err := n.Nodes.Ledger(n.ctx(), "peer0.org1", network.LedgerQuery{Namespace: "asset", Prefix: "car", Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			if len(a.Entries) != 1 || a.Entries[0].Key != "car1" || !a.More || a.Entries[0].Block < 3 {
				t.Errorf("the state is %+v", a)
			}
			mustContain(t, string(a.Entries[0].Value), "carol")
			mustContain(t, strings.Join(a.Namespaces, " "), "asset", "_lifecycle")
			h, err := n.Nodes.Ledger(n.ctx(), "peer0.org2", network.LedgerQuery{Namespace: "asset", Key: "car1"})
			if err != nil {
				t.Fatal(err)
			}
			if len(h.History) != 2 || h.History[0].TxID == "" {
				t.Fatalf("the history is %+v", h.History)
			}
			mustContain(t, string(h.History[0].Value), "carol")
			mustContain(t, string(h.History[1].Value), "alice")
			sums, err := n.Nodes.StateSums(n.ctx())
			if err != nil || len(sums) != 2 {
				t.Fatalf("state sums %v, %v", sums, err)
			}
			if _, err := n.Nodes.Ledger(n.ctx(), "orderer", network.LedgerQuery{}); err == nil {
				t.Error("an ordering node has state")
			}
		})
	}
}
