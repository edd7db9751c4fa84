package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Kinds of events are constants: a literal would not be found when a kind changes. Words
// that are kinds and something else besides ("error", "block") are literals where they mean
// the other thing; those have no dot or dash, so they are left out here.
func TestKindsAreConstants(t *testing.T) {
	kinds := map[string]bool{}
	for _, k := range trace.Kinds() {
		if strings.ContainsAny(string(k), ".-") {
			kinds[string(k)] = true
		}
	}
	out, err := exec.Command("git", "ls-files", "*.go").Output()
	if err != nil {
		t.Skipf("not a git checkout: %v", err)
	}
	// Where kinds are the words of users, in examples of commands and scripts, or where a key
	// of a topology is the same word.
	words := []string{"internal/trace/kinds.go", "network/scenario/", "app/cli/", "network/topologycheck.go"}
	for _, file := range strings.Fields(string(out)) {
		if strings.HasSuffix(file, "_test.go") || slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(file, w) }) {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			l, ok := n.(*ast.BasicLit)
			if !ok || l.Kind != token.STRING {
				return true
			}
			if text, err := strconv.Unquote(l.Value); err == nil && kinds[text] {
				t.Errorf("%s: %s is a kind of event: write its constant of package trace", set.Position(l.Pos()), l.Value)
			}
			return true
		})
	}
}
