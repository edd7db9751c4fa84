package ledger_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	querypb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/queryresult"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/mango"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

func mustIndex(t testing.TB, text string) *mango.Index {
	t.Helper()
	ix, err := mango.ParseIndex([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

// fill commits a block with one transaction that writes many keys.
func (a *author) fill(t testing.TB, values map[string]string) {
	t.Helper()
	a.commit(t, a.tx(a.simulate(t, func(sim *ledger.Simulator) error {
		for key, value := range values {
			if err := sim.PutState("cc", key, []byte(value)); err != nil {
				return err
			}
		}
		return nil
	}).Public))
}

// ask answers a GetQueryResult as a chaincode gets it: all results, and the last answer.
func ask(t testing.TB, sim *ledger.Simulator, query string, page *peerpb.QueryMetadata) (keys, values []string, last *peerpb.QueryResponse, err error) {
	t.Helper()
	r := ledger.NewRequests(sim, "cc", ledger.RequestOptions{})
	defer r.Close()
	m := &peerpb.GetQueryResult{Query: query}
	if page != nil {
		m.Metadata = mustMarshal(t, page)
	}
	request := &peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_GET_QUERY_RESULT, Payload: mustMarshal(t, m)}
	for {
		raw, err := r.Handle(bg, request)
		if err != nil {
			return nil, nil, nil, err
		}
		last = new(peerpb.QueryResponse)
		mustUnmarshal(t, raw, last)
		for _, result := range last.GetResults() {
			kv := new(querypb.KV)
			mustUnmarshal(t, result.GetResultBytes(), kv)
			keys, values = append(keys, kv.GetKey()), append(values, string(kv.GetValue()))
		}
		if !last.GetHasMore() {
			return keys, values, last, nil
		}
		request = &peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_QUERY_STATE_NEXT, Payload: mustMarshal(t, &peerpb.QueryStateNext{Id: last.GetId()})}
	}
}

func mustUnmarshal(t testing.TB, raw []byte, into proto.Message) {
	t.Helper()
	if err := proto.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// found is ask for a query that must be answered.
func found(t testing.TB, l *ledger.Ledger, query string) string {
	t.Helper()
	sim, err := l.NewSimulator(bg, "tx")
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Done()
	keys, _, _, err := ask(t, sim, query, nil)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return strings.Join(keys, " ")
}

// A query finds committed documents; each one found is read, the question itself leaves
// nothing in the read set.
func TestRichQueryIsReadByKey(t *testing.T) {
	a := &author{l: MustTemp(t, ledger.Options{CouchDB: true})}
	a.fill(t, map[string]string{"a": `{"n":1,"b":2}`, "b": `{"n":2}`, "c": `{"n":3}`, "d": `n`})
	result := a.simulate(t, func(sim *ledger.Simulator) error {
		if err := sim.PutState("cc", "e", []byte(`{"n":9}`)); err != nil { // not seen
			return err
		}
		keys, values, _, err := ask(t, sim, `{"selector":{"n":{"$ne":2}}}`, nil)
		if got := fmt.Sprint(keys, values); got != `[a c] [{"b":2,"n":1} {"n":3}]` {
			t.Errorf("found %s", got)
		}
		return errors.Join(err, sim.PutState("cc", "f", []byte("1")))
	})
	set, err := wire.ParseRWSet(result.Public)
	if err != nil {
		t.Fatal(err)
	}
	kv := set.Namespaces[0].KV
	if len(kv.GetRangeQueriesInfo()) != 0 || len(kv.GetWrites()) != 2 {
		t.Errorf("the set has %d ranges, %d writes", len(kv.GetRangeQueriesInfo()), len(kv.GetWrites()))
	}
	var reads []string
	for _, read := range kv.GetReads() {
		reads = append(reads, fmt.Sprint(read.GetKey(), read.GetVersion().GetBlockNum()))
	}
	if got := strings.Join(reads, " "); got != "a0 c0" {
		t.Errorf("reads %s", got)
	}
}

// With a key-value store the question is refused, in the protocol's words; with CouchDB it is
// refused what CouchDB refuses.
func TestRichQueryRefusals(t *testing.T) {
	plain, couch := MustTemp(t, ledger.Options{}), MustTemp(t, ledger.Options{CouchDB: true})
	page := &peerpb.QueryMetadata{PageSize: 2}
	for _, c := range []struct {
		l     *ledger.Ledger
		query string
		page  *peerpb.QueryMetadata
		want  string
	}{
		{plain, `{"selector":{}}`, nil, "ExecuteQuery not supported for leveldb"},
		{plain, `{"selector":{}}`, page, "ExecuteQueryWithMetadata not supported for leveldb"},
		{couch, `{"selector":{"a":{"$no":1}}}`, nil, "error handling CouchDB request. Error:invalid_operator,  Status Code:400,  Reason:Invalid operator: $no"},
		{couch, `{"selector":{},"sort":["a"]}`, page, "error handling CouchDB request. Error:no_usable_index,  Status Code:400,  Reason:No index exists for this sort"},
		{couch, `{"selector":{}}`, &peerpb.QueryMetadata{PageSize: 2, Bookmark: "?"}, "Error:invalid_bookmark,  Status Code:400"},
		{couch, `{`, nil, "Error:bad_request,  Status Code:400"},
	} {
		if _, _, _, err := ask(t, mustSimulator(t, c.l), c.query, c.page); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.query, err, c.want)
		}
	}
	sim := mustSimulator(t, couch)
	if _, _, _, err := ask(t, sim, `{"selector":{}}`, page); err != nil {
		t.Fatal(err)
	}
	if err := sim.PutState("cc", "k", []byte("v")); err == nil || !strings.Contains(err.Error(), "Transaction has already performed a paginated query. Writes are not allowed") {
		t.Errorf("a write after a paginated query: %v", err)
	}
	sim = mustSimulator(t, couch)
	if err := sim.PutState("cc", "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := ask(t, sim, `{"selector":{}}`, page); err == nil || !strings.Contains(err.Error(), "Paginated queries are supported only in a read-only transaction") {
		t.Errorf("a paginated query after a write: %v", err)
	}
	for key, value := range map[string]string{"": "v", "_k": "v", "k": `{"_id":1}`} {
		if err := mustSimulator(t, couch).PutState("cc", key, []byte(value)); err == nil {
			t.Errorf("CouchDB takes %q = %s", key, value)
		}
		if err := mustSimulator(t, plain).PutState("cc", key, []byte(value)); err != nil {
			t.Errorf("a key-value store does not take %q = %s: %v", key, value, err)
		}
	}
}

