package network_test

import (
	"context"
	"math"
	"path/filepath"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// These tests speak with the nodes as Fabric's peer command does: plain gRPC, no
// client certificate, identities from the folders.

// mustSigner reads a user's identity from its MSP folder.
func (n *net) mustSigner(org, user, mspID string) *msp.Signer {
	n.t.Helper()
	s, err := msp.LoadSigner(mspID, filepath.Join(n.Dir(), "organizations", "peerOrganizations", org, "users", user+"@"+org, "msp"))
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

func (n *net) mustUser1() *msp.Signer { return n.mustSigner("org1.example.com", "User1", "Org1MSP") }

func text(args ...string) [][]byte {
	out := make([][]byte, len(args))
	for i, a := range args {
		out[i] = []byte(a)
	}
	return out
}

// mustPropose builds and signs a proposal.
func mustPropose(t testing.TB, s *msp.Signer, spec wire.ProposalSpec) (*wire.Proposal, *peerpb.SignedProposal) {
	t.Helper()
	spec.Creator = s.Creator()
	p, err := wire.NewProposal(spec)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := p.Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	return p, signed
}

func mustProcess(t testing.TB, conn *grpc.ClientConn, signed *peerpb.SignedProposal) *peerpb.ProposalResponse {
	t.Helper()
	r, err := peerpb.NewEndorserClient(conn).ProcessProposal(within(t, patience), signed)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// mustSeek signs a seek.
func mustSeek(t testing.TB, s *msp.Signer, channel string, info *ordererpb.SeekInfo) *commonpb.Envelope {
	t.Helper()
	return mustEnvelope(t, s, &commonpb.ChannelHeader{Type: int32(commonpb.HeaderType_DELIVER_SEEK_INFO), ChannelId: channel}, mustMarshal(t, info))
}

// mustEnvelope signs an envelope; the time is now unless the header has one.
func mustEnvelope(t testing.TB, s *msp.Signer, header *commonpb.ChannelHeader, data []byte) *commonpb.Envelope {
	t.Helper()
	if header.Timestamp == nil {
		header.Timestamp = timestamppb.Now()
	}
	payload := mustMarshal(t, &commonpb.Payload{
		Header: &commonpb.Header{
			ChannelHeader:   mustMarshal(t, header),
			SignatureHeader: mustMarshal(t, &commonpb.SignatureHeader{Creator: s.Creator(), Nonce: wire.NewNonce()}),
		},
		Data: data,
	})
	e, err := wire.SignEnvelope(payload, s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustMarshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustUnmarshal[M proto.Message](t testing.TB, b []byte, m M) M {
	t.Helper()
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatal(err)
	}
	return m
}

var (
	newest = &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Newest{Newest: &ordererpb.SeekNewest{}}}
	oldest = &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Oldest{Oldest: &ordererpb.SeekOldest{}}}
)

func blockNumber(n uint64) *ordererpb.SeekPosition {
	return &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Specified{Specified: &ordererpb.SeekSpecified{Number: n}}}
}

func TestFlowsOfThePeerCommand(t *testing.T) {
	n := mustStart(t, small)
	n.mustDeploySample("counter")
	for _, test := range []struct {
		name string
		run  func(*testing.T, *net)
	}{
		{"query", cliQuery},
		{"ledger queries", cliLedgerQueries},
		{"calls without a channel", cliChannelLess},
		{"fetch from the orderer", cliFetchFromOrderer},
		{"fetch from a peer", cliFetchFromPeer},
		{"invoke and wait for the event", cliInvoke},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, &net{Network: n.Network, t: t}) })
	}
}

