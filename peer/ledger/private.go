package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"

	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// transientBlocks is how many blocks a private write set waits for its
// transaction before it is forgotten.
const transientBlocks = 1000

// maxTransientBytes bounds one private write set; more could not have been sent.
const maxTransientBytes = 100 << 20

// Kinds of rows in private_write.
const (
	pvtPut      = 0
	pvtDelete   = 1
	pvtMetadata = 2
)

// vouched keeps of the given private write sets what valid transactions of the
// block announce by hash. The rest is dropped: it may be anybody's invention.
func (b *Batch) vouched(private Private) Private {
	if len(private) == 0 {
		return nil
	}
	kept := Private{}
	for tx, set := range private {
		out := new(rwsetpb.TxPvtReadWriteSet)
		for _, ns := range set.GetNsPvtRwset() {
			keep := &rwsetpb.NsPvtReadWriteSet{Namespace: ns.GetNamespace()}
			for _, coll := range ns.GetCollectionPvtRwset() {
				hash, ok := b.pvtHash[privateKey{tx, ns.GetNamespace(), coll.GetCollectionName()}]
				if ok && bytes.Equal(hash, wire.Hash(coll.GetRwset())) {
					keep.CollectionPvtRwset = append(keep.CollectionPvtRwset, coll)
				}
			}
			if len(keep.CollectionPvtRwset) > 0 {
				out.NsPvtRwset = append(out.NsPvtRwset, keep)
			}
		}
		if len(out.NsPvtRwset) > 0 {
			kept[tx] = out
		}
	}
	return kept
}

// privateRows writes the private data of a block and what its public part does
// to the private data of earlier blocks.
func (w *writer) privateRows(c *change) error {
	for tx := range uint64(len(c.block.GetData().GetData())) {
		set, ok := c.private[tx]
		if !ok {
			continue
		}
		pos := position(wire.Version{Block: c.batch.Block(), Tx: tx})
		for _, ns := range set.GetNsPvtRwset() {
			for _, coll := range ns.GetCollectionPvtRwset() {
				if err := w.privateSet(pos, ns.GetNamespace(), coll); err != nil {
					return err
				}
			}
		}
	}
	if err := w.alignPrivate(c); err != nil {
		return err
	}
	for _, key := range c.batch.purges {
		if _, err := w.conn.ExecContext(bg, "DELETE FROM private_write WHERE ns = ? AND coll = ? AND key_hash = ? AND kind = ?",
			key.ns, key.coll, []byte(key.key), pvtPut); err != nil {
			return err
		}
	}
	return w.dropTransient(c)
}

// privateSet writes one collection's private write set of one transaction.
func (w *writer) privateSet(pos int64, ns string, coll *rwsetpb.CollectionPvtReadWriteSet) error {
	var set kvrwsetpb.KVRWSet
	if err := proto.Unmarshal(coll.GetRwset(), &set); err != nil {
		return nil // its hash was signed, but it is no write set: nothing to apply
	}
	name := coll.GetCollectionName()
	log := func(key string, kind int, value []byte) error {
		_, err := w.conn.ExecContext(bg, "INSERT OR REPLACE INTO private_write (pos, ns, coll, key, kind, key_hash, value) VALUES (?, ?, ?, ?, ?, ?, ?)",
			pos, ns, name, key, kind, wire.Hash([]byte(key)), nullable(value))
		return err
	}
	for _, write := range set.GetWrites() {
		key := write.GetKey()
		if isDelete(write) {
			if err := log(key, pvtDelete, nil); err != nil {
				return err
			}
			if _, err := w.conn.ExecContext(bg, "DELETE FROM private WHERE ns = ? AND coll = ? AND key = ?", ns, name, key); err != nil {
				return err
			}
			continue
		}
		if err := log(key, pvtPut, write.GetValue()); err != nil {
			return err
		}
		if _, err := w.conn.ExecContext(bg, "INSERT OR REPLACE INTO private (ns, coll, key, key_hash, pos, value) VALUES (?, ?, ?, ?, ?, ?)",
			ns, name, key, wire.Hash([]byte(key)), pos, write.GetValue()); err != nil {
			return err
		}
	}
	for _, write := range set.GetMetadataWrites() {
		if err := log(write.GetKey(), pvtMetadata, nil); err != nil {
			return err
		}
	}
	return nil
}

