// Package session is everything a person can do in the window, without the window: it
// starts a network or opens a recorded run or the blocks of another network, keeps what
// the panels show, and carries out every action. It imports no Fyne, so that all of it is
// tested without a screen.
//
// # Who runs where
//
// A Session belongs to one goroutine, that of the user interface: it calls Tick once a
// frame, and all other methods. Actions return at once and work in the background; their
// outcomes wait in a bounded queue until the next Tick, which calls the action's callback.
// So callbacks need no locks, and a network that is slow or stuck never stops the window.
// Nothing in the network ever waits for a Session. BeginClose gives the end of a session
// to the background too, and tells which nodes have not stopped yet.
//
// # Its parts
//
// A Session is what is open, its clock and its end. With it come Members (who takes part),
// Chaincodes (what the channel runs and how it gets there), Acts (transactions, queries and
// loads), Faults (what is broken on purpose), Look (the selection and what there is to say
// about it), Events (the trace as a list), Replays
// (transactions of one's own in slow motion), Records (how it is kept) and the models of the Panels. They share the core: the
// network, the way to act on it in the background, and the notes of what was done.
//
// Read next: start.go and open.go (the three kinds of session), tick.go (what a frame
// does), core.go, acts.go and faults.go (actions); package script (scenarios) and package
// draft (topologies while they are edited).
package session

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// Kind says what a session shows.
type Kind uint8

// The kinds of session.
const (
	Live     Kind = iota // a network that runs in this program
	Recorded             // a run file
	Blocks               // blocks of another network
)

// Bounds of a session.
const (
	liveEvents       = 300_000   // events that a live session can go back over
	livePayloadBytes = 32 << 20  // and messages that can be opened to the last field
	recordedEvents   = 3_000_000 // about 100 bytes each
	maxActions       = 256       // actions under way, or done and not yet told
)

// Errors of a session.
var (
	// ErrNotLive: the session has no running network to act on.
	ErrNotLive error = words.NewFault("this is a recording, not a running network: nothing can be changed in it", "start a network to try things out")
	// ErrStopped: the network was live and has been stopped.
	ErrStopped error = words.NewFault("the network is stopped", "start it again to act on it")
	// ErrBusy: too many actions are under way.
	ErrBusy error = words.NewFault("256 actions are under way already", "wait for some of them, or use a load for many transactions")
)

// StartOptions says how to run a network in a session. The zero value is fine.
type StartOptions struct {
	// Dir keeps the network; empty: a temporary folder that goes away with it.
	Dir string
	// File is where the topology or scenario was read from, "" for a sample: it names
	// the place where positions of the stage are kept.
	File string
	// Progress hears of every finished step of the start, from another goroutine.
	Progress func(network.Step)
	// Begins hears the name of every step when it begins, and Waiting, of one that takes
	// long, what is odd about the nodes ("" if nothing is), also from another goroutine.
	Begins   func(step string)
	Waiting  func(step, why string)
	Watch    *StartWatch // tells how far the start is; nil: nobody asks
	Settings *Settings   // nil: defaults, not kept
	Log      *slog.Logger
	// NoDeploy leaves the topology's chaincodes alone.
	NoDeploy bool
	// Runtime, if not empty, is how every chaincode runs: auto, docker or process.
	Runtime string
	// OnNetwork hears of the network when it runs, from another goroutine; what it gives
	// is called when the session closes. The program lists the network with it, so that
	// commands in a terminal find it.
	OnNetwork func(*network.Network) (gone func())
	// StopTimeout is how long the nodes may take to stop in good order when the session
	// closes, before they are killed; 0: 20 s.
	StopTimeout time.Duration
	// MaxEvents is how many events a live session can go back over; 0: 300,000.
	MaxEvents int
}

// Session is what is open: its trace, its clock, and the parts with which a person acts
// on it.
type Session struct {
	*core
	Axis     *view.Axis
	Playhead *view.Playhead
	Panels
	Members
	Chaincodes
	Acts
	Faults
	Look
	Records
	Events  *Events
	Replays *Replays

	file        string
	source      view.Source
	horizon     *facts.Horizon // of a live session: the same source
	run         *runReader     // recorded
	blocks      *blockBook     // blocks of another network
	stopTimeout time.Duration

	limit   int    // events that can be gone back over
	cursor  uint64 // events given to the panels
	lost    uint64
	guide   guide
	resumed bool // the network had a past when it was started
	moved   bool // positions of the stage are kept somewhere
	meta    trace.Meta
	opened  view.Moment // of a recording: where the playhead was put
}

func newSession(kind Kind, source view.Source, o StartOptions) *Session {
	if o.Settings == nil {
		o.Settings = DefaultSettings()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	limit := cmp.Or(o.MaxEvents, liveEvents)
	if kind != Live {
		limit = recordedEvents
	}
	c := &core{Kind: kind, onNetwork: o.OnNetwork, settings: o.Settings, log: o.Log}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	s := &Session{core: c, Axis: view.NewAxis(limit), Playhead: view.NewPlayhead(), Panels: newPanels(source, limit), file: o.File,
		source: source, limit: limit, stopTimeout: cmp.Or(o.StopTimeout, stopTimeout)}
	s.Members, s.Chaincodes, s.Acts = Members{core: c}, Chaincodes{core: c}, Acts{core: c, submitted: s.submitted, decided: s.decided}
	s.Faults, s.Records, s.Look = Faults{core: c}, Records{core: c}, Look{s: s}
	s.Events, s.Replays = &Events{s: s}, &Replays{s: s}
	c.panels = &s.Panels
	s.numbers = map[link.HoldID]int{}
	c.notes.Held = s.Held
	return s
}

// Name is the run's name: the topology's, the scenario's or the file's; a lesson's in the
// window's language.
func (s *Session) Name() string {
	if s.title.ID != "" {
		return words.Say(s.title)
	}
	return s.name
}

// File is where the topology, scenario or run was read from, "" if from nowhere.
func (s *Session) File() string { return s.file }

// Channel is the name of the channel that is shown, "" while it is not known.
func (s *Session) Channel() string {
	if s.topology != nil {
		return s.topology.Channel
	}
	if s.blocks != nil {
		return s.blocks.channel
	}
	return s.now().Channel
}

// Source is the trace behind everything that is shown; nil for Blocks.
func (s *Session) Source() view.Source { return s.source }

// Settings are those that the session was opened with.
func (s *Session) Settings() *Settings { return s.settings }
