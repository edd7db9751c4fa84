package network_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/orderer/clusterpb"
)

// What strangers, broken clients and attackers send. Every service must answer with
// the error that the protocol has for it, write no nonsense into a block, and go on
// working. mustStop fails the test if any handler panicked on the way.

// raw is a message that is not what the method expects: bytes as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) {
	if b, ok := v.([]byte); ok {
		return b, nil
	}
	return proto.Marshal(v.(proto.Message))
}
func (rawCodec) Unmarshal(b []byte, v any) error {
	if to, ok := v.(*[]byte); ok {
		*to = bytes.Clone(b)
		return nil
	}
	return proto.Unmarshal(b, v.(proto.Message))
}
func (rawCodec) Name() string { return "proto" }

// nested is a message that holds itself in field 1, depth times.
func nested(depth int) []byte {
	var b []byte
	for range depth {
		b = append(protowire.AppendVarint([]byte{0x0a}, uint64(len(b))), b...)
	}
	return b
}

// rubbish are bytes that are no message of any kind, or one that is no use.
func rubbish() map[string][]byte {
	random := make([]byte, 4096)
	_, _ = rand.Read(random)
	return map[string][]byte{
		"nothing":          {},
		"random":           random,
		"ends early":       {0x0a, 0xff, 0xff, 0xff, 0x7f, 1},
		"nested":           nested(500),
		"groups":           bytes.Repeat([]byte{0x0b}, 20_000),
		"endless varint":   bytes.Repeat([]byte{0xff}, 64),
		"wrong wire types": bytes.Repeat([]byte{0x08, 0x01, 0x10, 0x01}, 50),
		"not UTF-8":        {0x0a, 0x02, 0xff, 0xfe, 0x12, 0x02, 0xff, 0xfe},
		"zeros":            make([]byte, 1024),
	}
}

// signedRubbish is a signed proposal or envelope whose inner layers are rubbish.
func signedRubbish(t *testing.T, s *msp.Signer) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for name, b := range rubbish() {
		signature, err := s.Sign(b)
		if err != nil {
			t.Fatal(err)
		}
		// SignedProposal and Envelope have the same two fields.
		out["signed "+name] = mustMarshal(t, &commonpb.Envelope{Payload: b, Signature: signature})
		header := &commonpb.Header{ChannelHeader: b, SignatureHeader: b}
		out["header of "+name] = mustMarshal(t, &commonpb.Envelope{Payload: mustMarshal(t, &commonpb.Payload{Header: header, Data: b}), Signature: signature})
		good := &commonpb.Header{
			ChannelHeader:   mustMarshal(t, &commonpb.ChannelHeader{Type: 3, ChannelId: "mychannel", Timestamp: timestamppb.Now(), Extension: b}),
			SignatureHeader: mustMarshal(t, &commonpb.SignatureHeader{Creator: b, Nonce: b}),
		}
		inner := mustMarshal(t, &commonpb.Payload{Header: good, Data: b})
		out["inside a good header "+name] = mustMarshal(t, &commonpb.Envelope{Payload: inner, Signature: signature})
	}
	return out
}

func TestRubbishAtEveryMethod(t *testing.T) {
	n := mustStart(t, small)
	n.mustDeploySample("counter")
	peer, orderer := n.mustDial("peer0.org1", "org1.example.com"), n.mustDial("orderer.example.com", "example.com")
	samples := signedRubbish(t, n.mustUser1())
	for name, b := range rubbish() {
		samples[name] = b
	}
	for _, m := range []struct {
		conn   *grpc.ClientConn
		method string
		stream bool
	}{
		{peer, "/protos.Endorser/ProcessProposal", false},
		{peer, "/gateway.Gateway/Evaluate", false},
		{peer, "/gateway.Gateway/Endorse", false},
		{peer, "/gateway.Gateway/Submit", false},
		{peer, "/gateway.Gateway/CommitStatus", false},
		{peer, "/gateway.Gateway/ChaincodeEvents", true},
		{peer, "/protos.Deliver/Deliver", true},
		{peer, "/protos.Deliver/DeliverFiltered", true},
		{peer, "/protos.Deliver/DeliverWithPrivateData", true},
		{peer, "/fabriscope.v1.Peer/Status", false},
		{peer, "/fabriscope.v1.Peer/Push", false},
		{peer, "/fabriscope.v1.Peer/Fetch", false},
		{peer, "/protos.ChaincodeSupport/Register", true},
		{orderer, "/orderer.AtomicBroadcast/Broadcast", true},
		{orderer, "/orderer.AtomicBroadcast/Deliver", true},
		{orderer, "/fabriscope.v1.Raft/AppendEntries", false},
		{orderer, "/fabriscope.v1.Raft/AppendEntriesPipeline", true},
		{orderer, "/fabriscope.v1.Raft/RequestVote", false},
		{orderer, "/fabriscope.v1.Raft/RequestPreVote", false},
		{orderer, "/fabriscope.v1.Raft/InstallSnapshot", true},
		{orderer, "/fabriscope.v1.Raft/TimeoutNow", false},
		{orderer, "/fabriscope.v1.Ordering/Forward", true},
		{orderer, "/fabriscope.v1.Ordering/ChangeMember", false},
	} {
		for name, b := range samples {
			refuse(t, m.conn, m.method, m.stream, name, b)
		}
	}
	n.mustSubmit(call("counter", "Increment", "alive"))
	n.mustAgree()
}

