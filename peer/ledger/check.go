package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"

	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// CheckReport says what a ledger file holds and what is wrong with it.
type CheckReport struct {
	Height   uint64   // blocks that were read
	Keys     int      // entries of the state that were compared with the transactions that wrote them
	Problems []string // at most 20; none: everything is as it was written
}

const maxProblems = 20

func (r *CheckReport) found(format string, args ...any) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

func (r *CheckReport) full() bool { return len(r.Problems) >= maxProblems }

// Check reads a whole ledger file and changes nothing: every page with its checksum,
// every block with its hashes and its place in the chain, every transaction with its id and
// its verdict, and every entry of the state with the transaction that wrote it. The peer
// may run meanwhile. An error means that the file could not be looked at.
// progress, if not nil, is called after every block.
func Check(ctx context.Context, path string, progress func(done, of uint64)) (CheckReport, error) {
	var report CheckReport
	db, err := sqlite.Open(path, sqlite.Options{ReadOnly: true, Readers: 1, CacheKiB: readerCacheKiB, SkipCheck: true, Functions: functions()})
	if err != nil {
		if errors.Is(err, ErrCorrupt) {
			report.found("%v", err)
			return report, nil
		}
		return report, fmt.Errorf("check ledger: %w", err)
	}
	defer db.Close()
	problems, err := db.Check(ctx, maxProblems)
	if err != nil {
		return report, fmt.Errorf("check ledger: %w", err)
	}
	for _, problem := range problems {
		report.found("%s", problem)
	}
	// One transaction: everything belongs to one height.
	err = db.View(ctx, func(tx *sql.Tx) error {
		c := &checker{ctx: ctx, from: tx, report: &report, effects: map[int64]*Batch{}}
		if err := c.blocks(progress); err != nil {
			return err
		}
		return errors.Join(c.state(), c.hashed(), c.private())
	})
	if ctx.Err() != nil {
		return report, ctx.Err()
	}
	if err != nil {
		report.found("%v", err)
	}
	return report, nil
}

// checker walks through one file. Its methods fail when the file cannot be read on.
type checker struct {
	ctx    context.Context
	from   *sql.Tx
	report *CheckReport

	effects map[int64]*Batch // what some transactions do, by position
}

// maxEffects bounds them. Neighbours in the state often come from few transactions.
const maxEffects = 32

// blocks walks along the chain.
func (c *checker) blocks(progress func(done, of uint64)) error {
	var height uint64
	var hash, commitHash []byte
	err := c.from.QueryRowContext(bg, "SELECT height, hash, commit_hash FROM savepoint").Scan(&height, &hash, &commitHash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read the savepoint: %w", err)
	}
	var previous, commit []byte
	for number := range height {
		if c.report.full() || c.ctx.Err() != nil {
			return nil
		}
		row, err := readBlockRow(c.from, "number = ?", int64(number))
		if err != nil || row == nil {
			c.report.found("block %d: it is missing (%v)", number, err)
			return nil
		}
		if number > 0 && !bytes.Equal(row.previous, previous) {
			c.report.found("block %d: its previous hash is not that of block %d", number, number-1)
		}
		previous, commit = row.header().hash, nil
		block, err := readBlock(c.from, row)
		if err != nil {
			c.report.found("%v", err)
			continue
		}
		commit = commitHashOf(block)
		if err := c.transactions(block); err != nil {
			c.report.found("block %d: %v", number, err)
		}
		c.report.Height++
		if progress != nil {
			progress(number+1, height)
		}
	}
	if height > 0 && (!bytes.Equal(previous, hash) || !bytes.Equal(commit, commitHash)) {
		c.report.found("the savepoint's hashes are not those of block %d", height-1)
	}
	return nil
}

// transactions compares the rows of a block's transactions with the block.
func (c *checker) transactions(block *commonpb.Block) error {
	data, filter := block.GetData().GetData(), wire.Filter(block)
	if len(filter) != len(data) {
		return fmt.Errorf("%d verdicts for %d transactions", len(filter), len(data))
	}
	first, n := position(wire.Version{Block: block.GetHeader().GetNumber()}), 0
	err := eachRow(c.from, func(rows *sql.Rows) error {
		var pos int64
		var key any
		var code int32
		if err := rows.Scan(&pos, &key, &code); err != nil {
			return err
		}
		if n >= len(data) || pos != first+int64(n) {
			return errors.New("its list of transactions is not that of the block")
		}
		if txID(key) != envelopeTxID(data[n]) || byte(code) != filter[n] {
			return fmt.Errorf("id or verdict of transaction %d are not those of the block", n)
		}
		n++
		return nil
	}, "SELECT pos, id, code FROM tx WHERE pos >= ? AND pos < ? ORDER BY pos", first, first+maxTxs)
	if err == nil && n != len(data) {
		return fmt.Errorf("%d of its %d transactions are listed", n, len(data))
	}
	return err
}

