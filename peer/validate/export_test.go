package validate

import (
	"context"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
)

// Judge gives verdicts on a block that CheckBlock need not accept, for fuzzing.
func (v *Validator) Judge(ctx context.Context, block *commonpb.Block, follow []byte) (*Result, error) {
	all, err := v.decode(ctx, block)
	if err != nil {
		return nil, err
	}
	return v.judge(ctx, block, all, follow)
}

// DecodeAll runs every decoding step over an envelope, whatever the steps before
// found: no mutation of a fuzzer gets past a signature.
func DecodeAll(raw []byte) {
	t := newTransaction(0, raw)
	if t.decodeHeaders(); t.signer == nil {
		return
	}
	t.checkStructure()
	if t.decodeAction(); t.header == nil {
		return
	}
	t.decodeResult()
	t.summary()
}

// InspectAlone is what an inspection says about a block without those before it.
func (v *Validator) InspectAlone(block *commonpb.Block, out func(Line) error) error {
	return (&partial{bundle: v.bundle}).next(out, block)
}

// The ways to take messages apart without copying, for comparison with a decoder.
var (
	SplitPayload         = splitPayload
	SplitSignatureHeader = splitSignatureHeader
	SplitActions         = splitActions
	SplitAction          = splitAction
	SplitResult          = splitResult
)
