package mango_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/internal/mango"
)

func mustParse(t testing.TB, text string) *mango.Query {
	t.Helper()
	q, err := mango.ParseQuery(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

func mustIndex(t testing.TB, text string) *mango.Index {
	t.Helper()
	ix, err := mango.ParseIndex([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return ix
}

// docs are what the cases below look at.
var docs = map[string]string{
	"car1":  `{"type":"car","colour":"red","doors":5,"owner":{"name":"Ann","town":"Ulm"},"tags":["old","fast"]}`,
	"car2":  `{"type":"car","colour":"Blue","doors":3,"owner":{"name":"bob"},"tags":[]}`,
	"car3":  `{"type":"car","doors":null,"sold":true,"a.b":1}`,
	"boat1": `{"type":"boat","colour":"blue","length":7.5,"crew":[{"name":"Cy","age":30},{"name":"Di","age":17}]}`,
	"text":  `just text`,
	"list":  `[{"type":"car"}]`,
	"null":  `null`,
}

// Each operator with what it finds. Values that are no JSON object are never among it.
func TestSelectors(t *testing.T) {
	for selector, want := range map[string]string{
		`{}`:             "boat1 car1 car2 car3",
		`{"type":"car"}`: "car1 car2 car3",
		`{"type":{"$eq":"car"},"doors":{"$gt":3}}`:                "car1",
		`{"doors":{"$gte":3}}`:                                    "car1 car2",
		`{"doors":{"$lt":5}}`:                                     "car2 car3", // null is less than any number
		`{"doors":{"$lte":null}}`:                                 "car3",
		`{"colour":{"$ne":"red"}}`:                                "boat1 car2", // a missing field is not found
		`{"colour":{"$gt":"blue"}}`:                               "car1 car2",  // blue, Blue, red
		`{"colour":{"$in":["red","blue"]}}`:                       "boat1 car1",
		`{"tags":{"$in":["fast"]}}`:                               "car1",
		`{"tags":{"$nin":["fast"]}}`:                              "car2",
		`{"sold":{"$exists":true}}`:                               "car3",
		`{"sold":{"$exists":false}}`:                              "boat1 car1 car2",
		`{"doors":{"$type":"null"}}`:                              "car3",
		`{"tags":{"$size":0}}`:                                    "car2",
		`{"doors":{"$mod":[2,1]}}`:                                "car1 car2",
		`{"length":{"$mod":[2,1]}}`:                               "", // not a whole number
		`{"colour":{"$regex":"^[Bb]lue$"}}`:                       "boat1 car2",
		`{"colour":{"$beginsWith":"B"}}`:                          "car2",
		`{"tags":{"$all":["old","fast"]}}`:                        "car1",
		`{"tags":{"$all":[]}}`:                                    "",
		`{"tags":{"$elemMatch":{"$eq":"old"}}}`:                   "car1",
		`{"crew":{"$elemMatch":{"age":{"$lt":18}}}}`:              "boat1",
		`{"crew":{"$allMatch":{"age":{"$lt":18}}}}`:               "",
		`{"crew":{"$allMatch":{"age":{"$gt":1}}}}`:                "boat1",
		`{"tags":{"$allMatch":{"$gt":null}}}`:                     "car1", // not of an empty array
		`{"owner":{"$keyMapMatch":{"$eq":"town"}}}`:               "car1",
		`{"owner.name":"bob"}`:                                    "car2",
		`{"owner":{"name":"bob"}}`:                                "car2",
		`{"owner":{"$eq":{"name":"bob"}}}`:                        "car2",
		`{"crew.1.name":"Di"}`:                                    "boat1",
		`{"a\\.b":1}`:                                             "car3",
		`{"$or":[{"sold":true},{"length":{"$gt":1}}]}`:            "boat1 car3",
		`{"$and":[{"type":"car"},{"colour":"red"}]}`:              "car1",
		`{"$nor":[{"colour":"red"},{"type":"boat"}]}`:             "car2", // car3 has no colour
		`{"$not":{"colour":"red"}}`:                               "boat1 car2",
		`{"colour":{"$not":{"$regex":"e$"}}}`:                     "car1",
		`{"$not":{"$or":[{"type":"boat"},{"doors":5}]}}`:          "car2 car3",
		`{"$not":{"sold":{"$exists":true}}}`:                      "boat1 car1 car2",
		`{"_id":{"$gte":"car2"}}`:                                 "car2 car3",
		`{"_id":{"$in":["car1","text"]}}`:                         "car1",
		`{"$or":[]}`:                                              "boat1 car1 car2 car3",
		`{"owner":{}}`:                                            "",
		`{"doors":{"$gt":"z"}}`:                                   "",
		`{"doors":{"$gt":true,"$lt":"a"},"type":{"$in":["car"]}}`: "car1 car2",
	} {
		matcher := mustParse(t, `{"selector":`+selector+`}`).Matcher()
		var found []string
		for key, doc := range docs {
			if _, ok, err := matcher.Match(key, []byte(doc)); err != nil {
				t.Fatal(err)
			} else if ok {
				found = append(found, key)
			}
		}
		slices.Sort(found)
		if got := strings.Join(found, " "); got != want {
			t.Errorf("%s finds %q, want %q", selector, got, want)
		}
	}
}

// The answer is the document with its members in order, or the fields asked for.
func TestFields(t *testing.T) {
	for fields, want := range map[string]string{
		`null`:                         "", // refused, see TestErrors
		`["type"]`:                     `{"type":"car"}`,
		`["owner.name","tags.1","no"]`: `{"owner":{"name":"Ann"},"tags":{"1":"fast"}}`,
		`["owner","owner.town"]`:       `{"owner":{"name":"Ann","town":"Ulm"}}`,
		`["owner.town","owner"]`:       `{"owner":{"name":"Ann","town":"Ulm"}}`,
		`["tags","tags.1","_id"]`:      `{"tags":["old","fast"]}`,
		`[]`:                           `{}`,
	} {
		if want == "" {
			continue
		}
		got, ok, err := mustParse(t, `{"selector":{},"fields":`+fields+`}`).Matcher().Match("car1", []byte(docs["car1"]))
		if string(got) != want || !ok || err != nil {
			t.Errorf("fields %s: %s, %v, %v, want %s", fields, got, ok, err, want)
		}
	}
	got, _, err := mustParse(t, `{"selector":{}}`).Matcher().Match("k", []byte(`{"b":1.50,"a":[ 1 ]}`))
	if string(got) != `{"a":[1],"b":1.50}` || err != nil {
		t.Errorf("the whole document is answered as %s, %v", got, err)
	}
}

// What is wrong is named as CouchDB names it, with its place.
func TestErrors(t *testing.T) {
	deep := strings.Repeat(`{"$not":`, 100) + `{}` + strings.Repeat(`}`, 100)
	many := `{"$or":[` + strings.TrimSuffix(strings.Repeat(`{"a":1},`, 10_001), ",") + `]}`
	for query, want := range map[string]string{
		`{"selector":{"a":{"$like":"x"}}}`:                                  "invalid_operator: Invalid operator: $like (at a; the operators are $eq",
		`{"selector":{"a":{"b":{"$text":"x"}}}}`:                            "invalid_operator: Invalid operator: $text (at a.b; there are no text indexes; use $regex)",
		`{"selector":{"$xor":[]}}`:                                          "Invalid operator: $xor (at the selector;",
		`{"selector":{"a":{"$in":1}}}`:                                      "bad_arg: Bad argument for operator $in: 1 (at a; it takes a list of values)",
		`{"selector":{"a":{"$mod":[0,1]}}}`:                                 "Bad argument for operator $mod",
		`{"selector":{"a":{"$mod":[2]}}}`:                                   "Bad argument for operator $mod",
		`{"selector":{"a":{"$size":-1}}}`:                                   "Bad argument for operator $size",
		`{"selector":{"a":{"$exists":"yes"}}}`:                              "Bad argument for operator $exists",
		`{"selector":{"a":{"$type":1}}}`:                                    "Bad argument for operator $type",
		`{"selector":{"a":{"$regex":"(?=x)"}}}`:                             "Bad argument for operator $regex",
		`{"selector":{"a":{"$regex":"` + strings.Repeat("x", 1001) + `"}}}`: "at most 1,000 bytes",
		`{"selector":{"a":{"$elemMatch":[1]}}}`:                             "Bad argument for operator $elemMatch",
		`{"selector":{"$and":{}}}`:                                          "Bad argument for operator $and",
		`{"selector":{"$or":[1]}}`:                                          "Bad argument for operator $or",
		`{"selector":{"$not":1}}`:                                           "Bad argument for operator $not",
		`{"selector":[]}`:                                                   "invalid_selector_json: Selector must be a JSON object, not: []",
		`{"selector":` + deep + `}`:                                         "more than 64 levels",
		`{"selector":` + many + `}`:                                         "more than 10000 conditions",
		`{}`:                                                                "missing_required_key: Missing required key: selector",
		`[]`:                                                                "bad_request",
		`{"selector":{}} x`:                                                 "bad_request",
		strings.Repeat(" ", 1<<20) + `{"selector":{}}`:                      "more than 1048576",
		`{"selector":{},"fields":"a"}`:                                      "fields definition must be an array",
		`{"selector":{},"fields":null}`:                                     "fields definition must be an array",
		`{"selector":{},"fields":[1]}`:                                      "invalid_field_json",
		`{"selector":{},"limit":-1}`:                                        "Invalid value for limit: -1",
		`{"selector":{},"skip":1.5}`:                                        "Invalid value for skip: 1.5",
		`{"selector":{},"bookmark":1}`:                                      "invalid_bookmark",
		`{"selector":{},"use_index":["a","b","c"]}`:                         "Invalid index name",
		`{"selector":{},"use_index":1}`:                                     "Invalid index name: 1",
		`{"selector":{},"sort":"a"}`:                                        "sort must be an array",
		`{"selector":{},"sort":[{"a":"up"}]}`:                               "Invalid field in sort",
		`{"selector":{},"sort":["a",{"b":"desc"}]}`:                         "unsupported_mixed_sort",
		`{"selector":{},"colour":1}`:                                        "invalid_key: Invalid key colour",
	} {
		_, err := mango.ParseQuery(query)
		var bad *mango.Error
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %q", query, err, want)
		}
	}
	for _, definition := range []string{`{}`, `[]`, `{"index":{"fields":[]}}`, `{"index":{"fields":"a"}}`, `{"index":{"fields":["a"]},"type":"text"}`,
		`{"index":{"fields":["a"],"partial_filter_selector":{"a":{"$no":1}}}}`, `{"index":{"fields":["` + strings.Repeat("x", 1<<16) + `"]}}`} {
		if ix, err := mango.ParseIndex([]byte(definition)); err == nil {
			t.Errorf("%.80s is taken as index %s", definition, ix)
		}
	}
}

// The choice of an index, and what is warned of.
func TestPlan(t *testing.T) {
	colour := mustIndex(t, `{"index":{"fields":["colour"]},"ddoc":"_design/byColour","name":"colour","type":"json"}`)
	both := mustIndex(t, `{"index":{"fields":["type",{"colour":"desc"}]},"ddoc":"both","name":"both"}`)
	sold := mustIndex(t, `{"index":{"fields":["doors"],"partial_filter_selector":{"sold":true}},"ddoc":"sold","name":"sold"}`)
	all := []*mango.Index{both, colour, sold}
	const none = "No matching index found, create an index to optimize query time."
	for query, want := range map[string]string{
		`{"selector":{"colour":"red"}}`:                                   "colour",
		`{"selector":{"colour":"red","type":"car"}}`:                      "colour", // fewer fields
		`{"selector":{"type":"car","colour":{"$exists":true}}}`:           none,     // half of it is not bounded, as with keys alone
		`{"selector":{"type":"car"}}`:                                     none,     // documents without a colour are not in it
		`{"selector":{"type":"car"},"sort":["colour"]}`:                   "colour", // both fits as well; fewer fields decide
		`{"selector":{"type":"car"},"sort":["type","colour"]}`:            "both",
		`{"selector":{"type":{"$gt":"a"}},"sort":["colour"]}`:             "colour",
		`{"selector":{},"sort":[{"colour":"desc"}]}`:                      "colour",
		`{"selector":{"doors":{"$gt":1}}}`:                                none, // a partial index only by name
		`{"selector":{"doors":{"$gt":1}},"use_index":"_design/sold"}`:     "sold",
		`{"selector":{"doors":{"$gt":1}},"use_index":["sold","sold"]}`:    "sold",
		`{"selector":{"colour":"red"},"use_index":["both","no"]}`:         "colour _design/both, no was not used because it is not a valid index for this query.",
		`{"selector":{"doors":3},"use_index":"byColour"}`:                 "_design/byColour was not used because it does not contain a valid index for this query.",
		`{"selector":{"_id":{"$gt":null}}}`:                               "", // keys have an order of their own
		`{"selector":{"_id":{"$gt":null}},"sort":["_id"]}`:                "",
		`{"selector":{"$or":[{"colour":"red"},{"colour":"blue"}]}}`:       none,
		`{"selector":{"$or":[{"colour":"red"},{"a":1}]},"sort":["type"]}`: "error No index exists for this sort",
		`{"selector":{"colour":"red"},"sort":["doors"]}`:                  "error No index exists for this sort",
	} {
		q := mustParse(t, query)
		plan, err := q.Plan(all)
		got := ""
		switch {
		case err != nil:
			got = "error " + err.Error()
		case plan.Index != nil:
			got = strings.TrimSpace(plan.Index.Name + " " + plan.Warning)
		default:
			got = plan.Warning
		}
		if rest, ok := strings.CutPrefix(want, "error "); ok {
			if err == nil || !strings.Contains(err.Error(), rest) {
				t.Errorf("%s: %s, want an error with %q", query, got, rest)
			}
		} else if got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if again := mustIndex(t, both.Definition()); again.Definition() != both.Definition() {
		t.Errorf("%s is read back as %s", both.Definition(), again.Definition())
	}
	unnamed := mustIndex(t, `{"index":{"fields":["a"]}}`)
	if unnamed.Name == "" || unnamed.Design == "" {
		t.Errorf("an index without a name is called %q", unnamed)
	}
}

func TestBookmarks(t *testing.T) {
	for _, p := range []mango.Position{{ID: "k"}, {ID: "a\x00b", Key: []byte{1, 0, 255}}} {
		got, err := mango.ParseBookmark(p.Bookmark())
		if err != nil || fmt.Sprint(*got) != fmt.Sprint(p) {
			t.Errorf("%v comes back as %v, %v", p, got, err)
		}
	}
	for _, begin := range []string{"", "nil"} {
		if p, err := mango.ParseBookmark(begin); p != nil || err != nil {
			t.Errorf("%q means %v, %v", begin, p, err)
		}
	}
	for _, bad := range []string{"x", "%%%", strings.Repeat("A", 1<<17)} {
		if _, err := mango.ParseBookmark(bad); err == nil || !strings.Contains(err.Error(), "invalid_bookmark") {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

// What CouchDB could not keep is refused in the protocol's words.
func TestLegal(t *testing.T) {
	for key, want := range map[string]string{"a": "", "_a": `invalid key [_a], cannot begin with "_"`, "": "invalid key. Empty string is not supported as a key by couchdb"} {
		if err := mango.CheckKey(key); fmt.Sprint(err) != want && (err != nil || want != "") {
			t.Errorf("key %q: %v, want %s", key, err, want)
		}
	}
	for value, want := range map[string]string{`{"a":{"_b":1}}`: "", `_x`: "", `{"_id":1}`: "field [_id] is not valid for the CouchDB state database",
		`{"~version":1}`: "field [~version] is not valid for the CouchDB state database"} {
		if err := mango.CheckValue([]byte(value)); fmt.Sprint(err) != want && (err != nil || want != "") {
			t.Errorf("value %s: %v, want %s", value, err, want)
		}
	}
}

// Numbers are compared exactly up to 64 bits, and their keys are too.
func TestNumbers(t *testing.T) {
	keyer := mustIndex(t, `{"index":{"fields":["a"]}}`).Keyer()
	ascending := []string{"-1e400", "-9223372036854775808", "-9007199254740993", "-9007199254740992", "-1.5", "-1", "0", "0.5", "1", "9007199254740992",
		"9007199254740993", "9223372036854775806", "9223372036854775807", "9223372036854775808", "1e400"}
	last := ""
	for i, n := range ascending {
		key := string(keyer.Key("k", []byte(`{"a":`+n+`}`)))
		if i > 0 && key <= last {
			t.Errorf("%s is not after %s", n, ascending[i-1])
		}
		last = key
	}
	for _, same := range [][2]string{{"1", "1.0"}, {"0", "-0.0"}, {"100", "1e2"}} {
		q := mustParse(t, `{"selector":{"a":`+same[0]+`}}`)
		if _, ok, _ := q.Matcher().Match("k", []byte(`{"a":`+same[1]+`}`)); !ok {
			t.Errorf("%s is not %s", same[0], same[1])
		}
	}
}

// Neither a query nor a definition nor a document makes trouble.
func FuzzQuery(f *testing.F) {
	for _, doc := range docs {
		f.Add(`{"selector":{"type":"car","$or":[{"doors":{"$gt":1}},{"tags":{"$elemMatch":{"$eq":"old"}}}]},"fields":["type"],"sort":["type"],"skip":1}`, doc)
	}
	f.Add(`{"selector":{"$nor":[{"a":{"$not":{"$mod":[2,0]}}}]}}`, `{"a":-1e999}`)
	f.Fuzz(func(t *testing.T, query, doc string) {
		ix, err := mango.ParseIndex([]byte(doc))
		var indexes []*mango.Index
		if err == nil {
			if again, err := mango.ParseIndex([]byte(ix.Definition())); err != nil || again.Definition() != ix.Definition() {
				t.Fatalf("%s is read back as %v, %v", ix.Definition(), again, err)
			}
			indexes = append(indexes, ix)
		}
		q, err := mango.ParseQuery(query)
		if err != nil {
			return
		}
		_, found, err := q.Matcher().Match("k", []byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := mango.Decode([]byte(doc)); found && !ok {
			t.Fatal("found what is no document")
		}
		if _, err := q.Plan(indexes); err != nil {
			var bad *mango.Error
			if !errors.As(err, &bad) {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	matcher := mustParse(b, `{"selector":{"type":"car","doors":{"$gt":3},"owner.name":{"$in":["Ann","Bea"]}}}`).Matcher()
	doc := []byte(docs["car1"])
	for b.Loop() {
		if _, ok, _ := matcher.Match("car1", doc); !ok {
			b.Fatal("not found")
		}
	}
}
