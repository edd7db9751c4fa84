package network_test

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hyperledger/fabric-gateway/pkg/client"
	"github.com/hyperledger/fabric-gateway/pkg/hash"
	"github.com/hyperledger/fabric-gateway/pkg/identity"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// These tests use the network as Fabric's tutorials do: with Fabric's own Gateway
// client library and the files that the network wrote.

// mustDial connects to a node with nothing but its TLS authority's certificate.
func (n *net) mustDial(node, org string) *grpc.ClientConn {
	n.t.Helper()
	name, err := n.Nodes.Name(node)
	if err != nil {
		n.t.Fatal(err)
	}
	kind, file := "peerOrganizations/"+org+"/peers", "tls/ca.crt"
	if org == "example.com" {
		kind = "ordererOrganizations/" + org + "/orderers"
	}
	pem, err := os.ReadFile(filepath.Join(n.Dir(), "organizations", kind, name, file))
	if err != nil {
		n.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		n.t.Fatal("the TLS authority's file holds no certificate")
	}
	conn, err := grpc.NewClient(n.addr(name), grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(pool, name)))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	return conn
}

func (n *net) addr(node string) string {
	n.t.Helper()
	for _, s := range n.Nodes.Status(n.ctx()) {
		if s.Name == node {
			return s.Addr
		}
	}
	n.t.Fatalf("there is no node %s", node)
	return ""
}

// mustReadFirst reads the first file of a folder, as Fabric's sample clients do.
func mustReadFirst(t testing.TB, dir string) []byte {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v; want one, of which the first is taken, as the samples do", dir, len(files), err)
	}
	b, err := os.ReadFile(filepath.Join(dir, files[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mustIdentity reads a user's certificate and key.
func (n *net) mustIdentity(org, user, mspID string) (*identity.X509Identity, identity.Sign) {
	n.t.Helper()
	dir := filepath.Join(n.Dir(), "organizations", "peerOrganizations", org, "users", user+"@"+org, "msp")
	cert, err := identity.CertificateFromPEM(mustReadFirst(n.t, filepath.Join(dir, "signcerts")))
	if err != nil {
		n.t.Fatal(err)
	}
	id, err := identity.NewX509Identity(mspID, cert)
	if err != nil {
		n.t.Fatal(err)
	}
	key, err := identity.PrivateKeyFromPEM(mustReadFirst(n.t, filepath.Join(dir, "keystore")))
	if err != nil {
		n.t.Fatal(err)
	}
	sign, err := identity.NewPrivateKeySign(key)
	if err != nil {
		n.t.Fatal(err)
	}
	return id, sign
}

// mustConnect connects User1 of Org1 through the Gateway of its peer.
func (n *net) mustConnect(options ...client.ConnectOption) *client.Gateway {
	n.t.Helper()
	id, sign := n.mustIdentity("org1.example.com", "User1", "Org1MSP")
	options = append([]client.ConnectOption{client.WithSign(sign), client.WithHash(hash.SHA256),
		client.WithClientConnection(n.mustDial("peer0.org1", "org1.example.com")),
		client.WithEvaluateTimeout(patience), client.WithEndorseTimeout(patience),
		client.WithSubmitTimeout(patience), client.WithCommitStatusTimeout(patience)}, options...)
	gw, err := client.Connect(id, options...)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { gw.Close() })
	return gw
}

// detail says what the first detail of a Gateway error tells: who and what.
func mustDetail(t *testing.T, err error) (mspID, message string) {
	t.Helper()
	var failed interface {
		error
		GRPCStatus() *status.Status
	}
	if !errors.As(err, &failed) {
		t.Fatalf("got %T %v, want a gRPC error", err, err)
	}
	var endorse *client.EndorseError
	if !errors.As(err, &endorse) || len(endorse.Details()) == 0 {
		t.Fatalf("got %T %v, want an endorsement error with details", err, err)
	}
	d := endorse.Details()[0]
	if d.GetAddress() == "" {
		t.Errorf("the detail %v names no address", d)
	}
	return d.GetMspId(), d.GetMessage()
}

func TestGatewaySDK(t *testing.T) {
	n := mustStart(t, small)
	n.mustDeploySample("asset", "counter")
	p := n.mustDeployProbe("probe")
	for _, test := range []struct {
		name string
		run  func(*testing.T, *net, *probe)
	}{
		{"submit and evaluate", sdkSubmits},
		{"asynchronous", sdkSubmitsAsynchronously},
		{"the chaincode refuses", sdkChaincodeRefuses},
		{"unknown chaincode", sdkUnknownChaincode},
		{"unknown channel", sdkUnknownChannel},
		{"read conflict", sdkReadConflict},
		{"transient data", sdkTransientData},
		{"private data", sdkPrivateData},
		{"signing elsewhere", sdkSignsElsewhere},
		{"endorsing organisations", sdkChoosesOrganisations},
		{"time is up", sdkTimeIsUp},
		{"chaincode events", sdkChaincodeEvents},
		{"block events", sdkBlockEvents},
		{"events go on where it was", sdkCheckpoints},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, &net{Network: n.Network, t: t}, p) })
	}
	n.mustAgree()
}

