package policy

import (
	"cmp"
	"slices"
	"strings"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"
)

// Principal is a leaf of a policy, decoded for planning.
type Principal struct {
	MSPID string              // "" if the principal names no MSP
	Role  string              // member, admin, client, peer, orderer; "" if it is no role
	Text  string              // as Format writes it
	Raw   *msppb.MSPPrincipal // as the policy has it; not to be changed
}

// defaultLayouts is how many sets are made if the caller names no bound.
const defaultLayouts = 64

// Layouts lists the smallest sets of principals that satisfy a policy: a gateway
// chooses one of them and asks a peer for each principal in it. Sets that contain
// another set are left out; a principal is in a set as often as different signers are
// needed for it. Smaller sets come first, otherwise the policy's own order decides. At
// most max sets are made (64 if max is not positive); what lies beyond is not found. A
// policy that cannot be satisfied has none; one that needs nothing has a single empty
// set.
func Layouts(p Policy, max int) [][]Principal {
	if max <= 0 {
		max = defaultLayouts
	}
	return minimal(layouts(p, max))
}

func layouts(p Policy, max int) [][]Principal {
	switch p := p.(type) {
	case *Signature:
		principals := make([]Principal, len(p.env.GetIdentities()))
		for i, raw := range p.env.GetIdentities() {
			principals[i] = decodePrincipal(raw)
		}
		return ruleLayouts(&p.root, principals, max)
	case *Meta:
		options := make([][][]Principal, 0, len(p.subs))
		for _, sub := range p.subs {
			options = append(options, layouts(sub, max))
		}
		return choose(options, p.need, max, union)
	default:
		return nil
	}
}

func ruleLayouts(r *rule, principals []Principal, max int) [][]Principal {
	if r.principal >= 0 {
		return [][]Principal{{principals[r.principal]}}
	}
	options := make([][][]Principal, 0, len(r.children))
	for i := range r.children {
		options = append(options, ruleLayouts(&r.children[i], principals, max))
	}
	return choose(options, r.need, max, sum)
}

// choose makes all sets that take one option from each of need entries, up to max.
// Entries without options are dropped first, so that every path leads to a set and
// the work stays within max times the depth.
func choose(options [][][]Principal, need, max int, join func(a, b []Principal) []Principal) [][]Principal {
	options = slices.DeleteFunc(options, func(o [][]Principal) bool { return len(o) == 0 })
	if len(options) < need {
		return nil
	}
	var found [][]Principal
	var extend func(from, need int, have []Principal)
	extend = func(from, need int, have []Principal) {
		if need <= 0 {
			found = append(found, have)
			return
		}
		for i := from; i <= len(options)-need; i++ {
			for _, option := range options[i] {
				if len(found) >= max {
					return
				}
				extend(i+1, need-1, join(have, option))
			}
		}
	}
	extend(0, need, nil)
	return found
}

// sum joins the sets of two leaves or branches of one tree: each needs its own signers.
func sum(a, b []Principal) []Principal { return slices.Concat(a, b) }

// union joins the sets of two sub-policies: a signer counts in both.
func union(a, b []Principal) []Principal {
	joined := slices.Clone(a)
	free := slices.Clone(a)
	for _, p := range b {
		if i := slices.IndexFunc(free, p.same); i >= 0 {
			free = slices.Delete(free, i, i+1)
			continue
		}
		joined = append(joined, p)
	}
	return joined
}

func (p Principal) same(q Principal) bool {
	return p.Text == q.Text && p.MSPID == q.MSPID && p.Role == q.Role && bytesEqual(p.Raw, q.Raw)
}

func bytesEqual(a, b *msppb.MSPPrincipal) bool {
	return a.GetPrincipalClassification() == b.GetPrincipalClassification() && string(a.GetPrincipal()) == string(b.GetPrincipal())
}

// minimal sorts by size and drops every set that contains an earlier one.
func minimal(sets [][]Principal) [][]Principal {
	slices.SortStableFunc(sets, func(a, b []Principal) int { return cmp.Compare(len(a), len(b)) })
	var kept [][]Principal
	for _, set := range sets {
		if !slices.ContainsFunc(kept, func(k []Principal) bool { return len(union(set, k)) == len(set) }) {
			kept = append(kept, set)
		}
	}
	return kept
}

func decodePrincipal(raw *msppb.MSPPrincipal) Principal {
	p := Principal{Text: principalText(raw), Raw: raw}
	switch raw.GetPrincipalClassification() {
	case msppb.MSPPrincipal_ROLE:
		role := &msppb.MSPRole{}
		if proto.Unmarshal(raw.GetPrincipal(), role) == nil {
			p.MSPID, p.Role = role.GetMspIdentifier(), strings.ToLower(role.GetRole().String())
		}
	case msppb.MSPPrincipal_ORGANIZATION_UNIT:
		unit := &msppb.OrganizationUnit{}
		if proto.Unmarshal(raw.GetPrincipal(), unit) == nil {
			p.MSPID = unit.GetMspIdentifier()
		}
	case msppb.MSPPrincipal_IDENTITY:
		p.MSPID = claimedMSP(raw.GetPrincipal())
	}
	return p
}

// claimedMSP reads the MSP id of a serialized identity without believing it.
func claimedMSP(identity []byte) string {
	claimed := &msppb.SerializedIdentity{}
	if proto.Unmarshal(identity, claimed) != nil {
		return ""
	}
	return claimed.GetMspid()
}
