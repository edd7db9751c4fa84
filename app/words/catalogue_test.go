package words_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/fabriscope/fabriscope/app/words"
)

// Every text that the program shows is in every catalogue, with its places, and nothing else is.
func TestCataloguesAreComplete(t *testing.T) {
	used := usedTexts(t)
	for _, tag := range words.Languages() {
		has := catalogue(t, tag)
		for id, where := range used {
			forms, ok := has[id]
			if !ok {
				t.Errorf("%s.json lacks %q (%s)", tag, id, where)
			}
			for form, text := range forms {
				for _, hole := range holes(id) {
					if !strings.Contains(text, hole) && (form == "other" || hole != "{{.N}}") {
						t.Errorf("%s.json: %q lacks %s", tag, text, hole)
					}
				}
				for _, hole := range holes(text) {
					if !slices.Contains(holes(id), hole) {
						t.Errorf("%s.json: %q has %s, which %q has not", tag, text, hole, id)
					}
				}
			}
		}
		for id := range has {
			if used[id] == "" {
				t.Errorf("%s.json has %q, which nothing shows", tag, id)
			}
		}
	}
}

// usedTexts are the ids that the sources of app name, with the place of one use. An id is the
// first argument of a call of L, one of the two texts of a fault, or stands in a table.
func usedTexts(t *testing.T) map[string]string {
	t.Helper()
	used := map[string]string{"English": "the languages' own names"}
	for _, id := range words.TableTexts() {
		bare := id
		for _, hole := range holes(id) {
			bare = strings.ReplaceAll(bare, hole, "")
		}
		if strings.ContainsFunc(bare, unicode.IsLetter) { // there is something to translate
			used[id] = "a table"
		}
	}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			id, texts := literal(call.Args[0]), 1
			switch named := calledName(call.Fun); {
			case id == "" || named != "L" && named != "NewFault":
				return true
			case named == "NewFault":
				texts = 2
				if remedy := literal(call.Args[1]); remedy != "" {
					used[remedy] = files.Position(call.Pos()).String()
				}
			}
			used[id] = files.Position(call.Pos()).String()
			if given, wanted := len(call.Args)-texts, len(holes(id)); given != wanted && !byName(call.Args) && !call.Ellipsis.IsValid() {
				t.Errorf("%s: %q has %d places, %d values are given", used[id], id, wanted, given)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return used
}

// byName tells whether a text's values are given as a map.
func byName(args []ast.Expr) bool {
	if len(args) != 2 {
		return false
	}
	switch a := args[1].(type) {
	case *ast.CompositeLit:
		_, ok := a.Type.(*ast.MapType)
		return ok
	case *ast.Ident:
		return a.Name == "title"
	}
	return false
}

// calledName is the name of a called function, without what it belongs to.
func calledName(fun ast.Expr) string {
	switch f := fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

// literal is a string constant, also one that is written in several pieces.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.BinaryExpr:
		return literal(e.X) + literal(e.Y)
	}
	return ""
}

// catalogue reads a language's texts, each with its forms.
func catalogue(t *testing.T, tag string) map[string]map[string]string {
	t.Helper()
	raw, err := os.ReadFile(tag + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var entries map[string]any
	if err := json.Unmarshal(raw, &entries); err != nil {
		t.Fatalf("%s.json: %v", tag, err)
	}
	all := map[string]map[string]string{}
	for id, entry := range entries {
		all[id] = map[string]string{}
		switch entry := entry.(type) {
		case string:
			all[id]["other"] = entry
		case map[string]any:
			for form, text := range entry {
				all[id][form], _ = text.(string)
			}
		}
	}
	return all
}

// holes are the places of a text that values are put into, each once.
func holes(text string) []string {
	var out []string
	for rest := text; ; {
		i := strings.Index(rest, "{{")
		j := strings.Index(rest, "}}")
		if i < 0 || j < i {
			return out
		}
		if hole := rest[i : j+2]; !slices.Contains(out, hole) {
			out = append(out, hole)
		}
		rest = rest[j+2:]
	}
}
