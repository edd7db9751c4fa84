package link

import (
	"fmt"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// about describes one message of a method.
func about(method string, answer bool, message any) trace.Event {
	n := New(Config{})
	c := &call{net: n, method: n.method(method), self: "a", other: "b"}
	e := c.event(trace.Sent, answer, 0, message)
	e.Dir, e.Node, e.Other, e.Msg = 0, "", "", 0
	return e
}

// appendMessage is a message that describes itself.
type appendMessage struct{ entries int }

func (a appendMessage) DescribeMessage() trace.Event {
	if a.entries == 0 {
		return trace.Event{Kind: trace.RaftHeartbeat, Note: "term 3"}
	}
	return trace.Event{Channel: "mychannel", Block: 7, Note: fmt.Sprint(a.entries, " entries")}
}

func TestDescribe(t *testing.T) {
	must := func(m proto.Message) []byte {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	block := &commonpb.Block{Header: &commonpb.BlockHeader{Number: 9}, Data: &commonpb.BlockData{Data: [][]byte{{}}}}
	const stream, gateway, deliver, raft = "/protos.ChaincodeSupport/Register", "/gateway.Gateway/", "/protos.Deliver/Deliver", "/fabriscope.v1.Raft/"
	chaincode := func(kind peerpb.ChaincodeMessage_Type, payload proto.Message) *peerpb.ChaincodeMessage {
		return &peerpb.ChaincodeMessage{Type: kind, Txid: "aa", ChannelId: "ch", Payload: must(payload)}
	}
	expect := func(kind trace.Kind, key, note string) trace.Event {
		return trace.Event{Kind: kind, Channel: "ch", TxID: "aa", Key: key, Note: note}
	}
	with := func(e trace.Event, what trace.What, a int64) trace.Event {
		e.What, e.A = what, a
		return e
	}
	for _, test := range []struct {
		method  string
		answer  bool
		message any
		want    trace.Event
	}{
		{stream, false, chaincode(peerpb.ChaincodeMessage_PUT_STATE, &peerpb.PutState{Key: "k", Value: []byte("v")}), expect(trace.ChaincodePutState, "k", "")},
		{stream, false, chaincode(peerpb.ChaincodeMessage_GET_STATE_BY_RANGE, &peerpb.GetStateByRange{StartKey: "a", EndKey: "b"}), expect("chaincode.get_state_by_range", "a", "")},
		{stream, true, chaincode(peerpb.ChaincodeMessage_TRANSACTION, &peerpb.ChaincodeInput{Args: [][]byte{[]byte("Create"), []byte("1")}}), expect(trace.ChaincodeTransaction, "Create", "Create")},
		{stream, false, chaincode(peerpb.ChaincodeMessage_INVOKE_CHAINCODE, &peerpb.ChaincodeSpec{ChaincodeId: &peerpb.ChaincodeID{Name: "other/ch2"}}), expect("chaincode.invoke_chaincode", "other/ch2", "")},
		{stream, false, chaincode(peerpb.ChaincodeMessage_COMPLETED, &peerpb.Response{Status: 200, Message: "ignored"}), with(expect(trace.ChaincodeCompleted, "", "200"), trace.Accepted, 200)},
		{stream, false, &peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_ERROR, Txid: "aa", ChannelId: "ch", Payload: []byte("it \xff broke")}, with(expect(trace.ChaincodeError, "", "it \ufffd broke"), trace.Failed, 0)},
		{stream, false, &peerpb.ChaincodeMessage{Type: 77, Txid: "aa", ChannelId: "ch"}, with(expect(trace.ChaincodeUnknown, "", "type 77"), trace.Told, 77)},
		{"/protos.Endorser/ProcessProposal", true, &peerpb.ProposalResponse{Response: &peerpb.Response{Status: 500, Message: "no"}}, trace.Event{Kind: trace.ProposalResponse, Note: "500 no", What: trace.Rejected, A: 500}},
		{"/protos.Endorser/ProcessProposal", true, &peerpb.ProposalResponse{}, trace.Event{Kind: trace.ProposalResponse, Note: "no response", What: trace.Rejected}},
		{"/protos.Endorser/ProcessProposal", false, &peerpb.SignedProposal{ProposalBytes: []byte{255}}, trace.Event{Kind: trace.Proposal, Note: "not a proposal"}},
		{"/orderer.AtomicBroadcast/Broadcast", false, &commonpb.Envelope{Payload: []byte{255}}, trace.Event{Kind: trace.Broadcast, Note: "not an envelope"}},
		{"/orderer.AtomicBroadcast/Broadcast", true, &ordererpb.BroadcastResponse{Status: commonpb.Status_FORBIDDEN, Info: "why"}, trace.Event{Kind: trace.BroadcastAnswer, Note: "FORBIDDEN: why", What: trace.Rejected, A: 403}},
		{deliver, true, &peerpb.DeliverResponse{Type: &peerpb.DeliverResponse_Block{Block: block}}, trace.Event{Kind: trace.DeliverBlock, Block: 9, Note: "1 transaction", What: trace.Told, A: 1}},
		{deliver, true, &peerpb.DeliverResponse{Type: &peerpb.DeliverResponse_BlockAndPrivateData{BlockAndPrivateData: &peerpb.BlockAndPrivateData{Block: block}}}, trace.Event{Kind: trace.DeliverBlock, Block: 9, Note: "1 transaction", What: trace.Told, A: 1}},
		{deliver, true, &peerpb.DeliverResponse{Type: &peerpb.DeliverResponse_FilteredBlock{FilteredBlock: &peerpb.FilteredBlock{Number: 4}}}, trace.Event{Kind: trace.DeliverFiltered, Block: 4, Note: "0 transactions", What: trace.Told}},
		{deliver, true, &peerpb.DeliverResponse{Type: &peerpb.DeliverResponse_Status{Status: commonpb.Status_NOT_FOUND}}, trace.Event{Kind: trace.DeliverStatus, Note: "NOT_FOUND", What: trace.Rejected, A: 404}},
		{gateway + "Evaluate", false, &gatewaypb.EvaluateRequest{ChannelId: "ch", TransactionId: "aa"}, expect(trace.GatewayCall, "Evaluate", "")},
		{gateway + "CommitStatus", false, &gatewaypb.SignedCommitStatusRequest{Request: must(&gatewaypb.CommitStatusRequest{TransactionId: "aa", ChannelId: "ch"})}, expect(trace.GatewayCall, "CommitStatus", "")},
		{gateway + "CommitStatus", true, &gatewaypb.CommitStatusResponse{Result: peerpb.TxValidationCode_MVCC_READ_CONFLICT, BlockNumber: 5}, trace.Event{Kind: trace.GatewayAnswer, Key: "CommitStatus", Block: 5, Note: "MVCC_READ_CONFLICT", What: trace.Accepted, A: 200}},
		{gateway + "ChaincodeEvents", false, &gatewaypb.SignedChaincodeEventsRequest{Request: must(&gatewaypb.ChaincodeEventsRequest{ChannelId: "ch", ChaincodeId: "asset"})}, trace.Event{Kind: trace.GatewayCall, Channel: "ch", Key: "ChaincodeEvents", Note: "of chaincode asset"}},
		{raft + "AppendEntries", false, appendMessage{}, trace.Event{Kind: trace.RaftHeartbeat, Note: "term 3"}},
		{raft + "AppendEntriesPipeline", false, appendMessage{2}, trace.Event{Kind: trace.RaftAppend, Channel: "mychannel", Block: 7, Note: "2 entries"}},
		{raft + "RequestVote", true, nil, trace.Event{Kind: trace.RaftVoteReply}},
		{"/fabriscope.v1.Ordering/Forward", false, nil, trace.Event{Kind: trace.Forward}},
		{"/fabriscope.v1.Peer/Status", true, nil, trace.Event{Kind: trace.PeerAnswer, Key: "Status", What: trace.Accepted, A: 200}},
		{"/some.Service/Method", false, nil, trace.Event{Kind: trace.Other, Key: "/some.Service/Method"}},
	} {
		if got := about(test.method, test.answer, test.message); got != test.want {
			t.Errorf("%s %T:\n got %+v\nwant %+v", test.method, test.message, got, test.want)
		}
	}
}

// Whatever bytes come from outside, they are described within bounds.
func FuzzDescribe(f *testing.F) {
	f.Add(int32(8), []byte{10, 1, 'k'}, "ch", "aa")
	f.Add(int32(6), []byte{8, 200, 1}, "", "")
	f.Add(int32(6), []byte{8}, "", "")
	f.Add(int32(-5), []byte{255, 255}, "\xff", "\x00")
	f.Fuzz(func(t *testing.T, kind int32, payload []byte, channel, txid string) {
		for _, e := range []trace.Event{
			about("/protos.Chaincode/Connect", false, &peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_Type(kind), Payload: payload, ChannelId: channel, Txid: txid}),
			about("/protos.Endorser/ProcessProposal", false, &peerpb.SignedProposal{ProposalBytes: payload}),
			about("/protos.Deliver/Deliver", false, &commonpb.Envelope{Payload: payload}),
			about("/orderer.AtomicBroadcast/Broadcast", false, &commonpb.Envelope{Payload: payload}),
			about("/gateway.Gateway/CommitStatus", false, &gatewaypb.SignedCommitStatusRequest{Request: payload}),
			about("/gateway.Gateway/Submit", false, &gatewaypb.SubmitRequest{ChannelId: channel, TransactionId: txid}),
		} {
			if len(e.Channel) > maxChannel+3 || len(e.TxID) > maxTxID+3 || len(e.Key) > maxKey+3 || len(e.Note) > maxNote+3 || e.Kind == "" {
				t.Errorf("out of bounds: %+v", e)
			}
		}
	})
}

