package msp_test

import (
	"testing"

	"github.com/hyperledger/fabric-chaincode-go/v2/pkg/attrmgr"

	"github.com/fabriscope/fabriscope/internal/msp"
)

// What a topology says of a user is what a chaincode reads with Fabric's own library, also
// when the identity comes from its folder.
func TestAttributes(t *testing.T) {
	org, err := msp.Generate(msp.OrgSpec{MSPID: "Org1MSP", Domain: "org1.example.com",
		Users: []msp.UserSpec{{Name: "Admin"}, {Name: "creator1", Attributes: map[string]string{"abac.creator": "true"}}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := org.Write(dir); err != nil {
		t.Fatal(err)
	}
	set := msp.NewSet(nil, MustMSP(t, org.MSPConfig(), nil))
	for name, want := range map[string]map[string]string{
		"creator1@org1.example.com": {"abac.creator": "true", "hf.EnrollmentID": "creator1", "hf.Type": "client", "hf.Affiliation": ""},
		"Admin@org1.example.com":    {},
	} {
		signer, err := msp.LoadSigner("Org1MSP", dir+"/peerOrganizations/org1.example.com/users/"+name+"/msp")
		if err != nil {
			t.Fatal(err)
		}
		id := MustIdentity(t, set, signer.Creator())
		got, err := attrmgr.New().GetAttributesFromCert(id.Cert())
		if err != nil || len(got.Attrs) != len(want) {
			t.Errorf("%s has %v, %v", name, got, err)
		}
		for k, v := range want {
			if got.Attrs[k] != v {
				t.Errorf("%s: %s is %q, want %q", name, k, got.Attrs[k], v)
			}
		}
	}
}
