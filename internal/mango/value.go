package mango

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// A JSON value is nil, bool, json.Number, string, []any or map[string]any.

// Decode reads the document that a stored value is. ok is false for what is no JSON
// object: CouchDB keeps such values as attachments, which no query sees.
func Decode(value []byte) (doc map[string]any, ok bool) {
	if first := bytes.TrimLeft(value, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return nil, false
	}
	decoded, err := decodeJSON(value)
	doc, ok = decoded.(map[string]any)
	return doc, ok && err == nil
}

// decodeJSON reads one JSON value, and nothing after it.
func decodeJSON(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the end of the JSON value")
	}
	return value, nil
}

// CheckKey refuses keys that CouchDB has no place for, in the protocol's words.
func CheckKey(key string) error {
	switch {
	case key == "":
		return errors.New("invalid key. Empty string is not supported as a key by couchdb")
	case strings.HasPrefix(key, "_"):
		return fmt.Errorf("invalid key [%s], cannot begin with \"_\"", key)
	}
	return nil
}

// CheckValue refuses documents whose field names CouchDB, or the peer that keeps versions
// in it, needs itself.
func CheckValue(value []byte) error {
	doc, ok := Decode(value)
	if !ok {
		return nil
	}
	reserved := ""
	for name := range doc {
		if (name == "~version" || strings.HasPrefix(name, "_")) && (reserved == "" || name < reserved) {
			reserved = name
		}
	}
	if reserved != "" {
		return fmt.Errorf("field [%s] is not valid for the CouchDB state database", reserved)
	}
	return nil
}

// rank is the place of a value's type in CouchDB's order.
type rank byte

const (
	rankNull rank = iota + 1
	rankFalse
	rankTrue
	rankNumber
	rankString
	rankArray
	rankObject
)

func rankOf(v any) rank {
	switch v := v.(type) {
	case bool:
		if v {
			return rankTrue
		}
		return rankFalse
	case json.Number:
		return rankNumber
	case string:
		return rankString
	case []any:
		return rankArray
	case map[string]any:
		return rankObject
	}
	return rankNull
}

// typeName is a value's type as $type names it.
func typeName(v any) string {
	return [...]string{"", "null", "boolean", "boolean", "number", "string", "array", "object"}[rankOf(v)]
}

// number is a JSON number for comparing: whole numbers up to 64 bits exactly, the others
// as the nearest double.
type number struct {
	double float64
	rest   int64 // whole numbers: what the double is short of
	whole  bool  // written without fraction and exponent
}

func numberOf(n json.Number) number {
	text := n.String()
	if !strings.ContainsAny(text, ".eE") {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			double := float64(i)
			if double >= math.MaxInt64 { // 2^63, which no int64 holds
				return number{double: double, rest: int64(uint64(i) - 1<<63), whole: true}
			}
			return number{double: double, rest: i - int64(double), whole: true}
		}
	}
	double, _ := strconv.ParseFloat(text, 64) // beyond its range: infinite, and so compared
	return number{double: double + 0, whole: !strings.ContainsAny(text, ".eE")}
}

func (a number) compare(b number) int {
	switch {
	case a.double < b.double:
		return -1
	case a.double > b.double:
		return 1
	case a.rest < b.rest:
		return -1
	case a.rest > b.rest:
		return 1
	}
	return 0
}
