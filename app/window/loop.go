package window

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// The pace of the frame loop. While something moves there are up to 60 frames a second;
// at rest the loop only looks for new events. When drawing takes long (software OpenGL,
// a busy machine) frames become fewer, so that the network keeps its share of the
// processor.
const (
	busyFrame  = 16 * time.Millisecond
	idleFrame  = 60 * time.Millisecond
	slowest    = 120 * time.Millisecond
	longestGap = 250 * time.Millisecond // of the screen's time that one frame may cover

	// While the program itself uses most of the computer, the network goes first: little
	// is drawn, but events are taken in often enough that none is lost.
	loadedFrame = 500 * time.Millisecond
	loadedTake  = 100 * time.Millisecond
	loadedShare = 0.7 // of all cores
	loadEvery   = 500 * time.Millisecond
)

// loop calls a function on the goroutine of the user interface, once a frame. At most one
// call waits at any time, however slow the interface is.
type loop struct {
	tick    func(dt time.Duration, draw bool) (busy bool)
	waiting atomic.Bool
	period  atomic.Int64
	quit    chan struct{}

	measured time.Time     // when used was read
	used     time.Duration // processor time of the program until then
	loaded   bool
	drawn    time.Time
}

func newLoop(tick func(time.Duration, bool) bool) *loop {
	l := &loop{tick: tick, quit: make(chan struct{})}
	l.period.Store(int64(busyFrame))
	return l
}

// start begins to call tick through do, which runs a function on the goroutine of the
// user interface later.
func (l *loop) start(do func(func())) {
	go func() {
		timer := time.NewTimer(busyFrame)
		defer timer.Stop()
		last := time.Now()
		for {
			select {
			case <-l.quit:
				return
			case <-timer.C:
			}
			timer.Reset(time.Duration(l.period.Load()))
			if !l.waiting.CompareAndSwap(false, true) {
				continue
			}
			asked := time.Now()
			do(func() {
				defer l.waiting.Store(false)
				now := time.Now()
				dt := min(now.Sub(last), longestGap)
				last = now
				l.frame(dt, now.Sub(asked))
			})
		}
	}()
}

// frame runs one tick; lag is how long it waited for its turn, which is about what
// drawing the frame before took.
func (l *loop) frame(dt, lag time.Duration) {
	began := time.Now()
	period := idleFrame
	draw := !l.loaded || began.Sub(l.drawn) >= loadedFrame
	if draw {
		l.drawn = began
	}
	if l.tick(dt, draw) {
		cost := time.Since(began) + lag
		period = min(max(busyFrame, 2*cost), slowest)
		if l.busyComputer(began) {
			period = loadedTake
		}
	}
	l.period.Store(int64(period))
}

// busyComputer tells whether the program has lately used most of the processor time that
// there is.
func (l *loop) busyComputer(now time.Time) bool {
	since := now.Sub(l.measured)
	if since < loadEvery {
		return l.loaded
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return false
	}
	used := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	l.loaded = !l.measured.IsZero() && float64(used-l.used) > loadedShare*float64(runtime.NumCPU())*float64(since)
	l.measured, l.used = now, used
	return l.loaded
}

func (l *loop) stop() {
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
}
