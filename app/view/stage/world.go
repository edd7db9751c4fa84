// Package stage is the model of the stage: clients on the left, organisations with their
// peers and chaincode containers in the middle, the ordering service on the right, and the
// messages between them, at any moment of a trace. It serves every step of a transaction.
//
// What is true at a moment comes from view/facts; Frame gives what is to be drawn of it,
// which is a pure function of the facts, the moment and the options.
//
// Read next: layout.go (where boxes stand), build.go (state to Frame), dots.go (messages on
// their way).
package stage

import (
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// World is the stage of one network. One goroutine uses it.
type World struct {
	src   view.Source
	facts *facts.World
	book  *words.Book

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

// New makes the stage of what a world knows.
func New(w *facts.World) *World {
	return &World{src: w.Source(), facts: w, moved: map[string]view.Point{}}
}

// Alone makes the stage of a trace with a world of its own, which Add gives the events to.
func Alone(src view.Source) *World { return New(facts.New(src, 0)) }

// Add takes new events, in order, into the stage and its own world.
func (w *World) Add(events []trace.Event) {
	w.facts.Add(events, nil)
	w.Take(events)
}

// Take hears of new events that the world has taken in.
func (w *World) Take(events []trace.Event) {
	if len(w.touched) > 0 {
		for i := range events {
			if t := w.touched[events[i].TxID]; t != nil {
				t.stale = true
			}
		}
	}
	w.remember(events)
}

// Facts are what the stage shows.
func (w *World) Facts() *facts.World { return w.facts }

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
		names = append(names, w.facts.Nodes[c].Name)
	}
	for _, org := range g.orgOrder {
		for _, p := range w.facts.Orgs[org].Peers {
			names = append(names, w.facts.Nodes[p].Name)
		}
	}
	for _, o := range g.orderers {
		names = append(names, w.facts.Nodes[o].Name)
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
		e := w.facts.Step(&t.events[i])
		for _, n := range []int32{e.Self, e.From, e.To} {
			if n < 0 {
				continue
			}
			earlier(t.nodes, n, e.Seq)
			if host := w.facts.Nodes[n].Host; host >= 0 {
				earlier(t.nodes, host, e.Seq)
			}
		}
		if e.Link >= 0 {
			earlier(t.links, e.Link, e.Seq)
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
func pointedAt(list []string, full, title string, names view.Names) bool {
	for _, n := range list {
		if n == full || strings.EqualFold(n, title) || n == names.Short(full) {
			return true
		}
	}
	return false
}
