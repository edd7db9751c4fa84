package peer_test

import (
	"context"
	"testing"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// quick is a chaincode that never keeps a fuzzer waiting.
var quick function = func(stub shim.ChaincodeStubInterface, name string, args []string) *peerpb.Response {
	if name == "slow" {
		return shim.Success(nil)
	}
	return shim.Success([]byte(name))
}

// MustFuzzNetwork is a network for many short calls.
func MustFuzzNetwork(f *testing.F) *network {
	n := MustNetwork(f, options{chaincodes: map[string]shim.Chaincode{"kitchen": quick}, timeout: time.Second})
	n.MustDeploy(f, "asset", definition{name: "kitchen"})
	return n
}

// checkSound fails if a call ended in a panic, which the link turns into Internal.
func checkSound(t *testing.T, n *network, err error) {
	t.Helper()
	if status.Code(err) == codes.Internal {
		t.Fatalf("the peer answers Internal: %v", err)
	}
}

// Whatever arrives as a proposal is answered. The targets here run a network, whose
// coverage varies by itself: fuzz them with -fuzzminimizetime 1x. The bytes are signed, so that they
// come as far as possible; what they hold is anybody's.
func FuzzProcessProposal(f *testing.F) {
	n := MustFuzzNetwork(f)
	at := n.firstPeers()[0]
	for _, spec := range []wire.ProposalSpec{
		call("kitchen", "get", "a"),
		{Chaincode: "cscc", Args: strs("GetChannels")},
		{Channel: channelName, Chaincode: "qscc", Args: strs("GetBlockByNumber", channelName, "0")},
		{Channel: channelName, Chaincode: "_lifecycle", Args: strs("QueryChaincodeDefinitions", "")},
		{Channel: channelName, Chaincode: "lscc", Args: strs("getchaincodes")},
		{Chaincode: "cscc", Args: strs("JoinChain", "\x0a\x02\x08\x00")},
	} {
		proposal, _ := MustPropose(f, n.user(), spec)
		f.Add(proposal.Bytes, true)
	}
	f.Add(nested(1000), true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, raw []byte, sign bool) {
		signed := &peerpb.SignedProposal{ProposalBytes: raw, Signature: []byte("x")}
		if sign {
			signature, err := n.user().Sign(raw)
			if err != nil {
				t.Fatal(err)
			}
			signed.Signature = signature
		}
		_, err := n.endorse(at, signed)
		checkSound(t, n, err)
	})
}

// FuzzArguments keeps the headers right and varies what system chaincodes get.
func FuzzArguments(f *testing.F) {
	n := MustFuzzNetwork(f)
	at := n.firstPeers()[0]
	for _, name := range []string{"_lifecycle", "qscc", "cscc", "lscc", "kitchen"} {
		f.Add(name, true, "InstallChaincode", []byte("x"), []byte(nil))
		f.Add(name, false, "ApproveChaincodeDefinitionForMyOrg", []byte("\x0a\x03abc"), []byte(nil))
		f.Add(name, true, "GetBlockByNumber", []byte(channelName), []byte("99999999999999999999"))
		f.Add(name, true, "JoinChain", nested(200), []byte(nil))
	}
	f.Fuzz(func(t *testing.T, name string, onChannel bool, function string, first, second []byte) {
		spec := wire.ProposalSpec{Chaincode: name, Args: [][]byte{[]byte(function), first, second}, Creator: n.admin().Creator()}
		if len(second) == 0 {
			spec.Args = spec.Args[:2]
		}
		if onChannel {
			spec.Channel = channelName
		}
		proposal, err := wire.NewProposal(spec)
		if err != nil {
			return // not text
		}
		signed, err := proposal.Sign(n.admin())
		if err != nil {
			t.Fatal(err)
		}
		_, err = n.endorse(at, signed)
		checkSound(t, n, err)
	})
}

