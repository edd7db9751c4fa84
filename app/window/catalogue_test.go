package window

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Every text that the window shows is in both catalogues, and nothing else is.
func TestCatalogueIsComplete(t *testing.T) {
	used := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "L" {
				return true
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok {
				return true
			}
			// The catalogue's format keeps these two words for itself; they are the same in
			// both languages.
			if text, err := strconv.Unquote(lit.Value); err == nil && text != "id" && text != "hash" {
				used[text] = true
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"en", "de"} {
		b, err := catalogue.ReadFile("translations/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		has := map[string]string{}
		if err := json.Unmarshal(b, &has); err != nil {
			t.Fatalf("%s.json: %v", name, err)
		}
		for text := range used {
			if has[text] == "" {
				t.Errorf("%s.json lacks %q", name, text)
			}
			for _, hole := range holes(text) {
				if !strings.Contains(has[text], hole) {
					t.Errorf("%s.json: %q lacks %s", name, has[text], hole)
				}
			}
		}
		for text := range has {
			if !used[text] {
				t.Errorf("%s.json has %q, which nothing shows", name, text)
			}
		}
	}
}

// holes are the places of a text that values are put into.
func holes(text string) []string {
	var out []string
	for rest := text; ; {
		i := strings.Index(rest, "{{")
		j := strings.Index(rest, "}}")
		if i < 0 || j < i {
			return out
		}
		out = append(out, rest[i:j+2])
		rest = rest[j+2:]
	}
}

// Plain entries of Fyne would swallow the window's shortcuts.
func TestOnlyEntriesThatLetShortcutsThrough(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "look/") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, call := range []string{"widget.NewEntry(", "widget.NewMultiLineEntry(", "widget.NewPasswordEntry("} {
			if strings.Contains(string(b), call) {
				t.Errorf("%s uses %s); use look.NewEntry and its like", path, call)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
