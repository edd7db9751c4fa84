package validate

import (
	"bytes"
	"errors"
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// Why a block is refused as a whole. Every *BlockError wraps one of these. There
// are no codes then: nothing of the block is committed, and the peer asks another
// ordering node.
var (
	// ErrIncomplete: the block lacks its header, data or metadata.
	ErrIncomplete = errors.New("the block is incomplete")
	// ErrNumber: it is not the next block.
	ErrNumber = errors.New("the block is not the next one")
	// ErrPreviousHash: it does not continue this chain.
	ErrPreviousHash = errors.New("the block does not continue this chain")
	// ErrMalformed: an entry is not an envelope with payload and signature in its
	// one canonical encoding.
	ErrMalformed = errors.New("the block holds a malformed envelope")
	// ErrDataHash: its transactions are not those that its header names.
	ErrDataHash = errors.New("the block's transactions are not those of its header")
	// ErrBlockSignature: those who signed it may not sign blocks.
	ErrBlockSignature = errors.New("the block is not signed as the channel demands")
	// ErrConfig: the configuration in it cannot follow the present one.
	ErrConfig = errors.New("the block's configuration cannot follow the present one")
)

// BlockError says why a block is refused.
type BlockError struct {
	Block  uint64 // the number that it gives itself
	Err    error  // one of the errors above, or wraps it
	Detail string // what was found
	Tx     int    // the entry at fault, -1 if it is none in particular
	Policy *policy.Node
}

// Error names block, fault and what was found.
func (e *BlockError) Error() string {
	return fmt.Sprintf("block %d is refused: %v: %s", e.Block, e.Err, e.Detail)
}

// Unwrap gives the kind of fault.
func (e *BlockError) Unwrap() error { return e.Err }

func refuse(b *commonpb.Block, err error, format string, args ...any) *BlockError {
	return &BlockError{Block: b.GetHeader().GetNumber(), Err: err, Detail: fmt.Sprintf(format, args...), Tx: -1}
}

// CheckBlock decides whether a block may follow: number, previous hash, form of
// the envelopes, data hash and the ordering nodes' signatures. height and
// previous are those of the chain so far. A *BlockError is the only error.
//
// Block 0 has nothing before it and no signature; whoever joins a channel with it
// trusts it, so only its form and data hash are checked.
func CheckBlock(b *commonpb.Block, height uint64, previous []byte, bundle *channelconfig.Bundle) error {
	return checkBlock(b, height, previous, bundle, nil)
}

// checkBlock does not look again at data that shared has seen.
func checkBlock(b *commonpb.Block, height uint64, previous []byte, bundle *channelconfig.Bundle, shared *Shared) error {
	switch {
	case b.GetHeader() == nil:
		return refuse(b, ErrIncomplete, "it has no header")
	case b.GetHeader().GetNumber() != height:
		return refuse(b, ErrNumber, "the next one is number %d", height)
	case height > 0 && !bytes.Equal(b.GetHeader().GetPreviousHash(), previous):
		return refuse(b, ErrPreviousHash, "its previous hash is %x, the block before has hash %x", b.GetHeader().GetPreviousHash(), previous)
	case height > 0 && len(b.GetMetadata().GetMetadata()) < len(commonpb.BlockMetadataIndex_name):
		return refuse(b, ErrIncomplete, "it has %d metadata entries, %d are needed", len(b.GetMetadata().GetMetadata()), len(commonpb.BlockMetadataIndex_name))
	case len(b.GetData().GetData()) == 0:
		return refuse(b, ErrIncomplete, "it has no transactions")
	}
	if !shared.holds(b) {
		if err := checkEnvelopes(b); err != nil {
			return err
		}
		if hash := wire.DataHash(b.GetData().GetData()); !bytes.Equal(hash, b.GetHeader().GetDataHash()) {
			return refuse(b, ErrDataHash, "the header says %x, the transactions have hash %x", b.GetHeader().GetDataHash(), hash)
		}
		shared.note(b)
	}
	if height == 0 {
		return nil
	}
	return checkBlockSignatures(b, bundle)
}

// checkEnvelopes insists that every entry is an envelope with payload and
// signature, and that there is no other way to write it: else two blocks with
// different hashes could hold the same transactions. A configuration alone in its
// block is excepted, block 0 has no signature.
func checkEnvelopes(b *commonpb.Block) error {
	data := b.GetData().GetData()
	if holdsConfig(data) {
		return nil
	}
	for i, raw := range data {
		if _, _, err := wire.SplitEnvelope(raw); err != nil {
			err := refuse(b, ErrMalformed, "transaction %d %s", i, clean(err))
			err.Tx = i
			return err
		}
	}
	return nil
}

// holdsConfig tells whether the only entry is a configuration. It decodes the
// headers for real: a look at the bytes may be misled.
func holdsConfig(data [][]byte) bool {
	if len(data) != 1 {
		return false
	}
	t := newTransaction(0, data[0])
	t.decodeHeaders()
	return t.kind == commonpb.HeaderType_CONFIG || t.kind == commonpb.HeaderType_ORDERER_TRANSACTION
}

// checkBlockSignatures asks the channel's BlockValidation policy. Each ordering
// node signs the metadata value, its own header and the block header's bytes.
func checkBlockSignatures(b *commonpb.Block, bundle *channelconfig.Bundle) error {
	if bundle == nil {
		return refuse(b, ErrBlockSignature, "the channel's configuration is not known, so nobody may sign its blocks")
	}
	var metadata commonpb.Metadata
	if err := proto.Unmarshal(wire.Metadata(b, commonpb.BlockMetadataIndex_SIGNATURES), &metadata); err != nil {
		return refuse(b, ErrBlockSignature, "its signatures cannot be decoded: %s", clean(err))
	}
	header := wire.HeaderBytes(b.GetHeader())
	var signed []policy.Signed
	for _, s := range metadata.GetSignatures() {
		signer, identity := s.GetSignatureHeader(), []byte(nil)
		if len(signer) == 0 && len(s.GetIdentifierHeader()) > 0 {
			signer = s.GetIdentifierHeader()
			identity = consenterIdentity(signer, bundle)
		} else {
			var h commonpb.SignatureHeader
			if err := proto.Unmarshal(signer, &h); err != nil {
				return refuse(b, ErrBlockSignature, "the header of a signature cannot be decoded: %s", clean(err))
			}
			identity = h.GetCreator()
		}
		data := bytes.Join([][]byte{metadata.GetValue(), signer, header}, nil)
		signed = append(signed, policy.Signed{Data: data, Identity: identity, Signature: s.GetSignature()})
	}
	rule, err := bundle.Policy(channelconfig.PathBlockValidation)
	if err != nil {
		return refuse(b, ErrBlockSignature, "%s", clean(err))
	}
	ids, rejected := policy.Identities(bundle.MSPs(), signed)
	if rule.Evaluate(ids) {
		return nil
	}
	tree := rule.Explain(ids)
	refusal := refuse(b, ErrBlockSignature, "%s%s", tree.Summary(), rejections("signature", endorsers(len(signed), ids, rejected)))
	refusal.Policy = tree
	return refusal
}

// consenterIdentity finds the identity behind a numeric identifier: the BFT
// ordering service of Fabric 3 signs in this way. Unknown: nil.
func consenterIdentity(header []byte, bundle *channelconfig.Bundle) []byte {
	var h commonpb.IdentifierHeader
	if proto.Unmarshal(header, &h) != nil {
		return nil
	}
	var nodes commonpb.Orderers
	value := bundle.Config().GetChannelGroup().GetGroups()["Orderer"].GetValues()["Orderers"]
	if proto.Unmarshal(value.GetValue(), &nodes) != nil {
		return nil
	}
	for _, node := range nodes.GetConsenterMapping() {
		if node.GetId() != h.GetIdentifier() {
			continue
		}
		identity, err := proto.Marshal(&msppb.SerializedIdentity{Mspid: node.GetMspId(), IdBytes: node.GetIdentity()})
		if err != nil {
			return nil
		}
		return identity
	}
	return nil
}
