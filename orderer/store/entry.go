package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformed: bytes that should be the body of a Raft entry or block are not.
var ErrMalformed = errors.New("malformed entry")

// Kind tells what a Raft entry asks for.
type Kind byte

// The kinds of entry. The values are on disk.
const (
	KindBatch   Kind = 1 // a block of ordinary envelopes
	KindConfig  Kind = 2 // a block with one configuration envelope
	KindBarrier Kind = 3 // no block: a new leader learns that all before it is applied
)

// bodyHeader is the length of kind, epoch and number in front of a body's data.
const bodyHeader = 1 + 8 + 8

// maxBody bounds what a body may unfold to. The largest envelope that gRPC
// carries fits, and it fills a block alone.
const maxBody = 128 << 20

// Body is the data of a Raft entry. What follows the header is a marshalled
// common.BlockData, compressed with S2, so that the log entry is the block's
// storage as well. The same few certificates stand in every transaction: what is
// replicated and stored shrinks to a fifth, and costs less altogether than the
// plain bytes would.
type Body struct {
	Kind      Kind
	Epoch     uint64 // which leadership of which node proposed it: a random number
	Number    uint64 // counts the proposals of one epoch from 1
	Envelopes [][]byte
}

// EncodeBody puts an entry together. Each envelope is encoded once, here, and
// that is what every node stores and readers receive: the canonical encoding of
// common.Envelope, which peers insist on.
func EncodeBody(kind Kind, epoch, number uint64, envelopes []*commonpb.Envelope) []byte {
	total := 0
	for _, e := range envelopes {
		n := envelopeSize(e)
		total += 1 + protowire.SizeVarint(uint64(n)) + n
	}
	data := make([]byte, 0, total)
	for _, e := range envelopes {
		data = append(data, tagData)
		data = protowire.AppendVarint(data, uint64(envelopeSize(e)))
		data = AppendEnvelope(data, e)
	}
	return pack(kind, epoch, number, data)
}

// pack puts the header before the compressed data.
func pack(kind Kind, epoch, number uint64, data []byte) []byte {
	if len(data) == 0 {
		body := make([]byte, bodyHeader)
		putHeader(body, kind, epoch, number)
		return body
	}
	room := make([]byte, bodyHeader+s2.MaxEncodedLen(len(data)))
	packed := s2.Encode(room[bodyHeader:], data)
	body := room[:bodyHeader+len(packed)]
	putHeader(body, kind, epoch, number)
	if len(body) > cap(body)/2 {
		return body
	}
	return bytes.Clone(body) // it is kept: without the room that was not needed
}

// bodyOf is the body of a block that another node ordered.
func bodyOf(envelopes [][]byte) []byte {
	total := 0
	for _, e := range envelopes {
		total += 1 + protowire.SizeBytes(len(e))
	}
	data := make([]byte, 0, total)
	for _, e := range envelopes {
		data = append(data, tagData)
		data = protowire.AppendBytes(data, e)
	}
	return pack(KindBatch, 0, 0, data)
}

func putHeader(body []byte, kind Kind, epoch, number uint64) {
	body[0] = byte(kind)
	binary.BigEndian.PutUint64(body[1:], epoch)
	binary.BigEndian.PutUint64(body[9:], number)
}

// Tags of single-byte field numbers: BlockData.data, Envelope.payload and
// Envelope.signature, all length-delimited.
const (
	tagData      = 1<<3 | 2
	tagPayload   = 1<<3 | 2
	tagSignature = 2<<3 | 2
)

// AppendEnvelope appends the encoding that proto.Marshal would give.
func AppendEnvelope(to []byte, e *commonpb.Envelope) []byte {
	if len(e.GetPayload()) > 0 {
		to = append(to, tagPayload)
		to = protowire.AppendBytes(to, e.Payload)
	}
	if len(e.GetSignature()) > 0 {
		to = append(to, tagSignature)
		to = protowire.AppendBytes(to, e.Signature)
	}
	return append(to, e.ProtoReflect().GetUnknown()...)
}

func envelopeSize(e *commonpb.Envelope) int {
	n := len(e.ProtoReflect().GetUnknown())
	if len(e.GetPayload()) > 0 {
		n += 1 + protowire.SizeBytes(len(e.Payload))
	}
	if len(e.GetSignature()) > 0 {
		n += 1 + protowire.SizeBytes(len(e.Signature))
	}
	return n
}

// DecodeBody reads an entry. The envelopes share one piece of memory.
func DecodeBody(body []byte) (Body, error) {
	if len(body) < bodyHeader {
		return Body{}, fmt.Errorf("%w: %d bytes, at least %d are needed", ErrMalformed, len(body), bodyHeader)
	}
	b := Body{
		Kind:   Kind(body[0]),
		Epoch:  binary.BigEndian.Uint64(body[1:]),
		Number: binary.BigEndian.Uint64(body[9:]),
	}
	packed := body[bodyHeader:]
	switch b.Kind {
	case KindBatch, KindConfig:
	case KindBarrier:
		if len(packed) > 0 {
			return Body{}, fmt.Errorf("%w: a barrier with %d bytes of data", ErrMalformed, len(packed))
		}
		return b, nil
	default:
		return Body{}, fmt.Errorf("%w: kind %d is unknown", ErrMalformed, b.Kind)
	}
	if n, err := s2.DecodedLen(packed); err != nil || n > maxBody {
		return Body{}, fmt.Errorf("%w: %d bytes, at most %d are taken: %v", ErrMalformed, n, maxBody, err)
	}
	data, err := s2.Decode(nil, packed)
	if err != nil {
		return Body{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for rest := data; len(rest) > 0; {
		if rest[0] != tagData {
			return Body{}, fmt.Errorf("%w: no envelope at byte %d", ErrMalformed, len(data)-len(rest))
		}
		envelope, n := protowire.ConsumeBytes(rest[1:])
		if n < 0 {
			return Body{}, fmt.Errorf("%w: envelope %d is cut short", ErrMalformed, len(b.Envelopes))
		}
		b.Envelopes = append(b.Envelopes, envelope[:len(envelope):len(envelope)])
		rest = rest[1+n:]
	}
	if len(b.Envelopes) == 0 || (b.Kind == KindConfig && len(b.Envelopes) != 1) {
		return Body{}, fmt.Errorf("%w: %d envelopes in an entry of kind %d", ErrMalformed, len(b.Envelopes), b.Kind)
	}
	return b, nil
}
