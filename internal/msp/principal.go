package msp

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"
)

// maxPrincipalDepth bounds combined principals inside combined principals.
const maxPrincipalDepth = 8

// Principal is a decoded principal of a policy: a description that identities
// satisfy or not, such as "a peer of Org1MSP". Policies decode theirs once.
type Principal struct {
	mspID      string
	role       string            // of a ROLE
	unit       string            // of an ORGANIZATION_UNIT
	certifiers []byte            // of an ORGANIZATION_UNIT
	cert       *x509.Certificate // of an IDENTITY
	parts      []*Principal      // of a COMBINED
	nominal    bool              // an ANONYMITY that everybody satisfies
}

// ParsePrincipal decodes a principal. It fails if the principal does not decode,
// is of an unknown kind or could never be satisfied.
func ParsePrincipal(p *msppb.MSPPrincipal) (*Principal, error) { return parsePrincipal(p, 0) }

func parsePrincipal(p *msppb.MSPPrincipal, depth int) (*Principal, error) {
	switch p.GetPrincipalClassification() {
	case msppb.MSPPrincipal_ROLE:
		return parseRole(p.GetPrincipal())
	case msppb.MSPPrincipal_ORGANIZATION_UNIT:
		var unit msppb.OrganizationUnit
		if err := proto.Unmarshal(p.GetPrincipal(), &unit); err != nil {
			return nil, fmt.Errorf("principal: organizational unit: %w", err)
		}
		return &Principal{mspID: unit.GetMspIdentifier(), unit: unit.GetOrganizationalUnitIdentifier(), certifiers: unit.GetCertifiersIdentifier()}, nil
	case msppb.MSPPrincipal_IDENTITY:
		var id msppb.SerializedIdentity
		if err := proto.Unmarshal(p.GetPrincipal(), &id); err != nil {
			return nil, fmt.Errorf("principal: identity: %w", err)
		}
		cert, err := parseCertificatePEM(id.GetIdBytes())
		if err != nil {
			return nil, fmt.Errorf("principal: identity: %w", err)
		}
		return &Principal{mspID: id.GetMspid(), cert: cert}, nil
	case msppb.MSPPrincipal_ANONYMITY:
		var anonymity msppb.MSPIdentityAnonymity
		if err := proto.Unmarshal(p.GetPrincipal(), &anonymity); err != nil {
			return nil, fmt.Errorf("principal: anonymity: %w", err)
		}
		if anonymity.GetAnonymityType() != msppb.MSPIdentityAnonymity_NOMINAL {
			return nil, errors.New("principal: X.509 identities are never anonymous")
		}
		return &Principal{nominal: true}, nil
	case msppb.MSPPrincipal_COMBINED:
		return parseCombined(p.GetPrincipal(), depth)
	default:
		return nil, fmt.Errorf("principal: unknown classification %d", p.GetPrincipalClassification())
	}
}

// parseRole decodes "this role of this organisation".
func parseRole(raw []byte) (*Principal, error) {
	var role msppb.MSPRole
	if err := proto.Unmarshal(raw, &role); err != nil {
		return nil, fmt.Errorf("principal: role: %w", err)
	}
	out := &Principal{mspID: role.GetMspIdentifier()}
	switch role.GetRole() {
	case msppb.MSPRole_MEMBER:
		out.role = RoleMember
	case msppb.MSPRole_ADMIN:
		out.role = RoleAdmin
	case msppb.MSPRole_CLIENT:
		out.role = RoleClient
	case msppb.MSPRole_PEER:
		out.role = RolePeer
	case msppb.MSPRole_ORDERER:
		out.role = RoleOrderer
	default:
		return nil, fmt.Errorf("principal: unknown role %d", role.GetRole())
	}
	return out, nil
}

// parseCombined decodes "all of these".
func parseCombined(raw []byte, depth int) (*Principal, error) {
	if depth >= maxPrincipalDepth {
		return nil, fmt.Errorf("principal: combined principals are nested deeper than %d", maxPrincipalDepth)
	}
	var combined msppb.CombinedPrincipal
	if err := proto.Unmarshal(raw, &combined); err != nil {
		return nil, fmt.Errorf("principal: combined: %w", err)
	}
	if len(combined.GetPrincipals()) == 0 {
		return nil, errors.New("principal: combined: it combines nothing")
	}
	out := &Principal{}
	for _, part := range combined.GetPrincipals() {
		parsed, err := parsePrincipal(part, depth+1)
		if err != nil {
			return nil, err
		}
		out.parts = append(out.parts, parsed)
	}
	return out, nil
}

// MSPID is the organisation that the principal is about, "" if it is about none
// or several.
func (p *Principal) MSPID() string { return p.mspID }

// Role is the role that the principal asks for, "" if it asks for something else.
func (p *Principal) Role() string { return p.role }

// String gives the form of policy texts where there is one: "Org1MSP.peer".
func (p *Principal) String() string {
	switch {
	case p.role != "":
		return p.mspID + "." + p.role
	case p.cert != nil:
		return fmt.Sprintf("identity %s of %s", p.cert.Subject.CommonName, p.mspID)
	case p.parts != nil:
		return fmt.Sprintf("all of %v", p.parts)
	case p.nominal:
		return "anybody"
	default:
		return fmt.Sprintf("unit %q of %s", p.unit, p.mspID)
	}
}

// Is tells whether the identity satisfies the principal. It allocates nothing for
// roles, which are all that most policies have.
func (id *Identity) Is(p *Principal) bool {
	switch {
	case p.parts != nil:
		return !slices.ContainsFunc(p.parts, func(part *Principal) bool { return !id.Is(part) })
	case p.nominal:
		return true
	case p.mspID != id.msp.id:
		return false
	case p.role == RoleMember:
		return true
	case p.role != "":
		return slices.Contains(id.roles, p.role)
	case p.cert != nil:
		return id.isCertificate(p.cert)
	default:
		return slices.Contains(id.cert.Subject.OrganizationalUnit, p.unit) && bytes.Equal(p.certifiers, id.certifiers)
	}
}

// Satisfies is Is for a principal that is not decoded yet; the error says why not.
func (id *Identity) Satisfies(principal *msppb.MSPPrincipal) error {
	p, err := ParsePrincipal(principal)
	if err != nil {
		return err
	}
	if !id.Is(p) {
		return fmt.Errorf("%s is not %s", id, p)
	}
	return nil
}
