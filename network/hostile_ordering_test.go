package network_test

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	gossippb "github.com/hyperledger/fabric-protos-go-apiv2/gossip"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/orderer/clusterpb"
)

// message is the header of an endorser transaction, with a change.
func message(change func(*commonpb.ChannelHeader)) *commonpb.ChannelHeader {
	h := &commonpb.ChannelHeader{Type: int32(commonpb.HeaderType_ENDORSER_TRANSACTION), ChannelId: "mychannel", TxId: "x"}
	if change != nil {
		change(h)
	}
	return h
}

func TestWrongEnvelopes(t *testing.T) {
	n := mustStart(t, `
organizations: [{name: Org1, peers: 1}, {name: Org2, peers: 1}]
orderers: {nodes: 3}
block: {cut: idle, absoluteMaxBytes: 1 MB}
chaincodes: [{name: counter, sample: counter}]
runtime: process
`)
	user := n.mustUser1()
	typed := func(of commonpb.HeaderType) *commonpb.Envelope {
		return mustEnvelope(t, user, message(func(h *commonpb.ChannelHeader) { h.Type = int32(of) }), []byte("x"))
	}
	unsigned := mustEnvelope(t, user, message(nil), []byte("x"))
	unsigned.Signature = nil
	wrong := mustEnvelope(t, user, message(nil), []byte("x"))
	wrong.Signature = flip(wrong.Signature)
	before := n.mustAgree()
	for _, c := range []struct {
		name     string
		envelope *commonpb.Envelope
		want     commonpb.Status
		says     string
	}{
		{"empty", &commonpb.Envelope{}, commonpb.Status_BAD_REQUEST, ""},
		{"unknown channel", mustEnvelope(t, user, message(func(h *commonpb.ChannelHeader) { h.ChannelId = "nowhere" }), []byte("x")), commonpb.Status_BAD_REQUEST, "channel does not exist"},
		{"a configuration", typed(commonpb.HeaderType_CONFIG), commonpb.Status_BAD_REQUEST, "cannot be processed directly"},
		{"a message of ordering nodes", typed(commonpb.HeaderType_ORDERER_TRANSACTION), commonpb.Status_BAD_REQUEST, "no longer supported"},
		{"a configuration update of rubbish", typed(commonpb.HeaderType_CONFIG_UPDATE), commonpb.Status_BAD_REQUEST, ""},
		{"too large", mustEnvelope(t, user, message(nil), make([]byte, 2<<20)), commonpb.Status_BAD_REQUEST, "exceeds maximum allowed"},
		{"unsigned", unsigned, commonpb.Status_FORBIDDEN, ""},
		{"wrongly signed", wrong, commonpb.Status_FORBIDDEN, "permission denied"},
		{"a stranger", mustEnvelope(t, stranger(t, "Org1MSP"), message(nil), []byte("x")), commonpb.Status_FORBIDDEN, "permission denied"},
		{"expired", mustEnvelope(t, n.mustIssue("org1.example.com", "Org1MSP", "client", time.Now().Add(-time.Minute)), message(nil), []byte("x")), commonpb.Status_BAD_REQUEST, "identity expired"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, node := range []string{"orderer.example.com", "orderer2.example.com", "orderer3.example.com"} {
				r := mustBroadcast(t, n.mustDial(node, "example.com"), c.envelope)
				if r.GetStatus() != c.want {
					t.Errorf("%s: %v, want %s", node, r, c.want)
				}
				mustContain(t, r.GetInfo(), c.says)
			}
		})
	}
	// What could never be ordered is refused by the gateway before anybody simulates it.
	large := network.Call{Chaincode: "counter", Function: "Increment", Raw: [][]byte{make([]byte, 2<<20)}, Flow: network.Gateway}
	_, err := n.mustClient("User1@Org1").Submit(n.ctx(), large)
	mustContain(t, fmt.Sprint(err), "AbsoluteMaxBytes", "1048576")
	if simulated := n.Events(network.EventFilter{Kind: string(trace.SimulateStart), Key: "counter"}); len(simulated) > 0 {
		t.Errorf("it was simulated: %+v", simulated)
	}
	if after := n.mustAgree(); after != before {
		t.Errorf("refused envelopes made %d blocks", after-before)
	}
	n.mustSubmit(call("counter", "Increment", "alive"))
}