// "peer chaincode query" wants an endorsement although it orders nothing.
func cliQuery(t *testing.T, n *net) {
	conn := n.mustDial("peer0.org1", "org1.example.com")
	_, signed := mustPropose(t, n.mustUser1(), wire.ProposalSpec{Channel: "mychannel", Chaincode: "counter", Args: text("Get", "cli"), SpecType: peerpb.ChaincodeSpec_GOLANG})
	r := mustProcess(t, conn, signed)
	if r.GetEndorsement() == nil || r.GetResponse().GetStatus() != 200 || string(r.GetResponse().GetPayload()) != "0" || r.GetVersion() != 1 {
		t.Errorf("got %v", r)
	}
	// qscc on a channel is endorsed like any chaincode.
	_, signed = mustPropose(t, n.mustUser1(), wire.ProposalSpec{Channel: "mychannel", Chaincode: "qscc", Args: text("GetChainInfo", "mychannel")})
	if r := mustProcess(t, conn, signed); r.GetEndorsement() == nil || r.GetResponse().GetStatus() != 200 {
		t.Errorf("qscc: got %v", r)
	}
}

func cliLedgerQueries(t *testing.T, n *net) {
	tx := n.mustSubmit(call("counter", "Increment", "ledger"))
	info := mustUnmarshal(t, []byte(n.mustEvaluate(call("qscc", "GetChainInfo", "mychannel"))), &commonpb.BlockchainInfo{})
	if info.GetHeight() <= tx.Block {
		t.Errorf("the height is %d, the transaction is in block %d", info.GetHeight(), tx.Block)
	}
	ask := func(function, arg string) *commonpb.Block {
		return mustUnmarshal(t, []byte(n.mustEvaluate(call("qscc", function, "mychannel", arg))), &commonpb.Block{})
	}
	last := ask("GetBlockByNumber", "18446744073709551615")
	if string(wire.BlockHash(last.GetHeader())) != string(info.GetCurrentBlockHash()) {
		t.Errorf("the newest block is %d, not the one that the chain info names", last.GetHeader().GetNumber())
	}
	byHash, byTx := ask("GetBlockByHash", string(info.GetCurrentBlockHash())), ask("GetBlockByTxID", tx.TxID)
	if !proto.Equal(byHash, last) || byTx.GetHeader().GetNumber() != tx.Block || len(wire.Filter(byTx)) != 1 {
		t.Errorf("by hash: block %d; by transaction: block %d", byHash.GetHeader().GetNumber(), byTx.GetHeader().GetNumber())
	}
	processed := mustUnmarshal(t, []byte(n.mustEvaluate(call("qscc", "GetTransactionByID", "mychannel", tx.TxID))), &peerpb.ProcessedTransaction{})
	if processed.GetValidationCode() != 0 {
		t.Errorf("its code is %d", processed.GetValidationCode())
	}
	got, err := wire.ParseTransaction(mustMarshal(t, processed.GetTransactionEnvelope()))
	if err != nil || got.TxID != tx.TxID || len(got.Endorsements) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = n.mustClient("User1@Org1").Evaluate(n.ctx(), call("qscc", "GetTransactionByID", "mychannel", "nonsense"))
	if err == nil {
		t.Fatal("there is a transaction called nonsense")
	}
	mustContain(t, err.Error(), "Failed to get transaction with id nonsense, error ")
}

