package peer_test

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/peer"
)

// function is a chaincode that is one Go function of its arguments.
type function func(stub shim.ChaincodeStubInterface, name string, args []string) *peerpb.Response

func (f function) Init(stub shim.ChaincodeStubInterface) *peerpb.Response { return f.Invoke(stub) }
func (f function) Invoke(stub shim.ChaincodeStubInterface) *peerpb.Response {
	name, args := stub.GetFunctionAndParameters()
	return f(stub, name, args)
}

func answer(payload []byte, err error) *peerpb.Response {
	if err != nil {
		return shim.Error(err.Error())
	}
	return shim.Success(payload)
}

// kitchen does whatever a test asks for.
var kitchen function = func(stub shim.ChaincodeStubInterface, name string, args []string) *peerpb.Response {
	switch name {
	case "put":
		return answer(nil, stub.PutState(args[0], []byte(args[1])))
	case "get":
		return answer(stub.GetState(args[0]))
	case "add":
		old, err := stub.GetState(args[0])
		if err != nil {
			return shim.Error(err.Error())
		}
		n, _ := strconv.Atoi(string(old))
		return answer([]byte(strconv.Itoa(n+1)), stub.PutState(args[0], []byte(strconv.Itoa(n+1))))
	case "event":
		return answer(nil, errors.Join(stub.PutState(args[0], []byte("x")), stub.SetEvent(args[0], []byte(args[1]))))
	case "call":
		r := stub.InvokeChaincode(args[0], bytesOf(args[2:]), args[1])
		return shim.Success(fmt.Appendf(nil, "%d %s %s", r.GetStatus(), r.GetMessage(), r.GetPayload()))
	case "status":
		status, _ := strconv.Atoi(args[0])
		return &peerpb.Response{Status: int32(status), Message: args[1], Payload: []byte("payload")}
	case "private":
		return answer(nil, stub.PutPrivateData("collection", "key", []byte("value")))
	case "transient":
		transient, err := stub.GetTransient()
		return answer(transient["secret"], err)
	case "slow":
		time.Sleep(5 * time.Second)
		return shim.Success(nil)
	case "policy":
		return answer(nil, stub.SetStateValidationParameter(args[0], []byte(args[1])))
	}
	return shim.Error("no such function: " + name)
}

func bytesOf(args []string) [][]byte { return strs(args...) }

func withKitchen() options {
	return options{chaincodes: map[string]shim.Chaincode{"kitchen": kitchen, "other": kitchen}}
}

func TestDeployAndInvoke(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	both := n.firstPeers()
	if code, _ := n.MustSubmit(t, n.user(), call("kitchen", "put", "a", "1"), both...); code != peerpb.TxValidationCode_VALID {
		t.Fatalf("put: %s", code)
	}
	response := n.ask(t, both[1], n.user(), call("kitchen", "get", "a"))
	if got := string(response.GetResponse().GetPayload()); got != "1" {
		t.Errorf("the other peer reads %q, want 1", got)
	}
	if code, _ := n.MustSubmit(t, n.user(), call("kitchen", "put", "a", "2"), both[0]); code != peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE {
		t.Errorf("with one endorsement of two: %s", code)
	}
	n.MustAgree(t)
}

// MustAgree compares the peers' chains and states.
func (n *network) MustAgree(t testing.TB) {
	t.Helper()
	var height uint64
	for _, p := range n.peers {
		height = max(height, p.Ledger(channelName).Height())
	}
	var first peer.ChannelStatus
	for name, p := range n.peers {
		MustHeight(t, p, height)
		status := p.Status().Channels[0]
		if first.Name == "" {
			first = status
		}
		if !bytes.Equal(status.Hash, first.Hash) || !bytes.Equal(status.CommitHash, first.CommitHash) {
			t.Errorf("%s has hash %x and commit hash %x, another peer %x and %x", name, status.Hash, status.CommitHash, first.Hash, first.CommitHash)
		}
	}
}

func TestRestartFindsChannelsAndCatchesUp(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	away := "peer0.org2.example.com"
	if err := n.peers[away].Kill(); err != nil {
		t.Fatal(err)
	}
	delete(n.peers, away)
	for i := range 30 {
		n.MustSubmit(t, n.user(), call("kitchen", "put", "k"+strconv.Itoa(i), "v"), "peer0.org1.example.com")
	}
	back := n.MustStart(away)
	n.introduce()
	MustHeight(t, back, n.peer0().Ledger(channelName).Height())
	n.MustAgree(t)
	response := n.ask(t, away, n.user(), call("kitchen", "get", "nothing"))
	if response.GetResponse().GetStatus() != 200 || response.GetEndorsement() == nil {
		t.Errorf("after the restart: %v", response.GetResponse())
	}
}

