package orderer

import (
	"encoding/binary"
	"fmt"
	"time"

	crand "crypto/rand"

	"github.com/hashicorp/raft"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/orderer/store"
)

// leader is the state of the loop that cuts and proposes blocks. The loop runs on
// every node and is idle unless the node leads. Only it touches this state.
type leader struct {
	c        *chain
	instance *instance // under which this node leads; nil when it does not
	ready    bool      // everything before this leadership is applied

	epoch    uint64 // names this leadership in its proposals
	number   uint64 // of the last proposal
	inflight []proposal

	cutter Cutter
	next   uint64      // number of the block that is cut next, once ready
	batch  *time.Timer // runs while something is pending
	timing bool
	due    bool        // it fired while too many blocks were on their way
	quiet  *time.Timer // runs since the last envelope came, while something is pending and CutQuiet
	hushed bool        // it fired

	health   *time.Timer // fires when nothing is applied for too long
	progress time.Time   // of the last proposal applied, or the first one made
}

// proposal is a Raft entry on its way.
type proposal struct {
	number uint64
	kind   store.Kind
}

// restTime is how long nothing must happen before caches are freed.
const restTime = 3 * time.Second

// stopped makes a timer that does not run.
func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// run is the loop. It ends with the chain.
func (c *chain) run() {
	l := &leader{c: c, batch: stopped(), quiet: stopped(), health: stopped()}
	defer l.drop()
	rest := stopped()
	defer rest.Stop()
	for {
		var intake <-chan submission
		if l.accepts() {
			intake = c.intake
		}
		select {
		case s := <-intake:
			l.enqueueBurst(s)
		case <-l.batch.C:
			l.timing = false
			l.due = true
		case <-l.quiet.C:
			l.hushed = true
		case <-c.applied:
			l.settle(c.lastApplied())
			rest.Reset(restTime)
		case change := <-c.leadership:
			l.change(change)
		case <-l.health.C:
			l.examine()
		case <-rest.C:
			c.store.Trim()
		case <-c.ctx.Done():
			return
		}
		l.cutIfTime()
	}
}

// accepts tells whether another envelope may come in: Raft has few enough blocks
// on their way, and none of them changes the configuration.
func (l *leader) accepts() bool {
	if !l.ready || len(l.inflight) >= l.c.node.config.MaxInflight {
		return false
	}
	for _, p := range l.inflight {
		if p.kind == store.KindConfig {
			return false
		}
	}
	return true
}

// enqueueBurst handles an envelope and those that wait behind it, so that in idle mode a
// burst makes one block.
func (l *leader) enqueueBurst(s submission) {
	l.enqueue(s)
	for l.accepts() {
		select {
		case s := <-l.c.intake:
			l.enqueue(s)
			continue
		default:
		}
		return
	}
}

// enqueue puts one envelope into the batch, or a new configuration into a block.
func (l *leader) enqueue(s submission) {
	c := l.c
	bundle := c.bundle.Load()
	if s.sequence != bundle.Sequence() && !s.check(c, bundle) {
		return
	}
	if s.config != nil {
		l.enqueueConfig(s)
		return
	}
	l.cutter.Limits = limitsOf(bundle)
	full := l.cutter.Add(s.message.Envelope)
	if c.node.config.Trace != nil {
		pending, bytes := l.cutter.Pending()
		c.event(trace.Event{Kind: trace.Enqueued, TxID: s.message.TxID, What: trace.Told, A: int64(pending), B: int64(bytes), Note: fmt.Sprintf("%d pending, %d bytes", pending, bytes)})
	}
	l.propose(full)
}

// check repeats the checks under the present configuration for a message that was
// accepted under another one. A message that does not pass is dropped: its sender
// was told that it was taken in, which promises no more.
func (s *submission) check(c *chain, bundle *channelconfig.Bundle) bool {
	verdict := s.message.Check(bundle, time.Now())
	if verdict.OK() && s.config != nil {
		s.config, verdict = s.message.Configure(bundle)
	}
	if !verdict.OK() {
		c.report("check again after the configuration changed", fmt.Errorf("transaction %s is dropped: %s", s.message.TxID, verdict.Info))
	}
	return verdict.OK()
}

// enqueueConfig makes a block of what is pending and one of the configuration.
func (l *leader) enqueueConfig(s submission) {
	envelope, err := channelconfig.NewConfigEnvelope(l.c.name, s.config, l.c.node.config.Signer)
	if err != nil {
		l.c.report("sign the configuration", err)
		return
	}
	l.propose(l.cutter.Cut(trace.CutByConfig))
	l.event(1, trace.CutByConfig)
	l.submit(store.KindConfig, []*commonpb.Envelope{envelope})
}

func limitsOf(bundle *channelconfig.Bundle) Limits {
	batch := bundle.Batch()
	return Limits{MaxMessageCount: batch.MaxMessageCount, PreferredMaxBytes: batch.PreferredMaxBytes}
}

// propose hands batches to Raft, and sees to it that the batch timer runs exactly
// while something is pending.
func (l *leader) propose(batches []Batch) {
	for _, b := range batches {
		l.event(len(b.Envelopes), b.Why)
		l.submit(store.KindBatch, b.Envelopes)
	}
	pending, _ := l.cutter.Pending()
	if l.timing && (pending == 0 || len(batches) > 0) {
		l.batch.Stop()
		l.timing = false
	}
	if l.hushed = false; pending > 0 && l.c.node.cuts(CutQuiet) {
		l.quiet.Reset(quietTime)
	} else {
		l.quiet.Stop()
	}
	if pending == 0 {
		l.due = false
	} else if !l.timing && !l.due {
		l.batch.Reset(l.c.bundle.Load().Batch().Timeout)
		l.timing = true
	}
}