func cliChannelLess(t *testing.T, n *net) {
	conn := n.mustDial("peer0.org2", "org2.example.com")
	bob := n.mustSigner("org2.example.com", "User1", "Org2MSP")
	for _, spec := range []wire.ProposalSpec{
		{Chaincode: "cscc", Args: text("GetChannels")},
		{Chaincode: "cscc", Args: text("GetChannels"), Type: commonpb.HeaderType_CONFIG},
	} {
		_, signed := mustPropose(t, bob, spec)
		r := mustProcess(t, conn, signed)
		channels := mustUnmarshal(t, r.GetResponse().GetPayload(), &peerpb.ChannelQueryResponse{})
		if len(channels.GetChannels()) != 1 || channels.GetChannels()[0].GetChannelId() != "mychannel" {
			t.Errorf("got %v", channels)
		}
		if r.GetEndorsement() != nil || len(r.GetPayload()) != 0 {
			t.Errorf("a call without a channel is endorsed: %v", r)
		}
	}
	// "peer channel getinfo"
	_, signed := mustPropose(t, bob, wire.ProposalSpec{Chaincode: "qscc", Args: text("GetChainInfo", "mychannel")})
	r := mustProcess(t, conn, signed)
	if info := mustUnmarshal(t, r.GetResponse().GetPayload(), &commonpb.BlockchainInfo{}); info.GetHeight() == 0 || r.GetEndorsement() != nil {
		t.Errorf("got %v", r)
	}
	_, signed = mustPropose(t, bob, wire.ProposalSpec{Chaincode: "cscc", Args: text("GetConfigBlock", "mychannel"), Type: commonpb.HeaderType_CONFIG})
	block := mustUnmarshal(t, mustProcess(t, conn, signed).GetResponse().GetPayload(), &commonpb.Block{})
	if block.GetHeader().GetNumber() != 0 || !wire.IsConfigBlock(block) {
		t.Errorf("the configuration block is %d", block.GetHeader().GetNumber())
	}
	// Only administrators join channels.
	_, signed = mustPropose(t, bob, wire.ProposalSpec{Chaincode: "cscc", Args: [][]byte{[]byte("JoinChain"), mustMarshal(t, block)}, Type: commonpb.HeaderType_CONFIG})
	if r := mustProcess(t, conn, signed); r.GetResponse().GetStatus() != 500 {
		t.Errorf("a client joins a channel: %v", r)
	}
}

