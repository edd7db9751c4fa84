package wire

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Bytes is a field of bytes that holds no message. JSON shows it in base64, as
// protobuf's own JSON form does.
type Bytes []byte

// String is what a person can read: the text itself if it is printable, else
// lower-case hex.
func (b Bytes) String() string {
	if text, ok := b.Text(); ok {
		return text
	}
	return hex.EncodeToString(b)
}

// Text is the content as text; ok is false if it has a character that cannot be
// printed.
func (b Bytes) Text() (text string, ok bool) {
	if !utf8.Valid(b) {
		return "", false
	}
	for _, r := range string(b) {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != '\r' {
			return "", false
		}
	}
	return string(b), true
}

// MarshalJSON gives base64 in quotes.
func (b Bytes) MarshalJSON() ([]byte, error) { return appendBase64(nil, b), nil }

// MarshalJSON keeps the order of the fields.
func (o *Object) MarshalJSON() ([]byte, error) { return appendJSON(nil, o) }

// appendJSON writes a value of a decoded tree. It goes through the whole tree
// itself, because nested MarshalJSON calls would copy it once per level.
func appendJSON(to []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case *Object:
		return appendObject(to, v)
	case []any:
		var err error
		to = append(to, '[')
		for i, item := range v {
			if i > 0 {
				to = append(to, ',')
			}
			if to, err = appendJSON(to, item); err != nil {
				return nil, err
			}
		}
		return append(to, ']'), nil
	case Bytes:
		return appendBase64(to, v), nil
	case bool:
		return strconv.AppendBool(to, v), nil
	case int64:
		return strconv.AppendInt(to, v, 10), nil
	case nil:
		return append(to, "null"...), nil
	case string, float64:
		text, err := json.Marshal(v)
		return append(to, text...), err
	default:
		return nil, fmt.Errorf("a decoded message cannot hold a %T", value)
	}
}

// appendObject writes an object.
func appendObject(to []byte, o *Object) ([]byte, error) {
	if o == nil {
		return append(to, "null"...), nil
	}
	to = append(to, '{')
	for i := range o.Fields {
		if i > 0 {
			to = append(to, ',')
		}
		name, err := json.Marshal(o.Fields[i].Name)
		if err != nil {
			return nil, err
		}
		to = append(append(to, name...), ':')
		if to, err = appendJSON(to, o.Fields[i].Value); err != nil {
			return nil, err
		}
	}
	return append(to, '}'), nil
}

// appendBase64 writes bytes in quotes.
func appendBase64(to, b []byte) []byte {
	to = append(to, '"')
	to = base64.StdEncoding.AppendEncode(to, b)
	return append(to, '"')
}
