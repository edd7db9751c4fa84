package validate_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/peer/ledger"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// Verdicts are facts in the trace, in the order of the checks.
func TestTrace(t *testing.T) {
	recorder := trace.NewRecorder(trace.Options{})
	l, err := ledger.OpenTemp(ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := &chain{l, validate.New(validate.Config{Ledger: l, Node: "peer0.org1.example.com", Trace: recorder})}
	for _, block := range conformance.Blocks(t)[:16] {
		c.MustAdd(t, asOrdered(block))
	}
	before := recorder.Last()
	result, _ := c.MustAdd(t, asOrdered(conformance.Blocks(t)[16]))
	events, _, lost := recorder.Since(before, 100)
	if lost != 0 || len(events) != 1+3*3 {
		t.Fatalf("%d events, %d lost", len(events), lost)
	}
	want := []trace.Kind{trace.ValidateFrom, trace.PolicyJudged, trace.PolicyJudged, trace.PolicyJudged,
		trace.VersionCheck, trace.VersionCheck, trace.VersionCheck, trace.Verdict, trace.Verdict, trace.Verdict}
	for i, e := range events {
		if e.Kind != want[i] || e.Block != 16 || e.Node != "peer0.org1.example.com" || e.Channel != "mychannel" {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if e := events[8]; e.TxID != result.Transactions[1].TxID || e.Key != "MVCC_READ_CONFLICT" || e.Note != result.Reasons[1].Text {
		t.Errorf("verdict: %+v", e)
	}
}

// A block that is being judged when the peer stops is given up, and can be
// judged again.
func TestCancelled(t *testing.T) {
	n := MustNetwork(t)
	c := n.MustStart(t, chaincodeSpec{name: "cc", policy: "OR('Org1MSP.peer')"})
	block := n.MustBlock(t, n.MustEnvelope(t, transaction{
		chaincode: "cc", namespace: []*rwsetpb.NsReadWriteSet{put(t, "cc", "k", "v")}, endorsers: []*msp.Signer{n.peer1()},
	}))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Validate(ctx, block); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	c.MustAdd(t, block)
}

// Judging the same block twice gives the same, and the given block is not
// changed: it may be shared.
func TestValidateChangesNothing(t *testing.T) {
	n := MustNetwork(t)
	c := n.MustStart(t, chaincodeSpec{name: "cc", policy: "OR('Org1MSP.peer')"})
	block := n.MustBlock(t,
		n.MustEnvelope(t, transaction{chaincode: "cc", namespace: []*rwsetpb.NsReadWriteSet{put(t, "cc", "k", "v")}, endorsers: []*msp.Signer{n.peer1()}}),
		n.MustEnvelope(t, transaction{chaincode: "cc", namespace: []*rwsetpb.NsReadWriteSet{put(t, "cc", "k", "v")}, endorsers: []*msp.Signer{n.peer2()}}),
	)
	original := proto.CloneOf(block)
	for range 2 {
		result, err := c.Validate(context.Background(), block)
		if err != nil {
			t.Fatal(err)
		}
		if codes(result.Codes) != codes([]peerpb.TxValidationCode{valid, policyFailed}) {
			t.Errorf("codes %v", result.Codes)
		}
		if !proto.Equal(block, original) {
			t.Error("the given block was changed")
		}
		if result.Block == block {
			t.Error("the result is the given block")
		}
	}
	if c.Height() != 2 {
		t.Errorf("height %d", c.Height())
	}
}

// What one peer has looked at counts for another only where it is the same bytes, and a
// peer that gave up leaves nothing half done.
func TestSharedTrustsNobody(t *testing.T) {
	n := MustNetwork(t)
	c := n.MustStart(t, chaincodeSpec{name: "cc", policy: "OR('Org1MSP.peer')"})
	envelope := func() []byte {
		return n.MustEnvelope(t, transaction{chaincode: "cc", namespace: []*rwsetpb.NsReadWriteSet{put(t, "cc", "k", "v")}, endorsers: []*msp.Signer{n.peer1()}})
	}
	shared := validate.NewShared()
	one := validate.New(validate.Config{Ledger: c.Ledger, Bundle: c.Bundle(), Shared: shared})
	two := validate.New(validate.Config{Ledger: c.Ledger, Bundle: c.Bundle(), Shared: shared})
	block := n.MustBlock(t, envelope())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := one.Validate(ctx, block); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	for _, v := range []*validate.Validator{two, one} {
		if result, err := v.Validate(t.Context(), block); err != nil || result.Codes[0] != valid {
			t.Errorf("the block: %v", err)
		}
	}
	other := &commonpb.Block{Header: block.GetHeader(), Data: &commonpb.BlockData{Data: [][]byte{envelope()}}, Metadata: block.GetMetadata()}
	if _, err := two.Validate(t.Context(), other); !errors.Is(err, validate.ErrDataHash) {
		t.Errorf("other transactions under a header that was seen: %v", err)
	}
}

// What CouchDB cannot keep is not committed where the state follows its rules, whoever has
// endorsed it; a key-value store takes it.
func TestWritesThatCouchDBCannotKeep(t *testing.T) {
	for _, couch := range []bool{true, false} {
		n := MustNetwork(t)
		c := n.mustStartOn(t, mustOpen(t, ledger.Options{CouchDB: couch}), chaincodeSpec{name: "cc", policy: "OR('Org1MSP.peer')"})
		var envelopes [][]byte
		for _, write := range [][2]string{{"_k", "v"}, {"k", `{"_id":1}`}, {"", "v"}, {"k", `{"~version":1}`}, {"l", `{"a":{"_b":1}}`}} {
			envelopes = append(envelopes, n.MustEnvelope(t, transaction{
				chaincode: "cc", namespace: []*rwsetpb.NsReadWriteSet{put(t, "cc", write[0], write[1])}, endorsers: []*msp.Signer{n.peer1()},
			}))
		}
		result, _ := c.MustAdd(t, n.MustBlock(t, envelopes...))
		want := "[VALID VALID VALID VALID VALID]"
		if couch {
			want = "[INVALID_WRITESET INVALID_WRITESET INVALID_WRITESET INVALID_WRITESET VALID]"
			r := result.Reasons[1]
			if r.Kind != validate.KindWrite || r.Namespace != "cc" || r.Key != "k" || !strings.Contains(r.Text, "field [_id] is not valid for the CouchDB state database") {
				t.Errorf("the reason is %+v", r)
			}
		}
		if got := codes(result.Codes); got != want {
			t.Errorf("couchdb %v: %s, want %s", couch, got, want)
		}
	}
}
