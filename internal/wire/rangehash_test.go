package wire_test

import (
	"encoding/hex"
	"fmt"
	"testing"

	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// rangeReads is the results of a range query over n keys, all written in block 1.
func rangeReads(n int) []*kvrwsetpb.KVRead {
	reads := make([]*kvrwsetpb.KVRead, n)
	for i := range reads {
		reads[i] = &kvrwsetpb.KVRead{Key: fmt.Sprintf("key%05d", i), Version: wire.Version{Block: 1, Tx: uint64(i)}.Proto()}
	}
	return reads
}

// MustSummarise puts reads through a RangeHasher.
func MustSummarise(t testing.TB, degree uint32, reads []*kvrwsetpb.KVRead) ([]*kvrwsetpb.KVRead, *kvrwsetpb.QueryReadsMerkleSummary) {
	t.Helper()
	h := wire.NewRangeHasher(degree)
	for _, r := range reads {
		if err := h.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	raw, summary, err := h.Done()
	if err != nil {
		t.Fatal(err)
	}
	return raw, summary
}

func TestRangeHasher(t *testing.T) {
	const (
		leaf1 = "374b77ab94d6f8771e7f927b0be5bf79946c4ae8ddfabe8347230a096156b75b"
		leaf2 = "39042b55784445c5fd9246d0ff291321899f5ade61c6ed0c108fe16d135a1572"
		rest  = "31a82748e8f4f9928dc7cfc8425e45ad62f47f0f24bdfdb62832665028d3b8b7"
		top1  = "ebbf656f85aaf59ade5767d9cc9db47bc5f461221f2cd6de5e121073053937bc"
		top2  = "fb89db3400782b10716dc6eeb832df7d1aff439ff51a9affd931d31ab65db4db"
	)
	for _, tt := range []struct {
		reads  int
		level  uint32 // 0: raw
		hashes []string
	}{
		{0, 0, nil},
		{1, 0, nil},
		{50, 0, nil},
		{51, 1, []string{leaf1}},
		{102, 1, []string{leaf1, leaf2}},
		{120, 1, []string{leaf1, leaf2, rest}},
		{2601, 2, []string{top1}},
		{2700, 2, []string{top1, top2}},
	} {
		t.Run(fmt.Sprint(tt.reads), func(t *testing.T) {
			raw, summary := MustSummarise(t, wire.MaxMerkleDegree, rangeReads(tt.reads))
			if tt.level == 0 {
				if len(raw) != tt.reads || summary != nil {
					t.Fatalf("%d raw reads and summary %v, want %d and none", len(raw), summary, tt.reads)
				}
				return
			}
			want := &kvrwsetpb.QueryReadsMerkleSummary{MaxDegree: 50, MaxLevel: tt.level}
			for _, h := range tt.hashes {
				want.MaxLevelHashes = append(want.MaxLevelHashes, MustHex(t, h))
			}
			if raw != nil || !proto.Equal(summary, want) {
				t.Errorf("summary = %v, want %v", summary, want)
			}
		})
	}
}

// Whatever the number of results and the degree: the summary is small, and
// another result, one less, or a changed version shows.
func TestRangeHasherTellsDifferences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		degree := rapid.Uint32Range(2, 60).Draw(t, "degree")
		reads := rangeReads(rapid.IntRange(int(degree)+1, 500).Draw(t, "reads"))
		summarise := func(reads []*kvrwsetpb.KVRead) *kvrwsetpb.QueryReadsMerkleSummary {
			h := wire.NewRangeHasher(degree)
			for _, r := range reads {
				if err := h.Add(r); err != nil {
					t.Fatal(err)
				}
			}
			_, summary, err := h.Done()
			if err != nil {
				t.Fatal(err)
			}
			return summary
		}
		summary := summarise(reads)
		if n := len(summary.GetMaxLevelHashes()); n == 0 || n > int(degree) {
			t.Fatalf("%d reads of degree %d give %d hashes", len(reads), degree, n)
		}
		if !proto.Equal(summary, summarise(reads)) {
			t.Fatal("the same reads give different summaries")
		}
		if proto.Equal(summary, summarise(reads[:len(reads)-1])) {
			t.Fatal("a result less does not show")
		}
		i := rapid.IntRange(0, len(reads)-1).Draw(t, "changed")
		reads[i] = &kvrwsetpb.KVRead{Key: reads[i].Key, Version: wire.Version{Block: 2}.Proto()}
		if proto.Equal(summary, summarise(reads)) {
			t.Fatal("a changed version does not show")
		}
	})
}

// The reads that stay raw survive being hashed by nobody: every recorded raw range
// gives itself back.
func TestConformanceRawRanges(t *testing.T) {
	ranges := 0
	for _, b := range conformance.Blocks(t) {
		for i, envelope := range b.Data.Data {
			tx, err := wire.ParseTransaction(envelope)
			if err != nil || tx.RWSet == nil {
				continue
			}
			for _, ns := range tx.RWSet.Namespaces {
				for _, q := range ns.KV.GetRangeQueriesInfo() {
					reads := q.GetRawReads().GetKvReads()
					if len(reads) == 0 {
						continue
					}
					ranges++
					raw, summary := MustSummarise(t, wire.MaxMerkleDegree, reads)
					if summary != nil || len(raw) != len(reads) {
						t.Errorf("block %d, transaction %d: %d raw reads became %v", b.Header.Number, i, len(reads), summary)
					}
				}
			}
		}
	}
	if ranges == 0 {
		t.Error("no raw range was recorded")
	}
}

func BenchmarkRangeHasher(b *testing.B) {
	reads := rangeReads(1000)
	b.ReportAllocs()
	for b.Loop() {
		_, summary := MustSummarise(b, wire.MaxMerkleDegree, reads)
		if hex.EncodeToString(summary.MaxLevelHashes[0]) == "" {
			b.Fatal("no hash")
		}
	}
}
