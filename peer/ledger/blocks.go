package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// querier is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// blockRow is a block without its transactions.
type blockRow struct {
	number   uint64
	previous []byte
	dataHash []byte
	txs      uint64
	metadata []byte
}

// headed is a block header with its hash.
type headed struct {
	header *commonpb.BlockHeader
	hash   []byte
}

func (r *blockRow) header() headed {
	h := &commonpb.BlockHeader{Number: r.number, PreviousHash: r.previous, DataHash: r.dataHash}
	return headed{h, wire.BlockHash(h)}
}

// decode makes the block of the row and its transactions.
func (r *blockRow) decode(data [][]byte) (*commonpb.Block, error) {
	block := &commonpb.Block{
		Header:   r.header().header,
		Data:     &commonpb.BlockData{Data: data},
		Metadata: new(commonpb.BlockMetadata),
	}
	if err := proto.Unmarshal(r.metadata, block.Metadata); err != nil {
		return nil, fmt.Errorf("decode metadata: %w", err)
	}
	return block, nil
}

// readBlockRow finds one block; nil if there is none.
func readBlockRow(from querier, where string, arg any) (*blockRow, error) {
	var r blockRow
	err := from.QueryRowContext(context.Background(),
		"SELECT number, previous, data_hash, txs, metadata FROM block WHERE "+where+" LIMIT 1", arg).
		Scan(&r.number, &r.previous, &r.dataHash, &r.txs, &r.metadata)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read block: %w", err)
	}
	return &r, nil
}

// readBlock reads a row's transactions too.
func readBlock(from querier, r *blockRow) (*commonpb.Block, error) {
	data, err := readEnvelopes(from, r.number)
	if err != nil {
		return nil, fmt.Errorf("read block %d: %w", r.number, err)
	}
	if uint64(len(data)) != r.txs {
		return nil, fmt.Errorf("read block %d: %d transactions, %d expected: %w", r.number, len(data), r.txs, ErrCorrupt)
	}
	// Blocks that a peer has taken in have the right hash: this one was changed in the file.
	if !bytes.Equal(wire.DataHash(data), r.dataHash) {
		return nil, fmt.Errorf("read block %d: its transactions are not those of its data hash: %w", r.number, ErrCorrupt)
	}
	return r.decode(data)
}

// Block returns a block as it was committed: verdicts in the filter, commit hash
// in its metadata. It must not be changed. ErrNotFound if there is none (yet).
func (l *Ledger) Block(number uint64) (*commonpb.Block, error) {
	l.mu.Lock()
	for _, b := range l.recent {
		if b.GetHeader().GetNumber() == number {
			l.mu.Unlock()
			return b, nil
		}
	}
	height := l.tip.height
	l.mu.Unlock()
	if number >= height {
		return nil, noSuchBlock(number)
	}
	return l.findBlock("number = ?", int64(number), noSuchBlock(number))
}

// BlockByHash finds a block by its header hash.
func (l *Ledger) BlockByHash(hash []byte) (*commonpb.Block, error) {
	return l.findBlock("hash = ?", hash, noSuchHash(hash))
}

// BlockByTxID finds the block of the first transaction with this id.
func (l *Ledger) BlockByTxID(id string) (*commonpb.Block, error) {
	status, ok, err := l.TxStatus(id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noSuchTx(id)
	}
	return l.Block(status.Block)
}

func (l *Ledger) findBlock(where string, arg any, missing error) (*commonpb.Block, error) {
	var block *commonpb.Block
	err := l.db.View(context.Background(), func(tx *sql.Tx) error {
		row, err := readBlockRow(tx, where, arg)
		if err != nil {
			return err
		}
		if row == nil {
			return missing
		}
		block, err = readBlock(tx, row)
		return err
	})
	if errors.Is(err, ErrCorrupt) && !strings.Contains(err.Error(), l.db.Path()) {
		return nil, fmt.Errorf("ledger %s: %w; %s", l.db.Path(), err, remedy(l.db.Path()))
	}
	return block, err
}

// TxStatus is the verdict on a transaction and where it stands.
type TxStatus struct {
	Code  peerpb.TxValidationCode
	Block uint64
	Index uint64 // in the block
}

