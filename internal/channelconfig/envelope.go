package channelconfig

import (
	"fmt"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// genesisBlock wraps a configuration into block 0: an envelope without signature
// or creator, with a transaction id all the same (wire.md E.4).
func genesisBlock(p *Profile, config *commonpb.Config) (*commonpb.Block, error) {
	nonce := p.Nonce
	if nonce == nil {
		nonce = wire.NewNonce()
	}
	at := p.Time
	if at.IsZero() {
		at = time.Now()
	}
	channelHeader := &commonpb.ChannelHeader{
		Type:      int32(commonpb.HeaderType_CONFIG),
		Version:   1,
		Timestamp: timestamppb.New(at),
		ChannelId: p.Channel,
		TxId:      wire.TxID(nonce, nil),
	}
	payload, err := marshalPayload(channelHeader, &commonpb.SignatureHeader{Nonce: nonce}, &commonpb.ConfigEnvelope{Config: config})
	if err != nil {
		return nil, err
	}
	envelope, err := proto.Marshal(&commonpb.Envelope{Payload: payload})
	if err != nil {
		return nil, err
	}
	block := wire.NewBlock(0, nil, [][]byte{envelope})
	orderer, err := proto.Marshal(&commonpb.OrdererBlockMetadata{LastConfig: &commonpb.LastConfig{}})
	if err != nil {
		return nil, err
	}
	signatures, err := proto.Marshal(&commonpb.Metadata{Value: orderer})
	if err != nil {
		return nil, err
	}
	wire.SetMetadata(block, commonpb.BlockMetadataIndex_SIGNATURES, signatures)
	return block, nil
}

// marshalPayload puts headers and content together. Maps are written in order of
// their keys: a configuration's bytes are made once and hashed as they are, and
// equal input should give equal bytes.
func marshalPayload(ch *commonpb.ChannelHeader, sh *commonpb.SignatureHeader, content proto.Message) ([]byte, error) {
	ordered := proto.MarshalOptions{Deterministic: true}
	channelHeader, err := ordered.Marshal(ch)
	if err != nil {
		return nil, fmt.Errorf("encode channel header: %w", err)
	}
	signatureHeader, err := ordered.Marshal(sh)
	if err != nil {
		return nil, fmt.Errorf("encode signature header: %w", err)
	}
	data, err := ordered.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode payload: %w", err)
	}
	return ordered.Marshal(&commonpb.Payload{
		Header: &commonpb.Header{ChannelHeader: channelHeader, SignatureHeader: signatureHeader},
		Data:   data,
	})
}

// NewConfigEnvelope wraps an accepted configuration into the CONFIG transaction
// that an ordering node signs and puts into a block of its own. Its channel header
// has type, time and channel only (wire.md E.5). The bytes must be made once, by
// one node: maps inside have no fixed order for other programs.
func NewConfigEnvelope(channel string, config *commonpb.ConfigEnvelope, signer wire.Signer) (*commonpb.Envelope, error) {
	return signedEnvelope(commonpb.HeaderType_CONFIG, channel, config, signer)
}

// NewUpdateEnvelope makes the CONFIG_UPDATE transaction that a client sends to an
// ordering node: the update, signatures collected from administrators, and the
// sender's signature around it. SignUpdate makes the signatures.
func NewUpdateEnvelope(update *commonpb.ConfigUpdate, sender wire.Signer, administrators ...wire.Signer) (*commonpb.Envelope, error) {
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(update)
	if err != nil {
		return nil, fmt.Errorf("encode config update: %w", err)
	}
	signed := &commonpb.ConfigUpdateEnvelope{ConfigUpdate: encoded}
	for _, administrator := range administrators {
		signature, err := SignUpdate(encoded, administrator)
		if err != nil {
			return nil, err
		}
		signed.Signatures = append(signed.Signatures, signature)
	}
	return signedEnvelope(commonpb.HeaderType_CONFIG_UPDATE, update.GetChannelId(), signed, sender)
}

