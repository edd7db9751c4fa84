package peer_test

import (
	"context"
	"strings"
	"testing"

	gossippb "github.com/hyperledger/fabric-protos-go-apiv2/gossip"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// approvedAt asks a peer which package its organisation approved.
func (n *network) approvedAt(t testing.TB, at string) (packageID, problem string) {
	t.Helper()
	response := n.ask(t, at, n.orgOf(at).User("Admin").Signer, lifecycle(t, channelName, "QueryApprovedChaincodeDefinition",
		&lifecyclepb.QueryApprovedChaincodeDefinitionArgs{Name: "kitchen", Sequence: 1}))
	if response.GetResponse().GetStatus() != 200 {
		return "", response.GetResponse().GetMessage()
	}
	result := &lifecyclepb.QueryApprovedChaincodeDefinitionResult{}
	if err := proto.Unmarshal(response.GetResponse().GetPayload(), result); err != nil {
		t.Fatal(err)
	}
	return result.GetSource().GetLocalPackage().GetPackageId(), ""
}

// Both peers of an organisation know what it approved, although one of them endorsed
// the approval alone; a peer that was away when it was endorsed asks for it.
func TestApprovalsReachTheWholeOrganisation(t *testing.T) {
	o := withKitchen()
	o.peers = []string{"peer0.org1.example.com", "peer1.org1.example.com", "peer0.org2.example.com"}
	for _, test := range []struct {
		name   string
		before func(n *network)
		after  func(n *network)
	}{
		{"pushed", func(*network) {}, func(*network) {}},
		{"fetched at commit", func(n *network) {
			if err := n.peers["peer1.org1.example.com"].Kill(); err != nil {
				t.Fatal(err)
			}
			delete(n.peers, "peer1.org1.example.com")
		}, func(n *network) {
			n.MustStart("peer1.org1.example.com")
			n.introduce()
		}},
		{"fetched later", func(n *network) {
			if err := n.peers["peer1.org1.example.com"].Kill(); err != nil {
				t.Fatal(err)
			}
			delete(n.peers, "peer1.org1.example.com")
		}, func(n *network) {
			// It commits the block while it knows nobody to ask.
			late := n.MustStart("peer1.org1.example.com")
			late.SetOrderers(n.targets())
			MustHeight(n.t, late, n.peer0().Ledger(channelName).Height())
			n.introduce()
			n.MustEvent(n.t, func(e trace.Event) bool {
				return e.Kind == trace.Progress && e.Node == "peer1.org1.example.com" && e.Note == "the missing plain text of an approval has arrived"
			})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := MustNetwork(t, o)
			d := definition{name: "kitchen", sequence: 1, version: "1"}
			id := n.MustInstall(t, "asset", "kitchen")
			test.before(n)
			code, tx := n.MustSubmit(t, n.admin(), lifecycle(t, channelName, "ApproveChaincodeDefinitionForMyOrg", d.approval(t, id)), "peer0.org1.example.com")
			if code != peerpb.TxValidationCode_VALID {
				t.Fatal(code)
			}
			test.after(n)
			MustTx(t, n.peers["peer1.org1.example.com"], tx)
			for _, e := range n.trace.ByTx(tx) { // it may have been quicker than the introduction
				if e.Kind == trace.Progress && strings.Contains(e.Note, "is missing") {
					n.MustEvent(t, func(later trace.Event) bool {
						return later.Node == e.Node && later.TxID == tx && strings.Contains(later.Note, "has arrived")
					})
				}
			}
			for _, at := range []string{"peer0.org1.example.com", "peer1.org1.example.com"} {
				if got, problem := n.approvedAt(t, at); got != id {
					t.Errorf("%s knows %q: %s", at, got, problem)
				}
			}
			if got, _ := n.approvedAt(t, "peer0.org2.example.com"); got != "" {
				t.Errorf("the other organisation knows %q", got)
			}
			n.MustAgree(t)
		})
	}
}

// The peers' own service gives and takes private data within an organisation only.
func TestPrivateDataStaysInTheOrganisation(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	other := n.two.Node("peer0.org2.example.com")
	conn, err := n.link.Endpoint("spy", other.TLS, n.roots).Dial(link.Target{Name: "peer0.org1.example.com", Addr: n.peer0().Addr(), ServerName: "peer0.org1.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ask := func(method string, message, answer proto.Message) error {
		return conn.Invoke(context.Background(), "/fabriscope.v1.Peer/"+method, message, answer)
	}
	fetch := &gossippb.GossipMessage{Channel: []byte(channelName), Content: &gossippb.GossipMessage_PrivateReq{PrivateReq: &gossippb.RemotePvtDataRequest{
		Digests: []*gossippb.PvtDataDigest{{TxId: "x", Namespace: "_lifecycle", Collection: "_implicit_org_Org1MSP"}},
	}}}
	if err := ask("Fetch", fetch, &gossippb.GossipMessage{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("another organisation's peer fetches: %v", err)
	}
	push := &gossippb.GossipMessage{Channel: []byte(channelName), Content: &gossippb.GossipMessage_PrivateData{PrivateData: &gossippb.PrivateDataMessage{}}}
	if err := ask("Push", push, &emptypb.Empty{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("another organisation's peer pushes: %v", err)
	}
	if err := ask("Fetch", &gossippb.GossipMessage{Channel: []byte("nowhere")}, &gossippb.GossipMessage{}); status.Code(err) != codes.NotFound {
		t.Errorf("an unknown channel: %v", err)
	}
	own, err := n.link.Endpoint("colleague", n.one.Node("peer1.org1.example.com").TLS, n.roots).Dial(link.Target{Name: "peer0.org1.example.com", Addr: n.peer0().Addr(), ServerName: "peer0.org1.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close() })
	for _, payload := range []*gossippb.PrivatePayload{
		nil,
		{Namespace: "kitchen", CollectionName: "secret", TxId: "x"},
		{Namespace: "_lifecycle", CollectionName: "_implicit_org_Org2MSP", TxId: "x"},
		{Namespace: "_lifecycle", CollectionName: "_implicit_org_Org1MSP"},
		{Namespace: "_lifecycle", CollectionName: "_implicit_org_Org1MSP", TxId: "x", PrivateRwset: make([]byte, 2<<20)},
	} {
		message := &gossippb.GossipMessage{Channel: []byte(channelName), Content: &gossippb.GossipMessage_PrivateData{PrivateData: &gossippb.PrivateDataMessage{Payload: payload}}}
		if err := own.Invoke(context.Background(), "/fabriscope.v1.Peer/Push", message, &emptypb.Empty{}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v is taken: %v", payload, err)
		}
	}
}

// An upgrade starts the new package and stops the old one.
func TestUpgradeStopsTheOldPackage(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	old := n.MustDeploy(t, "asset", definition{name: "kitchen"})
	n.MustEvent(t, func(e trace.Event) bool { return e.Kind == trace.LaunchEnd && e.Key == old })
	now := n.MustDeploy(t, "asset", definition{name: "kitchen", label: "other", version: "2", sequence: 2})
	n.MustEvent(t, func(e trace.Event) bool { return e.Kind == trace.LaunchEnd && e.Key == now })
	for _, node := range n.firstPeers() {
		n.MustEvent(t, func(e trace.Event) bool { return e.Kind == trace.ChaincodeExit && e.Key == old && e.Node == node })
	}
	for _, running := range n.peer0().Host().Running() {
		if running.PackageID == old {
			t.Error("the old package runs on")
		}
	}
	if code, _ := n.MustSubmit(t, n.user(), call("kitchen", "put", "a", "1"), n.firstPeers()...); code != peerpb.TxValidationCode_VALID {
		t.Error(code)
	}
}

// A proposal that was endorsed before an upgrade does not survive it.
func TestUpgradeInvalidatesWhatIsInFlight(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	proposal, signed := MustPropose(t, n.user(), call("kitchen", "put", "a", "1"))
	var responses []*peerpb.ProposalResponse
	for _, at := range n.firstPeers() {
		response, err := n.endorse(at, signed)
		if err != nil {
			t.Fatal(err)
		}
		responses = append(responses, response)
	}
	payload, err := wire.AssembleTransaction(proposal.Parsed, responses)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := wire.SignEnvelope(payload, n.user())
	if err != nil {
		t.Fatal(err)
	}
	n.MustDeploy(t, "asset", definition{name: "kitchen", version: "2", sequence: 2})
	if err := n.chain.order(envelope); err != nil {
		t.Fatal(err)
	}
	if code := n.MustVerdict(t, proposal.TxID); code != peerpb.TxValidationCode_MVCC_READ_CONFLICT {
		t.Errorf("verdict %s, want a conflict with the read of the sequence", code)
	}
}

func TestStatusTellsWhatThePeerCanDo(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	id := n.MustDeploy(t, "asset", definition{name: "kitchen"})
	s := n.peer0().Status()
	c := s.Channels[0]
	if s.MSPID != "Org1MSP" || s.Runtime == "" || c.Height != n.peer0().Ledger(channelName).Height() || c.Stopped != nil {
		t.Errorf("%+v", s)
	}
	if len(c.Definitions) != 1 || !c.Definitions[0].Approved || c.Definitions[0].PackageID != id || c.Definitions[0].Name != "kitchen" {
		t.Errorf("definitions %+v", c.Definitions)
	}
}
