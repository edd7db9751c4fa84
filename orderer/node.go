package orderer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/orderer/clusterpb"
	"github.com/fabriscope/fabriscope/orderer/raftlink"
)

// Errors that callers act on.
var (
	// ErrExists: the node is in this channel already.
	ErrExists = errors.New("the node is in this channel already")
	// ErrClosed: the node was closed.
	ErrClosed = errors.New("the ordering node is closed")
	// ErrNoLeader: nobody leads at the moment; try again.
	ErrNoLeader = errors.New("no Raft leader")
	// ErrNotCaughtUp: a node that was added did not catch up in time. It stays
	// as a listener without a vote; add it again when it is reachable.
	ErrNotCaughtUp = errors.New("the new member has not caught up")
)

// When a block is cut.
const (
	CutTimeout = "timeout" // by count, bytes and the channel's batch timeout, as Fabric does
	CutIdle    = "idle"    // besides, as soon as none of this node's blocks is on its way
	CutQuiet   = "quiet"   // besides, when no envelope has come for quietTime
)

// quietTime is much longer than envelopes of clients that answer to one block lie apart,
// and much shorter than a batch timeout.
const quietTime = 5 * time.Millisecond

// logChannel is the log key of a channel's name.
const logChannel = "channel"

// Config says what an ordering node is. Name, Signer, Dir and Link are needed.
type Config struct {
	Name   string         // the node's name, which its TLS certificate carries as common name
	MSPID  string         // its organisation
	Signer *msp.Signer    // signs blocks
	Dir    string         // where it keeps its channels; made if it does not exist
	Link   *link.Endpoint // its end of all connections
	Listen string         // "host:port"; empty means any free port of 127.0.0.1
	Moves  bool           // to another port where Listen's is taken

	Cut         string // CutTimeout (also when empty), CutIdle or CutQuiet
	MaxInflight int    // blocks that Raft may have on their way; 0 means 5, as in Fabric

	// Heartbeat is the time without a word from the leader after which another
	// one is sought, and without words from a majority after which a leader steps
	// down; 0 means 1 s. Election is how long a candidate waits; 0 means the same.
	Heartbeat, Election time.Duration

	SnapshotEvery   uint64        // Raft entries between two snapshots; half of them stay behind one; 0 means 128
	StallLimit      time.Duration // how long the disk may take, and a commit without one Heartbeat, before a leader steps down; 0 means 3 s
	LeaderlessLimit time.Duration // how long readers are not told that there is no leader; 0 means 10 s

	Verifier *msp.Verifier   // remembers signatures; nil verifies each time
	Disk     *sqlite.Disk    // what the files of one process share; nil works
	Trace    *trace.Recorder // nil records nothing
	Log      *slog.Logger    // nil discards
}

// Defaults of Config.
const (
	defaultHeartbeat     = time.Second
	defaultMaxInflight   = 5
	defaultSnapshotEvery = 128
	defaultStallLimit    = 3 * time.Second
	defaultLeaderless    = 10 * time.Second
)

func (c *Config) complete() error {
	switch {
	case c.Name == "":
		return errors.New("Name is empty")
	case c.Signer == nil:
		return errors.New("Signer is missing")
	case c.Dir == "":
		return errors.New("Dir is empty")
	case c.Link == nil:
		return errors.New("Link is missing")
	case !slices.Contains([]string{"", CutTimeout, CutIdle, CutQuiet}, c.Cut):
		return fmt.Errorf("Cut is %q; use %q, %q or %q", c.Cut, CutTimeout, CutIdle, CutQuiet)
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = defaultHeartbeat
	}
	c.Election = max(c.Election, c.Heartbeat)
	if c.MaxInflight <= 0 {
		c.MaxInflight = defaultMaxInflight
	}
	c.MaxInflight = min(c.MaxInflight, maxAppendEntries-2) // Raft's queue must never be full
	if c.SnapshotEvery == 0 {
		c.SnapshotEvery = defaultSnapshotEvery
	}
	if c.StallLimit == 0 {
		c.StallLimit = defaultStallLimit
	}
	if c.LeaderlessLimit == 0 {
		c.LeaderlessLimit = defaultLeaderless
	}
	return nil
}

// SetCut changes when blocks are cut: CutTimeout, CutIdle or CutQuiet.
func (n *Node) SetCut(cut string) { n.cut.Store(cut) }

// cuts tells whether blocks are cut in this way.
func (n *Node) cuts(when string) bool { return n.cut.Load() == when }

