package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// englishIn are the places of the models with sentences that no person reads in the window,
// and why. Everything else goes through the catalogues (package words).
var englishIn = map[string]string{
	"app/session/script/":        "a scenario that is written is a program",
	"app/session/closing.go":     "what did not end in order is logged",
	"app/session/start.go":       "names an error's part in another one",
	"app/session/settings.go":    "settings that are no JSON are a mistake of ours",
	"app/session/draft/draft.go": "names the step at which an error came",
	"app/session/open.go":        "names the step at which an error came",
	"app/session/computer.go":    "names of what this computer has, which the window asks for",
	"app/session/content.go":     "what files begin with",
	"app/view/stage/moves.go":    "the key of a box whose place is kept",
}

var sentence = regexp.MustCompile(`\pL{2,} \p{Ll}{2,}`)

// TestModelsSpeakByTheCatalogues finds words in the session and in the panels' models that
// would reach the screen in English whatever the window's language is.
func TestModelsSpeakByTheCatalogues(t *testing.T) {
	used := map[string]bool{}
	for _, root := range []string{"app/session", "app/view"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			found, err := englishOf(path)
			for _, at := range found {
				allowed := ""
				for prefix := range englishIn {
					if strings.HasPrefix(filepath.ToSlash(path), prefix) {
						allowed = prefix
					}
				}
				if used[allowed] = true; allowed == "" {
					t.Errorf("%s: give it to words.L or words.NewFault, and to the catalogues", at)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for prefix := range englishIn {
		if !used[prefix] {
			t.Errorf("%s has no sentence any more: take it off the list", prefix)
		}
	}
}

// englishOf lists the sentences in a file that are neither given to the catalogues nor to a log.
func englishOf(path string) (found []string, err error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field: // its tag
			return n.Tag == nil
		case *ast.CallExpr:
			name := ""
			switch fun := n.Fun.(type) {
			case *ast.SelectorExpr:
				name = fun.Sel.Name
			case *ast.Ident:
				name = fun.Name
			}
			switch name {
			case "L", "NewFault", "Warn", "panic":
				return false
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && sentence.MatchString(text) {
				found = append(found, fmt.Sprintf("%s: %q", files.Position(n.Pos()), text))
			}
		}
		return true
	})
	return found, nil
}
