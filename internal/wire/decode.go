package wire

import (
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	// Their messages can be asked for by name, though this package does not use
	// the types itself.
	_ "github.com/hyperledger/fabric-protos-go-apiv2/discovery"
	_ "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	_ "github.com/hyperledger/fabric-protos-go-apiv2/ledger/queryresult"
	_ "github.com/hyperledger/fabric-protos-go-apiv2/orderer/etcdraft"
)

// What Decode shows at most: deeper messages stay bytes, further fields are left
// out and said to be.
const (
	maxDecodeDepth  = 100
	maxDecodeFields = 1_000_000
)

// Object is a decoded message: its fields in the order of the protocol's
// definition. It encodes to JSON as protobuf's own JSON form does with the
// original field names: 64-bit numbers as strings, bytes in base64, enumerations
// by name. Two things differ: bytes that hold a message are that message, and
// bytes that hold a certificate are its contents.
type Object struct {
	Message string // full name of the message, "" for a map, "certificate" for a certificate
	Fields  []Field
	Raw     []byte // the bytes this was decoded from, where the outer message had bytes
}

// Field is one field of an Object. Numbers and booleans are always there; empty
// texts, bytes and lists and absent messages are not.
type Field struct {
	Name string
	// Value is a *Object, []any, string, Bytes, bool, int64 (32-bit numbers),
	// float64 or nil. Numbers of 64 bits and names of enumeration values are
	// strings.
	Value any
}

// Get is the value of a field, nil if it is not there.
func (o *Object) Get(name string) any {
	if o == nil {
		return nil
	}
	for i := range o.Fields {
		if o.Fields[i].Name == name {
			return o.Fields[i].Value
		}
	}
	return nil
}

// Decode decodes a message to the last field: the bytes inside an envelope, a
// header, an action or a configuration value are decoded too, as far as the
// protocol says what they are. The name is the full name, for example
// "common.Envelope" or "protos.SignedProposal". Inner bytes that do not decode
// stay Bytes; the outer message must (ErrMalformed, ErrUnknownMessage).
func Decode(name string, b []byte) (*Object, error) {
	if o, ok, err := decodePlain(name, b); ok {
		return o, err
	}
	d := decoder{fields: maxDecodeFields}
	m, err := unmarshalNamed(name, b)
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return d.message(m.ProtoReflect(), &frame{}), nil
}

// unmarshalNamed decodes bytes as the message with this full name.
func unmarshalNamed(name string, b []byte) (proto.Message, error) {
	typ, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return nil, fmt.Errorf("%w %q: use a full name such as common.Envelope or protos.SignedProposal", ErrUnknownMessage, name)
	}
	m := typ.New().Interface()
	if err := (proto.UnmarshalOptions{RecursionLimit: 2 * maxDecodeDepth}).Unmarshal(b, m); err != nil {
		return nil, malformed(name, err)
	}
	return m, nil
}

// frame is where the decoder stands: what it knows about the message it is in
// that the message itself does not tell.
type frame struct {
	outer   *frame
	message protoreflect.Message
	hint    string // said by the field that the message came from, see inner
	mapKey  string // key of the map entry that the message is the value of
	depth   int
}

// within is the frame of something inside this one.
func (f *frame) within(hint, mapKey string) *frame {
	return &frame{outer: f, hint: hint, mapKey: mapKey, depth: f.depth + 1}
}

// outerHint is the nearest hint around the message.
func (f *frame) outerHint() string {
	for ; f != nil; f = f.outer {
		if f.hint != "" {
			return f.hint
		}
	}
	return ""
}

// decoder walks a message and counts what it has shown.
type decoder struct{ fields int }

// message turns a message into an Object.
func (d *decoder) message(m protoreflect.Message, at *frame) *Object {
	at.message = m
	out := &Object{Message: string(m.Descriptor().FullName())}
	if any, ok := m.Interface().(*anypb.Any); ok {
		d.anyMessage(any, out, at)
		return out
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if d.fields <= 0 {
			out.Fields = append(out.Fields, Field{Name: "(left out)", Value: "the message has more fields than are shown"})
			return out
		}
		value, shown := d.field(m, field, at)
		if shown {
			d.fields--
			out.Fields = append(out.Fields, Field{Name: string(field.Name()), Value: value})
		}
	}
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		out.Fields = append(out.Fields, Field{Name: "(unknown fields)", Value: Bytes(unknown)})
	}
	return out
}

// field turns one field into a value; shown is false where it is empty or absent.
func (d *decoder) field(m protoreflect.Message, field protoreflect.FieldDescriptor, at *frame) (value any, shown bool) {
	switch {
	case field.IsMap():
		if m.Get(field).Map().Len() == 0 {
			return nil, false
		}
		return d.mapValue(field, m.Get(field).Map(), at), true
	case field.IsList():
		list := m.Get(field).List()
		if list.Len() == 0 {
			return nil, false
		}
		return d.list(field, list, at), true
	case !m.Has(field) && (field.HasPresence() || field.Kind() == protoreflect.StringKind || field.Kind() == protoreflect.BytesKind):
		return nil, false
	}
	return d.value(field, m.Get(field), at, 0, ""), true
}

