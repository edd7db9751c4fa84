package policy

import (
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
)

// Signature is a signature policy, checked once and ready to be evaluated any
// number of times, by any number of goroutines.
type Signature struct {
	env        *commonpb.SignaturePolicyEnvelope
	principals []*msp.Principal // nil where nobody could ever satisfy it
	root       rule
}

// rule is a node of the tree: a leaf that one principal must sign, or "need of
// these". Leaves have no children and index principals; others have principal -1.
type rule struct {
	principal int
	need      int
	children  []rule
}

// NewSignature checks a policy: version 0, indexes that exist, a rule at every
// node, a sensible size. Errors wrap ErrMalformed or ErrTooLarge. The envelope is
// kept and must not be changed afterwards.
func NewSignature(env *commonpb.SignaturePolicyEnvelope) (*Signature, error) {
	if env == nil {
		return nil, fmt.Errorf("%w: there is none", ErrMalformed)
	}
	if env.GetVersion() != 0 {
		return nil, fmt.Errorf("%w: version %d, only 0 is defined", ErrMalformed, env.GetVersion())
	}
	left := maxRules
	root, err := compile(env.GetRule(), len(env.GetIdentities()), 0, &left)
	if err != nil {
		return nil, err
	}
	s := &Signature{env: env, root: root, principals: make([]*msp.Principal, len(env.GetIdentities()))}
	for i, principal := range env.GetIdentities() {
		// A principal that cannot be read is no fault of the policy as a whole:
		// Fabric's peers go on and find that nobody satisfies it.
		if decoded, err := msp.ParsePrincipal(principal); err == nil {
			s.principals[i] = decoded
		}
	}
	return s, nil
}

// FromBytes decodes and checks a marshalled SignaturePolicyEnvelope, the form in
// which chaincode sets the policy of a key.
func FromBytes(encoded []byte) (*Signature, error) {
	env := &commonpb.SignaturePolicyEnvelope{}
	if err := proto.Unmarshal(encoded, env); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return NewSignature(env)
}

// AnyOf is the policy that one identity with the role, of any of the MSPs,
// satisfies. Without MSPs nothing does.
func AnyOf(role msppb.MSPRole_MSPRoleType, mspIDs ...string) (*commonpb.SignaturePolicyEnvelope, error) {
	return OutOf(1, role, mspIDs...)
}

// OutOf is the policy that identities with the role, of n different MSPs of those
// listed, satisfy.
func OutOf(n int, role msppb.MSPRole_MSPRoleType, mspIDs ...string) (*commonpb.SignaturePolicyEnvelope, error) {
	env := &commonpb.SignaturePolicyEnvelope{}
	var rules []*commonpb.SignaturePolicy
	for i, id := range mspIDs {
		principal, err := rolePrincipal(id, role)
		if err != nil {
			return nil, err
		}
		env.Identities = append(env.Identities, principal)
		rules = append(rules, signedBy(int32(i)))
	}
	env.Rule = outOf(int32(n), rules)
	return env, nil
}

func compile(from *commonpb.SignaturePolicy, principals, depth int, left *int) (rule, error) {
	if *left--; *left < 0 || depth > maxDepth {
		return rule{}, fmt.Errorf("%w: at most %d levels and %d nodes are evaluated", ErrTooLarge, maxDepth, maxRules)
	}
	switch kind := from.GetType().(type) {
	case *commonpb.SignaturePolicy_SignedBy:
		if kind.SignedBy < 0 || int(kind.SignedBy) >= principals {
			return rule{}, fmt.Errorf("%w: a rule asks for principal %d, the policy lists %d", ErrMalformed, kind.SignedBy, principals)
		}
		return rule{principal: int(kind.SignedBy)}, nil
	case *commonpb.SignaturePolicy_NOutOf_:
		r := rule{principal: -1, need: int(kind.NOutOf.GetN()), children: make([]rule, len(kind.NOutOf.GetRules()))}
		for i, sub := range kind.NOutOf.GetRules() {
			child, err := compile(sub, principals, depth+1, left)
			if err != nil {
				return rule{}, err
			}
			r.children[i] = child
		}
		return r, nil
	default:
		return rule{}, fmt.Errorf("%w: a rule is neither signed_by nor n_out_of", ErrMalformed)
	}
}

// Envelope returns the policy as it was given. It must not be changed.
func (s *Signature) Envelope() *commonpb.SignaturePolicyEnvelope { return s.env }

// String writes the policy in the policy language, see Format.
func (s *Signature) String() string { return Format(s.env) }

// Evaluate tells whether the identities satisfy the policy.
//
// The tree is walked once, from left to right. A leaf takes the first identity
// that fits its principal and that no leaf before it has taken. An inner node
// looks at all its children, also when it already has enough; what a child took
// is given back if the child as a whole failed. Nothing is tried a second time:
// with AND('A.member','A.admin') and an administrator listed first, the member's
// leaf takes the administrator, and nobody is left for the second leaf unless a
// further administrator signed. Fabric's peers decide the same way, so the order
// of signatures can matter (wire.md F.3).
func (s *Signature) Evaluate(ids []*msp.Identity) bool {
	e := evaluation{policy: s, ids: ids}
	if len(ids) <= len(e.fewUsed) {
		e.used = e.fewUsed[:len(ids)]
		e.taken = e.fewTaken[:0]
	} else {
		e.used = make([]bool, len(ids))
	}
	return e.holds(&s.root)
}

// evaluation is one walk over the tree. taken lists the used identities in the
// order in which leaves took them, so that a failed child can give them back
// without copying the marks.
type evaluation struct {
	policy *Signature
	ids    []*msp.Identity
	used   []bool
	taken  []int

	fewUsed  [16]bool // room for the usual few signers, without an allocation
	fewTaken [16]int
}

func (e *evaluation) holds(r *rule) bool {
	if r.principal >= 0 {
		return e.take(r.principal) >= 0
	}
	have := 0
	for i := range r.children {
		before := len(e.taken)
		if e.holds(&r.children[i]) {
			have++
		} else {
			e.giveBack(before)
		}
	}
	return have >= r.need
}

// take marks the first free identity that satisfies the principal and returns its
// index, or -1.
func (e *evaluation) take(principal int) int {
	for i, id := range e.ids {
		if !e.used[i] && e.fits(id, principal) {
			e.used[i] = true
			e.taken = append(e.taken, i)
			return i
		}
	}
	return -1
}

func (e *evaluation) fits(id *msp.Identity, principal int) bool {
	wanted := e.policy.principals[principal]
	return wanted != nil && id.Is(wanted)
}

func (e *evaluation) giveBack(to int) {
	for _, i := range e.taken[to:] {
		e.used[i] = false
	}
	e.taken = e.taken[:to]
}
