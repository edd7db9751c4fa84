// Package load drives a network with many transactions and measures what comes of
// them: throughput, latency percentiles, verdicts. It is closed-loop: each of the
// clients has one transaction under way at a time.
package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"

	"github.com/fabriscope/fabriscope/network"
)

// Options says what load to make.
type Options struct {
	// Workload is create (new keys), read (evaluate one key), hot (everybody changes
	// one key), mixed (half reads, most of the rest creates, a tenth hot) or rich (rich
	// queries for 20 of 1,000 documents, by an index).
	Workload string
	Clients  int           // transactions under way at the same time
	Duration time.Duration // how long; with Count, at most so long
	Count    int           // how many transactions; 0: as many as Duration allows
	Rate     int           // transactions a second at most; 0: no bound
	// Chaincode is called; default basic (an asset sample), counter for hot, stock for rich.
	Chaincode string
	// Identity submits; default User1 of the first organisation.
	Identity string
	Flow     network.Flow
	// Needed asks only as many organisations as the chaincode's policy needs, in turn.
	Needed bool
	// Outside makes the client one as another program would be: over TCP, through the
	// Gateway service. Flow does not count then.
	Outside bool
	// WarmUp is not measured.
	WarmUp time.Duration
	Seed   uint64
	// HotKeys is how many keys the hot transactions and the reads share; default 1.
	HotKeys int
	// Stop ends the load early when it is closed, as if its time were over.
	Stop <-chan struct{}
	// Progress hears the running totals about every second.
	Progress func(committed int, elapsed time.Duration)
}

// Workloads lists the workloads.
func Workloads() []string { return []string{"create", "read", "hot", "mixed", "rich"} }

// Latency is in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Summary is what a load measured.
type Summary struct {
	Workload      string  `json:"workload"`
	Clients       int     `json:"clients"`
	Seconds       float64 `json:"seconds"`
	Committed     int     `json:"committed"` // with a verdict, valid or not; reads: answered
	Valid         int     `json:"valid"`
	Errors        int     `json:"errors"` // no verdict
	FirstError    string  `json:"first_error,omitempty"`
	ThroughputTxS float64 `json:"throughput_tx_s"`
	LatencyMS     Latency `json:"latency_ms"`
	// How even it was: the longest time in which no transaction ended, and the worst 99th
	// percentile of a window of ten seconds.
	LongestPauseMS float64        `json:"longest_pause_ms"`
	WorstP99MS     float64        `json:"worst_window_p99_ms"`
	Codes          map[string]int `json:"codes"`
}

// Latencies from a microsecond to ten minutes, with three digits.
const (
	minLatencyUS = 1
	maxLatencyUS = int64(10 * time.Minute / time.Microsecond)
	maxClients   = 10_000
	maxHotKeys   = 100
)

// patience is how long a client waits for one transaction before it counts it as one
// without a verdict and goes on. An ordering node that loses its leadership drops
// what it has taken in and not yet ordered; nobody hears of those again.
const patience = 30 * time.Second

// runner is one load under way.
type runner struct {
	Options
	client  *network.Client
	needed  [][]string // organisations to ask, in turn; nil: one peer of each
	run     uint64     // makes keys of this load unique
	started atomic.Int64
	measure atomic.Bool

	mu        sync.Mutex
	latencies *hdrhistogram.Histogram
	steady    steadiness
	summary   Summary
}

// Run makes the load and gives what it measured. It ends early, without error,
// when the duration is over, and with an error when ctx ends.
func Run(ctx context.Context, n *network.Network, o Options) (*Summary, error) {
	r, err := prepare(n, o)
	if err != nil {
		return nil, err
	}
	if r.Outside {
		defer r.client.Close()
	}
	if err := r.makeHotKey(ctx); err != nil {
		return nil, err
	}
	limit := r.WarmUp + r.Duration
	loadCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if o.Stop != nil {
		go func() {
			select {
			case <-o.Stop:
				cancel()
			case <-loadCtx.Done():
			}
		}()
	}
	begin := time.Now()
	r.steady = steadiness{begin: begin.Add(r.WarmUp), last: begin.Add(r.WarmUp)}
	r.measure.Store(r.WarmUp == 0)
	if r.WarmUp > 0 {
		timer := time.AfterFunc(r.WarmUp, func() { r.measure.Store(true) })
		defer timer.Stop()
	}
	stop := r.report(loadCtx, begin)
	var wg sync.WaitGroup
	for i := range r.Clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r.loop(ctx, loadCtx, i)
		}()
	}
	wg.Wait()
	elapsed := time.Since(begin) - r.WarmUp
	stop()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return r.finish(elapsed), nil
}