// Pages are of the size asked for and go on where the one before ended; a query's own limit
// is overridden by the peer, as Fabric's does.
func TestRichQueryPages(t *testing.T) {
	a := &author{l: MustTemp(t, ledger.Options{CouchDB: true})}
	values := map[string]string{}
	for i := range 250 {
		values[fmt.Sprintf("k%03d", i)] = fmt.Sprintf(`{"n":%d,"even":%v}`, i%10, i%2 == 0)
	}
	a.fill(t, values)
	if err := a.l.CreateIndexes(bg, "cc", []*mango.Index{mustIndex(t, `{"index":{"fields":["n"]},"ddoc":"n","name":"n"}`)}); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{`{"selector":{"even":true}}`, `{"selector":{"n":{"$gt":3},"even":true}}`, `{"selector":{"even":true},"sort":[{"n":"desc"}]}`,
		`{"selector":{"even":true},"limit":3}`} {
		want := found(t, a.l, query)
		if n := len(strings.Fields(want)); n != 125 && n != 75 {
			t.Errorf("%s finds %d", query, n)
		}
		var got []string
		page := &peerpb.QueryMetadata{PageSize: 30}
		for count := int32(30); count == 30; {
			keys, _, last, err := ask(t, mustSimulator(t, a.l), query, page)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, keys...)
			told := new(peerpb.QueryResponseMetadata)
			mustUnmarshal(t, last.GetMetadata(), told)
			if count = told.GetFetchedRecordsCount(); int(count) != len(keys) {
				t.Errorf("%d records are told, %d came", count, len(keys))
			}
			page.Bookmark = told.GetBookmark()
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: pages give %v, in one go it is %s", query, got, want)
		}
		keys, _, last, err := ask(t, mustSimulator(t, a.l), query, page)
		told := new(peerpb.QueryResponseMetadata)
		if mustUnmarshal(t, last.GetMetadata(), told); err != nil || len(keys) != 0 || told.GetBookmark() != "nil" {
			t.Errorf("after the end: %v, %v, bookmark %q", keys, err, told.GetBookmark())
		}
	}
	if got := found(t, a.l, `{"selector":{"even":true},"skip":123}`); got != "k246 k248" {
		t.Errorf("skipping 123 leaves %s", got)
	}
}

