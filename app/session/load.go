package session

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabriscope/fabriscope/network/load"
)

// LoadOptions says what load to make; see package network/load. Workload, Clients and
// Duration (or Count) are what a person chooses.
type LoadOptions = load.Options

// Workload is a kind of load with what it does in words.
type Workload struct {
	Name, Text string
}

// Workloads lists the kinds of load.
func Workloads() []Workload {
	texts := map[string]string{
		"create": "every transaction creates a key of its own: nothing can conflict",
		"read":   "queries of one key: nothing is ordered",
		"hot":    "everybody changes the same keys: most transactions conflict",
		"mixed":  "half reads, most of the rest creates, a tenth hot",
	}
	var out []Workload
	for _, name := range load.Workloads() {
		out = append(out, Workload{name, texts[name]})
	}
	return out
}

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
		return sentence(t.Err.Error())
	case t.Summary != nil:
		return fmt.Sprintf("%d transactions, %d of them valid, %.0f a second; half took less than %.1f ms, 99 %% less than %.1f ms.",
			t.Summary.Committed, t.Summary.Valid, t.Summary.ThroughputTxS, t.Summary.LatencyMS.P50, t.Summary.LatencyMS.P99)
	default:
		return fmt.Sprintf("%d transactions in %s.", t.Committed, t.Elapsed.Round(time.Second))
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
func (s *Session) StartLoad(o LoadOptions, done func(LoadTotals)) (*LoadRun, error) {
	n, err := s.live()
	if err != nil {
		return nil, err
	}
	if len(s.Loads()) >= maxLoads {
		return nil, fmt.Errorf("%d loads run already; stop one first", maxLoads)
	}
	stop, cancel := context.WithCancel(s.ctx)
	r := &LoadRun{Options: o, stop: cancel, begun: time.Now(), totals: LoadTotals{Running: true}}
	o.Stop = stop.Done()
	o.Progress = func(committed int, elapsed time.Duration) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.totals.Committed = committed
	}
	note := s.notes.step(s, loadCall(o))
	err = s.background(func(ctx context.Context) func() {
		defer cancel()
		summary, err := load.Run(ctx, n, o)
		r.mu.Lock()
		r.totals = LoadTotals{Summary: summary, Err: err, Committed: r.totals.Committed, Elapsed: time.Since(r.begun), Stopped: r.stopped.Load()}
		if summary != nil {
			r.totals.Committed = summary.Committed
		}
		r.mu.Unlock()
		return func() {
			s.loads = slices.DeleteFunc(s.loads, func(x *LoadRun) bool { return x == r })
			if err != nil {
				note.failed = err.Error()
			}
			if r.stopped.Load() {
				o.Duration = max(100*time.Millisecond, r.Totals().Elapsed.Round(100*time.Millisecond))
				note.text = loadCall(o)
			}
			if done != nil {
				done(r.Totals())
			}
		}
	})
	if err != nil {
		cancel()
		note.failed = err.Error()
		return nil, err
	}
	s.loads = append(s.loads, r)
	return r, nil
}

// Loads lists the loads that run.
func (s *Session) Loads() []*LoadRun { return s.loads }