func prepare(n *network.Network, o Options) (*runner, error) {
	known := false
	for _, w := range Workloads() {
		known = known || w == o.Workload
	}
	if !known {
		return nil, fmt.Errorf("workload %q is not known: the workloads are %s", o.Workload, strings.Join(Workloads(), ", "))
	}
	if o.Clients < 1 || o.Clients > maxClients {
		return nil, fmt.Errorf("%d clients: write a number from 1 to %d", o.Clients, maxClients)
	}
	if o.HotKeys < 0 || o.HotKeys > maxHotKeys {
		return nil, fmt.Errorf("%d hot keys: write a number from 1 to %d", o.HotKeys, maxHotKeys)
	}
	if o.Duration <= 0 {
		o.Duration = 10 * time.Second
	}
	if o.Chaincode == "" {
		o.Chaincode = defaultChaincode(n, o.Workload)
	}
	if o.Identity == "" {
		o.Identity = "User1@" + n.Topology().Organizations[0].Name
	}
	open := n.Client
	if o.Outside {
		open, o.Flow = n.OutsideClient, network.Gateway
	}
	client, err := open(o.Identity)
	if err != nil {
		return nil, err
	}
	var needed [][]string
	if o.Needed && o.Flow != network.Gateway { // a gateway finds out for itself
		needed = n.Topology().Needed(o.Chaincode)
	}
	return &runner{Options: o, client: client, needed: needed, run: rand.Uint64(), latencies: hdrhistogram.New(minLatencyUS, maxLatencyUS, 3),
		summary: Summary{Workload: o.Workload, Clients: o.Clients, Codes: map[string]int{}}}, nil
}

func defaultChaincode(n *network.Network, workload string) string {
	switch {
	case workload == "hot" && defined(n, "counter"):
		return "counter"
	case workload == "rich":
		return richChaincode
	}
	return "basic"
}

func defined(n *network.Network, name string) bool {
	for _, c := range n.Topology().Chaincodes {
		if c.Name == name {
			return true
		}
	}
	return false
}

// hotKey is one of the assets that everybody changes or reads.
func (r *runner) hotKey(i int) string {
	if i == 0 {
		return fmt.Sprintf("hot-%x", r.run)
	}
	return fmt.Sprintf("hot-%x-%d", r.run, i)
}

// someHotKey draws one of them.
func (r *runner) someHotKey(random *rand.Rand) int {
	if r.HotKeys < 2 {
		return 0
	}
	return random.IntN(r.HotKeys)
}

// hotCounter is one of the counters that everybody increments.
func (r *runner) hotCounter(random *rand.Rand) string {
	if i := r.someHotKey(random); i > 0 {
		return fmt.Sprintf("hot%d", i)
	}
	return "hot"
}

