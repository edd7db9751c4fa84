package store_test

import (
	"math/rand/v2"
	"testing"

	"github.com/fabriscope/fabriscope/orderer/store"
)

// transactions are texts of about 3.5 kB, of which a fifth is random and the rest
// the same in each, like certificates.
func transactions(size int) []string {
	random := rand.New(rand.NewPCG(3, 4))
	noise := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return string(b)
	}
	certificates := []string{noise(900), noise(900), noise(900)}
	var texts []string
	for left := size; left > 0; left -= 3500 {
		var text string
		for _, certificate := range certificates {
			text += noise(270) + certificate
		}
		texts = append(texts, text[:min(left, len(text))])
	}
	return texts
}

func benchmarkBlock(b *testing.B, size int) {
	s := mustOpen(b, newPath(b))
	must(b, s.AppendBlocks([]store.Append{genesis()}))
	texts := transactions(size)
	index := uint64(0)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		index++
		entry := command(index, 1, texts...)
		must(b, s.StoreLog(entry))
		must(b, s.AppendBlocks([]store.Append{blockOf(b, s.Chain(), entry)}))
	}
}

// Packing and unpacking a block of 570 transactions.
func BenchmarkBody(b *testing.B) {
	texts := transactions(2_000_000)
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(2_000_000)
		for b.Loop() {
			command(1, 1, texts...)
		}
	})
	b.Run("decode", func(b *testing.B) {
		entry := command(1, 1, texts...)
		b.SetBytes(2_000_000)
		for b.Loop() {
			if _, err := store.DecodeBody(entry.Data); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(entry.Data))/2_000_000, "packed/plain")
	})
}

// One block's way to the disk, log and chain, synced once.
func BenchmarkBlock2KB(b *testing.B)   { benchmarkBlock(b, 2_000) }
func BenchmarkBlock100KB(b *testing.B) { benchmarkBlock(b, 100_000) }
func BenchmarkBlock2MB(b *testing.B)   { benchmarkBlock(b, 2_000_000) }
