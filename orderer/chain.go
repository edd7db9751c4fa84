package orderer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/orderer/store"
)

// chain is one channel on one node.
type chain struct {
	node   *Node
	name   string
	store  *store.Store
	bundle atomic.Pointer[channelconfig.Bundle]

	ctx    context.Context // ends with the chain
	cancel context.CancelFunc
	wait   sync.WaitGroup

	applying sync.Mutex // held by whoever appends blocks: Raft's entries or a catch-up

	intake     chan submission // envelopes for the leader's loop
	leadership chan leadershipChange
	applied    chan struct{} // something was applied, see noteApplied

	mu       sync.Mutex
	members  map[string]bool // who may speak before Raft's configuration is known
	instance *instance
	leader   string        // who leads, "" = nobody that we know of
	lead     *leadership   // this node's own, when it is ready to take envelopes
	changed  chan struct{} // closed when leader or lead change
	errored  chan struct{} // closed while there has been no leader for long
	erring   *time.Timer
	epoch    uint64 // of the proposal applied last
	number   uint64
}

// leadership lasts from when this node is ready to order until it is not the
// leader any more.
type leadership struct{ lost chan struct{} }

// submission is an envelope on its way to the leader's loop.
type submission struct {
	message  *Message
	config   *commonpb.ConfigEnvelope // for configuration updates: what it leads to
	sequence uint64                   // configuration under which it was checked
}

// errEmpty: a node died while it joined the channel; it has to join again.
var errEmpty = errors.New("the channel's file holds no block")

// channelFile is where a channel lives in a node's directory.
func channelFile(dir, channel string) string { return filepath.Join(dir, channel+channelSuffix) }

const channelSuffix = ".channel.db"

// openChain opens a channel's file. With a genesis block a new file is begun, or
// an existing one must begin with that block.
func openChain(node *Node, name string, genesis *commonpb.Block) (*chain, error) {
	path := channelFile(node.config.Dir, name)
	s, err := store.Open(path, store.Options{Disk: node.config.Disk, Synced: sqlite.Recorded(node.config.Trace, node.config.Name, name)})
	if err != nil {
		return nil, err
	}
	c := &chain{
		node: node, name: name, store: s,
		intake: make(chan submission), leadership: make(chan leadershipChange), applied: make(chan struct{}, 1),
		members: make(map[string]bool), changed: make(chan struct{}), errored: make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if err := c.writeGenesis(genesis); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	bundle, err := readBundle(s, node)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: the channel's configuration cannot be read: %w; put the file back from a copy, or, if other ordering nodes are in the channel, delete it: this node then fetches the blocks from them", path, err), s.Close())
	}
	c.bundle.Store(bundle)
	return c, nil
}

// writeGenesis writes block 0, or compares it.
func (c *chain) writeGenesis(genesis *commonpb.Block) error {
	if c.store.Height() == 0 {
		if genesis == nil {
			return errEmpty
		}
		return c.store.AppendBlocks([]store.Append{{Block: genesis, Config: true, Fetched: true}})
	}
	if genesis == nil {
		return nil
	}
	first, err := c.store.Block(0)
	if err != nil {
		return err
	}
	if !proto.Equal(first.Header, genesis.GetHeader()) {
		return fmt.Errorf("channel %s: %w, with another block 0", c.name, ErrExists)
	}
	return nil
}

// start begins to take part: Raft first, then the leader's loop.
func (c *chain) start(founders []Member) error {
	if err := c.startInstance(founders); err != nil {
		return err
	}
	c.wait.Go(c.run)
	return nil
}

// found makes the founders members, if that has not happened: a node can die
// between writing block 0 and this.
func (c *chain) found(founders []Member) error {
	i := c.current()
	if i == nil || i.raft.LastIndex() > 0 || len(i.servers()) > 0 {
		return nil
	}
	if err := i.raft.BootstrapCluster(configurationOf(founders)).Error(); err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("channel %s: start Raft: %w", c.name, err)
	}
	return i.electFirst(founders)
}

