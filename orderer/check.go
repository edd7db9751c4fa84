package orderer

import (
	"errors"
	"fmt"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
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
	if expires := bundle.MSPs().CertificateEnd(header.Creator); !expires.IsZero() && now.After(expires) {
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
	if len(m.Envelope.ProtoReflect().GetUnknown()) > 0 { // else its form is what encoding makes it
		raw, err := proto.Marshal(m.Envelope)
		if err == nil {
			_, _, err = wire.SplitEnvelope(raw)
		}
		if err != nil {
			return badRequest("message %v", err)
		}
	}
	return accepted
}

// errInadmissible: no sound ordering node puts this into a block.
var errInadmissible = errors.New("inadmissible")

// admissible decides whether a transaction may stand in a block, by its bytes and
// the configuration alone, so that all nodes decide alike: form, size, channel, and
// a type that clients may send. Whatever another node says about an entry or a block
// is looked at again by this; who signed is looked at where it is taken in.
func admissible(raw []byte, bundle *channelconfig.Bundle) error {
	payload, signature, err := wire.SplitEnvelope(raw)
	if err != nil {
		return fmt.Errorf("a transaction that %w (%w)", err, errInadmissible)
	}
	if size, most := uint64(len(payload)+len(signature)), uint64(bundle.Batch().AbsoluteMaxBytes); size > most {
		return fmt.Errorf("a transaction of %d bytes, at most %d are allowed (%w)", size, most, errInadmissible)
	}
	header, ok := wire.PeekPayload(payload)
	switch {
	case !ok:
		return fmt.Errorf("a transaction without a channel header (%w)", errInadmissible)
	case header.Channel != bundle.Channel():
		return fmt.Errorf("a transaction of channel %q (%w)", header.Channel, errInadmissible)
	case header.Type == commonpb.HeaderType_CONFIG, header.Type == commonpb.HeaderType_ORDERER_TRANSACTION:
		return fmt.Errorf("a transaction of type %s among others (%w)", header.Type, errInadmissible)
	}
	return nil
}

// allAdmissible looks at all transactions of a block.
func allAdmissible(data [][]byte, bundle *channelconfig.Bundle) error {
	for i, raw := range data {
		if err := admissible(raw, bundle); err != nil {
			return fmt.Errorf("transaction %d: %w", i, err)
		}
	}
	return nil
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
