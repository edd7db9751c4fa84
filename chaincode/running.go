package chaincode

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/external"
	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/internal/trace"
)

const (
	// stopTimeout bounds how long the end of a chaincode is waited for.
	stopTimeout = 10 * time.Second
	// exitPatience is how long a chaincode whose stream broke has to end by itself,
	// so that its exit code can be told, before it is killed.
	exitPatience = 250 * time.Millisecond
)

// running is one chaincode from the decision to launch it until its end. A launch
// after that is a new one.
type running struct {
	host    *Host
	id      string
	node    string // name in events
	channel string // whose transaction caused the launch
	since   time.Time

	registered chan *stream  // takes the stream that registered, once
	admitted   bool          // somebody registered; guarded by host.mu
	ready      chan struct{} // closed when the launch has succeeded or failed
	gone       chan struct{} // closed when all is over
	cancel     context.CancelCauseFunc

	// Written before ready is closed; guarded by host.mu for Running.
	stream   *stream
	runtime  string
	instance launch.Instance // nil for external
	address  string          // for external
	err      error           // why the launch failed
}

// find gives the registered chaincode of a package, launching the chaincode if there is
// none. Whoever comes while a launch goes on waits for that launch.
func (h *Host) find(ctx context.Context, id, channel string) (*running, error) {
	for {
		r, err := h.claim(id, channel)
		if err != nil {
			return nil, err
		}
		select {
		case <-r.ready:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the launch of %s: %w", id, context.Cause(ctx))
		}
		if r.err != nil {
			return nil, r.err
		}
		if r.stream.reason() == nil {
			return r, nil
		}
		h.forget(r) // it ended a moment ago
	}
}

// claim gives the running chaincode or begins a launch.
func (h *Host) claim(id, channel string) (*running, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	if r := h.active[id]; r != nil {
		return r, nil
	}
	p := h.store.known(id)
	if p == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotInstalled, id)
	}
	r := &running{
		host: h, id: id, node: h.nodeName(p), channel: channel, since: time.Now(),
		registered: make(chan *stream, 1), ready: make(chan struct{}), gone: make(chan struct{}),
	}
	ctx, cancel := context.WithCancelCause(h.ctx)
	r.cancel = cancel
	h.active[id] = r
	h.tasks.Go(func() { r.live(ctx) })
	return r, nil
}

// nodeName is what events call the chaincode: "asset_1.0@peer0.org1.example.com". Two
// packages may have one label; then a piece of the hash tells them apart.
func (h *Host) nodeName(p *Package) string {
	for _, other := range h.store.list() {
		if other.Label == p.Label && other.ID != p.ID {
			return p.ID[:len(p.Label)+7] + "@" + h.cfg.Peer
		}
	}
	return p.Label + "@" + h.cfg.Peer
}

func (h *Host) forget(r *running) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.active[r.id] == r {
		delete(h.active, r.id)
	}
}

// live launches the chaincode, waits for its end and clears up.
func (r *running) live(ctx context.Context) {
	defer close(r.gone)
	defer r.cancel(nil)
	h := r.host
	how := h.runsAs(r.id)
	r.launched(trace.LaunchStart, trace.Told, how, 0, "")
	err := r.launch(ctx)
	if err != nil {
		h.mu.Lock()
		r.err = fmt.Errorf("%w %s: %w", ErrLaunch, r.id, err)
		h.mu.Unlock()
		h.forget(r)
		r.launched(trace.LaunchEnd, trace.Failed, how, time.Since(r.since), "failed: "+err.Error())
		h.cfg.Log.Error("chaincode launch failed", "peer", h.cfg.Peer, "package", r.id, "error", err)
		close(r.ready)
		r.stopInstance()
		return
	}
	took := time.Since(r.since)
	r.launched(trace.LaunchEnd, trace.CodeReady, how, took, took.Round(time.Millisecond).String())
	close(r.ready)
	var exited <-chan struct{}
	if r.instance != nil {
		exited = r.instance.Done()
	}
	select {
	case <-r.stream.done:
	case <-exited:
	case <-ctx.Done():
	}
	h.forget(r)
	why := trace.CodeEnded
	if ctx.Err() != nil {
		why = trace.Stopped
	}
	r.record(trace.ChaincodeExit, why, r.ending(ctx))
}

