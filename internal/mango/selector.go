package mango

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Bounds of a selector.
const (
	maxDepth   = 64
	maxNodes   = 10_000
	maxPattern = 1000 // bytes of a regular expression
)

// op is what a node of a selector asks.
type op byte

const (
	opAnd op = iota
	opOr
	opEq
	opNe
	opGt
	opGte
	opLt
	opLte
	opIn
	opNin
	opExists
	opType
	opSize
	opMod
	opRegex
	opBegins
	opAll
	opElem
	opEvery
	opKey
)

// conditions are the operators that ask one field, by name. How they are negated: by
// their opposite, or (no opposite) by a mark.
var conditions = map[string]struct{ op, opposite op }{
	"$eq": {opEq, opNe}, "$ne": {opNe, opEq}, "$gt": {opGt, opLte}, "$lte": {opLte, opGt},
	"$lt": {opLt, opGte}, "$gte": {opGte, opLt}, "$in": {opIn, opNin}, "$nin": {opNin, opIn},
	"$exists": {opExists, opExists}, "$type": {opType, 0}, "$size": {opSize, 0}, "$mod": {opMod, 0},
	"$regex": {opRegex, 0}, "$beginsWith": {opBegins, 0}, "$all": {opAll, 0},
	"$elemMatch": {opElem, 0}, "$allMatch": {opEvery, 0}, "$keyMapMatch": {opKey, 0},
}

// allOperators is for error texts.
const allOperators = "$eq $ne $gt $gte $lt $lte $in $nin $exists $type $size $mod $regex $beginsWith $all $elemMatch $allMatch $keyMapMatch, and $and $or $nor $not"

// node is one step of a selector: and/or of others, or one condition on one field.
type node struct {
	op    op
	kids  []*node  // of and, or; the inner selector of elemMatch, allMatch, keyMapMatch
	not   bool     // a leaf whose condition must not hold; the field must be there all the same
	field string   // of a leaf, as written; "" for the value itself
	path  []string // field, taken apart
	id    bool     // the field is the document's key

	arg     any   // of comparisons; true or false for exists; a string for type, beginsWith
	args    []any // of in, nin, all
	a, b    int64 // size: a; mod: divisor a, remainder b
	pattern *regexp.Regexp
}

// parser reads a selector.
type parser struct{ nodes int }

// parseSelector reads a selector's tree.
func parseSelector(selector any) (*node, *Error) {
	object, ok := selector.(map[string]any)
	if !ok {
		return nil, failure("invalid_selector_json", "Selector must be a JSON object, not: %s", written(selector))
	}
	p := &parser{}
	return p.object(object, place{}, false)
}

// place is where in a selector the parser is.
type place struct {
	field string // so far, "" at the top and inside of elemMatch and its like
	inner bool   // inside of elemMatch and its like: _id is a name as any other
	depth int
}

// in is the place one level further inside.
func (at place) in() place {
	at.depth++
	return at
}

// name says where, for an error text.
func (at place) name() string {
	if at.field == "" {
		return "the selector"
	}
	return at.field
}

// object reads an object: every member must hold.
func (p *parser) object(object map[string]any, at place, negated bool) (*node, *Error) {
	if at.depth > maxDepth {
		return nil, failure("invalid_selector_json", "the selector is nested more than %d levels deep; ask for less, or split the query", maxDepth)
	}
	if len(object) == 0 && at.field != "" {
		return p.condition("$eq", object, at, negated)
	}
	names := slices.Sorted(maps.Keys(object))
	kids := make([]*node, 0, len(names))
	for _, name := range names {
		kid, err := p.member(name, object[name], at, negated)
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
	}
	if len(kids) == 1 {
		return kids[0], nil
	}
	return p.join(opAnd, kids, negated)
}

// join makes a node of several: the negation of and is or.
func (p *parser) join(how op, kids []*node, negated bool) (*node, *Error) {
	if negated {
		how = opAnd + opOr - how
	}
	return &node{op: how, kids: kids}, p.count()
}

func (p *parser) count() *Error {
	if p.nodes++; p.nodes > maxNodes {
		return failure("invalid_selector_json", "the selector has more than %d conditions; use $in for a list of values, or split the query", maxNodes)
	}
	return nil
}

// member reads one member of a selector: an operator or a field.
func (p *parser) member(name string, value any, at place, negated bool) (*node, *Error) {
	switch name {
	case "$and", "$or", "$nor":
		return p.list(name, value, at, negated)
	case "$not":
		object, ok := value.(map[string]any)
		if !ok {
			return nil, badArgument(name, value, at, "a selector, such as {\"$not\": {\"colour\": \"red\"}}")
		}
		return p.object(object, at.in(), !negated)
	}
	if strings.HasPrefix(name, "$") {
		return p.condition(name, value, at, negated)
	}
	if at.field != "" {
		name = at.field + "." + name
	}
	at = place{field: name, inner: at.inner, depth: at.depth + 1}
	if object, ok := value.(map[string]any); ok {
		return p.object(object, at, negated)
	}
	return p.condition("$eq", value, at, negated)
}

