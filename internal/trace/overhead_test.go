package trace_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// traffic makes what a loaded network records: 60 events a transaction, half of
// them with small messages, and a block of a hundred transactions that goes to
// four nodes with the same bytes.
type traffic struct {
	random *rand.Rand
	fill   []byte
	tx     int
	block  *commonpb.Block
}

func newTraffic() *traffic {
	t := &traffic{random: rand.New(rand.NewPCG(1, 2)), fill: make([]byte, 1<<16)}
	for i := range t.fill {
		t.fill[i] = byte(t.random.Uint32())
	}
	t.block = &commonpb.Block{Header: &commonpb.BlockHeader{}, Data: &commonpb.BlockData{}}
	return t
}

// bytes are n bytes of which half are as random as signatures are.
func (t *traffic) bytes(n int) []byte {
	b := make([]byte, n)
	copy(b, t.fill[t.random.IntN(len(t.fill)-n/2):][:n/2])
	return b
}

// transaction records the events of one transaction.
func (t *traffic) transaction(r *trace.Recorder) (events int) {
	t.tx++
	e := trace.Event{Channel: "mychannel", TxID: fmt.Sprintf("%064x", t.random.Uint64()), Node: "peer0.org1.example.com", Other: "asset@peer0.org1.example.com"}
	for i := range 30 {
		e.Kind, e.Dir, e.Msg, e.Key = trace.ChaincodeGetState, trace.Sent, uint64(t.tx*100+i), "asset17"
		size := 100
		if i%10 == 0 {
			size = 1500
		}
		r.RecordMessage(e, &peerpb.ChaincodeMessage{Txid: e.TxID, ChannelId: e.Channel, Payload: t.bytes(size)})
		e.Dir = trace.Received
		r.Record(e)
	}
	t.block.Data.Data = append(t.block.Data.Data, t.bytes(4000))
	if len(t.block.Data.Data) == 100 {
		for i := range 4 {
			r.RecordMessage(trace.Event{Kind: trace.DeliverBlock, Dir: trace.Sent, Node: "orderer0", Other: fmt.Sprint("peer", i), Msg: uint64(t.tx*100 + 40 + i)},
				&peerpb.DeliverResponse{Type: &peerpb.DeliverResponse_Block{Block: t.block}})
		}
		t.block = &commonpb.Block{Header: &commonpb.BlockHeader{}, Data: &commonpb.BlockData{}}
	}
	return 60
}

// cpu is the processor time that the process has used, in nanoseconds.
func cpu(t testing.TB) int64 {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// The processor time of one event, all threads together, with and without a run
// file. 100 ns an event are 1 % of one processor at 100,000 events a second.
func BenchmarkRecording(b *testing.B) {
	for _, mode := range []string{"off", "memory", "file"} {
		b.Run(mode, func(b *testing.B) {
			var r *trace.Recorder
			if mode != "off" {
				r = trace.NewRecorder(trace.Options{})
			}
			if mode == "file" {
				if err := runfile.Record(r, filepath.Join(b.TempDir(), "run.fscope"), trace.Meta{}); err != nil {
					b.Fatal(err)
				}
			}
			events := 0
			traffic := newTraffic()
			before := cpu(b)
			for b.Loop() {
				events += traffic.transaction(r)
			}
			if mode == "file" {
				if err := r.StopRecording(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(events), "cpu-ns/event")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
		})
	}
}
