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
// Nothing in the network ever waits for a Session.
//
// Read next: start.go and open.go (the three kinds of session), tick.go (what a frame
// does), act.go and faults.go (actions), script.go (what was done, as a scenario).
package session

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
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
	stopTimeout      = 20 * time.Second
)

// Errors of a session.
var (
	// ErrNotLive: the session has no running network to act on.
	ErrNotLive = errors.New("this is a recording, not a running network: nothing can be changed in it; start a network to try things out")
	// ErrStopped: the network was live and has been stopped.
	ErrStopped = errors.New("the network is stopped; start it again to act on it")
	// ErrBusy: too many actions are under way.
	ErrBusy = errors.New("256 actions are under way already; wait for some of them, or use a load for many transactions")
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
	Settings *Settings // nil: defaults, not kept
	Log      *slog.Logger
	// NoDeploy leaves the topology's chaincodes alone.
	NoDeploy bool
	// Runtime, if not empty, is how every chaincode runs: auto, docker or process.
	Runtime string
	// OnNetwork hears of the network when it runs, from another goroutine; what it gives
	// is called when the session closes. The program lists the network with it, so that
	// commands in a terminal find it.
	OnNetwork func(*network.Network) (gone func())
	// MaxEvents is how many events a live session can go back over; 0: 300,000.
	MaxEvents int
}

// Session is what the window shows, and everything that can be done with it.
type Session struct {
	Kind     Kind
	Axis     *view.Axis
	Playhead *view.Playhead
	Panels

	name, file string
	settings   *Settings
	source     view.Source
	recorder   *trace.Recorder // live
	run        *runReader      // recorded
	blocks     *blockBook      // blocks of another network
	net        atomic.Pointer[network.Network]
	topology   *network.Topology // a copy of our own: the network changes its one
	log        *slog.Logger

	onNetwork func(*network.Network) (gone func())
	gone      atomic.Pointer[func()] // what onNetwork gave

	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	work     sync.WaitGroup
	outcomes outcomes

	cursor    uint64 // events given to the panels
	lost      uint64
	selection view.Selection
	listeners []func(view.Selection)
	document  document
	asked     asked
	nodes     nodeBook
	held      heldBook
	notes     notes
	recording recording
	loads     []*LoadRun
	steps     []*stepListener
	script    *ScriptRun
	resumed   bool // the network had a past when it was started
	moved     bool // positions of the stage are kept somewhere
	meta      trace.Meta
	opened    view.Moment // of a recording: where the playhead was put
	closed    bool
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
	s := &Session{Kind: kind, Axis: view.NewAxis(limit), Playhead: view.NewPlayhead(), file: o.File, settings: o.Settings, onNetwork: o.OnNetwork,
		source: source, log: o.Log}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.nodes.init()
	s.held.numbers, s.held.spent = map[link.HoldID]int{}, map[link.HoldID]bool{}
	s.Panels = newPanels(source, limit)
	return s
}

// Name is the run's name: the topology's, the scenario's or the file's.
func (s *Session) Name() string { return s.name }

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
	return s.nodes.channel
}

// Topology is a copy of what the network consists of, peers and ordering nodes that were
// added included; nil where it is not known.
func (s *Session) Topology() *network.Topology { return s.topology }

// Net is the running network, nil unless the session is live and its network runs.
func (s *Session) Net() *network.Network {
	n := s.net.Load()
	if n == nil {
		return nil
	}
	select {
	case <-n.Done():
		return nil
	default:
		return n
	}
}

// Running tells whether a network can be acted on.
func (s *Session) Running() bool { return s.Net() != nil && !s.closed }

// Why says in one sentence why nothing can be done here, "" if something can.
func (s *Session) Why() string {
	if _, err := s.live(); err != nil {
		return err.Error()
	}
	return ""
}

// Source is the trace behind everything that is shown; nil for Blocks.
func (s *Session) Source() view.Source { return s.source }

// Settings are those that the session was opened with.
func (s *Session) Settings() *Settings { return s.settings }

// live gives the network to act on, or says why there is none.
func (s *Session) live() (*network.Network, error) {
	if s.Kind != Live {
		return nil, ErrNotLive
	}
	n := s.Net()
	if n == nil || s.closed {
		return nil, ErrStopped
	}
	return n, nil
}

// use makes n the session's network.
func (s *Session) use(n *network.Network) {
	s.net.Store(n)
	if s.onNetwork == nil {
		return
	}
	if gone := s.onNetwork(n); gone != nil {
		s.gone.Store(&gone)
	}
}

// Close ends everything that the session does: actions, loads, the script, a recording,
// and the network with its processes, sockets and temporary folder.
func (s *Session) Close(ctx context.Context) error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.cancel()
	var errs []error
	if n := s.net.Load(); n != nil {
		stop, cancel := context.WithTimeout(ctx, stopTimeout)
		defer cancel()
		errs = append(errs, n.Stop(stop))
	}
	s.work.Wait()
	if gone := s.gone.Swap(nil); gone != nil {
		(*gone)()
	}
	if n := s.net.Load(); n != nil { // a script may have started it meanwhile
		stop, cancel := context.WithTimeout(ctx, stopTimeout)
		defer cancel()
		errs = append(errs, n.Stop(stop))
	}
	if s.recorder != nil { // one that was just begun is not known to the session yet
		if err := s.recorder.StopRecording(); !errors.Is(err, trace.ErrNotRecording) {
			errs = append(errs, err)
		}
		s.recording = recording{}
	}
	if s.run != nil {
		errs = append(errs, s.run.close())
	}
	return errors.Join(append(errs, s.SavePositions())...)
}
