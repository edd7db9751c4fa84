package inspect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sort"
)

// fieldText is one field of a JSON object as text.
type fieldText struct{ name, text string }

// maxJSON bounds what is taken apart as JSON.
const maxJSON = 64 << 10

// objectOf takes a JSON object apart, its fields by name; ok is false for other values.
func (a *about) objectOf(value []byte) (fields []fieldText, ok bool) {
	if len(value) < 2 || len(value) > maxJSON || value[0] != '{' {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	var object map[string]json.RawMessage
	if decoder.Decode(&object) != nil {
		return nil, false
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, false
	}
	for name, raw := range object {
		var small bytes.Buffer
		if json.Compact(&small, raw) != nil {
			return nil, false
		}
		fields = append(fields, fieldText{a.quoted(name), a.printable(small.String(), 200)})
	}
	sort.Slice(fields, func(i, j int) bool { return fields[i].name < fields[j].name })
	return fields, true
}

func (a *about) quoted(s string) string { return fmt.Sprintf("%q", a.printable(s, 80)) }

// diff shows a written value against the old one: for JSON objects the fields that
// change, otherwise both values. An old value that is not known is left out.
func (a *about) diff(old []byte, known bool, value []byte, gone bool) []Line {
	if gone {
		return a.removed(old)
	}
	after, isObject := a.objectOf(value)
	before, wasObject := a.objectOf(old)
	switch {
	case !known || old == nil:
		if !isObject {
			return []Line{{Text: a.printable(string(value), 400), Change: Added}}
		}
		var out []Line
		for _, f := range after {
			out = append(out, Line{Text: f.name + ": " + f.text, Change: Added})
		}
		return out
	case !isObject || !wasObject:
		if bytes.Equal(old, value) {
			return []Line{{Text: a.L("the same value again: {{.Value}}", a.printable(string(value), 200))}}
		}
		return []Line{{Text: a.printable(string(old), 400), Change: Removed}, {Text: a.printable(string(value), 400), Change: Added}}
	}
	return a.fieldDiff(before, after)
}

func (a *about) removed(old []byte) []Line {
	if fields, ok := a.objectOf(old); ok {
		var out []Line
		for _, f := range fields {
			out = append(out, Line{Text: f.name + ": " + f.text, Change: Removed})
		}
		return out
	}
	if len(old) > 0 {
		return []Line{{Text: a.printable(string(old), 400), Change: Removed}}
	}
	return []Line{{Text: a.L("deleted"), Change: Removed}}
}

// fieldDiff walks two sorted lists of fields.
func (a *about) fieldDiff(before, after []fieldText) []Line {
	var out []Line
	minus := func(f fieldText) { out = append(out, Line{Text: f.name + ": " + f.text, Change: Removed}) }
	plus := func(f fieldText) { out = append(out, Line{Text: f.name + ": " + f.text, Change: Added}) }
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		switch {
		case j == len(after) || i < len(before) && before[i].name < after[j].name:
			minus(before[i])
			i++
		case i == len(before) || after[j].name < before[i].name:
			plus(after[j])
			j++
		default:
			if before[i].text != after[j].text {
				minus(before[i])
				plus(after[j])
			}
			i, j = i+1, j+1
		}
	}
	if out == nil {
		out = []Line{{Text: a.L("the same value again")}}
	}
	return out
}
