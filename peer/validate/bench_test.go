package validate_test

import (
	"context"
	"fmt"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/msp"
)

// benchmarkBlock is a block as the asset sample makes it: each transaction reads
// the definition's sequence and one key, writes that key, and has two
// endorsements.
func benchmarkBlock(b *testing.B, count int) (genesis, block *commonpb.Block, c *chain) {
	n := MustNetwork(b)
	genesis = n.MustGenesis(b)
	c = MustOpenChain(b)
	c.MustAdd(b, genesis)
	endorsers := []*msp.Signer{n.peer1(), n.peer2()}
	c.MustAdd(b, n.MustBlock(b, n.MustEnvelope(b, transaction{
		chaincode: "_lifecycle", endorsers: endorsers,
		namespace: []*rwsetpb.NsReadWriteSet{define(b, chaincodeSpec{name: "asset", policy: "/Channel/Application/Endorsement"})},
	})))
	sequence := (&space{name: "_lifecycle", kv: &kvrwsetpb.KVRWSet{Reads: []*kvrwsetpb.KVRead{
		{Key: "namespaces/fields/asset/Sequence", Version: &kvrwsetpb.Version{BlockNum: 1}},
	}}}).MustEncode(b)
	var envelopes [][]byte
	for i := range count {
		key := fmt.Sprintf("asset%06d", i)
		value := fmt.Sprintf(`{"ID":%q,"Color":"blue","Size":5,"Owner":"Tomoko","AppraisedValue":300}`, key)
		asset := (&space{name: "asset", kv: &kvrwsetpb.KVRWSet{
			Reads: []*kvrwsetpb.KVRead{{Key: key}}, Writes: []*kvrwsetpb.KVWrite{{Key: key, Value: []byte(value)}},
		}}).MustEncode(b)
		envelopes = append(envelopes, n.MustEnvelope(b, transaction{
			chaincode: "asset", endorsers: endorsers, namespace: []*rwsetpb.NsReadWriteSet{sequence, asset},
		}))
	}
	return genesis, n.MustBlock(b, envelopes...), c
}

const benchmarkTxs = 500

func runBlock(b *testing.B, c *chain, block *commonpb.Block) {
	result, err := c.Validate(context.Background(), block)
	if err != nil {
		b.Fatal(err)
	}
	for i, code := range result.Codes {
		if code != peerpb.TxValidationCode_VALID {
			b.Fatalf("transaction %d: %s", i, result.Reasons[i].Text)
		}
	}
}

// What the second and every further peer of a process pays: all signatures are
// known to hold.
func BenchmarkBlockWarm(b *testing.B) {
	_, block, c := benchmarkBlock(b, benchmarkTxs)
	runBlock(b, c, block)
	b.ReportAllocs()
	for b.Loop() {
		runBlock(b, c, block)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/benchmarkTxs, "µs/tx")
}

// What the first peer pays: three signatures a transaction are verified.
func BenchmarkBlockCold(b *testing.B) {
	genesis, block, c := benchmarkBlock(b, benchmarkTxs)
	for b.Loop() {
		b.StopTimer()
		bundle, err := channelconfig.FromBlock(genesis, msp.NewVerifier(4*benchmarkTxs))
		if err != nil {
			b.Fatal(err)
		}
		c.Use(bundle)
		b.StartTimer()
		runBlock(b, c, block)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/benchmarkTxs, "µs/tx")
}

// Hot key: every transaction but the first conflicts with it, and each gets its
// reason.
func BenchmarkBlockOfConflicts(b *testing.B) {
	n := MustNetwork(b)
	c := n.MustStart(b, chaincodeSpec{name: "counter", policy: "OR('Org1MSP.peer')"})
	var envelopes [][]byte
	for range benchmarkTxs {
		set := (&space{name: "counter", kv: &kvrwsetpb.KVRWSet{
			Reads: []*kvrwsetpb.KVRead{{Key: "hot"}}, Writes: []*kvrwsetpb.KVWrite{{Key: "hot", Value: []byte("1")}},
		}}).MustEncode(b)
		envelopes = append(envelopes, n.MustEnvelope(b, transaction{chaincode: "counter", endorsers: []*msp.Signer{n.peer1()}, namespace: []*rwsetpb.NsReadWriteSet{set}}))
	}
	block := n.MustBlock(b, envelopes...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Validate(context.Background(), block); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/benchmarkTxs, "µs/tx")
}
