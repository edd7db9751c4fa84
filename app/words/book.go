// Package words has every text that a person reads in the window and in reports, in every
// language that there is. Models say which text it is and which names and numbers stand in
// it; here it becomes a sentence. It knows nothing of the screen and nothing of the network
// beside the events (internal/trace).
//
// A catalogue is a file of this folder: de.json is German. docs/LANGUAGES.md says how to add
// one. A text is known by its English form, with the places for names and numbers in it:
// "{{.Peer}} has committed block {{.N}}." A number N chooses the form where the language has
// several ("1 block", "2 blocks").
package words

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// Book has the texts of one language. The zero value and nil have none: texts then stand in
// English, as their ids say. A Book does not change and may be used by many at once.
type Book struct {
	tag   language.Tag
	texts map[string]*text
}

// text is one text of a catalogue, taken apart.
type text struct {
	forms [plural.Many + 1][]piece // by plural form; those that the language lacks are as Other
	count int                      // which argument chooses the form, -1 = there is one form
}

// piece is a literal, or the place of an argument.
type piece struct {
	literal string
	name    string // "" = a literal
	arg     int    // of arguments that are given in their order
}

// Tag is the language, such as "de".
func (b *Book) Tag() string {
	if b == nil {
		return "en"
	}
	return b.tag.String()
}

// L is a text in the book's language. What stands in its places is given in the order in
// which the places stand in the id, or by name as one map[string]any.
func (b *Book) L(id string, args ...any) string {
	t := b.find(id)
	if len(args) == 0 && t.count < 0 && len(t.forms[plural.Other]) == 1 {
		return t.forms[plural.Other][0].literal
	}
	if named, ok := first(args).(map[string]any); ok {
		return b.fill(id, func(name string) any { return named[name] })
	}
	form := plural.Other
	if t.count >= 0 && t.count < len(args) {
		form = b.form(args[t.count])
	}
	var out strings.Builder
	out.Grow(len(id) + 16*len(args))
	for _, p := range t.forms[form] {
		switch {
		case p.name == "":
			out.WriteString(p.literal)
		case p.arg >= 0 && p.arg < len(args):
			write(&out, args[p.arg])
		default:
			out.WriteString("{{." + p.name + "}}")
		}
	}
	return out.String()
}

// fill is a text whose places are asked for by name; nil leaves a place as it is.
func (b *Book) fill(id string, value func(name string) any) string {
	t, form := b.find(id), plural.Other
	if t.count >= 0 {
		form = b.form(value("N"))
	}
	var out strings.Builder
	out.Grow(2 * len(id))
	for _, p := range t.forms[form] {
		if p.name == "" {
			out.WriteString(p.literal)
		} else if v := value(p.name); v != nil {
			write(&out, v)
		} else {
			out.WriteString("{{." + p.name + "}}")
		}
	}
	return out.String()
}

// Has tells whether the book has a text of its own for an id.
func (b *Book) Has(id string) bool { return b != nil && b.texts[id] != nil }

// find gives a text, the English one where the book has none, the id itself where nobody has.
func (b *Book) find(id string) *text {
	if b != nil {
		if t := b.texts[id]; t != nil {
			return t
		}
	}
	if t := English().texts[id]; t != nil {
		return t
	}
	return newText(id, map[string]string{"other": id})
}

func first(args []any) any {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

func write(out *strings.Builder, v any) {
	switch v := v.(type) {
	case string:
		out.WriteString(v)
	case int:
		out.WriteString(strconv.Itoa(v))
	case uint64:
		out.WriteString(strconv.FormatUint(v, 10))
	case int64:
		out.WriteString(strconv.FormatInt(v, 10))
	default:
		fmt.Fprint(out, v)
	}
}

// form chooses the plural form for a number.
func (b *Book) form(v any) plural.Form {
	n := 0
	switch v := v.(type) {
	case int:
		n = v
	case int64:
		n = int(v)
	case uint64:
		n = int(v % 10_000_000) // the rules need no more of a number
	default:
		n, _ = strconv.Atoi(fmt.Sprint(v))
	}
	tag := language.English
	if b != nil {
		tag = b.tag
	}
	return plural.Cardinal.MatchPlural(tag, max(n, -n), 0, 0, 0, 0)
}

var formNames = map[string]plural.Form{
	"other": plural.Other, "zero": plural.Zero, "one": plural.One, "two": plural.Two, "few": plural.Few, "many": plural.Many,
}

// newText takes a text's forms apart; the places of its id tell the order of the arguments.
func newText(id string, forms map[string]string) *text {
	t := &text{count: -1}
	order := map[string]int{}
	for _, p := range pieces(id) {
		if _, known := order[p.name]; p.name != "" && !known {
			order[p.name] = len(order)
		}
	}
	for i := range t.forms {
		t.forms[i] = nil
	}
	for name, form := range formNames {
		text, has := forms[name]
		if !has {
			continue
		}
		parts := pieces(text)
		for i := range parts {
			parts[i].arg = -1
			if at, ok := order[parts[i].name]; ok && parts[i].name != "" {
				parts[i].arg = at
			}
		}
		t.forms[form] = parts
	}
	for i := range t.forms {
		if t.forms[i] == nil {
			t.forms[i] = t.forms[plural.Other]
		}
	}
	if at, ok := order["N"]; ok && len(forms) > 1 {
		t.count = at
	}
	return t
}

// pieces cuts a text at its places, "{{.Name}}".
func pieces(s string) []piece {
	var out []piece
	for {
		before, rest, found := strings.Cut(s, "{{.")
		name, after, closed := strings.Cut(rest, "}}")
		if !found || !closed {
			if s != "" || out == nil {
				out = append(out, piece{literal: s})
			}
			return out
		}
		if before != "" {
			out = append(out, piece{literal: before})
		}
		out = append(out, piece{name: name})
		s = after
	}
}
