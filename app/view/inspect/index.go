package inspect

import (
	"sort"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// What an index keeps at most; the oldest goes first.
const (
	maxTxEvents   = 800_000
	maxLife       = 512  // of each node: starts, roles, chaincodes
	maxBlockSteps = 2048 // of each node: blocks written, received, committed
	maxCalls      = 2048 // of each node: calls begun and ended
	maxBlocks     = 8192
	maxNodes      = 512
	maxRules      = 1024
	maxSent       = 65_536
)

// Index keeps where things occur in a trace. Whoever shows a source makes one for it
// and calls Add with the same events that the other panels get; what was not added is
// read from the source when a document needs it. It also keeps decoded blocks and the
// channel's state as the trace tells it. It is used from one goroutine.
type Index struct {
	src    view.Source
	first  uint64 // position of the oldest event taken, since the last gap
	cursor uint64 // of the newest

	txs    map[string]*txLog
	oldest []*txLog // in the order of their first events
	kept   int      // positions in txs

	nodes  map[string]*nodeLog
	names  []string // of nodes, in the order in which they appeared
	blocks []*blockLog
	defs   []trace.Event   // chaincode definitions
	rules  []trace.Event   // link rules
	sent   map[uint64]bool // proposals on their way

	decoded decodedBlocks
	state   stateLog
}

// txLog are the positions of one transaction's events.
type txLog struct {
	id   string
	seqs []uint64
	call *callBrief // once somebody asked
}

// callBrief is a transaction's call, for lists.
type callBrief struct{ call, creator, mspID string }

// nodeLog is what one node did, besides messages.
type nodeLog struct {
	name   string
	life   []trace.Event
	blocks []trace.Event
	calls  []trace.Event
}

// blockLog is where a block occurs.
type blockLog struct {
	number  uint64
	first   uint64
	message uint64 // a message that carries it
	again   uint64 // the newest one
	judged  string // the peer that judged it first
	from    uint64 // position of that validation's start
	done    bool   // that peer committed it
}

// NewIndex makes an empty index of a source.
func NewIndex(src view.Source) *Index {
	x := &Index{src: src}
	x.reset()
	return x
}

func (x *Index) reset() {
	*x = Index{src: x.src, txs: map[string]*txLog{}, nodes: map[string]*nodeLog{}}
}

// Add takes new events, in order; those it has already are passed over. A gap (events
// that were lost) starts it anew.
func (x *Index) Add(events []trace.Event) {
	for i := range events {
		e := &events[i]
		if e.Seq <= x.cursor {
			continue
		}
		if e.Seq != x.cursor+1 {
			x.reset()
		}
		if x.first == 0 {
			x.first = e.Seq
		}
		x.cursor = e.Seq
		x.take(e)
	}
}

// catchUp reads what was not added, up to a position.
func (x *Index) catchUp(seq uint64) {
	for x.src != nil && x.cursor < seq {
		events, _, _ := x.src.Since(x.cursor, 4096)
		if len(events) == 0 {
			return
		}
		x.Add(events)
	}
}

func (x *Index) take(e *trace.Event) {
	if e.TxID != "" {
		x.takeTx(e)
	}
	switch e.Kind {
	case trace.DeliverBlock:
		if e.Dir == trace.Sent {
			b := x.block(e.Block, e.Seq)
			if b.again = e.Seq; b.message == 0 {
				b.message = e.Seq
			}
		}
	case trace.Committed:
		x.committed(e)
		x.note(e, &x.node(e.Node).blocks, maxBlockSteps)
	case trace.BlockCut:
		cut := *e
		cut.Block = x.cutNumber(e)
		x.block(cut.Block, e.Seq)
		x.note(&cut, &x.node(e.Node).blocks, maxBlockSteps)
	case trace.BlockWritten, trace.BlockPulled:
		x.block(e.Block, e.Seq)
		x.note(e, &x.node(e.Node).blocks, maxBlockSteps)
	case trace.ValidateFrom:
		if b := x.block(e.Block, e.Seq); b.judged == "" {
			b.judged, b.from = e.Node, e.Seq
		}
		x.note(e, &x.node(e.Node).blocks, maxBlockSteps)
	case trace.LinkRule:
		x.note(e, &x.rules, maxRules)
	case trace.SimulateStart, trace.SimulateEnd, trace.Submitted, trace.CommitSeen, trace.Compared, trace.Endorsed, trace.Refused:
		x.note(e, &x.node(e.Node).calls, maxCalls)
	case trace.ChaincodeTransaction, trace.ChaincodeInit, trace.ChaincodeCompleted, trace.ChaincodeError:
		if container := containerOf(e); container != "" {
			x.note(e, &x.node(container).calls, maxCalls)
		}
	case trace.Proposal, trace.GatewayCall:
		x.asked(e)
	case trace.Installed, trace.BuildStart, trace.BuildEnd, trace.LaunchStart, trace.LaunchEnd, trace.ChaincodeExit, trace.DefinitionKnown:
		x.chaincode(e)
	case trace.NodeStart, trace.NodeReady, trace.NodeStop, trace.NodeKilled, trace.ChannelJoin, trace.RaftRole, trace.RaftLeader,
		trace.Fault, trace.ErrorEvent, trace.RaftVote, trace.RaftVoteReply:
		x.note(e, &x.node(e.Node).life, maxLife)
	case trace.ChaincodeRegister, trace.ChaincodeReady:
		if container := containerOf(e); container != "" {
			x.note(e, &x.node(container).life, maxLife)
		}
	}
}

// slip is by how much the number in a leader's cut can be wrong: it counts a block that
// is written and not yet settled twice.
const slip = 8

// cutNumber is the number of the block that a cut makes: while a node leads, its cuts
// make one block after the other.
func (x *Index) cutNumber(e *trace.Event) uint64 {
	n := x.node(e.Node)
	before, ok := last(n.blocks, isKind(trace.BlockCut))
	role, changed := last(n.life, isKind(trace.RaftRole, trace.NodeStop, trace.NodeKilled, trace.NodeStart))
	if ok && !(changed && role.Seq > before.Seq) && e.Block <= before.Block+1+slip && e.Block+slip >= before.Block+1 {
		return before.Block + 1
	}
	return e.Block
}

// committed sees to it that the verdicts of a block are read from a peer that came to
// its end: the first one that began may have been killed.
func (x *Index) committed(e *trace.Event) {
	b := x.block(e.Block, e.Seq)
	if b.done {
		return
	}
	begun, ok := last(x.node(e.Node).blocks, func(o *trace.Event) bool { return o.Kind == trace.ValidateFrom && o.Block == e.Block })
	if ok {
		b.judged, b.from, b.done = e.Node, begun.Seq, true
	}
}

func (x *Index) chaincode(e *trace.Event) {
	x.note(e, &x.node(e.Node).life, maxLife)
	if e.Kind == trace.DefinitionKnown {
		x.note(e, &x.defs, maxRules)
	}
	if e.Other != "" {
		x.note(e, &x.node(e.Other).life, maxLife)
	}
}

// asked notes a proposal or a gateway's call with the client: where it was sent, or
// where it arrived if the client does not record.
func (x *Index) asked(e *trace.Event) {
	switch {
	case e.Dir == trace.Sent:
		if len(x.sent) >= maxSent {
			x.sent = nil
		}
		if x.sent == nil {
			x.sent = map[uint64]bool{}
		}
		x.sent[e.Msg] = true
		x.note(e, &x.node(e.Node).calls, maxCalls)
	case e.Dir == trace.Received && !x.sent[e.Msg]:
		x.note(e, &x.node(e.Other).calls, maxCalls)
	case e.Dir == trace.Received:
		delete(x.sent, e.Msg)
	}
}

// containerOf is the end of a message that is a chaincode.
func containerOf(e *trace.Event) string {
	if view.PeerOf(e.Other) != "" {
		return e.Other
	}
	if view.PeerOf(e.Node) != "" {
		return e.Node
	}
	return ""
}

// note adds to a bounded list; an eighth goes at once, so that it is seldom moved.
func (x *Index) note(e *trace.Event, list *[]trace.Event, most int) {
	if len(*list) >= most+most/8 {
		*list = append((*list)[:0:0], (*list)[len(*list)-most:]...)
	}
	*list = append(*list, *e)
}

// node finds or makes a node's log. Beyond the bound all share one without a name.
func (x *Index) node(name string) *nodeLog {
	n, ok := x.nodes[name]
	if !ok {
		if len(x.nodes) >= maxNodes {
			name = ""
			if n, ok = x.nodes[name]; ok {
				return n
			}
		}
		n = &nodeLog{name: name}
		x.nodes[name] = n
		x.names = append(x.names, name)
	}
	return n
}

// of is a node's log, an empty one for a node without events.
func (x *Index) of(name string) *nodeLog {
	if n, ok := x.nodes[name]; ok {
		return n
	}
	return &nodeLog{name: name}
}

func (x *Index) takeTx(e *trace.Event) {
	t, ok := x.txs[e.TxID]
	if !ok {
		t = &txLog{id: e.TxID}
		x.txs[e.TxID] = t
		x.oldest = append(x.oldest, t)
	}
	t.seqs = append(t.seqs, e.Seq)
	x.kept++
	drop := 0
	for x.kept > maxTxEvents && drop < len(x.oldest)-1 {
		gone := x.oldest[drop]
		delete(x.txs, gone.id)
		x.kept -= len(gone.seqs)
		drop++
	}
	if drop > 0 {
		x.oldest = x.oldest[drop:]
	}
}

// block finds or makes a block's log.
func (x *Index) block(number, seq uint64) *blockLog {
	n := len(x.blocks)
	if n > 0 && x.blocks[n-1].number == number {
		return x.blocks[n-1]
	}
	i := sort.Search(n, func(i int) bool { return x.blocks[i].number >= number })
	if i < n && x.blocks[i].number == number {
		return x.blocks[i]
	}
	b := &blockLog{number: number, first: seq}
	x.blocks = append(x.blocks, nil)
	copy(x.blocks[i+1:], x.blocks[i:])
	x.blocks[i] = b
	if over := len(x.blocks) - maxBlocks; over > maxBlocks/8 {
		x.blocks = append(x.blocks[:0:0], x.blocks[over:]...)
	}
	return b
}

// blockAt is a block's log, nil if there is none.
func (x *Index) blockAt(number uint64) *blockLog {
	i := sort.Search(len(x.blocks), func(i int) bool { return x.blocks[i].number >= number })
	if i < len(x.blocks) && x.blocks[i].number == number {
		return x.blocks[i]
	}
	return nil
}

// tx gives a transaction's events up to a position, oldest first.
func (x *Index) tx(id string, upTo uint64) []trace.Event {
	t := x.txs[id]
	if t == nil {
		return nil
	}
	events := make([]trace.Event, 0, len(t.seqs))
	for _, seq := range t.seqs {
		if seq > upTo {
			break
		}
		if e, ok := x.event(seq); ok {
			events = append(events, e)
		}
	}
	return events
}

// brief gives a transaction's call without reading all of it. It is kept: the first
// proposal says it, and that does not change.
func (x *Index) brief(id string, upTo uint64) callBrief {
	t := x.txs[id]
	if t == nil || t.call != nil {
		if t != nil {
			return *t.call
		}
		return callBrief{}
	}
	for _, seq := range t.seqs {
		e, ok := x.event(seq)
		if !ok || seq > upTo {
			break
		}
		if e.Kind != trace.Proposal && e.Kind != trace.GatewayCall {
			continue
		}
		f := &txFacts{id: id}
		if f.proposal(x, &e); f.args != nil {
			call := lifecycleCall(f.chaincode, f.args)
			if call == "" {
				call = callOf(f.args, 20)
			}
			t.call = &callBrief{call, f.creator, f.mspID}
			return *t.call
		}
	}
	return callBrief{}
}

// refused tells whether an endorser refused a transaction.
func (x *Index) refused(id string, upTo uint64) bool {
	for _, e := range x.tx(id, upTo) {
		if e.Kind == trace.Refused {
			return true
		}
	}
	return false
}

// event reads one event of the trace.
func (x *Index) event(seq uint64) (trace.Event, bool) {
	if x.src == nil || seq == 0 {
		return trace.Event{}, false
	}
	events, _, lost := x.src.Since(seq-1, 1)
	if len(events) == 0 || lost > 0 {
		return trace.Event{}, false
	}
	return events[0], true
}

// upTo is the part of a list that had happened at a position.
func upTo(list []trace.Event, seq uint64) []trace.Event {
	return list[:sort.Search(len(list), func(i int) bool { return list[i].Seq > seq })]
}

// last is the newest of a list that a test accepts.
func last(list []trace.Event, fits func(*trace.Event) bool) (trace.Event, bool) {
	for i := len(list) - 1; i >= 0; i-- {
		if fits(&list[i]) {
			return list[i], true
		}
	}
	return trace.Event{}, false
}

// isKind makes a test for last.
func isKind(kinds ...trace.Kind) func(*trace.Event) bool {
	return func(e *trace.Event) bool {
		for _, k := range kinds {
			if e.Kind == k {
				return true
			}
		}
		return false
	}
}
