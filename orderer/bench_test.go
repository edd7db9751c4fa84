package orderer_test

import (
	"crypto/rand"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/orderer"
)

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// realistic is about what is inside a transaction with two endorsements: the
// endorsers' certificates, which are in every one, and as many random bytes as
// there are hashes and signatures.
func (c *cluster) realistic() string {
	noise := make([]byte, 500)
	_, _ = rand.Read(noise)
	var text strings.Builder
	for i := range 2 {
		text.Write(c.orgs["OrdererMSP"].Node(nodeName(i)).Signer.Creator())
		text.Write(noise[i*250 : i*250+250])
	}
	text.WriteString(strings.Repeat("x", 200))
	return text.String()
}

// The checks of one envelope whose signature this process has seen, and of one
// that it has not.
func BenchmarkCheck(b *testing.B) {
	c := MustCluster(b, setup{nodes: 1, quiet: true})
	e := c.transaction(c.realistic())
	for _, known := range []bool{true, false} {
		b.Run(map[bool]string{true: "known", false: "new"}[known], func(b *testing.B) {
			var verifier *msp.Verifier
			if known {
				verifier = msp.NewVerifier(100)
			}
			bundle, err := channelconfig.FromBlock(c.genesis, verifier)
			must(b, err)
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				m, _ := orderer.ReadMessage(e)
				if verdict := m.Check(bundle, now); !verdict.OK() {
					b.Fatal(verdict)
				}
			}
		})
	}
}

// Transactions through three nodes in this process, clients included: 64 streams
// to one or all nodes, blocks of up to 500, as in the network's bench. The CPU
// time is that of everything: client, TLS, three nodes and their disks.
func benchmarkOrder(b *testing.B, all bool) {
	c := MustCluster(b, setup{nodes: 3, quiet: true, batch: channelconfig.Batch{MaxMessageCount: 500, Timeout: 100 * time.Millisecond}})
	leader := c.leader()
	envelopes := make([]*commonpb.Envelope, 4096)
	for i := range envelopes {
		envelopes[i] = c.transaction(c.realistic())
	}
	const streams = 64
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	began := cpuTime()
	var group sync.WaitGroup
	for s := range streams {
		name := leader
		if all {
			name = nodeName(s % 3)
		}
		group.Go(func() {
			conn, err := c.dial(name)
			if err != nil {
				b.Error(err)
				return
			}
			stream, err := ordererpb.NewAtomicBroadcastClient(conn).Broadcast(b.Context())
			if err != nil {
				b.Error(err)
				return
			}
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				if err := stream.Send(envelopes[i%int64(len(envelopes))]); err != nil {
					b.Error(err)
					return
				}
				if answer, err := stream.Recv(); err != nil || answer.Status != commonpb.Status_SUCCESS {
					b.Error(answer, err)
					return
				}
			}
		})
	}
	group.Wait()
	if b.Failed() {
		return
	}
	for i := range 3 {
		c.holds(nodeName(i), b.N)
	}
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-began)/float64(b.N)/1000, "cpu-us/tx")
}

func BenchmarkOrderAtLeader(b *testing.B) { benchmarkOrder(b, false) }
func BenchmarkOrderAtAll(b *testing.B)    { benchmarkOrder(b, true) }
