package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	querypb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/queryresult"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/mango"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Rich queries are answered from the table of the public state. Without an index all
// values of the namespace are read in the order of their keys and judged one by one. An
// index of a chaincode's package is a SQLite index over an expression, the function
// mango_key, which gives each document its place in the index's order as bytes; what
// is not in the index has none. The definition is the index's name in the file: so a view
// sees the indexes of its own height, and nothing has to be kept in step.

// richPrefix begins the name of such an index; namespace, ":" and the definition follow.
const richPrefix = "mango:"

// maxIndexes bounds the indexes of one namespace.
const maxIndexes = 100

// functions are those that the indexes in the file need.
func functions() map[string]func() any { return map[string]func() any{"mango_key": keyFunction} }

// keyFunction is what SQLite calls mango_key, one for each connection: the connection
// is used by one goroutine at a time, and so are its keyers.
func keyFunction() any {
	keyers := map[string]*mango.Keyer{}
	return func(definition, key string, value []byte) []byte {
		keyer := keyers[definition]
		if keyer == nil {
			ix, err := mango.ParseIndex([]byte(definition))
			if err != nil {
				return nil // it was parsed before it came into the file
			}
			if len(keyers) >= maxIndexes {
				clear(keyers)
			}
			keyer = ix.Keyer()
			keyers[definition] = keyer
		}
		return keyer.Key(key, value)
	}
}

// keyExpression is an index's expression in SQL. It costs other namespaces nothing.
func keyExpression(ns string, ix *mango.Index) string {
	return fmt.Sprintf("CASE WHEN ns = %s THEN mango_key(%s, key, value) END", quoted(ns, "'"), quoted(ix.Definition(), "'"))
}

func quoted(text, quote string) string {
	return quote + strings.ReplaceAll(text, quote, quote+quote) + quote
}

// CreateIndexes makes the indexes of a namespace that are not there yet; one of the same
// name that was defined differently is replaced. A ledger without CouchDB's queries
// makes none. It waits for commits and keeps them waiting.
func (l *Ledger) CreateIndexes(ctx context.Context, ns string, indexes []*mango.Index) error {
	if !l.options.CouchDB || len(indexes) == 0 {
		return nil
	}
	l.committing.Lock()
	defer l.committing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	current, closed := l.current, l.closed
	l.mu.Unlock()
	if closed {
		return ErrClosed
	}
	there, err := richIndexes(l.writer.conn, ns)
	if err != nil {
		return l.db.Explain("read", err)
	}
	byName := map[string]*mango.Index{}
	for _, ix := range there {
		byName[ix.String()] = ix
	}
	for _, ix := range indexes {
		before := byName[ix.String()]
		if before != nil && before.Definition() == ix.Definition() {
			continue
		}
		if before == nil && len(byName) >= maxIndexes {
			return fmt.Errorf("chaincode %s has more than %d indexes; leave out the ones that no query needs", ns, maxIndexes)
		}
		l.db.Admit()
		if err := l.writer.inTransaction(func() error { return l.writer.replaceIndex(ns, before, ix) }); err != nil {
			return fmt.Errorf("make index %s of chaincode %s: %w", ix, ns, err)
		}
		byName[ix.String()] = ix
		l.options.Trace.Record(trace.Event{Kind: trace.IndexMade, What: trace.Told, Node: l.options.Node, Channel: l.options.Channel,
			Key: ix.String(), Name: ns, Note: "on " + strings.Join(ix.Fields, ", ")})
	}
	return current.renew(&l.snapshots, false) // it shall see them as well
}

func (w *writer) replaceIndex(ns string, before, ix *mango.Index) error {
	if before != nil {
		if _, err := w.conn.ExecContext(bg, "DROP INDEX "+quoted(richName(ns, before), `"`)); err != nil {
			return err
		}
	}
	expression := keyExpression(ns, ix)
	_, err := w.conn.ExecContext(bg, fmt.Sprintf("CREATE INDEX %s ON state (%s, key) WHERE %s IS NOT NULL", quoted(richName(ns, ix), `"`), expression, expression))
	return err
}

func richName(ns string, ix *mango.Index) string { return richPrefix + ns + ":" + ix.Definition() }

// richIndexes lists the indexes of a namespace.
func richIndexes(from querier, ns string) (indexes []*mango.Index, err error) {
	prefix := richPrefix + ns + ":"
	err = eachRow(from, func(rows *sql.Rows) error {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		ix, err := mango.ParseIndex([]byte(strings.TrimPrefix(name, prefix)))
		if err == nil {
			indexes = append(indexes, ix)
		}
		return err
	}, "SELECT name FROM sqlite_schema WHERE type = 'index' AND substr(name, 1, ?) = ? ORDER BY name", len(prefix), prefix)
	return indexes, err
}

