package gateway

import (
	"fmt"
	"slices"
	"testing"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/policy"
)

// MustSets gives the minimal sets of a policy in the policy language.
func MustSets(t testing.TB, text string) [][]policy.Principal {
	t.Helper()
	env, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.NewSignature(env)
	if err != nil {
		t.Fatal(err)
	}
	return policy.Layouts(p, 0)
}

// peersOf tells what the peers of the named organisations satisfy, peer by peer.
func peersOf(orgs ...string) func(int, *msppb.MSPPrincipal) bool {
	return func(i int, p *msppb.MSPPrincipal) bool {
		role := &msppb.MSPRole{}
		if p.GetPrincipalClassification() != msppb.MSPPrincipal_ROLE || proto.Unmarshal(p.GetPrincipal(), role) != nil {
			return false
		}
		kind := role.GetRole()
		return role.GetMspIdentifier() == orgs[i] && (kind == msppb.MSPRole_PEER || kind == msppb.MSPRole_MEMBER)
	}
}

func noShuffle(int, func(i, j int)) {}

func TestComputeLayouts(t *testing.T) {
	orgs := []string{"A", "A", "B", "C"}
	for _, test := range []struct {
		name     string
		policies []string
		want     string
	}{
		{"one of each", []string{"AND('A.peer','B.peer')"}, "[[0 1]:1 [2]:1]"},
		{"either", []string{"OR('A.peer','B.peer')"}, "[[0 1]:1] [[2]:1]"},
		{"two of three", []string{"OutOf(2,'A.peer','B.peer','C.peer')"}, "[[0 1]:1 [2]:1] [[0 1]:1 [3]:1] [[2]:1 [3]:1]"},
		{"two signers of one organisation", []string{"AND('A.peer','A.member')"}, "[[0 1]:2]"},
		{"more than there are", []string{"AND('B.peer','B.member')"}, ""},
		{"nobody there", []string{"AND('A.peer','D.peer')"}, ""},
		{"a role that no peer has", []string{"OR('A.admin','B.peer')"}, "[[2]:1]"},
		{"two policies share an endorser", []string{"OR('A.peer')", "AND('A.member','B.peer')"}, "[[0 1]:1 [2]:1]"},
		{"two policies that differ", []string{"OR('A.peer','B.peer')", "OR('B.peer','C.peer')"}, "[[0 1]:1 [3]:1] [[2]:1]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var policies [][][]policy.Principal
			for _, text := range test.policies {
				policies = append(policies, MustSets(t, text))
			}
			set := computeLayouts(policies, len(orgs), peersOf(orgs...))
			if got := describe(set); got != test.want {
				t.Errorf("layouts: %s, want %s", got, test.want)
			}
		})
	}
}

func describe(set *layoutSet) string {
	var out []string
	for _, l := range set.layouts {
		var slots []string
		for _, s := range l {
			slots = append(slots, fmt.Sprintf("%v:%d", set.groups[s.group], s.quantity))
		}
		slices.Sort(slots)
		out = append(out, fmt.Sprint(slots))
	}
	slices.Sort(out)
	var text string
	for i, s := range out {
		if i > 0 {
			text += " "
		}
		text += s
	}
	return text
}

func TestPlanMovesOnWhenPeersFail(t *testing.T) {
	orgs := []string{"A", "A", "B", "C"}
	set := computeLayouts([][][]policy.Principal{MustSets(t, "OutOf(2,'A.peer','B.peer','C.peer')")}, len(orgs), peersOf(orgs...))
	p := newPlan(set, []int{1, 0, 2, 3}, 1, noShuffle)

	ask, ok := p.next()
	if !ok || !slices.Equal(ask, []int{2}) && !slices.Equal(ask, []int{3}) {
		t.Fatalf("first question goes to %v, ok %t; want one peer of B or C", ask, ok)
	}
	first := ask[0]
	p.refuse(first)
	ask, ok = p.next()
	if !ok || len(ask) != 1 || ask[0] == first {
		t.Fatalf("after peer %d failed, %v is asked, ok %t; want the other organisation", first, ask, ok)
	}
	p.accept(ask[0])
	if more, ok := p.next(); len(more) != 0 || !ok {
		t.Fatalf("with two endorsements %v is asked, ok %t; want nobody", more, ok)
	}
	if got := p.endorsers(); len(got) != 2 || !slices.Contains(got, 1) || !slices.Contains(got, ask[0]) {
		t.Errorf("endorsers are %v, want 1 and %d", got, ask[0])
	}
}

