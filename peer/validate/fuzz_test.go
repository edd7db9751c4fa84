package validate_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// checkResult looks at what must hold for every result.
func checkResult(t *testing.T, block *commonpb.Block, result *validate.Result, err error) {
	t.Helper()
	var refused *validate.BlockError
	if err != nil {
		if !errors.As(err, &refused) {
			t.Fatalf("neither a verdict nor a *BlockError: %v", err)
		}
		return
	}
	if len(result.Codes) != len(block.GetData().GetData()) || !bytes.Equal(wire.Filter(result.Block), filterOf(result.Codes)) {
		t.Fatalf("%d codes, filter %x for %d transactions", len(result.Codes), wire.Filter(result.Block), len(block.GetData().GetData()))
	}
	for i, code := range result.Codes {
		reason := result.Reasons[i]
		if (reason == nil) != (code == peerpb.TxValidationCode_VALID) || reason != nil && (reason.Code != code || reason.Text == "" || reason.Kind == "") {
			t.Fatalf("transaction %d: %s with reason %+v", i, code, reason)
		}
		if reason != nil {
			if _, err := reason.MarshalJSON(); err != nil {
				t.Fatalf("transaction %d: %v", i, err)
			}
		}
	}
	result.Batch.Updates()
}

func filterOf(codes []peerpb.TxValidationCode) []byte {
	filter := make([]byte, len(codes))
	for i, code := range codes {
		filter[i] = byte(code)
	}
	return filter
}

// Any bytes that decode as a block are judged or refused, by the checks of the
// block, by the verdicts alone, and by an inspection.
func FuzzBlock(f *testing.F) {
	c := MustOpenChain(f)
	blocks := conformance.Blocks(f)
	for _, block := range blocks[:20] {
		c.MustAdd(f, asOrdered(block))
	}
	for _, block := range blocks[20:] {
		if raw := MustMarshal(f, block); len(raw) < 20_000 {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var block commonpb.Block
		if proto.Unmarshal(raw, &block) != nil {
			return
		}
		result, err := c.Validate(context.Background(), &block)
		checkResult(t, &block, result, err)
		if len(block.GetData().GetData()) > 0 {
			judged := proto.Clone(&block).(*commonpb.Block)
			judged.Header = &commonpb.BlockHeader{Number: c.Height()}
			result, err = c.Judge(context.Background(), judged, nil)
			checkResult(t, judged, result, err)
		}
		for _, envelope := range block.GetData().GetData() {
			validate.DecodeAll(envelope)
		}
		if err := c.InspectAlone(&block, func(validate.Line) error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
}

// Any bytes as the result that endorsers signed lead to a verdict: everything
// around them is right, so that they are really looked at.
func FuzzResults(f *testing.F) {
	n := MustNetwork(f)
	c := n.MustStart(f, chaincodeSpec{name: "cc", policy: "OR('Org1MSP.peer')", collections: map[string]string{"coll": "OR('Org1MSP.peer')"}})
	endorsers := []*msp.Signer{n.peer1()}
	tx := func(results []byte) transaction {
		return transaction{chaincode: "cc", endorsers: endorsers, results: append([]byte{}, results...)}
	}
	c.MustAdd(f, n.MustBlock(f, n.MustEnvelope(f, transaction{chaincode: "cc", endorsers: endorsers, namespace: []*rwsetpb.NsReadWriteSet{put(f, "cc", "k", "v")}})))
	for _, block := range conformance.Blocks(f)[13:178] {
		for _, raw := range block.GetData().GetData() {
			if decoded, err := wire.ParseTransaction(raw); err == nil && len(decoded.Action.GetResults()) < 2000 {
				f.Add(bytes.ReplaceAll(decoded.Action.GetResults(), []byte("\x06ledger"), []byte("\x06cc\x00\x00\x00\x00")))
			}
		}
	}
	for _, set := range []*rwsetpb.NsReadWriteSet{put(f, "cc", "k", ""), setPolicy(f, "cc", "k", []byte{8, 0})} {
		f.Add(MustMarshal(f, &rwsetpb.TxReadWriteSet{NsRwset: []*rwsetpb.NsReadWriteSet{set}}))
	}
	f.Fuzz(func(t *testing.T, results []byte) {
		probe := *n
		block := probe.MustBlock(t, n.MustEnvelope(t, tx(results)), n.MustEnvelope(t, tx(results)))
		result, err := c.Validate(context.Background(), block)
		checkResult(t, block, result, err)
		if err != nil {
			t.Fatal(err)
		}
	})
}
