package inspect

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// randomPolicy writes a policy of up to three levels over three organisations.
func randomPolicy(rng *rand.Rand, depth int) string {
	if depth == 0 || rng.IntN(3) == 0 {
		return fmt.Sprintf("'Org%dMSP.%s'", 1+rng.IntN(3), []string{"peer", "member", "client", "admin"}[rng.IntN(4)])
	}
	n := 1 + rng.IntN(3)
	parts := make([]string, n)
	for i := range parts {
		parts[i] = randomPolicy(rng, depth-1)
	}
	switch rng.IntN(3) {
	case 0:
		return "AND(" + strings.Join(parts, ",") + ")"
	case 1:
		return "OR(" + strings.Join(parts, ",") + ")"
	}
	return fmt.Sprintf("OutOf(%d,%s)", rng.IntN(n+1), strings.Join(parts, ","))
}

// TestPolicyAsPeers: the tree that is shown is satisfied exactly if a peer says so.
func TestPolicyAsPeers(t *testing.T) {
	var msps []*msp.MSP
	var signers []*msp.Signer
	for i := range 3 {
		org, err := msp.Generate(msp.OrgSpec{MSPID: fmt.Sprintf("Org%dMSP", i+1), Domain: fmt.Sprintf("org%d.example.com", i+1), Nodes: []msp.NodeSpec{{Name: "peer0"}, {Name: "peer1"}}})
		if err != nil {
			t.Fatal(err)
		}
		m, err := msp.New(org.MSPConfig())
		if err != nil {
			t.Fatal(err)
		}
		msps = append(msps, m)
		for _, name := range []string{"peer0", "peer1"} {
			signers = append(signers, org.Node(name).Signer)
		}
		signers = append(signers, org.Admin().Signer, org.User("User1").Signer)
	}
	set := msp.NewSet(nil, msps...)
	rng := rand.New(rand.NewPCG(13, 14))
	payload := []byte("what the endorsers sign")
	satisfied, known := 0, newSigners()
	for range 400 {
		text := randomPolicy(rng, 3)
		rule := ruleOf(text)
		envelope, err := policy.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		reference, err := policy.NewSignature(envelope)
		if rule == nil || err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var endorsements []*peerpb.Endorsement
		var claims []policy.Signed
		for range rng.IntN(5) {
			s := signers[rng.IntN(len(signers))]
			signature, err := s.Sign(append(append([]byte(nil), payload...), s.Creator()...))
			if err != nil {
				t.Fatal(err)
			}
			if rng.IntN(6) == 0 {
				signature[len(signature)-1] ^= 1
			}
			endorsements = append(endorsements, &peerpb.Endorsement{Endorser: s.Creator(), Signature: signature})
			claims = append(claims, policy.Signed{Data: payload, More: s.Creator(), Identity: s.Creator(), Signature: signature})
		}
		ids, _ := policy.Identities(set, claims)
		want := reference.Evaluate(ids)
		root, got := rule.explain(&about{}, known.of(endorsements, payload))
		if got != want || (root.Mark == Done) != want {
			t.Fatalf("%s with %d signatures: the tree says %v, peers say %v\n%+v", text, len(claims), got, want, root)
		}
		if want {
			satisfied++
		}
	}
	if satisfied < 50 || satisfied > 350 {
		t.Errorf("%d of 400 cases were satisfied: that tests little", satisfied)
	}
}

func TestDiff(t *testing.T) {
	en := &about{}
	for _, c := range []struct {
		name, old, value string
		known, gone      bool
		want             string
	}{
		{"a field", `{"a":1,"b":2}`, `{"a":1,"b":3}`, true, false, `- "b": 2|+ "b": 3`},
		{"fields come and go", `{"a":1}`, `{"c":[1,2]}`, true, false, `- "a": 1|+ "c": [1,2]`},
		{"a new object", ``, `{"a":{"x":1}}`, false, false, `+ "a": {"x":1}`},
		{"text", `old`, `new`, true, false, `- old|+ new`},
		{"equal text", `same`, `same`, true, false, `  the same value again: same`},
		{"an equal object in another order", `{"a":1,"b":2}`, `{"b":2,"a":1}`, true, false, `  the same value again`},
		{"text becomes an object", `7`, `{"a":7}`, true, false, `- 7|+ {"a":7}`},
		{"deleted", `{"a":1}`, ``, true, true, `- "a": 1`},
		{"deleted, unknown before", ``, ``, false, true, `- deleted`},
		{"large numbers stay as they are", `{"n":12345678901234567890}`, `{"n":12345678901234567891}`, true, false, `- "n": 12345678901234567890|+ "n": 12345678901234567891`},
		{"not an object after all", `{"a":1} and more`, `{"a":1}`, true, false, `- {"a":1} and more|+ {"a":1}`},
		{"bytes", "\x00\x01", "\xff\xfe\xfd", true, false, `- (2 bytes)|+ (3 bytes)`},
	} {
		var old []byte
		if c.old != "" {
			old = []byte(c.old)
		}
		var got []string
		for _, l := range en.diff(old, c.known, []byte(c.value), c.gone) {
			got = append(got, l.Change.Sign()+l.Text)
		}
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%s: %s, want %s", c.name, s, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	en := &about{}
	for got, want := range map[string]string{
		en.keyText("\x00auction\x00lot1\x00"): "auction: [lot1]",
		en.keyText(""):                        `""`,
		en.keyText("asset1"):                  "asset1",
		offset(1_410_000, 1_000_000):          "+0.41 ms",
		offset(12_000_000_000, 0):             "+12.00 s",
		span(85_000):                          "85 us",
		span(3_100_000):                       "3.1 ms",
		span(1_020_000_000):                   "1.02 s",
		en.and([]string{"a", "b", "c"}):       "a, b and c",
		en.callOf([][]byte{[]byte("Put"), []byte("a\"b"), {0xff}}, 20): `Put("a"b", "(1 byte)")`,
		en.printable(strings.Repeat("é", 50), 10):                      strings.Repeat("é", 10) + "...",
		hashText(fmt.Sprintf("%x", wire.Hash(nil))):                    "e3b0c44298fc1c14",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
