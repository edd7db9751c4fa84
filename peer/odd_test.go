package peer_test

import (
	"context"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// parts are the fields of a proposal, to be changed before they are encoded. behind is
// written behind the channel header: fields there come a second time.
type parts struct {
	channel   *commonpb.ChannelHeader
	signature *commonpb.SignatureHeader
	extension *peerpb.ChaincodeHeaderExtension
	spec      *peerpb.ChaincodeSpec
	payload   *peerpb.ChaincodeProposalPayload
	behind    *commonpb.ChannelHeader
	header    *commonpb.Header
}

// proposal builds and signs what the parts are after the change.
func (n *network) proposal(t *testing.T, signer *msp.Signer, change func(*parts)) *peerpb.SignedProposal {
	t.Helper()
	nonce := wire.NewNonce()
	id := &peerpb.ChaincodeID{Name: "kitchen"}
	p := &parts{
		channel: &commonpb.ChannelHeader{Type: int32(commonpb.HeaderType_ENDORSER_TRANSACTION), ChannelId: channelName,
			Timestamp: timestamppb.Now(), TxId: wire.TxID(nonce, signer.Creator())},
		signature: &commonpb.SignatureHeader{Creator: signer.Creator(), Nonce: nonce},
		extension: &peerpb.ChaincodeHeaderExtension{ChaincodeId: id},
		spec:      &peerpb.ChaincodeSpec{Type: peerpb.ChaincodeSpec_GOLANG, ChaincodeId: id, Input: &peerpb.ChaincodeInput{Args: strs("get", "a")}},
		payload:   &peerpb.ChaincodeProposalPayload{},
		header:    &commonpb.Header{},
	}
	change(p)
	if p.extension != nil {
		p.channel.Extension = mustMarshal(t, p.extension)
	}
	if p.spec != nil {
		p.payload.Input = mustMarshal(t, &peerpb.ChaincodeInvocationSpec{ChaincodeSpec: p.spec})
	}
	p.header.ChannelHeader = mustMarshal(t, p.channel)
	if p.behind != nil {
		p.header.ChannelHeader = append(p.header.ChannelHeader, mustMarshal(t, p.behind)...)
	}
	p.header.SignatureHeader = mustMarshal(t, p.signature)
	raw := mustMarshal(t, &peerpb.Proposal{Header: mustMarshal(t, p.header), Payload: mustMarshal(t, p.payload)})
	signature, err := signer.Sign(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &peerpb.SignedProposal{ProposalBytes: raw, Signature: signature}
}

// Every field of a proposal, absent, zero, far off or there twice: whoever is asked to
// have it endorsed or evaluated does the same, which is what Fabric does (wire.md D.2).
func TestOddFieldsOfProposals(t *testing.T) {
	n := MustNetwork(t, withKitchen())
	n.MustDeploy(t, "asset", definition{name: "kitchen"})
	at := n.firstPeers()[0]
	g := gatewaypb.NewGatewayClient(n.MustConn(at))
	stamp := func(s *timestamppb.Timestamp) func(*parts) { return func(p *parts) { p.channel.Timestamp = s } }
	for name, c := range map[string]struct {
		change func(*parts)
		good   bool
	}{
		"as it should be":               {func(*parts) {}, true},
		"no timestamp":                  {stamp(nil), false},
		"timestamp zero":                {stamp(&timestamppb.Timestamp{}), false},
		"timestamp of 1600":             {stamp(timestamppb.New(time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC))), false},
		"timestamp in a hundred years":  {stamp(timestamppb.New(time.Now().AddDate(100, 0, 0))), false},
		"timestamp at the end of time":  {stamp(&timestamppb.Timestamp{Seconds: 1<<63 - 1}), false},
		"timestamp before all time":     {stamp(&timestamppb.Timestamp{Seconds: -1 << 63}), false},
		"timestamp of odd nanoseconds":  {stamp(&timestamppb.Timestamp{Seconds: time.Now().Unix(), Nanos: -5}), false},
		"timestamp in ten minutes":      {stamp(timestamppb.New(time.Now().Add(10 * time.Minute))), true},
		"timestamp twice, the last old": {func(p *parts) { p.behind = &commonpb.ChannelHeader{Timestamp: &timestamppb.Timestamp{Seconds: 1}} }, false},
		"timestamp twice, the first old": {func(p *parts) {
			p.behind = &commonpb.ChannelHeader{Timestamp: p.channel.Timestamp}
			p.channel.Timestamp = &timestamppb.Timestamp{Seconds: 1}
		}, true},
		"type zero":            {func(p *parts) { p.channel.Type = 0 }, false},
		"type far off":         {func(p *parts) { p.channel.Type = 1 << 30 }, false},
		"type negative":        {func(p *parts) { p.channel.Type = -3 }, false},
		"type twice":           {func(p *parts) { p.behind = &commonpb.ChannelHeader{Type: 5} }, false},
		"version odd":          {func(p *parts) { p.channel.Version = -1 }, true},
		"epoch":                {func(p *parts) { p.channel.Epoch = 1 }, false},
		"epoch far off":        {func(p *parts) { p.channel.Epoch = 1<<64 - 1 }, false},
		"no transaction id":    {func(p *parts) { p.channel.TxId = "" }, false},
		"transaction id twice": {func(p *parts) { p.behind = &commonpb.ChannelHeader{TxId: "another"} }, false},
		"transaction id twice, the last right": {func(p *parts) {
			p.behind = &commonpb.ChannelHeader{TxId: p.channel.TxId}
			p.channel.TxId = "another"
		}, true},
		"unknown channel":        {func(p *parts) { p.channel.ChannelId = "nowhere" }, false},
		"channel twice":          {func(p *parts) { p.behind = &commonpb.ChannelHeader{ChannelId: "nowhere"} }, false},
		"TLS hash of nobody":     {func(p *parts) { p.channel.TlsCertHash = []byte("x") }, true},
		"no extension":           {func(p *parts) { p.extension = nil }, false},
		"extension without id":   {func(p *parts) { p.extension = &peerpb.ChaincodeHeaderExtension{} }, false},
		"chaincode without name": {func(p *parts) { p.extension.ChaincodeId = &peerpb.ChaincodeID{Version: "1"} }, false},
		"chaincode with a version": {func(p *parts) {
			p.extension.ChaincodeId = &peerpb.ChaincodeID{Name: "kitchen", Version: "99", Path: "x"}
		}, true},
		"no nonce":                  {func(p *parts) { p.signature.Nonce = nil }, false},
		"no creator":                {func(p *parts) { p.signature.Creator = nil }, false},
		"no payload":                {func(p *parts) { p.spec = nil }, false},
		"spec without input":        {func(p *parts) { p.spec.Input = nil }, false},
		"spec without chaincode":    {func(p *parts) { p.spec.ChaincodeId = nil }, true},
		"spec of another chaincode": {func(p *parts) { p.spec.ChaincodeId = &peerpb.ChaincodeID{Name: "other"} }, true},
		"spec with a timeout":       {func(p *parts) { p.spec.Timeout = -1 }, true},
		"spec of no type":           {func(p *parts) { p.spec.Type = 77 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			response, err := n.endorse(at, n.proposal(t, n.user(), c.change))
			got := map[string]bool{"endorser": err == nil && response.GetResponse().GetStatus() == 200 && response.GetEndorsement() != nil}
			_, err = g.Endorse(ctx, &gatewaypb.EndorseRequest{ChannelId: channelName, ProposedTransaction: n.proposal(t, n.user(), c.change)})
			got["gateway"] = err == nil
			_, err = g.Evaluate(ctx, &gatewaypb.EvaluateRequest{ChannelId: channelName, ProposedTransaction: n.proposal(t, n.user(), c.change)})
			got["evaluate"] = err == nil
			for who, took := range got {
				if took != c.good {
					t.Errorf("%s took it: %v, want %v", who, took, c.good)
				}
			}
		})
	}
}
