package ledger_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// chain makes blocks whose transactions each write one key: envelopes of the size
// of real ones, without signatures.
type chain struct {
	l    *ledger.Ledger
	hash []byte
	keys int // keys written so far

	byClient bool // each of 32 clients writes keys with a number that goes up, as in a load
}

const envelopeBytes = 3500

func (c *chain) block(t testing.TB, txs int) (*commonpb.Block, []*wire.RWSet) {
	t.Helper()
	payloads := make([][]byte, txs)
	for i := range payloads {
		payloads[i] = make([]byte, envelopeBytes)
	}
	return c.blockOf(t, payloads...)
}

// blockOf makes a block of transactions with these payloads.
func (c *chain) blockOf(t testing.TB, payloads ...[]byte) (*commonpb.Block, []*wire.RWSet) {
	t.Helper()
	txs := len(payloads)
	data, sets := make([][]byte, txs), make([]*wire.RWSet, txs)
	for i := range data {
		id := wire.TxID([]byte(fmt.Sprint(c.keys)), nil)
		data[i] = mustEnvelope(t, id, payloads[i])
		sets[i] = &wire.RWSet{Namespaces: []wire.NsRWSet{{Name: "asset", KV: &kvrwsetpb.KVRWSet{
			Writes: []*kvrwsetpb.KVWrite{{Key: c.key(), Value: make([]byte, 120)}},
		}}}}
		c.keys++
	}
	block := wire.NewBlock(c.l.Height(), c.hash, data)
	wire.SetFilter(block, make([]byte, txs))
	c.hash = wire.BlockHash(block.Header)
	return block, sets
}

func (c *chain) key() string {
	if c.byClient {
		return fmt.Sprintf("a-9e3779b97f4a7c15-%d-%d", c.keys%32, c.keys/32)
	}
	return assetKey(c.keys)
}

// assetKey spreads keys over the whole tree, as real keys do.
func assetKey(n int) string { return fmt.Sprintf("asset%016x", uint64(n)*0x9e3779b97f4a7c15) }

func mustEnvelope(t testing.TB, txID string, payload []byte) []byte {
	t.Helper()
	header := mustMarshal(t, &commonpb.ChannelHeader{Type: int32(commonpb.HeaderType_ENDORSER_TRANSACTION), ChannelId: "ch", TxId: txID})
	return mustMarshal(t, &commonpb.Envelope{Payload: mustMarshal(t, &commonpb.Payload{
		Header: &commonpb.Header{ChannelHeader: header}, Data: payload,
	})})
}

func mustMarshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// commit stores a block with all its transactions valid.
func (c *chain) commit(t testing.TB, block *commonpb.Block, sets []*wire.RWSet) {
	t.Helper()
	v, err := c.l.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	batch := ledger.NewBatch(block.Header.Number, v)
	for i, set := range sets {
		if err := batch.Apply(uint64(i), set); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.l.Commit(bg, block, batch, nil); err != nil {
		t.Fatal(err)
	}
}

func mustChain(t testing.TB, blocks, txs int) *chain {
	t.Helper()
	c := &chain{l: MustOpen(t, filepath.Join(t.TempDir(), "channel.db"))}
	for range blocks {
		block, sets := c.block(t, txs)
		c.commit(t, block, sets)
	}
	return c
}

// BenchmarkCommit commits blocks of 500 transactions, and of one, at the beginning
// of a chain and after 10,000 blocks.
func BenchmarkCommit(b *testing.B) {
	for _, txs := range []int{500, 1} {
		for _, length := range []int{0, 10000} {
			b.Run(fmt.Sprintf("txs=%d/blocks=%d", txs, length), func(b *testing.B) {
				c := mustChain(b, length, 20)
				var used time.Duration
				b.ResetTimer()
				for b.Loop() {
					b.StopTimer()
					block, sets := c.block(b, txs)
					b.StartTimer()
					before := cpuTime(b)
					c.commit(b, block, sets)
					used += cpuTime(b) - before
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*txs), "ns/tx")
				b.ReportMetric(float64(used.Nanoseconds())/float64(b.N*txs), "cpu-ns/tx")
			})
		}
	}
}

