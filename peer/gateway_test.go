package peer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-gateway/pkg/client"
	"github.com/hyperledger/fabric-gateway/pkg/identity"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer"
)

// MustGateway connects Fabric's own client library to a peer.
func (n *network) MustGateway(t testing.TB, at string, signer *msp.Signer) *client.Network {
	t.Helper()
	id, err := identity.NewX509Identity(signer.MSPID(), signer.Cert())
	if err != nil {
		t.Fatal(err)
	}
	sign, err := identity.NewPrivateKeySign(signer.PrivateKey())
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := client.Connect(id, client.WithSign(sign), client.WithClientConnection(n.MustConn(at)),
		client.WithEvaluateTimeout(10*time.Second), client.WithEndorseTimeout(15*time.Second),
		client.WithSubmitTimeout(10*time.Second), client.WithCommitStatusTimeout(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gateway.Close() })
	return gateway.GetNetwork(channelName)
}

func TestGatewaySubmitAndEvaluate(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	contract := n.MustGateway(t, "peer0.org1.example.com", n.user()).GetContract("kitchen")
	for i := range 3 {
		result, err := contract.SubmitTransaction("add", "counter")
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint(i + 1); string(result) != want {
			t.Errorf("submit answers %s, want %s", result, want)
		}
	}
	result, err := contract.EvaluateTransaction("get", "counter")
	if err != nil || string(result) != "3" {
		t.Errorf("evaluate answers %q, %v", result, err)
	}
	secret, err := contract.Evaluate("transient", client.WithTransient(map[string][]byte{"secret": []byte("s")}))
	if err != nil || string(secret) != "s" {
		t.Errorf("transient data: %q, %v", secret, err)
	}
	if _, err := contract.Submit("put", client.WithArguments("a", "1"), client.WithEndorsingOrganizations("Org1MSP", "Org2MSP")); err != nil {
		t.Error(err)
	}
	_, commit, err := contract.SubmitAsync("put", client.WithArguments("a", "2"), client.WithEndorsingOrganizations("Org1MSP"))
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := commit.Status()
	if err != nil || verdict.Successful || verdict.Code != peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE {
		t.Errorf("with one organisation: %v %v", verdict, err)
	}
	n.MustAgree(t)
}

// Two transactions read the same key; the one that comes later in the block loses.
func TestGatewayConflict(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	contract := n.MustGateway(t, "peer0.org1.example.com", n.user()).GetContract("kitchen")
	for _, s := range n.orderers {
		s.mu.Lock()
		s.hold = true
		s.mu.Unlock()
	}
	var commits []*client.Commit
	for range 2 {
		_, commit, err := contract.SubmitAsync("add", client.WithArguments("counter"))
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, commit)
	}
	verdicts := make(chan peerpb.TxValidationCode, 2)
	for _, c := range commits {
		go func() {
			s, err := c.Status()
			if err != nil {
				t.Error(err)
				verdicts <- peerpb.TxValidationCode_NOT_VALIDATED
				return
			}
			verdicts <- s.Code
		}()
	}
	var all []*commonpb.Envelope
	for _, s := range n.orderers {
		s.mu.Lock()
		all = append(all, s.held...)
		s.mu.Unlock()
	}
	if err := n.chain.order(all...); err != nil {
		t.Fatal(err)
	}
	count := map[peerpb.TxValidationCode]int{}
	for range 2 {
		count[<-verdicts]++
	}
	if count[peerpb.TxValidationCode_VALID] != 1 || count[peerpb.TxValidationCode_MVCC_READ_CONFLICT] != 1 {
		t.Errorf("verdicts %v", count)
	}
}

func TestGatewayEvents(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	network := n.MustGateway(t, "peer0.org1.example.com", n.user())
	contract := network.GetContract("kitchen")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	live, err := network.ChaincodeEvents(ctx, "kitchen")
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := network.BlockEvents(ctx, client.WithStartBlock(0))
	if err != nil {
		t.Fatal(err)
	}
	filtered, err := network.FilteredBlockEvents(ctx, client.WithStartBlock(0))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range 3 {
		proposal, err := contract.NewProposal("event", client.WithArguments(fmt.Sprintf("event%d", i), "payload"))
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
		if s, err := commit.Status(); err != nil || !s.Successful {
			t.Fatal(s, err)
		}
		ids = append(ids, proposal.TransactionID())
	}
	for i := range 3 {
		e := <-live
		if e == nil || e.EventName != fmt.Sprintf("event%d", i) || e.TransactionID != ids[i] || string(e.Payload) != "payload" {
			t.Fatalf("event %d is %v", i, e)
		}
	}
	after, err := network.ChaincodeEvents(ctx, "kitchen", client.WithStartBlock(0), client.WithCheckpoint(checkpoint{id: ids[0]}))
	if err != nil {
		t.Fatal(err)
	}
	if e := <-after; e == nil || e.EventName != "event1" {
		t.Errorf("after the first transaction comes %v", e)
	}
	height := n.peer0().Ledger(channelName).Height()
	for number := range height {
		if b := <-blocks; b.GetHeader().GetNumber() != number {
			t.Fatalf("block %d came for %d", b.GetHeader().GetNumber(), number)
		}
		if b := <-filtered; b.GetNumber() != number {
			t.Fatalf("filtered block %d came for %d", b.GetNumber(), number)
		}
	}
}