// RichIterator walks over the results of a rich query. Each key that it delivers is read:
// it goes into the read set. Keys that other transactions add meanwhile do not: nothing
// protects against phantoms here (wire.md C.1).
type RichIterator struct {
	sim   *Simulator
	scan  richScanner
	limit int // results to deliver at most, 0 = no limit
	count int
}

// GetQueryResult asks a rich query. Errors of the query are those of CouchDB.
func (s *Simulator) GetQueryResult(ns, query string) (*RichIterator, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ledger.options.CouchDB {
		return nil, errRichQuery
	}
	return s.rich(ns, query, "", 0)
}

// GetQueryPage is GetQueryResult for at most pageSize results (0 or less: no limit) from a
// bookmark on. It is possible only in a transaction that writes nothing.
func (s *Simulator) GetQueryPage(ns, query, bookmark string, pageSize int32) (*RichIterator, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayPage(); err != nil {
		return nil, err
	}
	if !s.ledger.options.CouchDB {
		return nil, errRichPage
	}
	return s.rich(ns, query, bookmark, max(0, int(pageSize)))
}

// couchError is a refusal as a peer passes it on from CouchDB.
func couchError(err error) error {
	var bad *mango.Error
	if errors.As(err, &bad) {
		return fmt.Errorf("error handling CouchDB request. Error:%s,  Status Code:400,  Reason:%s", bad.Name, bad.Reason)
	}
	return err
}

// rich opens a query; the caller holds mu.
func (s *Simulator) rich(ns, text, bookmark string, limit int) (*RichIterator, error) {
	if s.done {
		return nil, ErrDone
	}
	query, err := mango.ParseQuery(text)
	if err != nil {
		return nil, couchError(err)
	}
	if bookmark == "" {
		bookmark = query.Bookmark
	}
	at, err := mango.ParseBookmark(bookmark)
	if err != nil {
		return nil, couchError(err)
	}
	var indexes []*mango.Index
	err = s.view.read(func(conn *sql.Conn) (err error) {
		indexes, err = richIndexes(conn, ns)
		return err
	})
	if err != nil {
		return nil, err
	}
	plan, err := query.Plan(indexes)
	if err != nil {
		return nil, couchError(err)
	}
	s.recordRich(ns, text, plan)
	return &RichIterator{sim: s, limit: limit,
		scan: richScanner{view: s.view, ns: ns, plan: plan, at: at, matcher: query.Matcher(), skip: query.Skip}}, nil
}

// recordRich traces a rich query and how it is answered, and logs what CouchDB would warn of.
func (s *Simulator) recordRich(ns, text string, plan *mango.Plan) {
	what, name, note := trace.NoIndex, "", "all keys are read"
	if plan.Index != nil {
		what, name, note = trace.ByIndex, plan.Index.String(), "index "+plan.Index.String()
	}
	if plan.Warning != "" {
		note += "; warning: " + plan.Warning
		s.ledger.options.Log.Warn(fmt.Sprintf("The query [%s] caused the following warning: [%s]", clipQuery(text), plan.Warning), "chaincode", ns, "tx", s.txID)
	}
	if s.ledger.options.Trace != nil {
		s.record(trace.Event{Kind: trace.RichQuery, What: what, Key: clipQuery(text), Name: name, Note: note})
	}
}

