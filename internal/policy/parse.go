package policy

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"
)

// SyntaxError says where a policy's text is wrong and how to write it.
type SyntaxError struct {
	Column  int    // position of the offending character, the first one is 1
	Problem string // what is wrong there
	Remedy  string // what to write instead
}

// Error gives position, problem and remedy in one line.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("policy, column %d: %s; %s", e.Column, e.Problem, e.Remedy)
}

// Parse reads a policy such as AND('Org1MSP.peer', OR('Org2MSP.peer','Org3MSP.peer')).
//
// Operators are AND, OR and OutOf(k, ...), in capitals, lower case or mixed, and
// may be nested; principals are 'MSP.role' with the roles member, admin, client,
// peer and orderer. OutOf takes any k from 0 (always satisfied) to one more than
// its arguments (never satisfied), as Fabric does. A principal may stand alone.
//
// The bytes of the result equal those of Fabric's own parser, because
// organisations compare hashes of their definitions: one principal per mention,
// and the principals of inner operators are numbered before those that an outer
// operator names itself. Errors are *SyntaxError.
func Parse(text string) (*commonpb.SignaturePolicyEnvelope, error) {
	if len(text) > maxTextBytes {
		return nil, &SyntaxError{
			Column:  1,
			Problem: fmt.Sprintf("the text has %d bytes, more than %d", len(text), maxTextBytes),
			Remedy:  "write a shorter policy",
		}
	}
	p := &parser{text: text}
	root, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if p.skipSpace(); p.at < len(p.text) {
		return nil, p.failHere("something follows the end of the policy", "remove it, or join the parts with AND(...) or OR(...)")
	}
	env := &commonpb.SignaturePolicyEnvelope{}
	rule, err := root.number(env)
	if err != nil {
		return nil, err
	}
	env.Rule = rule
	return env, nil
}

// term is one expression of the text: a principal, or an operator over others.
type term struct {
	mspID string // of a principal; "" for an operator
	role  msppb.MSPRole_MSPRoleType
	need  int32 // of an operator
	args  []*term
}

// number gives every principal below t its index in env and returns t's rule.
// Inner operators come first: Fabric's parser evaluates arguments before it
// looks at the principals of the operator around them.
func (t *term) number(env *commonpb.SignaturePolicyEnvelope) (*commonpb.SignaturePolicy, error) {
	if t.mspID != "" {
		return t.leaf(env)
	}
	rules := make([]*commonpb.SignaturePolicy, len(t.args))
	for i, arg := range t.args {
		if arg.mspID != "" {
			continue
		}
		rule, err := arg.number(env)
		if err != nil {
			return nil, err
		}
		rules[i] = rule
	}
	for i, arg := range t.args {
		if arg.mspID == "" {
			continue
		}
		rule, err := arg.leaf(env)
		if err != nil {
			return nil, err
		}
		rules[i] = rule
	}
	return outOf(t.need, rules), nil
}

func (t *term) leaf(env *commonpb.SignaturePolicyEnvelope) (*commonpb.SignaturePolicy, error) {
	principal, err := rolePrincipal(t.mspID, t.role)
	if err != nil {
		return nil, err
	}
	env.Identities = append(env.Identities, principal)
	return signedBy(int32(len(env.Identities) - 1)), nil
}

func rolePrincipal(mspID string, role msppb.MSPRole_MSPRoleType) (*msppb.MSPPrincipal, error) {
	encoded, err := proto.Marshal(&msppb.MSPRole{MspIdentifier: mspID, Role: role})
	if err != nil {
		return nil, fmt.Errorf("policy principal %q: %w", mspID, err)
	}
	return &msppb.MSPPrincipal{PrincipalClassification: msppb.MSPPrincipal_ROLE, Principal: encoded}, nil
}

func signedBy(index int32) *commonpb.SignaturePolicy {
	return &commonpb.SignaturePolicy{Type: &commonpb.SignaturePolicy_SignedBy{SignedBy: index}}
}

func outOf(n int32, rules []*commonpb.SignaturePolicy) *commonpb.SignaturePolicy {
	return &commonpb.SignaturePolicy{Type: &commonpb.SignaturePolicy_NOutOf_{
		NOutOf: &commonpb.SignaturePolicy_NOutOf{N: n, Rules: rules},
	}}
}

// parser walks the text once; at is the byte offset of the next character.
type parser struct {
	text string
	at   int
}

const (
	howToStart = "write AND(...), OR(...), OutOf(k, ...) or a principal such as 'Org1MSP.peer'"
	howToName  = "write 'MSP.role' with one of the roles member, admin, client, peer, orderer"
)

// expression reads an operator with its arguments, or a principal.
func (p *parser) expression(depth int) (*term, error) {
	p.skipSpace()
	if p.at >= len(p.text) {
		return nil, p.failHere("the policy ends where an expression should begin", howToStart)
	}
	if c := p.text[p.at]; c == '\'' || c == '"' {
		return p.principal()
	}
	start := p.at
	word := p.word()
	switch {
	case strings.EqualFold(word, "AND"), strings.EqualFold(word, "OR"), strings.EqualFold(word, "OutOf"):
	case word == "":
		return nil, p.fail(start, "an expression should begin here", howToStart)
	case strings.Contains(word, "."):
		return nil, p.fail(start, fmt.Sprintf("%s has no quotes", word), fmt.Sprintf("write '%s'", word))
	default:
		return nil, p.fail(start, fmt.Sprintf("%s is not an operator", word), howToStart)
	}
	if depth >= maxTextDepth {
		return nil, p.fail(start, fmt.Sprintf("operators are nested more than %d deep", maxTextDepth), "flatten the policy")
	}
	if p.skipSpace(); !p.take('(') {
		return nil, p.failHere(word+" needs its arguments in brackets", "write "+word+"(...)")
	}
	return p.arguments(word, start, depth)
}

