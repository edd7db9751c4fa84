package channelconfig_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	raftpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer/etcdraft"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// organisations is who the tests' channels are made of; keys are made once.
type organisations struct {
	one, two, three, orderer *msp.Org
}

var makeOrganisations = sync.OnceValues(func() (*organisations, error) {
	o := &organisations{}
	for _, spec := range []struct {
		into **msp.Org
		msp.OrgSpec
	}{
		{&o.one, msp.OrgSpec{MSPID: "Org1MSP", Domain: "org1.example.com", Nodes: []msp.NodeSpec{{Name: "peer0"}}}},
		{&o.two, msp.OrgSpec{MSPID: "Org2MSP", Domain: "org2.example.com", Nodes: []msp.NodeSpec{{Name: "peer0"}}}},
		{&o.three, msp.OrgSpec{MSPID: "Org3MSP", Domain: "org3.example.com", Nodes: []msp.NodeSpec{{Name: "peer0"}}}},
		{&o.orderer, msp.OrgSpec{MSPID: "OrdererMSP", Domain: "example.com", Orderer: true,
			Nodes: []msp.NodeSpec{{Name: "orderer0"}, {Name: "orderer1"}, {Name: "orderer2"}, {Name: "orderer3"}}}},
	} {
		org, err := msp.Generate(spec.OrgSpec)
		if err != nil {
			return nil, err
		}
		*spec.into = org
	}
	return o, nil
})

func MustOrganisations(t testing.TB) *organisations {
	t.Helper()
	o, err := makeOrganisations()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// consenters are the first n ordering nodes.
func (o *organisations) consenters(n int) []*raftpb.Consenter {
	var all []*raftpb.Consenter
	for i := range n {
		cert := o.orderer.Node(fmt.Sprintf("orderer%d", i)).TLSCertPEM
		all = append(all, &raftpb.Consenter{
			Host: fmt.Sprintf("orderer%d.example.com", i), Port: 7050, ClientTlsCert: cert, ServerTlsCert: cert,
		})
	}
	return all
}

// profile is a channel of Org1 and Org2 with three ordering nodes.
func (o *organisations) profile() channelconfig.Profile {
	return channelconfig.Profile{
		Channel: "mychannel",
		Orgs: []channelconfig.OrgProfile{
			{MSPID: "Org1MSP", Config: o.one.MSPConfig(), AnchorPeers: []string{"peer0.org1.example.com:7051"}},
			{MSPID: "Org2MSP", Config: o.two.MSPConfig()},
		},
		OrdererOrgs: []channelconfig.OrdererOrgProfile{{
			Name: "OrdererOrg", Config: o.orderer.MSPConfig(),
			Endpoints: []string{"orderer0.example.com:7050", "orderer1.example.com:7050", "orderer2.example.com:7050"},
		}},
		Consenters: o.consenters(3),
		Time:       time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Nonce:      []byte("a nonce of 24 bytes, yes"),
	}
}

func MustGenesis(t testing.TB, p channelconfig.Profile) *channelconfig.Bundle {
	t.Helper()
	block, err := channelconfig.Genesis(p)
	if err != nil {
		t.Fatal(err)
	}
	return MustBundle(t, block)
}

// admins finds administrators by the organisations' MSP ids.
func (o *organisations) admins(t testing.TB, mspIDs string) []wire.Signer {
	t.Helper()
	var signers []wire.Signer
	for _, id := range strings.Fields(mspIDs) {
		for _, org := range []*msp.Org{o.one, o.two, o.three, o.orderer} {
			if org.MSPID == id {
				signers = append(signers, org.Admin().Signer)
			}
		}
	}
	if len(signers) != len(strings.Fields(mspIDs)) {
		t.Fatalf("no administrators for %q", mspIDs)
	}
	return signers
}

// MustUpdate signs the update that leads from b's configuration to an edited copy.
func (o *organisations) MustUpdate(t testing.TB, b *channelconfig.Bundle, signedBy string, edit func(channel *commonpb.ConfigGroup)) *commonpb.Envelope {
	t.Helper()
	to := proto.CloneOf(b.Config())
	edit(to.GetChannelGroup())
	update, err := channelconfig.ComputeUpdate(b.Channel(), b.Config(), to)
	if err != nil {
		t.Fatal(err)
	}
	return o.MustSign(t, update, signedBy)
}

func (o *organisations) MustSign(t testing.TB, update *commonpb.ConfigUpdate, signedBy string) *commonpb.Envelope {
	t.Helper()
	envelope, err := channelconfig.NewUpdateEnvelope(update, o.one.User("User1").Signer, o.admins(t, signedBy)...)
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

func MustMarshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	encoded, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// set replaces a value, keeping its mod_policy.
func set(t testing.TB, g *commonpb.ConfigGroup, name string, content proto.Message) {
	t.Helper()
	mod := "Admins"
	if old := g.GetValues()[name]; old != nil {
		mod = old.GetModPolicy()
	}
	g.Values[name] = &commonpb.ConfigValue{Value: MustMarshal(t, content), ModPolicy: mod}
}