func sdkSubmits(t *testing.T, n *net, _ *probe) {
	contract := n.mustConnect().GetNetwork("mychannel").GetContract("asset")
	if _, err := contract.SubmitTransaction("CreateAsset", "asset1", "yellow", "5", "Tom", "1300"); err != nil {
		t.Fatal(err)
	}
	got, err := contract.EvaluateTransaction("ReadAsset", "asset1")
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"AppraisedValue":1300,"Color":"yellow","ID":"asset1","Owner":"Tom","Size":5}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	former, err := contract.SubmitTransaction("TransferAsset", "asset1", "Saptha")
	if err != nil || string(former) != "Tom" {
		t.Errorf("the result is %q, %v; want Tom", former, err)
	}
}

func sdkSubmitsAsynchronously(t *testing.T, n *net, _ *probe) {
	contract := n.mustConnect().GetNetwork("mychannel").GetContract("asset")
	_, commit, err := contract.SubmitAsync("CreateAsset", client.WithArguments("async", "red", "1", "Ann", "2"))
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := commit.Status()
	if err != nil {
		t.Fatal(err)
	}
	if !verdict.Successful || verdict.Code != peerpb.TxValidationCode_VALID || verdict.BlockNumber == 0 || verdict.TransactionID != commit.TransactionID() {
		t.Errorf("got %+v", verdict)
	}
	// Long committed: the answer is the same.
	again, err := commit.Status()
	if err != nil || *again != *verdict {
		t.Errorf("asked again: %+v, %v", again, err)
	}
}

func sdkChaincodeRefuses(t *testing.T, n *net, _ *probe) {
	contract := n.mustConnect().GetNetwork("mychannel").GetContract("asset")
	_, err := contract.SubmitTransaction("PaintItBlack")
	if status.Code(err) != codes.Aborted {
		t.Errorf("submit: code %s of %v, want Aborted", status.Code(err), err)
	}
	mspID, message := mustDetail(t, err)
	if mspID != "Org1MSP" {
		t.Errorf("the detail is from %q", mspID)
	}
	mustContain(t, message, "chaincode response 500", "PaintItBlack")
	_, err = contract.EvaluateTransaction("ReadAsset", "nothing")
	if status.Code(err) != codes.Unknown {
		t.Errorf("evaluate: code %s of %v, want Unknown", status.Code(err), err)
	}
	mustContain(t, err.Error(), "chaincode response 500", "nothing")
}

func sdkUnknownChaincode(t *testing.T, n *net, _ *probe) {
	contract := n.mustConnect().GetNetwork("mychannel").GetContract("nonsense")
	if _, err := contract.EvaluateTransaction("f"); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("evaluate: %v, want FailedPrecondition", err)
	} else {
		mustContain(t, err.Error(), "no peers available to evaluate chaincode nonsense")
	}
	if _, err := contract.SubmitTransaction("f"); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("submit: %v, want FailedPrecondition", err)
	}
}

