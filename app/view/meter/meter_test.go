package meter_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/meter"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

const (
	peer0 = "peer0.org1.example.com"
	peer1 = "peer1.org1.example.com"
)

// story makes events one after the other.
type story struct {
	events []trace.Event
	now    int64
}

func (s *story) at(ms int64) *story { s.now = 1_000_000_000_000 + ms*1_000_000; return s }

func (s *story) add(e trace.Event) *story {
	e.Seq, e.Time = uint64(len(s.events)+1), s.now
	s.events = append(s.events, e)
	return s
}

// two transactions in one block, the second with a conflict; both peers say so, and one
// peer judges the block again after it was started anew.
func two() *story {
	s := &story{}
	s.at(0).add(trace.Event{Kind: trace.Proposal, Dir: trace.Sent, Node: "alice", Other: peer0, TxID: "t1"})
	s.at(10).add(trace.Event{Kind: trace.Proposal, Dir: trace.Sent, Node: "bob", Other: peer0, TxID: "t2"})
	s.at(100).add(trace.Event{Kind: trace.Submitted, Node: "alice", TxID: "t1"})
	s.at(110).add(trace.Event{Kind: trace.Submitted, Node: "bob", TxID: "t2"})
	for i, p := range []string{peer0, peer1} {
		s.at(int64(300 + 50*i)).add(trace.Event{Kind: trace.Verdict, Node: p, TxID: "t1", Block: 4, Key: "VALID"})
		s.add(trace.Event{Kind: trace.Verdict, Node: p, TxID: "t2", Block: 4, Key: "MVCC_READ_CONFLICT"})
		s.add(trace.Event{Kind: trace.Committed, Node: p, Block: 4})
	}
	s.at(400).add(trace.Event{Kind: trace.CommitSeen, Node: "alice", TxID: "t1", Block: 4, What: trace.Valid})
	s.at(410).add(trace.Event{Kind: trace.CommitSeen, Node: "bob", TxID: "t2", Block: 4, What: trace.Invalid, A: 11})
	s.at(500).add(trace.Event{Kind: trace.Verdict, Node: "peer9.org1.example.com", TxID: "t0", Block: 3, Key: "VALID"})
	s.at(2100).add(trace.Event{Kind: trace.Committed, Node: "peer9.org1.example.com", Block: 3})
	return s
}

func TestReadings(t *testing.T) {
	s := two()
	m := meter.Alone(time.Second)
	m.Add(s.events)
	at := func(ms int64) view.Moment {
		time := 1_000_000_000_000 + ms*1_000_000
		seq := uint64(0)
		for _, e := range s.events {
			if e.Time <= time {
				seq = e.Seq
			}
		}
		return view.Moment{Seq: seq, Time: time}
	}
	for _, c := range []struct {
		ms   int64
		want meter.Reading
	}{
		{50, meter.Reading{}},
		{105, meter.Reading{Pending: 1}},
		{200, meter.Reading{Pending: 2}},
		{320, meter.Reading{Height: 5, Judged: 2, Valid: 1, Conflicts: 1, ConflictShare: 0.5, TxPerSecond: 0.4}},
		{450, meter.Reading{Height: 5, Judged: 2, Valid: 1, Conflicts: 1, ConflictShare: 0.5, TxPerSecond: 0.4}},
		{2400, meter.Reading{Height: 5, Judged: 2, Valid: 1, Conflicts: 1, ConflictShare: 0.5, TxPerSecond: 0.4}},
		{5400, meter.Reading{Height: 5, Judged: 2, Valid: 1, Conflicts: 1, ConflictShare: 0.5}},
		{200, meter.Reading{Pending: 2}}, // and back
	} {
		if got := m.At(at(c.ms)); got != c.want {
			t.Errorf("after %d ms: %+v, want %+v", c.ms, got, c.want)
		}
	}
}

func TestSeries(t *testing.T) {
	m := meter.Alone(time.Second)
	m.Add(two().events)
	s := m.Series(view.Moment{Seq: 99, Time: 1_000_000_000_000 + 2_500_000_000}, time.Minute)
	if want := []float64{2, 0}; !slices.Equal(s.Throughput, want) || s.Judged != 2 || s.Peak != 2 || s.Mean != 1 {
		t.Errorf("%+v", s)
	}
	if math.Abs(s.P50[0]-400) > 10 || !math.IsNaN(s.P50[1]) {
		t.Errorf("latencies %v, want about 400 ms and nothing", s.P50)
	}
	if len(s.Codes) != 2 || s.Codes[0].Name != "VALID" || s.Codes[1].Name != "MVCC_READ_CONFLICT" || s.Codes[1].Total != 1 {
		t.Errorf("codes %+v", s.Codes)
	}
	if early := m.Series(view.Moment{Seq: 8, Time: 1_000_000_000_000 + 900_000_000}, time.Minute); len(early.Throughput) != 0 {
		t.Errorf("a second that is not over is shown: %+v", early)
	}
}

