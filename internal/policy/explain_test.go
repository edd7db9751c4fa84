package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/internal/policy"
)

func TestExplainNamesWhoSatisfiedWhat(t *testing.T) {
	p := MustPeople(t)
	s := MustSignature(t, "AND('Org1MSP.peer', OR('Org2MSP.peer', 'Org3MSP.peer'), 'Org1MSP.member')")
	node := s.Explain(p.MustIdentities(t, "Org1MSP.peer1", "Org3MSP.peer0"))
	want := `✘ AND (2 of 3 needed)
├─ ✔ 'Org1MSP.peer' by peer1.org1.example.com (Org1MSP, peer)
├─ ✔ OR (1 of 1 needed)
│  ├─ ✘ 'Org2MSP.peer'
│  └─ ✔ 'Org3MSP.peer' by peer0.org3.example.com (Org3MSP, peer)
└─ ✘ 'Org1MSP.member' – peer1.org1.example.com (Org1MSP, peer) counts for another part already
signed by: peer1.org1.example.com (Org1MSP, peer), peer0.org3.example.com (Org3MSP, peer)
`
	if got := node.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := strings.Join(node.Missing(), " "); got != "'Org1MSP.member'" {
		t.Errorf("missing %s", got)
	}
}

func TestExplainOfMeta(t *testing.T) {
	p := MustPeople(t)
	m := policy.NewMeta(policy.Majority, "Endorsement", []policy.Policy{
		MustSignature(t, "OR('Org1MSP.peer')"), MustSignature(t, "OR('Org2MSP.peer')"), nil,
	}, "Org1MSP", "Org2MSP", "Org3MSP")
	node := m.Explain(p.MustIdentities(t, "Org1MSP.peer0"))
	want := `✘ MAJORITY Endorsement (1 of 2 needed)
├─ ✔ Org1MSP: OR (1 of 1 needed)
│  └─ ✔ 'Org1MSP.peer' by peer0.org1.example.com (Org1MSP, peer)
├─ ✘ Org2MSP: OR (0 of 1 needed)
│  └─ ✘ 'Org2MSP.peer'
└─ ✘ Org3MSP: Endorsement – this group has no such policy
signed by: peer0.org1.example.com (Org1MSP, peer)
`
	if got := node.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := node.Summary(), "MAJORITY Endorsement has 1 of 2 needed, nobody for 'Org2MSP.peer', Endorsement of Org3MSP; signed by peer0.org1.example.com (Org1MSP, peer)"; got != want {
		t.Errorf("summary\n got %s\nwant %s", got, want)
	}
	if got, want := m.Explain(nil).Summary(), "MAJORITY Endorsement has 0 of 2 needed, nobody for 'Org1MSP.peer', 'Org2MSP.peer', Endorsement of Org3MSP; no valid signature"; got != want {
		t.Errorf("summary\n got %s\nwant %s", got, want)
	}
}

func TestExplainOfNothing(t *testing.T) {
	var none *policy.Node
	if none.String() == "" || none.Summary() == "" || none.Missing() != nil {
		t.Error("a missing explanation cannot be shown")
	}
}

func ExampleSignature_Explain() {
	env, err := policy.Parse("OR('Org1MSP.peer', AND('Org2MSP.admin', 'Org3MSP.admin'))")
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := policy.NewSignature(env)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(s.Explain(nil))
	// Output:
	// ✘ OR (0 of 1 needed)
	// ├─ ✘ 'Org1MSP.peer'
	// └─ ✘ AND (0 of 2 needed)
	//    ├─ ✘ 'Org2MSP.admin'
	//    └─ ✘ 'Org3MSP.admin'
	// signed by: nobody whose signature is valid
}
