package peer_test

import (
	"bytes"
	"context"
	"io"
	"math"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
)

func TestSystemChaincodeTexts(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	at := n.firstPeers()[0]
	user, admin, foreign := n.user(), n.admin(), n.ordering.Admin().Signer
	var tr transcript
	ask := func(what string, signer *msp.Signer, channel, name string, args ...string) {
		t.Helper()
		proposal, signed := MustPropose(t, signer, wire.ProposalSpec{Channel: channel, Chaincode: name, Args: strs(args...)})
		response, err := n.endorse(at, signed)
		tr.answer(name+" "+what, response, err, proposal.TxID, "TX")
	}
	const none = "00000000000000000000000000000000000000000000000000000000000000ff"
	ask("without arguments", user, "", "qscc")
	ask("of an unknown channel", user, "", "qscc", "GetChainInfo", "nowhere")
	ask("info without a channel in the header", user, "", "qscc", "GetChainInfo", channelName)
	ask("info", user, channelName, "qscc", "GetChainInfo", channelName)
	ask("info by somebody without the right", foreign, channelName, "qscc", "GetChainInfo", channelName)
	ask("number missing", user, channelName, "qscc", "GetBlockByNumber", channelName)
	ask("number that is none", user, channelName, "qscc", "GetBlockByNumber", channelName, "x")
	ask("number too high", user, channelName, "qscc", "GetBlockByNumber", channelName, "7")
	ask("unknown hash", user, channelName, "qscc", "GetBlockByHash", channelName, "hash")
	ask("block of an unknown transaction", user, channelName, "qscc", "GetBlockByTxID", channelName, none)
	ask("unknown transaction", user, channelName, "qscc", "GetTransactionByID", channelName, none)
	ask("no transaction", user, channelName, "qscc", "GetTransactionByID", channelName, "")
	ask("unknown function", user, channelName, "qscc", "Nonsense", channelName, "x")
	ask("without arguments", user, "", "cscc")
	ask("unknown function", user, "", "cscc", "Nonsense")
	ask("channels", user, "", "cscc", "GetChannels")
	ask("channels by another organisation", n.two.User("User1").Signer, channelName, "cscc", "GetChannels")
	ask("join without a block", admin, "", "cscc", "JoinChain")
	ask("join with garbage", admin, "", "cscc", "JoinChain", "\xff")
	ask("join by a client", user, "", "cscc", "JoinChain", string(mustMarshal(t, n.genesis)))
	ask("join again", admin, "", "cscc", "JoinChain", string(mustMarshal(t, n.genesis)))
	ask("join an empty block", admin, "", "cscc", "JoinChain", string(mustMarshal(t, &commonpb.Block{Header: &commonpb.BlockHeader{}})))
	ask("join by snapshot", admin, "", "cscc", "JoinChainBySnapshot", "/tmp")
	ask("configuration of an unknown channel", user, "", "cscc", "GetChannelConfig", "nowhere")
	ask("configuration block by somebody without the right", foreign, channelName, "cscc", "GetConfigBlock", channelName)
	ask("without arguments", user, channelName, "lscc")
	ask("chaincodes", user, channelName, "lscc", "getchaincodes")
	ask("installed by a client", user, "", "lscc", "getinstalledchaincodes")
	ask("installed", admin, "", "lscc", "GetInstalledChaincodes")
	ask("id", user, channelName, "lscc", "getid", channelName, "kitchen")
	ask("deploy", admin, channelName, "lscc", "deploy", channelName, "x")
	ask("unknown function", user, channelName, "lscc", "Nonsense")
	golden(t, "systemcc", tr.String())
}

// payloadOf asks a system chaincode and decodes what it answers.
func (n *network) payloadOf(t *testing.T, into proto.Message, channel, name string, args ...string) *peerpb.ProposalResponse {
	t.Helper()
	response := n.ask(t, n.firstPeers()[0], n.user(), wire.ProposalSpec{Channel: channel, Chaincode: name, Args: strs(args...)})
	if response.GetResponse().GetStatus() != 200 {
		t.Fatalf("%s%q: %s", name, args, response.GetResponse().GetMessage())
	}
	if err := proto.Unmarshal(response.GetResponse().GetPayload(), into); err != nil {
		t.Fatal(err)
	}
	return response
}

