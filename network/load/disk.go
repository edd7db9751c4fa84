package load

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// DiskUse is how the nodes of a load have waited for the disk.
type DiskUse struct {
	Syncs    int     `json:"syncs"`
	MedianMS float64 `json:"median_ms"`
	MaxMS    float64 `json:"max_ms"`
	MB       float64 `json:"mb"` // synced
	// PeerWait and OrdererWait are shares of the time in which commits, and the writes
	// that come before ordering, waited for the disk: of the node where it is greatest.
	PeerWait    float64 `json:"peer_wait"`
	OrdererWait float64 `json:"orderer_wait"`
}

// diskWatch collects what the trace tells of the disk while a load runs. The trace is
// bounded, so it is read again and again.
type diskWatch struct {
	rec    *trace.Recorder
	cursor uint64
	events []trace.Event
	stop   chan struct{}
	ended  chan struct{}
}

// maxSyncs bounds the events that are kept; a load that syncs more often is measured by its beginning.
const maxSyncs = 1 << 20

func watchDisk(n *network.Network) *diskWatch {
	w := &diskWatch{rec: n.Trace(), cursor: n.Trace().Last(), stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		ticker := time.NewTicker(500 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				w.collect()
			case <-w.stop:
				w.collect()
				return
			}
		}
	}()
	return w
}

func (w *diskWatch) collect() {
	events, next := w.rec.Of(trace.DiskSync, w.cursor)
	w.cursor = next
	w.events = append(w.events, events[:min(len(events), maxSyncs-len(w.events))]...)
}

// use ends the watch and adds up what it has seen in so long a time.
func (w *diskWatch) use(elapsed time.Duration, peers map[string]bool) DiskUse {
	close(w.stop)
	<-w.ended
	return addUp(w.events, elapsed, peers)
}

// addUp sums the waits of each node; a node that is no peer is an ordering node.
func addUp(events []trace.Event, elapsed time.Duration, peers map[string]bool) (u DiskUse) {
	waited := map[string]time.Duration{}
	var took []time.Duration
	for i := range events {
		e := &events[i]
		if e.What == trace.SyncLog || e.What == trace.SyncFile {
			took = append(took, e.Took())
			u.MB += megabytes(e.B)
		}
		if e.C != 0 {
			waited[e.Node] += e.Took()
		}
	}
	if u.Syncs = len(took); u.Syncs > 0 {
		slices.Sort(took)
		u.MedianMS, u.MaxMS = milliseconds(took[len(took)/2]), milliseconds(took[len(took)-1])
	}
	for node, d := range waited {
		share := float64(d) / float64(max(elapsed, 1))
		if peers[node] {
			u.PeerWait = max(u.PeerWait, share)
		} else {
			u.OrdererWait = max(u.OrdererWait, share)
		}
	}
	return u
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Text says it in one line.
func (u DiskUse) Text() string {
	return fmt.Sprintf("disk: %d syncs of %.1f MB together, median %.1f ms, longest %.1f ms; commits waited for it %.1f %% of the time at peers, %.1f %% at ordering nodes",
		u.Syncs, u.MB, u.MedianMS, u.MaxMS, 100*u.PeerWait, 100*u.OrdererWait)
}

// steadiness follows how evenly a load is answered.
type steadiness struct {
	begin, last time.Time
	pause       time.Duration
	window      int // the one that is being filled
	took        []time.Duration
	worst       time.Duration
}

// windowTime is the length of a window of steadiness.
const windowTime = 10 * time.Second

// add takes one transaction that has ended now.
func (s *steadiness) add(now time.Time, took time.Duration) {
	s.pause = max(s.pause, now.Sub(s.last))
	s.last = now
	if window := int(now.Sub(s.begin) / windowTime); window != s.window {
		s.close()
		s.window = window
	}
	s.took = append(s.took, took)
}

// close ends a window. A window with few transactions has no percentile worth the name.
func (s *steadiness) close() {
	if len(s.took) >= 100 || s.worst == 0 {
		slices.SortFunc(s.took, cmp.Compare[time.Duration])
		if n := len(s.took); n > 0 {
			s.worst = max(s.worst, s.took[min(n-1, n*99/100)])
		}
	}
	s.took = s.took[:0]
}
