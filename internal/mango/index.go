package mango

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Bounds of an index definition.
const (
	maxIndexBytes  = 64 << 10
	maxIndexFields = 30
)

// Index is an order of documents: of those that have all its fields, and that its own
// selector finds if it has one. It is never changed.
type Index struct {
	Design string   // the design document's name, without "_design/"
	Name   string   // within the design document
	Fields []string // in order

	partial json.RawMessage // partial_filter_selector, nil for none
	filter  *node           // the same, parsed
	paths   [][]string      // of Fields
}

// indexFile is the definition as it lies in META-INF/statedb/couchdb/indexes.
type indexFile struct {
	Index struct {
		Fields  json.RawMessage `json:"fields"`
		Partial json.RawMessage `json:"partial_filter_selector,omitempty"`
	} `json:"index"`
	Design string `json:"ddoc,omitempty"`
	Name   string `json:"name,omitempty"`
	Type   string `json:"type,omitempty"`
}

// ParseIndex reads an index definition. Errors are *Error.
func ParseIndex(text []byte) (*Index, error) {
	if len(text) > maxIndexBytes {
		return nil, failure("invalid_index", "the index definition has %d bytes, more than %d", len(text), maxIndexBytes)
	}
	var file indexFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, failure("invalid_index", "the index definition is not a JSON object of the expected form: %v", err)
	}
	if file.Type != "" && file.Type != "json" {
		return nil, failure("invalid_index", "the index is of type %s; only json indexes are possible", clip(file.Type))
	}
	if file.Index.Fields == nil {
		return nil, failure("invalid_index", "the index definition has no fields; write {\"index\": {\"fields\": [\"name\"]}, \"ddoc\": \"...\", \"name\": \"...\", \"type\": \"json\"}")
	}
	listed, err := decodeJSON(file.Index.Fields)
	if err != nil {
		return nil, failure("invalid_index", "the index's fields: %v", err)
	}
	ix := &Index{Design: strings.TrimPrefix(file.Design, designPrefix), Name: file.Name}
	if ix.Fields, _, err = fieldList(listed, "the index's fields"); err != nil {
		return nil, err
	}
	if n := len(ix.Fields); n == 0 || n > maxIndexFields {
		return nil, failure("invalid_index", "the index has %d fields; from 1 to %d are possible", n, maxIndexFields)
	}
	for _, field := range ix.Fields {
		ix.paths = append(ix.paths, splitPath(field))
	}
	if err := ix.readFilter(file.Index.Partial); err != nil {
		return nil, err
	}
	if ix.Design == "" || ix.Name == "" {
		sum := sha256.Sum256(append(file.Index.Fields, file.Index.Partial...))
		name := hex.EncodeToString(sum[:20])
		ix.Design, ix.Name = orElse(ix.Design, name), orElse(ix.Name, name)
	}
	return ix, nil
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (ix *Index) readFilter(raw json.RawMessage) error {
	if len(raw) == 0 {
		return nil
	}
	selector, err := decodeJSON(raw)
	if err != nil {
		return failure("invalid_index", "partial_filter_selector: %v", err)
	}
	filter, bad := parseSelector(selector)
	if bad != nil {
		return bad
	}
	ix.filter = filter
	ix.partial, err = json.Marshal(selector) // one form for equal filters
	return err
}

// Definition is the index in a form that ParseIndex reads and in which equal indexes are
// equal.
func (ix *Index) Definition() string {
	file := indexFile{Design: ix.Design, Name: ix.Name, Type: "json"}
	file.Index.Fields, _ = json.Marshal(ix.Fields) // strings always marshal
	file.Index.Partial = ix.partial
	text, _ := json.Marshal(file)
	return string(text)
}

// String names the index as use_index does.
func (ix *Index) String() string { return designPrefix + ix.Design + ", " + ix.Name }

// Keyer computes an index's keys. One goroutine at a time.
type Keyer struct {
	index   *Index
	matcher *Matcher
}