// nothing is a state without entries.
type nothing struct{}

func (nothing) GetState(string, string) (Value, bool, error)        { return Value{}, false, nil }
func (nothing) GetHash(string, string, []byte) (Value, bool, error) { return Value{}, false, nil }

// written gives what the transaction at a position does to an otherwise empty state.
func (c *checker) written(pos int64) (*Batch, error) {
	if batch, ok := c.effects[pos]; ok {
		return batch, nil
	}
	envelope, err := readEnvelope(c.from, pos)
	if err != nil {
		return nil, err
	}
	at := versionAt(pos)
	batch := NewBatch(at.Block, nothing{})
	if err := applyRecorded(batch, at.Tx, envelope); err != nil {
		return nil, err
	}
	if len(c.effects) >= maxEffects {
		clear(c.effects)
	}
	c.effects[pos] = batch
	return batch, nil
}

// mentions tells whether a transaction writes a public key or its metadata.
func (b *Batch) mentions(key stateKey) bool {
	for i := range b.links {
		if slices.ContainsFunc(b.links[i].links, func(l link) bool { return l.key == key }) {
			return true
		}
	}
	return false
}

// wroteThis tells whether an entry is what its transaction wrote. A transaction that wrote
// only the key's metadata does not tell the value, and the other way round.
func wroteThis(p *Pending, ok bool, value, metadata []byte) bool {
	return !ok || !p.Delete && bytes.Equal(p.Value.Value, value) && (p.Metadata == nil || bytes.Equal(p.Metadata, metadata))
}

// state compares the public state with the transactions.
func (c *checker) state() error {
	return eachRow(c.from, func(rows *sql.Rows) error {
		var ns, key string
		var pos int64
		var value, metadata []byte
		if err := rows.Scan(&ns, &key, &pos, &value, &metadata); err != nil {
			return err
		}
		if c.report.full() {
			return nil
		}
		batch, err := c.written(pos)
		if err == nil {
			p, ok := batch.Get(ns, key)
			switch {
			case !ok && !batch.mentions(stateKey{ns: ns, key: key}):
				err = errors.New("it does not write this key")
			case !wroteThis(p, ok, value, metadata):
				err = errors.New("the value is not the one that it wrote")
			}
		}
		if err != nil {
			c.report.found("key %q in namespace %q, written by transaction %s: %v", key, ns, versionAt(pos), err)
		}
		c.report.Keys++
		return c.ctx.Err()
	}, "SELECT ns, key, pos, value, metadata FROM state")
}

// hashed does the same for the hashes of collections.
func (c *checker) hashed() error {
	return eachRow(c.from, func(rows *sql.Rows) error {
		var ns, coll string
		var pos int64
		var key, value, metadata []byte
		if err := rows.Scan(&ns, &coll, &key, &pos, &value, &metadata); err != nil {
			return err
		}
		if c.report.full() {
			return nil
		}
		batch, err := c.written(pos)
		if err == nil {
			if p, ok := batch.GetHash(ns, coll, key); !wroteThis(p, ok, value, metadata) {
				err = errors.New("the hash is not the one that it wrote")
			}
		}
		if err != nil {
			c.report.found("key hash %x in collection %q of namespace %q, written by transaction %s: %v", key, coll, ns, versionAt(pos), err)
		}
		c.report.Keys++
		return c.ctx.Err()
	}, "SELECT ns, coll, key_hash, pos, value_hash, metadata FROM hashed")
}

// private compares plain text with the hashes.
func (c *checker) private() error {
	return eachRow(c.from, func(rows *sql.Rows) error {
		var ns, coll, key string
		var keyHash, value, valueHash []byte
		if err := rows.Scan(&ns, &coll, &key, &keyHash, &value, &valueHash); err != nil {
			return err
		}
		if !bytes.Equal(wire.Hash([]byte(key)), keyHash) || valueHash != nil && !bytes.Equal(wire.Hash(value), valueHash) {
			c.report.found("private key %q in collection %q of namespace %q: it is not what its hash says", key, coll, ns)
		}
		return c.ctx.Err()
	}, `SELECT p.ns, p.coll, p.key, p.key_hash, p.value, h.value_hash FROM private p
		LEFT JOIN hashed h ON h.ns = p.ns AND h.coll = p.coll AND h.key_hash = p.key_hash AND h.pos = p.pos`)
}
