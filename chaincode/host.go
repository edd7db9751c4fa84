package chaincode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Runtime starts chaincodes: chaincode/docker and chaincode/process. ctx bounds the start;
// what was started goes on after it.
type Runtime interface {
	Start(ctx context.Context, spec launch.Spec) (launch.Instance, error)
	// Build makes what Start runs, so that Start finds it; for a sample that needs no
	// compiler it does nothing.
	Build(ctx context.Context, spec launch.Spec) error
}

// Config describes the Host of one peer. Peer, MSPID, Dir and Link are needed, the rest
// has defaults.
type Config struct {
	Peer  string // node name
	MSPID string
	Dir   string         // where installed packages are kept
	Link  *link.Endpoint // of the peer

	Runtime string  // "docker", "process", or "auto" (or ""): docker if an engine answers
	Use     Runtime // if not nil, used instead of what Runtime says
	RunID   string  // of the network run, for the labels of containers

	BuildSamples bool // compile samples from their packages' source as if they were not built in
	BuildPerPeer bool // docker: compile a package once for each peer, not once for all
	Batches      Batches
	Limits       launch.Limits
	CacheDir     string   // of compiled chaincodes; "" is the user's cache directory
	Env          []string // more environment for chaincodes, KEY=value

	StartupTimeout time.Duration // from launch to registration, compiling included; 0: 300 s
	ExecuteTimeout time.Duration // of one invocation; 0: 30 s
	Keepalive      time.Duration // between KEEPALIVE messages; 0: none
	Concurrent     int           // invocations at once in one chaincode, the others wait; 0: 512

	Trace *trace.Recorder // nil records nothing
	Log   *slog.Logger    // nil discards
}