// Indexes live with the file: they are made once, replaced when their definition changes,
// follow every commit, and are there when the file is opened again.
func TestRichIndexes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	byN := mustIndex(t, `{"index":{"fields":["n"]},"ddoc":"d","name":"n"}`)
	recorder := trace.NewRecorder(trace.Options{})
	open := func() *ledger.Ledger {
		l, err := ledger.Open(path, ledger.Options{CouchDB: true, Trace: recorder})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	made := func() int { return len(eventsOf(recorder, trace.IndexMade)) }
	create := func(l *ledger.Ledger, indexes ...*mango.Index) {
		t.Helper()
		if err := l.CreateIndexes(bg, "c'c", indexes); err != nil {
			t.Fatal(err)
		}
		if err := l.CreateIndexes(bg, "cc", indexes); err != nil {
			t.Fatal(err)
		}
	}
	l := open()
	a := &author{l: l}
	a.fill(t, map[string]string{"a": `{"n":3}`, "b": `{"n":"x"}`, "c": `{"m":1}`, "d": `text`})
	old := mustSimulator(t, l)
	if _, err := old.GetState("cc", "a"); err != nil { // its view is open
		t.Fatal(err)
	}
	create(l, byN)
	create(l, byN)
	if n := made(); n != 2 {
		t.Errorf("%d indexes were made, want one a namespace", n)
	}
	a.fill(t, map[string]string{"a": `{"n":"y"}`, "e": `{"n":null}`, "b": ``})
	const sorted = `{"selector":{},"sort":["n"]}`
	if got := found(t, l, sorted); got != "e a" {
		t.Errorf("sorted: %s", got)
	}
	if keys, _, _, err := ask(t, old, `{"selector":{"n":{"$gt":null}}}`, nil); err != nil || fmt.Sprint(keys) != "[a b]" {
		t.Errorf("at the height before: %v, %v", keys, err)
	}
	old.Done()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := ledger.Check(bg, path, nil)
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("the check of a file with indexes: %+v, %v", report, err)
	}
	if _, err := ledger.Rebuild(bg, path, nil); err != nil {
		t.Fatal(err)
	}
	l = open()
	defer l.Close()
	create(l, byN, mustIndex(t, `{"index":{"fields":["m"]},"ddoc":"d","name":"m"}`))
	if got := found(t, l, sorted); got != "e a" {
		t.Errorf("sorted, after a rebuild: %s", got)
	}
	create(l, mustIndex(t, `{"index":{"fields":["m","n"]},"ddoc":"d","name":"n"}`))
	if _, _, _, err := ask(t, mustSimulator(t, l), sorted, nil); err == nil {
		t.Error("the index that was replaced is still there")
	}
}

