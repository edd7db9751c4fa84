package orderer

import (
	"bytes"
	"errors"
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	raftpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer/etcdraft"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/orderer/store"
)

// errBadBlock: a block that another node gave us is not what it should be.
var errBadBlock = errors.New("bad block")

// makeBlock makes the block that follows chain. Number, hashes, data and the
// signed value depend only on what came before and on the Raft entry, so that all
// nodes make the same; the signature is this node's own (wire.md E.3).
func makeBlock(chain store.Chain, data [][]byte, raftIndex uint64, config bool, bundle *channelconfig.Bundle, signer wire.Signer) (store.Append, error) {
	block := wire.NewBlock(chain.Height, chain.LastHash, data)
	last := chain.LastConfig
	if config {
		last = chain.Height
	}
	value, err := signedValue(last, raftIndex, len(bundle.Consenters()))
	if err != nil {
		return store.Append{}, err
	}
	header, err := proto.Marshal(&commonpb.SignatureHeader{Creator: signer.Creator(), Nonce: wire.NewNonce()})
	if err != nil {
		return store.Append{}, err
	}
	signature, err := signer.Sign(signedBytes(value, header, block.Header))
	if err != nil {
		return store.Append{}, fmt.Errorf("sign block %d: %w", chain.Height, err)
	}
	slots := []struct {
		index   commonpb.BlockMetadataIndex
		content *commonpb.Metadata
	}{
		{commonpb.BlockMetadataIndex_SIGNATURES, &commonpb.Metadata{Value: value, Signatures: []*commonpb.MetadataSignature{{SignatureHeader: header, Signature: signature}}}},
		{commonpb.BlockMetadataIndex_LAST_CONFIG, &commonpb.Metadata{Value: lastConfigBytes(last)}},
	}
	for _, slot := range slots {
		encoded, err := proto.Marshal(slot.content)
		if err != nil {
			return store.Append{}, err
		}
		wire.SetMetadata(block, slot.index, encoded)
	}
	return store.Append{Block: block, RaftIndex: raftIndex, Config: config}, nil
}

// signedValue is what a block's signature covers beside the header: where the
// configuration stands and which Raft entry the block comes from.
func signedValue(lastConfig, raftIndex uint64, consenters int) ([]byte, error) {
	ids := make([]uint64, consenters)
	for i := range ids {
		ids[i] = uint64(i) + 1
	}
	raft, err := proto.Marshal(&raftpb.BlockMetadata{ConsenterIds: ids, NextConsenterId: uint64(consenters) + 1, RaftIndex: raftIndex})
	if err != nil {
		return nil, err
	}
	consenter, err := proto.Marshal(&commonpb.Metadata{Value: raft})
	if err != nil {
		return nil, err
	}
	return proto.Marshal(&commonpb.OrdererBlockMetadata{LastConfig: &commonpb.LastConfig{Index: lastConfig}, ConsenterMetadata: consenter})
}

func lastConfigBytes(index uint64) []byte {
	encoded, _ := proto.Marshal(&commonpb.LastConfig{Index: index}) // one number cannot fail
	return encoded
}

func signedBytes(value, signatureHeader []byte, header *commonpb.BlockHeader) []byte {
	return bytes.Join([][]byte{value, signatureHeader, wire.HeaderBytes(header)}, nil)
}

// raftIndexOf reads the Raft entry that a block comes from out of its metadata; 0
// for the genesis block.
func raftIndexOf(block *commonpb.Block) (uint64, error) {
	var signatures, consenter commonpb.Metadata
	var orderer commonpb.OrdererBlockMetadata
	var raft raftpb.BlockMetadata
	for _, layer := range []struct {
		raw  func() []byte
		into proto.Message
	}{
		{func() []byte { return wire.Metadata(block, commonpb.BlockMetadataIndex_SIGNATURES) }, &signatures},
		{func() []byte { return signatures.Value }, &orderer},
		{func() []byte { return orderer.ConsenterMetadata }, &consenter},
		{func() []byte { return consenter.Value }, &raft},
	} {
		if err := proto.Unmarshal(layer.raw(), layer.into); err != nil {
			return 0, fmt.Errorf("block %d: metadata: %w: %w", block.GetHeader().GetNumber(), errBadBlock, err)
		}
	}
	return raft.RaftIndex, nil
}

// checkFetched checks a block that another ordering node gave us against the end
// of our chain: number, hashes, and an ordering node's signature.
func checkFetched(chain store.Chain, block *commonpb.Block, bundle *channelconfig.Bundle) (store.Append, error) {
	number := block.GetHeader().GetNumber()
	switch {
	case block.GetHeader() == nil || number != chain.Height:
		return store.Append{}, fmt.Errorf("block %d where %d should come: %w", number, chain.Height, errBadBlock)
	case !bytes.Equal(block.Header.PreviousHash, chain.LastHash):
		return store.Append{}, fmt.Errorf("block %d does not follow ours: %w", number, errBadBlock)
	case !bytes.Equal(block.Header.DataHash, wire.DataHash(block.GetData().GetData())):
		return store.Append{}, fmt.Errorf("block %d: the data hash is wrong: %w", number, errBadBlock)
	}
	var metadata commonpb.Metadata
	if err := proto.Unmarshal(wire.Metadata(block, commonpb.BlockMetadataIndex_SIGNATURES), &metadata); err != nil {
		return store.Append{}, fmt.Errorf("block %d: signatures: %w: %w", number, errBadBlock, err)
	}
	var signed []policy.Signed
	for _, s := range metadata.Signatures {
		var header commonpb.SignatureHeader
		if err := proto.Unmarshal(s.SignatureHeader, &header); err != nil {
			return store.Append{}, fmt.Errorf("block %d: signature header: %w: %w", number, errBadBlock, err)
		}
		signed = append(signed, policy.Signed{Data: signedBytes(metadata.Value, s.SignatureHeader, block.Header), Identity: header.Creator, Signature: s.Signature})
	}
	if err := bundle.Check(channelconfig.PathBlockValidation, signed...); err != nil {
		return store.Append{}, fmt.Errorf("block %d: %w: %w", number, errBadBlock, err)
	}
	raftIndex, err := raftIndexOf(block)
	if err != nil {
		return store.Append{}, err
	}
	config := wire.IsConfigBlock(block)
	if !config {
		if err := allAdmissible(block.GetData().GetData(), bundle); err != nil {
			return store.Append{}, fmt.Errorf("block %d: %w: %w", number, errBadBlock, err)
		}
	}
	return store.Append{Block: block, RaftIndex: raftIndex, Config: config, Fetched: true}, nil
}