// What the ordering service takes, because it looks at nothing inside, the peers
// judge: nonsense is in a block, has its code, and changes nothing.
func TestOrderedNonsense(t *testing.T) {
	n := mustStart(t, small)
	n.mustDeploySample("counter")
	orderer := n.mustDial("orderer.example.com", "example.com")
	user := n.mustUser1()
	used := n.mustSubmit(call("counter", "Increment", "nonsense"))
	processed := mustUnmarshal(t, []byte(n.mustEvaluate(call("qscc", "GetTransactionByID", "mychannel", used.TxID))), &peerpb.ProcessedTransaction{})
	replayed := processed.GetTransactionEnvelope()
	other := mustEnvelope(t, n.mustSigner("org2.example.com", "User1", "Org2MSP"), message(nil), []byte("x"))
	samples := map[string]*commonpb.Envelope{
		"replayed":                       replayed,
		"a header without a transaction": mustEnvelope(t, user, message(nil), nil),
		"a message":                      mustEnvelope(t, user, message(func(h *commonpb.ChannelHeader) { h.Type = int32(commonpb.HeaderType_MESSAGE) }), []byte("x")),
		"a type that there is not":       mustEnvelope(t, user, message(func(h *commonpb.ChannelHeader) { h.Type = 77 }), []byte("x")),
		"a negative type":                mustEnvelope(t, user, message(func(h *commonpb.ChannelHeader) { h.Type = -5 }), []byte("x")),
		"a seek":                         mustEnvelope(t, user, message(func(h *commonpb.ChannelHeader) { h.Type = int32(commonpb.HeaderType_DELIVER_SEEK_INFO) }), []byte("x")),
		"an epoch":                       mustEnvelope(t, user, message(func(h *commonpb.ChannelHeader) { h.Epoch = 3 }), []byte("x")),
		"a strange time":                 mustEnvelope(t, user, message(func(h *commonpb.ChannelHeader) { h.Timestamp = &timestamppb.Timestamp{Seconds: 1 << 60, Nanos: -9} }), []byte("x")),
		"a transaction id that is wrong": other,
	}
	for name, b := range rubbish() {
		samples["a transaction of "+name] = mustEnvelope(t, user, message(nil), b)
	}
	before := n.mustEvaluate(call("counter", "Get", "nonsense"))
	for name, e := range samples {
		if r := mustBroadcast(t, orderer, e); r.GetStatus() != commonpb.Status_SUCCESS {
			t.Errorf("%s: the ordering service looked inside: %v", name, r)
		}
	}
	n.mustSubmit(call("counter", "Increment", "alive"))
	height := n.mustAgree()
	invalid := 0
	for _, b := range n.mustBlocks("peer0.org1.example.com", height) {
		for i, code := range wire.Filter(b) {
			tx, err := wire.ParseTransaction(b.GetData().GetData()[i])
			if code == 0 && (err != nil || len(tx.Problems) > 0) {
				t.Errorf("block %d: %v is valid", b.GetHeader().GetNumber(), tx.Problems)
			}
			if code != 0 {
				invalid++
			}
		}
	}
	if invalid != len(samples) {
		t.Errorf("%d invalid transactions, %d were sent", invalid, len(samples))
	}
	if after := n.mustEvaluate(call("counter", "Get", "nonsense")); after != before {
		t.Errorf("the counter stood at %s and stands at %s", before, after)
	}
	for _, e := range n.Events(network.EventFilter{Kind: string(trace.Verdict), Node: "peer0.org1"}) {
		if e.Key != "VALID" && e.Note == "" {
			t.Errorf("transaction %s has code %s and no reason", e.TxID, e.Key)
		}
	}
}

