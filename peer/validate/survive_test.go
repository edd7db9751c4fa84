package validate_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// These are the inputs after which a Fabric peer panics or its channel stands
// still; docs/DIVERGENCE.md says what this one does instead.

// An envelope without signature: the block is refused as Fabric refuses it, the
// peer goes on, and takes the next good block.
func TestEnvelopeWithoutSignature(t *testing.T) {
	c := MustOpenChain(t)
	for _, block := range conformance.Blocks(t) {
		c.MustAdd(t, asOrdered(block))
	}
	_, err := c.Validate(context.Background(), conformance.RejectedBlock(t))
	var refused *validate.BlockError
	if !errors.As(err, &refused) || !errors.Is(err, validate.ErrMalformed) || refused.Block != 196 || refused.Tx != 1 {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), "transaction 1 has no signature") {
		t.Errorf("text: %v", err)
	}
	if c.Height() != 196 {
		t.Errorf("height %d", c.Height())
	}
}

func TestRefusedBlocks(t *testing.T) {
	n := MustNetwork(t)
	c := n.MustStart(t, chaincodeSpec{name: "cc", policy: "OR('Org1MSP.peer')"})
	good := func() []byte {
		return n.MustEnvelope(t, transaction{chaincode: "cc", namespace: []*rwsetpb.NsReadWriteSet{put(t, "cc", "k", "v")}, endorsers: []*msp.Signer{n.peer1()}})
	}
	stranger, err := msp.Generate(msp.OrgSpec{MSPID: "OrdererMSP", Domain: "example.com", Orderer: true, Nodes: []msp.NodeSpec{{Name: "orderer0"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		want  error
		spoil func(b *commonpb.Block)
	}{
		"number":        {validate.ErrNumber, func(b *commonpb.Block) { b.Header.Number++ }},
		"no header":     {validate.ErrIncomplete, func(b *commonpb.Block) { b.Header = nil }},
		"previous hash": {validate.ErrPreviousHash, func(b *commonpb.Block) { b.Header.PreviousHash = wire.Hash([]byte("x")) }},
		"no metadata":   {validate.ErrIncomplete, func(b *commonpb.Block) { b.Metadata.Metadata = b.Metadata.Metadata[:4] }},
		"empty":         {validate.ErrIncomplete, func(b *commonpb.Block) { b.Data.Data = nil }},
		"garbage":       {validate.ErrMalformed, func(b *commonpb.Block) { b.Data.Data[0] = []byte{1, 2, 3} }},
		"empty entry":   {validate.ErrMalformed, func(b *commonpb.Block) { b.Data.Data[0] = nil }},
		"not canonical": {validate.ErrMalformed, func(b *commonpb.Block) {
			payload, signature := MustSplit(t, b.Data.Data[0])
			b.Data.Data[0] = append(append([]byte{0x12, byte(len(signature))}, signature...), MustMarshal(t, &commonpb.Envelope{Payload: payload})...)
		}},
		"data hash":        {validate.ErrDataHash, func(b *commonpb.Block) { b.Data.Data[0] = good() }},
		"no signatures":    {validate.ErrBlockSignature, func(b *commonpb.Block) { b.Metadata.Metadata[0] = nil }},
		"bad signatures":   {validate.ErrBlockSignature, func(b *commonpb.Block) { b.Metadata.Metadata[0] = []byte{1, 2} }},
		"signed by a peer": {validate.ErrBlockSignature, func(b *commonpb.Block) { n.MustSignBlock(t, b, n.peer1()) }},
		"signed by a stranger": {validate.ErrBlockSignature, func(b *commonpb.Block) {
			n.MustSignBlock(t, b, stranger.Node("orderer0").Signer)
		}},
		"header changed after signing": {validate.ErrBlockSignature, func(b *commonpb.Block) {
			b.Data.Data = append(b.Data.Data, good())
			b.Header.DataHash = wire.DataHash(b.Data.Data)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			probe := *n // the block is not part of the chain
			block := probe.MustBlock(t, good())
			test.spoil(block)
			_, err := c.Validate(context.Background(), block)
			var refused *validate.BlockError
			if !errors.Is(err, test.want) || !errors.As(err, &refused) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	forgetful := validate.New(validate.Config{Ledger: c.Ledger})
	probe := *n
	if _, err := forgetful.Validate(context.Background(), probe.MustBlock(t, good())); !errors.Is(err, validate.ErrBlockSignature) {
		t.Errorf("without a configuration: %v", err)
	}
	c.MustAdd(t, n.MustBlock(t, good())) // and the chain goes on
}

func MustSplit(t testing.TB, raw []byte) (payload, signature []byte) {
	t.Helper()
	var envelope commonpb.Envelope
	if err := proto.Unmarshal(raw, &envelope); err != nil {
		t.Fatal(err)
	}
	return envelope.Payload, envelope.Signature
}

// scene is a chain on which each of the following tests adds blocks.
type scene struct {
	*network
	*chain
}

func MustScene(t *testing.T) *scene {
	n := MustNetwork(t)
	return &scene{n, n.MustStart(t, chaincodeSpec{
		name: "cc", policy: "OR('Org1MSP.peer', 'Org2MSP.peer')", collections: map[string]string{"known": ""},
	})}
}

// tx is a transaction of cc that peer0 of organisation 1 endorsed.
func (s *scene) tx(t *testing.T, spaces ...*rwsetpb.NsReadWriteSet) transaction {
	return transaction{chaincode: "cc", namespace: spaces, endorsers: []*msp.Signer{s.peer1()}}
}

// expect adds a block and compares the codes and, where one is given, a part of
// the reason.
func (s *scene) expect(t *testing.T, want []peerpb.TxValidationCode, reasons []string, txs ...transaction) *validate.Result {
	t.Helper()
	var envelopes [][]byte
	for _, tx := range txs {
		envelopes = append(envelopes, s.MustEnvelope(t, tx))
	}
	result, _ := s.MustAdd(t, s.MustBlock(t, envelopes...))
	if codes(result.Codes) != codes(want) {
		t.Errorf("codes %v, want %v", result.Codes, want)
	}
	for i, part := range reasons {
		if part != "" && (result.Reasons[i] == nil || !strings.Contains(result.Reasons[i].Text, part)) {
			t.Errorf("reason %d: %+v, want %q in it", i, result.Reasons[i], part)
		}
	}
	return result
}

const (
	valid        = peerpb.TxValidationCode_VALID
	policyFailed = peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE
	outdated     = peerpb.TxValidationCode_MVCC_READ_CONFLICT
	phantom      = peerpb.TxValidationCode_PHANTOM_READ_CONFLICT
	badStructure = peerpb.TxValidationCode_INVALID_ENDORSER_TRANSACTION
)

type verdicts = []peerpb.TxValidationCode

func TestTransactionWithoutActionsBeforeAnother(t *testing.T) {
	s := MustScene(t)
	empty := s.tx(t, put(t, "cc", "k", "v"))
	empty.edit = func(p *parts) { p.whole.Actions = nil }
	noAction := s.tx(t, put(t, "cc", "k", "v"))
	noAction.edit = func(p *parts) {
		p.whole.Actions[0].Payload = MustMarshal(t, &peerpb.ChaincodeActionPayload{ChaincodeProposalPayload: []byte("x")})
	}
	garbage := s.tx(t, put(t, "cc", "k", "v"))
	garbage.edit = func(p *parts) { p.whole.Actions[0].Payload = []byte{0xff} }
	s.expect(t, verdicts{badStructure, badStructure, badStructure, valid},
		[]string{"The payload has no transaction in it", "no endorsed action", "cannot be decoded", ""},
		empty, noAction, garbage, s.tx(t, put(t, "cc", "k", "v")))
}

func TestUndecodableKeyPolicy(t *testing.T) {
	s := MustScene(t)
	s.expect(t, verdicts{valid, valid}, nil, s.tx(t, put(t, "cc", "k", "v")), s.tx(t, setPolicy(t, "cc", "k", []byte{0xff})))
	s.expect(t, verdicts{policyFailed, valid}, []string{"The endorsement policy of key k cannot be satisfied", ""},
		s.tx(t, put(t, "cc", "k", "w")), s.tx(t, put(t, "cc", "other", "w")))
}

func TestDeleteThenMetadataInOneBlock(t *testing.T) {
	s := MustScene(t)
	s.expect(t, verdicts{valid}, nil, s.tx(t, put(t, "cc", "k", "v")))
	own := MustMarshal(t, MustPolicy(t, "AND('Org2MSP.peer')"))
	s.expect(t, verdicts{valid, valid}, nil, s.tx(t, put(t, "cc", "k", "")), s.tx(t, setPolicy(t, "cc", "k", own)))
	view, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if _, ok, err := view.GetState("cc", "k"); ok || err != nil {
		t.Errorf("the key exists (%v, %v); a policy must not bring it back", ok, err)
	}
	s.expect(t, verdicts{valid}, nil, s.tx(t, put(t, "cc", "k", "again"))) // without Org2: there is no policy of its own
}

func TestHashedWriteForUndefinedCollection(t *testing.T) {
	s := MustScene(t)
	hashed := func(collection string) *rwsetpb.NsReadWriteSet {
		write := &kvrwsetpb.KVWriteHash{KeyHash: wire.Hash([]byte("k")), ValueHash: wire.Hash([]byte("v"))}
		return (&space{name: "cc", kv: &kvrwsetpb.KVRWSet{}, order: []string{collection},
			collections: map[string]*kvrwsetpb.HashedRWSet{collection: {HashedWrites: []*kvrwsetpb.KVWriteHash{write}}}}).MustEncode(t)
	}
	s.expect(t, verdicts{policyFailed, valid, policyFailed}, []string{`collection "unknown" of chaincode cc`, "", `collection "_implicit_org_NobodyMSP"`},
		s.tx(t, hashed("unknown")), s.tx(t, hashed("known")), s.tx(t, hashed("_implicit_org_NobodyMSP")))
}

// Found by reading: a raw read of a range without version, and a summary of a
// degree that no tree can have.
func TestImpossibleRangeResults(t *testing.T) {
	s := MustScene(t)
	s.expect(t, verdicts{valid}, nil, s.tx(t, put(t, "cc", "a", "1")))
	query := func(q *kvrwsetpb.RangeQueryInfo) *rwsetpb.NsReadWriteSet {
		q.StartKey, q.EndKey, q.ItrExhausted = "a", "b", true
		return (&space{name: "cc", kv: &kvrwsetpb.KVRWSet{RangeQueriesInfo: []*kvrwsetpb.RangeQueryInfo{q}}}).MustEncode(t)
	}
	raw := &kvrwsetpb.RangeQueryInfo{ReadsInfo: &kvrwsetpb.RangeQueryInfo_RawReads{RawReads: &kvrwsetpb.QueryReads{KvReads: []*kvrwsetpb.KVRead{{Key: "a"}}}}}
	degree := &kvrwsetpb.RangeQueryInfo{ReadsInfo: &kvrwsetpb.RangeQueryInfo_ReadsMerkleHashes{ReadsMerkleHashes: &kvrwsetpb.QueryReadsMerkleSummary{MaxDegree: 1}}}
	s.expect(t, verdicts{phantom, phantom, valid}, []string{"cannot be that of any query", "cannot be that of any query", ""},
		s.tx(t, query(raw)), s.tx(t, query(degree)), s.tx(t, put(t, "cc", "z", "1")))
}

// Found by reading: a policy change in a transaction that never reaches the
// policy check must not hold up those after it.
func TestKeyPolicyOfFailedTransaction(t *testing.T) {
	s := MustScene(t)
	s.expect(t, verdicts{valid}, nil, s.tx(t, put(t, "cc", "k", "v")))
	own := MustMarshal(t, MustPolicy(t, "AND('Org2MSP.peer')"))
	forged := s.tx(t, setPolicy(t, "cc", "k", own))
	forged.edit = func(p *parts) { p.channel.TxId = "somebody else's" }
	s.expect(t, verdicts{peerpb.TxValidationCode_BAD_PROPOSAL_TXID, valid, valid, policyFailed}, []string{"", "", "", "sets the endorsement policy of k"},
		forged, s.tx(t, put(t, "cc", "k", "w")), s.tx(t, setPolicy(t, "cc", "k", own)), s.tx(t, put(t, "cc", "k", "x")))
}

// A definition whose parts cannot be used makes transactions invalid and stops
// nothing.
func TestUnusableDefinitions(t *testing.T) {
	s := MustScene(t)
	broken := (&space{name: "_lifecycle", kv: &kvrwsetpb.KVRWSet{Writes: []*kvrwsetpb.KVWrite{
		{Key: "namespaces/metadata/one", Value: []byte{0xff}},
		{Key: "namespaces/metadata/two", Value: MustMarshal(t, &peerpb.ChaincodeID{Path: "SomethingElse"})},
		{Key: "namespaces/metadata/three", Value: MustMarshal(t, &peerpb.ChaincodeID{Path: "ChaincodeDefinition"})},
	}}}).MustEncode(t)
	lifecycle := transaction{chaincode: "_lifecycle", namespace: []*rwsetpb.NsReadWriteSet{broken}, endorsers: []*msp.Signer{s.peer1(), s.peer2()}}
	s.expect(t, verdicts{valid}, nil, lifecycle)
	const invalid = peerpb.TxValidationCode_INVALID_CHAINCODE
	call := func(name string) transaction {
		tx := s.tx(t)
		tx.chaincode = name
		return tx
	}
	s.expect(t, verdicts{invalid, invalid, invalid, invalid, valid},
		[]string{"cannot be decoded", `defined as a "SomethingElse"`, "the field ValidationInfo", "no definition of that name", ""},
		call("one"), call("two"), call("three"), call("four"), s.tx(t))
}

// A configuration among other transactions cannot come from an ordering node.
func TestConfigurationAmongOthers(t *testing.T) {
	s := MustScene(t)
	config := s.tx(t)
	config.edit = func(p *parts) { p.channel.Type = int32(commonpb.HeaderType_CONFIG) }
	block := s.MustBlock(t, s.MustEnvelope(t, config), s.MustEnvelope(t, s.tx(t)))
	if _, err := s.Validate(context.Background(), block); !errors.Is(err, validate.ErrConfig) {
		t.Errorf("got %v", err)
	}
}