// "peer channel fetch config": newest first, then, on the same stream, the block
// that its metadata names.
func cliFetchFromOrderer(t *testing.T, n *net) {
	n.mustSubmit(call("counter", "Increment", "fetch"))
	conn := n.mustDial("orderer.example.com", "example.com")
	stream, err := ordererpb.NewAtomicBroadcastClient(conn).Deliver(within(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(start, stop *ordererpb.SeekPosition) *commonpb.Block {
		t.Helper()
		if err := stream.Send(mustSeek(t, n.mustUser1(), "mychannel", &ordererpb.SeekInfo{Start: start, Stop: stop})); err != nil {
			t.Fatal(err)
		}
		first, err := stream.Recv()
		if err != nil || first.GetBlock() == nil {
			t.Fatalf("got %v, %v, want a block", first, err)
		}
		second, err := stream.Recv()
		if err != nil || second.GetStatus() != commonpb.Status_SUCCESS {
			t.Fatalf("got %v, %v, want SUCCESS", second, err)
		}
		return first.GetBlock()
	}
	last := fetch(newest, newest)
	if last.GetHeader().GetNumber() == 0 || len(last.GetMetadata().GetMetadata()) != 5 || len(wire.Filter(last)) != 0 {
		t.Errorf("block %d has %d metadata entries and %d verdicts", last.GetHeader().GetNumber(), len(last.GetMetadata().GetMetadata()), len(wire.Filter(last)))
	}
	index, err := wire.LastConfig(last)
	if err != nil {
		t.Fatal(err)
	}
	if config := fetch(blockNumber(index), blockNumber(index)); !wire.IsConfigBlock(config) {
		t.Errorf("block %d is no configuration block", index)
	}
	if first := fetch(oldest, oldest); first.GetHeader().GetNumber() != 0 {
		t.Errorf("the oldest block is %d", first.GetHeader().GetNumber())
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
}

func cliFetchFromPeer(t *testing.T, n *net) {
	conn := n.mustDial("peer0.org1", "org1.example.com")
	for _, c := range []struct {
		name string
		seek *ordererpb.SeekInfo
		want commonpb.Status
	}{
		{"the newest", &ordererpb.SeekInfo{Start: newest, Stop: newest}, commonpb.Status_SUCCESS},
		{"a block that is not there yet", &ordererpb.SeekInfo{Start: newest, Stop: blockNumber(math.MaxUint64), Behavior: ordererpb.SeekInfo_FAIL_IF_NOT_READY}, commonpb.Status_NOT_FOUND},
		{"far beyond the end", &ordererpb.SeekInfo{Start: blockNumber(1 << 40), Stop: blockNumber(1 << 41)}, commonpb.Status_NOT_FOUND},
		{"backwards", &ordererpb.SeekInfo{Start: blockNumber(1), Stop: blockNumber(0)}, commonpb.Status_BAD_REQUEST},
		{"from nowhere", &ordererpb.SeekInfo{Stop: newest}, commonpb.Status_BAD_REQUEST},
	} {
		stream, err := peerpb.NewDeliverClient(conn).Deliver(within(t, patience))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(mustSeek(t, n.mustUser1(), "mychannel", c.seek)); err != nil {
			t.Fatal(err)
		}
		for {
			r, err := stream.Recv()
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if r.GetBlock() != nil {
				if len(wire.Filter(r.GetBlock())) != len(r.GetBlock().GetData().GetData()) {
					t.Errorf("%s: block %d lacks verdicts", c.name, r.GetBlock().GetHeader().GetNumber())
				}
				continue
			}
			if r.GetStatus() != c.want {
				t.Errorf("%s: %s, want %s", c.name, r.GetStatus(), c.want)
			}
			break
		}
	}
}

// "peer chaincode invoke --waitForEvent": listen at every peer, ask both endorsers,
// broadcast, wait for the transaction in a filtered block.
func cliInvoke(t *testing.T, n *net) {
	user := n.mustUser1()
	peers := []*grpc.ClientConn{n.mustDial("peer0.org1", "org1.example.com"), n.mustDial("peer0.org2", "org2.example.com")}
	proposal, signed := mustPropose(t, user, wire.ProposalSpec{Channel: "mychannel", Chaincode: "counter", Args: text("Increment", "invoke"), SpecType: peerpb.ChaincodeSpec_GOLANG, Time: time.Now()})
	var listeners []peerpb.Deliver_DeliverFilteredClient
	var responses []*peerpb.ProposalResponse
	for _, conn := range peers {
		stream, err := peerpb.NewDeliverClient(conn).DeliverFiltered(within(t, patience))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(mustSeek(t, user, "mychannel", &ordererpb.SeekInfo{Start: newest, Stop: blockNumber(math.MaxUint64)})); err != nil {
			t.Fatal(err)
		}
		if r, err := stream.Recv(); err != nil || r.GetFilteredBlock() == nil {
			t.Fatalf("the newest block did not come at once: %v, %v", r, err)
		}
		listeners = append(listeners, stream)
		responses = append(responses, mustProcess(t, conn, signed))
	}
	payload, err := wire.AssembleTransaction(proposal.Parsed, responses)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := wire.SignEnvelope(payload, user)
	if err != nil {
		t.Fatal(err)
	}
	if r := mustBroadcast(t, n.mustDial("orderer.example.com", "example.com"), envelope); r.GetStatus() != commonpb.Status_SUCCESS {
		t.Fatalf("broadcast: %v", r)
	}
	for i, stream := range listeners {
		for found := false; !found; {
			r, err := stream.Recv()
			if err != nil {
				t.Fatalf("peer %d: %v", i, err)
			}
			for _, tx := range r.GetFilteredBlock().GetFilteredTransactions() {
				if found = tx.GetTxid() == proposal.TxID; found && tx.GetTxValidationCode() != peerpb.TxValidationCode_VALID {
					t.Errorf("peer %d: %v", i, tx)
				}
			}
		}
	}
}

func mustBroadcast(t testing.TB, conn *grpc.ClientConn, envelope *commonpb.Envelope) *ordererpb.BroadcastResponse {
	t.Helper()
	ctx, cancel := context.WithCancel(within(t, patience))
	defer cancel()
	stream, err := ordererpb.NewAtomicBroadcastClient(conn).Broadcast(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(envelope); err != nil {
		t.Fatal(err)
	}
	r, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return r
}
