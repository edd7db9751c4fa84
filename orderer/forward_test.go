package orderer_test

import (
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/orderer/clusterpb"
	"github.com/fabriscope/fabriscope/orderer/store"
)

// insidious are envelopes that would stop every peer of the channel, or that nobody
// checked, as an ordering node that was broken into could pass them on.
func (c *cluster) insidious() map[string]*commonpb.Envelope {
	user := c.orgs["Org1MSP"].User("User1@org1.example.com").Signer
	change := func(do func(*commonpb.Envelope)) *commonpb.Envelope {
		e := c.transaction("insidious")
		do(e)
		return e
	}
	elsewhere := func() *commonpb.Envelope {
		payload, err := proto.Marshal(&commonpb.Payload{Header: &commonpb.Header{
			ChannelHeader:   must1(c.t, &commonpb.ChannelHeader{Type: 3, ChannelId: "elsewhere"}),
			SignatureHeader: must1(c.t, &commonpb.SignatureHeader{Creator: user.Creator(), Nonce: wire.NewNonce()}),
		}, Data: []byte("x")})
		must(c.t, err)
		e, err := wire.SignEnvelope(payload, user)
		must(c.t, err)
		return e
	}
	return map[string]*commonpb.Envelope{
		"rubbish":          {Payload: []byte("x"), Signature: []byte("x")},
		"nothing":          {},
		"no signature":     change(func(e *commonpb.Envelope) { e.Signature = nil }),
		"wrong signature":  change(func(e *commonpb.Envelope) { e.Signature = []byte("x") }),
		"too large":        envelopeOfType(c.t, user, commonpb.HeaderType_ENDORSER_TRANSACTION, make([]byte, 11<<20)),
		"another channel":  elsewhere(),
		"a configuration":  envelopeOfType(c.t, user, commonpb.HeaderType_CONFIG, []byte("x")),
		"of another time":  envelopeOfType(c.t, user, commonpb.HeaderType_ORDERER_TRANSACTION, []byte("x")),
		"rubbish behind":   change(func(e *commonpb.Envelope) { e.ProtoReflect().SetUnknown([]byte{0xff}) }),
		"a second payload": change(func(e *commonpb.Envelope) { e.ProtoReflect().SetUnknown([]byte{0x0a, 1, 'x'}) }),
	}
}

func must1(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	must(t, err)
	return b
}

// An ordering node that was broken into passes on what it likes: the leader looks at
// all of it.
func TestForwardedIsLookedAt(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3, batch: oneEach})
	leader, insider := c.leader(), c.follower()
	roots := c.orgs["OrdererMSP"].TLSRoots()
	conn, err := c.net.Endpoint(insider, c.orgs["OrdererMSP"].Node(insider).TLS, roots).Dial(link.Target{Name: leader, Addr: c.node(leader).Addr()})
	must(t, err)
	defer conn.Close()
	stream, err := clusterpb.OpenForward(t.Context(), conn)
	must(t, err)
	for name, e := range c.insidious() {
		request := &clusterpb.ForwardRequest{Id: 1, Channel: channel, Payload: e.GetPayload(), Signature: e.GetSignature(), Unknown: e.ProtoReflect().GetUnknown()}
		// What earlier versions believed: fields 7 and 8 said that it had been checked.
		request.ProtoReflect().SetUnknown([]byte{7 << 3, 0, 8 << 3, 1})
		must(t, stream.Send(request))
		reply, err := stream.Recv()
		must(t, err)
		if status := commonpb.Status(reply.GetStatus()); status != commonpb.Status_BAD_REQUEST && status != commonpb.Status_FORBIDDEN {
			t.Errorf("%s: %s %q, want a refusal", name, status, reply.GetInfo())
		}
	}
	c.mustOrder(insider, c.transaction("alive"))
	for _, name := range c.running() {
		c.holds(name, 1)
	}
}

// A leader that was broken into can put what it likes into Raft's log: no node makes a
// block of it.
func TestInsidiousEntriesMakeNoBlock(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3, batch: oneEach})
	leader := c.leader()
	for name, e := range c.insidious() {
		if name == "wrong signature" { // peers give that one a code
			continue
		}
		body := store.EncodeBody(store.KindBatch, 1, 1, []*commonpb.Envelope{c.transaction("with " + name), e})
		must(t, c.node(leader).Raft(channel).Apply(body, limit).Error())
	}
	c.mustOrder(leader, c.transaction("alive"))
	for _, name := range c.running() {
		c.holds(name, 1)
		if !c.recorded(trace.ErrorEvent, name, "makes no block") {
			t.Errorf("%s says nothing about the entries", name)
		}
	}
}
