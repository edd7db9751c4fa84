// Package stage is the model of the stage: clients on the left, organisations with their
// peers and chaincode containers in the middle, the ordering service on the right, and the
// messages between them, at any moment of a trace. It serves every step of a transaction.
//
// World replays events into a state; Frame gives what is to be drawn at one moment, which
// is a pure function of the events so far, the moment and the options. Earlier moments are
// reached from checkpoints, by reading the events after them again from the source.
//
// Read next: state.go (what a state is), apply.go (what each event does to it), layout.go
// (where boxes stand), build.go (state to Frame), flights.go (messages on their way).
package stage

import (
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// World is everything that the stage has learned from a trace. One goroutine uses it.
type World struct {
	src   view.Source
	kinds map[trace.Kind]*kindInfo
	reg   registry
	about Layout

	head             *state   // after the newest event
	saved            []*state // checkpoints, oldest first
	every            uint64   // events between checkpoints
	shown            *state   // the earlier moment that was shown last
	chunk            []trace.Event
	flights          *flights
	past             *flights // around an earlier moment that flights does not cover
	pastFrom, pastTo uint64

	moved      map[string]view.Point
	geo        *geometry
	geoVersion int
	geoAspect  float64
	aspect     float64 // of the panel, 0 while it is not known
	changes    uint64  // counts layouts

	touched map[string]*touched // by transaction, those of the last frame
	named   functionNames
	said    said
	recent  []trace.Event // the newest ones, for captions
	frame   Frame
	build   builder
}

// New makes an empty stage. src is read again when an earlier moment is shown; nil allows
// the newest moment only.
func New(src view.Source) *World {
	return &World{src: src, kinds: map[trace.Kind]*kindInfo{}, reg: newRegistry(), head: &state{}, every: checkpointEvery,
		flights: newFlights(), moved: map[string]view.Point{}}
}

// Describe tells the stage what the network consists of before it acts: everything stands
// at its place from the start, in the order given. Call it first, and again when nodes are
// added.
func (w *World) Describe(t Layout) {
	w.about = t
	for place, org := range t.Orgs {
		for _, peer := range org.Peers {
			i := w.reg.id(peer)
			w.reg.is(i, peerKind)
			o := &w.reg.orgs[w.reg.nodes[i].org]
			o.title, o.order = org.Name, int32(place)
		}
	}
	for _, name := range t.Orderers {
		w.reg.is(w.reg.id(name), ordererKind)
	}
	for i, c := range t.Clients {
		client := w.reg.id(c.Name)
		w.reg.is(client, clientKind)
		w.reg.nodes[client].order = int32(i)
	}
	w.reg.version++
}

// meet makes an event's names known and gives it with what is known about it.
func (w *World) meet(e *trace.Event) step {
	s := step{Event: e, info: w.info(e.Kind)}
	s.self, s.from, s.to, s.link = w.reg.learn(e, s.info)
	return s
}

// Add takes new events, in order, each once. After a gap the stage keeps what it knows of
// nodes and heights, and forgets what was under way.
func (w *World) Add(events []trace.Event) {
	defer w.remember(events)
	for i := range events {
		e := w.meet(&events[i])
		if w.head.seq != 0 && e.Seq != w.head.seq+1 {
			w.head.forget()
			w.saved, w.shown, w.flights, w.past = nil, nil, newFlights(), nil
		}
		w.apply(w.head, &e)
		w.flights.add(&w.reg, &e)
		if t := w.touched[e.TxID]; t != nil {
			t.stale = true
		}
		if n := len(w.saved); n == 0 && e.Seq%w.every == 0 || n > 0 && e.Seq >= w.saved[n-1].seq+w.every {
			w.checkpoint()
		}
	}
}

// remember keeps the newest events, which captions are made of.
func (w *World) remember(events []trace.Event) {
	if n := len(w.recent); n > 0 && len(events) > 0 && events[0].Seq != w.recent[n-1].Seq+1 {
		w.recent = w.recent[:0]
	}
	if over := len(events) - recentEvents; over > 0 {
		events, w.recent = events[over:], w.recent[:0]
	}
	if over := len(w.recent) + len(events) - 2*recentEvents; over > 0 {
		w.recent = append(w.recent[:0], w.recent[over:]...)
	}
	w.recent = append(w.recent, events...)
}

// Nodes lists the full names of the nodes known so far: clients, peers, ordering nodes.
func (w *World) Nodes() []string {
	g := w.layout()
	var names []string
	for _, c := range g.clients {
		names = append(names, w.reg.nodes[c].name)
	}
	for _, org := range g.orgOrder {
		for _, p := range w.reg.orgs[org].peers {
			names = append(names, w.reg.nodes[p].name)
		}
	}
	for _, o := range g.orderers {
		names = append(names, w.reg.nodes[o].name)
	}
	return names
}

// touched is what the selected transaction has touched, with the first event that did.
type touched struct {
	tx     string
	stale  bool
	events []trace.Event
	nodes  map[int32]uint64
	links  map[int32]uint64
}

// touchAll finds what the selected transaction and those that a lesson points at touch.
func (w *World) touchAll(to []*touched, o Options) []*touched {
	wanted := func(tx string) bool { return tx != "" && (tx == o.Selection.Tx() || slices.Contains(o.Also, tx)) }
	for tx := range w.touched {
		if !wanted(tx) {
			delete(w.touched, tx)
		}
	}
	if tx := o.Selection.Tx(); tx != "" {
		to = append(to, w.touch(tx))
	}
	for _, tx := range o.Also {
		if tx != "" && tx != o.Selection.Tx() {
			to = append(to, w.touch(tx))
		}
	}
	return to
}

// touch finds what a transaction touches. It is kept while it is shown and its events stay the same.
func (w *World) touch(tx string) *touched {
	if t := w.touched[tx]; t != nil && !t.stale {
		return t
	}
	t := &touched{tx: tx, nodes: map[int32]uint64{}, links: map[int32]uint64{}}
	if w.touched == nil {
		w.touched = map[string]*touched{}
	}
	w.touched[tx] = t
	if w.src == nil {
		return t
	}
	t.events = w.src.ByTx(tx)
	for i := range t.events {
		e := w.meet(&t.events[i])
		for _, n := range []int32{e.self, e.from, e.to} {
			if n < 0 {
				continue
			}
			earlier(t.nodes, n, e.Seq)
			if host := w.reg.nodes[n].host; host >= 0 {
				earlier(t.nodes, host, e.Seq)
			}
		}
		if e.link >= 0 {
			earlier(t.links, e.link, e.Seq)
		}
	}
	return t
}

func earlier(m map[int32]uint64, key int32, seq uint64) {
	if old, ok := m[key]; !ok || seq < old {
		m[key] = seq
	}
}

// has tells whether something was touched by a moment.
func (t *touched) has(m map[int32]uint64, key int32, seq uint64) bool {
	first, ok := m[key]
	return ok && first <= seq
}

// pointedAt tells whether a lesson's list of names means a node or organisation.
func pointedAt(names []string, full, title string) bool {
	for _, n := range names {
		if n == full || strings.EqualFold(n, title) || n == view.Short(full) {
			return true
		}
	}
	return false
}
