package cli_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/fabriscope/fabriscope/app/cli"
)

func TestVersion(t *testing.T) {
	p := newProgram(t)
	var b struct{ Version, Go, System string }
	decode(t, p.must("version", "--json"), &b)
	if b.Version != cli.Version || b.Go == "" || b.System == "" {
		t.Errorf("got %+v", b)
	}
	if out := p.must("version"); !strings.HasPrefix(out, "fabriscope "+cli.Version+", commit ") {
		t.Errorf("got %q", out)
	}
}

// The version stands in the program, and in two files that others read.
func TestOneVersion(t *testing.T) {
	for file, line := range map[string]string{"CITATION.cff": "version: " + cli.Version + "\n", "FyneApp.toml": `Version = "` + cli.Version + "\"\n"} {
		data, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.ReplaceAll(string(data), "  ", " "), line) {
			t.Errorf("%s lacks %q", file, line)
		}
	}
}

// A package holds a manual page for each command that the help lists, and completions.
func TestManual(t *testing.T) {
	p := newProgram(t)
	share := filepath.Join(p.tmp, "share")
	p.must("manual", share)
	for _, command := range []string{"fabriscope", "fabriscope-up", "fabriscope-run", "fabriscope-ledger-check", "fabriscope-version"} {
		page, err := os.ReadFile(filepath.Join(share, "man", "man1", command+".1"))
		if err != nil {
			t.Error(err)
		} else if !bytes.Contains(page, []byte("EXAMPLE")) {
			t.Errorf("the page of %s has no example", command)
		}
	}
	for _, file := range []string{"bash-completion/completions/fabriscope", "zsh/site-functions/_fabriscope", "fish/vendor_completions.d/fabriscope.fish"} {
		if data, err := os.ReadFile(filepath.Join(share, file)); err != nil || !bytes.Contains(data, []byte("fabriscope")) {
			t.Errorf("%s: %v", file, err)
		}
	}
	for line, wanted := range map[string]string{"run two": "two-clients-one-key", "run lesson-8": "lesson-8", "up cons": "consortium"} {
		if out := p.must(append([]string{"__complete"}, strings.Fields(line)...)...); !strings.HasPrefix(out, wanted+"\n") {
			t.Errorf("%q is completed to %q, want %q", line, out, wanted)
		}
	}
}

// What a build server runs: what holds leaves a report, what does not leaves its page and
// its reason as well.
func TestAction(t *testing.T) {
	p := newProgram(t)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(p.tmp, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := "network(\"one-of-each\")\nr = submit(\"alice\", \"basic\", \"CreateAsset\", \"a1\", \"red\", \"1\", \"alice\", \"1\")\n"
	write("holds.star", start+"expect(r.ok, \"it is valid\")\n")
	write("fails.star", start+"expect(not r.ok, \"it is refused\")\n")
	script, err := filepath.Abs(filepath.Join("..", "..", "scripts", "action"))
	if err != nil {
		t.Fatal(err)
	}
	run := func(scenarios ...string) (code int, summary string) {
		t.Helper()
		cmd := exec.Command("sh", append([]string{script, os.Args[0], "report"}, scenarios...)...)
		told := filepath.Join(p.tmp, "summary")
		os.Remove(told)
		cmd.Env = append(p.command().Env, "GITHUB_STEP_SUMMARY="+told)
		cmd.Dir = p.tmp
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatalf("%v\n%s", err, out)
		}
		text, err := os.ReadFile(told)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return cmd.ProcessState.ExitCode(), string(text)
	}
	if code, summary := run("holds.star"); code != 0 || !strings.Contains(summary, "| holds.star | holds |") {
		t.Errorf("exit code %d, summary\n%s", code, summary)
	}
	code, summary := run("holds.star", "fails.star", "nowhere")
	if code != 2 || !strings.Contains(summary, "| fails.star | does not hold | ") || !strings.Contains(summary, "it is refused") ||
		!strings.Contains(summary, "See fails.html.") || !strings.Contains(summary, "| nowhere | could not run | ") {
		t.Errorf("exit code %d, summary\n%s", code, summary)
	}
	left, err := filepath.Glob(filepath.Join(p.tmp, "report", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range left {
		names = append(names, filepath.Base(file))
	}
	if got, want := strings.Join(names, " "), "fails.html fails.txt fails.xml holds.xml nowhere.txt summary.md"; got != want {
		t.Errorf("the report holds %s, want %s", got, want)
	}
}

// The action names scripts and inputs that are there.
func TestActionFile(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var action struct {
		Inputs map[string]any
		Runs   struct {
			Using string
			Steps []struct{ Uses, Run string }
		}
	}
	if err := yaml.Unmarshal(data, &action); err != nil {
		t.Fatal(err)
	}
	if action.Runs.Using != "composite" || len(action.Runs.Steps) != 4 {
		t.Errorf("got %+v", action.Runs)
	}
	for _, name := range []string{"scenarios", "folder", "artifact"} {
		if action.Inputs[name] == nil || !bytes.Contains(data, []byte("inputs."+name)) {
			t.Errorf("the input %s is not there, or not used", name)
		}
	}
	if !bytes.Contains(data, []byte("/scripts/action\"")) {
		t.Error("it does not run scripts/action")
	}
}