// Every call of the gateway answers whatever it gets.
func FuzzGateway(f *testing.F) {
	n := MustFuzzNetwork(f)
	g := gatewaypb.NewGatewayClient(n.MustConn(n.firstPeers()[0]))
	_, signed := MustPropose(f, n.user(), call("kitchen", "get", "a"))
	f.Add(mustMarshal(f, &gatewaypb.EvaluateRequest{ChannelId: channelName, ProposedTransaction: signed}))
	f.Add(mustMarshal(f, &gatewaypb.EndorseRequest{ChannelId: channelName, ProposedTransaction: signed, EndorsingOrganizations: []string{"Org1MSP"}}))
	f.Add(mustMarshal(f, &gatewaypb.SubmitRequest{ChannelId: channelName, PreparedTransaction: &commonpb.Envelope{Payload: []byte("x"), Signature: []byte("y")}}))
	f.Add(mustMarshal(f, &gatewaypb.SignedCommitStatusRequest{Request: mustMarshal(f, &gatewaypb.CommitStatusRequest{TransactionId: "x", ChannelId: channelName, Identity: n.user().Creator()})}))
	f.Add(nested(100))
	f.Fuzz(func(t *testing.T, raw []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		evaluate, endorse, submit := &gatewaypb.EvaluateRequest{}, &gatewaypb.EndorseRequest{}, &gatewaypb.SubmitRequest{}
		commit, events := &gatewaypb.SignedCommitStatusRequest{}, &gatewaypb.SignedChaincodeEventsRequest{}
		if unmarshal(raw, evaluate) {
			_, err := g.Evaluate(ctx, evaluate)
			checkSound(t, n, err)
		}
		if unmarshal(raw, endorse) {
			_, err := g.Endorse(ctx, endorse)
			checkSound(t, n, err)
		}
		if unmarshal(raw, submit) && submit.GetChannelId() != channelName { // or the chain would grow rubbish
			_, err := g.Submit(ctx, submit)
			checkSound(t, n, err)
		}
		if unmarshal(raw, commit) {
			_, err := g.CommitStatus(ctx, commit)
			checkSound(t, n, err)
		}
		if unmarshal(raw, events) {
			stream, err := g.ChaincodeEvents(ctx, events)
			if err == nil {
				_, err = stream.Recv()
			}
			checkSound(t, n, err)
		}
	})
}

// Whatever a reader of blocks asks for, it gets blocks or a status.
func FuzzDeliverSeek(f *testing.F) {
	n := MustFuzzNetwork(f)
	client := peerpb.NewDeliverClient(n.MustConn(n.firstPeers()[0]))
	f.Add(mustMarshal(f, &ordererpb.SeekInfo{Start: specified(0), Stop: specified(0)}), uint8(0))
	f.Add(mustMarshal(f, &ordererpb.SeekInfo{Start: specified(1 << 62), Stop: specified(1 << 63)}), uint8(1))
	f.Add(nested(100), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, kind uint8) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		envelope := seek(t, n.user(), nil, nil)
		payload := &commonpb.Payload{}
		if !unmarshal(envelope.GetPayload(), payload) {
			t.Fatal("the test's own envelope")
		}
		payload.Data = data
		signed, err := wire.SignEnvelope(mustMarshal(t, payload), n.user())
		if err != nil {
			t.Fatal(err)
		}
		open := client.Deliver
		stream, err := open(ctx)
		switch kind % 3 {
		case 1:
			stream, err = client.DeliverFiltered(ctx)
		case 2:
			stream, err = client.DeliverWithPrivateData(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(signed); err != nil {
			checkSound(t, n, err)
			return
		}
		_, err = stream.Recv()
		checkSound(t, n, err)
	})
}

// nested is a message in a message in a message, and so on.
func nested(depth int) []byte {
	var b []byte
	for range depth {
		inner := b
		b = protowire.AppendTag(nil, 1, protowire.BytesType)
		b = protowire.AppendBytes(b, inner)
	}
	return b
}

// A message larger than any peer takes is refused, and the connection goes on.
func TestOversized(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	at := n.firstPeers()[0]
	_, err := n.endorse(at, &peerpb.SignedProposal{ProposalBytes: make([]byte, 101<<20)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("101 MiB: %v", err)
	}
	if r := n.ask(t, at, n.user(), call("kitchen", "get", "a")); r.GetResponse().GetStatus() != 200 {
		t.Errorf("after that: %v", r)
	}
}

// What was refused is in the trace, with its reason.
func TestRefusalsAreTraced(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	if _, err := n.endorse(n.firstPeers()[0], &peerpb.SignedProposal{ProposalBytes: []byte("\xff")}); err == nil {
		t.Fatal("rubbish is endorsed")
	}
	n.MustEvent(t, func(e trace.Event) bool {
		return e.Kind == trace.Refused && e.Node == n.firstPeers()[0] && e.Note != ""
	})
}

func unmarshal(raw []byte, into proto.Message) bool { return proto.Unmarshal(raw, into) == nil }