// TxStatus tells how the first transaction with this id ended; ok is false if
// there is none. Invalid transactions occupy their id too.
func (l *Ledger) TxStatus(id string) (status TxStatus, ok bool, err error) {
	// In the read transaction that the simulations of the newest height share:
	// opening one of its own would cost more than the look-up itself.
	drains := l.index.drains.Load()
	newest, err := l.acquire()
	if err != nil {
		return TxStatus{}, false, err
	}
	defer l.release(newest)
	err = newest.read(&l.snapshots, func(conn *sql.Conn) error {
		status, ok, err = l.findTx(conn, id)
		return err
	})
	// Overtaken by blocks since acquire: an entry may have left the memory for the file
	// that this height does not see.
	if errors.Is(err, ErrSnapshotLost) || errors.Is(err, sql.ErrNoRows) || err == nil && !ok && drains != l.index.drains.Load() {
		status, ok, err = l.findTx(l.db.Reader(), id)
	}
	if err != nil {
		return TxStatus{}, false, l.db.Explain("look up a transaction in", err)
	}
	return status, ok, nil
}

// findTx asks the index first, which mostly has nothing: the part in memory before the one
// in the file, because entries move that way. Without ORDER BY: with it, or with a join,
// SQLite plans the statement anew for each value, which costs more than the look-up.
func (l *Ledger) findTx(from querier, id string) (status TxStatus, ok bool, err error) {
	if id == "" {
		return TxStatus{}, false, nil
	}
	hash := txHash(id)
	places := l.index.find(hash) // two ids may have one hash
	err = eachRow(from, func(rows *sql.Rows) error {
		var pos int64
		err := rows.Scan(&pos)
		places = append(places, pos)
		return err
	}, "SELECT pos FROM tx_id WHERE hash = ?", hash)
	slices.Sort(places) // the first occurrence of an id counts
	for _, pos := range slices.Compact(places) {
		var key any
		var code int32
		if err := from.QueryRowContext(bg, "SELECT id, code FROM tx WHERE pos = ?", pos).Scan(&key, &code); err != nil {
			return TxStatus{}, false, err
		}
		if txID(key) == id {
			at := versionAt(pos)
			return TxStatus{Code: peerpb.TxValidationCode(code), Block: at.Block, Index: at.Tx}, true, nil
		}
	}
	return TxStatus{}, false, err
}

// Transaction returns the first transaction with this id and its verdict.
func (l *Ledger) Transaction(id string) (*peerpb.ProcessedTransaction, error) {
	status, ok, err := l.TxStatus(id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noSuchTx(id)
	}
	raw, err := readEnvelope(l.db.Reader(), position(wire.Version{Block: status.Block, Tx: status.Index}))
	if err != nil {
		return nil, l.db.Explain("read a transaction from", err)
	}
	envelope := new(commonpb.Envelope)
	if err := proto.Unmarshal(raw, envelope); err != nil {
		return nil, fmt.Errorf("transaction %s: decode its envelope: %w", id, err)
	}
	return &peerpb.ProcessedTransaction{TransactionEnvelope: envelope, ValidationCode: int32(status.Code)}, nil
}

// TxAt tells the id and the verdict of the transaction at a place in the chain:
// the one that wrote a value of this version.
func (l *Ledger) TxAt(v wire.Version) (id string, code peerpb.TxValidationCode, err error) {
	if v.Tx >= maxTxs || v.Block >= 1<<(63-indexBits) {
		return "", 0, noSuchTx(v.String())
	}
	var key any
	var raw int32
	err = l.db.Reader().QueryRowContext(bg, "SELECT id, code FROM tx WHERE pos = ?", position(v)).Scan(&key, &raw)
	if errors.Is(err, sql.ErrNoRows) {
		return "", 0, noSuchTx(v.String())
	}
	if err != nil {
		return "", 0, l.db.Explain("read a transaction from", err)
	}
	return txID(key), peerpb.TxValidationCode(raw), nil
}

// envelopeTxID is the id under which an envelope is indexed: the one in its
// header, or for an envelope without one (a configuration update made by an
// ordering node) the one that its creator and nonce lead to.
func envelopeTxID(envelope []byte) string {
	peek, ok := wire.PeekEnvelope(envelope)
	if !ok {
		return ""
	}
	if peek.TxID != "" {
		return peek.TxID
	}
	var env commonpb.Envelope
	var payload commonpb.Payload
	var signature commonpb.SignatureHeader
	if proto.Unmarshal(envelope, &env) != nil || proto.Unmarshal(env.Payload, &payload) != nil ||
		payload.Header == nil || proto.Unmarshal(payload.Header.SignatureHeader, &signature) != nil {
		return ""
	}
	return wire.TxID(signature.Nonce, signature.Creator)
}

func commitHashOf(b *commonpb.Block) []byte { return wire.CommitHash(b) }
