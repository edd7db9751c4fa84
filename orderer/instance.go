package orderer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/orderer/raftlink"
)

// instance is one running hashicorp/raft. A chain replaces it when it hangs.
type instance struct {
	c         *chain
	raft      *raft.Raft
	transport *raftlink.Transport
	disk      *disk
	ended     chan struct{}
	once      sync.Once
	watched   chan struct{} // closed when watch has returned; nil before it began
	snapping  atomic.Bool   // a snapshot is being taken
}

// Bounds of Raft's work.
const (
	maxAppendEntries = 8 // entries in one append and in one run of ApplyBatch
	commitTimeout    = 500 * time.Millisecond
	shutdownTime     = 5 * time.Second
	handOverTime     = time.Second
)

// leadershipChange is Raft's message that a node began or ceased to lead.
type leadershipChange struct {
	instance *instance
	leads    bool
}

// startInstance starts Raft on what the store holds. A channel that is new here
// begins with the founders as members; without founders it waits to be added.
func (c *chain) startInstance(founders []Member) error {
	i := &instance{c: c, ended: make(chan struct{})}
	i.transport = raftlink.New(raftlink.Config{
		Channel: c.name, Name: c.node.config.Name, Address: c.node.Addr(), Peers: c.node.peers, Held: c.node.raftHeld,
	})
	i.disk = &disk{Log: c.store.OpenLog(), stall: c.node.config.StallLimit, alone: i.alone, ended: i.ended, report: c.report}
	config := c.node.raftConfig()
	begun, err := i.open(config, founders)
	if err != nil {
		i.end()
		return fmt.Errorf("channel %s: start Raft: %w", c.name, err)
	}
	i.disk.started.Store(true)
	observations := make(chan raft.Observation, 64)
	i.raft.RegisterObserver(raft.NewObserver(observations, false, func(o *raft.Observation) bool {
		switch o.Data.(type) {
		case raft.RaftState, raft.LeaderObservation:
			return true
		}
		return false
	}))
	c.mu.Lock()
	if c.ctx.Err() != nil {
		c.mu.Unlock()
		i.end()
		return c.ctx.Err()
	}
	c.instance, i.watched = i, make(chan struct{})
	c.mu.Unlock()
	c.wait.Go(func() {
		defer close(i.watched)
		i.watch(observations)
	})
	if begun {
		return i.electFirst(founders)
	}
	c.wait.Go(i.standEarly)
	return i.electFirst(nil)
}

// electFirst lets the first founder of a new service, and a node without others,
// stand for election at once: waiting for a timer would take a second.
func (i *instance) electFirst(founders []Member) error {
	if len(founders) > 0 && founders[0].Name == i.c.node.config.Name || i.alone() {
		return i.transport.ElectNow()
	}
	return nil
}

func configurationOf(founders []Member) raft.Configuration {
	var configuration raft.Configuration
	for _, m := range founders {
		configuration.Servers = append(configuration.Servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(m.Name), Address: raft.ServerAddress(m.Addr)})
	}
	return configuration
}

// alone tells whether the group has no other member.
func (i *instance) alone() bool {
	servers := i.servers()
	return len(servers) == 1 && string(servers[0].ID) == i.c.node.config.Name
}

// open runs raft.NewRaft, which panics when an entry cannot be read.
func (i *instance) open(config *raft.Config, founders []Member) (begun bool, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%v", reason)
		}
	}()
	c := i.c
	exists, err := raft.HasExistingState(i.disk, i.disk, snapshots{c})
	if err != nil {
		return false, err
	}
	if !exists && len(founders) > 0 {
		if err := raft.BootstrapCluster(config, i.disk, i.disk, snapshots{c}, i.transport, configurationOf(founders)); err != nil {
			return false, err
		}
		begun = true
	}
	i.raft, err = raft.NewRaft(config, fsm{c}, i.disk, i.disk, snapshots{c}, i.transport)
	return begun, err
}

// watch passes on what Raft says about who leads.
func (i *instance) watch(observations <-chan raft.Observation) {
	c := i.c
	c.setLeader(i.leader())
	var change leadershipChange
	var out chan<- leadershipChange // nil while there is no change to pass on
	for {
		select {
		case leads := <-i.raft.LeaderCh():
			change, out = leadershipChange{i, leads}, c.leadership
		case out <- change:
			out = nil
		case o := <-observations:
			if state, ok := o.Data.(raft.RaftState); ok {
				c.event(roleEvent(state, i.raft.CurrentTerm()))
			}
			c.setLeader(i.leader())
		case <-i.ended:
			c.setLeader("")
			return
		}
	}
}

// roleOf is Raft's role as events say it.
func roleOf(state raft.RaftState) trace.What {
	switch state {
	case raft.Leader:
		return trace.Leader
	case raft.Candidate:
		return trace.Candidate
	case raft.Follower:
		return trace.Follower
	default:
		return trace.Stopped
	}
}

// roleEvent says which role Raft gives this node now.
func roleEvent(state raft.RaftState, term uint64) trace.Event {
	what := roleOf(state)
	return trace.Event{Kind: trace.RaftRole, Block: term, What: what, A: int64(term), Note: what.String()}
}