func TestPullsFromAnotherOrderer(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	p := n.peer0()
	from := p.Status().Channels[0].Orderer
	for _, s := range n.orderers {
		if s.target.Name == from {
			s.server.Stop()
		}
	}
	n.MustSubmit(t, n.user(), call("kitchen", "put", "a", "1"), n.firstPeers()...)
	if now := p.Status().Channels[0].Orderer; now == from || now == "" {
		t.Errorf("blocks come from %q, before from %q", now, from)
	}
}

// An ordering node whose block no peer may take is left, and everybody hears which node
// made it and what can be done.
func TestBadBlockIsRefused(t *testing.T) {
	orgs, err := makeOrganisations()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		signer   *msp.Signer
		envelope *commonpb.Envelope
		says     []string
	}{
		"forged": {orgs.one.Node("peer1.org1.example.com").Signer, &commonpb.Envelope{Payload: []byte("x"), Signature: []byte("y")},
			[]string{"is not signed as the channel demands", "made by peer1.org1.example.com (Org1MSP", "remove that node"}},
		"an insider's": {orgs.ordering.Node("orderer1.example.com").Signer, &commonpb.Envelope{Payload: []byte("x")},
			[]string{"has no signature", "made by orderer1.example.com (OrdererMSP", "remove that node"}},
	} {
		t.Run(name, func(t *testing.T) { refuseBadBlock(t, c.signer, c.envelope, c.says) })
	}
}

func refuseBadBlock(t *testing.T, signer *msp.Signer, envelope *commonpb.Envelope, says []string) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	p := n.peer0()
	forged := &chain{signer: signer}
	for number := range p.Ledger(channelName).Height() {
		b, err := p.Ledger(channelName).Block(number)
		if err != nil {
			t.Fatal(err)
		}
		forged.add(b)
	}
	if err := forged.order(envelope); err != nil {
		t.Fatal(err)
	}
	evil := n.MustOrderer("orderer0")
	evil.chain = forged
	evil.seeks.Lookup = func(string) (*deliver.Channel, bool) {
		return &deliver.Channel{Source: forged, Judge: func(policy.Signed) (time.Time, error) { return time.Time{}, nil }}, true
	}
	good := n.orderers[0].target
	n.orderers = []*solo{evil}
	for _, s := range []*peer.Peer{n.peers["peer0.org1.example.com"], n.peers["peer0.org2.example.com"]} {
		s.SetOrderers([]link.Target{evil.target}) // the old connections are closed
	}
	told := n.MustEvent(t, func(e trace.Event) bool {
		return e.Kind == trace.ErrorEvent && e.Node == "peer0.org1.example.com" && strings.Contains(e.Note, "is refused")
	})
	stopped := fmt.Sprint(p.Status().Channels[0].Stopped)
	for _, part := range says {
		if !strings.Contains(told.Note, part) || !strings.Contains(stopped, part) {
			t.Errorf("event %q and status %q do not both say %q", told.Note, stopped, part)
		}
	}
	for _, s := range n.peers {
		s.SetOrderers([]link.Target{evil.target, good})
	}
	if code, _ := n.MustSubmit(t, n.user(), call("kitchen", "put", "a", "1"), n.firstPeers()...); code != peerpb.TxValidationCode_VALID {
		t.Error(code)
	}
	n.MustAgree(t)
}

// An ordering node that stands still without saying so does not keep a peer back.
func TestStandstillIsNoticed(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	frozen := &chain{signer: n.chain.signer}
	for number := range n.peer0().Ledger(channelName).Height() {
		b, err := n.chain.Block(number)
		if err != nil {
			t.Fatal(err)
		}
		frozen.add(b)
	}
	stuck := n.MustOrderer("orderer1")
	stuck.seeks.Lookup = func(string) (*deliver.Channel, bool) {
		return &deliver.Channel{Source: frozen, Judge: func(policy.Signed) (time.Time, error) { return time.Time{}, nil }}, true
	}
	for name, p := range n.peers {
		before := n.trace.Last()
		p.SetOrderers([]link.Target{stuck.target}) // its connection to the other one is closed
		n.MustEvent(t, func(e trace.Event) bool {
			return e.Seq > before && e.Kind == trace.Seek && e.Dir == trace.Received && e.Node == stuck.target.Name && e.Other == name
		})
		p.SetOrderers([]link.Target{stuck.target, n.orderers[0].target})
	}
	for range 3 {
		if code, _ := n.MustSubmit(t, n.user(), call("kitchen", "put", "a", "1"), n.firstPeers()...); code != peerpb.TxValidationCode_VALID {
			t.Error(code)
		}
	}
	n.MustAgree(t)
}

