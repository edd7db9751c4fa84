package session

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabriscope/fabriscope/app/session/script"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network/load"
)

// LoadOptions says what load to make; see package network/load. Workload, Clients and
// Duration (or Count) are what a person chooses.
type LoadOptions = load.Options

// maxLoads bounds the loads of one session at a time.
const maxLoads = 4

// LoadRun is a load under way, or one that is over.
type LoadRun struct {
	Options LoadOptions
	stop    context.CancelFunc
	stopped atomic.Bool
	begun   time.Time

	mu     sync.Mutex
	totals LoadTotals
}

// LoadTotals is how far a load is.
type LoadTotals struct {
	Running   bool
	Committed int           // with a verdict, valid or not; reads: answered
	Elapsed   time.Duration // since its beginning
	Stopped   bool          // by Stop, before its time was over
	Err       error
	// Summary is what it measured, once it is over.
	Summary *load.Summary
}

// PerSecond is the mean throughput so far.
func (t LoadTotals) PerSecond() float64 {
	if t.Summary != nil {
		return t.Summary.ThroughputTxS
	}
	if t.Elapsed <= 0 {
		return 0
	}
	return float64(t.Committed) / t.Elapsed.Seconds()
}

// Text says in one sentence what the load measured or why it failed.
func (t LoadTotals) Text() string {
	switch {
	case t.Err != nil:
		return view.Sentence(words.Now().Fault(t.Err))
	case t.Summary != nil:
		return words.L("{{.All}} transactions, {{.Valid}} of them valid, {{.Rate}} a second; half took less than {{.Half}} ms, 99 % less than {{.Most}} ms.", t.Summary.Committed,
			t.Summary.Valid, fmt.Sprintf("%.0f", t.Summary.ThroughputTxS), fmt.Sprintf("%.1f", t.Summary.LatencyMS.P50), fmt.Sprintf("%.1f", t.Summary.LatencyMS.P99))
	default:
		return words.L("{{.N}} transactions in {{.Time}}.", t.Committed, t.Elapsed.Round(time.Second))
	}
}

// Totals is how far the load is; it may be asked every frame.
func (r *LoadRun) Totals() LoadTotals {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.totals
	if t.Running {
		t.Elapsed = time.Since(r.begun)
	}
	return t
}

// Stop ends the load; transactions under way are waited for.
func (r *LoadRun) Stop() {
	r.stopped.Store(true)
	r.stop()
}

// StartLoad makes a load in the background; done hears of its end.
func (a *Acts) StartLoad(o LoadOptions, done func(LoadTotals)) (*LoadRun, error) {
	n, err := a.liveNetwork()
	if err != nil {
		return nil, err
	}
	if len(a.Loads()) >= maxLoads {
		return nil, words.NewFault("{{.N}} loads run already", "stop one first", maxLoads)
	}
	stop, cancel := context.WithCancel(a.ctx)
	r := &LoadRun{Options: o, stop: cancel, begun: time.Now(), totals: LoadTotals{Running: true}}
	o.Stop = stop.Done()
	o.Progress = func(committed int, elapsed time.Duration) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.totals.Committed = committed
	}
	note := a.notes.Step(script.Load(o))
	err = a.runBackground(func(ctx context.Context) func() {
		defer cancel()
		summary, err := load.Run(ctx, n, o)
		r.mu.Lock()
		r.totals = LoadTotals{Summary: summary, Err: err, Committed: r.totals.Committed, Elapsed: time.Since(r.begun), Stopped: r.stopped.Load()}
		if summary != nil {
			r.totals.Committed = summary.Committed
		}
		r.mu.Unlock()
		return func() {
			a.loads = slices.DeleteFunc(a.loads, func(x *LoadRun) bool { return x == r })
			note.Fail(err)
			if r.stopped.Load() {
				o.Duration = max(100*time.Millisecond, r.Totals().Elapsed.Round(100*time.Millisecond))
				note.Replace(script.Load(o))
			}
			if done != nil {
				done(r.Totals())
			}
		}
	})
	if err != nil {
		cancel()
		note.Fail(err)
		return nil, err
	}
	a.loads = append(a.loads, r)
	return r, nil
}

// Loads lists the loads that run.
func (a *Acts) Loads() []*LoadRun { return a.loads }