func (c Config) withDefaults() Config {
	c.StartupTimeout = cmp.Or(c.StartupTimeout, 300*time.Second)
	c.ExecuteTimeout = cmp.Or(c.ExecuteTimeout, 30*time.Second)
	c.Concurrent = cmp.Or(c.Concurrent, 512)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Host keeps and runs one peer's chaincodes. Its methods may be called at once.
type Host struct {
	cfg    Config
	first  choice // of the runtimes: what Config.Runtime says
	store  *store
	socket *socket
	server *link.Server
	lobby  chan struct{} // a token for each stream that has not registered yet

	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup // launches, watchers, the server

	mu      sync.Mutex
	active  map[string]*running // by package id
	closed  bool
	more    map[string]choice   // other runtimes in use, by name
	labels  map[string]ForLabel // packages that are run differently
	warming bool                // the runtime gets ready for its first build, or has done so
}

// NewHost opens the installed packages, chooses the runtime and listens on the socket
// for chaincodes. It starts none.
func NewHost(cfg Config) (*Host, error) {
	cfg = cfg.withDefaults()
	if cfg.Link == nil || cfg.Peer == "" || cfg.Dir == "" {
		return nil, errors.New("a chaincode host needs Peer, Dir and Link")
	}
	h := &Host{cfg: cfg, lobby: make(chan struct{}, maxLobby), active: make(map[string]*running),
		more: make(map[string]choice), labels: make(map[string]ForLabel)}
	h.ctx, h.cancel = context.WithCancelCause(context.Background())
	var err error
	if h.store, err = openStore(filepath.Join(cfg.Dir, "chaincodes")); err != nil {
		return nil, err
	}
	if h.first, err = h.choose(cfg.Runtime); err != nil {
		return nil, err
	}
	if h.socket, err = listen(); err != nil {
		return nil, errors.Join(err, h.closeRuntime())
	}
	h.server = cfg.Link.NewPlainServer()
	peerpb.RegisterChaincodeSupportServer(h.server, &registrar{host: h})
	h.tasks.Go(func() {
		if err := h.server.Serve(h.socket); err != nil && h.ctx.Err() == nil {
			h.failed("serve chaincodes", err)
		}
	})
	return h, nil
}

// RuntimeName is "docker" or "process", and why tells why it was chosen, in a sentence
// for the window.
func (h *Host) RuntimeName() (name, why string) { return h.first.name, h.first.why }

// Install builds a package and keeps it. One that cannot be built is not kept. Errors:
// ErrPackage if it is not one; ErrAlreadyInstalled, together with the Package;
// launch.ErrBuild with the compiler's words; launch.ErrUnavailable if nothing here can
// build or run it.
func (h *Host) Install(ctx context.Context, raw []byte) (*Package, error) {
	p, err := ParsePackage(raw)
	if err != nil {
		return nil, err
	}
	if h.store.known(p.ID) == nil {
		if err := h.build(ctx, p); err != nil {
			return nil, fmt.Errorf("could not build chaincode: %w", err)
		}
	}
	if err := h.store.add(p); err != nil {
		return p, err
	}
	h.record(trace.Event{Kind: trace.Installed, Key: p.ID, What: trace.Told, A: int64(len(raw)), Name: p.Type, Note: fmt.Sprintf("%s, %d bytes", p.Type, len(raw))})
	h.warm(p)
	return p, nil
}

// build makes a package ready to be run, if it has to be compiled. Nobody's first call
// then waits for a compiler.
func (h *Host) build(ctx context.Context, p *Package) error {
	chosen, compile, err := h.runtimeOf(p.Label)
	if err != nil || p.Type == TypeExternal || p.Sample != "" && !compile {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.ctx, func() { cancel(ErrClosed) })()
	r := &running{host: h, id: p.ID, node: h.nodeName(p)} // tells the steps
	spec, err := r.spec(ctx, p, compile)
	if err != nil {
		return err
	}
	return chosen.runtime.Build(ctx, spec)
}

// Installed lists the packages, in the order of their ids, without their bytes. Only ID
// and Label are certain to be there.
func (h *Host) Installed() []*Package { return h.store.list() }

// Package reads an installed package with its bytes, or gives ErrNotInstalled.
func (h *Host) Package(id string) (*Package, error) { return h.store.load(id) }

// Launch makes sure that the chaincode runs and is registered; it may take as long as
// Config.StartupTimeout. Launches of one package at once are one launch.
func (h *Host) Launch(ctx context.Context, id string) error {
	_, err := h.find(ctx, id, "")
	return err
}

// Execute runs one invocation, after launching the chaincode if need be, and gives its
// COMPLETED or ERROR message.
//
// Errors: ErrNotInstalled, ErrLaunch, ErrTimeout, ErrStreamTerminated, ErrTxExists,
// ErrClosed, or that ctx ended. None of them says anything about the chaincode's writes:
// the caller throws its simulation away.
func (h *Host) Execute(ctx context.Context, packageID string, inv *Invocation) (*peerpb.ChaincodeMessage, error) {
	r, err := h.find(ctx, packageID, inv.Channel)
	if err != nil {
		return nil, err
	}
	ctx, cancel := h.cfg.Link.Net().WithTimeout(ctx, inv.TxID, h.cfg.ExecuteTimeout)
	defer cancel()
	m, err := r.stream.execute(ctx, inv)
	return m, r.explain(ctx, err)
}

// Stop ends the chaincode, if it runs. Its invocations get ErrStreamTerminated.
func (h *Host) Stop(id string) error {
	h.mu.Lock()
	r := h.active[id]
	h.mu.Unlock()
	if r == nil {
		return nil
	}
	return r.stop()
}

// Status describes one chaincode that runs or is being launched.
type Status struct {
	PackageID string
	Node      string // its name in events: "asset@peer0.org1.example.com"
	Runtime   string // "docker", "process" or "external"
	Instance  string // container id, "pid 1234" or address; "" while there is none
	Ready     bool   // registered
	Since     time.Time
	Calls     int // invocations that run now
}

// Running lists the chaincodes that run or are being launched, by package id.
func (h *Host) Running() []Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []Status
	for _, r := range h.active {
		all = append(all, r.status())
	}
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.PackageID, b.PackageID) })
	return all
}

// Close stops every chaincode and removes the socket. Installed packages stay.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	var all []*running
	for _, r := range h.active {
		all = append(all, r)
	}
	h.mu.Unlock()
	h.cancel(ErrClosed)
	errs := make([]error, len(all)+2)
	var wg sync.WaitGroup
	for i, r := range all {
		wg.Go(func() { errs[i] = r.stop() })
	}
	wg.Wait()
	h.server.Stop()
	h.tasks.Wait()
	errs[len(all)], errs[len(all)+1] = h.closeRuntime(), h.socket.remove()
	return errors.Join(errs...)
}

// closeRuntime ends the runtimes that have an end, unless the caller brought his own.
func (h *Host) closeRuntime() error {
	if h.cfg.Use != nil {
		return nil
	}
	h.mu.Lock()
	all := []choice{h.first}
	for _, c := range h.more {
		all = append(all, c)
	}
	h.mu.Unlock()
	var errs []error
	for _, c := range all {
		if closer, ok := c.runtime.(interface{ Close() error }); ok {
			errs = append(errs, closer.Close())
		}
	}
	return errors.Join(errs...)
}

// record adds an event of this peer.
func (h *Host) record(e trace.Event) {
	e.Node = h.cfg.Peer
	h.cfg.Trace.Record(e)
}

// failed records and logs something that no caller hears of.
func (h *Host) failed(what string, err error) {
	h.record(trace.Event{Kind: trace.ErrorEvent, What: trace.Told, Note: what + ": " + err.Error()})
	h.cfg.Log.Error(what, "peer", h.cfg.Peer, "error", err)
}
