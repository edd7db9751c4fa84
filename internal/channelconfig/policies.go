package channelconfig

import (
	"errors"
	"fmt"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
)

// readPolicies compiles all policies, from the leaves of the tree upwards, because
// an implicit meta policy refers to those of the groups below.
func (b *Bundle) readPolicies(root *commonpb.ConfigGroup) error {
	b.policies = map[string]policy.Policy{}
	return b.readGroupPolicies("/"+groupChannel, root)
}

func (b *Bundle) readGroupPolicies(path string, g *commonpb.ConfigGroup) error {
	subs := sortedKeys(g.GetGroups())
	for _, name := range subs {
		if err := b.readGroupPolicies(path+"/"+name, g.GetGroups()[name]); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(g.GetPolicies()) {
		compiled, err := b.compile(path, subs, g.GetPolicies()[name].GetPolicy())
		if err != nil {
			return invalid(path+"/"+name, "%v", err)
		}
		b.policies[path+"/"+name] = compiled
	}
	return nil
}

func (b *Bundle) compile(path string, subs []string, p *commonpb.Policy) (policy.Policy, error) {
	if p == nil {
		return nil, errors.New("the policy is empty")
	}
	switch commonpb.Policy_PolicyType(p.GetType()) {
	case commonpb.Policy_SIGNATURE:
		return policy.FromBytes(p.GetValue())
	case commonpb.Policy_IMPLICIT_META:
		meta := &commonpb.ImplicitMetaPolicy{}
		if err := proto.Unmarshal(p.GetValue(), meta); err != nil {
			return nil, fmt.Errorf("implicit meta policy: %w", err)
		}
		rule := meta.GetRule().String()
		switch rule {
		case policy.Any, policy.All, policy.Majority:
		default:
			return nil, fmt.Errorf("implicit meta policy: rule %s is not known; use ANY, ALL or MAJORITY", rule)
		}
		found := make([]policy.Policy, len(subs))
		for i, name := range subs {
			found[i] = b.policies[path+"/"+name+"/"+meta.GetSubPolicy()]
		}
		return policy.NewMeta(rule, meta.GetSubPolicy(), found, subs...), nil
	default:
		return nil, fmt.Errorf("policy type %d is not known; use SIGNATURE (1) or IMPLICIT_META (3)", p.GetType())
	}
}

// Policy finds a policy by its absolute path, such as /Channel/Application/Writers.
// The error wraps ErrNoPolicy; Fabric treats a policy that is not there as one that
// nobody satisfies.
func (b *Bundle) Policy(path string) (policy.Policy, error) {
	p, ok := b.policies[path]
	if !ok {
		return nil, fmt.Errorf("channel %s: %w: %q", b.channel, ErrNoPolicy, path)
	}
	return p, nil
}

// ApplicationPolicy gives the policy that a chaincode's definition names: one of its
// own, or a policy of the channel.
func (b *Bundle) ApplicationPolicy(p *peerpb.ApplicationPolicy) (policy.Policy, error) {
	switch kind := p.GetType().(type) {
	case *peerpb.ApplicationPolicy_SignaturePolicy:
		return policy.NewSignature(kind.SignaturePolicy)
	case *peerpb.ApplicationPolicy_ChannelConfigPolicyReference:
		return b.Policy(kind.ChannelConfigPolicyReference)
	default:
		return nil, errors.New("it is empty")
	}
}

// LifecycleEndorsement is the policy for writes of chaincode definitions: the one
// at PathLifecycleEndorsement or, in channels without it, any member of each of a
// majority of organisations (wire.md G.2).
func (b *Bundle) LifecycleEndorsement() (policy.Policy, error) {
	if p, ok := b.policies[PathLifecycleEndorsement]; ok {
		return p, nil
	}
	orgs := b.ApplicationOrgs()
	env, err := policy.OutOf(len(orgs)/2+1, msppb.MSPRole_MEMBER, orgs...)
	if err != nil {
		return nil, err
	}
	return policy.NewSignature(env)
}

// DeniedError says which policy refused whom, and why. It matches ErrDenied.
type DeniedError struct {
	Path     string            // of the policy
	Node     *policy.Node      // what was needed and what was there
	Rejected []policy.Rejected // signatures that did not count
}

// Error gives policy, what is missing, and the signatures that did not count.
func (e *DeniedError) Error() string {
	var out strings.Builder
	fmt.Fprintf(&out, "policy %s is not satisfied: %s", e.Path, e.Node.Summary())
	for i, r := range e.Rejected {
		if i == maxRejectedShown {
			fmt.Fprintf(&out, "; and %d more signatures do not count", len(e.Rejected)-i)
			break
		}
		fmt.Fprintf(&out, "; signature %d does not count: %v", r.Index+1, r.Why)
	}
	return out.String()
}

// maxRejectedShown bounds an error's text; the error itself has them all.
const maxRejectedShown = 4

// Is makes errors.Is(err, ErrDenied) true.
func (e *DeniedError) Is(target error) bool { return target == ErrDenied }

// Check tells whether the signatures satisfy the policy at the path. The error
// matches ErrDenied: it is a *DeniedError, or wraps ErrNoPolicy too.
func (b *Bundle) Check(path string, signed ...policy.Signed) error {
	ids, rejected := policy.Identities(b.msps, signed)
	return b.permit(path, ids, rejected)
}

// permit evaluates the policy at path on identities that were verified before.
func (b *Bundle) permit(path string, ids []*msp.Identity, rejected []policy.Rejected) error {
	p, err := b.Policy(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	if p.Evaluate(ids) {
		return nil
	}
	return &DeniedError{Path: path, Node: p.Explain(ids), Rejected: rejected}
}

// ACL is the absolute path of the policy that guards a resource of this channel:
// what the configuration says or else Fabric's default (wire.md G.6). It is empty
// for resources that a channel does not guard, such as installing a chaincode.
func (b *Bundle) ACL(resource string) string {
	if path, ok := b.acls[resource]; ok {
		return path
	}
	switch resource {
	case "_lifecycle/CommitChaincodeDefinition", "_lifecycle/CheckCommitReadiness",
		"_lifecycle/QueryChaincodeDefinition", "_lifecycle/QueryChaincodeDefinitions",
		"peer/Propose", "peer/ChaincodeToChaincode":
		return PathApplicationWriters
	case "qscc/GetChainInfo", "qscc/GetBlockByNumber", "qscc/GetBlockByHash",
		"qscc/GetTransactionByID", "qscc/GetBlockByTxID",
		"cscc/GetConfigBlock", "cscc/GetChannelConfig",
		"lscc/ChaincodeExists", "lscc/GetDeploymentSpec", "lscc/GetChaincodeData",
		"lscc/GetInstantiatedChaincodes", "lscc/GetCollectionsConfig",
		"event/Block", "event/FilteredBlock",
		"gateway/CommitStatus", "gateway/ChaincodeEvents":
		return PathApplicationReaders
	default:
		return ""
	}
}

// absoluteACLs resolves references without a leading slash below
// /Channel/Application, as Fabric does, and skips empty ones.
func absoluteACLs(acls *peerpb.ACLs) map[string]string {
	paths := make(map[string]string, len(acls.GetAcls()))
	for resource, target := range acls.GetAcls() {
		switch ref := target.GetPolicyRef(); {
		case ref == "":
		case strings.HasPrefix(ref, "/"):
			paths[resource] = ref
		default:
			paths[resource] = "/" + groupChannel + "/" + groupApplication + "/" + ref
		}
	}
	return paths
}
