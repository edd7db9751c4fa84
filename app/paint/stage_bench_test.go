package paint_test

import (
	"fmt"
	"image"
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// cpu is the time that this process has computed, which other processes do not lengthen.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// load repeats a recorded transaction at a rate, shifted in time and with new ids.
func load(events []trace.Event, rate, seconds int) []trace.Event {
	var one []trace.Event
	tx := ""
	for i := range events {
		if e := &events[i]; e.Kind == trace.Proposal && e.Node == "bob" && tx == "" {
			tx = e.TxID
		}
		if tx != "" && events[i].TxID == tx {
			one = append(one, events[i])
		}
	}
	ids := make([]string, rate*seconds)
	for i := range ids {
		ids[i] = fmt.Sprintf("%06x", uint32(i)*0x9e3779%0xffffff) + tx[6:]
	}
	// The transactions overlap: the next event is that of the one that is furthest behind.
	var all []trace.Event
	gap := int64(time.Second) / int64(rate)
	next := make([]int, len(ids))
	for slot, first, done := int64(0), 0, 0; done < len(ids); slot++ {
		until := one[0].Time + slot*1e6
		for i := first; i < len(ids) && one[0].Time+int64(i)*gap <= until; i++ {
			for next[i] < len(one) && one[next[i]].Time+int64(i)*gap <= until {
				e := one[next[i]]
				e.Time += int64(i) * gap
				e.TxID = ids[i]
				e.Msg += uint64(i+1) << 40
				e.Seq = uint64(len(all) + 1)
				all = append(all, e)
				if next[i]++; next[i] == len(one) {
					done++
				}
			}
			if i == first && next[i] == len(one) {
				first++
			}
		}
	}
	return all
}

// A live frame of a network that commits 1,000 transactions a second, with 1,000 moving
// dots: taking in the events since the last frame, the model, and the drawing.
func BenchmarkStage(b *testing.B) {
	_, recorded := mustStage(b, "two-clients-one-key")
	events := load(recorded, 1000, 8)
	w := stage.Alone(nil)
	w.Facts().Describe(twoOrganisations())
	th := paint.Dark()
	pic := image.NewRGBA(image.Rect(0, 0, 1440, 900))
	var p paint.StagePainter
	const warm = 60_000
	w.Add(events[:warm])
	at := warm
	frame := func() *stage.Frame {
		share := min(len(events)/(8*60), len(events)-at)
		w.Add(events[at : at+share])
		if at += share; at >= len(events) {
			at = len(events)
		}
		last := events[at-1]
		return w.Frame(view.Moment{Seq: last.Seq, Time: last.Time}, stage.Options{Scale: time.Second})
	}
	paintIt := func(f *stage.Frame) {
		for n := len(f.Dots); n > 0 && len(f.Dots) < 1000; {
			d := f.Dots[len(f.Dots)%n]
			d.P.Y += math.Mod(float64(len(f.Dots)), 37)
			f.Dots = append(f.Dots, d)
		}
		p.Paint(pic, f, view.Fit(f.Bounds, 1440, 900, 22), th)
	}
	paintIt(frame())
	var model, drawing time.Duration
	b.ResetTimer()
	for range b.N {
		t0 := cpu()
		f := frame()
		t1 := cpu()
		paintIt(f)
		model, drawing = model+t1-t0, drawing+cpu()-t1
	}
	b.ReportMetric(float64(model.Microseconds())/float64(b.N), "cpu-µs-model/op")
	b.ReportMetric(float64(drawing.Microseconds())/float64(b.N), "cpu-µs-drawing/op")
	b.ReportMetric(float64(len(events))/8, "events/s")
}