// stop ends everything. With transferLeadership a leader first asks another node to take
// over, so that nobody has to wait for a timeout.
func (c *chain) stop(transferLeadership bool) error {
	if i := c.current(); transferLeadership && i != nil {
		i.transferLeadership()
	}
	c.cancel()
	c.mu.Lock()
	i := c.instance
	c.instance = nil
	if c.erring != nil {
		c.erring.Stop()
	}
	c.mu.Unlock()
	if i != nil {
		i.end()
	}
	c.wait.Wait()
	return c.store.Close()
}

// current is the Raft instance; nil while there is none.
func (c *chain) current() *instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.instance
}

// look returns who leads, and a channel that is closed when that changes.
func (c *chain) look() (own *leadership, leader string, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lead, c.leader, c.changed
}

func (c *chain) leaderName() string {
	_, leader, _ := c.look()
	return leader
}

// setLeader notes who leads.
func (c *chain) setLeader(name string) {
	c.mu.Lock()
	if c.leader == name {
		c.mu.Unlock()
		return
	}
	old := c.leader
	c.leader = name
	c.signal()
	c.watchErrored(name)
	c.mu.Unlock()
	c.node.forwards.leave(old, c.name)
	c.event(trace.Event{Kind: trace.RaftLeader, What: trace.Told, Other: name})
}

// setLead notes that this node is ready to order, or (nil) is not any more.
func (c *chain) setLead(lead *leadership) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lead != nil {
		close(c.lead.lost)
	}
	c.lead = lead
	c.signal()
}

// signal wakes those who wait for a change; c.mu is held.
func (c *chain) signal() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// watchErrored starts or stops the clock after which readers are told that this
// node cannot promise new blocks; c.mu is held.
func (c *chain) watchErrored(leader string) {
	if c.erring != nil {
		c.erring.Stop()
	}
	if leader != "" {
		select {
		case <-c.errored:
			c.errored = make(chan struct{})
		default:
		}
		return
	}
	// With fewer than three members one failure stops ordering anyhow.
	if len(c.bundle.Load().Consenters()) <= 2 {
		return
	}
	errored := c.errored
	c.erring = time.AfterFunc(c.node.config.LeaderlessLimit, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.leader != "" || c.errored != errored {
			return
		}
		select {
		case <-errored:
		default:
			close(errored)
		}
	})
}

func (c *chain) erroredNow() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.errored
}

// noteApplied tells the leader's loop how far its proposals are.
func (c *chain) noteApplied(epoch, number uint64) {
	c.mu.Lock()
	c.epoch, c.number = epoch, number
	c.mu.Unlock()
	select {
	case c.applied <- struct{}{}:
	default:
	}
}

func (c *chain) lastApplied() (epoch, number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch, c.number
}

// retryUntilDone does something that must succeed, again and again, until it has or the
// chain ends (false).
func (c *chain) retryUntilDone(doing string, do func() error) bool {
	for pause := retryFirst; ; pause = min(2*pause, retryLast) {
		err := do()
		if err == nil {
			return true
		}
		c.report(doing, err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-c.ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// event records something of this channel.
func (c *chain) event(e trace.Event) {
	e.Node, e.Channel = c.node.config.Name, c.name
	c.node.config.Trace.Record(e)
}

// report records a failure that has no caller to return to.
func (c *chain) report(doing string, err error) {
	c.node.log.Warn("ordering", logChannel, c.name, "doing", doing, "error", err)
	c.event(trace.Event{Kind: trace.ErrorEvent, What: trace.Told, Note: doing + ": " + err.Error()})
}

// allows tells whether a node of that name takes part in this channel.
func (c *chain) allows(name string) bool {
	c.mu.Lock()
	known := c.members[name]
	i := c.instance
	c.mu.Unlock()
	if i == nil || i.raft == nil {
		return known
	}
	servers := i.servers()
	if len(servers) == 0 {
		return known
	}
	for _, s := range servers {
		if string(s.ID) == name {
			return true
		}
	}
	return false
}

// storedChannels lists the channels in a node's directory.
func storedChannels(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), channelSuffix); ok && !e.IsDir() {
			names = append(names, name)
		}
	}
	return names, nil
}

// isLeader tells whether Raft says that this node leads.
func (i *instance) isLeader() bool { return i.raft.State() == raft.Leader }
