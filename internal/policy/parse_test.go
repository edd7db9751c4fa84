package policy_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/policy"
)

func MustParse(t testing.TB, text string) *commonpb.SignaturePolicyEnvelope {
	t.Helper()
	env, err := policy.Parse(text)
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	return env
}

func MustMarshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	encoded, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// The bytes of wire.md, Appendix 2.
func TestParseGivesFabricsBytes(t *testing.T) {
	env := MustParse(t, "AND('Org1MSP.peer','Org2MSP.peer')")
	const want = "120c120a080212020800120208011a0d120b0a074f7267314d535010031a0d120b0a074f7267324d53501003"
	if got := hex.EncodeToString(MustMarshal(t, env)); got != want {
		t.Errorf("policy bytes\n got %s\nwant %s", got, want)
	}
	wrapped := MustMarshal(t, &peerpb.ApplicationPolicy{Type: &peerpb.ApplicationPolicy_SignaturePolicy{SignaturePolicy: env}})
	if got := hex.EncodeToString(wrapped); got != "0a2c"+want {
		t.Errorf("application policy bytes\n got %s\nwant %s", got, "0a2c"+want)
	}
}

// One principal per mention; inner operators are numbered before the principals
// that stand beside them.
func TestParseNumbersPrincipals(t *testing.T) {
	for text, want := range map[string][]string{
		"OR('A.member','A.member')":                                      {"'A.member'", "'A.member'"},
		"OR('A.member', AND('B.member', 'C.member'))":                    {"'B.member'", "'C.member'", "'A.member'"},
		"AND(OR('A.peer','B.peer'),'X.admin',OutOf(1,'C.client'))":       {"'A.peer'", "'B.peer'", "'C.client'", "'X.admin'"},
		"OR(AND('A.member','B.member'),OR('C.admin','D.orderer'))":       {"'A.member'", "'B.member'", "'C.admin'", "'D.orderer'"},
		"OutOf(2,'A.peer',OR('B.peer',AND('C.peer','D.peer')),'E.peer')": {"'C.peer'", "'D.peer'", "'B.peer'", "'A.peer'", "'E.peer'"},
	} {
		env := MustParse(t, text)
		var got []string
		for i := range env.Identities {
			got = append(got, policy.Format(&commonpb.SignaturePolicyEnvelope{
				Rule:       &commonpb.SignaturePolicy{Type: &commonpb.SignaturePolicy_SignedBy{SignedBy: int32(i)}},
				Identities: env.Identities,
			}))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: principals %v, want %v", text, got, want)
		}
	}
}

func TestParseAcceptsWhatFabricAccepts(t *testing.T) {
	for text, want := range map[string]string{
		` and ( "Org1MSP.peer" , 'Org2MSP.peer' ) `:      "AND('Org1MSP.peer', 'Org2MSP.peer')",
		"Or('A.member','B.member')":                      "OR('A.member', 'B.member')",
		"outof(2,'A.member','B.member','C.member')":      "OutOf(2, 'A.member', 'B.member', 'C.member')",
		"OutOf('2','A.member','B.member','C.member')":    "OutOf(2, 'A.member', 'B.member', 'C.member')",
		"OutOf(0, 'A.member')":                           "OutOf(0, 'A.member')",
		"OutOf(3, 'A.member', 'B.member')":               "OutOf(3, 'A.member', 'B.member')",
		"OutOf(2, 'A.member', 'B.member')":               "AND('A.member', 'B.member')",
		"AND('org-1.example.com.admin')":                 "OR('org-1.example.com.admin')",
		"'Org1MSP.client'":                               "'Org1MSP.client'",
		"OR('A.member',\n\tAND('B.member','C.orderer'))": "OR('A.member', AND('B.member', 'C.orderer'))",
	} {
		if got := policy.Format(MustParse(t, text)); got != want {
			t.Errorf("Parse(%q) is %s, want %s", text, got, want)
		}
	}
}

func TestParseErrorsSayWhereAndWhatToDo(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "column 1: the policy ends where an expression should begin; write AND(",
		"AND('A.peer'":                       "column 13: the arguments of AND do not go on here; write a comma",
		"AND('A.peer',)":                     "column 14: an expression should begin here",
		"AND()":                              "column 5: an expression should begin here",
		"AND":                                "column 4: AND needs its arguments in brackets; write AND(...)",
		"NOT('A.peer')":                      "column 1: NOT is not an operator",
		"AND(Org1MSP.peer)":                  "column 5: Org1MSP.peer has no quotes; write 'Org1MSP.peer'",
		"AND('Org1MSP.peers')":               `column 14: "peers" is not a role; write 'MSP.role' with one of the roles`,
		"AND('Org1MSP')":                     `column 6: "Org1MSP" has no role`,
		"AND('.peer')":                       "column 6: the MSP id is empty",
		"AND('Örg.peer')":                    `column 6: an MSP id has letters, digits, dots and hyphens only, not "Ö"`,
		"AND('O_g.peer')":                    `column 7: an MSP id has letters, digits, dots and hyphens only, not "_"`,
		"AND('A.peer) ":                      "column 5: the quote is not closed",
		"OutOf('A.peer','B.peer')":           "column 7: OutOf needs a whole number first",
		"OutOf(-1,'A.peer')":                 "column 7: OutOf needs a whole number first",
		"OutOf(99999999999,'A.peer')":        "column 7: OutOf needs a whole number first",
		"OutOf(1)":                           "column 8: OutOf needs expressions after its number",
		"OutOf(4,'A.peer','B.peer')":         "column 1: 4 of 2 can never be satisfied; ask for at most 2",
		"OR('A.peer') OR('B.peer')":          "column 14: something follows the end",
		"OR('Ä', 'B.peer')":                  `column 5: "Ä" has no role`,
		strings.Repeat("AND(", 40) + "'A.b'": "column 129: operators are nested more than 32 deep; flatten",
		strings.Repeat(" ", 20_000):          "column 1: the text has 20000 bytes, more than 16384; write a shorter",
	} {
		_, err := policy.Parse(text)
		var syntax *policy.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("Parse(%.40q): error %v is no *SyntaxError", text, err)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.40q)\n says %v\n want %s", text, err, want)
		}
	}
}

