package inspect

import (
	"encoding/hex"
	"fmt"
	"unicode/utf8"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// Bounds of a decoded message's tree.
const (
	maxNodesShown = 4000
	maxListShown  = 120
	maxTreeDepth  = 40
	maxValue      = 1500
)

// decodeTree shows a message to its last field. Bytes of an unknown message are shown
// as they are.
func (a *about) decodeTree(name string, raw []byte) []*Node {
	object, err := wire.Decode(name, raw)
	if err != nil {
		return []*Node{{Name: "bytes", Value: a.bytesText(raw), Note: err.Error(), Mono: true}}
	}
	g := grower{a, maxNodesShown}
	root := &Node{Name: name, Open: true}
	g.object(root, object, 0)
	return root.Children
}

// grower makes nodes until there are enough.
type grower struct {
	a    *about
	left int
}

func (g *grower) object(into *Node, o *wire.Object, depth int) {
	for i := range o.Fields {
		if g.left <= 0 {
			into.More = len(o.Fields) - i
			return
		}
		g.left--
		n := &Node{Name: o.Fields[i].Name, Open: depth < 2}
		into.Children = append(into.Children, n)
		g.value(n, o.Fields[i].Value, depth)
	}
}

func (g *grower) value(n *Node, v any, depth int) {
	if depth > maxTreeDepth {
		n.Value = "..."
		return
	}
	switch v := v.(type) {
	case nil:
		n.Value = "null"
	case *wire.Object:
		if v == nil {
			return
		}
		n.Note = v.Message
		g.object(n, v, depth+1)
	case []any:
		n.Note = g.a.L("{{.N}} entries", len(v))
		if len(v) != 1 {
			n.Note = g.a.L("{{.N}} entries", len(v))
		}
		for i := range v {
			if g.left <= 0 || i == maxListShown {
				n.More = len(v) - i
				return
			}
			g.left--
			child := &Node{Name: fmt.Sprintf("%d", i), Open: depth < 1}
			n.Children = append(n.Children, child)
			g.value(child, v[i], depth+1)
		}
	case wire.Bytes:
		n.Mono = true
		n.Value = g.a.bytesText(v)
	case string:
		n.Value = g.a.clipText(v, maxValue)
		n.Mono = true
	default:
		n.Value, n.Mono = fmt.Sprint(v), true
	}
}

// bytesText is text if it can be read, else hexadecimal digits.
func (a *about) bytesText(b wire.Bytes) string {
	if text, ok := b.Text(); ok {
		return a.clipText(text, maxValue)
	}
	if len(b) > maxValue/2 {
		return hex.EncodeToString(b[:maxValue/2]) + "... (" + a.L("{{.N}} bytes", len(b)) + ")"
	}
	return hex.EncodeToString(b)
}

func (a *about) clipText(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "... (" + a.L("{{.N}} bytes", len(s)) + ")"
}
