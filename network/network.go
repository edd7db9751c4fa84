// Package network runs a whole Fabric-style network: it makes the identities,
// starts peers and ordering nodes, joins them to a channel, deploys chaincode,
// gives clients to submit transactions with, and breaks things on purpose.
//
// Start with Topology (what a network consists of), Start (make it run) and
// Network.Client (use it). Everything that a node does is the node's own affair
// (packages peer and orderer); this package only puts the parts together.
package network

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Options says how to run a topology. The zero value runs it in a temporary
// folder that is removed at the end.
type Options struct {
	// Dir keeps identities, ledgers and connection files. If it already holds a
	// network, that network goes on. Empty: a temporary folder.
	Dir string
	// Trace takes what happens. Nil: a recorder of the network's own.
	Trace *trace.Recorder
	Log   *slog.Logger
	// Progress hears each step of the start, when it is done.
	Progress func(Step)
	// NoDeploy leaves the topology's chaincodes alone.
	NoDeploy bool
}

// Step is one finished step of a start.
type Step struct {
	Name string
	Took time.Duration
}

// Network is a running network. Stop it with Stop.
type Network struct {
	topology *Topology
	dir      string
	temp     bool
	runID    string
	trace    *trace.Recorder
	log      *slog.Logger
	progress func(Step)
	link     *link.Net
	verifier *msp.Verifier
	roots    *x509.CertPool
	genesis  *commonpb.Block
	attached bool // the nodes belong to another program
	done     chan struct{}
	stopOnce sync.Once
	unlock   func()

	mu      sync.Mutex
	orgs    map[string]*msp.Org // by organisation name
	members []*member           // peers and ordering nodes, in the order of their start
	clients map[string]*Client
	shapes  []shapeRule
	holds   map[link.HoldID]*activeHold
	leader  leaderCache
}

// member is one peer or ordering node of the network, running or not.
type member struct {
	name  string
	role  role
	org   string // organisation name
	mspID string
	spec  nodeSpec
	addr  string
	node  handle // nil while it is stopped
}

// handle is a running node: in this process (node) or in its own (child).
type handle interface {
	do(ctx context.Context, c command) (reply, error)
	stop(ctx context.Context) error
	kill() error
	addr() string
}

func (m *member) info() targetInfo { return targetInfo{Name: m.name, MSPID: m.mspID, Addr: m.addr} }

func (m *member) target() link.Target { return m.info().target() }

// Start runs a topology and returns when all nodes have joined the channel and the
// topology's chaincodes can be called. If anything fails, what was started is
// stopped again.
func Start(ctx context.Context, t *Topology, o Options) (*Network, error) {
	n, err := prepare(t, o)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := n.start(ctx, !o.NoDeploy); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nodeStopTimeout)
		defer cancel()
		return nil, errors.Join(err, n.Stop(stopCtx))
	}
	n.trace.Record(trace.Event{Kind: trace.NetworkReady, Node: t.Name, Channel: t.Channel, Note: time.Since(begin).Round(time.Millisecond).String()})
	return n, nil
}

// prepare makes the folder and everything that lives in this process.
func prepare(t *Topology, o Options) (*Network, error) {
	n := &Network{topology: t, dir: o.Dir, trace: o.Trace, log: o.Log, progress: o.Progress,
		orgs: map[string]*msp.Org{}, clients: map[string]*Client{}, holds: map[link.HoldID]*activeHold{}, done: make(chan struct{})}
	if n.trace == nil {
		n.trace = trace.NewRecorder(trace.Options{})
	}
	if n.log == nil {
		n.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if n.progress == nil {
		n.progress = func(Step) {}
	}
	id := make([]byte, 4)
	if _, err := rand.Read(id); err != nil {
		return nil, fmt.Errorf("draw a run id: %w", err)
	}
	n.runID = hex.EncodeToString(id)
	if err := n.makeDir(); err != nil {
		return nil, err
	}
	n.link = link.New(link.Config{Trace: n.trace, Log: n.log, Seed: t.Seed, Run: n.runID})
	if !t.Faithful {
		n.verifier = msp.NewVerifier(verifiedSignatures)
	}
	return n, nil
}

// verifiedSignatures is how many verified signatures one process remembers: some
// seconds of transactions at full speed.
const verifiedSignatures = 32768

// tempPrefix begins the names of folders of runs without --dir.
const tempPrefix = "fabriscope-"

func (n *Network) makeDir() error {
	if n.dir == "" {
		sweep(os.TempDir())
		dir, err := os.MkdirTemp("", tempPrefix)
		if err != nil {
			return fmt.Errorf("make a folder for the run: %w; set TMPDIR to a folder that can be written", err)
		}
		n.dir, n.temp = dir, true
		n.unlock, err = lockDir(n.dir)
		return err
	}
	abs, err := filepath.Abs(n.dir)
	if err != nil {
		return fmt.Errorf("folder of the run: %w", err)
	}
	n.dir = abs
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of the run: %w; choose another with --dir", err)
	}
	n.unlock, err = lockDir(n.dir)
	return err
}

