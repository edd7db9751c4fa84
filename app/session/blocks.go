package session

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// Bounds of blocks that are kept to be shown.
const (
	maxForeignBlocks = 8192
	maxForeignBytes  = 512 << 20
)

// blockBook is the blocks of another network, judged again.
type blockBook struct {
	channel string
	blocks  []inspect.ForeignBlock
	byTx    map[string]int // block by transaction id
	bytes   int
	counts  BlockCounts
}

// BlockCounts sums up the blocks of another network.
type BlockCounts struct {
	Blocks, Transactions int
	Invalid              int // by our verdict or the recorded one
	Differ               int // our verdict is not the recorded one
	Problems             int // blocks that could not be judged as a peer would
	Unshown              int // blocks beyond what is kept
}

// Text sums up in one sentence.
func (c BlockCounts) Text() string {
	text := words.L("{{.Blocks}} with {{.Transactions}}, {{.Invalid}} of them rejected",
		words.L("{{.N}} blocks", c.Blocks), words.L("{{.N}} transactions", c.Transactions), c.Invalid)
	if c.Differ > 0 {
		text += "; " + words.L("{{.N}} verdicts not the recorded ones", c.Differ)
	}
	if c.Problems > 0 {
		text += "; " + words.L("{{.N}} blocks could not be judged as a peer would", c.Problems)
	}
	if c.Unshown > 0 {
		text += "; " + words.L("{{.N}} blocks at the end not shown, open fewer at a time", c.Unshown)
	}
	return text + "."
}

// OpenBlocks judges the blocks of any Fabric network again, as a peer would, and shows
// them with the reasons of their verdicts, in the order of their numbers. It blocks for as long as that takes: call it outside the user interface.
// progress (may be nil) hears how many blocks are judged.
func OpenBlocks(ctx context.Context, paths []string, o StartOptions, progress func(blocks int)) (*Session, error) {
	if len(paths) == 0 {
		return nil, words.NewFault("no file was named", "choose files with blocks, as \"peer channel fetch\" writes them")
	}
	paths = inOrder(paths)
	b := &blockBook{byTx: map[string]int{}}
	err := validate.Inspect(ctx, b.keepAll(ReadBlocks(paths), progress), b.keepVerdict)
	if err != nil {
		return nil, err
	}
	if len(b.blocks) == 0 {
		return nil, words.NewFault("there is no block in {{.Files}}", "choose files with blocks, as \"peer channel fetch\" writes them", strings.Join(paths, ", "))
	}
	o.File = paths[0]
	s := newSession(Blocks, nil, o)
	s.blocks = b
	s.name = filepath.Base(paths[0])
	if len(paths) > 1 {
		s.name = words.L("{{.File}} and {{.N}} more", s.name, len(paths)-1)
	}
	s.Playhead.Playing = false
	s.Chain.SetBlocks(b.chainBlocks())
	return s, nil
}

// Counts sums up the blocks of another network.
func (s *Session) Counts() BlockCounts {
	if s.blocks == nil {
		return BlockCounts{}
	}
	return s.blocks.counts
}

// FirstInvalid selects the first transaction that was rejected; false if there is none.
func (s *Session) FirstInvalid() bool {
	if s.blocks == nil {
		return false
	}
	for _, b := range s.blocks.blocks {
		for _, t := range b.Txs {
			if rejected(t) {
				s.Select(view.Selection{What: view.SelectTx, TxID: t.TxID})
				return true
			}
		}
	}
	return false
}

// rejected tells whether a transaction has a verdict, ours or else the recorded one, and is
// not valid.
func rejected(t inspect.ForeignTx) bool {
	code := cmp.Or(t.Code, t.Recorded)
	return code != "" && code != peerpb.TxValidationCode_VALID.String()
}

// keepAll passes blocks on and keeps what is shown of them.
func (b *blockBook) keepAll(blocks iter.Seq2[*commonpb.Block, error], progress func(int)) iter.Seq2[*commonpb.Block, error] {
	return func(yield func(*commonpb.Block, error) bool) {
		for block, err := range blocks {
			if err == nil {
				b.keepBlock(block)
				if progress != nil {
					progress(b.counts.Blocks)
				}
			}
			if !yield(block, err) {
				return
			}
		}
	}
}

