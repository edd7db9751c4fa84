package policy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
)

// people is three organisations with an administrator, a client and two peers
// each, and an organisation with an ordering node. Keys are made once for all tests.
type people struct {
	set     *msp.Set
	signers map[string]*msp.Signer // "Org1MSP.peer0"
	names   []string               // sorted keys of signers
}

var makePeople = sync.OnceValues(func() (*people, error) {
	p := &people{signers: map[string]*msp.Signer{}}
	var msps []*msp.MSP
	for _, spec := range []msp.OrgSpec{
		{MSPID: "Org1MSP", Domain: "org1.example.com", Nodes: []msp.NodeSpec{{Name: "peer0"}, {Name: "peer1"}}},
		{MSPID: "Org2MSP", Domain: "org2.example.com", Nodes: []msp.NodeSpec{{Name: "peer0"}, {Name: "peer1"}}},
		{MSPID: "Org3MSP", Domain: "org3.example.com", Nodes: []msp.NodeSpec{{Name: "peer0"}, {Name: "peer1"}}},
		{MSPID: "OrdererMSP", Domain: "example.com", Orderer: true, Nodes: []msp.NodeSpec{{Name: "orderer0"}}},
	} {
		org, err := msp.Generate(spec)
		if err != nil {
			return nil, err
		}
		m, err := msp.New(org.MSPConfig())
		if err != nil {
			return nil, err
		}
		msps = append(msps, m)
		for _, members := range []map[string]*msp.Member{org.Nodes, org.Users} {
			for name, member := range members {
				short, _, _ := strings.Cut(strings.ReplaceAll(name, "@", "."), ".")
				p.signers[spec.MSPID+"."+short] = member.Signer
				p.names = append(p.names, spec.MSPID+"."+short)
			}
		}
	}
	slices.Sort(p.names)
	p.set = msp.NewSet(nil, msps...)
	return p, nil
})