func TestPlanGivesUpWhenAGroupIsExhausted(t *testing.T) {
	orgs := []string{"A", "A", "B"}
	set := computeLayouts([][][]policy.Principal{MustSets(t, "AND('A.peer','B.peer')")}, len(orgs), peersOf(orgs...))
	p := newPlan(set, []int{0, 1, 2}, -1, noShuffle)
	ask, ok := p.next()
	if !ok || !slices.Equal(ask, []int{0, 2}) && !slices.Equal(ask, []int{2, 0}) {
		t.Fatalf("asked %v, ok %t; want the best peer of each organisation", ask, ok)
	}
	p.refuse(0)
	p.accept(2)
	if ask, ok = p.next(); !ok || !slices.Equal(ask, []int{1}) {
		t.Fatalf("asked %v, ok %t; want the other peer of A", ask, ok)
	}
	p.refuse(1)
	if ask, ok = p.next(); ok || len(ask) != 0 {
		t.Fatalf("asked %v, ok %t; want nobody and the end", ask, ok)
	}
}

// Whatever fails, a plan ends; and it succeeds exactly if the peers that answer
// well satisfy one of the layouts.
func TestPlanProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"A", "B", "C"}
		orgs := rapid.SliceOfN(rapid.SampledFrom(names), 1, 7).Draw(t, "orgs")
		text := rapid.SampledFrom([]string{
			"OR('A.peer','B.peer')", "AND('A.peer','B.peer')", "OutOf(2,'A.peer','B.peer','C.peer')",
			"AND('A.peer','A.peer')", "OR(AND('A.peer','B.peer'),'C.peer')", "OutOf(3,'A.peer','A.member','B.peer','C.peer')",
		}).Draw(t, "policy")
		good := rapid.SliceOfN(rapid.Bool(), len(orgs), len(orgs)).Draw(t, "good")
		env, err := policy.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		rule, err := policy.NewSignature(env)
		if err != nil {
			t.Fatal(err)
		}
		set := computeLayouts([][][]policy.Principal{policy.Layouts(rule, 0)}, len(orgs), peersOf(orgs...))
		ranked := make([]int, len(orgs))
		for i := range ranked {
			ranked[i] = i
		}
		p := newPlan(set, ranked, -1, noShuffle)
		complete := false
		for questions := 0; ; questions++ {
			ask, ok := p.next()
			if !ok {
				break
			}
			if len(ask) == 0 {
				complete = true
				break
			}
			if questions > len(orgs)*(len(set.layouts)+1) {
				t.Fatalf("no end after %d questions", questions)
			}
			for _, i := range ask {
				if good[i] {
					p.accept(i)
				} else {
					p.refuse(i)
				}
			}
		}
		possible := slices.ContainsFunc(set.layouts, func(l layout) bool {
			_, ok := assign(l, set.groups, func(group []int) []int {
				return slices.DeleteFunc(slices.Clone(group), func(i int) bool { return !good[i] })
			})
			return ok
		})
		if complete != possible {
			t.Fatalf("complete %t, but possible %t", complete, possible)
		}
		for _, i := range p.endorsers() {
			if complete && !good[i] {
				t.Fatalf("peer %d endorses although it failed", i)
			}
		}
	})
}

func BenchmarkComputeLayouts(b *testing.B) {
	orgs := []string{"A", "B", "C", "D"}
	sets := [][][]policy.Principal{MustSets(b, "OutOf(3,'A.peer','B.peer','C.peer','D.peer')")}
	for b.Loop() {
		computeLayouts(sets, len(orgs), peersOf(orgs...))
	}
}