// Member is an ordering node as the others see it.
type Member struct {
	Name string
	Addr string // "host:port"
}

// Node is an ordering node. All methods may be called from many goroutines.
type Node struct {
	ordererpb.UnimplementedAtomicBroadcastServer

	config   Config
	cut      atomic.Value // what Config.Cut and SetCut say
	log      *slog.Logger
	listener net.Listener
	server   *link.Server
	peers    *raftlink.Peers
	forwards *forwards
	deliver  *deliver.Server
	trust    trust

	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	closed  bool
	chains  map[string]*chain
	arrived chan struct{} // closed when a channel was joined
}

// New starts a node: it listens, and takes part again in the channels that its
// directory holds.
func New(config Config) (*Node, error) {
	if err := config.complete(); err != nil {
		return nil, fmt.Errorf("ordering node %s: %w", config.Name, err)
	}
	if err := os.MkdirAll(config.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("ordering node %s: %w", config.Name, err)
	}
	n := &Node{config: config, log: config.Log, chains: make(map[string]*chain), arrived: make(chan struct{})}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	n.cut.Store(config.Cut)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.peers = raftlink.NewPeers(config.Link)
	n.forwards = &forwards{node: n, ways: make(map[forwardKey]*forwardWay)}
	n.deliver = &deliver.Server{Lookup: n.readable, Log: n.log}
	var err error
	if n.listener, err = config.Link.Listen(config.Listen, config.Moves); err != nil {
		return nil, fmt.Errorf("ordering node %s: %w", config.Name, err)
	}
	if err := n.reopen(); err != nil {
		return nil, errors.Join(fmt.Errorf("ordering node %s: %w", config.Name, err), n.shut(false))
	}
	n.server = config.Link.NewServer()
	ordererpb.RegisterAtomicBroadcastServer(n.server, n)
	clusterpb.RegisterOrdering(n.server, n)
	clusterpb.RegisterRaft(n.server, &raftlink.Server{
		Identify: identify, Find: n.findTransport, Peers: n.peers,
		Allow: func(ctx context.Context, sent *clusterpb.Sender) error {
			return n.allowed(ctx, n.chain(sent.GetChannel()))
		},
	})
	go func() { _ = n.server.Serve(n.listener) }() // ends with Stop
	return n, nil
}

// reopen takes part in the channels of the directory.
func (n *Node) reopen() error {
	names, err := storedChannels(n.config.Dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		c, err := openChain(n, name, nil)
		if errors.Is(err, errEmpty) {
			continue
		}
		if err != nil {
			return err
		}
		if err := c.start(nil); err != nil {
			return errors.Join(err, c.stop(false))
		}
		n.chains[name] = c
	}
	return nil
}

// Addr is where the node listens, "host:port".
func (n *Node) Addr() string { return n.listener.Addr().String() }

// Join makes the node a founding member of a channel: all founders must be told
// the same members, this node among them, and the first of them leads first. When
// the node is in the channel already only the addresses are taken over; ErrExists
// when that channel begins with another block.
func (n *Node) Join(genesis *commonpb.Block, members []Member) error {
	return n.join(genesis, members, true)
}

// JoinExisting prepares the node for a channel whose ordering service exists. It
// becomes a member when AddMember is called on one of the others.
func (n *Node) JoinExisting(genesis *commonpb.Block, members []Member) error {
	return n.join(genesis, members, false)
}

func (n *Node) join(genesis *commonpb.Block, members []Member, founder bool) error {
	bundle, err := channelconfig.FromBlock(genesis, n.config.Verifier)
	if err != nil {
		return fmt.Errorf("%s joins a channel: %w", n.config.Name, err)
	}
	name := bundle.Channel()
	if founder && !slices.ContainsFunc(members, func(m Member) bool { return m.Name == n.config.Name }) {
		return fmt.Errorf("%s joins channel %s: it is not among the members; use JoinExisting to join an existing ordering service", n.config.Name, name)
	}
	if err := n.SetMembers(members); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ErrClosed
	}
	if c := n.chains[name]; c != nil {
		c.know(members)
		if err := c.writeGenesis(genesis); err != nil || !founder {
			return err
		}
		return c.found(members)
	}
	c, err := openChain(n, name, genesis)
	if err != nil {
		return fmt.Errorf("%s joins channel %s: %w", n.config.Name, name, err)
	}
	c.know(members)
	var founders []Member
	if founder {
		founders = members
	}
	if err := c.start(founders); err != nil {
		return errors.Join(err, c.stop(false))
	}
	n.chains[name] = c
	close(n.arrived)
	n.arrived = make(chan struct{})
	c.event(trace.Event{Kind: trace.ChannelJoin, What: trace.IsOrderer, A: int64(c.store.Height()), Note: count(int(c.store.Height()), "block")})
	c.recordLimits()
	return nil
}

