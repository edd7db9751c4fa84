package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// AddLatePrivate stores private write sets that were missing when their block was
// committed. What the transaction does not vouch for is left out, and values that
// newer transactions have replaced are kept for their block only. Without a valid
// transaction at that place it is ErrNotFound.
func (l *Ledger) AddLatePrivate(ctx context.Context, at wire.Version, set *rwsetpb.TxPvtReadWriteSet) error {
	block, err := l.Block(at.Block)
	if err != nil {
		return err
	}
	data, filter := block.GetData().GetData(), wire.Filter(block)
	if at.Tx >= uint64(len(data)) || at.Tx >= uint64(len(filter)) || filter[at.Tx] != byte(peerpb.TxValidationCode_VALID) {
		return fmt.Errorf("late private data: there is no valid transaction %s: %w", at, ErrNotFound)
	}
	tx, err := decodeEndorsed(data[at.Tx])
	if err != nil {
		return fmt.Errorf("late private data of transaction %s: %w", at, err)
	}
	public, err := wire.ParseRWSet(tx.results)
	if err != nil {
		return fmt.Errorf("late private data of transaction %s: %w", at, err)
	}
	l.committing.Lock()
	defer l.committing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.isClosed() {
		return ErrClosed
	}
	err = l.writer.inTransaction(func() error {
		for i := range public.Namespaces {
			ns := &public.Namespaces[i]
			for j := range ns.Collections {
				coll := &ns.Collections[j]
				if len(coll.PvtHash) == 0 {
					continue
				}
				if found := findPrivate([]*rwsetpb.TxPvtReadWriteSet{set}, ns.Name, coll); found != nil {
					if err := l.writer.latePrivateSet(at, ns.Name, found); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	current := l.current
	l.mu.Unlock()
	return current.renew(&l.snapshots, false) // or its views would not see the data before the next block
}

// latePrivateSet writes one collection's private write set of an old transaction.
func (w *writer) latePrivateSet(at wire.Version, ns string, coll *rwsetpb.CollectionPvtReadWriteSet) error {
	var set kvrwsetpb.KVRWSet
	if err := proto.Unmarshal(coll.GetRwset(), &set); err != nil {
		return nil // its hash was signed, but it is no write set: nothing to apply
	}
	log := func(key string, kind int, value []byte) error {
		_, err := w.conn.ExecContext(bg, "INSERT OR REPLACE INTO private_write (pos, ns, coll, key, kind, key_hash, value) VALUES (?, ?, ?, ?, ?, ?, ?)",
			position(at), ns, coll.GetCollectionName(), key, kind, wire.Hash([]byte(key)), nullable(value))
		return err
	}
	for _, write := range set.GetWrites() {
		if isDelete(write) {
			if err := log(write.GetKey(), pvtDelete, nil); err != nil {
				return err
			}
			continue
		}
		if err := log(write.GetKey(), pvtPut, write.GetValue()); err != nil {
			return err
		}
		if err := w.latePrivateValue(ns, coll.GetCollectionName(), write); err != nil {
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

// latePrivateValue makes a value readable if it is still the present one, which its
// public hash tells.
func (w *writer) latePrivateValue(ns, coll string, write *kvrwsetpb.KVWrite) error {
	keyHash := wire.Hash([]byte(write.GetKey()))
	var pos int64
	var valueHash []byte
	err := w.conn.QueryRowContext(bg, "SELECT pos, value_hash FROM hashed WHERE ns = ? AND coll = ? AND key_hash = ?", ns, coll, keyHash).Scan(&pos, &valueHash)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !bytes.Equal(valueHash, wire.Hash(write.GetValue())) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = w.conn.ExecContext(bg, "INSERT OR REPLACE INTO private (ns, coll, key, key_hash, pos, value) VALUES (?, ?, ?, ?, ?, ?)",
		ns, coll, write.GetKey(), keyHash, pos, write.GetValue())
	return err
}