// list reads $and, $or and $nor.
func (p *parser) list(name string, value any, at place, negated bool) (*node, *Error) {
	list, ok := value.([]any)
	if !ok {
		return nil, badArgument(name, value, at, "a list of selectors")
	}
	how, inside := opAnd, negated
	switch name {
	case "$or":
		how = opOr
	case "$nor": // not (a or b) is (not a) and (not b)
		how, inside = opOr, !negated
	}
	kids := make([]*node, 0, len(list))
	for _, one := range list {
		object, ok := one.(map[string]any)
		if !ok {
			return nil, badArgument(name, value, at, "a list of selectors")
		}
		kid, err := p.object(object, at.in(), inside)
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
	}
	return p.join(how, kids, inside)
}

// condition reads one operator on one field.
func (p *parser) condition(name string, value any, at place, negated bool) (*node, *Error) {
	known, ok := conditions[name]
	if !ok {
		hint := "the operators are " + allOperators
		if name == "$text" {
			hint = "there are no text indexes; use $regex"
		}
		return nil, failure("invalid_operator", "Invalid operator: %s (at %s; %s)", clip(name), clip(at.name()), hint)
	}
	n := &node{op: known.op, field: at.field, id: at.field == idField && !at.inner}
	if at.field != "" {
		n.path = splitPath(at.field)
	}
	if err := p.argument(n, name, value, at); err != nil {
		return nil, err
	}
	switch {
	case negated && n.op == opExists:
		n.arg = n.arg == false
	case negated && known.opposite != 0:
		n.op = known.opposite
	case negated:
		n.not = true
	}
	return n, p.count()
}

// argument checks and keeps what an operator is given.
func (p *parser) argument(n *node, name string, value any, at place) *Error {
	switch n.op {
	case opIn, opNin, opAll:
		list, ok := value.([]any)
		if !ok {
			return badArgument(name, value, at, "a list of values")
		}
		n.args = list
	case opExists:
		if _, ok := value.(bool); !ok {
			return badArgument(name, value, at, "true or false")
		}
		n.arg = value
	case opType, opBegins:
		if _, ok := value.(string); !ok {
			return badArgument(name, value, at, "a string")
		}
		n.arg = value
	case opSize:
		size, ok := wholeNumber(value)
		if !ok || size < 0 {
			return badArgument(name, value, at, "a whole number from 0 on")
		}
		n.a = size
	case opMod:
		list, _ := value.([]any)
		if len(list) != 2 {
			return badArgument(name, value, at, "a list of divisor and remainder, such as [4, 0]")
		}
		var okA, okB bool
		n.a, okA = wholeNumber(list[0])
		n.b, okB = wholeNumber(list[1])
		if !okA || !okB || n.a == 0 {
			return badArgument(name, value, at, "a list of divisor and remainder, two whole numbers, the first not 0")
		}
	case opRegex:
		return regexArgument(n, name, value, at)
	case opElem, opEvery, opKey:
		object, ok := value.(map[string]any)
		if !ok {
			return badArgument(name, value, at, "a selector")
		}
		inner, err := p.object(object, place{inner: true, depth: at.depth + 1}, false)
		n.kids = []*node{inner}
		return err
	default:
		n.arg = value
	}
	return nil
}

func regexArgument(n *node, name string, value any, at place) *Error {
	text, ok := value.(string)
	if !ok {
		return badArgument(name, value, at, "a regular expression in a string")
	}
	if len(text) > maxPattern {
		return badArgument(name, value, at, "a regular expression of at most 1,000 bytes")
	}
	var err error
	if n.pattern, err = regexp.Compile(text); err != nil {
		return badArgument(name, value, at, "a regular expression in Go's syntax, which has no look-around and no back references: "+err.Error())
	}
	return nil
}

// badArgument is the error for an operator that is given something it cannot take.
func badArgument(name string, value any, at place, want string) *Error {
	return failure("bad_arg", "Bad argument for operator %s: %s (at %s; it takes %s)", name, written(value), clip(at.name()), want)
}

// written is a value as JSON, for an error text.
func written(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return clip(string(text))
}

// wholeNumber reads a number without a fraction that 64 bits hold.
func wholeNumber(value any) (int64, bool) {
	text, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	n, err := text.Int64()
	return n, err == nil
}