// alignPrivate brings the plain text in line with the hashed updates of the
// block: a hashed delete removes it, and where only the version of the hashed
// entry moved (its metadata was written) the plain text moves along.
func (w *writer) alignPrivate(c *change) error {
	for i := range c.updates {
		u := &c.updates[i]
		if u.Collection == "" {
			continue
		}
		if u.Delete {
			if _, err := w.conn.ExecContext(bg, "DELETE FROM private WHERE ns = ? AND coll = ? AND key_hash = ?", u.Namespace, u.Collection, u.Key); err != nil {
				return err
			}
			continue
		}
		var key string
		var value []byte
		err := w.conn.QueryRowContext(bg, "SELECT key, value FROM private WHERE ns = ? AND coll = ? AND key_hash = ? AND pos <> ?",
			u.Namespace, u.Collection, u.Key, position(u.Version)).Scan(&key, &value)
		if err == sql.ErrNoRows {
			continue
		}
		if err != nil {
			return err
		}
		if !bytes.Equal(wire.Hash(value), u.Value) {
			continue // the new value has not arrived; the old one shows by its version that it is old
		}
		if _, err := w.conn.ExecContext(bg, "UPDATE private SET pos = ? WHERE ns = ? AND coll = ? AND key = ?",
			position(u.Version), u.Namespace, u.Collection, key); err != nil {
			return err
		}
	}
	return nil
}

// dropTransient forgets the waiting private write sets of the block's
// transactions, and those that have waited too long.
func (w *writer) dropTransient(c *change) error {
	if w.transient == 0 {
		return nil
	}
	for _, id := range c.ids {
		if id != "" {
			if _, err := w.conn.ExecContext(bg, "DELETE FROM transient WHERE txid = ?", id); err != nil {
				return err
			}
		}
	}
	if _, err := w.conn.ExecContext(bg, "DELETE FROM transient WHERE height + ? < ?", transientBlocks, int64(c.tip.height)); err != nil {
		return err
	}
	return w.countTransient()
}

// countTransient notes whether there is anything to drop at all.
func (w *writer) countTransient() error {
	return w.conn.QueryRowContext(bg, "SELECT count(*) FROM transient").Scan(&w.transient)
}

// AddTransient keeps the private write set of a transaction that was endorsed at
// the given height until the transaction is committed (or 1000 blocks long).
func (l *Ledger) AddTransient(ctx context.Context, txID string, height uint64, private *rwsetpb.TxPvtReadWriteSet) error {
	raw, err := proto.Marshal(private)
	if err != nil {
		return fmt.Errorf("keep private data of transaction %s: %w", txID, err)
	}
	if len(raw) > maxTransientBytes {
		return fmt.Errorf("keep private data of transaction %s: %w", txID, ErrTooLarge)
	}
	l.committing.Lock()
	defer l.committing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.isClosed() {
		return ErrClosed
	}
	return l.writer.inTransaction(func() error {
		_, err := l.writer.conn.ExecContext(bg, "INSERT INTO transient (txid, height, pvt) VALUES (?, ?, ?)", txID, int64(height), raw)
		l.writer.transient++
		return err
	})
}

func (l *Ledger) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// Transient lists the private write sets that wait for a transaction.
func (l *Ledger) Transient(txID string) (sets []*rwsetpb.TxPvtReadWriteSet, err error) {
	err = eachRow(l.db.Reader(), func(rows *sql.Rows) error {
		var raw []byte
		if err := rows.Scan(&raw); err != nil {
			return err
		}
		set := new(rwsetpb.TxPvtReadWriteSet)
		if err := proto.Unmarshal(raw, set); err != nil {
			return fmt.Errorf("decode: %w", err)
		}
		sets = append(sets, set)
		return nil
	}, "SELECT pvt FROM transient WHERE txid = ? ORDER BY seq", txID)
	if err != nil {
		return nil, fmt.Errorf("private data of transaction %s: %w", txID, l.db.Explain("read", err))
	}
	return sets, nil
}

// MissingPrivate names a private write set that a transaction announces and
// nobody has brought.
type MissingPrivate struct {
	Namespace, Collection string
	Hash                  []byte // of the collection's marshalled KVRWSet
}

