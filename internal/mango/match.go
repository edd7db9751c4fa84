package mango

import (
	"encoding/json"
	"slices"
	"strings"
)

// Matcher decides which documents a query finds. One goroutine at a time.
type Matcher struct {
	query *Query
	order *Order
}

// Matcher makes a matcher for a query.
func (q *Query) Matcher() *Matcher { return &Matcher{query: q, order: NewOrder()} }

// Match tells whether a query finds a document, and gives the value that it answers
// with: the document with its members in the order of their names, or the fields asked
// for. What is no JSON object is never found.
func (m *Matcher) Match(key string, value []byte) (result []byte, ok bool, err error) {
	doc, ok := Decode(value)
	if !ok || !m.holds(m.query.selector, doc, key) {
		return nil, false, nil
	}
	if m.query.Fields != nil {
		doc = project(doc, m.query.paths)
	}
	result, err = json.Marshal(doc)
	return result, err == nil, err
}

// holds judges a value; id is the key of the document that it belongs to.
func (m *Matcher) holds(n *node, v any, id string) bool {
	switch n.op {
	case opAnd:
		return !slices.ContainsFunc(n.kids, func(kid *node) bool { return !m.holds(kid, v, id) })
	case opOr: // CouchDB: or of nothing holds
		return len(n.kids) == 0 || slices.ContainsFunc(n.kids, func(kid *node) bool { return m.holds(kid, v, id) })
	}
	if n.id {
		return m.condition(n, id, strings.Compare) != n.not
	}
	found, ok := lookUp(v, n.path)
	if n.op == opExists {
		return ok == n.arg
	}
	return ok && m.condition(n, found, m.order.text) != n.not
}

// condition judges a value that is there. Strings are compared by text: keys of
// documents go by bytes.
func (m *Matcher) condition(n *node, v any, text func(a, b string) int) bool {
	compare := func(arg any) int {
		if a, ok := v.(string); ok {
			if b, ok := arg.(string); ok {
				return text(a, b)
			}
		}
		return m.order.Compare(v, arg)
	}
	switch n.op {
	case opExists:
		return n.arg == true
	case opEq:
		return compare(n.arg) == 0
	case opNe:
		return compare(n.arg) != 0
	case opGt:
		return compare(n.arg) > 0
	case opGte:
		return compare(n.arg) >= 0
	case opLt:
		return compare(n.arg) < 0
	case opLte:
		return compare(n.arg) <= 0
	case opIn:
		return m.among(n.args, v, compare)
	case opNin:
		return !m.among(n.args, v, compare)
	case opType:
		return typeName(v) == n.arg
	}
	return m.special(n, v)
}

// among tells whether a value, or an element of an array, is in a list.
func (m *Matcher) among(list []any, v any, compare func(any) int) bool {
	elements, isArray := v.([]any)
	return slices.ContainsFunc(list, func(arg any) bool {
		if !isArray {
			return compare(arg) == 0
		}
		return slices.ContainsFunc(elements, func(element any) bool { return m.order.Compare(element, arg) == 0 })
	})
}

// special judges the conditions that only values of one type can fulfil.
func (m *Matcher) special(n *node, v any) bool {
	switch v := v.(type) {
	case string:
		return n.op == opRegex && n.pattern.MatchString(v) || n.op == opBegins && strings.HasPrefix(v, n.arg.(string))
	case json.Number:
		if n.op != opMod {
			return false
		}
		whole, ok := wholeNumber(v)
		return ok && whole%n.a == n.b
	case []any:
		return m.array(n, v)
	case map[string]any:
		for name := range v {
			if n.op == opKey && m.holds(n.kids[0], name, "") {
				return true
			}
		}
	}
	return false
}

func (m *Matcher) array(n *node, elements []any) bool {
	switch n.op {
	case opSize:
		return int64(len(elements)) == n.a
	case opElem:
		return slices.ContainsFunc(elements, func(v any) bool { return m.holds(n.kids[0], v, "") })
	case opEvery:
		return len(elements) > 0 && !slices.ContainsFunc(elements, func(v any) bool { return !m.holds(n.kids[0], v, "") })
	case opAll:
		return containsAll(elements, n.args)
	}
	return false
}

// containsAll tells whether an array has every value of a list; a list of one array also
// means that array itself.
func containsAll(elements, list []any) bool {
	if len(list) == 0 {
		return false
	}
	if whole, ok := list[0].([]any); ok && len(list) == 1 && identical(whole, elements) {
		return true
	}
	return !slices.ContainsFunc(list, func(arg any) bool {
		return !slices.ContainsFunc(elements, func(v any) bool { return identical(v, arg) })
	})
}

// identical is stricter than the order: strings by bytes, and 1 is not 1.0.
func identical(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return false
		}
		x, y := numberOf(a), numberOf(b)
		return x.compare(y) == 0 && x.whole == y.whole
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, identical)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, value := range a {
			if other, ok := b[name]; !ok || !identical(value, other) {
				return false
			}
		}
		return true
	case string:
		return any(a) == b
	}
	return rankOf(a) == rankOf(b)
}

// project keeps the fields that a query asks for; those that a document lacks are left out.
func project(doc map[string]any, paths [][]string) map[string]any {
	kept := map[string]any{}
	for _, path := range paths {
		if value, ok := lookUp(doc, path); ok {
			place := kept
			last := len(path) - 1
			for _, name := range path[:last] {
				place = inside(place, name)
			}
			if place != nil {
				place[path[last]] = value
			}
		}
	}
	return kept
}

// inside is the object under a name, made if there is nothing; nil where something else is
// there already. An object that is there may be the document's own: what is put into it is
// what it has.
func inside(object map[string]any, name string) map[string]any {
	if object == nil {
		return nil
	}
	there, ok := object[name]
	if !ok {
		there = map[string]any{}
		object[name] = there
	}
	inner, _ := there.(map[string]any)
	return inner
}