// makeHotKey creates what reads and hot transactions need.
func (r *runner) makeHotKey(ctx context.Context) error {
	if r.Workload == "rich" {
		return r.makeThings(ctx)
	}
	if r.Workload == "create" || r.Chaincode == "counter" {
		return nil
	}
	var group errgroup.Group
	for i := range max(1, r.HotKeys) {
		group.Go(func() error {
			_, err := r.client.Submit(ctx, network.Call{Chaincode: r.Chaincode, Function: "CreateAsset", Args: []string{r.hotKey(i), "red", "1", "load", "1"}, Flow: r.Flow})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("create the asset for the workload %s: %w", r.Workload, err)
	}
	return nil
}

// loop is one client's life.
func (r *runner) loop(ctx, loadCtx context.Context, client int) {
	random := rand.New(rand.NewPCG(r.Seed, uint64(client)))
	var pace <-chan time.Time
	if r.Rate > 0 {
		ticker := time.NewTicker(time.Duration(float64(time.Second) * float64(r.Clients) / float64(r.Rate)))
		defer ticker.Stop()
		pace = ticker.C
	}
	for i := 0; loadCtx.Err() == nil; i++ {
		if r.Count > 0 && r.started.Add(1) > int64(r.Count) {
			return
		}
		r.one(ctx, random, fmt.Sprintf("%x-%d-%d", r.run, client, i))
		if pace != nil {
			select {
			case <-pace:
			case <-loadCtx.Done():
			}
		}
	}
}

// one carries out one transaction or read and counts it.
func (r *runner) one(ctx context.Context, random *rand.Rand, key string) {
	read, call := r.next(random, key)
	begin := time.Now()
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var result *network.Result
	var err error
	if read {
		result, err = r.client.Evaluate(bounded, call)
	} else {
		result, err = r.client.Submit(bounded, call)
	}
	if r.measure.Load() && ctx.Err() == nil {
		r.count(result, err, read, time.Since(begin))
	}
}

// next chooses the next call of the workload.
func (r *runner) next(random *rand.Rand, key string) (read bool, call network.Call) {
	call = network.Call{Chaincode: r.Chaincode, Flow: r.Flow}
	if len(r.needed) > 0 {
		call.Endorsers = r.needed[random.IntN(len(r.needed))]
	}
	workload := r.Workload
	if workload == "mixed" {
		workload = []string{"read", "read", "read", "read", "read", "create", "create", "create", "create", "hot"}[random.IntN(10)]
	}
	switch {
	case workload == "create":
		call.Function, call.Args = "CreateAsset", []string{"a-" + key, "blue", "5", "load", "100"}
	case workload == "rich":
		read, call.Function, call.Args = true, "Query", []string{fmt.Sprintf(`{"selector":{"place":"p%d"}}`, random.IntN(richPlaces))}
	case workload == "read":
		read, call.Function, call.Args = true, "ReadAsset", []string{r.hotKey(r.someHotKey(random))}
	case r.Chaincode == "counter":
		call.Function, call.Args = "Increment", []string{r.hotCounter(random)}
	default:
		call.Function, call.Args = "TransferAsset", []string{r.hotKey(r.someHotKey(random)), "owner-" + key}
	}
	return read, call
}

func (r *runner) count(result *network.Result, err error, read bool, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var invalid *network.CommitError
	if err != nil && !errors.As(err, &invalid) {
		r.summary.Errors++
		if r.summary.FirstError == "" {
			r.summary.FirstError = err.Error()
		}
		return
	}
	code := "READ"
	if !read {
		code = result.Code.String()
	}
	r.summary.Codes[code]++
	r.summary.Committed++
	if err == nil {
		r.summary.Valid++
	}
	r.steady.add(time.Now(), took)
	_ = r.latencies.RecordValue(max(minLatencyUS, min(took.Microseconds(), maxLatencyUS)))
}

// report tells the running totals until its stop is called.
func (r *runner) report(ctx context.Context, begin time.Time) (stop func()) {
	if r.Progress == nil {
		return func() {}
	}
	done := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				r.mu.Lock()
				committed := r.summary.Committed
				r.mu.Unlock()
				r.Progress(committed, time.Since(begin))
			case <-done:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		close(done)
		<-finished
	}
}

func (r *runner) finish(elapsed time.Duration) *Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.summary
	r.steady.close()
	s.LongestPauseMS, s.WorstP99MS = milliseconds(r.steady.pause), milliseconds(r.steady.worst)
	s.Seconds = elapsed.Seconds()
	s.ThroughputTxS = float64(s.Committed) / s.Seconds
	ms := func(q float64) float64 { return float64(r.latencies.ValueAtQuantile(q)) / 1000 }
	s.LatencyMS = Latency{P50: ms(50), P90: ms(90), P99: ms(99), Max: float64(r.latencies.Max()) / 1000}
	return &s
}