// SignUpdate signs a marshalled ConfigUpdate as one administrator.
func SignUpdate(update []byte, signer wire.Signer) (*commonpb.ConfigSignature, error) {
	header, err := proto.Marshal(&commonpb.SignatureHeader{Creator: signer.Creator(), Nonce: wire.NewNonce()})
	if err != nil {
		return nil, fmt.Errorf("encode signature header: %w", err)
	}
	signature, err := signer.Sign(join(header, update))
	if err != nil {
		return nil, fmt.Errorf("sign config update: %w", err)
	}
	return &commonpb.ConfigSignature{SignatureHeader: header, Signature: signature}, nil
}

func signedEnvelope(kind commonpb.HeaderType, channel string, content proto.Message, signer wire.Signer) (*commonpb.Envelope, error) {
	payload, err := marshalPayload(
		&commonpb.ChannelHeader{Type: int32(kind), Timestamp: timestamppb.Now(), ChannelId: channel},
		&commonpb.SignatureHeader{Creator: signer.Creator(), Nonce: wire.NewNonce()},
		content,
	)
	if err != nil {
		return nil, err
	}
	return wire.SignEnvelope(payload, signer)
}

func join(a, b []byte) []byte {
	return append(append(make([]byte, 0, len(a)+len(b)), a...), b...)
}

// ParseBlock takes the configuration out of a config block. Errors wrap ErrNotConfig.
func ParseBlock(b *commonpb.Block) (channel string, config *commonpb.ConfigEnvelope, err error) {
	data := b.GetData().GetData()
	if len(data) != 1 {
		return "", nil, fmt.Errorf("block %d: %w: a config block holds one transaction, this one %d",
			b.GetHeader().GetNumber(), ErrNotConfig, len(data))
	}
	envelope := &commonpb.Envelope{}
	if err := proto.Unmarshal(data[0], envelope); err != nil {
		return "", nil, fmt.Errorf("block %d: %w: envelope: %v", b.GetHeader().GetNumber(), ErrNotConfig, err)
	}
	channel, config, err = ParseEnvelope(envelope)
	if err != nil {
		return "", nil, fmt.Errorf("block %d: %w", b.GetHeader().GetNumber(), err)
	}
	return channel, config, nil
}

// ParseEnvelope takes the configuration out of a CONFIG transaction. Errors wrap ErrNotConfig.
func ParseEnvelope(envelope *commonpb.Envelope) (channel string, config *commonpb.ConfigEnvelope, err error) {
	header, data, err := openEnvelope(envelope)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %v", ErrNotConfig, err)
	}
	if header.GetType() != int32(commonpb.HeaderType_CONFIG) {
		return "", nil, fmt.Errorf("%w: the transaction has type %s", ErrNotConfig, commonpb.HeaderType(header.GetType()))
	}
	config = &commonpb.ConfigEnvelope{}
	if err := proto.Unmarshal(data, config); err != nil {
		return "", nil, fmt.Errorf("%w: %v", ErrNotConfig, err)
	}
	return header.GetChannelId(), config, nil
}

// openEnvelope decodes an envelope down to its channel header.
func openEnvelope(envelope *commonpb.Envelope) (*commonpb.ChannelHeader, []byte, error) {
	payload := &commonpb.Payload{}
	if err := proto.Unmarshal(envelope.GetPayload(), payload); err != nil {
		return nil, nil, fmt.Errorf("payload: %w", err)
	}
	if payload.GetHeader() == nil {
		return nil, nil, fmt.Errorf("the payload has no header")
	}
	header := &commonpb.ChannelHeader{}
	if err := proto.Unmarshal(payload.GetHeader().GetChannelHeader(), header); err != nil {
		return nil, nil, fmt.Errorf("channel header: %w", err)
	}
	return header, payload.GetData(), nil
}
