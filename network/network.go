// Package network runs a whole Fabric-style network: it makes the identities,
// starts peers and ordering nodes, joins them to a channel, deploys chaincode,
// gives clients to submit transactions with, and breaks things on purpose.
//
// Start with Topology (what a network consists of), Start (make it run) and
// Network.Client (use it). A Network has three parts: Nodes (peers and ordering
// nodes), Faults (what is broken on purpose) and Chaincodes (what is deployed).
// Everything that a node does is the node's own affair (packages peer and orderer);
// this package only puts the parts together.
package network

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

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
	// Begins hears the name of each step when it begins.
	Begins func(step string)
	// Waiting hears of a step that takes more than three seconds: what is odd about the
	// nodes, "" if nothing is.
	Waiting func(step, why string)
	// Answer is how long a node that is a process of its own may take to answer a command;
	// 0: five seconds. Commands that need longer by their nature have more.
	Answer time.Duration
	// DiskBytesPerSecond slows the disk down for the nodes of this process, to see how they
	// bear it; 0: as fast as it is.
	DiskBytesPerSecond int64
	// NoDeploy leaves the topology's chaincodes alone.
	NoDeploy bool
}

// Step is one finished step of a start.
type Step struct {
	Name string
	Took time.Duration
}

// Network is the life of the whole: it starts, grows, gives clients, and stops. Stop it
// with Stop.
type Network struct {
	*run
	// Nodes, Faults and Chaincodes are never nil and never replaced.
	Nodes      *Nodes
	Faults     *Faults
	Chaincodes *Chaincodes

	ids      *identities
	clients  *clients
	stopOnce sync.Once
}

// Start runs a topology and returns when all nodes have joined the channel and the
// topology's chaincodes can be called. If anything fails, what was started is
// stopped again.
func Start(ctx context.Context, t *Topology, o Options) (*Network, error) {
	r, err := newRun(t, o)
	if err != nil {
		return nil, err
	}
	if err := r.makeDir(); err != nil {
		return nil, err
	}
	n := assemble(r)
	begin := time.Now()
	if err := n.start(ctx, !o.NoDeploy); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nodeStopTimeout)
		defer cancel()
		return nil, errors.Join(err, n.Stop(stopCtx))
	}
	took := time.Since(begin)
	n.trace.Record(trace.Event{Kind: trace.NetworkReady, Node: t.Name, Channel: t.Channel, What: trace.Told, A: int64(took), Note: took.Round(time.Millisecond).String()})
	return n, nil
}

// assemble puts the parts of a network together.
func assemble(r *run) *Network {
	n := &Network{run: r, ids: &identities{dir: r.cryptoDir(), orgs: map[string]*msp.Org{}}}
	n.Nodes = &Nodes{run: r, ids: n.ids}
	n.Faults = &Faults{run: r, nodes: n.Nodes}
	n.Nodes.faults = n.Faults
	r.odd = n.Nodes.odd
	r.connect(n.Faults.claim)
	n.clients = &clients{run: r, ids: n.ids, nodes: n.Nodes, byName: map[string]*Client{}}
	n.Chaincodes = &Chaincodes{run: r, nodes: n.Nodes, clients: n.clients}
	return n
}

// OnProgress makes f hear of every finished step from now on, such as those of a
// deployment.
func (n *Network) OnProgress(f func(Step)) { n.progress = f }

// OnWaiting makes f hear what steps that take long wait for.
func (n *Network) OnWaiting(f func(step, why string)) { n.waiting = f }

// Topology gives the topology that the network was started from.
func (n *Network) Topology() *Topology { return n.topology }

// Dir is the folder of the run.
func (n *Network) Dir() string { return n.dir }

// Trace is the recorder that takes what happens.
func (n *Network) Trace() *trace.Recorder { return n.trace }

// Done is closed when the network stops.
func (n *Network) Done() <-chan struct{} { return n.done }

// Client gives the client of an identity: a name from the topology's clients, or
// user@organisation such as Admin@Org1 or User1@Org2. The same name gives the same
// client.
func (n *Network) Client(name string) (*Client, error) { return n.clients.get(name) }

// OutsideClient gives a client as another program would be one: over TCP and TLS, and
// recording nothing. It is for the Gateway service; whoever asked for it closes it.
func (n *Network) OutsideClient(name string) (*Client, error) { return n.clients.outside(name) }

// Stop ends all clients and nodes and leaves nothing behind: no process, no
// container, no socket, and no folder if it was a temporary one. It takes a minute
// at most: a node that does not stop in time is killed if it is a process of its own, and
// named in the error. Each node that has ended is told in the trace (trace.NodeStop), so
// that who waits can show what is still closing.
func (n *Network) Stop(ctx context.Context) error {
	var result error
	n.stopOnce.Do(func() {
		close(n.done)
		_ = n.link.SetHolds(nil) // nothing can be wrong with no holds
		n.link.ReleaseAll()
		n.clients.close()
		if !n.attached {
			result = n.Nodes.stopAll(ctx)
		}
		result = errors.Join(append([]error{result}, n.leave()...)...)
	})
	return result
}
