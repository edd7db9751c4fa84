package inspect

import (
	"strconv"
	"testing"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// The sums of any span are what a plain count over its events gives.
func TestSpanSums(t *testing.T) {
	run, err := runfile.Open("../testdata/mixed-block.fscope")
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	all, _, _ := run.Since(0, 1<<20)
	rapid.Check(t, func(rt *rapid.T) {
		a := rapid.Uint64Range(1, uint64(len(all))).Draw(rt, "a")
		b := rapid.Uint64Range(a, uint64(len(all))).Draw(rt, "b")
		part := all[a-1 : b]
		s := sumUp(run, a, b)
		sent, judged, valid, written := 0, map[string]bool{}, 0, map[uint64]bool{}
		for _, e := range part {
			if e.Dir == trace.Sent {
				sent++
			}
			if e.Kind == trace.Verdict && !judged[e.TxID] {
				judged[e.TxID] = true
				if e.A == 0 {
					valid++
				}
			}
			if e.Kind == trace.BlockWritten {
				written[e.Block] = true
			}
		}
		total := 0
		for _, n := range s.sent {
			total += n
		}
		if s.events != len(part) || total != sent || len(s.judged) != len(judged) || s.verdicts[peerpb.TxValidationCode_VALID] != valid || len(s.written) != len(written) {
			rt.Fatalf("from %d to %d: %d events, %d sent, %d judged, %d valid, %d blocks; counted are %d, %d, %d, %d, %d", a, b, s.events, total, len(s.judged),
				s.verdicts[peerpb.TxValidationCode_VALID], len(s.written), len(part), sent, len(judged), valid, len(written))
		}
	})
}

// The document of a whole run tells its invalid transactions by code and what clients
// waited for.
func TestSpanDocument(t *testing.T) {
	run, err := runfile.Open("../testdata/mixed-block.fscope")
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	all, _, _ := run.Since(0, 1<<20)
	last := all[len(all)-1].Seq
	d := Of(Input{Source: run, At: view.Moment{Seq: last}, Selection: view.Span(last, 1)})
	codes := map[string]string{}
	waits := 0
	for _, b := range d.Blocks {
		for _, r := range b.Rows {
			if b.Title == "Transactions judged" {
				codes[r[0].Text] = r[1].Text
			}
			if b.Title == "Longest waits for a verdict" {
				waits++
			}
		}
	}
	if codes["VALID"] == "" || codes["MVCC_READ_CONFLICT"] == "" || waits == 0 {
		t.Errorf("codes %v, %d waits", codes, waits)
	}
	if d.Subtitle != strconv.Itoa(len(all))+" events" {
		t.Errorf("%d events are called %q", len(all), d.Subtitle)
	}
}
