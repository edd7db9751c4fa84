package facts

import (
	"slices"
	"sort"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// What is kept of blocks at most; the oldest goes first.
const (
	maxBlocks  = 8192
	maxEntries = 1_500_000 // transactions in cuts and verdicts: some 16 MB
	maxQueued  = 32_768
	maxPeers   = 1000
	maxJudging = 524_288 // validations of blocks by peers, of some 100 bytes each
	maxCuts    = 8
	mostInOne  = 1_000_000
)

// The codes that mean something to the screen.
const (
	Valid       = uint8(peerpb.TxValidationCode_VALID)
	Stale       = uint8(peerpb.TxValidationCode_MVCC_READ_CONFLICT)         // a value that it had read has changed since
	Phantom     = uint8(peerpb.TxValidationCode_PHANTOM_READ_CONFLICT)      // a list of keys has
	Unsatisfied = uint8(peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE) // its endorsements do not fulfil the policy
	Undecided   = uint8(peerpb.TxValidationCode_NOT_VALIDATED)              // it was not judged yet
)

// Conflict tells whether a code means that what was read has changed meanwhile.
func Conflict(code uint8) bool {
	return code == Stale || code == Phantom
}

// CodeName is a validation code's public name, for example MVCC_READ_CONFLICT; "" while
// nothing was decided.
func CodeName(code uint8) string {
	if code == Undecided {
		return ""
	}
	return peerpb.TxValidationCode(code).String()
}

// CodeOf is the code that an event tells; ok is false where it does not.
func CodeOf(e *trace.Event) (code uint8, ok bool) {
	c, ok := words.CodeOf(e)
	return uint8(c), ok
}

// Blocks are the blocks that a trace tells of: what leaders put into them, what peers
// found, and how far each peer is with each.
type Blocks struct {
	List    []*Block // by number
	Queue   []Queued // envelopes in leaders' batches, in the order in which they were taken in
	Peers   []string // whose validations are known, in the order in which they first appeared
	entries int
	places  int
	head    int    // Queue[:head] are in blocks already
	top     uint64 // the highest block that a peer has judged, plus one
	peerOf  map[string]int
	cuts    map[batchID]*Block // cut and not yet written
}

type batchID struct{ number, epoch int64 }

// Block is one block as far as the trace tells of it.
type Block struct {
	Number  uint64
	First   uint64 // event with which it appears
	Count   int    // transactions, once a node said so
	Said    uint64 // event that did
	Cuts    []Cut  // more than one where a leader was replaced
	IDs     []string
	At      []AtPeer // by index of Blocks.Peers
	Message uint64   // event of a message that carries the block
	Again   uint64   // of the newest such message
	Judge   int      // index+1 of the peer whose verdicts count: the first that came to the end
	Written []Written
	Hash    string         // commit hash of the first peer that has one
	old     bool           // it was judged before the trace tells of it
	odd     map[int]string // those of peers that found another one
}

// Written tells that an ordering node has a block.
type Written struct {
	Seq  uint64
	Node string
}

// Cut is what one leader put into a block.
type Cut struct {
	Seq  uint64
	Node string
	Why  trace.What
	IDs  []string // "" for one that the trace does not name
}

// AtPeer is one peer's validation of a block, by event; 0 is not yet.
type AtPeer struct {
	Pulled, Start, Committed uint64
	Anew                     uint64   // it began once more, after a restart, before it came to the end
	Judged                   []uint64 // by transaction
	Codes                    []uint8
	next                     int // transaction that the next verdict is about
}

// Queued is an envelope in a leader's batch.
type Queued struct {
	Seq, Gone uint64 // taken in; cut into a block or lost with its leader
	ID        string
	Node      string
}

func newBlocks() *Blocks {
	return &Blocks{peerOf: map[string]int{}, cuts: map[batchID]*Block{}}
}

// Blocks are the blocks that the trace tells of.
func (w *World) Blocks() *Blocks { return w.blocks }

// Of finds a block by its number, nil if nothing is known of it.
func (b *Blocks) Of(number uint64) *Block {
	i := sort.Search(len(b.List), func(i int) bool { return b.List[i].Number >= number })
	if i < len(b.List) && b.List[i].Number == number {
		return b.List[i]
	}
	return nil
}

// Until gives the blocks that had appeared with an event.
func (b *Blocks) Until(seq uint64) []*Block {
	return b.List[:sort.Search(len(b.List), func(i int) bool { return b.List[i].First > seq })]
}

// after makes room for what comes after a gap. Blocks that were judged before it are not new.
func (b *Blocks) after() *Blocks {
	next := newBlocks()
	if next.top = b.top; b.top > 0 {
		next.top++ // of the newest one some verdicts are known, and which is not
	}
	return next
}

// follow takes one event. It tells whether that is the first verdict on a transaction.
func (b *Blocks) follow(e *trace.Event) (first bool) {
	switch e.Kind {
	case trace.Enqueued:
		b.Queue = append(b.Queue, Queued{Seq: e.Seq, ID: e.TxID, Node: e.Node})
		b.trim()
	case trace.BlockCut:
		b.cut(e)
	case trace.BlockWritten:
		b.written(e)
	case trace.DeliverBlock:
		if e.Dir == trace.Sent {
			k := b.ensure(e.Block, e.Seq)
			if k.Again = e.Seq; k.Message == 0 {
				k.Message = e.Seq
			}
		}
	case trace.BlockPulled, trace.ValidateFrom, trace.Verdict, trace.Committed:
		return b.atPeer(e)
	case trace.RaftRole, trace.NodeStop, trace.NodeKilled:
		b.leaderChanged(e)
	}
	return false
}

// ensure finds or makes a block.
func (b *Blocks) ensure(number, seq uint64) *Block {
	n := len(b.List)
	if n > 0 && b.List[n-1].Number == number {
		return b.List[n-1]
	}
	i := sort.Search(n, func(i int) bool { return b.List[i].Number >= number })
	if i < n && b.List[i].Number == number {
		return b.List[i]
	}
	k := &Block{Number: number, First: seq}
	if i < n {
		// An older one that turns up late: it was there before its successor.
		k.First = min(k.First, b.List[i].First)
	}
	b.List = append(b.List, nil)
	copy(b.List[i+1:], b.List[i:])
	b.List[i] = k
	b.trim()
	return k
}

// counted notes how many transactions a block has.
func (k *Block) counted(e *trace.Event) {
	if k.Count == 0 && e.What != trace.Untold && e.A > 0 && e.A <= mostInOne {
		k.Count, k.Said = int(e.A), e.Seq
	}
}

// Size is the number of transactions as far as it was said by an event.
func (k *Block) Size(seq uint64) int {
	if k.Said > seq {
		return 0
	}
	return k.Count
}

// cut takes the oldest envelopes of a leader's batch into a block.
func (b *Blocks) cut(e *trace.Event) {
	k := b.ensure(e.Block, e.Seq)
	c := Cut{Seq: e.Seq, Node: e.Node, Why: e.What}
	want := int(min(max(e.A, 0), maxEntries/8))
	for i := b.head; i < len(b.Queue) && len(c.IDs) < want; i++ {
		if q := &b.Queue[i]; q.Gone == 0 && q.Node == e.Node {
			q.Gone = e.Seq
			c.IDs = append(c.IDs, q.ID)
		}
	}
	for len(c.IDs) < want {
		c.IDs = append(c.IDs, "") // a configuration is cut without waiting
	}
	for b.head < len(b.Queue) && b.Queue[b.head].Gone != 0 {
		b.head++
	}
	if len(k.Cuts) < maxCuts {
		k.Cuts = append(k.Cuts, c)
	}
	if e.C != 0 {
		if len(b.cuts) > maxPeers {
			clear(b.cuts) // of leaders whose batches were never written
		}
		b.cuts[batchID{e.B, e.C}] = k
	}
	b.entries += len(c.IDs)
}

// written notes a block that an ordering node has. The batch that it was says so itself:
// where its leader had counted on another number, its cut moves to the right block.
func (b *Blocks) written(e *trace.Event) {
	k := b.ensure(e.Block, e.Seq)
	k.counted(e)
	if len(k.Written) < maxPeers {
		k.Written = append(k.Written, Written{e.Seq, e.Node})
	}
	id := batchID{e.B, e.C}
	was := b.cuts[id]
	if was == nil || e.C == 0 {
		return
	}
	delete(b.cuts, id)
	if n := len(was.Cuts); was != k && n > 0 && len(k.Cuts) < maxCuts {
		k.Cuts = append(k.Cuts, was.Cuts[n-1])
		was.Cuts = was.Cuts[:n-1]
	}
}

// atPeer notes how far a peer is with a block. It tells whether the event is the first verdict
// on a transaction.
func (b *Blocks) atPeer(e *trace.Event) (first bool) {
	k := b.ensure(e.Block, e.Seq)
	if e.Kind != trace.Verdict && e.Kind != trace.Committed {
		k.counted(e)
	}
	i, ok := b.peerOf[e.Node]
	if !ok {
		if i = len(b.Peers); i >= maxPeers {
			return false
		}
		b.peerOf[e.Node] = i
		b.Peers = append(b.Peers, e.Node)
	}
	for len(k.At) <= i {
		k.At = append(k.At, AtPeer{})
		b.places++
	}
	p := &k.At[i]
	switch e.Kind {
	case trace.BlockPulled:
		if p.Pulled == 0 {
			p.Pulled = e.Seq
		}
	case trace.ValidateFrom:
		p.next = 0
		if p.Start == 0 {
			p.Start = e.Seq
			if n := min(k.Count, maxEntries/64); n > 0 && p.Judged == nil {
				p.Judged, p.Codes = make([]uint64, 0, n), make([]uint8, 0, n)
			}
		} else if p.Committed == 0 {
			p.Anew = e.Seq
		}
	case trace.Verdict:
		first = b.verdict(k, p, e)
	case trace.Committed:
		if p.Committed == 0 {
			p.Committed = e.Seq
			k.hashed(i, e.Key)
		}
		if k.Judge == 0 && p.Start != 0 {
			k.Judge = i + 1
		}
	}
	return first
}

// verdict notes a peer's verdict where the event says that the transaction stands; run files
// from before do not say it, and there verdicts come in order. What a gap has swallowed stays
// undecided.
func (b *Blocks) verdict(k *Block, p *AtPeer, e *trace.Event) (first bool) {
	i := p.next
	if e.What != trace.Untold {
		if e.B < 0 || e.B >= mostInOne || k.Count > 0 && e.B >= int64(k.Count) {
			return false
		}
		i = int(e.B)
	}
	p.next = i + 1
	code, ok := CodeOf(e)
	if !ok || i < len(p.Codes) && p.Codes[i] != Undecided {
		return false // the peer judges the block again, after a restart
	}
	for len(k.IDs) <= i {
		k.IDs = append(k.IDs, "")
	}
	if k.IDs[i] == "" {
		k.IDs[i] = e.TxID
		if k.old = k.old || k.Number+1 < b.top; !k.old { // else a peer catches up with what was judged before the trace
			b.top, first = k.Number+1, true
		}
	}
	for len(p.Judged) <= i {
		p.Judged, p.Codes = append(p.Judged, e.Seq), append(p.Codes, Undecided)
		b.entries++
	}
	p.Codes[i] = code
	return first
}

// hashed notes the commit hash that a peer has with a block.
func (k *Block) hashed(peer int, hash string) {
	switch {
	case k.Hash == "":
		k.Hash = hash
	case hash != k.Hash:
		if k.odd == nil {
			k.odd = map[int]string{}
		}
		k.odd[peer] = hash
	}
}

// HashAt is the commit hash that a peer had with a block after an event, "" before it has one.
func (k *Block) HashAt(peer int, seq uint64) string {
	if peer >= len(k.At) || k.At[peer].Committed == 0 || k.At[peer].Committed > seq {
		return ""
	}
	if hash, odd := k.odd[peer]; odd {
		return hash
	}
	return k.Hash
}

// Parted tells whether peers that had committed a block had another state or other verdicts.
func (k *Block) Parted(seq uint64) bool {
	first := ""
	for i := range k.At {
		hash := ""
		if len(k.odd) > 0 {
			hash = k.HashAt(i, seq)
		}
		if first == "" {
			first = hash
		} else if hash != "" && hash != first {
			return true
		}
	}
	return false
}

// Verdicts are a peer's verdicts on a block's transactions, as far as it had come.
func (k *Block) Verdicts(peer int, seq uint64) []uint8 {
	if peer < 0 || peer >= len(k.At) {
		return nil
	}
	p := &k.At[peer]
	return p.Codes[:sort.Search(len(p.Judged), func(i int) bool { return p.Judged[i] > seq })]
}

// Code is the verdict that counts for a transaction: of the peer that came to the end first,
// before that of any. ok is false while there is none.
func (k *Block) Code(tx int) (code uint8, ok bool) {
	if k.Judge > 0 {
		if p := &k.At[k.Judge-1]; tx < len(p.Codes) && p.Codes[tx] != Undecided {
			return p.Codes[tx], true
		}
	}
	for i := range k.At {
		if p := &k.At[i]; tx < len(p.Codes) && p.Codes[tx] != Undecided {
			return p.Codes[tx], true
		}
	}
	return 0, false
}

// Peer gives a peer's index in Block.At, -1 for one whose validations are not known.
func (b *Blocks) Peer(name string) int {
	if i, ok := b.peerOf[name]; ok {
		return i
	}
	return -1
}

// Find gives the block that holds a transaction and its position there, as known after an
// event; nil where it is in none.
func (b *Blocks) Find(tx string, seq uint64) (k *Block, position int) {
	list := b.Until(seq)
	for i := len(list) - 1; i >= 0 && tx != ""; i-- {
		if at := slices.Index(list[i].Known(seq), tx); at >= 0 {
			return list[i], at
		}
	}
	return nil, -1
}

// leaderChanged forgets what waited at a node that leads no more.
func (b *Blocks) leaderChanged(e *trace.Event) {
	leads := e.Kind == trace.RaftRole && e.What == trace.Leader
	for i := b.head; i < len(b.Queue); i++ {
		if q := &b.Queue[i]; q.Gone == 0 && (q.Node == e.Node) != leads {
			q.Gone = e.Seq
		}
	}
}

// Waiting are the envelopes that stood in a leader's batch after an event. Batches are cut
// from the front, so they are together.
func (b *Blocks) Waiting(seq uint64) []Queued {
	end := sort.Search(len(b.Queue), func(i int) bool { return b.Queue[i].Seq > seq })
	begin := end
	for begin > 0 && (b.Queue[begin-1].Gone == 0 || b.Queue[begin-1].Gone > seq) {
		begin--
	}
	return b.Queue[begin:end]
}

// Known are the ids of a block's transactions after an event: as its leader cut them, or as
// peers found them where no leader tells or another one's block came to be.
func (k *Block) Known(seq uint64) []string {
	var ids []string
	for _, c := range k.Cuts {
		if c.Seq <= seq {
			ids = c.IDs
		}
	}
	if ids != nil && slices.Equal(ids, k.IDs) {
		return k.IDs
	}
	for i := range k.At {
		if p := &k.At[i]; len(p.Judged) > 0 && p.Judged[0] <= seq {
			return k.IDs
		}
	}
	return ids
}

// trim holds the bounds.
func (b *Blocks) trim() {
	drop := 0
	full := len(b.List) > maxBlocks+maxBlocks/8 || b.entries > maxEntries+maxEntries/8 || b.places > maxJudging+maxJudging/8 // an eighth goes at once
	for left := len(b.List); full && left > 1 && (left > maxBlocks || b.entries > maxEntries || b.places > maxJudging); left-- {
		k := b.List[drop]
		for _, c := range k.Cuts {
			b.entries -= len(c.IDs)
		}
		for _, p := range k.At {
			b.entries -= len(p.Judged)
		}
		b.places -= len(k.At)
		drop++
	}
	if drop > 0 {
		b.List = append(b.List[:0:0], b.List[drop:]...)
	}
	if over := len(b.Queue) - maxQueued; over > maxQueued/4 {
		b.Queue = append(b.Queue[:0:0], b.Queue[over:]...)
		b.head = max(0, b.head-over)
	}
}