// event records that a block was cut, before it is submitted. Epoch and number of the
// proposal are what the block that is written repeats. The block's own number is the one
// that it gets if this node goes on leading: nobody else proposes meanwhile, so the next
// block is the one behind the last that this leadership has cut.
func (l *leader) event(transactions int, why trace.What) {
	block := l.next
	l.next++
	if l.c.node.config.Trace == nil {
		return
	}
	l.c.event(trace.Event{Kind: trace.BlockCut, Block: block, What: why, A: int64(transactions), B: int64(l.number + 1), C: int64(l.epoch),
		Note: why.String() + ", " + count(transactions, "transaction")})
}

// submit proposes one Raft entry. What becomes of it is learned from settle.
func (l *leader) submit(kind store.Kind, envelopes []*commonpb.Envelope) {
	l.number++
	body := store.EncodeBody(kind, l.epoch, l.number, envelopes)
	l.inflight = append(l.inflight, proposal{number: l.number, kind: kind})
	l.instance.raft.ApplyLog(raft.Log{Data: body}, time.Second)
	if len(l.inflight) == 1 {
		l.watchHealth()
	}
}

// watchHealth gives Raft time for its next sign of progress: more than the disk has,
// which is the first suspect and has a guard of its own.
func (l *leader) watchHealth() {
	l.progress = time.Now()
	l.health.Reset(l.c.node.config.StallLimit + l.c.node.config.Heartbeat)
}

// settle forgets the proposals that are applied. One that is missing between them
// was refused by Raft and never comes.
func (l *leader) settle(epoch, number uint64) {
	if l.instance == nil || epoch != l.epoch {
		return
	}
	for len(l.inflight) > 0 && l.inflight[0].number <= number {
		if l.inflight[0].kind == store.KindBarrier && !l.ready {
			l.ready = true
			l.next = l.c.store.Height() // all that earlier leaders proposed is applied
			l.c.setLead(&leadership{lost: make(chan struct{})})
		}
		l.inflight = l.inflight[1:]
	}
	l.health.Stop()
	if len(l.inflight) > 0 {
		l.watchHealth()
	} else {
		l.inflight = nil
	}
}

// cutIfTime cuts what is pending when the batch timer has fired or, in quiet mode, when
// nothing has come for a moment or, in idle mode, when no block is on its way, as far as
// Raft has room.
func (l *leader) cutIfTime() {
	if l.instance == nil || !l.accepts() {
		return
	}
	switch {
	case l.due:
		l.due = false
		l.propose(l.cutter.Cut(trace.CutByTimeout))
	case l.hushed, l.c.node.cuts(CutIdle) && len(l.inflight) == 0:
		l.propose(l.cutter.Cut(trace.CutIdle))
	}
}

// change handles the beginning or end of this node's leadership.
func (l *leader) change(change leadershipChange) {
	if change.instance != l.c.current() {
		return // an instance that was replaced
	}
	l.drop()
	if !change.leads {
		return
	}
	l.instance = change.instance
	l.epoch, l.number = newEpoch(), 0
	// When this comes back, everything that earlier leaders committed is applied:
	// the checks then see the newest configuration.
	l.submit(store.KindBarrier, nil)
}

// drop ends the leadership: what is pending or on its way is forgotten. Entries
// that Raft has may still be committed by the next leader.
func (l *leader) drop() {
	if l.ready {
		l.c.setLead(nil)
		if pending, _ := l.cutter.Pending(); pending > 0 {
			l.c.event(trace.Event{Kind: trace.ErrorEvent, What: trace.Told, A: int64(pending), Note: count(pending, "transaction") + " of an unfinished block dropped: this node does not lead any more; their clients have to send them again"})
		}
	}
	l.batch.Stop()
	l.quiet.Stop()
	l.health.Stop()
	*l = leader{c: l.c, batch: l.batch, quiet: l.quiet, health: l.health}
}

// examine looks at proposals that were not applied in time although Raft still
// says that this node leads. Raft can refuse writes for ever after an interrupted
// transfer of leadership (hashicorp/raft issue 696), and its disk or the block
// store can hang. Whatever it is, another node should lead.
func (l *leader) examine() {
	if l.instance == nil || len(l.inflight) == 0 {
		return
	}
	if l.c.node.raftHeld() || l.instance.alone() {
		// Somebody holds Raft's messages back on purpose, or there is nobody else to lead:
		// to begin anew would lose what was taken in.
		l.watchHealth()
		return
	}
	c, instance := l.c, l.instance // the loop goes on and begins l anew
	why := fmt.Sprintf("nothing was committed for %s although this node leads: it steps down and starts Raft anew", time.Since(l.progress).Round(time.Millisecond))
	l.drop()
	c.wait.Go(func() { c.restart(instance, why) })
}

// newEpoch is a random number other than 0.
func newEpoch() uint64 {
	var b [8]byte
	_, _ = crand.Read(b[:]) // never fails since Go 1.24
	return binary.BigEndian.Uint64(b[:]) | 1
}