func TestAnswersOfAChaincode(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	n.MustDeploy(t, "asset", definition{name: "other"})
	at := n.firstPeers()[0]
	for _, test := range []struct {
		name               string
		call               []string
		status             int32
		message            string
		payload            string
		endorsed, payload2 bool
	}{
		{"success", []string{"get", "none"}, 200, "", "", true, true},
		{"299", []string{"status", "299", "fine"}, 299, "fine", "payload", true, true},
		{"399", []string{"status", "399", "fine"}, 399, "fine", "payload", true, true},
		{"400", []string{"status", "400", "soft"}, 400, "soft", "payload", false, false},
		{"499", []string{"status", "499", "soft"}, 499, "soft", "payload", false, false},
		{"500", []string{"status", "500", "hard"}, 500, "hard", "payload", false, true},
		{"call", []string{"call", "other", "", "put", "x", "1"}, 200, "", "200  ", true, true},
		{"call with version", []string{"call", "other:7", "", "put", "x", "1"}, 200, "", "200  ", true, true},
		{"call of nobody", []string{"call", "nobody", "", "get"}, 200, "", "500  INVOKE_CHAINCODE failed: transaction ID: TX: execute failed: invalid invocation: [channel mychannel] failed to get chaincode container info for nobody: chaincode nobody not found", true, true},
		{"call of itself", []string{"call", "kitchen", "", "get", "a"}, 200, "", "500  INVOKE_CHAINCODE failed: transaction ID: TX: execute failed: error sending: txid: TX(mychannel) exists", true, true},
		{"call of qscc", []string{"call", "qscc", "", "GetChainInfo", channelName}, 200, "", "500 Rejecting invoke of QSCC from another chaincode because of potential for deadlocks, original invocation for 'kitchen' ", true, true},
		{"call of cscc", []string{"call", "cscc", "", "GetChannels"}, 200, "", "500 Rejecting invoke of CSCC from another chaincode, original invocation for 'kitchen' ", true, true},
		{"call on another channel", []string{"call", "other", "nowhere", "get", "a"}, 200, "", "500  INVOKE_CHAINCODE failed: transaction ID: TX: Failed to get policy manager for channel [nowhere]", true, true},
		{"private data", []string{"private"}, 500, "PUT_STATE failed: transaction ID: TX: private data collections are not served to chaincodes yet, see \"Private data\" in docs/DIVERGENCE.md; keep the value in the public state or outside the ledger", "", false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			proposal, signed := MustPropose(t, n.user(), call("kitchen", test.call...))
			response, err := n.endorse(at, signed)
			if err != nil {
				t.Fatal(err)
			}
			plain := func(s string) string { return strings.ReplaceAll(s, proposal.TxID, "TX") }
			r := response.GetResponse()
			if r.GetStatus() != test.status || plain(r.GetMessage()) != test.message || plain(string(r.GetPayload())) != test.payload {
				t.Errorf("answer %d %q %q\n want %d %q %q", r.GetStatus(), plain(r.GetMessage()), plain(string(r.GetPayload())), test.status, test.message, test.payload)
			}
			if got := response.GetEndorsement() != nil; got != test.endorsed {
				t.Errorf("endorsed: %t", got)
			}
			if got := len(response.GetPayload()) > 0; got != test.payload2 {
				t.Errorf("with payload: %t", got)
			}
			version := int32(0)
			if test.endorsed {
				version = 1
			}
			if response.GetTimestamp() != nil || response.GetVersion() != version {
				t.Errorf("version %d, want %d; timestamp %v", response.GetVersion(), version, response.GetTimestamp())
			}
		})
	}
}

func TestEventsAreTraced(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	_, id := n.MustSubmit(t, n.user(), call("kitchen", "put", "a", "1"), n.firstPeers()...)
	events, _, _ := n.trace.Since(0, 1<<20)
	seen := map[trace.Kind]int{}
	for _, e := range events {
		if e.TxID == id && (e.Node == "peer0.org1.example.com" || e.Node == "peer0.org2.example.com") {
			seen[e.Kind]++
		}
	}
	for _, kind := range []trace.Kind{trace.Proposal, trace.SimulateStart, trace.WriteAdded, trace.SimulateEnd, trace.Endorsed, trace.ProposalResponse, trace.Verdict} {
		if seen[kind] < 2 {
			t.Errorf("%s was recorded %d times, want at both peers", kind, seen[kind])
		}
	}
	committed := 0
	for _, e := range events {
		if e.Kind == trace.Committed && e.Note != "" {
			committed++
		}
	}
	if committed == 0 {
		t.Error("no committed block was recorded")
	}
}
