package timeline_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// repeated is a recorded run over and over, each time with other transactions, until there
// are n events. The pauses of a run are shortened, so that about 60,000 events are a second.
func repeated(t testing.TB, n int) []trace.Event {
	run := MustEvents(t, "../testdata/two-clients-one-key.fscope")
	all := make([]trace.Event, 0, n)
	now := run[0].Time
	for round := 0; len(all) < n; round++ {
		ids := map[string]string{"": ""}
		last := run[0].Time
		for _, e := range run {
			if len(all) == n {
				break
			}
			if _, ok := ids[e.TxID]; !ok {
				ids[e.TxID] = fmt.Sprintf("%08x%s", round, e.TxID[8:])
			}
			now += min(max(0, e.Time-last), 40_000) // at most 40 us between two events
			last = e.Time
			e.Seq, e.Time, e.TxID = uint64(len(all)+1), now, ids[e.TxID]
			if e.Msg != 0 {
				e.Msg += uint64(round) << 8
			}
			all = append(all, e)
		}
	}
	return all
}

func BenchmarkAdd(b *testing.B) {
	events := repeated(b, 1_000_000)
	b.ResetTimer()
	for range b.N {
		x := timeline.Alone(400_000)
		for i := 0; i < len(events); i += 1000 {
			x.Add(events[i : i+1000])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6, "ns/event")
}

// BenchmarkFrame lays out a picture of 1440 by 200 pixels over a million events.
func BenchmarkFrame(b *testing.B) {
	events := repeated(b, 1_000_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x := timeline.Alone(1_000_000)
	x.Add(events)
	runtime.GC()
	runtime.ReadMemStats(&after)
	chosen := 600_000
	for events[chosen].TxID == "" {
		chosen++
	}
	perEvent := float64(after.HeapAlloc-before.HeapAlloc) / 1e6
	for zoom := 1.0; zoom <= 1e8; zoom *= 10 {
		for _, selected := range []bool{false, true} {
			b.Run(fmt.Sprintf("zoom=%.0e,selected=%v", zoom, selected), func(b *testing.B) {
				o := timeline.Options{Window: x.Fit().Zoom(zoom, 0.6), W: 1440, H: 200, At: view.Moment{Seq: 500_000, Time: events[500_000].Time}}
				if selected {
					o.Selection = view.Selection{What: view.SelectTx, TxID: events[chosen].TxID}
				}
				var f *timeline.Frame
				for range b.N {
					o.Window.From, o.Window.To = o.Window.From+1, o.Window.To+1 // otherwise the layout is kept
					f = x.Frame(o)
				}
				b.ReportMetric(perEvent, "B/event")
				b.ReportMetric(float64(len(f.Bars)), "bars")
				b.ReportMetric(float64(len(f.Columns)), "columns")
				b.ReportMetric(float64(len(f.Lines)), "lines")
				b.ReportMetric(float64(len(f.Bundles)), "bundles")
			})
		}
	}
}

// BenchmarkLive is one frame of the window over a network that makes 60,000 events a second:
// a thousand new events, and the picture of the newest two seconds.
func BenchmarkLive(b *testing.B) {
	events := repeated(b, 1_000_000)
	x := timeline.Alone(400_000)
	x.Add(events[:500_000])
	next := 500_000
	b.ResetTimer()
	for range b.N {
		if next == len(events) { // from the start again: everything is forgotten
			b.StopTimer()
			x = timeline.Alone(400_000)
			x.Add(events[:500_000])
			next = 500_000
			b.StartTimer()
		}
		x.Add(events[next : next+1000])
		next += 1000
		x.Frame(timeline.Options{Window: x.FollowAt(events[next-1].Time, 2_000_000_000), W: 1440, H: 200, At: view.Moment{Seq: uint64(next), Time: events[next-1].Time}})
	}
}
