package chain

import (
	"encoding/hex"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// hash is the hash of the i-th of the blocks in hexadecimal, "" while no message with it
// was on its way. It is read once from the block's header; the first block of a channel is
// not sent by anybody, its hash stands in the next one.
func (s *Strip) hash(blocks []*facts.Block, i int, at view.Moment) string {
	b := blocks[i]
	if given := s.given[b.Number]; given != nil {
		return given.Hash
	}
	if b.Message != 0 && b.Message <= at.Seq {
		return s.headerOf(b).hash
	}
	if b.Message == 0 && i+1 < len(blocks) {
		if next := blocks[i+1]; next.Number == b.Number+1 && next.Message != 0 && next.Message <= at.Seq {
			return s.headerOf(next).prev
		}
	}
	return ""
}

// keptHeaders bounds the headers that are remembered.
const keptHeaders = 16_384

func (s *Strip) headerOf(b *facts.Block) (h header) {
	if h, ok := s.headers[b.Number]; ok || s.src == nil {
		return h
	}
	for _, seq := range []uint64{b.Message, b.Again} {
		_, raw, ok := s.src.Payload(seq)
		if !ok {
			continue
		}
		read := &commonpb.BlockHeader{}
		if proto.Unmarshal(inner(blockBytes(raw), 1), read) == nil && read.GetNumber() == b.Number {
			h = header{hex.EncodeToString(wire.BlockHash(read)), hex.EncodeToString(read.GetPreviousHash())}
			break
		}
	}
	if s.headers == nil || len(s.headers) >= keptHeaders {
		s.headers = map[uint64]header{}
	}
	s.headers[b.Number] = h // it is there now or never
	return h
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