func TestParseImplicitMeta(t *testing.T) {
	meta, err := policy.ParseImplicitMeta(" MAJORITY  Endorsement ")
	if err != nil || meta.GetRule() != commonpb.ImplicitMetaPolicy_MAJORITY || meta.GetSubPolicy() != "Endorsement" {
		t.Errorf("got %v, %v", meta, err)
	}
	for _, text := range []string{"", "ANY", "SOME Endorsement", "ANY Readers Writers", "any Readers"} {
		if _, err := policy.ParseImplicitMeta(text); err == nil {
			t.Errorf("ParseImplicitMeta(%q) has no error", text)
		}
	}
}

// What the language cannot say is written so that nobody takes it for policy text.
func TestFormatOfForeignPolicies(t *testing.T) {
	rule := MustParse(t, "OR('A.member')").GetRule()
	for want, env := range map[string]*commonpb.SignaturePolicyEnvelope{
		"<no rule>":            nil,
		"OR(<no principal 0>)": {Rule: rule},
		"OutOf(0)":             {Rule: &commonpb.SignaturePolicy{Type: &commonpb.SignaturePolicy_NOutOf_{NOutOf: &commonpb.SignaturePolicy_NOutOf{}}}},
	} {
		if got := policy.Format(env); got != want {
			t.Errorf("Format is %s, want %s", got, want)
		}
	}
}

// policyText draws the text of a valid policy.
func policyText(t *rapid.T, depth int) string {
	if depth == 0 || rapid.IntRange(0, 2).Draw(t, "leaf") == 0 {
		return principalText(t)
	}
	n := rapid.IntRange(1, 4).Draw(t, "arguments")
	args := make([]string, n)
	for i := range args {
		args[i] = policyText(t, depth-1)
	}
	switch rapid.IntRange(0, 2).Draw(t, "operator") {
	case 0:
		return "AND(" + strings.Join(args, ",") + ")"
	case 1:
		return "OR(" + strings.Join(args, ",") + ")"
	default:
		return fmt.Sprintf("OutOf(%d,%s)", rapid.IntRange(0, n+1).Draw(t, "k"), strings.Join(args, ","))
	}
}

func principalText(t *rapid.T) string {
	org := rapid.SampledFrom([]string{"Org1MSP", "Org2MSP", "Org3MSP"}).Draw(t, "org")
	role := rapid.SampledFrom([]string{"member", "admin", "client", "peer", "orderer"}).Draw(t, "role")
	return "'" + org + "." + role + "'"
}

func TestFormatAndParseAreInverse(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		env := MustParse(t, policyText(rt, 4))
		again := MustParse(t, policy.Format(env))
		if !proto.Equal(env, again) {
			rt.Fatalf("%s became %s", policy.Format(env), policy.Format(again))
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"AND('Org1MSP.peer','Org2MSP.peer')", "OutOf(2,'A.member',OR(\"B.admin\",'C.client'),'D.orderer')",
		"'A.peer'", "OR(", "OutOf(1,,)", "AND('A.peer' 'B.peer')", "\xff\xfe('", "OutOf('1','A.b.c.member')",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		env, err := policy.Parse(text)
		if err != nil {
			var syntax *policy.SyntaxError
			if !errors.As(err, &syntax) || syntax.Column < 1 || syntax.Column > len(text)+1 {
				t.Fatalf("error %v", err)
			}
			return
		}
		s, err := policy.NewSignature(env)
		if err != nil {
			t.Fatalf("parsed, but %v", err)
		}
		again, err := policy.Parse(policy.Format(env))
		if err != nil || !proto.Equal(env, again) {
			t.Fatalf("%q is written as %q, which reads differently: %v", text, policy.Format(env), err)
		}
		policy.Layouts(s, 8)
	})
}

func FuzzFromBytes(f *testing.F) {
	f.Add(MustMarshal(f, MustParse(f, "OutOf(2,'A.member','B.peer',AND('C.admin','D.client'))")))
	f.Add([]byte{0x12, 0x02, 0x08, 0x00})
	f.Add([]byte{0x12, 0x02, 0x12, 0x00})
	f.Fuzz(func(t *testing.T, encoded []byte) {
		s, err := policy.FromBytes(encoded)
		if err != nil {
			if !errors.Is(err, policy.ErrMalformed) && !errors.Is(err, policy.ErrTooLarge) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if s.Evaluate(nil) != s.Explain(nil).Satisfied {
			t.Fatalf("%s: Evaluate and Explain differ", s)
		}
		_ = s.Explain(nil).String()
		policy.Layouts(s, 8)
	})
}

func ExampleParse() {
	env, err := policy.Parse("OutOf(2, 'Org1MSP.peer', 'Org2MSP.peer', 'Org3MSP.peer')")
	fmt.Println(len(env.GetIdentities()), env.GetRule().GetNOutOf().GetN(), err)

	_, err = policy.Parse("AND('Org1MSP.peer', 'Org2MSP.pear')")
	fmt.Println(err)
	// Output:
	// 3 2 <nil>
	// policy, column 30: "pear" is not a role; write 'MSP.role' with one of the roles member, admin, client, peer, orderer
}
