package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// Private holds private write sets by the index of their transaction in the
// block. A set, or a collection in it, that the public part of the transaction
// does not vouch for is left out.
type Private map[uint64]*rwsetpb.TxPvtReadWriteSet

// Commit stores a validated block: the verdicts must be in its filter and their
// effects in the batch. Block, state, history and height become visible together
// or not at all. It returns the block as stored, with its commit hash; the given
// block stays as it is.
//
// Errors: ErrOutOfOrder, ErrDiskFull, ErrClosed. After an error the ledger is as
// before and the same block may be tried again. ctx is looked at before anything
// is written; a commit that has begun goes on to its end.
func (l *Ledger) Commit(ctx context.Context, block *commonpb.Block, batch *Batch, private Private) (*commonpb.Block, error) {
	l.committing.Lock()
	defer l.committing.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	before, current, closed := l.tip, l.current, l.closed
	l.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if err := checkNext(&before, block, batch); err != nil {
		return nil, fmt.Errorf("commit block %d of channel %s: %w", block.GetHeader().GetNumber(), l.options.Channel, err)
	}
	updates := batch.Updates()
	after := before.next(block, updates)
	stored := withCommitHash(block, after.commitHash)
	private = batch.vouched(private)

	l.db.Admit()
	if err := l.boundLog(current); err != nil {
		return nil, err
	}
	if err := current.renew(&l.snapshots, true); err != nil {
		return nil, err
	}
	ids := blockIDs(stored)
	first := position(wire.Version{Block: before.height})
	c := &change{tip: after, block: stored, batch: batch, updates: updates, private: private, ids: ids, drain: l.index.next(first, len(ids))}
	if err := l.writer.commit(c); err != nil {
		return nil, fmt.Errorf("commit block %d of channel %s: %w", before.height, l.options.Channel, err)
	}
	l.index.add(indexOf(first, ids))
	l.advance(after, stored, batch)
	l.index.wrote(c.drain)
	return stored, nil
}

// checkNext refuses a block that does not continue the chain.
func checkNext(t *tip, block *commonpb.Block, batch *Batch) error {
	header := block.GetHeader()
	data := block.GetData().GetData()
	switch {
	case header.GetNumber() != t.height:
		return fmt.Errorf("the next block is number %d: %w", t.height, ErrOutOfOrder)
	case t.height > 0 && !bytes.Equal(header.GetPreviousHash(), t.hash):
		return fmt.Errorf("its previous hash is %x, block %d has %x: %w", header.GetPreviousHash(), t.height-1, t.hash, ErrOutOfOrder)
	case batch.Block() != header.GetNumber():
		return fmt.Errorf("the batch is that of block %d", batch.Block())
	case len(wire.Filter(block)) != len(data):
		return fmt.Errorf("%d verdicts for %d transactions", len(wire.Filter(block)), len(data))
	case len(data) >= maxTxs:
		return fmt.Errorf("%d transactions, at most %d are possible", len(data), maxTxs-1)
	}
	return nil
}

// next is the tip after a block. The first block has no commit hash.
func (t *tip) next(block *commonpb.Block, updates []wire.Update) tip {
	after := tip{channel: t.channel, height: t.height + 1, hash: wire.BlockHash(block.GetHeader()), previous: t.hash}
	if t.height > 0 {
		after.commitHash = wire.NextCommitHash(t.commitHash, wire.Filter(block), updates)
		return after
	}
	if data := block.GetData().GetData(); len(data) > 0 {
		peek, _ := wire.PeekEnvelope(data[0])
		after.channel = peek.Channel
	}
	return after
}

// withCommitHash is the block with the commit hash; others may hold the block
// that came in, so it is not changed.
func withCommitHash(block *commonpb.Block, hash []byte) *commonpb.Block {
	stored := &commonpb.Block{
		Header:   block.GetHeader(),
		Data:     block.GetData(),
		Metadata: &commonpb.BlockMetadata{Metadata: append([][]byte(nil), block.GetMetadata().GetMetadata()...)},
	}
	if hash != nil {
		wire.SetCommitHash(stored, hash)
	}
	return stored
}

// advance makes a stored block the newest for everybody who looks from now on.
func (l *Ledger) advance(after tip, stored *commonpb.Block, batch *Batch) {
	l.cache.commit(after.height, func(put func(stateKey, cached)) {
		for key, u := range batch.pending {
			entry := cached{since: after.height}
			if !u.Delete {
				entry.value, entry.present = u.Value, true
			}
			put(key, entry)
		}
	})
	l.mu.Lock()
	old := l.current
	l.current = &snapshot{height: after.height}
	l.tip = after
	if l.options.Channel == "" {
		l.options.Channel = after.channel
	}
	l.keepRecent(stored)
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
	unused := old.refs == 0
	l.mu.Unlock()
	if unused {
		l.snapshots.release(old)
	}
}

