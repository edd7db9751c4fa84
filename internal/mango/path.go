package mango

import (
	"strconv"
	"strings"
)

// idField is the name under which a document's key is asked for.
const idField = "_id"

// splitPath takes a field's name apart at its dots; "\." is a dot that belongs to a name.
func splitPath(field string) []string {
	var parts []string
	var part strings.Builder
	for i := 0; i < len(field); i++ {
		switch {
		case field[i] == '\\' && i+1 < len(field) && field[i+1] == '.':
			part.WriteByte('.')
			i++
		case field[i] == '.':
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(field[i])
		}
	}
	return append(parts, part.String())
}

// lookUp follows a path; ok is false if the document has no such field. A number goes
// into an array.
func lookUp(v any, path []string) (found any, ok bool) {
	for _, name := range path {
		switch inner := v.(type) {
		case map[string]any:
			if v, ok = inner[name]; !ok {
				return nil, false
			}
		case []any:
			at, err := strconv.Atoi(name)
			if err != nil || at < 0 || at >= len(inner) {
				return nil, false
			}
			v = inner[at]
		default:
			return nil, false
		}
	}
	return v, true
}
