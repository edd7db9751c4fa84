package cli_test

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A scenario whose expectation does not hold gives exit code 1 and a report that names the
// step; one that cannot run gives a report with an error.
func TestJUnit(t *testing.T) {
	p := newProgram(t)
	p.write("fails.star", `network("two-organisations")
say("a scenario that fails")
expect(evaluate("alice", "basic", "AssetExists", "asset1").payload == "false", "there is no asset1")
`)
	code, _, errOut := p.run("run", "fails.star", "--runtime", "process", "--junit", "fails.xml")
	report := mustSuite(t, filepath.Join(p.tmp, "fails.xml"))
	if code != 1 || report.Failures != 1 || report.Errors != 0 || report.Tests != len(report.Cases) {
		t.Errorf("exit code %d, %s; %+v", code, errOut, report)
	}
	last := report.Cases[len(report.Cases)-1]
	if last.Failure == nil || !strings.Contains(last.Name, "expect") || !strings.Contains(*last.Failure, "fails.star, line 3") {
		t.Errorf("the last case is %+v", last)
	}
	p.write("broken.star", "start(\n")
	if code, _, _ := p.run("run", "broken.star", "--junit", "broken.xml"); code != 2 {
		t.Errorf("exit code %d", code)
	}
	if broken := mustSuite(t, filepath.Join(p.tmp, "broken.xml")); broken.Errors != 1 || broken.Cases[0].Error == nil {
		t.Errorf("%+v", broken)
	}
}

type suite struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Cases    []struct {
		Name    string  `xml:"name,attr"`
		Failure *string `xml:"failure"`
		Error   *string `xml:"error"`
	} `xml:"testcase"`
}

func mustSuite(t *testing.T, path string) suite {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Suites []suite `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b, &all); err != nil || len(all.Suites) != 1 {
		t.Fatalf("%v in %s", err, b)
	}
	return all.Suites[0]
}