// refuse sends bytes and wants an error, or a status that is one.
func refuse(t *testing.T, conn *grpc.ClientConn, method string, stream bool, name string, b []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	codec := grpc.ForceCodec(rawCodec{})
	var answer []byte
	var err error
	if stream {
		var s grpc.ClientStream
		if s, err = conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method, codec); err == nil {
			if err = s.SendMsg(b); err == nil {
				_ = s.CloseSend()
				err = s.RecvMsg(&answer)
			}
		}
	} else {
		err = conn.Invoke(ctx, method, b, &answer, codec)
	}
	if ctx.Err() != nil {
		t.Errorf("%s, %s: no answer", method, name)
		return
	}
	if err == nil && !says(answer) {
		t.Errorf("%s, %s: answered %q", method, name, answer)
	}
}

// says tells whether an answer is one that refuses: a response with status 500, or
// a bad status of a Broadcast or Deliver.
func says(answer []byte) bool {
	var response peerpb.ProposalResponse
	if proto.Unmarshal(answer, &response) == nil && response.GetResponse().GetStatus() >= 400 {
		return true
	}
	// BroadcastResponse, orderer.DeliverResponse and protos.DeliverResponse all have
	// the status in field 1.
	var broadcast ordererpb.BroadcastResponse
	if proto.Unmarshal(answer, &broadcast) == nil && broadcast.GetStatus() >= 400 {
		return true
	}
	var member clusterpb.MemberReply
	return proto.Unmarshal(answer, &member) == nil && member.GetError() != ""
}