// TestTransactionsOfOtherClients counts what comes through a gateway from outside: nobody
// tells when the client learned the verdict.
func TestTransactionsOfOtherClients(t *testing.T) {
	s := &story{}
	s.at(0).add(trace.Event{Kind: trace.Proposal, Dir: trace.Received, Node: peer0, Other: "app", TxID: "t1"})
	s.at(50).add(trace.Event{Kind: trace.Broadcast, Dir: trace.Received, Node: "orderer.example.com", Other: peer0, TxID: "t1"})
	s.at(200).add(trace.Event{Kind: trace.Verdict, Node: peer0, TxID: "t1", Block: 2, Key: "VALID"})
	s.at(1200).add(trace.Event{Kind: trace.Committed, Node: peer0, Block: 2})
	m := meter.Alone(time.Second)
	m.Add(s.events)
	series := m.Series(view.Moment{Seq: 4, Time: s.now}, time.Minute)
	if math.Abs(series.P50[0]-200) > 5 {
		t.Errorf("latency %v ms", series.P50)
	}
	if r := m.At(view.Moment{Seq: 2, Time: s.events[1].Time}); r.Pending != 1 {
		t.Errorf("%+v", r)
	}
	if r := m.At(view.Moment{Seq: 4, Time: s.now}); r.Pending != 0 || r.Height != 3 {
		t.Errorf("%+v", r)
	}
}

// TestRefusedForOrdering: an envelope that the ordering service does not take is not pending.
func TestRefusedForOrdering(t *testing.T) {
	s := &story{}
	s.at(0).add(trace.Event{Kind: trace.Submitted, Node: "alice", TxID: "t1"})
	s.at(1).add(trace.Event{Kind: trace.BroadcastAnswer, Dir: trace.Received, Node: "alice", Other: "orderer.example.com", TxID: "t1", What: trace.Rejected, A: 403})
	m := meter.Alone(time.Second)
	m.Add(s.events)
	if r := m.At(view.Moment{Seq: 2, Time: s.now}); r.Pending != 0 {
		t.Errorf("%+v", r)
	}
}

func TestRecordedRun(t *testing.T) {
	run, err := runfile.Open("../testdata/two-clients-one-key.fscope")
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	events, _, _ := run.Since(0, 100_000)
	whole, pieces := meter.Alone(time.Second), meter.Alone(time.Second)
	whole.Add(events)
	for chunk := range slices.Chunk(events, 13) {
		pieces.Add(chunk)
	}
	last, newest := events[len(events)-1], uint64(0)
	for _, e := range events {
		if e.Kind == trace.Committed {
			newest = max(newest, e.Block)
		}
	}
	r := whole.At(view.Moment{Seq: last.Seq, Time: last.Time})
	if r.Pending != 0 || r.Conflicts != 1 || r.Height != newest+1 {
		t.Errorf("at the end: %+v", r)
	}
	for i := 0; i < len(events); i += 50 {
		at := view.Moment{Seq: events[i].Seq, Time: events[i].Time}
		if a, b := whole.At(at), pieces.At(at); a != b {
			t.Errorf("event %d: %+v, in pieces %+v", events[i].Seq, a, b)
		}
		if a, b := whole.Series(at, time.Minute), pieces.Series(at, time.Minute); fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("event %d: the series differ", events[i].Seq)
		}
	}
}

// TestBounds lets a network run for hours.
func TestBounds(t *testing.T) {
	m := meter.Alone(time.Second)
	s := &story{}
	for i := range 200_000 {
		s.at(int64(i) * 40)
		id := fmt.Sprint(i)
		s.events = s.events[:0]
		e := trace.Event{Kind: trace.Verdict, Node: peer0, TxID: id, Block: uint64(i + 1), Key: "VALID"}
		e.Seq, e.Time = uint64(2*i+2), s.now
		submitted := trace.Event{Seq: uint64(2*i + 1), Time: s.now, Kind: trace.Submitted, Node: "alice", TxID: id}
		m.Add([]trace.Event{submitted, e})
	}
	r := m.At(view.Moment{Seq: 400_000, Time: s.now})
	if r.Judged != 200_000 || math.Abs(r.TxPerSecond-25) > 1 {
		t.Errorf("%+v", r)
	}
	for _, span := range []time.Duration{24 * time.Hour, 10 * time.Minute} {
		series := m.Series(view.Moment{Seq: 400_000, Time: s.now + int64(time.Second)}, span)
		n := len(series.Throughput)
		if span > time.Hour && (n < 1700 || n > 2100) {
			t.Errorf("%d seconds are remembered", n)
		}
		if series.Judged == 0 || series.Judged+series.Earlier != 200_000 {
			t.Errorf("of %v: %d are in the series and %d before it, of 200000", span, series.Judged, series.Earlier)
		}
		if whole := series.Skipped + time.Duration(n)*time.Second; whole != 8000*time.Second {
			t.Errorf("of %v: %v are skipped and %d s shown, of 8000 s", span, series.Skipped, n)
		}
	}
	before := reflect.ValueOf(m).Elem().FieldByName("points").Len()
	if before > 150_000 {
		t.Errorf("%d points are remembered", before)
	}
}

func BenchmarkAdd(b *testing.B) {
	run, err := runfile.Open("../testdata/two-clients-one-key.fscope")
	if err != nil {
		b.Fatal(err)
	}
	defer run.Close()
	events, _, _ := run.Since(0, 100_000)
	for range b.N {
		meter.Alone(time.Second).Add(events)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
}
