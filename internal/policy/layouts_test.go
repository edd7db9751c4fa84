package policy_test

import (
	"fmt"
	"strings"
	"testing"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
)

func texts(sets [][]policy.Principal) string {
	var all []string
	for _, set := range sets {
		var one []string
		for _, p := range set {
			one = append(one, p.Text)
		}
		all = append(all, "{"+strings.Join(one, " ")+"}")
	}
	return strings.Join(all, " ")
}

func TestLayouts(t *testing.T) {
	for text, want := range map[string]string{
		"AND('A.peer','B.peer')":                         "{'A.peer' 'B.peer'}",
		"OR('A.peer','B.peer')":                          "{'A.peer'} {'B.peer'}",
		"OutOf(2,'A.peer','B.peer','C.peer')":            "{'A.peer' 'B.peer'} {'A.peer' 'C.peer'} {'B.peer' 'C.peer'}",
		"OR(AND('A.peer','B.peer'),'C.peer')":            "{'C.peer'} {'A.peer' 'B.peer'}",
		"OR('A.peer',AND('A.peer','B.peer'))":            "{'A.peer'}",
		"AND('A.peer','A.peer')":                         "{'A.peer' 'A.peer'}",
		"OR('A.peer','A.peer')":                          "{'A.peer'}",
		"OutOf(0,'A.peer')":                              "{}",
		"OutOf(3,'A.peer','B.peer')":                     "",
		"OR(OutOf(2,'A.peer'),'B.peer')":                 "{'B.peer'}",
		"AND('A.peer',OR('B.peer','C.peer'),'D.member')": "{'A.peer' 'B.peer' 'D.member'} {'A.peer' 'C.peer' 'D.member'}",
	} {
		if got := texts(policy.Layouts(MustSignature(t, text), 0)); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
	if sets := policy.Layouts(nil, 0); sets != nil {
		t.Errorf("no policy has sets %v", sets)
	}
}

func TestLayoutsOfMeta(t *testing.T) {
	sub := func(text string) policy.Policy { return MustSignature(t, text) }
	m := policy.NewMeta(policy.Majority, "Endorsement", []policy.Policy{sub("OR('A.peer')"), nil, sub("OR('B.peer','B.admin')")})
	if got, want := texts(policy.Layouts(m, 0)), "{'A.peer' 'B.peer'} {'A.peer' 'B.admin'}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// one signer may count in several sub-groups
	m = policy.NewMeta(policy.All, "Endorsement", []policy.Policy{sub("OR('A.peer')"), sub("AND('A.peer','A.peer')")})
	if got, want := texts(policy.Layouts(m, 0)), "{'A.peer' 'A.peer'}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A policy with a million sets is answered at once, with as many as were asked for.
func TestLayoutsAreBounded(t *testing.T) {
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprintf("'Org%dMSP.peer'", i))
	}
	sets := policy.Layouts(MustSignature(t, "OutOf(20,"+strings.Join(names, ",")+")"), 10)
	if len(sets) != 10 || len(sets[0]) != 20 {
		t.Errorf("%d sets", len(sets))
	}
	same := policy.Layouts(MustSignature(t, "OutOf(20,"+strings.Repeat("'A.peer',", 39)+"'A.peer')"), 10)
	if len(same) != 1 {
		t.Errorf("%d sets of one principal", len(same))
	}
}

// Every set satisfies the policy when different peers sign for it, as long as no
// leaf can take a signature that was meant for another one.
func TestLayoutsSatisfyThePolicy(t *testing.T) {
	p := MustPeople(t)
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.NewReplacer("member", "peer", "admin", "peer", "client", "peer", "orderer", "peer").Replace(policyText(rt, 3))
		s := MustSignature(t, text)
		for _, set := range policy.Layouts(s, 20) {
			ids, enough := staff(t, p, set)
			if !enough {
				continue
			}
			if !s.Evaluate(ids) && !greedyMayFail(text) {
				rt.Fatalf("%s is not satisfied by its own set %v\n%s", text, set, s.Explain(ids))
			}
		}
	})
}

// greedyMayFail: with OutOf or OR inside another operator, a leaf that is not
// needed may take the signature that a later one needs. That is how Fabric
// evaluates; a gateway finds out by evaluating.
func greedyMayFail(text string) bool {
	return strings.Count(text, "OR(")+strings.Count(text, "OutOf(") > 0 && strings.Count(text, "(") > 1
}

// staff finds a different peer for each principal of a set; organisations have two.
func staff(t *testing.T, p *people, set []policy.Principal) ([]*msp.Identity, bool) {
	taken := map[string]int{}
	var names []string
	for _, principal := range set {
		if taken[principal.MSPID] == 2 {
			return nil, false
		}
		names = append(names, fmt.Sprintf("%s.peer%d", principal.MSPID, taken[principal.MSPID]))
		taken[principal.MSPID]++
	}
	return p.MustIdentities(t, names...), true
}

func TestOutOfAndAnyOf(t *testing.T) {
	p := MustPeople(t)
	env, err := policy.OutOf(2, msppb.MSPRole_MEMBER, "Org1MSP", "Org2MSP", "Org3MSP")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := policy.Format(env), "OutOf(2, 'Org1MSP.member', 'Org2MSP.member', 'Org3MSP.member')"; got != want {
		t.Errorf("OutOf is %s, want %s", got, want)
	}
	none, err := policy.AnyOf(msppb.MSPRole_PEER)
	if err != nil {
		t.Fatal(err)
	}
	s, err := policy.NewSignature(none)
	if err != nil {
		t.Fatal(err)
	}
	if s.Evaluate(p.MustIdentities(t, p.names...)) {
		t.Error("any of no organisation is satisfied")
	}
}