// Keyer makes a keyer.
func (ix *Index) Keyer() *Keyer {
	return &Keyer{index: ix, matcher: &Matcher{order: NewOrder()}}
}

// Key is the place of a document in the index's order: bytes that are ordered as the fields
// are. nil: the document is not in the index.
func (k *Keyer) Key(id string, value []byte) []byte {
	doc, ok := Decode(value)
	if !ok {
		return nil
	}
	if f := k.index.filter; f != nil && !k.matcher.holds(f, doc, id) {
		return nil
	}
	key := make([]byte, 0, 32*len(k.index.paths))
	for i, path := range k.index.paths {
		if k.index.Fields[i] == idField {
			key = append(append(append(key, byte(rankString)), strings.ReplaceAll(id, "\x00", "\x00\xff")...), 0, 1)
			continue
		}
		field, ok := lookUp(doc, path)
		if !ok {
			return nil
		}
		key = k.matcher.order.appendKey(key, field)
	}
	return key
}

// Plan is how a query is answered.
type Plan struct {
	Index   *Index // to walk; nil: all documents by their keys
	Desc    bool   // backwards
	From    []byte // of the index: keys from here on; nil for all
	To      []byte // and below this; nil for all
	Warning string // CouchDB's warning, "" for none
}

// Warnings, in CouchDB's words.
const (
	warnNoIndex     = "No matching index found, create an index to optimize query time."
	warnNotUsed     = "_design/%s was not used because it does not contain a valid index for this query."
	warnNotUsedName = "_design/%s, %s was not used because it is not a valid index for this query."
)

// Plan chooses an index as CouchDB does: of those whose documents are all that the query can
// find, and whose order is the one asked for, the one whose fields the selector bounds best.
// It fails if a sort order is asked for that no index has.
func (q *Query) Plan(indexes []*Index) (*Plan, error) {
	plan := &Plan{Desc: q.Desc}
	usable := slices.DeleteFunc(slices.Clone(indexes), func(ix *Index) bool { return !q.usable(ix) })
	if named := slices.DeleteFunc(slices.Clone(usable), func(ix *Index) bool { return !q.names(ix) }); len(named) > 0 {
		usable = named
	} else {
		switch len(q.UseIndex) {
		case 1:
			plan.Warning = fmt.Sprintf(warnNotUsed, clip(q.UseIndex[0]))
		case 2:
			plan.Warning = fmt.Sprintf(warnNotUsedName, clip(q.UseIndex[0]), clip(q.UseIndex[1]))
		}
		usable = slices.DeleteFunc(usable, func(ix *Index) bool { return ix.filter != nil }) // only by name
	}
	plan.Index = q.best(usable, plan.Warning != "" || len(q.UseIndex) == 0)
	if plan.Index == nil {
		if q.Sort != nil && !slices.Equal(q.Sort, []string{idField}) {
			return nil, failure("no_usable_index", "No index exists for this sort, try indexing by the sort fields. (Sorted by %s; an index definition is a file in META-INF/statedb/couchdb/indexes of the chaincode)",
				clip(strings.Join(q.Sort, ", ")))
		}
		if plan.Warning == "" && !q.selector.bounds(idField).any() {
			plan.Warning = warnNoIndex
		}
		return plan, nil
	}
	plan.From, plan.To = q.between(plan.Index)
	return plan, nil
}

// names tells whether use_index means this index.
func (q *Query) names(ix *Index) bool {
	return len(q.UseIndex) > 0 && q.UseIndex[0] == ix.Design && (len(q.UseIndex) == 1 || q.UseIndex[1] == ix.Name)
}

// usable tells whether every document that the query can find is in the index, in the order
// asked for. A field to sort by need not be bounded: what lacks it is not in the answer.
func (q *Query) usable(ix *Index) bool {
	for _, field := range ix.Fields {
		if field != idField && !slices.Contains(q.Sort, field) && !q.selector.requires(field) {
			return false
		}
	}
	return q.sortedBy(ix.Fields)
}