func (i *instance) leader() string {
	_, id := i.raft.LeaderWithID()
	return string(id)
}

// servers are the members by Raft's latest configuration.
func (i *instance) servers() []raft.Server {
	future := i.raft.GetConfiguration()
	if future.Error() != nil {
		return nil
	}
	return future.Configuration().Servers
}

// transferLeadership asks another node to lead, if this one does, and waits shortly.
func (i *instance) transferLeadership() {
	if i.raft == nil || !i.isLeader() || len(i.servers()) < 2 {
		return
	}
	future := i.raft.LeadershipTransfer()
	done := make(chan struct{})
	go func() {
		_ = future.Error() // either way this node stops
		close(done)
	}()
	timer := time.NewTimer(handOverTime)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// end stops the instance. First nothing of it reaches anybody, then nothing of it
// reaches the disk, then its goroutines are told to stop; one that hangs in the
// disk is left behind after a while.
func (i *instance) end() {
	i.once.Do(func() {
		_ = i.transport.Close() // cannot fail
		i.disk.Fence()
		close(i.ended)
	})
	if i.watched != nil {
		<-i.watched
	}
	if i.raft == nil {
		return
	}
	stopped := make(chan error, 1)
	go func() { stopped <- i.raft.Shutdown().Error() }()
	timer := time.NewTimer(shutdownTime)
	defer timer.Stop()
	select {
	case <-stopped:
	case <-timer.C:
		i.c.report("stop Raft", errors.New("it hangs, probably in the disk; it was left behind"))
	}
}

// snapshotIfDue has Raft take a snapshot and shorten its log when enough entries
// have come since the last one. applied is the entry applied last.
func (i *instance) snapshotIfDue(applied uint64) {
	meta, _, _ := i.c.store.Snapshot()
	if !snapshotDue(applied, meta.Index, i.c.node.config.SnapshotEvery, i.snapshotOffset()) || !i.snapping.CompareAndSwap(false, true) {
		return
	}
	i.c.wait.Go(func() {
		defer i.snapping.Store(false)
		err := i.raft.Snapshot().Error()
		// It cannot be taken while members change; the next entries try again.
		if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) && !errors.Is(err, raft.ErrRaftShutdown) {
			i.c.node.log.Debug("snapshot", logChannel, i.c.name, "error", err)
		}
	})
}

// snapshotDue tells whether a boundary lies between the last snapshot and the entry that
// was applied last: one in every so many entries, moved by the offset.
func snapshotDue(applied, last, every, offset uint64) bool {
	return (applied+offset)/every > (last+offset)/every
}

// snapshotOffset moves each member's boundaries by another part of their distance, so that
// not all write their snapshots at the same entry.
func (i *instance) snapshotOffset() uint64 {
	servers := i.servers()
	before := 0
	for _, s := range servers {
		if string(s.ID) < i.c.node.config.Name {
			before++
		}
	}
	return i.c.node.config.SnapshotEvery * uint64(before) / uint64(max(1, len(servers)))
}

// restart replaces the Raft instance: what remains when it refuses to work. The
// others elect a leader meanwhile.
func (c *chain) restart(i *instance, why string) {
	c.report("Raft", errors.New(why))
	c.mu.Lock()
	if c.instance != i || c.ctx.Err() != nil {
		c.mu.Unlock()
		return // somebody else did it, or the chain stops
	}
	c.instance = nil
	c.mu.Unlock()
	i.end()
	c.retryUntilDone("restart Raft", func() error {
		if c.ctx.Err() != nil {
			return nil
		}
		return c.startInstance(nil)
	})
}

// raftConfig is how Raft is set.
func (n *Node) raftConfig() *raft.Config {
	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(n.config.Name)
	config.HeartbeatTimeout = n.config.Heartbeat
	config.ElectionTimeout = n.config.Election
	config.LeaderLeaseTimeout = n.config.Heartbeat
	config.CommitTimeout = min(commitTimeout, n.config.Heartbeat)
	config.MaxAppendEntries = maxAppendEntries
	config.BatchApplyCh = true // a proposal must not wait for the disk
	config.ShutdownOnRemove = false
	config.TrailingLogs = n.config.SnapshotEvery / 2
	config.SnapshotInterval = 365 * 24 * time.Hour // by count instead, see snapshotIfDue
	config.NoLegacyTelemetry = true
	config.Logger = raftLog(n.log)
	return config
}

// raftLog passes Raft's own log on at debug level.
func raftLog(log *slog.Logger) hclog.Logger {
	if !log.Enabled(context.Background(), slog.LevelDebug) {
		return hclog.NewNullLogger()
	}
	return hclog.New(&hclog.LoggerOptions{Name: "raft", Level: hclog.Info, DisableTime: true, Output: lines{log}})
}

// lines makes a log record of each line.
type lines struct{ log *slog.Logger }

func (l lines) Write(b []byte) (int, error) {
	l.log.Debug(string(b))
	return len(b), nil
}

var _ io.Writer = lines{}
