// Package chain is the model of the chain panel: blocks as cards with one square per
// transaction, and the close-up of one block's validation at one peer.
//
// Which transactions a block holds and what became of them comes from events: an
// ordering node's "enqueued" and "block.cut" say what was ordered, a peer's "verdict"
// and "committed" what it decided. Blocks of another network are given with SetBlocks.
//
// Read next: strip.go (events in), frame.go (pictures out), validation.go.
package chain

import (
	"sort"
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// What a strip keeps at most; the oldest goes first.
const (
	maxBlocks  = 8192
	maxEntries = 1_500_000 // transactions in cuts and verdicts: some 16 MB
	maxWaiting = 32_768
	maxPeers   = 64
)

const valid = "VALID"

// Strip holds the blocks that the trace tells of.
type Strip struct {
	src     view.Source
	last    uint64   // position of the newest event taken
	blocks  []*block // by number
	entries int      // transactions in cuts and verdicts, for the bound
	queue   []waiting
	head    int               // queue[:head] are in blocks already
	lastCut map[string]uint64 // by leader: the block it cut last
	peers   []string
	peerOf  map[string]int
	codes   []string // the codes that occur, for small numbers in blocks
	codeOf  map[string]uint8

	foreign bool
	frame   Frame
	shown   Options             // of the last frame, for Step
	checks  checks              // of the validation looked at last
	details map[uint64][]detail // decoded blocks, a few
}

// block is one block as far as the trace tells of it.
type block struct {
	number  uint64
	first   uint64 // position at which the block appears
	count   int    // transactions, once a node said so
	said    uint64 // position at which it did
	cuts    []cut  // more than one where a leader was replaced
	ids     []string
	at      []atPeer // by peer
	message uint64   // position of a message that carries the block
	again   uint64   // position of the newest such message
	read    bool     // whether the header was looked for
	hash    string
	prev    string
	foreign []Tx
	problem string
}

// cut is what one leader put into the block.
type cut struct {
	seq uint64
	ids []string // "" for one that the trace does not name
}

// atPeer is one peer's validation of the block, as positions in the trace; 0 is not yet.
type atPeer struct {
	pulled, start, committed uint64
	judged                   []uint64 // by transaction
	codes                    []uint8
	next                     int // transaction that the next verdict is about
}

// waiting is an envelope in a leader's batch.
type waiting struct {
	seq, gone uint64 // taken in; cut into a block or lost with its leader
	id        string
	node      string
}

// New makes an empty strip. The source is asked for the payload of blocks that are
// shown, and may be nil.
func New(src view.Source) *Strip {
	return &Strip{src: src, peerOf: map[string]int{}, codeOf: map[string]uint8{}}
}

// Add takes new events, in order. A gap (events that were lost) starts it anew.
func (s *Strip) Add(events []trace.Event) {
	for i := range events {
		e := &events[i]
		if e.Seq <= s.last || s.foreign {
			continue
		}
		if e.Seq != s.last+1 && s.last != 0 {
			*s = Strip{src: s.src, peerOf: map[string]int{}, codeOf: map[string]uint8{}, shown: s.shown}
		}
		s.last = e.Seq
		s.take(e)
	}
	s.trim()
}

func (s *Strip) take(e *trace.Event) {
	switch e.Kind {
	case trace.Enqueued:
		s.queue = append(s.queue, waiting{seq: e.Seq, id: e.TxID, node: e.Node})
	case trace.BlockCut:
		s.cut(e)
	case trace.BlockWritten:
		s.block(e).counted(e)
	case trace.DeliverBlock:
		if e.Dir == trace.Sent {
			b := s.block(e)
			if b.again = e.Seq; b.message == 0 {
				b.message = e.Seq
			}
		}
	case trace.BlockPulled:
		b := s.block(e)
		b.counted(e)
		if p := s.atPeer(b, e.Node); p != nil && p.pulled == 0 {
			p.pulled = e.Seq
		}
	case trace.ValidateFrom:
		b := s.block(e)
		b.counted(e)
		if p := s.atPeer(b, e.Node); p != nil {
			p.next = 0
			if p.start == 0 {
				p.start = e.Seq
				if n := min(b.count, maxEntries/64); n > 0 && p.judged == nil {
					p.judged, p.codes = make([]uint64, 0, n), make([]uint8, 0, n)
				}
			}
		}
	case trace.Verdict:
		s.verdict(e)
	case trace.Committed:
		if p := s.atPeer(s.block(e), e.Node); p != nil && p.committed == 0 {
			p.committed = e.Seq
		}
	case trace.RaftRole, trace.NodeStop, trace.NodeKilled:
		s.leaderChanged(e)
	}
}

// block finds or makes the block that an event is about.
func (s *Strip) block(e *trace.Event) *block {
	n := len(s.blocks)
	if n > 0 && s.blocks[n-1].number == e.Block {
		return s.blocks[n-1]
	}
	i := sort.Search(n, func(i int) bool { return s.blocks[i].number >= e.Block })
	if i < n && s.blocks[i].number == e.Block {
		return s.blocks[i]
	}
	b := &block{number: e.Block, first: e.Seq}
	if i < n {
		// An older one that turns up late: it was there before its successor.
		b.first = min(b.first, s.blocks[i].first)
	}
	s.blocks = append(s.blocks, nil)
	copy(s.blocks[i+1:], s.blocks[i:])
	s.blocks[i] = b
	return b
}

// at finds a block by its number, nil if the strip does not hold it.
func (s *Strip) at(number uint64) *block {
	i := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].number >= number })
	if i < len(s.blocks) && s.blocks[i].number == number {
		return s.blocks[i]
	}
	return nil
}

