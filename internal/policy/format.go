package policy

import (
	"encoding/hex"
	"fmt"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"
)

// Format writes a policy as text. For what Parse made, Parse(Format(env)) gives
// the same bytes again. Parts that the language cannot express (principals other
// than roles, indexes without a principal) appear between < and >.
func Format(env *commonpb.SignaturePolicyEnvelope) string {
	var out strings.Builder
	formatRule(&out, env.GetRule(), env.GetIdentities(), 0)
	return out.String()
}

func formatRule(out *strings.Builder, rule *commonpb.SignaturePolicy, principals []*msppb.MSPPrincipal, depth int) {
	if depth > maxDepth {
		out.WriteString("<too deep>")
		return
	}
	switch kind := rule.GetType().(type) {
	case *commonpb.SignaturePolicy_SignedBy:
		if kind.SignedBy < 0 || int(kind.SignedBy) >= len(principals) {
			fmt.Fprintf(out, "<no principal %d>", kind.SignedBy)
			return
		}
		out.WriteString(principalText(principals[kind.SignedBy]))
	case *commonpb.SignaturePolicy_NOutOf_:
		rules := kind.NOutOf.GetRules()
		out.WriteString(operator(kind.NOutOf.GetN(), len(rules)))
		out.WriteByte('(')
		if operator(kind.NOutOf.GetN(), len(rules)) == opOutOf {
			fmt.Fprintf(out, "%d", kind.NOutOf.GetN())
			if len(rules) > 0 {
				out.WriteString(", ")
			}
		}
		for i, sub := range rules {
			if i > 0 {
				out.WriteString(", ")
			}
			formatRule(out, sub, principals, depth+1)
		}
		out.WriteByte(')')
	default:
		out.WriteString("<no rule>")
	}
}

// The operators of the language.
const (
	opAnd   = "AND"
	opOr    = "OR"
	opOutOf = "OutOf"
)

// operator names n out of count: OR for one, AND for all, else OutOf.
func operator(n int32, count int) string {
	switch {
	case n == 1 && count >= 1:
		return opOr
	case int(n) == count && count > 1:
		return opAnd
	default:
		return opOutOf
	}
}

// principalText writes a principal as the language does, or between < and > what it is.
func principalText(principal *msppb.MSPPrincipal) string {
	encoded := principal.GetPrincipal()
	switch principal.GetPrincipalClassification() {
	case msppb.MSPPrincipal_ROLE:
		role := &msppb.MSPRole{}
		if proto.Unmarshal(encoded, role) != nil {
			break
		}
		return "'" + role.GetMspIdentifier() + "." + strings.ToLower(role.GetRole().String()) + "'"
	case msppb.MSPPrincipal_ORGANIZATION_UNIT:
		unit := &msppb.OrganizationUnit{}
		if proto.Unmarshal(encoded, unit) != nil {
			break
		}
		return fmt.Sprintf("<%s, organisation unit %q>", unit.GetMspIdentifier(), unit.GetOrganizationalUnitIdentifier())
	case msppb.MSPPrincipal_IDENTITY:
		identity := &msppb.SerializedIdentity{}
		if proto.Unmarshal(encoded, identity) != nil {
			break
		}
		return fmt.Sprintf("<one identity of %s>", identity.GetMspid())
	case msppb.MSPPrincipal_COMBINED:
		all := &msppb.CombinedPrincipal{}
		if proto.Unmarshal(encoded, all) != nil {
			break
		}
		return fmt.Sprintf("<%d principals at once>", len(all.GetPrincipals()))
	}
	return fmt.Sprintf("<%s principal %s>", strings.ToLower(principal.GetPrincipalClassification().String()), shortHex(encoded))
}

func shortHex(b []byte) string {
	if len(b) > 8 {
		return hex.EncodeToString(b[:8]) + "…"
	}
	return hex.EncodeToString(b)
}
