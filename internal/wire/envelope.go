package wire

import (
	"bytes"
	"errors"
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// SplitEnvelope takes apart the bytes of a transaction as a block may hold it: an
// envelope with payload and signature, written in the one form that encoding it
// again gives. Else two blocks with different hashes could hold the same
// transactions. Peers refuse a whole block for one entry that is not like that, for
// ever, so an ordering node must not let one in. The error goes on from "the
// transaction".
func SplitEnvelope(raw []byte) (payload, signature []byte, err error) {
	if payload, signature, ok := SplitPair(raw); ok {
		return payload, signature, nil
	}
	var envelope commonpb.Envelope
	if err := proto.Unmarshal(raw, &envelope); err != nil {
		return nil, nil, fmt.Errorf("is no envelope: %w", err)
	}
	if len(envelope.GetPayload()) == 0 {
		return nil, nil, errors.New("has no payload")
	}
	if len(envelope.GetSignature()) == 0 {
		return nil, nil, errors.New("has no signature")
	}
	if again, err := proto.Marshal(&envelope); err != nil || !bytes.Equal(again, raw) {
		return nil, nil, errors.New("is not in the one form that an envelope may have")
	}
	return envelope.GetPayload(), envelope.GetSignature(), nil
}

// SplitPair cuts a message into its fields 1 and 2, without copying: both are
// there, once, in order, not empty, nothing else, lengths written as short as
// possible. ok is false for every other form, which may still be a sound message.
func SplitPair(raw []byte) (first, second []byte, ok bool) {
	first, rest, ok := CutField(raw, 0x0a)
	if !ok {
		return nil, nil, false
	}
	second, rest, ok = CutField(rest, 0x12)
	return first, second, ok && len(rest) == 0
}

// CutField takes one non-empty length-delimited field off the front. tag is the
// field's first byte, its number and kind.
func CutField(raw []byte, tag byte) (content, rest []byte, ok bool) {
	if len(raw) == 0 || raw[0] != tag {
		return nil, nil, false
	}
	size, n := protowire.ConsumeVarint(raw[1:])
	if n < 0 || n != protowire.SizeVarint(size) || size == 0 || size > uint64(len(raw)-1-n) {
		return nil, nil, false
	}
	content = raw[1+n:][:size:size]
	return content, raw[1+n+int(size):], true
}