// keepRecent remembers the newest block, and as many before it as fit; the
// caller holds mu.
func (l *Ledger) keepRecent(block *commonpb.Block) {
	l.recent = append(l.recent, block)
	size := 0
	for i := len(l.recent) - 1; i >= 0; i-- {
		for _, envelope := range l.recent[i].GetData().GetData() {
			size += len(envelope)
		}
		if size > recentBytes && i < len(l.recent)-1 {
			l.recent = append([]*commonpb.Block(nil), l.recent[i+1:]...)
			return
		}
	}
	if len(l.recent) > maxRecent {
		l.recent = append([]*commonpb.Block(nil), l.recent[len(l.recent)-maxRecent:]...)
	}
}

// maxRecent bounds the number of blocks kept decoded; small blocks are cheap to
// read again.
const maxRecent = 16

// writer is the one connection that writes, with its statements prepared.
type writer struct {
	db   *sqlite.DB
	conn *sql.Conn

	begin, commitTx, rollback *sql.Stmt
	putBlock, putSegment      *sql.Stmt
	delState, delHashed       *sql.Stmt
	putGone, delGone, getGone *sql.Stmt
	savepoint                 *sql.Stmt
	txs, txIDs                *bulk
	states, hashes            *bulk
	segments                  segmenter

	patience  int64 // log size up to which no commit waits for older views; 0 is the normal limit
	transient int64 // rows in the transient table
	anyGone   bool  // keys have been deleted
}

// newWriter takes the writing connection for good.
func newWriter(db *sqlite.DB) (*writer, error) {
	conn, err := db.Writer().Conn(bg)
	if err != nil {
		return nil, db.Explain("open", err)
	}
	w := &writer{db: db, conn: conn}
	if err := w.prepare(); err != nil {
		_ = w.close() // the first error is the one that matters
		return nil, db.Explain("open", err)
	}
	return w, nil
}

// statements lists the prepared statements and where they go.
func (w *writer) statements() map[**sql.Stmt]string {
	return map[**sql.Stmt]string{
		&w.begin:      "BEGIN IMMEDIATE",
		&w.commitTx:   "COMMIT",
		&w.rollback:   "ROLLBACK",
		&w.putBlock:   "INSERT INTO block (number, hash, previous, data_hash, txs, metadata) VALUES (?, ?, ?, ?, ?, ?)",
		&w.putSegment: "INSERT INTO segment (pos, data) VALUES (?, ?)",
		&w.delState:   "DELETE FROM state WHERE ns = ? AND key = ?",
		&w.delHashed:  "DELETE FROM hashed WHERE ns = ? AND coll = ? AND key_hash = ?",
		&w.putGone:    "INSERT OR REPLACE INTO gone (ns, key, pos) VALUES (?, ?, ?)",
		&w.delGone:    "DELETE FROM gone WHERE ns = ? AND key = ?",
		&w.getGone:    "SELECT pos FROM gone WHERE ns = ? AND key = ?",
		&w.savepoint:  "INSERT OR REPLACE INTO savepoint (id, channel, height, hash, commit_hash, indexed) VALUES (1, ?, ?, ?, ?, ?)",
	}
}

// bulks lists the tables that get many rows at once.
func (w *writer) bulks() map[**bulk]string {
	return map[**bulk]string{
		&w.txs:    "INSERT INTO tx (pos, id, code, prev)",
		&w.txIDs:  "INSERT OR IGNORE INTO tx_id (hash, pos)",
		&w.states: "INSERT OR REPLACE INTO state (ns, key, pos, value, metadata)",
		&w.hashes: "INSERT OR REPLACE INTO hashed (ns, coll, key_hash, pos, value_hash, metadata)",
	}
}

func (w *writer) prepare() error {
	if _, err := w.conn.ExecContext(bg, fmt.Sprintf("PRAGMA cache_size=%d", -writerCacheKiB)); err != nil {
		return err
	}
	for into, text := range w.statements() {
		var err error
		if *into, err = w.conn.PrepareContext(bg, text); err != nil {
			return err
		}
	}
	for into, text := range w.bulks() {
		var err error
		if *into, err = prepareBulk(bg, w.conn, text, 1+strings.Count(text, ",")); err != nil {
			return err
		}
	}
	if err := w.conn.QueryRowContext(bg, "SELECT EXISTS (SELECT 1 FROM gone)").Scan(&w.anyGone); err != nil {
		return err
	}
	return w.countTransient()
}