// atPeer is a block's place for a peer; nil when there are too many peers.
func (s *Strip) atPeer(b *block, node string) *atPeer {
	i, ok := s.peerOf[node]
	if !ok {
		if i = len(s.peers); i >= maxPeers {
			return nil
		}
		s.peerOf[node] = i
		s.peers = append(s.peers, node)
	}
	for len(b.at) <= i {
		b.at = append(b.at, atPeer{})
	}
	return &b.at[i]
}

// counted reads the number of transactions from a note such as "timeout, 2 transactions".
func (b *block) counted(e *trace.Event) {
	if b.count == 0 {
		b.count, b.said = countIn(e.Note), e.Seq
	}
}

// size is the number of transactions as far as it was said at a position.
func (b *block) size(seq uint64) int {
	if b.said > seq {
		return 0
	}
	return b.count
}

func countIn(note string) int {
	if _, after, ok := strings.Cut(note, ", "); ok {
		note = after
	}
	number, _, _ := strings.Cut(note, " ")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > 1_000_000 {
		return 0
	}
	return n
}

// cut takes the oldest envelopes of a leader's batch into a block.
func (s *Strip) cut(e *trace.Event) {
	numbered := *e
	numbered.Block = s.numbered(e)
	b := s.block(&numbered)
	c := cut{seq: e.Seq}
	want := countIn(e.Note)
	for i := s.head; i < len(s.queue) && len(c.ids) < want; i++ {
		w := &s.queue[i]
		if w.gone == 0 && w.node == e.Node {
			w.gone = e.Seq
			c.ids = append(c.ids, w.id)
		}
	}
	for len(c.ids) < min(want, maxEntries/8) {
		c.ids = append(c.ids, "") // a configuration is cut without waiting
	}
	for s.head < len(s.queue) && s.queue[s.head].gone != 0 {
		s.head++
	}
	if len(b.cuts) < 8 {
		b.cuts = append(b.cuts, c)
	}
	s.entries += len(c.ids)
}

// slip is by how much the number in a leader's cut can be wrong: it counts a block that
// is written and not yet settled twice.
const slip = 8