// PrivateFor finds, among the waiting private write sets of a transaction, the
// ones that its public read-write set announces, and lists what is missing. set
// is nil if there is none.
func (l *Ledger) PrivateFor(txID string, public *wire.RWSet) (set *rwsetpb.TxPvtReadWriteSet, missing []MissingPrivate, err error) {
	var waiting []*rwsetpb.TxPvtReadWriteSet
	looked := false
	for i := range public.Namespaces {
		ns := &public.Namespaces[i]
		keep := &rwsetpb.NsPvtReadWriteSet{Namespace: ns.Name}
		for j := range ns.Collections {
			coll := &ns.Collections[j]
			if len(coll.PvtHash) == 0 {
				continue
			}
			if !looked {
				if waiting, err = l.Transient(txID); err != nil {
					return nil, nil, err
				}
				looked = true
			}
			if found := findPrivate(waiting, ns.Name, coll); found != nil {
				keep.CollectionPvtRwset = append(keep.CollectionPvtRwset, found)
				continue
			}
			missing = append(missing, MissingPrivate{ns.Name, coll.Name, coll.PvtHash})
		}
		if len(keep.CollectionPvtRwset) > 0 {
			if set == nil {
				set = new(rwsetpb.TxPvtReadWriteSet)
			}
			set.NsPvtRwset = append(set.NsPvtRwset, keep)
		}
	}
	return set, missing, nil
}

// findPrivate looks for the write set with the announced hash.
func findPrivate(sets []*rwsetpb.TxPvtReadWriteSet, ns string, want *wire.CollRWSet) *rwsetpb.CollectionPvtReadWriteSet {
	for _, set := range sets {
		for _, n := range set.GetNsPvtRwset() {
			if n.GetNamespace() != ns {
				continue
			}
			for _, coll := range n.GetCollectionPvtRwset() {
				if coll.GetCollectionName() == want.Name && bytes.Equal(wire.Hash(coll.GetRwset()), want.PvtHash) {
					return coll
				}
			}
		}
	}
	return nil
}

// PrivateOf gives the private write sets that were committed with a block, as
// far as this peer has them and they have not been purged.
func (l *Ledger) PrivateOf(block uint64) (Private, error) {
	private, err := privateOf(l.db.Reader(), block)
	return private, l.db.Explain("read private data from", err)
}

func privateOf(from querier, block uint64) (Private, error) {
	first := position(wire.Version{Block: block})
	private := Private{}
	var lastPos int64 = -1
	var lastNs, lastColl string
	var set *kvrwsetpb.KVRWSet
	finish := func() error {
		if lastPos < 0 {
			return nil
		}
		return addCollection(private, versionAt(lastPos).Tx, lastNs, lastColl, set)
	}
	err := eachRow(from, func(rows *sql.Rows) error {
		var pos, kind int64
		var ns, coll, key string
		var value []byte
		if err := rows.Scan(&pos, &ns, &coll, &key, &kind, &value); err != nil {
			return err
		}
		if pos != lastPos || ns != lastNs || coll != lastColl {
			if err := finish(); err != nil {
				return err
			}
			lastPos, lastNs, lastColl, set = pos, ns, coll, new(kvrwsetpb.KVRWSet)
		}
		if kind == pvtMetadata {
			set.MetadataWrites = append(set.MetadataWrites, &kvrwsetpb.KVMetadataWrite{Key: key})
		} else {
			set.Writes = append(set.Writes, &kvrwsetpb.KVWrite{Key: key, IsDelete: kind == pvtDelete, Value: value})
		}
		return nil
	}, `SELECT pos, ns, coll, key, kind, value FROM private_write
		WHERE pos >= ? AND pos < ? ORDER BY pos, ns, coll, key, kind`, first, first+maxTxs)
	if err == nil {
		err = finish()
	}
	return private, err
}

// addCollection appends a collection's write set; collections come in order.
func addCollection(private Private, tx uint64, ns, coll string, set *kvrwsetpb.KVRWSet) error {
	raw, err := proto.Marshal(set)
	if err != nil {
		return fmt.Errorf("encode private write set: %w", err)
	}
	out := private[tx]
	if out == nil {
		out = new(rwsetpb.TxPvtReadWriteSet)
		private[tx] = out
	}
	n := len(out.NsPvtRwset)
	if n == 0 || out.NsPvtRwset[n-1].Namespace != ns {
		out.NsPvtRwset = append(out.NsPvtRwset, &rwsetpb.NsPvtReadWriteSet{Namespace: ns})
		n++
	}
	into := out.NsPvtRwset[n-1]
	into.CollectionPvtRwset = append(into.CollectionPvtRwset, &rwsetpb.CollectionPvtReadWriteSet{CollectionName: coll, Rwset: raw})
	return nil
}
