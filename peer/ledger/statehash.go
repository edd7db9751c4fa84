package ledger

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"hash"
)

// StateHash is one hash over the whole public and hashed state as of the view:
// keys, values, metadata and versions. Peers with equal commit hashes have equal
// state hashes. It reads everything: for tests and comparisons, not for each
// block.
func (v *View) StateHash() ([]byte, error) {
	h := newStateHasher()
	err := v.read(func(conn *sql.Conn) error {
		if err := eachRow(conn, func(rows *sql.Rows) error {
			var ns, key string
			var pos int64
			var value, metadata []byte
			if err := rows.Scan(&ns, &key, &pos, &value, &metadata); err != nil {
				return err
			}
			h.add(pos, []byte(ns), []byte(key), value, metadata)
			return nil
		}, "SELECT ns, key, pos, value, metadata FROM state ORDER BY ns, key"); err != nil {
			return err
		}
		h.add(-1)
		return eachRow(conn, func(rows *sql.Rows) error {
			var ns, coll string
			var pos int64
			var key, value, metadata []byte
			if err := rows.Scan(&ns, &coll, &key, &pos, &value, &metadata); err != nil {
				return err
			}
			h.add(pos, []byte(ns), []byte(coll), key, value, metadata)
			return nil
		}, "SELECT ns, coll, key_hash, pos, value_hash, metadata FROM hashed ORDER BY ns, coll, key_hash")
	})
	if err != nil {
		return nil, err
	}
	return h.sum(), nil
}

// stateHasher hashes rows without ambiguity: every part with its length.
type stateHasher struct {
	h   hash.Hash
	buf []byte
}

func newStateHasher() *stateHasher { return &stateHasher{h: sha256.New()} }

func (s *stateHasher) add(pos int64, parts ...[]byte) {
	s.buf = binary.AppendVarint(s.buf[:0], pos)
	for _, part := range parts {
		s.buf = binary.AppendUvarint(s.buf, uint64(len(part)))
		s.buf = append(s.buf, part...)
	}
	s.h.Write(s.buf)
}

func (s *stateHasher) sum() []byte { return s.h.Sum(nil) }