func eventsOf(recorder *trace.Recorder, kind trace.Kind) (found []trace.Event) {
	events, _, _ := recorder.Since(0, 1<<20)
	for _, e := range events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// The plan reaches the trace, a warning also the log; SQLite walks the index that the plan
// names instead of sorting.
func TestRichQueryIsTraced(t *testing.T) {
	var log bytes.Buffer
	recorder := trace.NewRecorder(trace.Options{})
	l := MustTemp(t, ledger.Options{CouchDB: true, Trace: recorder, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := l.CreateIndexes(bg, "cc", []*mango.Index{mustIndex(t, `{"index":{"fields":["n","m"]},"ddoc":"d","name":"n"}`)}); err != nil {
		t.Fatal(err)
	}
	found(t, l, `{"selector":{"n":1,"m":{"$gt":2}}}`)
	found(t, l, `{"selector":{"n":1}}`)
	events := eventsOf(recorder, trace.RichQuery)
	if len(events) != 2 || events[0].What != trace.ByIndex || events[0].Name != "_design/d, n" || events[1].What != trace.NoIndex || events[1].Key != `{"selector":{"n":1}}` {
		t.Errorf("traced as %+v", events)
	}
	if text := log.String(); strings.Count(text, "caused the following warning") != 1 || !strings.Contains(text, "No matching index found") {
		t.Errorf("the log has %s", text)
	}
	for _, query := range []string{`{"selector":{"n":1,"m":{"$gt":2}}}`, `{"selector":{"m":{"$gt":2}},"sort":["n"]}`} {
		plan, err := l.ExplainRich("cc", query)
		if err != nil || !strings.Contains(plan, "USING INDEX mango:cc:") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s: SQLite does %s, %v", query, plan, err)
		}
	}
}

// Over random states and commits, a query with indexes gives what the rows give that are
// looked at one by one, in the order of the index.
func TestRichQueriesAgreeWithALook(t *testing.T) {
	d := rand.New(rand.NewPCG(1, 4))
	a := &author{l: MustTemp(t, ledger.Options{CouchDB: true})}
	indexes := []*mango.Index{mustIndex(t, `{"index":{"fields":["n"]},"ddoc":"d","name":"n"}`), mustIndex(t, `{"index":{"fields":["s","n"]},"ddoc":"d","name":"s"}`)}
	value := func() string {
		some := []string{"null", "true", "1", "2", "-1.5", `"a"`, `"A"`, `"b"`, "[1]", `{"n":1}`}
		text, _ := json.Marshal(map[string]json.RawMessage{[]string{"n", "m"}[d.IntN(2)]: json.RawMessage(some[d.IntN(len(some))]), "s": json.RawMessage(some[d.IntN(len(some))])})
		return string(text)
	}
	state := map[string]string{}
	for round := range 12 {
		written := map[string]string{}
		for range 20 {
			key := fmt.Sprintf("k%02d", d.IntN(60))
			written[key] = []string{value(), value(), value(), "text", ""}[d.IntN(5)]
		}
		a.fill(t, written)
		for key, v := range written {
			if state[key] = v; v == "" {
				delete(state, key)
			}
		}
		if round == 3 {
			if err := a.l.CreateIndexes(bg, "cc", indexes); err != nil {
				t.Fatal(err)
			}
		}
		for _, selector := range []string{`{"n":{"$gt":1}}`, `{"n":{"$lte":"a"}}`, `{"s":"a","n":{"$exists":true}}`, `{"s":{"$gte":2},"n":{"$lt":true}}`, `{"n":{"$in":[1,"a"]}}`} {
			query := `{"selector":` + selector + `}`
			got := strings.Fields(found(t, a.l, query))
			slices.Sort(got)
			if want := look(t, query, state); !slices.Equal(got, want) {
				t.Fatalf("round %d: %s finds %v, want %v", round, query, got, want)
			}
		}
	}
	keyer, last := indexes[1].Keyer(), ""
	for _, key := range strings.Fields(found(t, a.l, `{"selector":{"n":{"$gte":null}},"sort":["s"]}`)) {
		place := string(keyer.Key(key, []byte(state[key]))) + key
		if place <= last {
			t.Errorf("%s comes too late", key)
		}
		last = place
	}
}

// look finds without any index.
func look(t testing.TB, query string, state map[string]string) (keys []string) {
	t.Helper()
	q, err := mango.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range state {
		if _, ok, err := q.Matcher().Match(key, []byte(value)); err != nil {
			t.Fatal(err)
		} else if ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