// OnProgress makes f hear of every finished step from now on, such as those of a
// deployment.
func (n *Network) OnProgress(f func(Step)) { n.progress = f }

// Topology gives the topology that the network was started from.
func (n *Network) Topology() *Topology { return n.topology }

// Dir is the folder of the run.
func (n *Network) Dir() string { return n.dir }

// Trace is the recorder that takes what happens.
func (n *Network) Trace() *trace.Recorder { return n.trace }

// Done is closed when the network stops.
func (n *Network) Done() <-chan struct{} { return n.done }

// Stop ends all clients and nodes and leaves nothing behind: no process, no
// container, no socket, and no folder if it was a temporary one.
func (n *Network) Stop(ctx context.Context) error {
	var result error
	n.stopOnce.Do(func() {
		close(n.done)
		n.mu.Lock()
		clients, members := n.clients, n.members
		n.clients = map[string]*Client{}
		n.mu.Unlock()
		n.link.ReleaseAll()
		for _, c := range clients {
			c.Close()
		}
		result = n.stopMembers(ctx, members)
		result = errors.Join(append([]error{result}, n.leave()...)...)
	})
	return result
}

// leave removes what the run has outside its folder, and a temporary folder.
func (n *Network) leave() []error {
	var errs []error
	if n.attached {
		return errs
	}
	if err := os.Remove(n.statePath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	if n.temp {
		if err := os.RemoveAll(n.dir); err != nil {
			errs = append(errs, fmt.Errorf("remove the folder of the run: %w", err))
		}
	}
	if n.unlock != nil {
		n.unlock()
	}
	return errs
}

// stopMembers stops peers before ordering nodes, all of a kind at once.
func (n *Network) stopMembers(ctx context.Context, members []*member) error {
	var errs []error
	var mu sync.Mutex
	for _, r := range []role{rolePeer, roleOrderer} {
		var wg sync.WaitGroup
		for _, m := range members {
			if m.role != r {
				continue
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				if err := n.closeMember(ctx, m); err != nil {
					mu.Lock()
					defer mu.Unlock()
					errs = append(errs, fmt.Errorf("stop %s: %w", m.name, err))
				}
			}()
		}
		wg.Wait()
	}
	return errors.Join(errs...)
}

func (n *Network) closeMember(ctx context.Context, m *member) error {
	n.mu.Lock()
	h := m.node
	m.node = nil
	n.mu.Unlock()
	if h == nil {
		return nil
	}
	err := h.stop(ctx)
	n.trace.Record(trace.Event{Kind: trace.NodeStop, Node: m.name})
	return err
}

// handleOf gives the running node of a member, nil while it is stopped.
func (n *Network) handleOf(m *member) handle {
	n.mu.Lock()
	defer n.mu.Unlock()
	return m.node
}

// find gives the member that a person means: its full name, or the part before a
// dot (peer0.org1), if that fits exactly one.
func (n *Network) find(name string) (*member, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []*member
	for _, m := range n.members {
		if m.name == name {
			return m, nil
		}
		if strings.HasPrefix(m.name, name+".") {
			found = append(found, m)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	names := make([]string, len(n.members))
	for i, m := range n.members {
		names[i] = m.name
	}
	sort.Strings(names)
	if len(found) > 1 {
		return nil, fmt.Errorf("%q fits several nodes; write more of the name: %s", name, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("there is no node %q; the nodes are %s", name, strings.Join(names, ", "))
}