// Streams that Deliver must not serve.
func TestWrongSeeks(t *testing.T) {
	n := mustStart(t, small)
	user := n.mustUser1()
	all := &ordererpb.SeekInfo{Start: oldest, Stop: newest}
	unsigned := mustSeek(t, user, "mychannel", all)
	unsigned.Signature = nil
	at := func(when *timestamppb.Timestamp) *commonpb.Envelope {
		return mustEnvelope(t, user, &commonpb.ChannelHeader{Type: 5, ChannelId: "mychannel", Timestamp: when}, mustMarshal(t, all))
	}
	for _, c := range []struct {
		name string
		seek *commonpb.Envelope
		want commonpb.Status
	}{
		{"unknown channel", mustSeek(t, user, "nowhere", all), commonpb.Status_NOT_FOUND},
		{"unsigned", unsigned, commonpb.Status_FORBIDDEN},
		{"a stranger", mustSeek(t, stranger(t, "Org1MSP"), "mychannel", all), commonpb.Status_FORBIDDEN},
		{"expired", mustSeek(t, n.mustIssue("org1.example.com", "Org1MSP", "client", time.Now().Add(-time.Minute)), "mychannel", all), commonpb.Status_FORBIDDEN},
		{"old", at(timestamppb.New(time.Now().Add(-time.Hour))), commonpb.Status_BAD_REQUEST},
		{"time zero", at(&timestamppb.Timestamp{}), commonpb.Status_BAD_REQUEST},
		{"to come", at(timestamppb.New(time.Now().Add(time.Hour))), commonpb.Status_BAD_REQUEST},
		{"a stop without a start", mustSeek(t, user, "mychannel", &ordererpb.SeekInfo{Stop: newest}), commonpb.Status_BAD_REQUEST},
		{"a start without a stop", mustSeek(t, user, "mychannel", &ordererpb.SeekInfo{Start: oldest}), commonpb.Status_BAD_REQUEST},
		{"positions of no kind", mustSeek(t, user, "mychannel", &ordererpb.SeekInfo{Start: &ordererpb.SeekPosition{}, Stop: &ordererpb.SeekPosition{}}), commonpb.Status_BAD_REQUEST},
		{"a strange time", at(&timestamppb.Timestamp{Seconds: 1 << 62, Nanos: 2_000_000_000}), commonpb.Status_BAD_REQUEST},
		{"no positions", mustSeek(t, user, "mychannel", &ordererpb.SeekInfo{}), commonpb.Status_BAD_REQUEST},
		{"rubbish", mustEnvelope(t, user, &commonpb.ChannelHeader{Type: 5, ChannelId: "mychannel"}, []byte{0xff, 0xff}), commonpb.Status_BAD_REQUEST},
	} {
		t.Run(c.name, func(t *testing.T) {
			orderer, err := ordererpb.NewAtomicBroadcastClient(n.mustDial("orderer.example.com", "example.com")).Deliver(within(t, patience))
			if err != nil {
				t.Fatal(err)
			}
			if err := orderer.Send(c.seek); err != nil {
				t.Fatal(err)
			}
			if r, err := orderer.Recv(); err != nil || r.GetStatus() != c.want {
				t.Errorf("ordering node: %v, %v, want %s", r, err, c.want)
			}
			peer, err := peerpb.NewDeliverClient(n.mustDial("peer0.org1", "org1.example.com")).DeliverFiltered(within(t, patience))
			if err != nil {
				t.Fatal(err)
			}
			if err := peer.Send(c.seek); err != nil {
				t.Fatal(err)
			}
			if r, err := peer.Recv(); err != nil || r.GetStatus() != c.want {
				t.Errorf("peer: %v, %v, want %s", r, err, c.want)
			}
		})
	}
}

