package network_test

import (
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/network"
)

// A policy that nobody can satisfy is legal, and said before anything is committed.
func TestDoubtfulPolicies(t *testing.T) {
	n := mustStart(t, small)
	doubts := func(policy, want string) {
		t.Helper()
		got := n.Chaincodes.Doubt(network.Chaincode{Name: "counter", Policy: policy})
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", policy, got, want)
		}
	}
	doubts("", "")
	doubts("/Channel/Application/Endorsement", "")
	doubts("OR('Org1MSP.peer', 'Org7MSP.peer')", "")
	doubts("OutOf(1, 'Org1MSP.member')", "")
	doubts("OR('Org1.peer')", `no organisation of the channel has the MSP id "Org1" (there are Org1MSP, Org2MSP)`)
	doubts("AND('Org1MSP.peer', 'Org7MSP.peer')", `"Org7MSP"`)
	doubts("AND('Org1MSP.peer', 'Org2MSP.admin')", "asks for the role admin")
	n.must(n.Nodes.Kill("peer0.org2"))
	doubts("AND('Org1MSP.peer', 'Org2MSP.peer')", "no peer of Org2MSP runs")
	doubts("OR('Org1MSP.peer', 'Org2MSP.peer')", "")
}