// launch starts the chaincode and waits until it has registered.
func (r *running) launch(ctx context.Context) error {
	h := r.host
	ctx, cancel := context.WithTimeoutCause(ctx, h.cfg.StartupTimeout,
		fmt.Errorf("it was not registered after %s", h.cfg.StartupTimeout))
	defer cancel()
	p, err := h.store.load(r.id)
	if err != nil {
		return err
	}
	if p.Type == TypeExternal {
		return r.connect(ctx, p)
	}
	chosen, build, err := h.runtimeOf(p.Label)
	if err != nil {
		return err
	}
	spec, err := r.spec(ctx, p, build)
	if err != nil {
		return err
	}
	in, err := chosen.runtime.Start(ctx, spec)
	if err != nil {
		return err
	}
	h.mu.Lock()
	r.runtime, r.instance = chosen.name, in
	h.mu.Unlock()
	select {
	case s := <-r.registered:
		h.mu.Lock()
		r.stream = s
		h.mu.Unlock()
		return nil
	case <-in.Done():
		return fmt.Errorf("it ended before it registered: %w%s", in.Err(), lastWords(in.Output()))
	case <-ctx.Done():
		return fmt.Errorf("%w%s", context.Cause(ctx), lastWords(in.Output()))
	}
}

// spec tells the runtime what to start.
func (r *running) spec(ctx context.Context, p *Package, build bool) (launch.Spec, error) {
	h := r.host
	s := launch.Spec{
		PackageID: p.ID, Label: p.Label, Type: p.Type, Path: p.Path, Code: p.Code,
		Sample: p.Sample, Build: build,
		Socket: h.socket.path, SocketDir: h.socket.dir,
		MSPID: h.cfg.MSPID, Peer: h.cfg.Peer, Channel: r.channel,
		Env: h.cfg.Env, Limits: h.cfg.Limits,
		Progress: r.progress, Said: r.said,
	}
	if p.Sample != "" && build {
		// A sample's package comes without the modules that it depends on, and a
		// builder has no network.
		code, err := vendorSample(ctx, p)
		if err != nil {
			return s, fmt.Errorf("collect the modules of sample %s: %w", p.Sample, err)
		}
		s.Code = code
	}
	return s, nil
}

// progress turns a runtime's steps into events.
func (r *running) progress(step, detail string) {
	switch step {
	case launch.StepBuild:
		r.record(trace.BuildStart, trace.Told, detail)
	case launch.StepBuilt:
		r.record(trace.BuildEnd, trace.StepDone, detail)
	default:
		r.record(trace.Progress, trace.Told, strings.TrimSuffix(step+": "+detail, ": "))
	}
}

// said turns what the chaincode prints into events.
func (r *running) said(line string, leftOut int) {
	e := trace.Event{Kind: trace.ChaincodeLog, Other: r.node, Channel: r.channel, Key: line, What: trace.Told, Name: r.id}
	if leftOut > 0 {
		e.What, e.A, e.Note = trace.LinesLeftOut, int64(leftOut), fmt.Sprintf("%d lines were left out", leftOut)
	}
	r.host.record(e)
}

// panicPatience is how long a call whose stream broke waits for the chaincode's last words.
const panicPatience = 2 * time.Second

// explain adds the panic that ended the chaincode to the error of a call that it broke.
func (r *running) explain(ctx context.Context, err error) error {
	if r.instance == nil || !errors.Is(err, ErrStreamTerminated) {
		return err
	}
	timer := time.NewTimer(panicPatience)
	defer timer.Stop()
	select {
	case <-r.instance.Done():
	case <-timer.C:
	case <-ctx.Done():
	}
	if said := launch.PanicIn(r.instance.Output()); said != "" {
		return fmt.Errorf("%w; the chaincode ended with \"%s\"", err, said)
	}
	return err
}