// mustDialAs connects as a node or user does, with its TLS certificate.
func (n *net) mustDialAs(node, org, domain, member string) *grpc.ClientConn {
	n.t.Helper()
	load := func(domain string, orderer bool) *msp.Org {
		o, err := msp.LoadOrg(filepath.Join(n.Dir(), "organizations"), domain, orderer)
		if err != nil {
			n.t.Fatal(err)
		}
		return o
	}
	us, them := load(domain, domain == "example.com"), load(org, org == "example.com")
	m := us.Nodes[member]
	if m == nil {
		m = us.Users[member]
	}
	if m == nil {
		n.t.Fatalf("%s has no member %s", domain, member)
	}
	name, err := n.Nodes.Name(node)
	if err != nil {
		n.t.Fatal(err)
	}
	config := &tls.Config{RootCAs: them.TLSRoots(), ServerName: name, Certificates: []tls.Certificate{m.TLS}}
	conn, err := grpc.NewClient(n.addr(name), grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	return conn
}

// Only ordering nodes may speak Raft, and only peers of one organisation exchange
// its private data.
func TestServicesBetweenNodes(t *testing.T) {
	n := mustStart(t, `
organizations: [{name: Org1, peers: 1}, {name: Org2, peers: 1}]
orderers: {nodes: 3}
block: {cut: idle}
chaincodes: [{name: counter, sample: counter}]
runtime: process
`)
	leader, err := n.Nodes.Leader(n.ctx())
	if err != nil {
		t.Fatal(err)
	}
	// A node whose channel is just being made waits for it, but not for a stranger.
	speakRaft(t, n.mustDial(leader, "example.com"), "mychannel", "nowhere", "")
	speakRaft(t, n.mustDialAs(leader, "example.com", "org1.example.com", "peer0.org1.example.com"), "mychannel")
	speakRaft(t, n.mustDialAs(leader, "example.com", "example.com", "Admin@example.com"), "mychannel")
	private := &gossippb.GossipMessage{Channel: []byte("mychannel"), Content: &gossippb.GossipMessage_PrivateReq{PrivateReq: &gossippb.RemotePvtDataRequest{}}}
	for name, c := range map[string]struct {
		conn *grpc.ClientConn
		want codes.Code
	}{
		"without a certificate":     {n.mustDial("peer0.org1", "org1.example.com"), codes.PermissionDenied},
		"from another organisation": {n.mustDialAs("peer0.org1", "org1.example.com", "org2.example.com", "peer0.org2.example.com"), codes.PermissionDenied},
		"from the ordering service": {n.mustDialAs("peer0.org1", "org1.example.com", "example.com", "orderer.example.com"), codes.PermissionDenied},
		"from the own organisation": {n.mustDialAs("peer0.org1", "org1.example.com", "org1.example.com", "peer0.org1.example.com"), codes.OK},
	} {
		for _, method := range []string{"Fetch", "Push"} {
			err := c.conn.Invoke(within(t, patience), "/fabriscope.v1.Peer/"+method, private, &gossippb.GossipMessage{})
			if c.want != codes.OK && status.Code(err) != c.want || c.want == codes.OK && method == "Fetch" && err != nil {
				t.Errorf("%s %s: %v, want %s", method, name, err, c.want)
			}
		}
	}
	if now, err := n.Nodes.Leader(n.ctx()); err != nil || now != leader {
		t.Errorf("the leader was %s and is %s, %v", leader, now, err)
	}
	n.mustSubmit(call("counter", "Increment", "alive"))
}

// speakRaft tries everything that a false ordering node could try.
func speakRaft(t *testing.T, conn *grpc.ClientConn, channels ...string) {
	t.Helper()
	for _, channel := range channels {
		me := &clusterpb.Sender{Channel: channel, Protocol: 3, Name: "orderer2.example.com", Address: "127.0.0.1:1"}
		ctx := within(t, 20*time.Second)
		_, err := clusterpb.Invoke[clusterpb.AppendRequest, clusterpb.AppendReply](ctx, conn, clusterpb.MethodAppendEntries, &clusterpb.AppendRequest{Sender: me, Term: 1 << 40, Committed: 1 << 40})
		mustRefuse(t, "append", err)
		_, err = clusterpb.Invoke[clusterpb.VoteRequest, clusterpb.VoteReply](ctx, conn, clusterpb.MethodRequestVote, &clusterpb.VoteRequest{Sender: me, Term: 1 << 40, LastIndex: 1 << 40, LastTerm: 1 << 40, Transfer: true})
		mustRefuse(t, "vote", err)
		_, err = clusterpb.Invoke[clusterpb.TimeoutRequest, clusterpb.TimeoutReply](ctx, conn, clusterpb.MethodTimeoutNow, &clusterpb.TimeoutRequest{Sender: me})
		mustRefuse(t, "timeout now", err)
		change, err := clusterpb.Invoke[clusterpb.MemberRequest, clusterpb.MemberReply](ctx, conn, clusterpb.MethodChangeMember, &clusterpb.MemberRequest{Channel: channel, Name: "orderer3.example.com", Remove: true})
		if err == nil && change.GetError() == "" {
			t.Error("a stranger removed a member")
		}
		snapshot, err := clusterpb.OpenSnapshot(ctx, conn)
		if err == nil {
			_ = snapshot.Send(&clusterpb.SnapshotChunk{Sender: me, Term: 1 << 40, LastIndex: 1 << 40, Size: 1 << 60, Data: make([]byte, 1000)})
			_, err = snapshot.CloseAndRecv()
		}
		mustRefuse(t, "snapshot", err)
		forward, err := clusterpb.OpenForward(ctx, conn)
		if err == nil {
			_ = forward.Send(&clusterpb.ForwardRequest{Id: 1, Channel: channel, Payload: []byte("x")})
			_, err = forward.Recv()
		}
		mustRefuse(t, "forward", err)
	}
}

func mustRefuse(t *testing.T, what string, err error) {
	t.Helper()
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument, codes.Unavailable:
	default:
		t.Errorf("%s: %v, want a refusal", what, err)
	}
}