// clipQuery bounds what of a query's text goes into the trace.
func clipQuery(text string) string {
	const most = 500
	text = strings.ToValidUTF8(text, "?")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// Next gives the next result; ok is false at the end.
func (it *RichIterator) Next() (kv *querypb.KV, ok bool, err error) {
	it.sim.mu.Lock()
	defer it.sim.mu.Unlock()
	switch {
	case it.sim.done:
		return nil, false, ErrDone
	case it.limit > 0 && it.count >= it.limit:
		return nil, false, nil
	}
	entry, ok, err := it.scan.step()
	if err != nil || !ok {
		return nil, false, err
	}
	it.count++
	it.sim.noteRead(it.scan.ns, entry.Key, entry.stored, true)
	return &querypb.KV{Namespace: it.scan.ns, Key: entry.Key, Value: entry.result}, true, nil
}

// Bookmark is the place of the last result delivered: where the next page starts. Without
// results it is CouchDB's word for none. That there is one does not mean that more follows.
func (it *RichIterator) Bookmark() (string, error) {
	it.sim.mu.Lock()
	defer it.sim.mu.Unlock()
	if it.sim.done {
		return "", ErrDone
	}
	if it.count == 0 {
		return mango.NoBookmark, nil
	}
	return it.scan.at.Bookmark(), nil
}

// richEntry is a document that a query finds.
type richEntry struct {
	Key    string
	stored Value
	result []byte // what the query answers with
	place  []byte // in the index
}

// richScanner walks over the documents that a query finds, in the order of its plan,
// without keeping the connection between chunks.
type richScanner struct {
	view    *View
	ns      string
	plan    *mango.Plan
	matcher *mango.Matcher
	skip    int

	at   *mango.Position // of the last document delivered; nil at the beginning
	read *mango.Position // of the last document read
	rows []richEntry
	done bool // the file has no more rows
}

func (s *richScanner) step() (entry richEntry, ok bool, err error) {
	for len(s.rows) == 0 {
		if s.done {
			return richEntry{}, false, nil
		}
		if err := s.fill(); err != nil {
			return richEntry{}, false, err
		}
	}
	entry, s.rows = s.rows[0], s.rows[1:]
	s.at = &mango.Position{Key: entry.place, ID: entry.Key}
	return entry, true, nil
}

// fill reads the next rows and keeps those that the query finds.
func (s *richScanner) fill() error {
	if s.read == nil {
		s.read = s.at
	}
	query, args := s.query()
	seen := 0
	err := s.view.read(func(conn *sql.Conn) error {
		return eachRow(conn, func(rows *sql.Rows) error {
			var entry richEntry
			var pos int64
			if err := rows.Scan(&entry.Key, &pos, &entry.stored.Value, &entry.stored.Metadata, &entry.place); err != nil {
				return err
			}
			entry.stored.Version = versionAt(pos)
			seen++
			s.read = &mango.Position{Key: entry.place, ID: entry.Key}
			return s.judge(entry)
		}, query, args...)
	})
	s.done = seen < chunk
	return err
}

func (s *richScanner) judge(entry richEntry) error {
	result, ok, err := s.matcher.Match(entry.Key, entry.stored.Value)
	switch {
	case err != nil || !ok:
		return err
	case s.skip > 0:
		s.skip--
		return nil
	}
	entry.result = result
	s.rows = append(s.rows, entry)
	return nil
}

// query writes the statement for the next chunk.
func (s *richScanner) query() (query string, args []any) {
	beyond, direction := ">", ""
	if s.plan.Desc {
		beyond, direction = "<", " DESC"
	}
	if s.plan.Index == nil {
		query, args = "SELECT key, pos, value, metadata, NULL FROM state WHERE ns = ?", append(args, s.ns)
		if s.read != nil {
			query, args = query+" AND key "+beyond+" ?", append(args, s.read.ID)
		}
		return query + " ORDER BY key" + direction + " LIMIT ?", append(args, chunk)
	}
	place := keyExpression(s.ns, s.plan.Index)
	query = "SELECT key, pos, value, metadata, " + place + " FROM state WHERE " + place + " IS NOT NULL"
	if s.plan.From != nil {
		query, args = query+" AND "+place+" >= ?", append(args, s.plan.From)
	}
	if s.plan.To != nil {
		query, args = query+" AND "+place+" < ?", append(args, s.plan.To)
	}
	if s.read != nil {
		key := s.read.Key
		if key == nil {
			key = []byte{} // NULL compares with nothing
		}
		query += " AND " + place + " " + beyond + "= ? AND (" + place + " " + beyond + " ? OR key " + beyond + " ?)"
		args = append(args, key, key, s.read.ID)
	}
	return query + " ORDER BY " + place + direction + ", key" + direction + " LIMIT ?", append(args, chunk)
}

// richQuery opens a rich query and answers with its first results. A ledger without
// CouchDB's queries refuses, after the same checks.
func (r *Requests) richQuery(m *peerpb.GetQueryResult) ([]byte, error) {
	page, err := queryMetadata(m.GetMetadata())
	if err != nil {
		return nil, err
	}
	q := &query{limit: r.options.QueryLimit}
	var it *RichIterator
	switch {
	case m.GetCollection() != "":
		if err := r.mayRead(m.GetCollection()); err != nil {
			return nil, err
		}
		return nil, r.sim.privateRichQuery(r.namespace, m.GetCollection())
	case paginated(page):
		if size := int(page.GetPageSize()); size > 0 && size < q.limit {
			q.limit = size
		}
		it, err = r.sim.GetQueryPage(r.namespace, m.GetQuery(), page.GetBookmark(), page.GetPageSize())
		if err == nil {
			q.bookmark = it.Bookmark
		}
	default:
		it, err = r.sim.GetQueryResult(r.namespace, m.GetQuery())
	}
	if err != nil {
		return nil, err
	}
	q.next = marshalled(it.Next)
	return r.open(q)
}

// marshalled is an iterator's Next in the form of a query.
func marshalled(next func() (*querypb.KV, bool, error)) func() ([]byte, error) {
	return func() ([]byte, error) {
		kv, ok, err := next()
		if err != nil || !ok {
			return nil, err
		}
		return proto.Marshal(kv)
	}
}

// checkLegal refuses what CouchDB could not keep.
func (s *Simulator) checkLegal(ns, key string, value []byte) error {
	if !s.ledger.options.CouchDB {
		return nil
	}
	if err := mango.CheckKey(key); err != nil {
		return err
	}
	return mango.CheckValue(value)
}