// A forgotten hold does not fill the memory.
func TestHeldMessagesAreBounded(t *testing.T) {
	n := New(Config{Trace: trace.NewRecorder(trace.Options{})})
	if err := n.SetHolds([]Hold{{ID: 1}}); err != nil {
		t.Fatal(err)
	}
	for i := range maxHeld + 1 {
		h := n.stop(&trace.Event{Kind: trace.Proposal, Msg: uint64(i + 1)}, nil)
		if (h != nil) != (i < maxHeld) {
			t.Fatalf("message %d: %v", i+1, h)
		}
	}
	if got := n.ReleaseAll(); got != maxHeld {
		t.Errorf("%d released", got)
	}
	if h := n.stop(&trace.Event{Kind: trace.Proposal}, nil); h == nil {
		t.Error("after the release nothing is held any more")
	}
}

func BenchmarkDescribe(b *testing.B) {
	n := New(Config{})
	c := &call{net: n, method: n.method("/protos.ChaincodeSupport/Register"), self: "a", other: "b", id: 7}
	m := &peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_GET_STATE, Txid: "aa", ChannelId: "ch", Payload: []byte{10, 3, 'k', 'e', 'y'}}
	position := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		position++
		if e := c.event(trace.Sent, false, position, m); e.Key != "key" {
			b.Fatal(e)
		}
	}
}