// The gateway's own requests, unsigned or by somebody else.
func TestWrongGatewayRequests(t *testing.T) {
	n := mustStart(t, small)
	gw := gatewaypb.NewGatewayClient(n.mustDial("peer0.org1", "org1.example.com"))
	user := n.mustUser1()
	signed := func(request *gatewaypb.CommitStatusRequest, by *msp.Signer) *gatewaypb.SignedCommitStatusRequest {
		raw := mustMarshal(t, request)
		signature, err := by.Sign(raw)
		if err != nil {
			t.Fatal(err)
		}
		return &gatewaypb.SignedCommitStatusRequest{Request: raw, Signature: signature}
	}
	of := func(id, channel string, who *msp.Signer) *gatewaypb.CommitStatusRequest {
		return &gatewaypb.CommitStatusRequest{TransactionId: id, ChannelId: channel, Identity: who.Creator()}
	}
	unsigned := signed(of("x", "mychannel", user), user)
	unsigned.Signature = nil
	for _, c := range []struct {
		name    string
		request *gatewaypb.SignedCommitStatusRequest
		want    codes.Code
	}{
		{"empty", &gatewaypb.SignedCommitStatusRequest{}, codes.InvalidArgument},
		{"rubbish", &gatewaypb.SignedCommitStatusRequest{Request: []byte{0xff}}, codes.InvalidArgument},
		{"no transaction", signed(of("", "mychannel", user), user), codes.InvalidArgument},
		{"unsigned", unsigned, codes.PermissionDenied},
		{"signed by somebody else", signed(of("x", "mychannel", user), stranger(t, "Org1MSP")), codes.PermissionDenied},
		{"unknown channel", signed(of("x", "nowhere", user), user), codes.PermissionDenied},
	} {
		if _, err := gw.CommitStatus(within(t, patience), c.request); status.Code(err) != c.want {
			t.Errorf("commit status, %s: %v, want %s", c.name, err, c.want)
		}
	}
	for name, request := range map[string]*gatewaypb.SubmitRequest{
		"empty":        {ChannelId: "mychannel"},
		"no payload":   {ChannelId: "mychannel", PreparedTransaction: &commonpb.Envelope{Signature: []byte("x")}},
		"unsigned":     {ChannelId: "mychannel", PreparedTransaction: &commonpb.Envelope{Payload: []byte("x")}},
		"wrong inside": {ChannelId: "mychannel", PreparedTransaction: &commonpb.Envelope{Payload: []byte("x"), Signature: []byte("x")}},
	} {
		if _, err := gw.Submit(within(t, patience), request); err == nil {
			t.Errorf("submit, %s: it succeeded", name)
		}
	}
	if _, err := gw.Evaluate(within(t, patience), &gatewaypb.EvaluateRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("evaluate nothing: %v", err)
	}
	if _, err := gw.Endorse(within(t, patience), &gatewaypb.EndorseRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("endorse nothing: %v", err)
	}
}

