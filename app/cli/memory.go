package cli

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

// How large the heap may get before the collector runs. A percentage alone collects often
// while the heap is small, where it saves little, and seldom while it is large, where it
// costs memory.
const (
	// Without a window: this large, unless more than half of it is in use; then it may double.
	heapBytes = 128 << 20
	// With a window, which itself keeps what can be gone back to: it may double up to here,
	// and exceed what is in use by a third above.
	shownBytes = 144 << 20
	smallest   = 4 << 20 // as Go has it
)

// paceCollector keeps to a size by what is in use, and looks again after each collection.
// GOGC overrules it.
func paceCollector(size func(live uint64) uint64) {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	type marker struct{ _ [16]byte } // an object of its own, which the next collection finds unused
	var look func(*marker)
	look = func(m *marker) {
		metrics.Read(live)
		debug.SetGCPercent(collectAt(live[0].Value.Uint64(), size))
		runtime.SetFinalizer(m, look)
	}
	look(&marker{})
}

// collectAt is by how many percent the heap may grow above what is in use.
func collectAt(live uint64, size func(live uint64) uint64) int {
	live = max(live, smallest)
	return int(size(live)*100/live) - 100
}

func sizeAlone(live uint64) uint64 { return max(2*live, heapBytes) }

func sizeShown(live uint64) uint64 { return max(min(2*live, shownBytes), live+live/3) }

// The memory that a load needed is given back to the system when the program rests.
const (
	restEvery  = 5 * time.Second
	restShare  = 0.3      // of one core
	spareBytes = 32 << 20 // what is kept beside what is in use
)

// keepSmall paces the collector of a program with a window and gives memory back, until the
// window is closed.
func keepSmall() (stop func()) {
	paceCollector(sizeShown)
	done := make(chan struct{})
	go func() {
		ticks := time.NewTicker(restEvery)
		defer ticks.Stop()
		before := processorTime()
		for {
			select {
			case <-done:
				return
			case <-ticks.C:
			}
			now := processorTime()
			held := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}, {Name: "/gc/heap/live:bytes"}}
			metrics.Read(held)
			if spare(held[0].Value.Uint64()-held[1].Value.Uint64(), held[2].Value.Uint64(), now-before) {
				debug.FreeOSMemory()
			}
			before = processorTime()
		}
	}()
	return func() { close(done) }
}

// spare tells whether a program that used so much processor time since the last time holds
// more memory than it needs, and has the time to give it back.
func spare(held, live uint64, used time.Duration) bool {
	return used < time.Duration(restShare*float64(restEvery)) && held > live+spareBytes+live/4
}

// processorTime is what the program has used until now.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