func sdkUnknownChannel(t *testing.T, n *net, _ *probe) {
	contract := n.mustConnect().GetNetwork("otherchannel").GetContract("asset")
	if _, err := contract.EvaluateTransaction("GetAllAssets"); status.Code(err) != codes.Unavailable {
		t.Errorf("evaluate: %v, want Unavailable", err)
	}
	if _, err := contract.SubmitTransaction("InitLedger"); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("submit: %v, want FailedPrecondition", err)
	}
	_, err := n.mustConnect().GetNetwork("otherchannel").ChaincodeEvents(n.ctx(), "asset")
	if err != nil && status.Code(err) != codes.PermissionDenied {
		t.Errorf("events: %v", err)
	}
}

// Two transactions read the same version of a counter. The first one's envelope is
// held on its way to the ordering service until the second one is committed.
func sdkReadConflict(t *testing.T, n *net, _ *probe) {
	contract := n.mustConnect().GetNetwork("mychannel").GetContract("counter")
	id := n.mustHold(link.Filter{Kind: trace.Broadcast, Node: "peer0.org1.example.com", Count: 1})
	failed := make(chan error, 1)
	go func() {
		_, err := contract.SubmitTransaction("Increment", "race")
		failed <- err
	}()
	n.mustSeeHeld(1)
	if got, err := contract.SubmitTransaction("Increment", "race"); err != nil || string(got) != "1" {
		t.Errorf("the second: %q, %v", got, err)
	}
	if err := n.Faults.Unhold(id); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Faults.Release(0); err != nil {
		t.Fatal(err)
	}
	err := <-failed
	var conflict *client.CommitError
	if !errors.As(err, &conflict) || conflict.Code != peerpb.TxValidationCode_MVCC_READ_CONFLICT {
		t.Fatalf("the first: %v, want a read conflict", err)
	}
	mustContain(t, err.Error(), "MVCC_READ_CONFLICT")
	if got := n.mustEvaluate(call("counter", "Get", "race")); got != "1" {
		t.Errorf("the counter stands at %s", got)
	}
}

func sdkTransientData(t *testing.T, n *net, _ *probe) {
	secret := "nobody may find this in a block"
	gw := n.mustConnect()
	proposal, err := gw.GetNetwork("mychannel").GetContract("probe").NewProposal("Secret",
		client.WithTransient(map[string][]byte{"secret": []byte(secret)}), client.WithEndorsingOrganizations("Org1MSP", "Org2MSP"))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := proposal.Endorse()
	if err != nil {
		t.Fatal(err)
	}
	commit, err := tx.Submit()
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := commit.Status()
	if err != nil || !verdict.Successful {
		t.Fatalf("%+v, %v", verdict, err)
	}
	if len(tx.Result()) != 64 {
		t.Errorf("the result is %q, want a digest", tx.Result())
	}
	raw := n.mustEvaluate(call("qscc", "GetBlockByTxID", "mychannel", commit.TransactionID()))
	if len(raw) == 0 || contains([]byte(raw), secret) {
		t.Errorf("the block of %d bytes shows the transient data", len(raw))
	}
}

func sdkPrivateData(t *testing.T, n *net, _ *probe) {
	_, err := n.mustConnect().GetNetwork("mychannel").GetContract("probe").SubmitTransaction("Private")
	_, message := mustDetail(t, err)
	mustContain(t, message, "private data")
}

