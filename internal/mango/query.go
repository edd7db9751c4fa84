package mango

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Bounds of a query.
const (
	maxQueryBytes    = 1 << 20
	maxFields        = 1000
	maxBookmarkBytes = 64 << 10
)

// Query is a parsed query. It is never changed.
type Query struct {
	Fields   []string // to answer with; nil is the whole document
	Sort     []string // fields to sort by; nil leaves the order to the index
	Desc     bool     // sort downwards
	Limit    int      // documents at most, -1 if the query names no limit
	Skip     int      // documents to pass over first
	Bookmark string   // where to go on, "" for the beginning
	UseIndex []string // nil, or a design document and perhaps an index in it

	selector *node
	paths    [][]string // of Fields
}

// ParseQuery reads a query as CouchDB's _find takes it. Errors are *Error, with CouchDB's
// names.
func ParseQuery(text string) (*Query, error) {
	if len(text) > maxQueryBytes {
		return nil, failure("bad_request", "the query has %d bytes, more than %d; ask for less at once", len(text), maxQueryBytes)
	}
	decoded, err := decodeJSON([]byte(text))
	if err != nil {
		return nil, failure("bad_request", "invalid UTF-8 JSON: %v", err)
	}
	object, ok := decoded.(map[string]any)
	if !ok {
		return nil, failure("bad_request", "Request body must be a JSON object")
	}
	q := &Query{Limit: -1}
	for _, name := range slices.Sorted(keysOf(object)) {
		if err := q.option(name, object[name]); err != nil {
			return nil, err
		}
	}
	if q.selector == nil {
		return nil, failure("missing_required_key", "Missing required key: selector (such as {\"selector\": {\"colour\": \"red\"}})")
	}
	return q, nil
}

func keysOf(m map[string]any) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// option reads one member of a query.
func (q *Query) option(name string, value any) error {
	switch name {
	case "selector":
		selector, err := parseSelector(value)
		if err != nil {
			return err
		}
		q.selector = selector
	case "fields":
		return q.readFields(value)
	case "sort":
		return q.readSort(value)
	case "use_index":
		return q.readUseIndex(value)
	case "bookmark":
		text, ok := value.(string)
		if !ok {
			return failure("invalid_bookmark", "Invalid bookmark value: %s", written(value))
		}
		q.Bookmark = text
	case "limit", "skip":
		n, ok := wholeNumber(value)
		if !ok || n < 0 {
			return failure("invalid_value", "Invalid value for %s: %s (it takes a whole number from 0 on)", name, written(value))
		}
		n = min(n, 1<<31-1)
		if name == "limit" {
			q.Limit = int(n)
		} else {
			q.Skip = int(n)
		}
	case "r", "conflicts", "stale", "update", "stable", "execution_stats", "allow_fallback", "partition":
		// About how CouchDB reads its copies; there is one here.
	default:
		return failure("invalid_key", "Invalid key %s for this request. (A query has selector, fields, sort, limit, skip, bookmark and use_index)", clip(name))
	}
	return nil
}

func (q *Query) readFields(value any) error {
	list, ok := value.([]any)
	if !ok {
		return failure("invalid_fields_json", "fields definition must be an array")
	}
	if len(list) > maxFields {
		return failure("invalid_fields_json", "more than %d fields; leave fields out to get whole documents", maxFields)
	}
	q.Fields, q.paths = make([]string, 0, len(list)), make([][]string, 0, len(list))
	for _, one := range list {
		name, ok := one.(string)
		if !ok || name == "" {
			return failure("invalid_field_json", "Invalid JSON field: %s (each field is a name, such as \"owner.name\")", written(one))
		}
		q.Fields = append(q.Fields, name)
		q.paths = append(q.paths, splitPath(name))
	}
	return nil
}

func (q *Query) readSort(value any) error {
	fields, directions, err := fieldList(value, "sort")
	if err != nil {
		return err
	}
	for i, desc := range directions {
		if desc != directions[0] {
			return failure("unsupported_mixed_sort", "Sorts currently only support a single direction for all fields. (%s goes the other way)", clip(fields[i]))
		}
	}
	if len(fields) > 0 {
		q.Sort, q.Desc = fields, directions[0]
	}
	return nil
}

// fieldList reads the fields of a sort or an index: names, or {"name": "asc" or "desc"}.
func fieldList(value any, what string) (fields []string, desc []bool, err error) {
	list, ok := value.([]any)
	if !ok {
		return nil, nil, failure("invalid_sort_json", "%s must be an array of fields, not: %s", what, written(value))
	}
	if len(list) > maxFields {
		return nil, nil, failure("invalid_sort_json", "more than %d fields in %s", maxFields, what)
	}
	for _, one := range list {
		name, direction := "", "asc"
		switch one := one.(type) {
		case string:
			name = one
		case map[string]any:
			for field, d := range one {
				name = field
				direction, _ = d.(string)
			}
			if len(one) != 1 {
				name = ""
			}
		}
		if name == "" || direction != "asc" && direction != "desc" {
			return nil, nil, failure("invalid_sort_field", "Invalid field in %s: %s (each is a name, or {\"name\": \"asc\"} or {\"name\": \"desc\"})", what, written(one))
		}
		fields, desc = append(fields, name), append(desc, direction == "desc")
	}
	return fields, desc, nil
}

func (q *Query) readUseIndex(value any) error {
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	var names []string
	for _, one := range list {
		if name, ok := one.(string); ok && name != "" {
			names = append(names, name)
		}
	}
	switch {
	case isList && len(list) == 0:
		return nil
	case len(names) != len(list) || len(names) > 2:
		return failure("invalid_index_name", "Invalid index name: %s (use_index takes a design document, or a list of design document and index)", written(value))
	}
	names[0] = strings.TrimPrefix(names[0], designPrefix)
	if len(names) == 1 { // CouchDB also takes "ddoc/name"
		if ddoc, name, ok := strings.Cut(names[0], "/"); ok {
			names = []string{ddoc, name}
		}
	}
	q.UseIndex = names
	return nil
}

const designPrefix = "_design/"

// Position is the place of a document in the order that a plan walks in.
type Position struct {
	Key []byte `json:"k,omitempty"` // of the index; nil if documents are walked by their keys
	ID  string `json:"id"`          // the document's key
}

// NoBookmark is the bookmark of an answer without documents, as CouchDB's.
const NoBookmark = "nil"

// Bookmark writes a position in a form that clients hand back.
func (p Position) Bookmark() string {
	text, err := json.Marshal(p)
	if err != nil {
		return NoBookmark // strings and bytes always marshal
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// ParseBookmark reads a bookmark; nil is the beginning.
func ParseBookmark(bookmark string) (*Position, error) {
	if bookmark == "" || bookmark == NoBookmark {
		return nil, nil
	}
	bad := failure("invalid_bookmark", "Invalid bookmark value: %q (pass on the bookmark of the page before, or none)", clip(bookmark))
	if len(bookmark) > maxBookmarkBytes {
		return nil, bad
	}
	text, err := base64.RawURLEncoding.DecodeString(bookmark)
	if err != nil {
		return nil, bad
	}
	p := new(Position)
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("%w", bad)
	}
	return p, nil
}
