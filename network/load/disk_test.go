package load

import (
	"math"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

func TestDiskWaitsAreAddedUpByNode(t *testing.T) {
	ms := int64(time.Millisecond)
	event := func(node string, what trace.What, took, bytes, waits int64) trace.Event {
		return trace.Event{Kind: trace.DiskSync, Node: node, What: what, A: took * ms, B: bytes, C: waits}
	}
	got := addUp([]trace.Event{
		event("peer0", trace.SyncLog, 5, 1<<20, 0), // in the background: nobody waits
		event("peer0", trace.SyncFile, 9, 1<<20, 0),
		event("peer0", trace.SyncAwaited, 10, 0, 1),
		event("peer1", trace.SyncLog, 20, 0, 1),
		event("peer1", trace.SyncAwaited, 20, 0, 1),
		event("orderer0", trace.SyncLog, 100, 2<<20, 1),
		event("orderer1", trace.SyncLog, 150, 2<<20, 1),
	}, time.Second, map[string]bool{"peer0": true, "peer1": true})
	want := DiskUse{Syncs: 5, MedianMS: 20, MaxMS: 150, MB: 6, PeerWait: 0.04, OrdererWait: 0.15}
	if math.Abs(got.PeerWait-want.PeerWait) > 1e-9 || math.Abs(got.OrdererWait-want.OrdererWait) > 1e-9 {
		t.Errorf("shares %.4f and %.4f, want %.4f and %.4f", got.PeerWait, got.OrdererWait, want.PeerWait, want.OrdererWait)
	}
	got.PeerWait, got.OrdererWait = want.PeerWait, want.OrdererWait
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSteadiness(t *testing.T) {
	begin := time.Unix(1000, 0)
	s := steadiness{begin: begin, last: begin}
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	for i := range 200 { // the first window: one in a hundred is slow
		took := 100 * time.Millisecond
		if i%50 == 49 {
			took = time.Second
		}
		s.add(at(10*(i+1)), took)
	}
	for i := range 200 { // the third one
		s.add(at(20_000+10*i), 150*time.Millisecond)
	}
	s.close()
	if s.worst != time.Second {
		t.Errorf("worst window %s, want 1s", s.worst)
	}
	if want := 18 * time.Second; s.pause != want {
		t.Errorf("longest pause %s, want %s", s.pause, want)
	}
}
