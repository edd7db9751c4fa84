package session

import (
	"slices"
	"sync"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// StartWatch tells how far a start is that somebody else waits for, as its trace tells it.
// The zero value is ready; all methods may be called from any goroutine.
type StartWatch struct {
	mu       sync.Mutex
	recorder *trace.Recorder // nil before the start begins
	nodes    []string
	launches int // chaincodes that the topology has peers start
	cursors  map[trace.Kind]uint64
	running  map[string]bool       // nodes
	ready    map[string]bool       // nodes that have joined the channel
	building map[string]bool       // packages of which an image or program is being made, true until it is
	launched map[string]trace.What // chaincode at a peer, and what came of it
}

// Parts counts what a start is made of.
type Parts struct {
	Nodes, OfNodes           int // that are ready
	Images, OfImages         int // that were made of chaincode; 0 of 0 while none is needed
	Chaincodes, OfChaincodes int // that run, one at each peer; 0 of 0 while none is started
	Failed                   int // and that could not be started
}

// begin begins to watch a start; a nil watch does nothing.
func (w *StartWatch) begin(r *trace.Recorder, t *network.Topology) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recorder, w.nodes = r, t.NodeNames()
	w.cursors, w.running, w.ready = map[trace.Kind]uint64{}, map[string]bool{}, map[string]bool{}
	w.building, w.launched = map[string]bool{}, map[string]trace.What{}
	peers := 0
	for i := range t.Organizations {
		peers += *t.Organizations[i].Peers
	}
	w.launches = peers * len(t.Chaincodes)
}

// Parts tells how far the start is.
func (w *StartWatch) Parts() Parts {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.learn()
	p := Parts{OfNodes: len(w.nodes), OfImages: len(w.building)}
	for _, name := range w.nodes {
		if w.ready[name] {
			p.Nodes++
		}
	}
	for _, made := range w.building {
		if made {
			p.Images++
		}
	}
	if len(w.launched) > 0 {
		p.OfChaincodes = max(w.launches, len(w.launched))
		for _, what := range w.launched {
			switch what {
			case trace.CodeReady:
				p.Chaincodes++
			case trace.Failed:
				p.Failed++
			}
		}
	}
	return p
}

// Left lists the nodes that run, of a start that is given up.
func (w *StartWatch) Left() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.learn()
	return slices.DeleteFunc(slices.Clone(w.nodes), func(name string) bool { return !w.running[name] })
}

// begin notes something as begun, unless more is known of it.
func begin[V any](m map[string]V, key string) {
	if _, known := m[key]; !known {
		var nothing V
		m[key] = nothing
	}
}

// learn takes in what is new in the trace. Caller holds mu.
func (w *StartWatch) learn() {
	if w.recorder == nil {
		return
	}
	for _, k := range []struct {
		kind trace.Kind
		take func(e *trace.Event)
	}{
		{trace.NodeStart, func(e *trace.Event) { w.running[e.Node] = true }},
		{trace.NodeReady, func(e *trace.Event) { w.ready[e.Node] = true }},
		{trace.NodeStop, func(e *trace.Event) { w.running[e.Node] = false }},
		{trace.NodeKilled, func(e *trace.Event) { w.running[e.Node] = false }},
		{trace.BuildStart, func(e *trace.Event) { begin(w.building, e.Key) }},
		{trace.BuildEnd, func(e *trace.Event) { w.building[e.Key] = true }},
		{trace.LaunchStart, func(e *trace.Event) { begin(w.launched, e.Node+e.Key) }},
		{trace.LaunchEnd, func(e *trace.Event) { w.launched[e.Node+e.Key] = e.What }},
	} {
		events, next := w.recorder.Of(k.kind, w.cursors[k.kind])
		w.cursors[k.kind] = next
		for i := range events {
			k.take(&events[i])
		}
	}
}