func TestLedgerQueries(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	_, id := n.MustSubmit(t, n.user(), call("kitchen", "put", "a", "1"), n.firstPeers()...)
	info, newest, byHash, byTx := &commonpb.BlockchainInfo{}, &commonpb.Block{}, &commonpb.Block{}, &commonpb.Block{}
	response := n.payloadOf(t, info, channelName, "qscc", "GetChainInfo", channelName)
	if response.GetEndorsement() == nil || len(response.GetPayload()) == 0 {
		t.Error("an answer on a channel is endorsed")
	}
	var payload peerpb.ProposalResponsePayload
	var action peerpb.ChaincodeAction
	if proto.Unmarshal(response.GetPayload(), &payload) != nil || proto.Unmarshal(payload.GetExtension(), &action) != nil ||
		len(action.GetResults()) != 0 || action.GetChaincodeId().GetVersion() != "syscc" {
		t.Errorf("the action is %v", &action)
	}
	if response := n.payloadOf(t, info, "", "qscc", "GetChainInfo", channelName); response.GetEndorsement() != nil || len(response.GetPayload()) != 0 || response.GetVersion() != 0 {
		t.Error("an answer on no channel is not endorsed and has no version")
	}
	n.payloadOf(t, newest, channelName, "qscc", "GetBlockByNumber", channelName, "18446744073709551615")
	n.payloadOf(t, byHash, channelName, "qscc", "GetBlockByHash", channelName, string(info.GetCurrentBlockHash()))
	n.payloadOf(t, byTx, channelName, "qscc", "GetBlockByTxID", channelName, id)
	if newest.GetHeader().GetNumber() != info.GetHeight()-1 || !proto.Equal(newest, byHash) || !proto.Equal(newest, byTx) {
		t.Errorf("the newest block is %d, by hash %d, by transaction %d", newest.GetHeader().GetNumber(), byHash.GetHeader().GetNumber(), byTx.GetHeader().GetNumber())
	}
	processed := &peerpb.ProcessedTransaction{}
	n.payloadOf(t, processed, channelName, "qscc", "GetTransactionByID", channelName, id)
	if processed.GetValidationCode() != 0 || processed.GetTransactionEnvelope() == nil {
		t.Errorf("the transaction is %v", processed)
	}
	channels, config, block := &peerpb.ChannelQueryResponse{}, &commonpb.Config{}, &commonpb.Block{}
	n.payloadOf(t, channels, "", "cscc", "GetChannels")
	n.payloadOf(t, config, "", "cscc", "GetChannelConfig", channelName)
	n.payloadOf(t, block, "", "cscc", "GetConfigBlock", channelName)
	if len(channels.GetChannels()) != 1 || config.GetChannelGroup() == nil || !bytes.Equal(wire.BlockHash(block.GetHeader()), wire.BlockHash(n.genesis.GetHeader())) {
		t.Errorf("channels %v, config block %d", channels, block.GetHeader().GetNumber())
	}
}

// A peer joins a channel because its administrator says so.
func TestJoinChain(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	name := "peer1.org1.example.com"
	late := n.configs["peer0.org1.example.com"]
	me := n.one.Node(name)
	late.Name, late.Signer, late.Dir, late.Link = name, me.Signer, t.TempDir(), n.link.Endpoint(name, me.TLS, n.roots)
	n.configs[name] = late
	p := n.MustStart(name)
	response := n.ask(t, name, n.admin(), wire.ProposalSpec{Chaincode: "cscc", Type: commonpb.HeaderType_CONFIG, Args: [][]byte{[]byte("JoinChain"), mustMarshal(t, n.genesis)}})
	if response.GetResponse().GetStatus() != 200 || response.GetEndorsement() != nil {
		t.Fatalf("%v", response)
	}
	n.introduce()
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	MustHeight(t, p, n.peer0().Ledger(channelName).Height())
	n.MustAgree(t)
}

