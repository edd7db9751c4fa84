package chain

import (
	"encoding/hex"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// hash is the hash of the i-th block in hexadecimal, "" while no message with it was
// on its way. It is read once from the block's header; the first block of a channel is
// not sent by anybody, its hash stands in the next one.
func (s *Strip) hash(i int, at view.Moment) string {
	b := s.blocks[i]
	if s.foreign {
		return b.hash
	}
	if b.message != 0 && b.message <= at.Seq {
		s.readHeader(b)
		return b.hash
	}
	if b.message == 0 && i+1 < len(s.blocks) {
		if next := s.blocks[i+1]; next.number == b.number+1 && next.message != 0 && next.message <= at.Seq {
			s.readHeader(next)
			return next.prev
		}
	}
	return ""
}

func (s *Strip) readHeader(b *block) {
	if b.read || s.src == nil {
		return
	}
	b.read = true // it is there now or never
	for _, seq := range []uint64{b.message, b.again} {
		_, raw, ok := s.src.Payload(seq)
		if !ok {
			continue
		}
		header := &commonpb.BlockHeader{}
		if proto.Unmarshal(inner(blockBytes(raw), 1), header) != nil || header.GetNumber() != b.number {
			continue
		}
		b.hash, b.prev = hex.EncodeToString(wire.BlockHash(header)), hex.EncodeToString(header.GetPreviousHash())
		return
	}
}

// blockBytes are the bytes of the block in an encoded DeliverResponse of an ordering
// node (field 2) or of a peer (fields 2, and 4 with private data).
func blockBytes(response []byte) []byte {
	if b := inner(response, 2); b != nil {
		return b
	}
	return inner(inner(response, 4), 1)
}

// inner is the last field with a number and a length, nil if there is none. It decodes
// nothing else, so it is quick with large blocks.
func inner(message []byte, number protowire.Number) (found []byte) {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return nil
		}
		message = message[size:]
		if n == number && kind == protowire.BytesType {
			value, length := protowire.ConsumeBytes(message)
			if length < 0 {
				return nil
			}
			found, message = value, message[length:]
			continue
		}
		if size = protowire.ConsumeFieldValue(n, kind, message); size < 0 {
			return nil
		}
		message = message[size:]
	}
	return found
}
