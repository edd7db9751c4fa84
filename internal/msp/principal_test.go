package msp_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
)

// principal wraps a message as a principal.
func principal(t testing.TB, class msppb.MSPPrincipal_Classification, m proto.Message) *msppb.MSPPrincipal {
	t.Helper()
	return &msppb.MSPPrincipal{PrincipalClassification: class, Principal: MustMarshal(t, m)}
}

func role(t testing.TB, mspID string, role msppb.MSPRole_MSPRoleType) *msppb.MSPPrincipal {
	t.Helper()
	return principal(t, msppb.MSPPrincipal_ROLE, &msppb.MSPRole{MspIdentifier: mspID, Role: role})
}

func combined(t testing.TB, parts ...*msppb.MSPPrincipal) *msppb.MSPPrincipal {
	t.Helper()
	return principal(t, msppb.MSPPrincipal_COMBINED, &msppb.CombinedPrincipal{Principals: parts})
}

func TestSatisfiesRoles(t *testing.T) {
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	orderers, err := msp.Generate(msp.OrgSpec{MSPID: "OrdererMSP", Domain: "example.com", Orderer: true, Nodes: []msp.NodeSpec{{Name: "orderer0"}}})
	if err != nil {
		t.Fatal(err)
	}
	set := msp.NewSet(nil, MustMSP(t, org.MSPConfig(), nil), MustMSP(t, orderers.MSPConfig(), nil))
	plain := msp.NewSet(nil, MustMSP(t, org.MSPConfig(), func(c *msppb.FabricMSPConfig) {
		c.FabricNodeOus.Enable = false
		c.Admins = [][]byte{org.User("Admin").Signer.CertPEM()}
	}))
	ids := map[string]*msp.Identity{
		"peer":         MustIdentity(t, set, org.Node("peer0").Signer.Creator()),
		"admin":        MustIdentity(t, set, org.User("Admin").Signer.Creator()),
		"client":       MustIdentity(t, set, org.User("User1").Signer.Creator()),
		"orderer":      MustIdentity(t, set, orderers.Node("orderer0").Signer.Creator()),
		"plain peer":   MustIdentity(t, plain, org.Node("peer0").Signer.Creator()),
		"listed admin": MustIdentity(t, plain, org.User("Admin").Signer.Creator()),
	}
	for _, tt := range []struct {
		id   string
		msp  string
		role msppb.MSPRole_MSPRoleType
		want bool
	}{
		{"peer", "Org1MSP", msppb.MSPRole_MEMBER, true},
		{"peer", "Org1MSP", msppb.MSPRole_PEER, true},
		{"peer", "Org1MSP", msppb.MSPRole_CLIENT, false},
		{"peer", "Org1MSP", msppb.MSPRole_ADMIN, false},
		{"peer", "Org1MSP", msppb.MSPRole_ORDERER, false},
		{"peer", "OrdererMSP", msppb.MSPRole_MEMBER, false},
		{"admin", "Org1MSP", msppb.MSPRole_ADMIN, true},
		{"admin", "Org1MSP", msppb.MSPRole_MEMBER, true},
		{"admin", "Org1MSP", msppb.MSPRole_CLIENT, false},
		{"client", "Org1MSP", msppb.MSPRole_CLIENT, true},
		{"client", "Org1MSP", msppb.MSPRole_PEER, false},
		{"orderer", "OrdererMSP", msppb.MSPRole_ORDERER, true},
		{"orderer", "OrdererMSP", msppb.MSPRole_PEER, false},
		{"plain peer", "Org1MSP", msppb.MSPRole_MEMBER, true},
		{"plain peer", "Org1MSP", msppb.MSPRole_PEER, false},
		{"listed admin", "Org1MSP", msppb.MSPRole_ADMIN, true},
		{"listed admin", "Org1MSP", msppb.MSPRole_CLIENT, false},
		{"peer", "Org1MSP", 77, false},
	} {
		t.Run(fmt.Sprintf("%s as %s of %s", tt.id, tt.role, tt.msp), func(t *testing.T) {
			err := ids[tt.id].Satisfies(role(t, tt.msp, tt.role))
			if (err == nil) != tt.want {
				t.Errorf("%v, want satisfied = %t", err, tt.want)
			}
		})
	}
}

