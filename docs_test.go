package main

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// read gives a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// firsts gives the first group of each match.
func firsts(pattern, text string) []string {
	var out []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

func missing(from, in []string) []string {
	var out []string
	for _, x := range from {
		if !slices.Contains(in, x) {
			out = append(out, x)
		}
	}
	return out
}

func TestEventsAreDocumented(t *testing.T) {
	constants := slices.DeleteFunc(firsts(`(?m)^\t\w+ +Kind = "([^"]+)"`, read(t, "internal/trace/kinds.go")),
		func(kind string) bool { return kind == string(trace.ChaincodePrefix) })
	var listed []string
	for _, k := range trace.Kinds() {
		listed = append(listed, string(k))
	}
	_, kinds, _ := strings.Cut(read(t, "docs/EVENTS.md"), "\n## ")
	documented := firsts("(?m)^\\| `([^`]+)` \\|", kinds)
	if len(constants) < 60 {
		t.Fatalf("only %d kinds found in kinds.go", len(constants))
	}
	for _, c := range []struct {
		what     string
		from, in []string
	}{
		{"trace.Kinds lacks", constants, listed},
		{"docs/EVENTS.md lacks", constants, documented},
		{"docs/EVENTS.md has what does not exist:", documented, constants},
	} {
		if m := missing(c.from, c.in); len(m) > 0 {
			t.Errorf("%s %v", c.what, m)
		}
	}
	if undescribed := firsts("(?m)^\\| `([^`]+)` \\| *\\|$", kinds); len(undescribed) > 0 {
		t.Errorf("docs/EVENTS.md says nothing about %v", undescribed)
	}
}

var update = flag.Bool("update", false, "write the tables of docs/EVENTS.md anew")

// The table of facts is made from the one that programs use.
func TestFactsAreDocumented(t *testing.T) {
	var table strings.Builder
	table.WriteString("\nkind | `what` | numbers and name\n--- | --- | ---\n")
	for _, k := range trace.Kinds() {
		f := trace.FactsOf(k)
		var whats, rest []string
		for _, w := range f.Whats {
			if w != trace.Told {
				whats = append(whats, w.String())
			}
		}
		for _, name := range []string{f.A.Name, f.B.Name, f.C.Name, f.Name} {
			if name != "" {
				rest = append(rest, "`"+name+"`")
			}
		}
		if len(whats)+len(rest) > 0 {
			fmt.Fprintf(&table, "%s | %s | %s\n", k, strings.Join(whats, ", "), strings.Join(rest, ", "))
		}
	}
	table.WriteString("\n")
	text := read(t, "docs/EVENTS.md")
	const begin, end = "<!-- made by TestFactsAreDocumented -update -->\n", "<!-- end -->"
	before, rest, _ := strings.Cut(text, begin)
	old, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatal("docs/EVENTS.md has no place for the table of facts")
	}
	if old == table.String() {
		return
	}
	if !*update {
		t.Fatal("the table of facts in docs/EVENTS.md is not that of internal/trace/facts.go; go test . -update writes it")
	}
	if err := os.WriteFile("docs/EVENTS.md", []byte(before+begin+table.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLinksResolve(t *testing.T) {
	out, err := exec.Command("git", "ls-files", "*.md").Output()
	if err != nil {
		t.Skipf("not a git checkout: %v", err)
	}
	files := strings.Fields(string(out))
	if len(files) < 6 {
		t.Fatalf("only %d markdown files", len(files))
	}
	for _, f := range files {
		for _, target := range firsts(`\]\(([^)\s]+)\)`, read(t, f)) {
			u, err := url.Parse(target)
			if err != nil {
				t.Errorf("%s: %q is no link: %v", f, target, err)
				continue
			}
			if u.Scheme != "" || u.Path == "" {
				continue
			}
			path := filepath.Join(filepath.Dir(f), u.Path)
			tracked, err := exec.Command("git", "ls-files", path).Output()
			if err != nil {
				t.Fatal(err)
			}
			if len(tracked) == 0 {
				t.Errorf("%s links to %s, which is not in the repository", f, target)
			}
		}
	}
}
