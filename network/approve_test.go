package network_test

import (
	"testing"

	"github.com/fabriscope/fabriscope/network"
)

// To approve again what is approved already changes nothing and is no error, before
// the definition is committed and after.
func TestApproveAgain(t *testing.T) {
	n := mustStart(t, small)
	c := network.Chaincode{Name: "counter", Sample: "counter", Version: "1.0"}
	raw, err := n.Chaincodes.Pack(n.ctx(), c)
	if err != nil {
		t.Fatal(err)
	}
	id, err := n.Chaincodes.Install(n.ctx(), raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	approve := func(org string) {
		t.Helper()
		if err := n.Chaincodes.Approve(n.ctx(), c, 1, id, org); err != nil {
			t.Error(err)
		}
	}
	approve("Org1")
	approve("Org1")
	approve("Org2")
	if err := n.Chaincodes.Commit(n.ctx(), c, 1); err != nil {
		t.Fatal(err)
	}
	approve("Org1")
	other := c
	other.Version = "2.0"
	if err := n.Chaincodes.Approve(n.ctx(), other, 1, id, "Org1"); err == nil {
		t.Error("another definition with the committed sequence was approved")
	}
}
