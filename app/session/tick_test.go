package session

import (
	"context"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// heavyLoad is what a network makes at a thousand transactions a second.
const heavyLoad = 52_000 // events a second

// loaded gives the events of a real network under load, recorded once.
var loaded = sync.OnceValues(func() ([]trace.Event, error) {
	t, err := SampleTopology("bench")
	if err != nil {
		return nil, err
	}
	s, err := Start(context.Background(), t, StartOptions{})
	if err != nil {
		return nil, err
	}
	defer s.Close(context.Background())
	ended := false
	if _, err := s.StartLoad(LoadOptions{Workload: "mixed", Clients: 64, Duration: 15 * time.Second}, func(LoadTotals) { ended = true }); err != nil {
		return nil, err
	}
	frames := time.NewTicker(10 * time.Millisecond)
	defer frames.Stop()
	for !ended || s.Behind() > 0 {
		<-frames.C
		s.Tick(10 * time.Millisecond)
	}
	events, _, _ := s.source.Since(0, liveEvents)
	return events, nil
})

// BenchmarkHeavyLoad is one second of a window on a network that makes a thousand
// transactions a second, at the pace that the window's loop keeps under load. Nothing may
// be lost.
func BenchmarkHeavyLoad(b *testing.B) {
	events, err := loaded()
	if err != nil {
		b.Fatal(err)
	}
	const ticks = 10
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var spent, longest time.Duration
	var fed int
	var behind uint64
	for range b.N {
		s, err := newLive(nil, StartOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for at := 0; at+heavyLoad/ticks <= len(events); at += heavyLoad / ticks {
			for i := range events[at : at+heavyLoad/ticks] {
				s.recorder.Record(events[at+i])
			}
			fed += heavyLoad / ticks
			began, used := time.Now(), threadTime()
			s.Tick(time.Second / ticks)
			spent, longest = spent+threadTime()-used, max(longest, time.Since(began))
		}
		if s.Lost() > 0 {
			b.Errorf("%d events were lost", s.Lost())
		}
		behind = max(behind, s.Behind())
		s.Close(context.Background())
	}
	b.ReportMetric(float64(spent.Nanoseconds())/float64(fed), "ns/event")
	b.ReportMetric(100*spent.Seconds()/(float64(fed)/heavyLoad), "%CPU")
	b.ReportMetric(float64(longest.Microseconds())/1000, "longest-ms")
	b.ReportMetric(float64(behind), "behind")
}

// threadTime is the processor time of this thread: other programs do not count.
func threadTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(1, &u); err != nil { // RUSAGE_THREAD
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
