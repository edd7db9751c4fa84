package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Payloads of the trace that are no messages of Fabric: JSON objects under names of their own.
const (
	plainPrefix = "fabriscope.v1."

	// ReasonName is the reason of a transaction that is not valid, with its verdict.
	ReasonName = plainPrefix + "Reason"
)

// decodePlain decodes such a payload; ok is false for messages of Fabric.
func decodePlain(name string, b []byte) (o *Object, ok bool, err error) {
	if !strings.HasPrefix(name, plainPrefix) {
		return nil, false, nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	fields := maxDecodeFields
	v, err := plainValue(d, &fields, 0)
	o, isObject := v.(*Object)
	if err == nil && !isObject {
		err = fmt.Errorf("it is no object")
	}
	if err != nil {
		return nil, true, malformed(name, err)
	}
	o.Message = name
	return o, true, nil
}

// plainValue reads one value, keeping the order of fields.
func plainValue(d *json.Decoder, fields *int, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if *fields--; *fields < 0 || depth > maxDecodeDepth {
		return nil, fmt.Errorf("it is too large")
	}
	switch t := t.(type) {
	case json.Delim:
		o, list := &Object{}, []any{}
		for d.More() {
			name := ""
			if t == '{' {
				key, err := d.Token()
				if err != nil {
					return nil, err
				}
				name, _ = key.(string)
			}
			v, err := plainValue(d, fields, depth+1)
			if err != nil {
				return nil, err
			}
			o.Fields, list = append(o.Fields, Field{name, v}), append(list, v)
		}
		if _, err := d.Token(); err != nil {
			return nil, err
		}
		if t == '{' {
			return o, nil
		}
		return list, nil
	case json.Number:
		return t.String(), nil
	}
	return t, nil
}
