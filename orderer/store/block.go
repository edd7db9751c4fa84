package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// Chain is the end of the stored chain.
type Chain struct {
	Height     uint64 // number of blocks
	LastHash   []byte // hash of the last block's header
	RaftIndex  uint64 // entry of the last block: all before it is applied
	LastConfig uint64 // number of the last block with a configuration
}

// Append is a block to append.
type Append struct {
	Block     *commonpb.Block
	RaftIndex uint64
	Config    bool // the block holds a configuration
	// Fetched says that the block came from another node: its body is stored
	// with it. Otherwise the entry at RaftIndex is in the log and is its body.
	Fetched bool
}

func (s *Store) loadChain(tx *sql.Tx) error {
	var number sql.NullInt64
	if err := tx.QueryRow("SELECT max(number) FROM block").Scan(&number); err != nil {
		return err
	}
	if !number.Valid {
		return nil
	}
	block, index, err := readBlock(tx, uint64(number.Int64))
	if err != nil {
		return err
	}
	last, err := wire.LastConfig(block)
	if err != nil {
		return err
	}
	s.chain = Chain{Height: uint64(number.Int64) + 1, LastHash: wire.BlockHash(block.Header), RaftIndex: index, LastConfig: last}
	s.tip.Set(s.chain.Height)
	return nil
}

// Chain is the present end of the chain.
func (s *Store) Chain() Chain {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chain
}

// Height is the number of blocks.
func (s *Store) Height() uint64 { return s.tip.Height() }

// Grown is closed when the next block is stored; see deliver.Source.
func (s *Store) Grown() <-chan struct{} { return s.tip.Grown() }

// AppendBlocks stores blocks behind the last one, in one transaction. They must
// follow each other by number and hash. Only one goroutine at a time may call it.
func (s *Store) AppendBlocks(blocks []Append) error {
	if len(blocks) == 0 {
		return nil
	}
	chain, highest := s.Chain(), uint64(0)
	for _, b := range blocks {
		next, err := chain.Next(b)
		if err != nil {
			return err
		}
		chain = next
		highest = max(highest, b.RaftIndex)
	}
	return s.lazy(func(tx *sql.Tx) error {
		for _, b := range blocks {
			if err := putBlock(tx, b); err != nil {
				return err
			}
		}
		return nil
	}, func() {
		s.chain, s.highest = chain, max(s.highest, highest)
		for _, b := range blocks {
			s.recent.put(b.Block)
		}
		s.tip.Set(chain.Height)
	})
}

// Next is the chain with one more block, if the block is the one to come.
func (c Chain) Next(b Append) (Chain, error) {
	header := b.Block.GetHeader()
	switch {
	case header.GetNumber() != c.Height:
		return c, fmt.Errorf("append block %d to a chain of %d: %w", header.GetNumber(), c.Height, ErrOrder)
	case !bytes.Equal(header.GetPreviousHash(), c.LastHash):
		return c, fmt.Errorf("append block %d: its previous hash is not that of block %d: %w", header.Number, c.Height-1, ErrOrder)
	case c.Height > 0 && b.RaftIndex <= c.RaftIndex:
		return c, fmt.Errorf("append block %d of entry %d after entry %d: %w", header.Number, b.RaftIndex, c.RaftIndex, ErrOrder)
	}
	next := Chain{Height: c.Height + 1, LastHash: wire.BlockHash(header), RaftIndex: b.RaftIndex, LastConfig: c.LastConfig}
	if b.Config {
		next.LastConfig = header.Number
	}
	return next, nil
}

func putBlock(tx *sql.Tx, b Append) error {
	if b.Fetched {
		// Raft's log may hold the entry already, not yet known to be committed.
		_, err := tx.Exec("INSERT INTO entry (idx, term, type, at, data) VALUES (?, 0, ?, 0, ?) ON CONFLICT (idx) DO UPDATE SET data = excluded.data",
			int64(b.RaftIndex), fetched, bodyOf(b.Block.GetData().GetData()))
		if err != nil {
			return err
		}
	}
	metadata, err := proto.Marshal(b.Block.Metadata)
	if err != nil {
		return err
	}
	header := b.Block.Header
	previous := header.PreviousHash
	if previous == nil {
		previous = []byte{}
	}
	_, err = tx.Exec("INSERT INTO block (number, idx, previous, datahash, metadata) VALUES (?, ?, ?, ?, ?)",
		int64(header.Number), int64(b.RaftIndex), previous, header.DataHash, metadata)
	return err
}

// Block returns a stored block, which is shared and must not be changed.
// ErrNoBlock when it is not there.
func (s *Store) Block(number uint64) (*commonpb.Block, error) {
	s.mu.Lock()
	block := s.recent.get(number)
	s.mu.Unlock()
	if block != nil {
		return block, nil
	}
	block, _, err := readBlock(s.db.Reader(), number)
	return block, s.db.Explain("read", err)
}

// queryer is a transaction or a pool of connections.
type queryer interface {
	QueryRow(query string, args ...any) *sql.Row
}

func readBlock(from queryer, number uint64) (*commonpb.Block, uint64, error) {
	var previous, datahash, metadata, body []byte
	var index int64
	err := from.QueryRow("SELECT b.idx, b.previous, b.datahash, b.metadata, e.data FROM block b JOIN entry e ON e.idx = b.idx WHERE b.number = ?", int64(number)).
		Scan(&index, &previous, &datahash, &metadata, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, fmt.Errorf("block %d: %w", number, ErrNoBlock)
	}
	if err != nil {
		return nil, 0, err
	}
	decoded, err := DecodeBody(body)
	if err != nil {
		return nil, 0, fmt.Errorf("block %d: %w", number, err)
	}
	if len(previous) == 0 {
		previous = nil
	}
	block := &commonpb.Block{
		Header:   &commonpb.BlockHeader{Number: number, PreviousHash: previous, DataHash: datahash},
		Data:     &commonpb.BlockData{Data: decoded.Envelopes},
		Metadata: &commonpb.BlockMetadata{},
	}
	if !bytes.Equal(wire.DataHash(decoded.Envelopes), datahash) {
		return nil, 0, fmt.Errorf("block %d: its transactions are not those of its data hash: %w", number, sqlite.ErrCorrupt)
	}
	if err := proto.Unmarshal(metadata, block.Metadata); err != nil {
		return nil, 0, fmt.Errorf("block %d: metadata: %w", number, ErrMalformed)
	}
	return block, uint64(index), nil
}
