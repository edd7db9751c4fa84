package mango_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/internal/mango"
)

// The reference: CouchDB's rules as plainly as possible, on the selector's JSON itself, with
// no tree, no collation and no keys. It knows the strings of the property tests only.

// refStrings are the strings that property tests use, in CouchDB's order.
var refStrings = []string{"", "_x", "-", "1", "a", "A", "ab", "aB", "b", "B", "é", "f"}

func refType(v any) int {
	switch v := v.(type) {
	case nil:
		return 0
	case bool:
		if !v {
			return 1
		}
		return 2
	case float64:
		return 3
	case string:
		return 4
	case []any:
		return 5
	}
	return 6
}

func refCompare(a, b any) int {
	if c := cmp.Compare(refType(a), refType(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case float64:
		return cmp.Compare(a, b.(float64))
	case string:
		return cmp.Compare(slices.Index(refStrings, a), slices.Index(refStrings, b.(string)))
	case []any:
		b := b.([]any)
		for i := range min(len(a), len(b)) {
			if c := refCompare(a[i], b[i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(a), len(b))
	case map[string]any:
		b := b.(map[string]any)
		x, y := slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b))
		for i := range min(len(x), len(y)) {
			if c := refCompare(x[i], y[i]); c != 0 {
				return c
			}
			if c := refCompare(a[x[i]], b[y[i]]); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(x), len(y))
	}
	return 0
}

func refField(doc any, path string) (any, bool) {
	if path == "" {
		return doc, true
	}
	for _, name := range strings.Split(path, ".") {
		switch d := doc.(type) {
		case map[string]any:
			v, ok := d[name]
			if !ok {
				return nil, false
			}
			doc = v
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(d) {
				return nil, false
			}
			doc = d[i]
		default:
			return nil, false
		}
	}
	return doc, true
}

// refMatch judges a selector at a path. not is whether it stands under an odd number of
// negations: they reach the conditions, and a missing field fails those all the same.
func refMatch(selector map[string]any, doc any, path string, not bool) bool {
	if len(selector) == 0 && path != "" {
		return refCondition("$eq", selector, doc, path, not)
	}
	var results []bool
	for name, arg := range selector {
		results = append(results, refMember(name, arg, doc, path, not))
	}
	if len(results) == 0 {
		return true
	}
	if not {
		return slices.Contains(results, true)
	}
	return !slices.Contains(results, false)
}

func refMember(name string, arg, doc any, path string, not bool) bool {
	switch name {
	case "$and", "$or", "$nor":
		inside := not != (name == "$nor")
		all := name == "$and" != not
		if name == "$nor" {
			all = !not
		}
		list := arg.([]any)
		if len(list) == 0 {
			return true
		}
		for _, one := range list {
			if refMatch(one.(map[string]any), doc, path, inside) != all {
				return !all
			}
		}
		return all
	case "$not":
		return refMatch(arg.(map[string]any), doc, path, !not)
	}
	if strings.HasPrefix(name, "$") {
		return refCondition(name, arg, doc, path, not)
	}
	if path != "" {
		name = path + "." + name
	}
	if inner, ok := arg.(map[string]any); ok {
		return refMatch(inner, doc, name, not)
	}
	return refCondition("$eq", arg, doc, name, not)
}

func refCondition(name string, arg, doc any, path string, not bool) bool {
	v, ok := refField(doc, path)
	if name == "$exists" {
		return ok == (arg.(bool) != not)
	}
	return ok && refHolds(name, arg, v) != not
}

func refHolds(name string, arg, v any) bool {
	list, isList := v.([]any)
	in := func() bool {
		for _, a := range arg.([]any) {
			if isList && slices.ContainsFunc(list, func(e any) bool { return refCompare(e, a) == 0 }) || !isList && refCompare(v, a) == 0 {
				return true
			}
		}
		return false
	}
	switch name {
	case "$eq":
		return refCompare(v, arg) == 0
	case "$ne":
		return refCompare(v, arg) != 0
	case "$gt":
		return refCompare(v, arg) > 0
	case "$gte":
		return refCompare(v, arg) >= 0
	case "$lt":
		return refCompare(v, arg) < 0
	case "$lte":
		return refCompare(v, arg) <= 0
	case "$in":
		return in()
	case "$nin":
		return !in()
	case "$type":
		return []string{"null", "boolean", "boolean", "number", "string", "array", "object"}[refType(v)] == arg
	case "$size":
		return isList && float64(len(list)) == arg
	case "$mod":
		n, ok := v.(float64)
		pair := arg.([]any)
		return ok && int(n)%int(pair[0].(float64)) == int(pair[1].(float64))
	case "$regex":
		s, ok := v.(string)
		return ok && regexp.MustCompile(arg.(string)).MatchString(s)
	case "$beginsWith":
		s, ok := v.(string)
		return ok && strings.HasPrefix(s, arg.(string))
	case "$all":
		wanted := arg.([]any)
		if !isList || len(wanted) == 0 {
			return false
		}
		if whole, ok := wanted[0].([]any); ok && len(wanted) == 1 && refCompare(whole, list) == 0 {
			return true
		}
		for _, a := range wanted {
			if !slices.ContainsFunc(list, func(e any) bool { return refCompare(e, a) == 0 }) {
				return false
			}
		}
		return true
	case "$elemMatch", "$allMatch":
		matched := 0
		for _, e := range list {
			if refMatch(arg.(map[string]any), e, "", false) {
				matched++
			}
		}
		return isList && matched > 0 && (name == "$elemMatch" || matched == len(list))
	case "$keyMapMatch":
		object, ok := v.(map[string]any)
		for key := range object {
			if refMatch(arg.(map[string]any), key, "", false) {
				return ok
			}
		}
		return false
	}
	panic(name)
}

// dice make random values, documents and selectors.
type dice struct{ *rand.Rand }

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

func (d dice) value(depth int) any {
	switch d.IntN(8 - 2*min(depth, 1)) {
	case 0:
		return nil
	case 1:
		return d.IntN(2) == 0
	case 2, 3:
		return d.IntN(7) - 3
	case 4, 5:
		return pick(d, refStrings...)
	case 6:
		list := []any{}
		for range d.IntN(4) {
			list = append(list, d.value(depth+1))
		}
		return list
	}
	return d.document(depth + 1)
}

func (d dice) document(depth int) map[string]any {
	doc := map[string]any{}
	for _, name := range []string{"a", "b", "ab"} {
		if d.IntN(3) > 0 {
			doc[name] = d.value(depth)
		}
	}
	return doc
}

func (d dice) field() string { return pick(d, "a", "b", "ab", "a.b", "b.a", "a.1", "b.0") }

func (d dice) selector(depth int, inner bool) map[string]any {
	selector := map[string]any{}
	for range pick(d, 1, 1, 1, 2, 0) {
		switch roll := d.IntN(8); {
		case depth < 3 && roll == 0:
			selector["$not"] = d.selector(depth+1, inner)
		case depth < 3 && roll < 3:
			list := []any{}
			for range d.IntN(4) {
				list = append(list, d.selector(depth+1, inner))
			}
			selector[pick(d, "$and", "$or", "$nor")] = list
		case inner && roll < 6:
			name, arg := d.condition(depth)
			selector[name] = arg
		case roll == 3:
			selector[d.field()] = d.value(1)
		case depth < 3 && roll == 4:
			selector[d.field()] = d.selector(depth+1, false)
		default:
			name, arg := d.condition(depth)
			condition := map[string]any{name: arg}
			if d.IntN(4) == 0 {
				condition = map[string]any{"$not": condition}
			}
			selector[d.field()] = condition
		}
	}
	return selector
}

func (d dice) condition(depth int) (string, any) {
	values := func() []any {
		list := []any{}
		for range d.IntN(4) {
			list = append(list, d.value(1))
		}
		return list
	}
	name := pick(d, "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$type", "$size", "$mod", "$regex", "$beginsWith",
		"$all", "$elemMatch", "$allMatch", "$keyMapMatch")
	switch name {
	case "$in", "$nin", "$all":
		return name, values()
	case "$exists":
		return name, d.IntN(2) == 0
	case "$type":
		return name, pick(d, "null", "boolean", "number", "string", "array", "object", "date")
	case "$size":
		return name, d.IntN(4)
	case "$mod":
		return name, []any{pick(d, 2, 3, -2), pick(d, 0, 1, -1)}
	case "$regex":
		return name, pick(d, "a", "^a", "[bB]$", "^$")
	case "$beginsWith":
		return name, pick(d, refStrings...)
	case "$elemMatch", "$allMatch", "$keyMapMatch":
		if depth > 2 {
			return "$size", 1
		}
		return name, d.selector(depth+1, true)
	}
	return name, d.value(0)
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// plain is a value as the reference takes it: numbers as doubles.
func plain(t testing.TB, v any) any {
	t.Helper()
	var out any
	if err := json.Unmarshal(mustJSON(t, v), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Random selectors find the same among random documents as the reference.
func TestAgreesWithTheReference(t *testing.T) {
	found, all := 0, 0
	for seed := range uint64(4000) {
		d := dice{rand.New(rand.NewPCG(seed, 1))}
		selector := d.selector(0, false)
		query := mustParse(t, string(mustJSON(t, map[string]any{"selector": selector})))
		matcher := query.Matcher()
		for range 20 {
			doc := d.document(0)
			text := mustJSON(t, doc)
			_, got, err := matcher.Match("k", text)
			if err != nil {
				t.Fatal(err)
			}
			want := refMatch(plain(t, selector).(map[string]any), plain(t, doc), "", false)
			if got != want {
				t.Fatalf("seed %d: %s finds %s: %v, the reference says %v", seed, mustJSON(t, selector), text, got, want)
			}
			all++
			if got {
				found++
			}
		}
	}
	if found < all/20 || found > all*19/20 {
		t.Errorf("%d of %d documents were found: the selectors say little", found, all)
	}
}

// Index keys are ordered as the values are, and the order is the reference's.
func TestOrderAgreesWithTheReference(t *testing.T) {
	keyer := mustIndex(t, `{"index":{"fields":["a"]},"ddoc":"d","name":"n"}`).Keyer()
	order := mango.NewOrder()
	for seed := range uint64(20000) {
		d := dice{rand.New(rand.NewPCG(seed, 2))}
		x, y := d.value(0), d.value(0)
		want := refCompare(plain(t, x), plain(t, y))
		key := func(v any) string { return string(keyer.Key("k", mustJSON(t, map[string]any{"a": v}))) }
		if got := cmp.Compare(key(x), key(y)); got != want {
			t.Fatalf("seed %d: keys of %s and %s compare as %d, want %d", seed, mustJSON(t, x), mustJSON(t, y), got, want)
		}
		if got := order.Compare(number(t, x), number(t, y)); got != want {
			t.Fatalf("seed %d: %s and %s compare as %d, want %d", seed, mustJSON(t, x), mustJSON(t, y), got, want)
		}
	}
}

// number is a value as the package takes it.
func number(t testing.TB, v any) any {
	t.Helper()
	doc, ok := mango.Decode(mustJSON(t, map[string]any{"v": v}))
	if !ok {
		t.Fatal("a document that does not decode")
	}
	return doc["v"]
}

// Whatever index a plan takes, its part of the index has all that the query finds: nothing
// is lost against a look at every document.
func TestPlansLoseNothing(t *testing.T) {
	used := 0
	for seed := range uint64(3000) {
		d := dice{rand.New(rand.NewPCG(seed, 3))}
		var indexes []*mango.Index
		for i := range d.IntN(4) {
			fields := []string{d.field()}
			if d.IntN(2) == 0 {
				fields = append(fields, d.field())
			}
			indexes = append(indexes, mustIndex(t, fmt.Sprintf(`{"index":{"fields":%s},"ddoc":"d","name":"n%d"}`, mustJSON(t, fields), i)))
		}
		selector := d.selector(1, false)
		for range d.IntN(3) { // conditions that indexes can use
			selector[pick(d, "a", "b", "a.b")] = map[string]any{pick(d, "$eq", "$gt", "$gte", "$lt", "$lte"): d.value(0)}
		}
		query := mustParse(t, string(mustJSON(t, map[string]any{"selector": selector})))
		plan, err := query.Plan(indexes)
		if err != nil {
			t.Fatal(err)
		}
		if plan.Index == nil {
			continue
		}
		used++
		matcher, keyer := query.Matcher(), plan.Index.Keyer()
		for range 30 {
			text := mustJSON(t, d.document(0))
			_, found, err := matcher.Match("k", text)
			if err != nil {
				t.Fatal(err)
			}
			key := keyer.Key("k", text)
			within := key != nil && (plan.From == nil || string(key) >= string(plan.From)) && (plan.To == nil || string(key) < string(plan.To))
			if found && !within {
				t.Fatalf("seed %d: %s finds %s, which is not in its part of index %s", seed, mustJSON(t, selector), text, plan.Index.Definition())
			}
		}
	}
	if used < 300 {
		t.Errorf("only %d of 3000 plans took an index", used)
	}
}