// sortedBy tells whether an order by these fields is the order asked for; a field that the
// selector fixes to one value does not count.
func (q *Query) sortedBy(fields []string) bool {
	for len(q.Sort) > 0 {
		if len(fields) >= len(q.Sort) && slices.Equal(fields[:len(q.Sort)], q.Sort) {
			return true
		}
		if len(fields) == 0 || !q.selector.bounds(fields[0]).fixed {
			return false
		}
		fields = fields[1:]
	}
	return true
}

// best chooses among usable indexes; nil is the order of keys. orAll: that is a choice too.
func (q *Query) best(usable []*Index, orAll bool) *Index {
	var best *Index
	unbounded := func(ix *Index) int {
		for i, field := range ix.Fields {
			if !q.selector.bounds(field).any() {
				return len(ix.Fields) - i
			}
		}
		return 0
	}
	for _, ix := range usable {
		if best == nil || slices.Compare([]int{unbounded(ix), len(ix.Fields)}, []int{unbounded(best), len(best.Fields)}) < 0 ||
			unbounded(ix) == unbounded(best) && len(ix.Fields) == len(best.Fields) && ix.String() < best.String() {
			best = ix
		}
	}
	if best == nil || !orAll || q.Sort != nil {
		return best
	}
	// All documents by their keys count as an index of one field.
	all := 1
	if q.selector.bounds(idField).any() {
		all = 0
	}
	if all <= unbounded(best) {
		return nil
	}
	return best
}

// between is the part of an index that a query can find something in. It may be larger than
// need be: the matcher has the last word.
func (q *Query) between(ix *Index) (from, to []byte) {
	order := NewOrder()
	var fixed []byte
	for _, field := range ix.Fields {
		b := q.selector.bounds(field)
		if field == idField { // by bytes, and only ever the last field: not worth a bound
			b = bounds{}
		}
		if b.fixed {
			fixed = order.appendKey(fixed, b.low)
			continue
		}
		from, to = fixed, nil
		if fixed != nil {
			to = after(fixed)
		}
		if b.hasLow {
			from = order.appendKey(slices.Clone(fixed), b.low)
		}
		if b.hasHigh {
			to = after(order.appendKey(slices.Clone(fixed), b.high))
		}
		return from, to
	}
	return fixed, after(fixed)
}

// bounds are what a selector says of a field's value in any case.
type bounds struct {
	low, high       any
	hasLow, hasHigh bool
	fixed           bool // low is the only value
}

func (b bounds) any() bool { return b.hasLow || b.hasHigh }

// bounds looks for comparisons of a field that every document must pass. The first of
// several counts; that is enough for a bound.
func (n *node) bounds(field string) (b bounds) {
	if n.op == opAnd {
		for _, kid := range n.kids {
			k := kid.bounds(field)
			if k.fixed {
				return k
			}
			if k.hasLow && !b.hasLow {
				b.low, b.hasLow = k.low, true
			}
			if k.hasHigh && !b.hasHigh {
				b.high, b.hasHigh = k.high, true
			}
		}
		return b
	}
	if n.op == opOr || n.field != field {
		return b
	}
	switch n.op {
	case opEq:
		return bounds{low: n.arg, high: n.arg, hasLow: true, hasHigh: true, fixed: true}
	case opGt, opGte:
		b.low, b.hasLow = n.arg, true
	case opLt, opLte:
		b.high, b.hasHigh = n.arg, true
	}
	return b
}

// requires tells whether a document without the field can never be found.
func (n *node) requires(field string) bool {
	switch n.op {
	case opAnd:
		return slices.ContainsFunc(n.kids, func(kid *node) bool { return kid.requires(field) })
	case opOr:
		return len(n.kids) > 0 && !slices.ContainsFunc(n.kids, func(kid *node) bool { return !kid.requires(field) })
	case opExists:
		return n.field == field && n.arg == true
	}
	return n.field == field
}
