package mango

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"slices"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// Order compares JSON values as CouchDB's views do. It keeps buffers: one goroutine at
// a time.
type Order struct {
	strings *collate.Collator
	buffer  collate.Buffer
}

// NewOrder makes an order.
func NewOrder() *Order { return &Order{strings: collate.New(language.Und)} }

// Compare gives -1, 0 or 1.
func (o *Order) Compare(a, b any) int {
	if c := cmp.Compare(rankOf(a), rankOf(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case json.Number:
		return numberOf(a).compare(numberOf(b.(json.Number)))
	case string:
		return o.text(a, b.(string))
	case []any:
		return slices.CompareFunc(a, b.([]any), o.Compare)
	case map[string]any:
		return o.objects(a, b.(map[string]any))
	}
	return 0
}

func (o *Order) text(a, b string) int {
	if a == b {
		return 0
	}
	return o.strings.CompareString(a, b)
}

// objects compares the members in the order of their names: the peer writes them to
// CouchDB so.
func (o *Order) objects(a, b map[string]any) int {
	namesA, namesB := slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b))
	for i := 0; i < len(namesA) && i < len(namesB); i++ {
		if c := o.text(namesA[i], namesB[i]); c != 0 {
			return c
		}
		if c := o.Compare(a[namesA[i]], b[namesB[i]]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(namesA), len(namesB))
}

// appendKey appends bytes that are ordered as the values are, and of which none begins
// another: a type, its content, and an end where the length differs.
func (o *Order) appendKey(key []byte, v any) []byte {
	key = append(key, byte(rankOf(v)))
	switch v := v.(type) {
	case json.Number:
		n := numberOf(v)
		bits := math.Float64bits(n.double)
		if n.double == 0 {
			bits = 0 // a zero has two signs
		}
		if bits>>63 == 0 {
			bits |= 1 << 63
		} else {
			bits = ^bits
		}
		key = binary.BigEndian.AppendUint64(key, bits)
		return binary.BigEndian.AppendUint64(key, uint64(n.rest)^1<<63)
	case string:
		return o.appendText(key, v)
	case []any:
		for _, element := range v {
			key = o.appendKey(key, element)
		}
		return append(key, 0)
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			key = o.appendKey(key, name)
			key = o.appendKey(key, v[name])
		}
		return append(key, 0)
	}
	return key
}

// appendText appends a string's collation key; the zeros in it are marked, so that the end
// is less than all that could follow.
func (o *Order) appendText(key []byte, s string) []byte {
	o.buffer.Reset()
	for _, b := range o.strings.KeyFromString(&o.buffer, s) {
		key = append(key, b)
		if b == 0 {
			key = append(key, 0xff)
		}
	}
	return append(key, 0, 1)
}

// after is the first key that is larger than every key with this beginning.
func after(prefix []byte) []byte { return append(bytes.Clone(prefix), 0xff) }