// seek asks for blocks as a client does, without a nonce.
func seek(t testing.TB, signer *msp.Signer, start, stop *ordererpb.SeekPosition) *commonpb.Envelope {
	t.Helper()
	payload := mustMarshal(t, &commonpb.Payload{
		Header: &commonpb.Header{
			ChannelHeader: mustMarshal(t, &commonpb.ChannelHeader{
				Type: int32(commonpb.HeaderType_DELIVER_SEEK_INFO), ChannelId: channelName, Timestamp: timestamppb.Now(),
			}),
			SignatureHeader: mustMarshal(t, &commonpb.SignatureHeader{Creator: signer.Creator()}),
		},
		Data: mustMarshal(t, &ordererpb.SeekInfo{Start: start, Stop: stop}),
	})
	envelope, err := wire.SignEnvelope(payload, signer)
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

func specified(number uint64) *ordererpb.SeekPosition {
	return &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Specified{Specified: &ordererpb.SeekSpecified{Number: number}}}
}

func TestDeliver(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	_, good := n.MustSubmit(t, n.user(), call("kitchen", "event", "name", "payload"), n.firstPeers()...)
	_, bad := n.MustSubmit(t, n.user(), call("kitchen", "event", "name", "payload"), n.firstPeers()[0])
	height := n.peer0().Ledger(channelName).Height()
	client := peerpb.NewDeliverClient(n.MustConn(n.firstPeers()[0]))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	blocks, err := client.Deliver(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // several seeks on one stream
		if err := blocks.Send(seek(t, n.user(), specified(0), specified(height-1))); err != nil {
			t.Fatal(err)
		}
		for number := range height {
			response, err := blocks.Recv()
			if err != nil {
				t.Fatal(err)
			}
			b := response.GetBlock()
			if b.GetHeader().GetNumber() != number || len(wire.Filter(b)) == 0 || number > 0 && len(wire.CommitHash(b)) == 0 {
				t.Fatalf("block %d came as %v", number, response)
			}
		}
		if response, err := blocks.Recv(); err != nil || response.GetStatus() != commonpb.Status_SUCCESS {
			t.Fatalf("%v %v", response, err)
		}
	}

	filtered, err := client.DeliverFiltered(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := filtered.Send(seek(t, n.user(), specified(height-2), specified(math.MaxUint64))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		id   string
		code peerpb.TxValidationCode
	}{{good, peerpb.TxValidationCode_VALID}, {bad, peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE}} {
		response, err := filtered.Recv()
		if err != nil {
			t.Fatal(err)
		}
		tx := response.GetFilteredBlock().GetFilteredTransactions()[0]
		event := tx.GetTransactionActions().GetChaincodeActions()[0].GetChaincodeEvent()
		if tx.GetTxid() != want.id || tx.GetTxValidationCode() != want.code || event.GetEventName() != "name" || event.GetPayload() != nil {
			t.Errorf("filtered transaction %v", tx)
		}
	}

	private, err := client.DeliverWithPrivateData(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := private.Send(seek(t, n.admin(), specified(1), specified(1))); err != nil { // the first approval
		t.Fatal(err)
	}
	response, err := private.Recv()
	if err != nil || len(response.GetBlockAndPrivateData().GetPrivateDataMap()) != 1 {
		t.Errorf("private data of an approval: %v %v", response.GetBlockAndPrivateData().GetPrivateDataMap(), err)
	}
	other, err := client.DeliverWithPrivateData(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Send(seek(t, n.two.User("User1").Signer, specified(1), specified(1))); err != nil {
		t.Fatal(err)
	}
	if response, err := other.Recv(); err != nil || len(response.GetBlockAndPrivateData().GetPrivateDataMap()) != 0 {
		t.Errorf("another organisation gets %v %v", response, err)
	}

	refused, err := client.Deliver(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := refused.Send(seek(t, n.ordering.Admin().Signer, specified(0), specified(0))); err != nil {
		t.Fatal(err)
	}
	if response, err := refused.Recv(); err != nil || response.GetStatus() != commonpb.Status_FORBIDDEN {
		t.Errorf("without the right to read: %v %v", response, err)
	}
	if _, err := refused.Recv(); err != io.EOF {
		t.Errorf("after a refusal the stream goes on: %v", err)
	}
}

// MustReconfigure changes the channel's configuration as its administrators would.
func (n *network) MustReconfigure(t testing.TB, change func(*commonpb.Config)) {
	t.Helper()
	bundle := n.peer0().Bundle(channelName)
	next, _ := proto.Clone(bundle.Config()).(*commonpb.Config)
	change(next)
	update, err := channelconfig.ComputeUpdate(channelName, bundle.Config(), next)
	if err != nil {
		t.Fatal(err)
	}
	request, err := channelconfig.NewUpdateEnvelope(update, n.admin(), n.admin(), n.two.User("Admin").Signer)
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := bundle.ApplyUpdate(request)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := channelconfig.NewConfigEnvelope(channelName, accepted, n.chain.signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.chain.order(envelope); err != nil {
		t.Fatal(err)
	}
	for _, p := range n.peers {
		MustHeight(t, p, n.chain.Height())
	}
}

// A new configuration holds at once, for streams that are open as well, and after a
// restart.
func TestReconfiguration(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	at := n.firstPeers()[0]
	stream, err := peerpb.NewDeliverClient(n.MustConn(at)).Deliver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	height := n.peer0().Ledger(channelName).Height()
	if err := stream.Send(seek(t, n.user(), specified(height-1), specified(math.MaxUint64))); err != nil {
		t.Fatal(err)
	}
	if response, err := stream.Recv(); err != nil || response.GetBlock().GetHeader().GetNumber() != height-1 {
		t.Fatalf("%v %v", response, err)
	}
	n.MustReconfigure(t, func(c *commonpb.Config) {
		acls := &peerpb.ACLs{Acls: map[string]*peerpb.APIResource{"event/Block": {PolicyRef: "/Channel/Application/Admins"}, "peer/Propose": {PolicyRef: "/Channel/Application/Admins"}}}
		c.GetChannelGroup().GetGroups()["Application"].GetValues()["ACLs"] = &commonpb.ConfigValue{Value: mustMarshal(t, acls), ModPolicy: "Admins"}
		// Its own administrators are enough now.
		c.GetChannelGroup().GetGroups()["Application"].GetPolicies()["Admins"].Policy = mustPolicy(t, "ANY Admins")
	})
	for {
		response, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if response.GetBlock() == nil {
			if response.GetStatus() != commonpb.Status_FORBIDDEN {
				t.Errorf("the open stream ends with %s", response.GetStatus())
			}
			break
		}
	}
	check := func(when string) {
		t.Helper()
		_, signed := MustPropose(t, n.user(), call("kitchen", "get", "a"))
		if _, err := n.endorse(at, signed); err == nil {
			t.Errorf("%s a client may still propose", when)
		}
		if r := n.ask(t, at, n.admin(), call("kitchen", "get", "a")); r.GetResponse().GetStatus() != 200 {
			t.Errorf("%s the administrator gets %v", when, r.GetResponse())
		}
		config, block := &commonpb.Config{}, &commonpb.Block{}
		n.payloadOf(t, config, "", "cscc", "GetChannelConfig", channelName)
		n.payloadOf(t, block, "", "cscc", "GetConfigBlock", channelName)
		if config.GetSequence() != 1 || block.GetHeader().GetNumber() != height {
			t.Errorf("%s the configuration has sequence %d, its block is %d", when, config.GetSequence(), block.GetHeader().GetNumber())
		}
	}
	check("after the block")
	if err := n.peer0().Close(); err != nil {
		t.Fatal(err)
	}
	n.MustStart(at)
	n.introduce()
	check("after a restart")
	n.MustAgree(t)
}

func mustPolicy(t testing.TB, text string) *commonpb.Policy {
	t.Helper()
	p, err := channelconfig.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