// Proposals that are well formed and not right.
func TestWrongProposals(t *testing.T) {
	n := mustStart(t, small)
	n.mustDeploySample("counter")
	conn := n.mustDial("peer0.org1", "org1.example.com")
	user := n.mustUser1()
	spec := wire.ProposalSpec{Channel: "mychannel", Chaincode: "counter", Args: text("Increment", "wrong")}
	_, good := mustPropose(t, user, spec)
	used := n.mustSubmit(call("counter", "Increment", "used"))
	processed := mustUnmarshal(t, []byte(n.mustEvaluate(call("qscc", "GetTransactionByID", "mychannel", used.TxID))), &peerpb.ProcessedTransaction{})
	committed, err := wire.ParseTransaction(mustMarshal(t, processed.GetTransactionEnvelope()))
	if err != nil {
		t.Fatal(err)
	}
	header := mustUnmarshal(t, committed.RawSignatureHeader, &commonpb.SignatureHeader{})
	for _, c := range []struct {
		name, says string
		signed     *peerpb.SignedProposal
	}{
		{"unsigned", "empty signature bytes", &peerpb.SignedProposal{ProposalBytes: good.ProposalBytes}},
		{"signed by somebody else", "access denied: channel [mychannel] creator org [Org1MSP]", resign(t, good, n.mustSigner("org2.example.com", "User1", "Org2MSP"))},
		{"high S", "access denied", &peerpb.SignedProposal{ProposalBytes: good.ProposalBytes, Signature: highS(t, good.Signature)}},
		{"a bit flipped", "access denied", &peerpb.SignedProposal{ProposalBytes: good.ProposalBytes, Signature: flip(good.Signature)}},
		{"another nonce", "", tampered(t, user, spec, func(p *wire.ParsedProposal) { p.SignatureHeader.Nonce = []byte("another") })},
		{"no nonce", "", tampered(t, user, spec, func(p *wire.ParsedProposal) { p.SignatureHeader.Nonce = nil })},
		{"no creator", "", tampered(t, user, spec, func(p *wire.ParsedProposal) { p.SignatureHeader.Creator = nil })},
		{"an epoch", "", tampered(t, user, spec, func(p *wire.ParsedProposal) { p.ChannelHeader.Epoch = 7 })},
		{"a wrong type", "", tampered(t, user, spec, func(p *wire.ParsedProposal) { p.ChannelHeader.Type = int32(commonpb.HeaderType_DELIVER_SEEK_INFO) })},
		{"old", "timestamp", proposed(t, user, wire.ProposalSpec{Channel: "mychannel", Chaincode: "counter", Args: text("Get", "x"), Time: time.Now().Add(-time.Hour)})},
		{"early", "timestamp", proposed(t, user, wire.ProposalSpec{Channel: "mychannel", Chaincode: "counter", Args: text("Get", "x"), Time: time.Now().Add(time.Hour)})},
		{"replayed", "duplicate transaction found [" + used.TxID + "]", proposed(t, signerOf(t, n, header.GetCreator()), wire.ProposalSpec{Channel: "mychannel", Chaincode: "counter", Args: text("Increment", "used"), Nonce: header.GetNonce()})},
		{"an expired identity", "proposal client identity expired", proposed(t, n.mustIssue("org1.example.com", "Org1MSP", "client", time.Now().Add(-time.Minute)), spec)},
		{"an organisation that is not in the channel", "access denied", proposed(t, stranger(t, "Org9MSP"), spec)},
		{"an authority of the same name", "access denied", proposed(t, stranger(t, "Org1MSP"), spec)},
		{"no role", "access denied", proposed(t, n.mustIssue("org1.example.com", "Org1MSP", "", time.Time{}), spec)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := peerpb.NewEndorserClient(conn).ProcessProposal(within(t, patience), c.signed)
			if status.Code(err) != codes.Unknown {
				t.Fatalf("got %v, %v; want a gRPC error with code Unknown", r, err)
			}
			mustContain(t, err.Error(), c.says)
			// Through the gateway it ends as an endorsement failure.
			_, err = gatewaypb.NewGatewayClient(conn).Endorse(within(t, patience), &gatewaypb.EndorseRequest{ChannelId: "mychannel", ProposedTransaction: c.signed})
			if err == nil {
				t.Error("the gateway endorsed it")
			}
		})
	}
	if r := mustProcess(t, conn, good); r.GetResponse().GetStatus() != 200 {
		t.Errorf("the good one: %v", r)
	}
}

func resign(t *testing.T, p *peerpb.SignedProposal, s *msp.Signer) *peerpb.SignedProposal {
	t.Helper()
	signature, err := s.Sign(p.ProposalBytes)
	if err != nil {
		t.Fatal(err)
	}
	return &peerpb.SignedProposal{ProposalBytes: p.ProposalBytes, Signature: signature}
}

func proposed(t *testing.T, s *msp.Signer, spec wire.ProposalSpec) *peerpb.SignedProposal {
	t.Helper()
	_, signed := mustPropose(t, s, spec)
	return signed
}

// tampered builds a proposal, changes its headers and signs what came out.
func tampered(t *testing.T, s *msp.Signer, spec wire.ProposalSpec, change func(*wire.ParsedProposal)) *peerpb.SignedProposal {
	t.Helper()
	p, _ := mustPropose(t, s, spec)
	change(p.Parsed)
	old := mustUnmarshal(t, p.Bytes, &peerpb.Proposal{})
	old.Header = mustMarshal(t, &commonpb.Header{
		ChannelHeader: mustMarshal(t, p.Parsed.ChannelHeader), SignatureHeader: mustMarshal(t, p.Parsed.SignatureHeader)})
	return resign(t, &peerpb.SignedProposal{ProposalBytes: mustMarshal(t, old)}, s)
}

