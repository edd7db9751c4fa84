package network_test

import (
	"fmt"
	"testing"

	"github.com/fabriscope/fabriscope/network"
)

func TestNeeded(t *testing.T) {
	for policy, want := range map[string]string{
		"":                                     "[[Org1 Org2] [Org2 Org3] [Org3 Org1]]",
		"OR('Org1MSP.peer', 'Org2MSP.member')": "[[Org1] [Org2]]",
		"AND('Org2MSP.peer', 'Org3MSP.peer')":  "[[Org2 Org3]]",
		"OR('Org3MSP.peer', AND('Org1MSP.peer', 'Org2MSP.peer'))": "[[Org3]]",
		"OutOf(2, 'Org1MSP.peer', 'Org1MSP.peer')":                "[]",
		"AND('Org1MSP.admin', 'Org2MSP.peer')":                    "[]",
		"/Channel/Application/Admins":                             "[]",
	} {
		text := fmt.Sprintf("organizations: [{name: Org1}, {name: Org2}, {name: Org3}]\nchaincodes: [{name: basic, sample: asset, policy: %q}]", policy)
		topology, err := network.ParseTopology("test.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(topology.Needed("basic")); got != want {
			t.Errorf("%s: %s, want %s", policy, got, want)
		}
	}
	if got := (&network.Topology{}).Needed("basic"); got != nil {
		t.Errorf("a chaincode that is not there: %v", got)
	}
}