// cpuTime is what the process has used, in user mode and in the kernel: unlike the
// clock it means something on a busy machine.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkGetState reads keys that the cache has, and keys that it has not.
func BenchmarkGetState(b *testing.B) {
	for _, length := range []int{100, 10000} {
		c := mustChain(b, length, 20)
		v := MustView(b, c.l)
		for name, key := range map[string]func(i int) string{
			"hot":    func(int) string { return assetKey(7) },
			"cold":   func(i int) string { return assetKey(i * 31 % c.keys) },
			"absent": func(i int) string { return fmt.Sprintf("none%d", i) },
		} {
			b.Run(fmt.Sprintf("%s/blocks=%d", name, length), func(b *testing.B) {
				i := 0
				for b.Loop() {
					if _, _, err := v.GetState("asset", key(i)); err != nil {
						b.Fatal(err)
					}
					i++
				}
			})
		}
	}
}

// BenchmarkSimulate runs what an endorser does for a transaction that reads and
// writes one key, on both processors.
func BenchmarkSimulate(b *testing.B) {
	for _, length := range []int{100, 10000} {
		b.Run(fmt.Sprintf("blocks=%d", length), func(b *testing.B) {
			c := mustChain(b, length, 20)
			var n atomic.Int64
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				value := make([]byte, 120)
				for pb.Next() {
					sim, err := c.l.NewSimulator(bg, "tx")
					if err != nil {
						b.Fatal(err)
					}
					key := fmt.Sprintf("new%d", n.Add(1))
					if _, err := sim.GetState("_lifecycle", "namespaces/fields/asset/Sequence"); err != nil {
						b.Fatal(err)
					}
					if _, err := sim.GetState("asset", key); err != nil {
						b.Fatal(err)
					}
					if err := sim.PutState("asset", key, value); err != nil {
						b.Fatal(err)
					}
					if _, err := sim.Result(); err != nil {
						b.Fatal(err)
					}
					sim.Done()
				}
			})
		})
	}
}

// BenchmarkRange reads 100 keys in order.
func BenchmarkRange(b *testing.B) {
	c := mustChain(b, 100, 20)
	v := MustView(b, c.l)
	for b.Loop() {
		n := 0
		for _, err := range v.Range("asset", "asset5", "", false) {
			if err != nil {
				b.Fatal(err)
			}
			if n++; n == 100 {
				break
			}
		}
	}
}

// BenchmarkTxStatus asks for ids that are not in the chain, as every proposal
// does, from many goroutines, while the chain grows.
func BenchmarkTxStatus(b *testing.B) {
	for _, length := range []int{100, 10000} {
		b.Run(fmt.Sprintf("blocks=%d", length), func(b *testing.B) {
			c := mustChain(b, length, 20)
			var n atomic.Int64
			b.SetParallelism(64)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := wire.TxID([]byte(fmt.Sprint("none", n.Add(1))), nil)
					if _, used, err := c.l.TxStatus(id); err != nil || used {
						b.Fatal(used, err)
					}
				}
			})
		})
	}
}

// BenchmarkGrowth commits 100,000 transactions and tells what one costs at the beginning
// and at the end: processor time, and bytes written to the log and to the file.
func BenchmarkGrowth(b *testing.B) {
	for _, keys := range []string{"spread", "by client"} {
		for _, txs := range []int{500, 40} {
			b.Run(fmt.Sprintf("keys=%s/txs=%d", keys, txs), func(b *testing.B) {
				for b.Loop() {
					c := mustChain(b, 0, 0)
					c.byClient = keys == "by client"
					const all, part = 100_000, 5_000
					for from := 0; from < all; from += part {
						used, log, file := cpuTime(b), int64(0), int64(0)
						log, file = c.l.Written()
						var idle time.Duration
						for c.keys < from+part {
							began := cpuTime(b)
							block, sets := c.block(b, txs)
							idle += cpuTime(b) - began
							c.commit(b, block, sets)
						}
						used = cpuTime(b) - used - idle
						logged, filed := c.l.Written()
						n := float64(part)
						if from == 0 || from == part || from+part == all {
							name := map[int]string{0: "first", part: "second", all - part: "last"}[from]
							b.ReportMetric(float64(used.Nanoseconds())/n, name+"-cpu-ns/tx")
							b.ReportMetric(float64(logged-log)/n, name+"-log-B/tx")
							b.ReportMetric(float64(filed-file)/n, name+"-file-B/tx")
						}
					}
				}
			})
		}
	}
}