func MustPeople(t testing.TB) *people {
	t.Helper()
	p, err := makePeople()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// MustIdentities looks people up by names such as "Org1MSP.peer0".
func (p *people) MustIdentities(t testing.TB, names ...string) []*msp.Identity {
	t.Helper()
	ids := make([]*msp.Identity, len(names))
	for i, name := range names {
		if p.signers[name] == nil {
			t.Fatalf("nobody is called %s; there are %v", name, p.names)
		}
		id, err := p.set.Identity(p.signers[name].Creator())
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = id
	}
	return ids
}

func MustSignature(t testing.TB, text string) *policy.Signature {
	t.Helper()
	s, err := policy.NewSignature(MustParse(t, text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func TestEvaluate(t *testing.T) {
	p := MustPeople(t)
	for _, c := range []struct {
		policy  string
		signers string
		want    bool
	}{
		{"AND('Org1MSP.peer','Org2MSP.peer')", "Org1MSP.peer0 Org2MSP.peer1", true},
		{"AND('Org1MSP.peer','Org2MSP.peer')", "Org2MSP.peer1 Org1MSP.peer0", true},
		{"AND('Org1MSP.peer','Org2MSP.peer')", "Org1MSP.peer0 Org1MSP.peer1", false},
		{"AND('Org1MSP.peer','Org2MSP.peer')", "", false},
		{"OR('Org1MSP.peer','Org2MSP.peer')", "Org2MSP.peer0", true},
		{"OR('Org1MSP.peer','Org2MSP.peer')", "Org2MSP.Admin", false},
		{"OutOf(2,'Org1MSP.peer','Org2MSP.peer','Org3MSP.peer')", "Org1MSP.peer0 Org3MSP.peer0", true},
		{"OutOf(0,'Org1MSP.peer')", "", true},
		{"OutOf(2,'Org1MSP.peer')", "Org1MSP.peer0 Org1MSP.peer1", false},
		{"'Org1MSP.member'", "Org1MSP.User1", true},
		{"'OrdererMSP.orderer'", "OrdererMSP.orderer0", true},
		// one signer counts once, two peers of one organisation count twice
		{"AND('Org1MSP.peer','Org1MSP.peer')", "Org1MSP.peer0", false},
		{"AND('Org1MSP.peer','Org1MSP.peer')", "Org1MSP.peer0 Org1MSP.peer1", true},
		// greedy: the member's leaf takes the administrator
		{"AND('Org1MSP.member','Org1MSP.admin')", "Org1MSP.Admin Org1MSP.User1", false},
		{"AND('Org1MSP.member','Org1MSP.admin')", "Org1MSP.User1 Org1MSP.Admin", true},
		{"AND('Org1MSP.admin','Org1MSP.member')", "Org1MSP.Admin Org1MSP.User1", true},
		// a failed branch gives back what its leaves took
		{"OR(AND('Org1MSP.peer','Org2MSP.peer'),'Org1MSP.peer')", "Org1MSP.peer0", true},
		// a satisfied branch keeps it, even if the outcome was decided before
		{"AND(OR('Org1MSP.peer','Org2MSP.peer'),'Org2MSP.peer')", "Org1MSP.peer0 Org2MSP.peer0", false},
		{"AND('Org2MSP.peer',OR('Org1MSP.peer','Org2MSP.peer'))", "Org1MSP.peer0 Org2MSP.peer0", true},
	} {
		s := MustSignature(t, c.policy)
		ids := p.MustIdentities(t, strings.Fields(c.signers)...)
		if got := s.Evaluate(ids); got != c.want {
			t.Errorf("%s signed by [%s]: %v, want %v\n%s", c.policy, c.signers, got, c.want, s.Explain(ids))
		}
	}
}

// obvious evaluates like Fabric with a fresh copy of the marks for every child.
func obvious(rule *commonpb.SignaturePolicy, principals []*msppb.MSPPrincipal, ids []*msp.Identity, used []bool) (bool, []bool) {
	switch kind := rule.GetType().(type) {
	case *commonpb.SignaturePolicy_SignedBy:
		for i, id := range ids {
			if !used[i] && id.Satisfies(principals[kind.SignedBy]) == nil {
				after := slices.Clone(used)
				after[i] = true
				return true, after
			}
		}
		return false, used
	case *commonpb.SignaturePolicy_NOutOf_:
		satisfied := int32(0)
		for _, sub := range kind.NOutOf.GetRules() {
			if ok, after := obvious(sub, principals, ids, slices.Clone(used)); ok {
				satisfied++
				used = after
			}
		}
		return satisfied >= kind.NOutOf.GetN(), used
	default:
		panic("no rule")
	}
}

// drawSigners picks up to twenty different people, so that both the small and the
// large case of the evaluation are met.
func drawSigners(t *rapid.T, p *people) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(p.names), 0, len(p.names), rapid.ID[string]).Draw(t, "signers")
}

func TestEvaluateEqualsTheObviousWay(t *testing.T) {
	p := MustPeople(t)
	rapid.Check(t, func(rt *rapid.T) {
		s := MustSignature(t, policyText(rt, 4))
		ids := p.MustIdentities(t, drawSigners(rt, p)...)
		want, _ := obvious(s.Envelope().GetRule(), s.Envelope().GetIdentities(), ids, make([]bool, len(ids)))
		if got := s.Evaluate(ids); got != want {
			rt.Fatalf("%s: %v, want %v\n%s", s, got, want, s.Explain(ids))
		}
		checkExplanation(rt, s, ids)
	})
}

// checkExplanation holds what every explanation must keep.
func checkExplanation(t rapid.TB, p policy.Policy, ids []*msp.Identity) {
	node := p.Explain(ids)
	if node.Satisfied != p.Evaluate(ids) {
		t.Fatalf("Evaluate says %v, Explain says\n%s", p.Evaluate(ids), node)
	}
	var check func(n *policy.Node)
	check = func(n *policy.Node) {
		have := 0
		for _, child := range n.Children {
			check(child)
			if child.Satisfied {
				have++
			}
		}
		if len(n.Children) > 0 && have != n.Have {
			t.Fatalf("%d children of %q are satisfied, the node says %d", have, n.Text, n.Have)
		}
		if n.Satisfied != (n.Have >= n.Need) {
			t.Fatalf("%q has %d of %d and says %v", n.Text, n.Have, n.Need, n.Satisfied)
		}
	}
	check(node)
	if len(node.Signers) != len(ids) {
		t.Fatalf("%d signers named, %d signed", len(node.Signers), len(ids))
	}
	if !node.Satisfied && node.String() == "" {
		t.Fatalf("no text for a refusal")
	}
}

func TestMetaCounts(t *testing.T) {
	p := MustPeople(t)
	sub := func(org string) policy.Policy { return MustSignature(t, "OR('"+org+".peer')") }
	three := []policy.Policy{sub("Org1MSP"), sub("Org2MSP"), sub("Org3MSP")}
	for _, c := range []struct {
		rule    string
		subs    []policy.Policy
		signers string
		want    bool
		need    int
	}{
		{policy.Any, three, "Org3MSP.peer0", true, 1},
		{policy.Any, three, "Org3MSP.Admin", false, 1},
		{policy.All, three, "Org1MSP.peer0 Org2MSP.peer0", false, 3},
		{policy.All, three, "Org1MSP.peer0 Org2MSP.peer0 Org3MSP.peer0", true, 3},
		{policy.Majority, three, "Org1MSP.peer0 Org1MSP.peer1", false, 2},
		{policy.Majority, three, "Org1MSP.peer0 Org3MSP.peer1", true, 2},
		{policy.Majority, three[:2], "Org1MSP.peer0", false, 2},
		{policy.Majority, three[:1], "Org1MSP.peer0", true, 1},
		// no sub-groups: nothing is needed
		{policy.Any, nil, "", true, 0},
		{policy.All, nil, "", true, 0},
		{policy.Majority, nil, "", true, 0},
		// a sub-group without the policy refuses
		{policy.All, []policy.Policy{three[0], nil}, "Org1MSP.peer0", false, 2},
		{policy.Any, []policy.Policy{nil, three[0]}, "Org1MSP.peer0", true, 1},
		{"MOST", three, "Org1MSP.peer0 Org2MSP.peer0 Org3MSP.peer0", false, 4},
	} {
		m := policy.NewMeta(c.rule, "Endorsement", c.subs)
		ids := p.MustIdentities(t, strings.Fields(c.signers)...)
		if got := m.Evaluate(ids); got != c.want || m.Need() != c.need {
			t.Errorf("%s of %d, signed by [%s]: %v (need %d), want %v (need %d)", m, len(c.subs), c.signers, got, m.Need(), c.want, c.need)
		}
		checkExplanation(t, m, ids)
	}
}

func TestMetaExplanationsAreConsistent(t *testing.T) {
	p := MustPeople(t)
	rapid.Check(t, func(rt *rapid.T) {
		var subs []policy.Policy
		for range rapid.IntRange(0, 4).Draw(rt, "sub-groups") {
			if rapid.Bool().Draw(rt, "absent") {
				subs = append(subs, nil)
				continue
			}
			subs = append(subs, MustSignature(t, policyText(rt, 2)))
		}
		rule := rapid.SampledFrom([]string{policy.Any, policy.All, policy.Majority}).Draw(rt, "rule")
		checkExplanation(rt, policy.NewMeta(rule, "Sub", subs), p.MustIdentities(t, drawSigners(rt, p)...))
	})
}

func TestNewSignatureRefuses(t *testing.T) {
	rule := MustParse(t, "OR('A.member')").GetRule()
	deep := rule
	for range 300 {
		deep = &commonpb.SignaturePolicy{Type: &commonpb.SignaturePolicy_NOutOf_{NOutOf: &commonpb.SignaturePolicy_NOutOf{N: 1, Rules: []*commonpb.SignaturePolicy{deep}}}}
	}
	for name, c := range map[string]struct {
		env  *commonpb.SignaturePolicyEnvelope
		want error
	}{
		"none":            {nil, policy.ErrMalformed},
		"no rule":         {&commonpb.SignaturePolicyEnvelope{}, policy.ErrMalformed},
		"version":         {&commonpb.SignaturePolicyEnvelope{Version: 1, Rule: rule}, policy.ErrMalformed},
		"index":           {&commonpb.SignaturePolicyEnvelope{Rule: rule}, policy.ErrMalformed},
		"negative index":  {&commonpb.SignaturePolicyEnvelope{Rule: &commonpb.SignaturePolicy{Type: &commonpb.SignaturePolicy_SignedBy{SignedBy: -1}}}, policy.ErrMalformed},
		"empty inner":     {&commonpb.SignaturePolicyEnvelope{Rule: &commonpb.SignaturePolicy{Type: &commonpb.SignaturePolicy_NOutOf_{NOutOf: &commonpb.SignaturePolicy_NOutOf{Rules: []*commonpb.SignaturePolicy{{}}}}}}, policy.ErrMalformed},
		"nested too deep": {&commonpb.SignaturePolicyEnvelope{Rule: deep, Identities: []*msppb.MSPPrincipal{{}}}, policy.ErrTooLarge},
	} {
		if _, err := policy.NewSignature(c.env); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := policy.FromBytes([]byte("nonsense")); !errors.Is(err, policy.ErrMalformed) {
		t.Errorf("garbage: %v", err)
	}
}

// A principal that cannot be read is satisfied by nobody; the rest still counts.
func TestUnreadablePrincipal(t *testing.T) {
	env := MustParse(t, "OR('Org1MSP.peer','Org2MSP.peer')")
	env.Identities[0] = &msppb.MSPPrincipal{PrincipalClassification: 99, Principal: []byte("?")}
	s, err := policy.NewSignature(env)
	if err != nil {
		t.Fatal(err)
	}
	p := MustPeople(t)
	if s.Evaluate(p.MustIdentities(t, "Org1MSP.peer0")) {
		t.Error("a peer satisfied an unreadable principal")
	}
	if !s.Evaluate(p.MustIdentities(t, "Org2MSP.peer0")) {
		t.Error("the readable principal does not count")
	}
}

func (p *people) MustSign(t testing.TB, name string, data []byte) policy.Signed {
	t.Helper()
	signature, err := p.signers[name].Sign(data)
	if err != nil {
		t.Fatal(err)
	}
	return policy.Signed{Data: data, Identity: p.signers[name].Creator(), Signature: signature}
}

func TestIdentitiesKeepsTheFirstValidOfEach(t *testing.T) {
	p := MustPeople(t)
	message := []byte("payload")
	good := p.MustSign(t, "Org1MSP.peer0", message)
	forged := good
	forged.Data = []byte("another payload")
	stranger := good
	stranger.Identity = []byte{0x0a, 0x05, 'M', 'a', 'r', 's', '!'}
	split := policy.Signed{Data: message[:3], More: message[3:], Identity: good.Identity, Signature: good.Signature}

	ids, rejected := policy.Identities(p.set, []policy.Signed{
		{}, stranger, forged, split, good, p.MustSign(t, "Org2MSP.peer0", message), p.MustSign(t, "Org1MSP.peer0", message),
	})
	if len(ids) != 2 || ids[0].MSPID() != "Org1MSP" || ids[1].MSPID() != "Org2MSP" {
		t.Errorf("identities %v", ids)
	}
	want := []struct {
		index int
		who   string
		why   error
	}{
		{0, "", msp.ErrUnknownMSP},
		{1, "Mars!", msp.ErrUnknownMSP},
		{2, "peer0.org1.example.com (Org1MSP, peer)", msp.ErrSignature},
		{4, "peer0.org1.example.com (Org1MSP, peer)", policy.ErrRepeated},
		{6, "peer0.org1.example.com (Org1MSP, peer)", policy.ErrRepeated},
	}
	if len(rejected) != len(want) {
		t.Fatalf("rejected %v", rejected)
	}
	for i, w := range want {
		if got := rejected[i]; got.Index != w.index || got.Who != w.who || !errors.Is(got.Why, w.why) {
			t.Errorf("rejection %d is %d, %q, %v; want %d, %q, %v", i, got.Index, got.Who, got.Why, w.index, w.who, w.why)
		}
	}
}

// Above the point where comparing changes from one by one to a map.
func TestIdentitiesOfManySigners(t *testing.T) {
	p := MustPeople(t)
	message := []byte("payload")
	var signed []policy.Signed
	more, err := msp.Generate(msp.OrgSpec{MSPID: "BigMSP", Domain: "big.example.com", Nodes: manyNodes(30)})
	if err != nil {
		t.Fatal(err)
	}
	m, err := msp.New(more.MSPConfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range more.Nodes {
		signature, err := member.Signer.Sign(message)
		if err != nil {
			t.Fatal(err)
		}
		claim := policy.Signed{Data: message, Identity: member.Signer.Creator(), Signature: signature}
		signed = append(signed, claim, claim)
	}
	ids, rejected := policy.Identities(msp.NewSet(nil, m), signed)
	if len(ids) != 30 || len(rejected) != 30 {
		t.Errorf("%d identities and %d rejections, want 30 and 30", len(ids), len(rejected))
	}
	s := MustSignature(t, "AND("+strings.Repeat("'BigMSP.peer',", 29)+"'BigMSP.peer')")
	if !s.Evaluate(ids) || s.Evaluate(ids[:29]) {
		t.Error("thirty of thirty are needed and there")
	}
	if _, rejected := policy.Identities(p.set, signed); len(rejected) != 60 {
		t.Errorf("%d of 60 strangers rejected", len(rejected))
	}
}

func manyNodes(n int) []msp.NodeSpec {
	nodes := make([]msp.NodeSpec, n)
	for i := range nodes {
		nodes[i].Name = fmt.Sprintf("peer%d", i)
	}
	return nodes
}