// checkpoint stands after a transaction.
type checkpoint struct{ id string }

func (checkpoint) BlockNumber() uint64     { return 0 }
func (c checkpoint) TransactionID() string { return c.id }

// Every wrong call of the gateway, with the words that the client library shows.
func TestGatewayTexts(t *testing.T) {
	o := withKitchen()
	o.timeout = 2 * time.Second
	n := MustNetwork(t, o)
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	at := "peer0.org1.example.com"
	contract := n.MustGateway(t, at, n.user()).GetContract("kitchen")
	var tr transcript
	tell := func(what string, err error, replace ...string) {
		t.Helper()
		if err == nil {
			t.Errorf("%s is no error", what)
			return
		}
		s := status.Convert(err)
		text := fmt.Sprintf("%s: %s", s.Code(), s.Message())
		for _, d := range s.Details() {
			if detail, ok := d.(*gatewaypb.ErrorDetail); ok {
				text += fmt.Sprintf("\n  at %s %s: %s", detail.GetAddress(), detail.GetMspId(), detail.GetMessage())
			}
		}
		for name, p := range n.peers {
			text = strings.ReplaceAll(text, p.Addr(), "PEER "+name)
		}
		for _, s := range n.orderers {
			text = strings.ReplaceAll(text, s.target.Addr, "ORDERER")
		}
		var endorse *client.EndorseError
		if errors.As(err, &endorse) {
			replace = append(replace, endorse.TransactionID, "TX")
		}
		for i := 0; i+1 < len(replace); i += 2 {
			text = strings.ReplaceAll(text, replace[i], replace[i+1])
		}
		text = strings.ReplaceAll(text, "\u00a0", " ")
		fmt.Fprintf(&tr, "%s\n    %s\n", what, strings.ReplaceAll(text, "\n", "\n    "))
	}
	_, err := contract.EvaluateTransaction("status", "500", "hard")
	tell("evaluate: the chaincode answers 500", err)
	_, err = contract.EvaluateTransaction("status", "404", "soft")
	tell("evaluate: the chaincode answers 404", err)
	_, err = contract.Evaluate("get", client.WithArguments("a"), client.WithEndorsingOrganizations("NobodyMSP"))
	tell("evaluate: no such organisation", err)
	_, err = n.MustGateway(t, at, n.user()).GetContract("nobody").EvaluateTransaction("get")
	tell("evaluate: no such chaincode", err)
	_, err = contract.SubmitTransaction("status", "500", "hard")
	tell("endorse: the chaincode answers 500", err)
	_, err = contract.SubmitTransaction("status", "404", "soft")
	tell("endorse: the chaincode answers 404", err)
	_, err = contract.Submit("get", client.WithArguments("a"), client.WithEndorsingOrganizations("Org1MSP", "NobodyMSP"))
	tell("endorse: no such organisation", err)
	_, err = n.MustGateway(t, at, n.user()).GetContract("nobody").SubmitTransaction("get")
	tell("endorse: no such chaincode", err)
	_, err = n.MustGateway(t, at, MustStranger(t)).GetContract("kitchen").SubmitTransaction("put", "a", "1")
	tell("endorse: a stranger", err)
	n.peers["peer0.org2.example.com"].SetLie(true)
	_, err = contract.SubmitTransaction("put", "a", "1")
	tell("endorse: the other peer lies", err)
	n.peers["peer0.org2.example.com"].SetLie(false)

	g := gatewaypb.NewGatewayClient(n.MustConn(at))
	ctx := t.Context()
	_, err = g.Evaluate(ctx, &gatewaypb.EvaluateRequest{})
	tell("evaluate: nothing", err)
	_, err = g.Endorse(ctx, &gatewaypb.EndorseRequest{ProposedTransaction: &peerpb.SignedProposal{ProposalBytes: []byte("\xff")}})
	tell("endorse: garbage", err)
	_, signed := MustPropose(t, n.user(), wire.ProposalSpec{Channel: "nowhere", Chaincode: "kitchen"})
	_, err = g.Endorse(ctx, &gatewaypb.EndorseRequest{ProposedTransaction: signed})
	tell("endorse: unknown channel", err)
	_, err = g.Endorse(ctx, &gatewaypb.EndorseRequest{ProposedTransaction: signed, EndorsingOrganizations: []string{"Org1MSP"}})
	tell("endorse by named organisations: unknown channel", err)
	_, err = g.Evaluate(ctx, &gatewaypb.EvaluateRequest{ProposedTransaction: signed})
	tell("evaluate: unknown channel", err)
	_, signed = MustPropose(t, n.user(), wire.ProposalSpec{Chaincode: "kitchen"})
	_, err = g.Evaluate(ctx, &gatewaypb.EvaluateRequest{ProposedTransaction: signed})
	tell("evaluate: no channel", err)
	proposal, signed := MustPropose(t, n.user(), call("kitchen", "get", "a"))
	signed.Signature[len(signed.Signature)-1] ^= 1
	_, err = g.Evaluate(ctx, &gatewaypb.EvaluateRequest{ProposedTransaction: signed})
	tell("evaluate: wrong signature", err, proposal.TxID, "TX")
	_, err = g.Submit(ctx, &gatewaypb.SubmitRequest{ChannelId: channelName})
	tell("submit: nothing", err)
	_, err = g.Submit(ctx, &gatewaypb.SubmitRequest{ChannelId: channelName, PreparedTransaction: &commonpb.Envelope{Payload: []byte("x")}})
	tell("submit: unsigned", err)
	signedEnvelope := &gatewaypb.SubmitRequest{ChannelId: channelName, PreparedTransaction: &commonpb.Envelope{Payload: []byte("x"), Signature: []byte("y")}}
	setAnswer := func(a *ordererpb.BroadcastResponse) {
		for _, s := range n.orderers {
			s.mu.Lock()
			s.answer = a
			s.mu.Unlock()
		}
	}
	setAnswer(&ordererpb.BroadcastResponse{Status: commonpb.Status_FORBIDDEN, Info: "not you"})
	_, err = g.Submit(ctx, signedEnvelope)
	tell("submit: the orderer refuses", err)
	setAnswer(&ordererpb.BroadcastResponse{Status: commonpb.Status_SERVICE_UNAVAILABLE, Info: "no Raft leader"})
	_, err = g.Submit(ctx, signedEnvelope)
	tell("submit: no orderer can", err)
	setAnswer(nil)
	_, err = g.CommitStatus(ctx, &gatewaypb.SignedCommitStatusRequest{})
	tell("commit status: nothing", err)
	_, err = g.CommitStatus(ctx, &gatewaypb.SignedCommitStatusRequest{Request: []byte("\xff")})
	tell("commit status: garbage", err)
	status := func(signer *msp.Signer, channel string, forge bool) *gatewaypb.SignedCommitStatusRequest {
		raw := mustMarshal(t, &gatewaypb.CommitStatusRequest{TransactionId: "x", ChannelId: channel, Identity: signer.Creator()})
		signature, err := signer.Sign(raw)
		if err != nil {
			t.Fatal(err)
		}
		if forge {
			signature[len(signature)-1] ^= 1
		}
		return &gatewaypb.SignedCommitStatusRequest{Request: raw, Signature: signature}
	}
	_, err = g.CommitStatus(ctx, status(n.user(), "nowhere", false))
	tell("commit status: unknown channel", err)
	_, err = g.CommitStatus(ctx, status(n.user(), channelName, true))
	tell("commit status: wrong signature", err)
	_, err = g.CommitStatus(ctx, status(n.ordering.Admin().Signer, channelName, false))
	tell("commit status: without the right", err)
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	_, err = g.CommitStatus(short, status(n.user(), channelName, false))
	if code := grpcCode(err); code != codes.DeadlineExceeded { // the text is sometimes the client's own
		t.Errorf("commit status: nothing comes: %v", err)
	}
	events := func(start *ordererpb.SeekPosition) error {
		raw := mustMarshal(t, &gatewaypb.ChaincodeEventsRequest{ChannelId: channelName, ChaincodeId: "kitchen", Identity: n.user().Creator(), StartPosition: start})
		signature, err := n.user().Sign(raw)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := g.ChaincodeEvents(ctx, &gatewaypb.SignedChaincodeEventsRequest{Request: raw, Signature: signature})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
	tell("events: from the oldest", events(&ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Oldest{Oldest: &ordererpb.SeekOldest{}}}))
	stream, err := g.ChaincodeEvents(ctx, &gatewaypb.SignedChaincodeEventsRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	tell("events: nothing", err)
	golden(t, "gateway", tr.String())
}

// Without the other organisation's peer there is no endorsement, and the client
// learns who could not be reached.
func TestGatewayWithoutTheOtherOrganisation(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	contract := n.MustGateway(t, "peer0.org1.example.com", n.user()).GetContract("kitchen")
	if _, err := contract.SubmitTransaction("put", "a", "1"); err != nil {
		t.Fatal(err)
	}
	if err := n.peers["peer0.org2.example.com"].Close(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []codes.Code{codes.Aborted, codes.FailedPrecondition} {
		_, err := contract.SubmitTransaction("put", "a", "2")
		if status.Code(err) != want {
			t.Errorf("try %d: %v, want %s", i, err, want)
		}
	}
	delete(n.peers, "peer0.org2.example.com")
	n.MustStart("peer0.org2.example.com")
	n.introduce()
	if _, err := contract.SubmitTransaction("put", "a", "3"); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

// The gateway's patience with others does not run out while a message is held.
func TestGatewayWaitsForHeldMessages(t *testing.T) {
	const patience = 600 * time.Millisecond
	o := withKitchen()
	o.limits = peer.Limits{EndorsementTimeout: patience, BroadcastTimeout: patience}
	n := MustNetwork(t, o)
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	contract := n.MustGateway(t, "peer0.org1.example.com", n.user()).GetContract("kitchen")
	if _, err := contract.SubmitTransaction("put", "a", "1"); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []trace.Kind{trace.ChaincodeTransaction, trace.Proposal, trace.ProposalResponse, trace.Broadcast, trace.BroadcastAnswer} {
		if err := n.link.SetHolds([]link.Hold{{ID: 1, Filter: link.Filter{Kind: kind}}}); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := contract.SubmitTransaction("put", "a", string(kind))
			done <- err
		}()
		n.MustEvent(t, func(e trace.Event) bool { return e.Kind == kind && e.Dir == trace.Held })
		passed, cancel := context.WithTimeout(t.Context(), patience+patience/4)
		<-passed.Done()
		cancel()
		select {
		case err := <-done:
			t.Errorf("%s: it ended while it was held: %v", kind, err)
			continue
		default:
		}
		if err := n.link.SetHolds(nil); err != nil {
			t.Fatal(err)
		}
		n.link.ReleaseHold(1)
		if err := <-done; err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func grpcCode(err error) codes.Code { return status.Code(err) }

// A gateway of an organisation whose peer does not run the chaincode lets others do it.
func TestGatewayWithoutTheChaincode(t *testing.T) {
	o := withKitchen()
	o.peers = []string{"peer0.org1.example.com", "peer1.org1.example.com", "peer0.org2.example.com"}
	n := MustNetwork(t, o)
	bare := n.peers["peer1.org1.example.com"]
	delete(n.peers, "peer1.org1.example.com")
	n.MustDeploy(t, "asset", definition{name: "kitchen", policy: "OR('Org1MSP.peer','Org2MSP.peer')"})
	n.peers["peer1.org1.example.com"] = bare
	MustHeight(t, bare, n.peer0().Ledger(channelName).Height())
	contract := n.MustGateway(t, "peer1.org1.example.com", n.user()).GetContract("kitchen")
	if _, err := contract.SubmitTransaction("put", "a", "1"); err != nil {
		t.Fatal(err)
	}
	if result, err := contract.EvaluateTransaction("get", "a"); err != nil || string(result) != "1" {
		t.Errorf("%q %v", result, err)
	}
	n.MustAgree(t)
}

// Callers beyond the limit are refused at once.
func TestConcurrencyLimits(t *testing.T) {
	o := withKitchen()
	o.limits = peer.Limits{EndorserCalls: 1, GatewayCalls: 1}
	n := MustNetwork(t, o)
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	at := "peer0.org1.example.com"
	proposal, slow := MustPropose(t, n.user(), call("kitchen", "slow"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = peerpb.NewEndorserClient(n.MustConn(at)).ProcessProposal(ctx, slow) // only its place matters
	}()
	n.MustEvent(t, func(e trace.Event) bool { return e.Kind == trace.SimulateStart && e.TxID == proposal.TxID })
	_, signed := MustPropose(t, n.user(), call("kitchen", "get", "a"))
	_, err := n.endorse(at, signed)
	cancel()
	<-done
	want := "too many requests for /protos.Endorser, exceeding concurrency limit (1)"
	if s := status.Convert(err); s.Code() != codes.Unknown || s.Message() != want {
		t.Errorf("%v, want %q", err, want)
	}
}

func TestPeerKnowsNothingOfAChannelItLeftOut(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	if n.peer0().Ledger("nowhere") != nil || n.peer0().Bundle("nowhere") != nil {
		t.Error("there is a ledger of an unknown channel")
	}
	other := n.genesis
	if err := n.peer0().JoinChannel(other, []link.Target{n.orderers[0].target}); err != nil {
		t.Errorf("joining the same channel again: %v", err)
	}
}
