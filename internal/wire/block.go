package wire

import (
	"crypto/sha256"
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"
)

// metadataSlots is the number of entries that the metadata of every block has.
const metadataSlots = 5

// Hash is SHA-256 over the parts, one after the other, without separators. It is
// the only hash function of the protocol.
func Hash(parts ...[]byte) []byte {
	if len(parts) == 1 {
		sum := sha256.Sum256(parts[0])
		return sum[:]
	}
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(make([]byte, 0, sha256.Size))
}

// HeaderBytes is the form of a block header that is hashed and signed: the DER
// encoding of SEQUENCE { INTEGER number, OCTET STRING previous hash, OCTET
// STRING data hash }, not its protobuf encoding.
func HeaderBytes(h *commonpb.BlockHeader) []byte {
	number := derUint(h.GetNumber())
	body := make([]byte, 0, 16+len(number)+len(h.GetPreviousHash())+len(h.GetDataHash()))
	body = derAppend(body, 0x02, number)
	body = derAppend(body, 0x04, h.GetPreviousHash())
	body = derAppend(body, 0x04, h.GetDataHash())
	return derAppend(make([]byte, 0, len(body)+6), 0x30, body)
}

// derUint is the content of a DER INTEGER: big-endian, shortest form, with a zero
// byte in front where the first bit would read as a sign.
func derUint(n uint64) []byte {
	var b [9]byte
	i := len(b)
	for {
		i--
		b[i] = byte(n)
		n >>= 8
		if n == 0 {
			break
		}
	}
	if b[i]&0x80 != 0 {
		i--
		b[i] = 0
	}
	return b[i:]
}

// derAppend appends tag, length and content.
func derAppend(to []byte, tag byte, content []byte) []byte {
	to = append(to, tag)
	n := len(content)
	switch {
	case n < 0x80:
		to = append(to, byte(n))
	case n < 0x100:
		to = append(to, 0x81, byte(n))
	case n < 0x10000:
		to = append(to, 0x82, byte(n>>8), byte(n))
	case n < 0x1000000:
		to = append(to, 0x83, byte(n>>16), byte(n>>8), byte(n))
	default:
		to = append(to, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(to, content...)
}

// BlockHash is the hash of a block, which is the hash of its header bytes and the
// previous hash of the block that follows.
func BlockHash(h *commonpb.BlockHeader) []byte { return Hash(HeaderBytes(h)) }

// DataHash is the data hash of a block with these transactions (envelope bytes).
func DataHash(data [][]byte) []byte { return Hash(data...) }

// NewBlock puts a block together from envelope bytes. The previous hash is empty
// for block 0. All five metadata entries exist and are empty.
func NewBlock(number uint64, previous []byte, data [][]byte) *commonpb.Block {
	b := &commonpb.Block{
		Header:   &commonpb.BlockHeader{Number: number, PreviousHash: previous, DataHash: DataHash(data)},
		Data:     &commonpb.BlockData{Data: data},
		Metadata: &commonpb.BlockMetadata{},
	}
	growMetadata(b)
	return b
}

// growMetadata makes sure that all five metadata entries exist.
func growMetadata(b *commonpb.Block) {
	if b.Metadata == nil {
		b.Metadata = &commonpb.BlockMetadata{}
	}
	for len(b.Metadata.Metadata) < metadataSlots {
		b.Metadata.Metadata = append(b.Metadata.Metadata, []byte{})
	}
}

// Metadata is the raw metadata entry of a block, nil where there is none.
func Metadata(b *commonpb.Block, index commonpb.BlockMetadataIndex) []byte {
	entries := b.GetMetadata().GetMetadata()
	if index < 0 || int(index) >= len(entries) {
		return nil
	}
	return entries[index]
}

// SetMetadata replaces a raw metadata entry; the index must be a known one.
func SetMetadata(b *commonpb.Block, index commonpb.BlockMetadataIndex, entry []byte) {
	growMetadata(b)
	b.Metadata.Metadata[index] = entry
}

// Filter is the transaction filter of a block: one byte per transaction, each a
// peerpb.TxValidationCode. It is empty in blocks that no peer has validated.
func Filter(b *commonpb.Block) []byte {
	return Metadata(b, commonpb.BlockMetadataIndex_TRANSACTIONS_FILTER)
}

// SetFilter writes the transaction filter.
func SetFilter(b *commonpb.Block, filter []byte) {
	SetMetadata(b, commonpb.BlockMetadataIndex_TRANSACTIONS_FILTER, filter)
}

// CommitHash is the commit hash that a peer wrote into a block, nil in block 0
// and in blocks that no peer has committed.
func CommitHash(b *commonpb.Block) []byte {
	raw := Metadata(b, commonpb.BlockMetadataIndex_COMMIT_HASH)
	if len(raw) == 0 {
		return nil
	}
	var m commonpb.Metadata
	if proto.Unmarshal(raw, &m) != nil || len(m.GetValue()) == 0 {
		return nil
	}
	return m.GetValue()
}

// SetCommitHash writes the commit hash.
func SetCommitHash(b *commonpb.Block, hash []byte) {
	SetMetadata(b, commonpb.BlockMetadataIndex_COMMIT_HASH, mustMarshal(&commonpb.Metadata{Value: hash}))
}

// LastConfig is the number of the last block that held a channel configuration,
// as the ordering node wrote it: in the signed SIGNATURES entry, or in the older
// LAST_CONFIG entry where that one is silent.
func LastConfig(b *commonpb.Block) (uint64, error) {
	what := fmt.Sprintf("last configuration of block %d", b.GetHeader().GetNumber())
	var m commonpb.Metadata
	if err := proto.Unmarshal(Metadata(b, commonpb.BlockMetadataIndex_SIGNATURES), &m); err != nil {
		return 0, malformed(what, err)
	}
	var ordererMetadata commonpb.OrdererBlockMetadata
	if err := proto.Unmarshal(m.GetValue(), &ordererMetadata); err != nil {
		return 0, malformed(what, err)
	}
	if last := ordererMetadata.GetLastConfig(); last != nil {
		return last.GetIndex(), nil
	}
	m.Reset()
	if err := proto.Unmarshal(Metadata(b, commonpb.BlockMetadataIndex_LAST_CONFIG), &m); err != nil {
		return 0, malformed(what, err)
	}
	var last commonpb.LastConfig
	if err := proto.Unmarshal(m.GetValue(), &last); err != nil {
		return 0, malformed(what, err)
	}
	return last.GetIndex(), nil
}

// IsConfigBlock tells whether a block holds one channel configuration and
// nothing else.
func IsConfigBlock(b *commonpb.Block) bool {
	data := b.GetData().GetData()
	if len(data) != 1 {
		return false
	}
	// Decoded, not peeked at: peers must agree on this for any bytes at all.
	var envelope commonpb.Envelope
	var payload commonpb.Payload
	var header commonpb.ChannelHeader
	return proto.Unmarshal(data[0], &envelope) == nil &&
		proto.Unmarshal(envelope.GetPayload(), &payload) == nil &&
		proto.Unmarshal(payload.GetHeader().GetChannelHeader(), &header) == nil &&
		header.GetType() == int32(commonpb.HeaderType_CONFIG)
}

// mustMarshal encodes a message that this package built itself. Such a message
// fails to encode only if a string in it is not valid UTF-8, which the callers
// have checked or cannot cause.
func mustMarshal(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("wire: encode %T: %v", m, err))
	}
	return b
}
