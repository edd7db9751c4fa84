package ledger

import (
	"database/sql"
	"errors"
	"iter"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// Value is an entry of the state. Its slices are shared and must not be changed.
type Value struct {
	Value    []byte       // of a collection's hashed state: the hash of the value
	Metadata []byte       // key metadata as marshalled KVMetadataWrite without key, nil if none
	Version  wire.Version // who wrote value or metadata last
}

// Entry is a key and its value, as ranges list them.
type Entry struct {
	Key string
	Value
}

// View sees the state at one height, whatever is committed meanwhile. It may be
// used from many goroutines and must be closed: an open view of an old height
// costs a database connection.
type View struct {
	ledger   *Ledger
	snapshot *snapshot
	closed   bool // guarded by ledger.mu
}

// chunk is how many rows a range reads at once. Between chunks the connection is
// free for other views of the same height.
const chunk = 101

// View opens a view of the newest height. It fails only with ErrClosed.
func (l *Ledger) View() (*View, error) {
	s, err := l.acquire()
	if err != nil {
		return nil, err
	}
	return &View{ledger: l, snapshot: s}, nil
}

// Close ends the view. Later calls do nothing.
func (v *View) Close() {
	v.ledger.mu.Lock()
	again := v.closed
	v.closed = true
	v.ledger.mu.Unlock()
	if !again {
		v.ledger.release(v.snapshot)
	}
}

// Height is the number of blocks whose effects the view sees.
func (v *View) Height() uint64 { return v.snapshot.height }

// GetState reads an entry of the public state; ok is false if the key is absent.
func (v *View) GetState(ns, key string) (value Value, ok bool, err error) {
	at := stateKey{ns: ns, key: key}
	if entry, ok := v.ledger.cache.get(at, v.snapshot.height); ok {
		return entry.value, entry.present, nil
	}
	return v.load(at, "SELECT pos, value, metadata FROM state WHERE ns = ? AND key = ?", ns, key)
}

// GetHash reads an entry of a collection's hashed state.
func (v *View) GetHash(ns, coll string, keyHash []byte) (value Value, ok bool, err error) {
	at := stateKey{ns, coll, string(keyHash)}
	if entry, ok := v.ledger.cache.get(at, v.snapshot.height); ok {
		return entry.value, entry.present, nil
	}
	return v.load(at, "SELECT pos, value_hash, metadata FROM hashed WHERE ns = ? AND coll = ? AND key_hash = ?", ns, coll, keyHash)
}

// load asks the file for what the cache does not have.
func (v *View) load(key stateKey, query string, args ...any) (Value, bool, error) {
	entry := cached{since: v.snapshot.height}
	err := v.read(func(conn *sql.Conn) error {
		var pos int64
		err := conn.QueryRowContext(bg, query, args...).Scan(&pos, &entry.value.Value, &entry.value.Metadata)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		entry.value.Version = versionAt(pos)
		entry.present = true
		entry.since = entry.value.Version.Block + 1
		return err
	})
	if err != nil {
		return Value{}, false, err
	}
	v.ledger.cache.add(key, entry, v.snapshot.height)
	return entry.value, entry.present, nil
}

// read runs look on the connection that the views of this height share.
func (v *View) read(look func(conn *sql.Conn) error) error {
	return v.snapshot.read(&v.ledger.snapshots, look)
}

// Range lists the public state of a namespace in key order, from start
// (inclusive, "" is the beginning) to end (exclusive, "" is the end of the
// namespace; inclusive if includeEnd). An error ends the list.
func (v *View) Range(ns, start, end string, includeEnd bool) iter.Seq2[Entry, error] {
	return scanner{view: v, ns: ns, next: start, end: end, includeEnd: includeEnd}.all()
}

// PrivateRange lists the plain text that this peer has of a collection, with the
// bounds of Range and the end excluded.
func (v *View) PrivateRange(ns, coll, start, end string) iter.Seq2[Entry, error] {
	return scanner{view: v, ns: ns, coll: coll, next: start, end: end}.all()
}

// all walks to the end. The scanner is copied, so that a list can be walked twice.
func (s scanner) all() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		scan := s
		for {
			entry, ok, err := scan.step()
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !ok || !yield(entry, nil) {
				return
			}
		}
	}
}

// Namespaces lists the namespaces that have public state, in order.
func (v *View) Namespaces() (names []string, err error) {
	err = v.read(func(conn *sql.Conn) error {
		// One seek per namespace instead of a walk over all keys.
		return eachRow(conn, func(rows *sql.Rows) error {
			var name string
			err := rows.Scan(&name)
			names = append(names, name)
			return err
		}, `WITH RECURSIVE names(ns) AS (
			SELECT min(ns) FROM state
			UNION ALL SELECT (SELECT min(ns) FROM state WHERE state.ns > names.ns) FROM names WHERE names.ns IS NOT NULL
		) SELECT ns FROM names WHERE ns IS NOT NULL`)
	})
	return names, err
}