func (b *blockBook) keepBlock(block *commonpb.Block) {
	b.counts.Blocks++
	raw, err := proto.Marshal(block)
	if err != nil || len(b.blocks) >= maxForeignBlocks || b.bytes+len(raw) > maxForeignBytes {
		b.counts.Unshown++
		return
	}
	b.bytes += len(raw)
	b.blocks = append(b.blocks, inspect.ForeignBlock{Number: block.GetHeader().GetNumber(), Raw: raw})
	if b.channel == "" && len(block.GetData().GetData()) > 0 {
		if peek, ok := wire.PeekEnvelope(block.GetData().GetData()[0]); ok {
			b.channel = peek.Channel
		}
	}
}

// keepVerdict notes what the inspection says about one transaction or block.
func (b *blockBook) keepVerdict(l validate.Line) error {
	i := len(b.blocks) - 1
	for i >= 0 && b.blocks[i].Number != l.Block {
		i--
	}
	if l.Tx < 0 {
		b.counts.Problems++
		if i >= 0 {
			b.blocks[i].Problem = l.Problem
		}
		return nil
	}
	b.counts.Transactions++
	t := inspect.ForeignTx{TxID: l.TxID, Reason: l.Text()}
	if l.Reason != nil && l.Reason.By != nil {
		t.By = l.Reason.By.TxID
	}
	if l.Code != nil {
		t.Code = l.Code.String()
	}
	if l.Recorded != nil {
		t.Recorded = l.Recorded.String()
	}
	if rejected(t) {
		b.counts.Invalid++
	}
	if l.Differs() {
		b.counts.Differ++
	}
	if i >= 0 {
		b.blocks[i].Txs = append(b.blocks[i].Txs, t)
		if l.TxID != "" {
			b.byTx[l.TxID] = i
		}
	}
	return nil
}

// chainBlocks gives the blocks as the chain panel wants them.
func (b *blockBook) chainBlocks() []chain.Block {
	out := make([]chain.Block, 0, len(b.blocks))
	for _, f := range b.blocks {
		block := &commonpb.Block{}
		c := chain.Block{Number: f.Number, Problem: f.Problem}
		if proto.Unmarshal(f.Raw, block) == nil {
			c.Hash, c.Prev = hex.EncodeToString(wire.BlockHash(block.GetHeader())), hex.EncodeToString(block.GetHeader().GetPreviousHash())
		}
		for _, t := range f.Txs {
			tx := chain.Tx{ID: t.TxID, Code: cmp.Or(t.Code, t.Recorded), Reason: t.Reason}
			if t.Recorded != tx.Code {
				tx.Recorded = t.Recorded
			}
			c.Txs = append(c.Txs, tx)
		}
		out = append(out, c)
	}
	return out
}

// ReadBlocks reads the blocks of files and folders (wire.ReadBlockFiles); the error for a
// file that holds something else says what.
func ReadBlocks(paths []string) iter.Seq2[*commonpb.Block, error] {
	return func(yield func(*commonpb.Block, error) bool) {
		for _, path := range paths {
			for block, err := range wire.ReadBlockFiles([]string{path}) {
				if errors.Is(err, wire.ErrMalformed) {
					err = insteadOf(BlockFile, path, err)
				}
				if !yield(block, err) || err != nil {
					return
				}
			}
		}
	}
}

// inOrder sorts files by the number of the first block in each: a dialog gives them in
// any order. Files that cannot be read keep their places at the end.
func inOrder(paths []string) []string {
	first := map[string]uint64{}
	for _, path := range paths {
		first[path] = ^uint64(0)
		for block, err := range wire.ReadBlockFiles([]string{path}) {
			if err == nil {
				first[path] = block.GetHeader().GetNumber()
			}
			break
		}
	}
	paths = slices.Clone(paths)
	slices.SortStableFunc(paths, func(a, b string) int { return cmp.Compare(first[a], first[b]) })
	return paths
}