// numbered is the number of the block that a cut makes. While a node leads, its cuts
// make one block after the other; the number in the event is what it expected.
func (s *Strip) numbered(e *trace.Event) uint64 {
	n := e.Block
	if before, ok := s.lastCut[e.Node]; ok && n <= before+1+slip && n+slip >= before+1 {
		n = before + 1
	}
	if s.lastCut == nil {
		s.lastCut = map[string]uint64{}
	}
	s.lastCut[e.Node] = n
	return n
}

// leaderChanged forgets what waited at a node that leads no more.
func (s *Strip) leaderChanged(e *trace.Event) {
	delete(s.lastCut, e.Node)
	leads := e.Kind == trace.RaftRole && strings.HasPrefix(e.Note, "leader")
	for i := s.head; i < len(s.queue); i++ {
		w := &s.queue[i]
		if w.gone == 0 && (w.node == e.Node) != leads {
			w.gone = e.Seq
		}
	}
}

func (s *Strip) verdict(e *trace.Event) {
	b := s.block(e)
	p := s.atPeer(b, e.Node)
	if p == nil {
		return
	}
	i := p.next
	p.next++
	if i < len(p.judged) {
		return // the peer judges the block again, after a restart
	}
	if i == len(b.ids) {
		b.ids = append(b.ids, e.TxID)
	}
	s.entries++
	p.judged = append(p.judged, e.Seq)
	p.codes = append(p.codes, s.code(e.Key))
}

// code numbers a code's name; there are some thirty, and 255 stands for what is beyond.
func (s *Strip) code(name string) uint8 {
	n, ok := s.codeOf[name]
	if !ok {
		if len(s.codes) >= 255 {
			return 254
		}
		n = uint8(len(s.codes))
		s.codeOf[name] = n
		s.codes = append(s.codes, name)
	}
	return n
}

// trim holds the bounds.
func (s *Strip) trim() {
	drop := 0
	for left := len(s.blocks); left > 1 && (left > maxBlocks || s.entries > maxEntries); left-- {
		b := s.blocks[drop]
		for _, c := range b.cuts {
			s.entries -= len(c.ids)
		}
		for _, p := range b.at {
			s.entries -= len(p.judged)
		}
		drop++
	}
	if drop > 0 {
		s.blocks = append(s.blocks[:0:0], s.blocks[drop:]...)
	}
	if over := len(s.queue) - maxWaiting; over > maxWaiting/4 {
		s.queue = append(s.queue[:0:0], s.queue[over:]...)
		s.head = max(0, s.head-over)
	}
}

// Peers are the peers whose validations the strip knows, in the order in which they
// first appeared.
func (s *Strip) Peers() []string { return s.peers }

// Block is a block of another network, in plain values.
type Block struct {
	Number     uint64
	Hash, Prev string // hexadecimal
	Problem    string // of the block as a whole, "" if none
	Txs        []Tx
}

// Tx is one transaction of a Block.
type Tx struct {
	ID       string
	Code     string // our verdict, such as "VALID"; "" if it cannot be found
	Recorded string // the verdict in the file where it is another one, else ""
	Reason   string
}

// SetBlocks shows the blocks of another network instead of a trace. They are kept by
// reference.
func (s *Strip) SetBlocks(blocks []Block) {
	*s = Strip{src: s.src, foreign: true, peerOf: map[string]int{}, codeOf: map[string]uint8{}}
	for i := range blocks {
		given := &blocks[i]
		b := &block{number: given.Number, count: len(given.Txs), hash: given.Hash, prev: given.Prev, foreign: given.Txs, problem: given.Problem}
		for j := range given.Txs {
			b.ids = append(b.ids, given.Txs[j].ID)
		}
		s.blocks = append(s.blocks, b)
	}
	sort.SliceStable(s.blocks, func(i, j int) bool { return s.blocks[i].number < s.blocks[j].number })
}