// HashedEntry is an entry of a collection's hashed state.
type HashedEntry struct {
	Namespace, Collection string
	KeyHash               []byte
	Value                 // Value.Value is the hash of the value
}

// Hashed lists the hashed state of all collections, by namespace, collection and
// key hash.
func (v *View) Hashed() iter.Seq2[HashedEntry, error] {
	return func(yield func(HashedEntry, error) bool) {
		var last HashedEntry
		for {
			var batch []HashedEntry
			err := v.read(func(conn *sql.Conn) (err error) {
				batch, err = hashedAfter(conn, last)
				return err
			})
			if err != nil {
				yield(HashedEntry{}, err)
				return
			}
			for _, entry := range batch {
				if !yield(entry, nil) {
					return
				}
			}
			if len(batch) < chunk {
				return
			}
			last = batch[len(batch)-1]
		}
	}
}

func hashedAfter(conn *sql.Conn, last HashedEntry) (batch []HashedEntry, err error) {
	keyHash := last.KeyHash
	if keyHash == nil {
		keyHash = []byte{} // NULL compares with nothing
	}
	err = eachRow(conn, func(rows *sql.Rows) error {
		var entry HashedEntry
		var pos int64
		err := rows.Scan(&entry.Namespace, &entry.Collection, &entry.KeyHash, &pos, &entry.Value.Value, &entry.Metadata)
		entry.Version = versionAt(pos)
		batch = append(batch, entry)
		return err
	}, `SELECT ns, coll, key_hash, pos, value_hash, metadata FROM hashed
		WHERE (ns, coll, key_hash) > (?, ?, ?) ORDER BY ns, coll, key_hash LIMIT ?`,
		last.Namespace, last.Collection, keyHash, chunk)
	return batch, err
}

// Private reads a plain-text entry of a collection, if this peer has one. It may
// be older than the hashed entry: compare the versions.
func (v *View) Private(ns, coll, key string) (value Value, ok bool, err error) {
	err = v.read(func(conn *sql.Conn) error {
		var pos int64
		err := conn.QueryRowContext(bg, "SELECT pos, value FROM private WHERE ns = ? AND coll = ? AND key = ?", ns, coll, key).
			Scan(&pos, &value.Value)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		value.Version, ok = versionAt(pos), err == nil
		return err
	})
	return value, ok, err
}

// eachRow runs a query and calls visit for each row.
func eachRow(from querier, visit func(rows *sql.Rows) error, query string, args ...any) error {
	rows, err := from.QueryContext(bg, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := visit(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// scanner walks over a range of public state, or of a collection's plain text,
// without keeping the connection between chunks.
type scanner struct {
	view       *View
	ns, coll   string // coll "" is the public state
	next       string // key to go on from
	after      bool   // next itself has been seen
	end        string
	includeEnd bool
	size       int // rows to read next time; grows to chunk

	rows []Entry
	done bool // the file has no more rows
}

// step gives the next entry; ok is false at the end.
func (s *scanner) step() (entry Entry, ok bool, err error) {
	if len(s.rows) == 0 {
		if s.done {
			return Entry{}, false, nil
		}
		if err := s.fill(); err != nil || len(s.rows) == 0 {
			return Entry{}, false, err
		}
	}
	entry, s.rows = s.rows[0], s.rows[1:]
	return entry, true, nil
}

// fill reads the next rows.
func (s *scanner) fill() error {
	if s.size == 0 {
		s.size = chunk
	}
	query, args := s.query()
	err := s.view.read(func(conn *sql.Conn) error {
		return eachRow(conn, func(rows *sql.Rows) error {
			var entry Entry
			var pos int64
			err := rows.Scan(&entry.Key, &pos, &entry.Value.Value, &entry.Metadata)
			entry.Version = versionAt(pos)
			s.rows = append(s.rows, entry)
			return err
		}, query, args...)
	})
	if err != nil {
		return err
	}
	s.done = len(s.rows) < s.size
	if n := len(s.rows); n > 0 {
		s.next, s.after = s.rows[n-1].Key, true
	}
	s.size = chunk
	return nil
}

// query writes the statement; the few forms it can have are kept prepared by the
// connection.
func (s *scanner) query() (query string, args []any) {
	if s.coll == "" {
		query, args = "SELECT key, pos, value, metadata FROM state WHERE ns = ?", append(args, s.ns)
	} else {
		query, args = "SELECT key, pos, value, NULL FROM private WHERE ns = ? AND coll = ?", append(args, s.ns, s.coll)
	}
	if s.after {
		query += " AND key > ?"
	} else {
		query += " AND key >= ?"
	}
	args = append(args, s.next)
	if s.end != "" {
		if s.includeEnd {
			query += " AND key <= ?"
		} else {
			query += " AND key < ?"
		}
		args = append(args, s.end)
	}
	return query + " ORDER BY key LIMIT ?", append(args, s.size)
}
