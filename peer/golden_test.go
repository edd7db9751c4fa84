package peer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with testdata/name.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and look at the difference\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// transcript collects questions and answers for a golden file.
type transcript struct{ strings.Builder }

// answer writes one question with what came back; what differs from run to run is
// replaced.
func (tr *transcript) answer(what string, response *peerpb.ProposalResponse, err error, replace ...string) {
	text := "refused: "
	if err != nil {
		s, _ := status.FromError(err)
		text += s.Code().String() + ": " + s.Message()
	} else {
		r := response.GetResponse()
		text = fmt.Sprintf("%d %s", r.GetStatus(), r.GetMessage())
		if len(r.GetPayload()) > 0 && len(r.GetPayload()) < 200 && isPrintable(r.GetPayload()) {
			text += " " + string(r.GetPayload())
		}
		if response.GetEndorsement() != nil {
			text += " (endorsed)"
		}
	}
	text = strings.ReplaceAll(text, "\u00a0", " ") // protobuf varies its spaces from build to build
	for i := 0; i+1 < len(replace); i += 2 {
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	fmt.Fprintf(tr, "%s\n    %s\n", what, strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    "))
}

func isPrintable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// MustSignerUntil makes a client of the first organisation whose certificate ends then.
func (n *network) MustSignerUntil(t testing.TB, end time.Time) *msp.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := n.one.CA.Issue(msp.CertSpec{CommonName: "old@org1.example.com", OrganizationalUnits: []string{"client"}, NotAfter: end}, &key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := msp.NewSigner("Org1MSP", cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// strange is somebody whose organisation the channel does not know.
func MustStranger(t testing.TB) *msp.Signer {
	t.Helper()
	org, err := msp.Generate(msp.OrgSpec{MSPID: "StrangeMSP", Domain: "strange.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return org.User("User1").Signer
}

// edit builds a proposal by hand: a change of its headers, signed over the result.
func edit(t testing.TB, signer *msp.Signer, spec wire.ProposalSpec, change func(*commonpb.ChannelHeader, *commonpb.SignatureHeader)) *peerpb.SignedProposal {
	t.Helper()
	proposal, _ := MustPropose(t, signer, spec)
	p := proposal.Parsed
	channelHeader, _ := proto.Clone(p.ChannelHeader).(*commonpb.ChannelHeader)
	signatureHeader, _ := proto.Clone(p.SignatureHeader).(*commonpb.SignatureHeader)
	change(channelHeader, signatureHeader)
	header := mustMarshal(t, &commonpb.Header{ChannelHeader: mustMarshal(t, channelHeader), SignatureHeader: mustMarshal(t, signatureHeader)})
	raw := mustMarshal(t, &peerpb.Proposal{Header: header, Payload: mustMarshal(t, p.Payload)})
	signature, err := signer.Sign(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &peerpb.SignedProposal{ProposalBytes: raw, Signature: signature}
}

func mustMarshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every way to be refused by an endorser, with the words that clients see.
func TestRefusals(t *testing.T) {
	o := withKitchen()
	o.timeout = time.Second
	n := MustNetwork(t, o)
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	at := n.firstPeers()[0]
	n.MustDeploy(t, "asset", definition{name: "other", init: true})
	_, used := n.MustSubmit(t, n.user(), call("kitchen", "put", "a", "1"), n.firstPeers()...)
	usedProposal, err := n.peer0().Ledger(channelName).Transaction(used)
	if err != nil {
		t.Fatal(err)
	}
	replayed := replay(t, usedProposal, n.user())
	creator := hex.EncodeToString(n.user().Creator())
	get := call("kitchen", "get", "a")
	user := n.user()
	same := func(*commonpb.ChannelHeader, *commonpb.SignatureHeader) {}
	old := n.MustSignerUntil(t, time.Now().Add(-time.Minute))
	stranger := MustStranger(t)
	stamp := func(d time.Duration) func(h *commonpb.ChannelHeader, _ *commonpb.SignatureHeader) {
		return func(h *commonpb.ChannelHeader, _ *commonpb.SignatureHeader) {
			h.Timestamp = timestamppb.New(time.Unix(1700000000, 0).Add(d))
		}
	}
	var tr transcript
	ask := func(what string, signed *peerpb.SignedProposal, replace ...string) {
		t.Helper()
		response, err := n.endorse(at, signed)
		peek, _ := wire.PeekProposal(signed.GetProposalBytes())
		if peek.TxID != "" {
			replace = append(replace, peek.TxID, "TX")
		}
		tr.answer(what, response, err, append(replace, creator, "CREATOR")...)
	}
	ask("nothing at all", &peerpb.SignedProposal{})
	ask("garbage", &peerpb.SignedProposal{ProposalBytes: []byte("\xff\xff"), Signature: []byte("x")})
	ask("certificate expired", edit(t, old, get, same))
	ask("old timestamp", edit(t, user, get, stamp(0)))
	ask("chaincode without a name", edit(t, user, get, func(h *commonpb.ChannelHeader, _ *commonpb.SignatureHeader) { h.Extension = nil }))
	ask("unknown channel", edit(t, user, get, func(h *commonpb.ChannelHeader, _ *commonpb.SignatureHeader) { h.ChannelId = "nowhere" }))
	ask("unknown channel, and a bad signature", &peerpb.SignedProposal{ProposalBytes: edit(t, user, wire.ProposalSpec{Channel: "nowhere", Chaincode: "x"}, same).ProposalBytes, Signature: []byte("bad")})
	ask("type MESSAGE", edit(t, user, get, func(h *commonpb.ChannelHeader, _ *commonpb.SignatureHeader) { h.Type = 0 }))
	ask("type CONFIG", edit(t, user, get, func(h *commonpb.ChannelHeader, _ *commonpb.SignatureHeader) { h.Type = 1 }))
	ask("epoch", edit(t, user, get, func(h *commonpb.ChannelHeader, _ *commonpb.SignatureHeader) { h.Epoch = 1 }))
	ask("no nonce", edit(t, user, get, func(_ *commonpb.ChannelHeader, h *commonpb.SignatureHeader) { h.Nonce = nil }))
	ask("no creator", edit(t, user, get, func(_ *commonpb.ChannelHeader, h *commonpb.SignatureHeader) { h.Creator = nil }))
	wrong := edit(t, user, get, func(_ *commonpb.ChannelHeader, h *commonpb.SignatureHeader) { h.Nonce = []byte("another nonce") })
	ask("transaction id of another nonce", wrong, wire.TxID([]byte("another nonce"), user.Creator()), "RIGHT-TX")
	unsigned := edit(t, user, get, same)
	unsigned.Signature = nil
	ask("no signature", unsigned)
	forged := edit(t, user, get, same)
	forged.Signature[len(forged.Signature)-1] ^= 1
	ask("wrong signature", forged)
	by := edit(t, n.admin(), get, same)
	other := edit(t, user, get, same)
	ask("signed by somebody else", &peerpb.SignedProposal{ProposalBytes: other.ProposalBytes, Signature: by.Signature})
	ask("unknown organisation", edit(t, stranger, get, same))
	ask("malformed creator", edit(t, user, get, func(h *commonpb.ChannelHeader, s *commonpb.SignatureHeader) {
		s.Creator = []byte("\xff not a creator")
		h.TxId = wire.TxID(s.Nonce, s.Creator)
	}))
	ask("replayed", replayed)
	ask("member of an organisation without application rights", edit(t, n.ordering.Admin().Signer, get, same))
	ask("undefined chaincode", edit(t, user, call("nobody", "get", "a"), same))
	ask("undefined chaincode on no channel", edit(t, user, wire.ProposalSpec{Chaincode: "kitchen", Args: strs("get", "a")}, same))
	ask("not initialised", edit(t, user, call("other", "get", "a"), same))
	ask("init where none is required", edit(t, user, withInit(call("kitchen", "get", "a")), same))
	ask("first init", edit(t, user, withInit(call("other", "get", "a")), same))
	if code, _ := n.MustSubmit(t, user, withInit(call("other", "get", "a")), n.firstPeers()...); code != peerpb.TxValidationCode_VALID {
		t.Errorf("init: %s", code)
	}
	ask("second init", edit(t, user, withInit(call("other", "get", "a")), same))
	ask("initialised", edit(t, user, call("other", "get", "a"), same))
	ask("too slow", edit(t, user, call("kitchen", "slow"), same))
	golden(t, "refusals", tr.String())
}

func withInit(spec wire.ProposalSpec) wire.ProposalSpec {
	spec.Init = true
	return spec
}

// replay makes the proposal of a committed transaction again.
func replay(t testing.TB, processed *peerpb.ProcessedTransaction, signer *msp.Signer) *peerpb.SignedProposal {
	t.Helper()
	recorded, err := wire.ParseTransaction(mustMarshal(t, processed.GetTransactionEnvelope()))
	if err != nil {
		t.Fatal(err)
	}
	header := mustMarshal(t, &commonpb.Header{ChannelHeader: recorded.RawChannelHeader, SignatureHeader: recorded.RawSignatureHeader})
	raw := mustMarshal(t, &peerpb.Proposal{Header: header, Payload: recorded.ProposalPayload})
	signature, err := signer.Sign(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &peerpb.SignedProposal{ProposalBytes: raw, Signature: signature}
}

// What administrators see when something is not in order.
func TestLifecycleTexts(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	at := n.firstPeers()[0]
	admin, user := n.admin(), n.user()
	id := n.MustInstall(t, "asset", "kitchen")
	var tr transcript
	ask := func(what string, signer *msp.Signer, channel, function string, args proto.Message) {
		t.Helper()
		proposal, signed := MustPropose(t, signer, lifecycle(t, channel, function, args))
		response, err := n.endorse(at, signed)
		tr.answer(function+": "+what, response, err, proposal.TxID, "TX", id, "PACKAGE")
	}
	const install, queryInstalled, getPackage = "InstallChaincode", "QueryInstalledChaincode", "GetInstalledChaincodePackage"
	const approve, commit, ready, query, approved = "ApproveChaincodeDefinitionForMyOrg", "CommitChaincodeDefinition", "CheckCommitReadiness", "QueryChaincodeDefinition", "QueryApprovedChaincodeDefinition"
	raw, err := n.peer0().Host().Package(id)
	if err != nil {
		t.Fatal(err)
	}
	ask("by a client", user, "", install, &lifecyclepb.InstallChaincodeArgs{})
	ask("by another organisation's administrator", n.two.User("Admin").Signer, "", install, &lifecyclepb.InstallChaincodeArgs{})
	ask("again", admin, "", install, &lifecyclepb.InstallChaincodeArgs{ChaincodeInstallPackage: raw.Raw})
	ask("garbage", admin, "", install, &lifecyclepb.InstallChaincodeArgs{ChaincodeInstallPackage: []byte("garbage")})
	ask("unknown", admin, "", queryInstalled, &lifecyclepb.QueryInstalledChaincodeArgs{PackageId: "none:00"})
	ask("unknown", admin, "", getPackage, &lifecyclepb.GetInstalledChaincodePackageArgs{PackageId: "none:00"})
	ask("no such function", admin, channelName, "Nonsense", &lifecyclepb.InstallChaincodeArgs{})
	d := definition{name: "kitchen", sequence: 1, version: "1"}
	ask("without a channel", admin, "", approve, d.approval(t, id))
	ask("by a client", user, channelName, approve, d.approval(t, id))
	ask("bad name", admin, channelName, approve, definition{name: "-x", sequence: 1, version: "1"}.approval(t, id))
	ask("reserved name", admin, channelName, approve, definition{name: "qscc", sequence: 1, version: "1"}.approval(t, id))
	ask("bad version", admin, channelName, approve, definition{name: "kitchen", sequence: 1, version: "1 2"}.approval(t, id))
	ask("sequence 0", admin, channelName, approve, definition{name: "kitchen", sequence: 0, version: "1"}.approval(t, id))
	ask("sequence 2 of 0", admin, channelName, approve, definition{name: "kitchen", sequence: 2, version: "1"}.approval(t, id))
	ask("nothing approved", admin, channelName, approved, &lifecyclepb.QueryApprovedChaincodeDefinitionArgs{Name: "kitchen", Sequence: 1})
	ask("not approved", admin, channelName, commit, d.commit(t))
	ask("undefined", user, channelName, query, &lifecyclepb.QueryChaincodeDefinitionArgs{Name: "kitchen"})
	n.MustSubmit(t, admin, lifecycle(t, channelName, approve, d.approval(t, id)), at)
	ask("again unchanged", admin, channelName, approve, d.approval(t, id))
	ask("again with another package", admin, channelName, approve, d.approval(t, "other:00"))
	ask("defined but not committed", user, channelName, query, &lifecyclepb.QueryChaincodeDefinitionArgs{Name: "kitchen"})
	ask("the next but one", user, channelName, ready, &lifecyclepb.CheckCommitReadinessArgs{Name: "kitchen", Sequence: 2, Version: "1"})
	other := n.MustDeploy(t, "asset", definition{name: "kitchen", version: "1", sequence: 1, label: "kitchen-other"})
	ask("sequence 1 again unchanged", admin, channelName, approve, d.approval(t, other))
	ask("sequence 1 again with other parameters", admin, channelName, approve, definition{name: "kitchen", sequence: 1, version: "2"}.approval(t, id))
	ask("sequence 1 again", admin, channelName, approve, d.approval(t, id))
	ask("sequence 1 again", admin, channelName, commit, d.commit(t))
	ask("sequence 3 of 1", admin, channelName, approve, definition{name: "kitchen", sequence: 3, version: "1"}.approval(t, id))
	n.MustDeploy(t, "asset", definition{name: "kitchen", version: "2", sequence: 2})
	ask("sequence 1 of 2", admin, channelName, approve, d.approval(t, id))
	golden(t, "lifecycle", tr.String())
}

// MustRWSet takes the read-write set out of an endorsement.
func MustRWSet(t testing.TB, response *peerpb.ProposalResponse) *wire.RWSet {
	t.Helper()
	var payload peerpb.ProposalResponsePayload
	var action peerpb.ChaincodeAction
	if err := proto.Unmarshal(response.GetPayload(), &payload); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(payload.GetExtension(), &action); err != nil {
		t.Fatal(err)
	}
	set, err := wire.ParseRWSet(action.GetResults())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// A commit reads all that every organisation approved, also of one that approved
// nothing or something else: endorsers agree on the read set because it does not
// depend on what they find. Seen by comparing with a real peer.
func TestCommitReadsAllApprovals(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	at := n.firstPeers()
	id := n.MustInstall(t, "asset", "kitchen")
	d := definition{name: "kitchen", sequence: 1, version: "1"}
	n.MustSubmit(t, n.admin(), lifecycle(t, channelName, "ApproveChaincodeDefinitionForMyOrg", d.approval(t, id)), at[0])
	response := n.ask(t, at[0], n.user(), lifecycle(t, channelName, "CommitChaincodeDefinition", d.commit(t)))
	if response.GetResponse().GetStatus() != 200 {
		t.Fatal(response.GetResponse().GetMessage())
	}
	set := MustRWSet(t, response)
	found := map[string]int{} // hashed reads: the metadata and three fields
	for _, c := range set.Namespaces[0].Collections {
		for _, read := range c.Hashed.GetHashedReads() {
			if (read.GetVersion() != nil) != (c.Name == "_implicit_org_Org1MSP") {
				t.Errorf("%s: version %v", c.Name, read.GetVersion())
			}
			found[c.Name]++
		}
	}
	if len(found) != 2 || found["_implicit_org_Org1MSP"] != 4 || found["_implicit_org_Org2MSP"] != 4 {
		t.Errorf("hashed reads: %v, want 4 of each organisation", found)
	}
}

func TestLifecycleQueries(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	at := n.firstPeers()[0]
	id := n.MustDeploy(t, "asset", definition{name: "kitchen", version: "1.0", policy: "OR('Org1MSP.peer','Org2MSP.peer')"})
	decode := func(response *peerpb.ProposalResponse, into proto.Message) {
		t.Helper()
		if response.GetResponse().GetStatus() != 200 {
			t.Fatalf("%s", response.GetResponse().GetMessage())
		}
		if err := proto.Unmarshal(response.GetResponse().GetPayload(), into); err != nil {
			t.Fatal(err)
		}
	}
	installed := &lifecyclepb.QueryInstalledChaincodesResult{}
	decode(n.ask(t, at, n.admin(), lifecycle(t, "", "QueryInstalledChaincodes", &lifecyclepb.QueryInstalledChaincodesArgs{})), installed)
	if c := installed.GetInstalledChaincodes(); len(c) != 1 || c[0].GetPackageId() != id || c[0].GetReferences()[channelName].GetChaincodes()[0].GetName() != "kitchen" {
		t.Errorf("installed: %v", installed)
	}
	one := &lifecyclepb.QueryChaincodeDefinitionResult{}
	decode(n.ask(t, at, n.user(), lifecycle(t, channelName, "QueryChaincodeDefinition", &lifecyclepb.QueryChaincodeDefinitionArgs{Name: "kitchen"})), one)
	if one.GetVersion() != "1.0" || one.GetSequence() != 1 || !one.GetApprovals()["Org1MSP"] || !one.GetApprovals()["Org2MSP"] || one.GetEndorsementPlugin() != "escc" {
		t.Errorf("definition: %v", one)
	}
	all := &lifecyclepb.QueryChaincodeDefinitionsResult{}
	response := n.ask(t, at, n.user(), lifecycle(t, channelName, "QueryChaincodeDefinitions", &lifecyclepb.QueryChaincodeDefinitionsArgs{}))
	decode(response, all)
	if set := MustRWSet(t, response); len(set.Namespaces) != 1 || len(set.Namespaces[0].KV.GetRangeQueriesInfo()) != 1 || set.Namespaces[0].KV.RangeQueriesInfo[0].GetEndKey() != "namespaces/metadata/\x7f" {
		t.Errorf("the query of all definitions leaves the read set %v", set.Namespaces)
	}
	if len(all.GetChaincodeDefinitions()) != 1 || all.GetChaincodeDefinitions()[0].GetName() != "kitchen" {
		t.Errorf("definitions: %v", all)
	}
	approved := &lifecyclepb.QueryApprovedChaincodeDefinitionResult{}
	decode(n.ask(t, at, n.admin(), lifecycle(t, channelName, "QueryApprovedChaincodeDefinition", &lifecyclepb.QueryApprovedChaincodeDefinitionArgs{Name: "kitchen"})), approved)
	if approved.GetSource().GetLocalPackage().GetPackageId() != id || approved.GetSequence() != 1 {
		t.Errorf("approved: %v", approved)
	}
	approvals := &lifecyclepb.QueryApprovedChaincodeDefinitionsResult{}
	decode(n.ask(t, at, n.admin(), lifecycle(t, channelName, "QueryApprovedChaincodeDefinitions", &lifecyclepb.QueryApprovedChaincodeDefinitionsArgs{})), approvals)
	if len(approvals.GetApprovedChaincodeDefinitions()) != 1 {
		t.Errorf("approvals: %v", approvals)
	}
	readiness := &lifecyclepb.CheckCommitReadinessResult{}
	decode(n.ask(t, at, n.user(), lifecycle(t, channelName, "CheckCommitReadiness", &lifecyclepb.CheckCommitReadinessArgs{Name: "kitchen", Sequence: 2, Version: "2"})), readiness)
	if readiness.GetApprovals()["Org1MSP"] || readiness.GetMismatches()["Org1MSP"].GetItems()[0] != "ChaincodeParameters" {
		t.Errorf("readiness: %v", readiness)
	}
	pkg := &lifecyclepb.GetInstalledChaincodePackageResult{}
	decode(n.ask(t, at, n.admin(), lifecycle(t, "", "GetInstalledChaincodePackage", &lifecyclepb.GetInstalledChaincodePackageArgs{PackageId: id})), pkg)
	if len(pkg.GetChaincodeInstallPackage()) == 0 {
		t.Error("no package came back")
	}
	// What is approved and not committed yet is listed too.
	next := definition{name: "kitchen", version: "2.0", sequence: 2}
	n.MustSubmit(t, n.admin(), lifecycle(t, channelName, "ApproveChaincodeDefinitionForMyOrg", next.approval(t, id)), at)
	approvals.Reset()
	decode(n.ask(t, at, n.admin(), lifecycle(t, channelName, "QueryApprovedChaincodeDefinitions", &lifecyclepb.QueryApprovedChaincodeDefinitionsArgs{})), approvals)
	if list := approvals.GetApprovedChaincodeDefinitions(); len(list) != 2 || list[0].GetVersion() != "1.0" || list[1].GetVersion() != "2.0" || list[1].GetSequence() != 2 {
		t.Errorf("approvals: %v", approvals)
	}
}
