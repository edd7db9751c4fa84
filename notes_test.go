package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// notesReadBy are the files that may read an event's Note, and why. A note is for people:
// whatever a program needs to know is a typed field (docs/EVENTS.md). The list only gets shorter.
var notesReadBy = map[string]string{
	"app/words/":                 "the words of the screen",
	"internal/trace/":            "events are recorded, written and read there",
	"internal/link/":             "whoever records an event makes its note",
	"network/scenario/values.go": "a script sees an event as it is",
	"app/report/export.go":       "listings of events, for people and other programs",
	"orderer/clusterpb/":         "whoever records an event makes its note",
	"network/deploy.go":          "an error says what a chaincode said",
	"network/clients.go":         "an error says what a peer said",
}

// TestOnlyWordsReadNotes finds every place that reads the field Note of trace.Event.
func TestOnlyWordsReadNotes(t *testing.T) {
	used := map[string]bool{}
	for _, at := range noteReaders(t) {
		allowed := ""
		for prefix := range notesReadBy {
			if strings.HasPrefix(at, prefix) {
				allowed = prefix
			}
		}
		if allowed == "" {
			t.Errorf("%s reads the note of an event: notes are for people, take the typed fields (docs/EVENTS.md)", at)
		}
		used[allowed] = true
	}
	for prefix := range notesReadBy {
		if !used[prefix] {
			t.Errorf("%s reads no note any more: take it off the list", prefix)
		}
	}
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Export, Dir string
	GoFiles, Imports        []string
	Standard                bool
}

// noteReaders lists the places, as file:line, in every package that imports package trace.
func noteReaders(t *testing.T) (places []string) {
	t.Helper()
	cmd := exec.Command("go", "list", "-tags", "x11,migrated_fynedo,grpcnotrace", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles,Imports,Standard", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var own []listed
	exports := map[string]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		exports[p.ImportPath] = p.Export
		if strings.HasPrefix(p.ImportPath+"/", module) {
			own = append(own, p)
		}
	}
	set := token.NewFileSet()
	imports := importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("package %s is not there", path)
		}
		return os.Open(exports[path])
	})
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range own {
		for _, at := range readersIn(t, set, imports, &p) {
			where := set.Position(at)
			file, err := filepath.Rel(here, where.Filename)
			if err != nil {
				t.Fatal(err)
			}
			places = append(places, fmt.Sprintf("%s:%d", filepath.ToSlash(file), where.Line))
		}
	}
	return places
}

// readersIn finds where a package reads Event.Note; setting it is no reading.
func readersIn(t *testing.T, set *token.FileSet, imports types.Importer, p *listed) (places []token.Pos) {
	t.Helper()
	files := make([]*ast.File, 0, len(p.GoFiles))
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
	conf := types.Config{Importer: imports, Error: func(error) {}} // the compiler has seen the package already
	_, _ = conf.Check(p.ImportPath, set, files, info)
	written := map[ast.Expr]bool{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if a, ok := n.(*ast.AssignStmt); ok && (a.Tok == token.ASSIGN || a.Tok == token.DEFINE) {
				for _, to := range a.Lhs {
					written[to] = true
				}
			}
			return true
		})
	}
	for expr, s := range info.Selections {
		if expr.Sel.Name == "Note" && !written[expr] && ofEvent(s) {
			places = append(places, expr.Pos())
		}
	}
	return places
}

// ofEvent tells whether a selected field is that of trace.Event, also through an embedding.
func ofEvent(s *types.Selection) bool {
	field, ok := s.Obj().(*types.Var)
	if !ok || !field.IsField() || field.Pkg() == nil || field.Pkg().Path() != module+"internal/trace" {
		return false
	}
	event := field.Pkg().Scope().Lookup("Event")
	if event == nil {
		return false
	}
	fields, ok := event.Type().Underlying().(*types.Struct)
	for i := 0; ok && i < fields.NumFields(); i++ {
		if fields.Field(i) == field {
			return true
		}
	}
	return false
}
