package words

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/text/language"
)

// ownName is the text that says what a language calls itself.
const ownName = "English"

//go:embed *.json
var catalogues embed.FS

// Languages are the tags of the languages that there are, English first.
func Languages() []string {
	tags := make([]string, 0, len(shelf()))
	for tag := range shelf() {
		tags = append(tags, tag)
	}
	slices.SortFunc(tags, func(a, b string) int {
		switch {
		case a == "en":
			return -1
		case b == "en":
			return 1
		}
		return strings.Compare(a, b)
	})
	return tags
}

// OwnName is what a language calls itself, such as "Deutsch".
func OwnName(tag string) string { return Of(tag).L(ownName) }

// English is the book that lacks nothing.
func English() *Book { return shelf()["en"] }

// Of gives the book that fits the tags best, the ones that a person likes most first: "de_AT.UTF-8"
// gives German. English where nothing fits.
func Of(tags ...string) *Book {
	for _, tag := range tags {
		tag, _, _ = strings.Cut(tag, ".")
		wanted, err := language.Parse(strings.ReplaceAll(tag, "_", "-"))
		if err != nil {
			continue
		}
		if b := shelf()[wanted.String()]; b != nil {
			return b
		}
		base, _ := wanted.Base()
		if b := shelf()[base.String()]; b != nil {
			return b
		}
	}
	return English()
}

// shelf has all books by their tags. Catalogues are part of the program: a damaged one is a
// mistake of ours, which the tests find.
var shelf = sync.OnceValue(func() map[string]*Book {
	books := map[string]*Book{}
	files, err := catalogues.ReadDir(".")
	if err != nil {
		panic(err)
	}
	for _, f := range files {
		raw, err := catalogues.ReadFile(f.Name())
		if err != nil {
			panic(err)
		}
		b, err := parse(strings.TrimSuffix(f.Name(), ".json"), raw)
		if err != nil {
			panic(err)
		}
		books[b.Tag()] = b
	}
	return books
})

// parse reads a catalogue: each text by its id, as a string or as an object with a string
// for each plural form.
func parse(tag string, raw []byte) (*Book, error) {
	parsed, err := language.Parse(tag)
	if err != nil {
		return nil, fmt.Errorf("catalogue %s.json: the file's name is no language: %w", tag, err)
	}
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, fmt.Errorf("catalogue %s.json: %w", tag, err)
	}
	b := &Book{tag: parsed, texts: make(map[string]*text, len(entries))}
	for id, entry := range entries {
		forms := map[string]string{}
		var single string
		if json.Unmarshal(entry, &single) == nil {
			forms["other"] = single
		} else if err := json.Unmarshal(entry, &forms); err != nil || forms["other"] == "" {
			return nil, fmt.Errorf("catalogue %s.json: %q is neither a text nor an object of plural forms with \"other\"", tag, id)
		}
		b.texts[id] = newText(id, forms)
	}
	return b, nil
}

// current is the language of the window. There is one screen and one person before it, and
// texts are made in hundreds of places, most of them far from anything that could hand a book
// on: docs/decisions/0022-words.md says why this is the one thing that a process has once.
// Models don't ask it: they get their book (SetBook), so that two of them can differ.
var current atomic.Pointer[Book]

// Use makes a book the language of the window.
func Use(b *Book) { current.Store(b) }

// Now is the language of the window, English unless Use said otherwise.
func Now() *Book {
	if b := current.Load(); b != nil {
		return b
	}
	return English()
}

// L is a text in the language of the window; see Book.L.
func L(id string, args ...any) string { return Now().L(id, args...) }