// ending clears up after the chaincode and says why it ended.
func (r *running) ending(ctx context.Context) string {
	if ctx.Err() != nil {
		r.stream.end(ErrClosed)
		r.stopInstance()
		return "stopped"
	}
	if r.instance == nil {
		return fmt.Sprint(r.stream.reason())
	}
	timer := time.NewTimer(exitPatience)
	defer timer.Stop()
	select {
	case <-r.instance.Done():
	case <-timer.C:
	case <-ctx.Done():
	}
	err := r.instance.Err()
	r.stream.end(errGone) // if the process ended before its stream did
	r.stopInstance()
	if err == nil {
		err = fmt.Errorf("killed: %w", r.stream.reason())
	}
	return err.Error() + lastWords(r.instance.Output())
}

func (r *running) stopInstance() {
	if r.instance == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := r.instance.Stop(ctx); err != nil {
		r.host.failed("stop chaincode "+r.id, err)
	}
}

// stop ends it and waits for that.
func (r *running) stop() error {
	r.cancel(errors.New("it was stopped"))
	timer := time.NewTimer(stopTimeout + time.Second)
	defer timer.Stop()
	select {
	case <-r.gone:
		return nil
	case <-timer.C:
		return fmt.Errorf("chaincode %s did not end within %s", r.id, stopTimeout)
	}
}

// status is called with host.mu held.
func (r *running) status() Status {
	s := Status{PackageID: r.id, Node: r.node, Runtime: r.runtime, Instance: r.address, Since: r.since}
	if r.instance != nil {
		s.Instance = r.instance.ID()
	}
	if r.stream != nil {
		r.stream.mu.Lock()
		s.Ready, s.Calls = r.stream.err == nil, len(r.stream.calls)
		r.stream.mu.Unlock()
	}
	return s
}

func (r *running) record(kind trace.Kind, what trace.What, note string) {
	r.host.record(trace.Event{Kind: kind, Other: r.node, Channel: r.channel, Key: r.id, What: what, Note: note})
}

// launched records a launch's begin or end, which tells how the chaincode is run.
func (r *running) launched(kind trace.Kind, what trace.What, how string, took time.Duration, note string) {
	r.host.record(trace.Event{Kind: kind, Other: r.node, Channel: r.channel, Key: r.id, What: what, A: int64(took), Name: how, Note: note})
}

// runsAs is the name of the runtime that a package is run by, "" where there is none.
func (h *Host) runsAs(id string) string {
	p := h.store.known(id)
	if p == nil {
		return ""
	}
	if p.Type == TypeExternal {
		return runtimeExternal
	}
	c, _, err := h.runtimeOf(p.Label)
	if err != nil {
		return ""
	}
	return c.name
}

// lastWords is the end of a chaincode's output, short enough for an error message.
func lastWords(output string) string {
	output = strings.TrimSpace(output)
	if output == "" {
		return ""
	}
	if len(output) > 2000 {
		output = "..." + output[len(output)-2000:]
	}
	return "; its last words: " + output
}

// runtimeExternal is what Status says of a chaincode that the peer dialled.
const runtimeExternal = "external"

// connect dials a chaincode that somebody else runs and waits for its registration.
func (r *running) connect(ctx context.Context, p *Package) error {
	conn, err := external.FromCode(p.Code)
	if err != nil {
		return err
	}
	h := r.host
	h.mu.Lock()
	r.runtime, r.address = runtimeExternal, conn.Address
	h.mu.Unlock()
	s, err := h.dial(ctx, r, conn)
	if err != nil {
		return err
	}
	h.mu.Lock()
	r.stream = s
	h.mu.Unlock()
	return nil
}
