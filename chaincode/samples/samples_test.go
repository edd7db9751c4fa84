package samples_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/chaincode/samples"
)

func TestEverySampleIsDescribed(t *testing.T) {
	for _, s := range samples.All() {
		if s.Doc == "" || len(s.Functions) == 0 || s.New == nil {
			t.Errorf("%+v is incomplete", s)
		}
		seen := map[string]bool{}
		for _, f := range s.Functions {
			if f.Doc == "" || f.Call == nil || seen[f.Name] {
				t.Errorf("%s.%s is incomplete or there twice", s.Name, f.Name)
			}
			seen[f.Name] = true
			for _, arg := range f.Args {
				if samples.Documented(strings.TrimSuffix(arg, "?")).Example == "" {
					t.Errorf("%s.%s: nothing is said of the argument %s", s.Name, f.Name, arg)
				}
			}
		}
		if got, ok := samples.ByName(s.Name); !ok || got.Name != s.Name {
			t.Errorf("ByName(%q) gave %q, %v", s.Name, got.Name, ok)
		}
		if files, err := fs.Glob(samples.Source, s.Name+"/*.go"); err != nil || len(files) == 0 {
			t.Errorf("%s: no source is embedded: %v", s.Name, err)
		}
	}
	if _, ok := samples.ByName("nonsense"); ok {
		t.Error("there is a sample called nonsense")
	}
}

// A sample's package must build from the same modules that the program was built
// and tested with.
func TestPackageModuleFollowsTheProgram(t *testing.T) {
	root, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	module, err := fs.ReadFile(samples.Source, "package.mod")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := fs.ReadFile(samples.Source, "package.sum")
	if err != nil {
		t.Fatal(err)
	}
	rootSums, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	requires := regexp.MustCompile(`(?m)^\t(\S+ v\S+)`).FindAllStringSubmatch(string(module), -1)
	if len(requires) < 3 {
		t.Fatalf("package.mod requires %v", requires)
	}
	for _, r := range requires {
		if !strings.Contains(string(root), "\t"+r[1]) {
			t.Errorf("package.mod requires %s, the program another version", r[1])
		}
	}
	same := 0
	for line := range strings.Lines(string(sums)) {
		module, _, _ := strings.Cut(line, " h1:")
		if !strings.Contains(string(rootSums), "\n"+module+" h1:") {
			continue // a test dependency that the program does not have
		}
		if same++; !strings.Contains(string(rootSums), "\n"+line) {
			t.Errorf("package.sum has %q, the program's go.sum another hash", line)
		}
	}
	if same < len(requires) {
		t.Errorf("package.sum has only %d hashes in common with the program", same)
	}
}