func (w *writer) close() error {
	for s := range w.statements() {
		if *s != nil {
			_ = (*s).Close() // the connection is closed next
		}
	}
	for b := range w.bulks() {
		if *b != nil {
			(*b).close()
		}
	}
	return w.conn.Close()
}

// change is everything that one block adds to the file.
type change struct {
	tip     tip
	block   *commonpb.Block
	batch   *Batch
	updates []wire.Update
	private Private
	ids     []string // of its transactions, "" for none
	drain   *drain   // of the index of ids
}

// blockIDs lists the ids under which a block's transactions are found.
func blockIDs(block *commonpb.Block) []string {
	ids := make([]string, len(block.GetData().GetData()))
	for i, envelope := range block.GetData().GetData() {
		ids[i] = envelopeTxID(envelope)
	}
	return ids
}

// indexOf gives the entries of a block whose first transaction has a position.
func indexOf(first int64, ids []string) []indexed {
	entries := make([]indexed, 0, len(ids))
	for i, id := range ids {
		if id != "" {
			entries = append(entries, indexed{txHash(id), first + int64(i)})
		}
	}
	return entries
}

// commit writes a change in one transaction.
func (w *writer) commit(c *change) error {
	return w.inTransaction(func() error {
		for _, put := range []func(*change) error{w.blockRows, w.stateRows, w.goneRows, w.privateRows} {
			if err := put(c); err != nil {
				return err
			}
		}
		t := &c.tip
		_, err := w.savepoint.ExecContext(bg, t.channel, int64(t.height), t.hash, t.commitHash, c.drain.since)
		return err
	})
}

// inTransaction runs write in a transaction; when it fails nothing of it stays.
func (w *writer) inTransaction(write func() error) error {
	if _, err := w.begin.ExecContext(bg); err != nil {
		return w.db.Explain("write", err)
	}
	defer w.db.Committed()
	err := write()
	if err == nil {
		_, err = w.commitTx.ExecContext(bg)
	}
	if err != nil {
		_, _ = w.rollback.ExecContext(bg) // fails if SQLite has rolled back already
		for b := range w.bulks() {
			(*b).drop()
		}
		w.segments = segmenter{}
		return w.db.Explain("write", err)
	}
	return nil
}

// blockRows writes the block and its transactions.
func (w *writer) blockRows(c *change) error {
	metadata, err := proto.Marshal(c.block.GetMetadata())
	if err != nil {
		return fmt.Errorf("encode metadata: %w", err)
	}
	header, data, filter := c.block.GetHeader(), c.block.GetData().GetData(), wire.Filter(c.block)
	if _, err := w.putBlock.ExecContext(bg, int64(header.GetNumber()), c.tip.hash, header.GetPreviousHash(), header.GetDataHash(), len(data), metadata); err != nil {
		return err
	}
	links := c.batch.links
	for i, envelope := range data {
		pos := position(wire.Version{Block: header.GetNumber(), Tx: uint64(i)})
		var key any
		if id := c.ids[i]; id != "" {
			key = txKey(id)
		}
		var prev any
		if len(links) > 0 && links[0].tx == uint64(i) {
			if prev, err = w.chain(pos, &links[0]); err != nil {
				return err
			}
			links = links[1:]
		}
		if err := w.txs.add(pos, key, int64(filter[i]), prev); err != nil {
			return err
		}
		if err := w.segments.add(pos, envelope, w.segment); err != nil {
			return err
		}
	}
	for _, id := range c.drain.entries {
		if err := w.txIDs.add(id.hash, id.pos); err != nil {
			return err
		}
	}
	return errors.Join(w.segments.flush(w.segment), w.txs.flush(), w.txIDs.flush())
}

// segment writes packed envelopes.
func (w *writer) segment(pos int64, data []byte) error {
	_, err := w.putSegment.ExecContext(bg, pos, data)
	return err
}

// stateRows writes the net effects of the block.
func (w *writer) stateRows(c *change) error {
	for i := range c.updates {
		u := &c.updates[i]
		key := string(u.Key)
		p := c.batch.pending[stateKey{u.Namespace, u.Collection, key}]
		var err error
		switch {
		case u.Collection == "" && u.Delete:
			_, err = w.delState.ExecContext(bg, u.Namespace, key)
		case u.Collection == "":
			err = w.states.add(u.Namespace, key, position(u.Version), u.Value, nullable(p.Metadata))
		case u.Delete:
			_, err = w.delHashed.ExecContext(bg, u.Namespace, u.Collection, u.Key)
		default:
			err = w.hashes.add(u.Namespace, u.Collection, u.Key, position(u.Version), u.Value, nullable(p.Metadata))
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(w.states.flush(), w.hashes.flush())
}

// nullable makes SQL's NULL of a missing value.
func nullable(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}
