package gateway

import (
	"fmt"
	"strings"
	"sync"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// maxPlans bounds how many answers are remembered; transactions of one workload
// have few different interests.
const maxPlans = 256

// plans remembers the layouts for interests as long as nothing changes that they
// depend on: configuration, definitions, and which peers are there.
type plans struct {
	mu         sync.Mutex
	bundle     *channelconfig.Bundle
	defined    uint64
	surveyed   uint64
	byInterest map[string]*layoutSet
}

// find gives the layouts that satisfy everything that an interest names. Peers are
// numbered as in the survey.
func (p *plans) find(c *Channel, s *survey, interest *peerpb.ChaincodeInterest) (*layoutSet, error) {
	key, err := proto.MarshalOptions{Deterministic: true}.Marshal(interest)
	if err != nil {
		return nil, err
	}
	bundle, defined := c.Bundle(), c.Definitions.Generation()
	p.mu.Lock()
	if p.bundle != bundle || p.defined != defined || p.surveyed != s.generation || len(p.byInterest) >= maxPlans {
		p.bundle, p.defined, p.surveyed, p.byInterest = bundle, defined, s.generation, map[string]*layoutSet{}
	}
	set, known := p.byInterest[string(key)]
	p.mu.Unlock()
	if known {
		return set, nil
	}
	if set, err = c.layoutsFor(bundle, s, interest); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bundle == bundle && p.defined == defined && p.surveyed == s.generation {
		p.byInterest[string(key)] = set
	}
	return set, nil
}

// layoutsFor collects the policies of an interest and asks which peers satisfy them.
func (c *Channel) layoutsFor(bundle *channelconfig.Bundle, s *survey, interest *peerpb.ChaincodeInterest) (*layoutSet, error) {
	var sets [][][]policy.Principal
	var names []string
	var members []*policy.Signature
	for _, call := range interest.GetChaincodes() {
		names = append(names, call.GetName())
		policies, err := c.policiesOf(bundle, call)
		if err != nil {
			return nil, err
		}
		for _, p := range policies {
			sets = append(sets, policy.Layouts(p, maxLayouts))
		}
		if !call.GetNoPrivateReads() {
			more, err := c.membersOf(call)
			if err != nil {
				return nil, err
			}
			members = append(members, more...)
		}
	}
	usable := make([]bool, len(s.peers))
	for i, p := range s.peers {
		usable[i] = p.identity != nil && p.runs(names...)
		for _, m := range members {
			usable[i] = usable[i] && m.Evaluate([]*msp.Identity{p.identity})
		}
	}
	return computeLayouts(sets, len(s.peers), func(i int, principal *msppb.MSPPrincipal) bool {
		return usable[i] && s.peers[i].identity.Satisfies(principal) == nil
	}), nil
}

// policiesOf lists the policies that one call of an interest must satisfy.
func (c *Channel) policiesOf(bundle *channelconfig.Bundle, call *peerpb.ChaincodeCall) ([]policy.Policy, error) {
	var list []policy.Policy
	for _, key := range call.GetKeyPolicies() {
		p, err := policy.NewSignature(key)
		if err != nil {
			return nil, fmt.Errorf("the policy of a key of chaincode %s: %w", call.GetName(), err)
		}
		list = append(list, p)
	}
	if call.GetName() == wire.LifecycleNamespace {
		p, err := bundle.LifecycleEndorsement()
		return append(list, p), err
	}
	d := c.Definitions.Get(call.GetName())
	if d == nil {
		return nil, fmt.Errorf("chaincode %s is not defined on channel %s", call.GetName(), c.Name)
	}
	if !call.GetDisregardNamespacePolicy() || len(list) == 0 {
		p, err := definitionPolicy(bundle, d.ValidationParameter)
		if err != nil {
			return nil, fmt.Errorf("the endorsement policy of chaincode %s: %w", d.Name, err)
		}
		list = append(list, p)
	}
	for _, name := range call.GetCollectionNames() {
		endorsement := d.Collection(name).GetEndorsementPolicy()
		if endorsement == nil {
			continue // the chaincode's own policy holds
		}
		p, err := bundle.ApplicationPolicy(endorsement)
		if err != nil {
			return nil, fmt.Errorf("the endorsement policy of collection %s of chaincode %s: %w", name, d.Name, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// membersOf lists the membership policies of the collections that a call reads:
// only peers that belong to all of them can run it.
func (c *Channel) membersOf(call *peerpb.ChaincodeCall) ([]*policy.Signature, error) {
	var list []*policy.Signature
	for _, name := range call.GetCollectionNames() {
		var env *commonpb.SignaturePolicyEnvelope
		if mspID, implicit := strings.CutPrefix(name, wire.ImplicitPrefix); implicit {
			var err error
			if env, err = policy.AnyOf(msppb.MSPRole_MEMBER, mspID); err != nil {
				return nil, err
			}
		} else if d := c.Definitions.Get(call.GetName()); d != nil {
			env = d.Collection(name).GetMemberOrgsPolicy().GetSignaturePolicy()
		}
		if env == nil {
			return nil, fmt.Errorf("collection %s of chaincode %s is not defined", name, call.GetName())
		}
		p, err := policy.NewSignature(env)
		if err != nil {
			return nil, fmt.Errorf("the members of collection %s of chaincode %s: %w", name, call.GetName(), err)
		}
		list = append(list, p)
	}
	return list, nil
}

// definitionPolicy makes a policy of a definition's validation parameter.
func definitionPolicy(bundle *channelconfig.Bundle, raw []byte) (policy.Policy, error) {
	parameter := &peerpb.ApplicationPolicy{}
	if err := proto.Unmarshal(raw, parameter); err != nil {
		return nil, err
	}
	return bundle.ApplicationPolicy(parameter)
}