// know notes who takes part, for as long as Raft does not know it.
func (c *chain) know(members []Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range members {
		c.members[m.Name] = true
	}
}

// SetMembers tells where the other nodes are now. It does not change who is a
// member; nodes also learn addresses from each other's messages.
func (n *Node) SetMembers(members []Member) error {
	for _, m := range members {
		if m.Name != n.config.Name {
			n.peers.SetAddress(m.Name, m.Addr)
		}
	}
	return nil
}

// chain finds a channel; nil when the node is not in it.
func (n *Node) chain(name string) *chain {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.chains[name]
}

func (n *Node) all() []*chain {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*chain, 0, len(n.chains))
	for _, c := range n.chains {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *chain) int { return strings.Compare(a.name, b.name) })
	return all
}

// findTransport finds where a Raft message belongs. Nodes that start together
// find each other's channels a moment later: it waits for that.
func (n *Node) findTransport(ctx context.Context, channel string) (*raftlink.Transport, error) {
	timer := time.NewTimer(raftlink.Wait)
	defer timer.Stop()
	for {
		n.mu.Lock()
		c, arrived := n.chains[channel], n.arrived
		n.mu.Unlock()
		if c != nil {
			if i := c.current(); i != nil {
				return i.transport, nil
			}
			return nil, fmt.Errorf("Raft of channel %s does not run on %s at the moment", channel, n.config.Name)
		}
		select {
		case <-arrived:
		case <-timer.C:
			return nil, fmt.Errorf("%s is not in channel %s", n.config.Name, channel)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// raftHeld tells whether somebody holds messages of Raft back on purpose.
func (n *Node) raftHeld() bool {
	return slices.ContainsFunc(n.config.Link.Net().Held(), func(h link.HeldMessage) bool {
		return strings.HasPrefix(string(h.Event.Kind), "raft.")
	})
}

// addressOf is the address of a member by Raft's configuration.
func (n *Node) addressOf(name string) string {
	for _, c := range n.all() {
		if i := c.current(); i != nil {
			for _, s := range i.servers() {
				if string(s.ID) == name {
					return string(s.Address)
				}
			}
		}
	}
	return ""
}

// Deliver serves blocks.
func (n *Node) Deliver(stream ordererpb.AtomicBroadcast_DeliverServer) error {
	var hash []byte
	if _, cert := link.PeerName(stream.Context()); cert != nil {
		sum := sha256.Sum256(cert.Raw)
		hash = sum[:]
	}
	return n.deliver.Serve(deliver.Stream{
		Context: stream.Context(),
		Recv:    stream.Recv,
		Block: func(_ *deliver.Request, block *commonpb.Block) error {
			return stream.Send(&ordererpb.DeliverResponse{Type: &ordererpb.DeliverResponse_Block{Block: block}})
		},
		Status: func(status commonpb.Status) error {
			return stream.Send(&ordererpb.DeliverResponse{Type: &ordererpb.DeliverResponse_Status{Status: status}})
		},
		TLSCertHash: hash,
	})
}

// readable is a channel as deliver sees it.
func (n *Node) readable(name string) (*deliver.Channel, bool) {
	c := n.chain(name)
	if c == nil {
		return nil, false
	}
	return &deliver.Channel{
		Source:   c.store,
		Judge:    c.judgeReader,
		Sequence: func() uint64 { return c.bundle.Load().Sequence() },
		Errored:  c.erroredNow,
		Gone:     c.ctx.Done(),
	}, true
}

func (c *chain) judgeReader(signed policy.Signed) (time.Time, error) {
	bundle := c.bundle.Load()
	return bundle.MSPs().CertificateEnd(signed.Identity), bundle.Check(channelconfig.PathReaders, signed)
}

// Close stops the node in good order: a leader asks another node to take over
// first.
func (n *Node) Close() error { return n.shut(true) }

// Kill stops the node without a word to the others, as far as that can be done
// inside a process that goes on.
func (n *Node) Kill() error { return n.shut(false) }

func (n *Node) shut(transferLeadership bool) error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.mu.Unlock()
	var errs []error
	for _, c := range n.all() {
		errs = append(errs, c.stop(transferLeadership))
	}
	n.cancel()
	if n.server != nil {
		n.server.Stop()
	}
	n.peers.Close()
	if err := n.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