// highS gives the other signature that belongs to the same message and key, which
// Fabric refuses.
func highS(t *testing.T, signature []byte) []byte {
	t.Helper()
	var s struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &s); err != nil {
		t.Fatal(err)
	}
	s.S.Sub(elliptic.P256().Params().N, s.S)
	out, err := asn1.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func flip(signature []byte) []byte {
	out := bytes.Clone(signature)
	out[len(out)-1] ^= 1
	return out
}

// signerOf finds the user's signer whose identity this is.
func signerOf(t *testing.T, n *net, creator []byte) *msp.Signer {
	t.Helper()
	s := n.mustUser1()
	if !bytes.Equal(s.Creator(), creator) {
		t.Fatal("the transaction's creator is not User1 of Org1")
	}
	return s
}

// mustIssue has an organisation's own authority issue an identity. A zero end is
// the authority's own; role "" gives none.
func (n *net) mustIssue(domain, mspID, role string, end time.Time) *msp.Signer {
	n.t.Helper()
	org, err := msp.LoadOrg(filepath.Join(n.Dir(), "organizations"), domain, false)
	if err != nil {
		n.t.Fatal(err)
	}
	return issue(n.t, org.CA, mspID, role, end)
}

func issue(t testing.TB, ca *msp.Authority, mspID, role string, end time.Time) *msp.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spec := msp.CertSpec{CommonName: "mallory", NotAfter: end}
	if role != "" {
		spec.OrganizationalUnits = []string{role}
	}
	cert, err := ca.Issue(spec, &key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := msp.NewSigner(mspID, cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stranger is an identity of an authority that nobody knows.
func stranger(t testing.TB, mspID string) *msp.Signer {
	t.Helper()
	ca, err := msp.NewAuthority("ca.org1.example.com", "org1.example.com")
	if err != nil {
		t.Fatal(err)
	}
	return issue(t, ca, mspID, "client", time.Time{})
}

// Proposals that are right, for something that is not there or not allowed.
func TestUselessProposals(t *testing.T) {
	n := mustStart(t, small)
	n.mustDeploySample("counter")
	conn := n.mustDial("peer0.org1", "org1.example.com")
	user := n.mustUser1()
	for _, c := range []struct {
		name, says string
		spec       wire.ProposalSpec
	}{
		{"unknown channel", "channel 'nowhere' not found", wire.ProposalSpec{Channel: "nowhere", Chaincode: "counter"}},
		{"unknown chaincode", "make sure the chaincode nothing has been successfully defined on channel mychannel and try again", wire.ProposalSpec{Channel: "mychannel", Chaincode: "nothing"}},
		{"no channel", "", wire.ProposalSpec{Chaincode: "counter"}},
		{"init that is not required", "does not require initialization but called as init", wire.ProposalSpec{Channel: "mychannel", Chaincode: "counter", Init: true}},
		{"no function", "", wire.ProposalSpec{Channel: "mychannel", Chaincode: "counter"}},
		{"an unknown function of the ledger", "access denied for [Nonsense][mychannel]", wire.ProposalSpec{Channel: "mychannel", Chaincode: "qscc", Args: text("Nonsense", "mychannel", "x")}},
		{"an install by somebody who is no administrator", "", wire.ProposalSpec{Chaincode: "_lifecycle", Args: text("InstallChaincode", "x")}},
		{"lifecycle with rubbish", "", wire.ProposalSpec{Channel: "mychannel", Chaincode: "_lifecycle", Args: text("CommitChaincodeDefinition", "\xff\xff")}},
		{"many arguments", "", wire.ProposalSpec{Channel: "mychannel", Chaincode: "counter", Args: text(strings.Split(strings.Repeat("x,", 10_000), ",")...)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mustProcess(t, conn, proposed(t, user, c.spec))
			if r.GetResponse().GetStatus() < 400 || r.GetEndorsement() != nil {
				t.Fatalf("got %v, want a response with an error and no endorsement", r)
			}
			mustContain(t, r.GetResponse().GetMessage(), c.says)
		})
	}
	t.Run("very large", func(t *testing.T) {
		big := strings.Repeat("x", 101<<20)
		_, err := peerpb.NewEndorserClient(conn).ProcessProposal(within(t, patience),
			proposed(t, user, wire.ProposalSpec{Channel: "mychannel", Chaincode: "counter", Args: text("Get", big)}), grpc.MaxCallSendMsgSize(1<<30))
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("got %v, want ResourceExhausted", err)
		}
	})
	n.mustSubmit(call("counter", "Increment", "alive"))
}