// list turns a repeated field into a slice.
func (d *decoder) list(field protoreflect.FieldDescriptor, list protoreflect.List, at *frame) []any {
	n := min(list.Len(), d.fields)
	d.fields -= n
	out := make([]any, n, n+1)
	for i := range n {
		out[i] = d.value(field, list.Get(i), at, i, "")
	}
	if n < list.Len() {
		out = append(out, fmt.Sprintf("(%d more left out)", list.Len()-n))
	}
	return out
}

// mapValue turns a map field into an Object with the keys in order.
func (d *decoder) mapValue(field protoreflect.FieldDescriptor, m protoreflect.Map, at *frame) *Object {
	keys := make([]string, 0, m.Len())
	values := make(map[string]protoreflect.Value, m.Len())
	for k, v := range m.Range {
		keys = append(keys, k.String())
		values[k.String()] = v
	}
	slices.Sort(keys)
	out := &Object{}
	for _, k := range keys {
		if d.fields <= 0 {
			break
		}
		d.fields--
		out.Fields = append(out.Fields, Field{Name: k, Value: d.value(field.MapValue(), values[k], at, 0, k)})
	}
	return out
}

// value turns a single value; index and mapKey say where in a list or map it is.
func (d *decoder) value(field protoreflect.FieldDescriptor, v protoreflect.Value, at *frame, index int, mapKey string) any {
	switch field.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if t, ok := v.Message().Interface().(*timestamppb.Timestamp); ok {
			return timestampText(t)
		}
		if at.depth >= maxDecodeDepth {
			return "(too deep to be shown)"
		}
		return d.message(v.Message(), at.within("", mapKey))
	case protoreflect.BytesKind:
		return d.bytes(field, v.Bytes(), at, index)
	case protoreflect.EnumKind:
		if name := field.Enum().Values().ByNumber(v.Enum()); name != nil {
			return string(name.Name())
		}
		return int64(v.Enum())
	case protoreflect.StringKind:
		return v.String()
	case protoreflect.BoolKind:
		return v.Bool()
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return int64(int32(v.Int()))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return int64(v.Uint())
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return strconv.FormatInt(v.Int(), 10)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return strconv.FormatUint(v.Uint(), 10)
	default: // FloatKind, DoubleKind
		return v.Float()
	}
}

// timestampText is RFC 3339 in UTC, or the two numbers where they are no time.
func timestampText(t *timestamppb.Timestamp) string {
	if t.CheckValid() != nil {
		return fmt.Sprintf("invalid time: %d s, %d ns", t.GetSeconds(), t.GetNanos())
	}
	layout := "2006-01-02T15:04:05Z07:00" // protobuf writes 0, 3, 6 or 9 digits of a second
	switch nanos := t.GetNanos(); {
	case nanos%1e3 != 0:
		layout = "2006-01-02T15:04:05.000000000Z07:00"
	case nanos%1e6 != 0:
		layout = "2006-01-02T15:04:05.000000Z07:00"
	case nanos != 0:
		layout = "2006-01-02T15:04:05.000Z07:00"
	}
	return t.AsTime().Format(layout)
}

// bytes decodes a bytes field where the protocol says what is in it.
func (d *decoder) bytes(field protoreflect.FieldDescriptor, b []byte, at *frame, index int) any {
	if at.depth >= maxDecodeDepth || len(b) == 0 {
		return Bytes(b)
	}
	switch content := inner(field, at, index, b); content.message {
	case "":
		return Bytes(b)
	case certificateContent:
		return d.certificate(b)
	case filterContent:
		return filterNames(b)
	default:
		m, err := unmarshalNamed(content.message, b)
		if err != nil {
			return Bytes(b)
		}
		out := d.message(m.ProtoReflect(), at.within(content.hint, ""))
		out.Raw = b
		return out
	}
}

// anyMessage decodes what an Any holds.
func (d *decoder) anyMessage(any *anypb.Any, out *Object, at *frame) {
	d.fields--
	out.Fields = append(out.Fields, Field{Name: "@type", Value: any.GetTypeUrl()})
	m, err := unmarshalNamed(string(any.MessageName()), any.GetValue())
	if err != nil || at.depth >= maxDecodeDepth {
		out.Fields = append(out.Fields, Field{Name: "value", Value: Bytes(any.GetValue())})
		return
	}
	out.Fields = append(out.Fields, d.message(m.ProtoReflect(), at.within("", "")).Fields...)
}
