package assets

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
)

// What lessons and scenarios say, a file for each language.
//
//go:embed texts
var catalogues embed.FS

// Text is something that a lesson or scenario says: one of the catalogues' texts with what
// stands in its places, or a sentence as its author wrote it. It becomes words where it is
// shown (In), so that the language can change while it stands there.
type Text struct {
	ID    string            // of a text in the catalogues, or the sentence itself
	Args  map[string]string // by place: {{.block}} has the argument block
	Parts map[string]string // places that another text fills, by its ID; it has the same Args
}

// maxArgument bounds what a text's key keeps of an argument, in bytes.
const maxArgument = 300

// In gives the text in a language, such as "de" or "de-AT"; in English where the language is
// not there or lacks it.
func (t Text) In(language string) string { return t.in(language, 0) }

// String gives the text in English.
func (t Text) String() string { return t.In("en") }

func (t Text) in(language string, depth int) string {
	text, _ := findText(language, t.ID)
	if len(t.Args) == 0 && len(t.Parts) == 0 || depth > 1 {
		return text
	}
	places := make([]string, 0, 2*(len(t.Args)+len(t.Parts)))
	for name, id := range t.Parts {
		places = append(places, place(name), Text{ID: id, Args: t.Args}.in(language, depth+1))
	}
	for name, value := range t.Args {
		if _, ok := t.Parts[name]; !ok {
			places = append(places, place(name), value)
		}
	}
	return strings.NewReplacer(places...).Replace(text)
}

func place(name string) string { return "{{." + name + "}}" }

// Places lists the places of the English text, sorted, without those of its parts.
func (t Text) Places() []string {
	text, _ := findText("en", t.ID)
	found := map[string]bool{}
	for {
		_, rest, more := strings.Cut(text, "{{.")
		name, after, closed := strings.Cut(rest, "}}")
		if !more || !closed {
			return slices.Sorted(maps.Keys(found))
		}
		found[name] = true
		text = after
	}
}

// Key writes the text in one word, from which ReadText makes it again: its id, and what
// stands in its places like in an address. "" where it is a sentence and no text of the
// catalogues.
func (t Text) Key() string {
	if !HasText(t.ID) {
		return ""
	}
	values := url.Values{}
	for name, value := range t.Args {
		if len(value) > maxArgument {
			value = strings.ToValidUTF8(value[:maxArgument], "") + "..."
		}
		values.Set(name, value)
	}
	for name, id := range t.Parts {
		values.Set(name+"@", id)
	}
	if len(values) == 0 {
		return t.ID
	}
	return t.ID + "?" + values.Encode()
}

// ReadText reads what Key wrote. ok is false where the catalogues have no such text: it was
// made by another version of the program.
func ReadText(key string) (t Text, ok bool) {
	id, query, _ := strings.Cut(key, "?")
	values, err := url.ParseQuery(query)
	if err != nil || !HasText(id) {
		return Text{}, false
	}
	t.ID = id
	for name := range values {
		if part, ok := strings.CutSuffix(name, "@"); ok {
			t.Parts = with(t.Parts, part, values.Get(name))
		} else {
			t.Args = with(t.Args, name, values.Get(name))
		}
	}
	return t, true
}

func with(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return m
}

// HasText tells whether the catalogues have a text of this id.
func HasText(id string) bool {
	_, ok := allTexts()["en"][id]
	return ok
}

// TextLanguages lists the languages that there are texts in, by their tags.
func TextLanguages() []string { return slices.Sorted(maps.Keys(allTexts())) }

// Texts gives all texts of a language by their ids. The map must not be changed.
func Texts(language string) map[string]string { return allTexts()[language] }

// allTexts reads the catalogues: one file a language, named by its tag.
var allTexts = sync.OnceValue(func() map[string]map[string]string {
	all := map[string]map[string]string{}
	entries, err := catalogues.ReadDir("texts")
	if err != nil {
		panic("assets: the lessons' texts are not in the program: " + err.Error())
	}
	for _, e := range entries {
		b, err := catalogues.ReadFile(path.Join("texts", e.Name()))
		texts := map[string]string{}
		if err == nil {
			err = json.Unmarshal(b, &texts)
		}
		if err != nil {
			panic(fmt.Sprintf("assets: the lessons' texts %s cannot be read: %v", e.Name(), err))
		}
		all[strings.TrimSuffix(e.Name(), ".json")] = texts
	}
	return all
})

// findText finds a text: in the language, in the language without its country, in
// English. Without any the id is the text.
func findText(language, id string) (text string, ok bool) {
	base, _, _ := strings.Cut(language, "-")
	for _, tag := range []string{language, base, "en"} {
		if text, ok := allTexts()[tag][id]; ok {
			return text, true
		}
	}
	return id, false
}