// A stranger at a peer's chaincode socket: who registers as a chaincode that
// nobody launched is turned away, and those that run go on.
func TestStrangerAtTheChaincodeSocket(t *testing.T) {
	n := mustStart(t, small)
	n.mustDeploySample("counter")
	n.until("the chaincode runs at both peers", func() (bool, error) {
		ready := 0
		for _, s := range n.Nodes.Status(n.ctx()) {
			for _, c := range s.Chaincodes {
				if c.Ready {
					ready++
				}
			}
		}
		return ready == 2, nil
	})
	sockets := chaincodeSockets(t)
	if len(sockets) == 0 {
		t.Fatal("no peer has a chaincode socket")
	}
	for _, path := range sockets {
		conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		id := func(name string) []byte { return mustMarshal(t, &peerpb.ChaincodeID{Name: name}) }
		for name, m := range map[string]*peerpb.ChaincodeMessage{
			"an unknown chaincode": {Type: peerpb.ChaincodeMessage_REGISTER, Payload: id("stranger:00")},
			"nobody":               {Type: peerpb.ChaincodeMessage_REGISTER},
			"rubbish":              {Type: peerpb.ChaincodeMessage_REGISTER, Payload: []byte{0xff, 0xff}},
			"a request at once":    {Type: peerpb.ChaincodeMessage_GET_STATE, Payload: []byte("x"), Txid: "x", ChannelId: "mychannel"},
			"an answer to nothing": {Type: peerpb.ChaincodeMessage_COMPLETED, Txid: "x", ChannelId: "mychannel"},
			"a type that is not":   {Type: 99},
			"the one that runs":    {Type: peerpb.ChaincodeMessage_REGISTER, Payload: id(runningPackage(t, n))},
		} {
			stream, err := peerpb.NewChaincodeSupportClient(conn).Register(within(t, patience))
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Send(m); err != nil {
				t.Fatal(err)
			}
			if r, err := stream.Recv(); err == nil {
				t.Errorf("%s: answered %v", name, r)
			}
		}
		for name, b := range rubbish() {
			refuse(t, conn, "/protos.ChaincodeSupport/Register", true, name, b)
		}
	}
	n.mustSubmit(call("counter", "Increment", "alive"))
}

func runningPackage(t *testing.T, n *net) string {
	t.Helper()
	for _, s := range n.Nodes.Status(n.ctx()) {
		for _, c := range s.Chaincodes {
			return c.PackageID
		}
	}
	t.Fatal("no chaincode runs")
	return ""
}

// chaincodeSockets finds the sockets of this test's peers.
func chaincodeSockets(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(tempDir(), "fabriscope-cc-*", "s", "cc.sock"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}