func TestSatisfiesOthers(t *testing.T) {
	org, other := MustOrg(t, "Org1MSP", "org1.example.com"), MustOrg(t, "Org2MSP", "org2.example.com")
	set := msp.NewSet(nil, MustMSP(t, org.MSPConfig(), nil), MustMSP(t, other.MSPConfig(), nil))
	peer := MustIdentity(t, set, org.Node("peer0").Signer.Creator())
	chain := sha256.Sum256(org.CA.Cert().Raw)
	unit := func(mspID, unit string, certifiers []byte) *msppb.MSPPrincipal {
		return principal(t, msppb.MSPPrincipal_ORGANIZATION_UNIT,
			&msppb.OrganizationUnit{MspIdentifier: mspID, OrganizationalUnitIdentifier: unit, CertifiersIdentifier: certifiers})
	}
	identity := func(s *msp.Signer) *msppb.MSPPrincipal {
		return &msppb.MSPPrincipal{PrincipalClassification: msppb.MSPPrincipal_IDENTITY, Principal: s.Creator()}
	}
	member, isPeer := role(t, "Org1MSP", msppb.MSPRole_MEMBER), role(t, "Org1MSP", msppb.MSPRole_PEER)
	isClient := role(t, "Org1MSP", msppb.MSPRole_CLIENT)
	deep := isPeer
	for range 9 {
		deep = combined(t, deep)
	}
	for _, tt := range []struct {
		name      string
		principal *msppb.MSPPrincipal
		want      bool
	}{
		{"unit", unit("Org1MSP", "peer", chain[:]), true},
		{"unit of another issuer", unit("Org1MSP", "peer", []byte("other")), false},
		{"unit without issuer", unit("Org1MSP", "peer", nil), false},
		{"another unit", unit("Org1MSP", "client", chain[:]), false},
		{"unit of another organisation", unit("Org2MSP", "peer", chain[:]), false},
		{"identity", identity(org.Node("peer0").Signer), true},
		{"another identity", identity(org.User("User1").Signer), false},
		{"identity of another organisation", identity(other.Node("peer0").Signer), false},
		{"combined", combined(t, member, isPeer), true},
		{"combined with one that is not", combined(t, member, isClient), false},
		{"combined of combined", combined(t, combined(t, member), isPeer), true},
		{"combined of nothing", combined(t), false},
		{"combined too deep", deep, false},
		{"nominal", principal(t, msppb.MSPPrincipal_ANONYMITY, &msppb.MSPIdentityAnonymity{}), true},
		{"anonymous", principal(t, msppb.MSPPrincipal_ANONYMITY, &msppb.MSPIdentityAnonymity{AnonymityType: msppb.MSPIdentityAnonymity_ANONYMOUS}), false},
		{"unknown classification", &msppb.MSPPrincipal{PrincipalClassification: 9}, false},
		{"garbage role", &msppb.MSPPrincipal{Principal: []byte{0xff}}, false},
		{"garbage unit", &msppb.MSPPrincipal{PrincipalClassification: 1, Principal: []byte{0xff}}, false},
		{"garbage identity", &msppb.MSPPrincipal{PrincipalClassification: 2, Principal: []byte{0xff}}, false},
		{"identity without certificate", &msppb.MSPPrincipal{PrincipalClassification: 2}, false},
		{"garbage anonymity", &msppb.MSPPrincipal{PrincipalClassification: 3, Principal: []byte{0xff}}, false},
		{"garbage combined", &msppb.MSPPrincipal{PrincipalClassification: 4, Principal: []byte{0xff}}, false},
		{"combined with garbage", combined(t, &msppb.MSPPrincipal{Principal: []byte{0xff}}), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := peer.Satisfies(tt.principal); (err == nil) != tt.want {
				t.Errorf("%v, want satisfied = %t", err, tt.want)
			}
		})
	}
}

func TestPrincipalString(t *testing.T) {
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	for want, p := range map[string]*msppb.MSPPrincipal{
		"Org1MSP.peer":   role(t, "Org1MSP", msppb.MSPRole_PEER),
		"Org1MSP.member": role(t, "Org1MSP", msppb.MSPRole_MEMBER),
		`unit "sales" of Org1MSP`: principal(t, msppb.MSPPrincipal_ORGANIZATION_UNIT,
			&msppb.OrganizationUnit{MspIdentifier: "Org1MSP", OrganizationalUnitIdentifier: "sales"}),
		"identity Admin@org1.example.com of Org1MSP": {PrincipalClassification: msppb.MSPPrincipal_IDENTITY, Principal: org.User("Admin").Signer.Creator()},
		"all of [Org1MSP.admin Org1MSP.client]":      combined(t, role(t, "Org1MSP", msppb.MSPRole_ADMIN), role(t, "Org1MSP", msppb.MSPRole_CLIENT)),
		"anybody":                                    principal(t, msppb.MSPPrincipal_ANONYMITY, &msppb.MSPIdentityAnonymity{}),
	} {
		parsed, err := msp.ParsePrincipal(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.String(); got != want {
			t.Errorf("principal %q, want %q", got, want)
		}
	}
}

func FuzzParsePrincipal(f *testing.F) {
	org := MustOrg(f, "Org1MSP", "org1.example.com")
	peer := MustIdentity(f, msp.NewSet(nil, MustMSP(f, org.MSPConfig(), nil)), org.Node("peer0").Signer.Creator())
	f.Add(MustMarshal(f, combined(f, role(f, "Org1MSP", msppb.MSPRole_PEER))))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p msppb.MSPPrincipal
		if proto.Unmarshal(b, &p) != nil {
			return
		}
		parsed, err := msp.ParsePrincipal(&p)
		if err != nil {
			return
		}
		if (peer.Satisfies(&p) == nil) != peer.Is(parsed) || parsed.String() == "" {
			t.Fatal("Satisfies and Is disagree, or the principal has no text")
		}
	})
}

func BenchmarkIs(b *testing.B) {
	org := MustOrg(b, "Org1MSP", "org1.example.com")
	peer := MustIdentity(b, msp.NewSet(nil, MustMSP(b, org.MSPConfig(), nil)), org.Node("peer0").Signer.Creator())
	p, err := msp.ParsePrincipal(role(b, "Org1MSP", msppb.MSPRole_PEER))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !peer.Is(p) {
			b.Fatal("not satisfied")
		}
	}
}
