// Package facts is the one place where a trace's events become facts: who leads, who waits
// for whom, what a link does, what is held, who lies, which chaincode runs where, how far
// every node is. Stage, timeline, chain, meter, inspector, session and reports ask it.
//
// World folds events into a State, in the order in which they happened; At gives the State
// of any moment, from checkpoints and by reading the events after them again from the
// source. Messages knows both ends of every message. Facts are typed fields of events; no
// sentence is read. What an old run file does not tell stays unknown.
//
// Read next: state.go (what is known), apply.go (what each event does to it), registry.go
// (nodes and connections), messages.go, history.go (what was done before the moment).
package facts

import (
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// World is everything that has been learned from a trace. One goroutine uses it.
type World struct {
	Registry
	src   view.Source
	kinds map[trace.Kind]*Kind

	head  *State   // after the newest event
	saved []*State // checkpoints, oldest first
	every uint64   // events between checkpoints
	shown *State   // the earlier moment that was asked for last
	chunk []trace.Event
	step  Step
	gaps  int

	limit  int   // events
	count  int   // remembered events
	origin int64 // time of the first event ever
	first  int64 // time of the oldest that is remembered
	marks  []int64

	spans            *spans
	messages         *Messages
	blocks           *Blocks
	histories        []History // by index of the registry
	defined          []Defined
	changed          []Past // link rules and partitions
	begun            uint64 // first event since the last gap
	contents         contents
	past             *Messages // around an earlier moment that messages does not cover
	pastFrom, pastTo uint64
}

// Bounds of what a world remembers besides its states.
const (
	// defaultEvents is over how many events messages are remembered.
	defaultEvents = 400_000
	// markEvery is how many events are forgotten together.
	markEvery = 4096
)

// New makes an empty world that remembers the messages of about limit events (at most an
// eighth more), 0 for the default. src is read again when an earlier moment is asked for;
// nil allows the newest moment only.
func New(src view.Source, limit int) *World {
	if limit <= 0 {
		limit = defaultEvents
	}
	return &World{src: src, kinds: map[trace.Kind]*Kind{}, Registry: newRegistry(), head: &State{}, every: checkpointEvery,
		limit: max(limit, 2*markEvery), spans: newSpans(), messages: newMessages(), blocks: newBlocks()}
}

// Layout describes a network before its events do. Everything in it is optional.
type Layout struct {
	Channel  string
	Orgs     []LayoutOrg
	Orderers []string // full names
	Clients  []LayoutClient
}

// LayoutOrg is one organisation: its title and its peers' full names.
type LayoutOrg struct {
	Name  string
	Peers []string
}

// LayoutClient is one client: the name that events carry, and its organisation's title.
type LayoutClient struct{ Name, Org string }

// Describe tells what the network consists of before it acts, in the order in which it is
// to be shown. Call it first, and again when nodes are added.
func (w *World) Describe(t Layout) {
	if t.Channel != "" {
		w.head.Channel = t.Channel
	}
	for place, org := range t.Orgs {
		for _, peer := range org.Peers {
			i := w.id(peer)
			w.is(i, Peer)
			o := &w.Orgs[w.Nodes[i].Org]
			o.Title, o.Order = org.Name, int32(place)
		}
	}
	for _, name := range t.Orderers {
		w.is(w.id(name), Orderer)
	}
	for i, c := range t.Clients {
		client := w.id(c.Name)
		w.is(client, Client)
		w.Nodes[client].Order = int32(i)
	}
	w.Version++
}

// Step gives an event with what is known about it, making its names known.
func (w *World) Step(e *trace.Event) Step {
	s := Step{Event: e, Info: w.Info(e.Kind)}
	s.Self, s.From, s.To, s.Link = w.learn(e, s.Info)
	return s
}

// Add takes new events, in order, each once; those that it has are passed over. see, if
// given, gets every one with what is known about it, after the state has taken it in; gap
// tells that events before it were lost. After a gap what was under way is forgotten, and
// what is known of nodes and heights stays.
func (w *World) Add(events []trace.Event, see func(e *Step, gap bool)) {
	for i := range events {
		if events[i].Seq <= w.head.Seq {
			continue
		}
		room := w.step.Spans[:0]
		w.step = w.Step(&events[i])
		e := &w.step
		gap := w.head.Seq != 0 && e.Seq != w.head.Seq+1
		if gap {
			w.head.forget()
			w.saved, w.shown, w.past = nil, nil, nil
			w.spans, w.messages, w.blocks, w.marks, w.count = newSpans(), newMessages(), w.blocks.after(), nil, 0
			w.histories, w.defined, w.changed, w.begun = nil, nil, nil, 0
			w.contents = contents{}
			w.messages.last = w.head.Time // time never runs backwards
			w.gaps++
		}
		w.messages.number(e)
		w.messages.place(e)
		e.spans, e.Spans = w.spans, room
		w.apply(w.head, e)
		w.messages.follow(e)
		e.Progress = w.messages.goesOn(e, w.blocks.follow(e.Event))
		w.notes(e)
		if w.begun == 0 {
			w.begun = e.Seq
		}
		w.remember(e)
		if n := len(w.saved); w.src != nil && (n == 0 && e.Seq%w.every == 0 || n > 0 && e.Seq >= w.saved[n-1].Seq+w.every) {
			w.checkpoint()
		}
		if see != nil {
			see(e, gap)
		}
	}
}

// remember counts an event, and forgets the oldest when there are too many.
func (w *World) remember(e *Step) {
	if w.origin == 0 {
		w.origin = e.Time
	}
	if w.count == 0 {
		w.first = e.Now
	}
	if w.count++; w.count%markEvery != 1 {
		return
	}
	w.marks = append(w.marks, e.Now)
	over := w.count - w.limit
	if over <= w.limit/8 || over < markEvery {
		return
	}
	n := over / markEvery
	w.first = w.marks[n]
	w.marks = append(w.marks[:0:0], w.marks[n:]...)
	w.count -= n * markEvery
	w.messages.forget(w.first)
	w.spans.forget(e, w.first)
}

// Bounds gives the times of the oldest and newest remembered event; ok is false while there
// is none.
func (w *World) Bounds() (first, last int64, ok bool) { return w.first, w.head.Time, w.count > 0 }

// Origin is the time of the first event ever.
func (w *World) Origin() int64 { return w.origin }

// Now is the state after the newest event.
func (w *World) Now() *State { return w.head }

// Begun is the first event after the last gap, 0 before there is one.
func (w *World) Begun() uint64 { return w.begun }

// Gaps is how often events were lost.
func (w *World) Gaps() int { return w.gaps }

// Source is what the world's events come from, nil if it cannot be read again.
func (w *World) Source() view.Source { return w.src }
