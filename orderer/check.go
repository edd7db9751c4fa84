package orderer

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/policy"
)

// Verdict is an answer to a broadcast. Info is empty for SUCCESS; otherwise it
// is the text that a Fabric orderer would give.
type Verdict struct {
	Status commonpb.Status
	Info   string
}

// OK tells whether the envelope was accepted.
func (v Verdict) OK() bool { return v.Status == commonpb.Status_SUCCESS }

var accepted = Verdict{Status: commonpb.Status_SUCCESS}

func refused(status commonpb.Status, format string, values ...any) Verdict {
	return Verdict{Status: status, Info: fmt.Sprintf(format, values...)}
}

func badRequest(format string, values ...any) Verdict {
	return refused(commonpb.Status_BAD_REQUEST, format, values...)
}

func unavailable(format string, values ...any) Verdict {
	return refused(commonpb.Status_SERVICE_UNAVAILABLE, format, values...)
}

// errNoLeader is what a client gets while nobody leads.
var errNoLeader = unavailable("no Raft leader")

// Message is an envelope with its outer headers decoded.
type Message struct {
	Envelope  *commonpb.Envelope
	Channel   string
	TxID      string
	Type      commonpb.HeaderType
	signature []byte // marshalled signature header
}

// ReadMessage decodes the headers that decide where an envelope goes: the first
// check of a broadcast.
func ReadMessage(envelope *commonpb.Envelope) (*Message, Verdict) {
	var payload commonpb.Payload
	if err := unmarshalHeader(envelope.GetPayload(), &payload); err != nil {
		return nil, badRequest("could not determine channel ID: error unmarshalling Payload: %v", err)
	}
	if payload.Header == nil {
		return nil, badRequest("could not determine channel ID: header not set")
	}
	if payload.Header.ChannelHeader == nil {
		return nil, badRequest("could not determine channel ID: channel header not set")
	}
	var header commonpb.ChannelHeader
	if err := proto.Unmarshal(payload.Header.ChannelHeader, &header); err != nil {
		return nil, badRequest("could not determine channel ID: error unmarshalling channel header: error unmarshalling ChannelHeader: %v", err)
	}
	return &Message{
		Envelope:  envelope,
		Channel:   header.ChannelId,
		TxID:      header.TxId,
		Type:      commonpb.HeaderType(header.Type),
		signature: payload.Header.SignatureHeader,
	}, accepted
}

// unmarshalHeader decodes a Payload without copying its data, which is most of it
// and does not concern an ordering node. Whatever looks unusual is left to the
// library, so that its judgement and its words count.
func unmarshalHeader(raw []byte, into *commonpb.Payload) error {
	var header []byte
	for rest := raw; len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		if n < 0 || kind != protowire.BytesType || number > 2 || (number == 1 && header != nil) {
			return proto.Unmarshal(raw, into)
		}
		content, m := protowire.ConsumeBytes(rest[n:])
		if m < 0 {
			return proto.Unmarshal(raw, into)
		}
		if number == 1 {
			header = content
		}
		rest = rest[n+m:]
	}
	if header == nil {
		return nil
	}
	into.Header = &commonpb.Header{}
	if proto.Unmarshal(header, into.Header) != nil {
		return proto.Unmarshal(raw, into)
	}
	return nil
}

// IsConfigUpdate tells whether the message asks for another configuration.
func (m *Message) IsConfigUpdate() bool { return m.Type == commonpb.HeaderType_CONFIG_UPDATE }

// CheckType refuses what only ordering nodes write themselves.
func (m *Message) CheckType() Verdict {
	switch m.Type {
	case commonpb.HeaderType_CONFIG:
		return badRequest("message is of type that cannot be processed directly")
	case commonpb.HeaderType_ORDERER_TRANSACTION:
		return badRequest("message is of type that is no longer supported")
	default:
		return accepted
	}
}

// Check applies the channel's rules to a message, in Fabric's order: maintenance,
// emptiness, size, expiry of the sender's certificate, right to write.
func (m *Message) Check(bundle *channelconfig.Bundle, now time.Time) Verdict {
	if bundle.Maintenance() && !m.IsConfigUpdate() {
		return unavailable("normal transactions are rejected: maintenance mode")
	}
	if len(m.Envelope.GetPayload()) == 0 {
		return badRequest("message payload is empty")
	}
	if size, most := Size(m.Envelope), uint64(bundle.Batch().AbsoluteMaxBytes); size > most {
		return badRequest("message payload is %d bytes and exceeds maximum allowed %d bytes", size, most)
	}
	var header commonpb.SignatureHeader
	if err := proto.Unmarshal(m.signature, &header); err != nil {
		return badRequest("could not convert message to signedData: GetSignatureHeaderFromBytes failed, err %v", err)
	}
	if expires := expiry(bundle, header.Creator); !expires.IsZero() && now.After(expires) {
		return badRequest("broadcast client identity expired")
	}
	err := bundle.Check(channelconfig.PathWriters, policy.Signed{
		Data: m.Envelope.Payload, Identity: header.Creator, Signature: m.Envelope.Signature,
	})
	if err != nil {
		return refused(commonpb.Status_FORBIDDEN, "%s: permission denied", policyText(bundle, err))
	}
	// A channel whose Writers policy asks for nobody would let this through, and
	// every peer would refuse the whole block (docs/DIVERGENCE.md).
	if len(m.Envelope.GetSignature()) == 0 {
		return badRequest("message has no signature")
	}
	return accepted
}

// expiry is the end of a certificate's life; zero when there is no certificate
// to read, which the policy then refuses. Members of the channel are known
// already; others are read here, because Fabric says "expired" to them as well.
func expiry(bundle *channelconfig.Bundle, creator []byte) time.Time {
	if id, err := bundle.MSPs().Identity(creator); err == nil {
		return id.Cert().NotAfter
	}
	var identity msppb.SerializedIdentity
	if proto.Unmarshal(creator, &identity) != nil {
		return time.Time{}
	}
	block, _ := pem.Decode(identity.GetIdBytes())
	if block == nil {
		return time.Time{}
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return cert.NotAfter
}

// Configure turns a checked CONFIG_UPDATE into the configuration that it leads to.
func (m *Message) Configure(bundle *channelconfig.Bundle) (*commonpb.ConfigEnvelope, Verdict) {
	config, err := bundle.ApplyUpdate(m.Envelope)
	if err != nil {
		return nil, badRequest("error applying config update to existing channel '%s': %s", bundle.Channel(), updateText(bundle, m.Envelope, err))
	}
	return config, accepted
}

// UnknownChannel is what a client gets for a channel that the node is not in.
const UnknownChannel = "channel does not exist"