func sdkSignsElsewhere(t *testing.T, n *net, _ *probe) {
	id, sign := n.mustIdentity("org1.example.com", "User1", "Org1MSP")
	gw, err := client.Connect(id, client.WithHash(hash.SHA256), client.WithClientConnection(n.mustDial("peer0.org1", "org1.example.com")))
	if err != nil {
		t.Fatal(err)
	}
	defer gw.Close()
	signed := func(digest []byte) []byte {
		signature, err := sign(digest)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	must := func(b []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	unsigned, err := gw.GetNetwork("mychannel").GetContract("counter").NewProposal("Increment", client.WithArguments("offline"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unsigned.Endorse(); err == nil {
		t.Error("a proposal that nobody signed was endorsed")
	}
	proposal, err := gw.NewSignedProposal(must(unsigned.Bytes()), signed(unsigned.Digest()))
	if err != nil {
		t.Fatal(err)
	}
	unsignedTx, err := proposal.Endorse()
	if err != nil {
		t.Fatal(err)
	}
	tx, err := gw.NewSignedTransaction(must(unsignedTx.Bytes()), signed(unsignedTx.Digest()))
	if err != nil {
		t.Fatal(err)
	}
	unsignedCommit, err := tx.Submit()
	if err != nil {
		t.Fatal(err)
	}
	commit, err := gw.NewSignedCommit(must(unsignedCommit.Bytes()), signed(unsignedCommit.Digest()))
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := commit.Status()
	if err != nil || !verdict.Successful || string(tx.Result()) != "1" {
		t.Errorf("%+v, %v, result %q", verdict, err, tx.Result())
	}
}

func sdkChoosesOrganisations(t *testing.T, n *net, _ *probe) {
	contract := n.mustConnect().GetNetwork("mychannel").GetContract("counter")
	_, err := contract.Submit("Increment", client.WithArguments("one"), client.WithEndorsingOrganizations("Org1MSP"))
	var refused *client.CommitError
	if !errors.As(err, &refused) || refused.Code != peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE {
		t.Errorf("one organisation: %v, want an endorsement policy failure", err)
	}
	if _, err := contract.Submit("Increment", client.WithArguments("both"), client.WithEndorsingOrganizations("Org2MSP", "Org1MSP")); err != nil {
		t.Errorf("both organisations: %v", err)
	}
	_, err = contract.Submit("Increment", client.WithArguments("none"), client.WithEndorsingOrganizations("Org3MSP"))
	if status.Code(err) != codes.Unavailable {
		t.Errorf("an organisation that is not there: %v, want Unavailable", err)
	}
	mustContain(t, err.Error(), "Org3MSP")
}

func sdkTimeIsUp(t *testing.T, n *net, p *probe) {
	contract := n.mustConnect(client.WithEvaluateTimeout(300*time.Millisecond), client.WithEndorseTimeout(300*time.Millisecond)).
		GetNetwork("mychannel").GetContract("probe")
	_, err := contract.EvaluateTransaction("Wait", "late")
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("evaluate: %v, want DeadlineExceeded", err)
	}
	_, err = contract.SubmitTransaction("Wait", "late")
	var failed *client.EndorseError
	if status.Code(err) != codes.DeadlineExceeded || !errors.As(err, &failed) {
		t.Errorf("submit: %v, want an endorsement error with DeadlineExceeded", err)
	}
	p.open("late")
}

func contains(b []byte, text string) bool {
	for i := 0; i+len(text) <= len(b); i++ {
		if string(b[i:i+len(text)]) == text {
			return true
		}
	}
	return false
}

// Clients of Fabriscope's own use the same service.
func TestGatewayFlow(t *testing.T) {
	n := mustStart(t, small)
	n.mustDeploySample("counter")
	through := func(function string, endorsers ...string) network.Call {
		return network.Call{Chaincode: "counter", Function: function, Args: []string{"a"}, Flow: network.Gateway, Endorsers: endorsers}
	}
	r := n.mustSubmit(through("Increment"))
	if string(r.Payload) != "1" || len(r.Endorsers) != 2 || r.Block == 0 {
		t.Errorf("got %+v", r)
	}
	n.mustAgree() // an evaluation shows what the asked peer has committed
	bob := n.mustClient("bob")
	got, err := bob.Evaluate(n.ctx(), through("Get"))
	if err != nil || string(got.Payload) != "1" {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = bob.Submit(n.ctx(), through("Increment", "Org2"))
	var refused *network.CommitError
	if !errors.As(err, &refused) || refused.Result.Code != peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE || refused.Result.Reason == "" {
		t.Errorf("got %v, want an endorsement policy failure with its reason", err)
	}
	ctx, cancel := context.WithCancel(n.ctx())
	cancel()
	if _, err := bob.Submit(ctx, through("Increment")); err == nil {
		t.Error("a call whose context had ended succeeded")
	}
}
