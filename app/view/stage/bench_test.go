package stage_test

import (
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/stage"
)

// What the stage costs while a network commits 1,000 transactions a second: taking the
// events in, and a live frame with a thousand dots. app/paint measures the drawing too.
func BenchmarkAdd(b *testing.B) {
	events := stream(1000, 3000)
	b.ReportMetric(float64(len(events))/3, "events/s-at-1000-tx/s")
	b.ResetTimer()
	for i := 0; i < b.N; i += len(events) {
		w := stage.Alone(nil)
		w.Facts().Describe(twoOrganisations())
		for from := 0; from < len(events) && i+from < b.N; from += 1000 {
			w.Add(events[from:min(len(events), from+1000)])
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	events := stream(1000, 3000)
	w := stage.Alone(nil)
	w.Facts().Describe(twoOrganisations())
	w.Add(events)
	last := events[len(events)-1]
	b.ResetTimer()
	for i := range b.N {
		f := w.Frame(view.Moment{Seq: last.Seq, Time: last.Time + int64(i%16)*1e6}, stage.Options{Scale: time.Second})
		if len(f.Dots) > 1000 {
			b.Fatal(len(f.Dots))
		}
	}
	f := w.Frame(view.Moment{Seq: last.Seq, Time: last.Time}, stage.Options{Scale: time.Second})
	b.ReportMetric(float64(len(f.Dots)), "dots")
}