// arguments reads what stands in an operator's brackets, up to and with ')'.
func (p *parser) arguments(word string, start, depth int) (*term, error) {
	t := &term{}
	counted := strings.EqualFold(word, "OutOf")
	if counted {
		n, err := p.count()
		if err != nil {
			return nil, err
		}
		t.need = n
		if p.skipSpace(); !p.take(',') {
			return nil, p.failHere("OutOf needs expressions after its number", "write OutOf(1, 'Org1MSP.peer', 'Org2MSP.peer')")
		}
	}
	for {
		arg, err := p.expression(depth + 1)
		if err != nil {
			return nil, err
		}
		t.args = append(t.args, arg)
		p.skipSpace()
		if p.take(',') {
			continue
		}
		if p.take(')') {
			break
		}
		return nil, p.failHere("the arguments of "+word+" do not go on here", "write a comma before the next argument, or ) at the end")
	}
	switch {
	case counted && int(t.need) > len(t.args)+1:
		return nil, p.fail(start, fmt.Sprintf("%d of %d can never be satisfied", t.need, len(t.args)),
			fmt.Sprintf("ask for at most %d", len(t.args)))
	case counted:
	case strings.EqualFold(word, "AND"):
		t.need = int32(len(t.args))
	default:
		t.need = 1
	}
	return t, nil
}

// count reads OutOf's number. Fabric takes it in quotes too.
func (p *parser) count() (int32, error) {
	p.skipSpace()
	start := p.at
	quote := byte(0)
	if p.at < len(p.text) && (p.text[p.at] == '\'' || p.text[p.at] == '"') {
		quote = p.text[p.at]
		p.at++
	}
	first := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	n, err := strconv.ParseInt(p.text[first:p.at], 10, 32)
	if err != nil || (quote != 0 && !p.take(quote)) {
		return 0, p.fail(start, "OutOf needs a whole number first", "write OutOf(1, 'Org1MSP.peer', 'Org2MSP.peer')")
	}
	return int32(n), nil
}

// principal reads 'MSP.role'.
func (p *parser) principal() (*term, error) {
	start, quote := p.at, p.text[p.at]
	end := strings.IndexByte(p.text[p.at+1:], quote)
	if end < 0 {
		return nil, p.fail(start, "the quote is not closed", howToName)
	}
	name := p.text[p.at+1 : p.at+1+end]
	p.at += end + 2
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return nil, p.fail(start+1, fmt.Sprintf("%q has no role", name), howToName)
	}
	mspID, roleName := name[:dot], name[dot+1:]
	role, ok := roleByName(roleName)
	if !ok {
		return nil, p.fail(start+1+dot+1, fmt.Sprintf("%q is not a role", roleName), howToName)
	}
	if mspID == "" {
		return nil, p.fail(start+1, "the MSP id is empty", howToName)
	}
	for i := range len(mspID) {
		if !nameByte(mspID[i]) {
			return nil, p.fail(start+1+i, fmt.Sprintf("an MSP id has letters, digits, dots and hyphens only, not %q", firstRune(mspID[i:])), howToName)
		}
	}
	return &term{mspID: mspID, role: role}, nil
}

func (p *parser) word() string {
	start := p.at
	for p.at < len(p.text) && (nameByte(p.text[p.at]) || p.text[p.at] == '_') {
		p.at++
	}
	return p.text[start:p.at]
}

func (p *parser) skipSpace() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *parser) take(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) failHere(problem, remedy string) error { return p.fail(p.at, problem, remedy) }

func (p *parser) fail(offset int, problem, remedy string) error {
	return &SyntaxError{Column: utf8.RuneCountInString(p.text[:offset]) + 1, Problem: problem, Remedy: remedy}
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-'
}

func firstRune(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	return s[:size]
}

// roleByName knows the five roles of the policy language.
func roleByName(name string) (msppb.MSPRole_MSPRoleType, bool) {
	switch name {
	case "member":
		return msppb.MSPRole_MEMBER, true
	case "admin":
		return msppb.MSPRole_ADMIN, true
	case "client":
		return msppb.MSPRole_CLIENT, true
	case "peer":
		return msppb.MSPRole_PEER, true
	case "orderer":
		return msppb.MSPRole_ORDERER, true
	default:
		return 0, false
	}
}

// ParseImplicitMeta reads an implicit meta policy as configtx.yaml writes it:
// "ANY Readers", "ALL Writers" or "MAJORITY Endorsement".
func ParseImplicitMeta(text string) (*commonpb.ImplicitMetaPolicy, error) {
	words := strings.Fields(text)
	if len(words) != 2 {
		return nil, fmt.Errorf("implicit meta policy %q: write a rule and the name of the sub-policy, such as MAJORITY Endorsement", text)
	}
	rule, ok := commonpb.ImplicitMetaPolicy_Rule_value[words[0]]
	if !ok {
		return nil, fmt.Errorf("implicit meta policy %q: %s is not a rule; use ANY, ALL or MAJORITY", text, words[0])
	}
	return &commonpb.ImplicitMetaPolicy{SubPolicy: words[1], Rule: commonpb.ImplicitMetaPolicy_Rule(rule)}, nil
}
