package scenario_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// TestMain lets this test binary be a sample chaincode or a node when a network
// under test starts it as one.
func TestMain(m *testing.M) {
	samples.Hook()
	network.Hook()
	os.Exit(m.Run())
}

// TestScenarios runs every scenario that comes with the program on a real network.
func TestScenarios(t *testing.T) {
	for _, name := range assets.ScenarioNames() {
		t.Run(name, func(t *testing.T) {
			src, err := assets.Scenario(name)
			if err != nil {
				t.Fatal(err)
			}
			expectations := 0
			err = scenario.Run(t.Context(), name+".star", src, scenario.Options{Runtime: "process", OnStep: func(s scenario.Step) {
				t.Logf("%3d %s %s: %s", s.N, s.Name, s.What, s.Result)
				if s.Name == "expect" {
					expectations++
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			if expectations < 3 {
				t.Errorf("the scenario checks %d things, want at least 3", expectations)
			}
		})
	}
}

func TestWrongScenarios(t *testing.T) {
	for _, c := range []struct{ name, src, place, says string }{
		{"syntax", "network(\n", "x.star:2:", ""},
		{"unknown name", "netwrk()\n", "x.star:1:1", "netwrk"},
		{"no network", "say(\"a\")\nsubmit(\"alice\", \"basic\", \"F\")\n", "x.star:2:", "call network() first"},
		{"wrong argument", "network(nodes = 3)\n", "x.star:1:", "nodes"},
		{"unknown topology", "network(\"nothing\")\n", "x.star:1:", "two-organisations"},
		{"bad topology", "network({\"organizations\": [{\"name\": \"Org1\", \"peers\": -1}]})\n", "x.star:1:", "0 to 100 peers"},
		{"endless", "while True:\n  pass\n", "x.star", "is there a loop without an end?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := scenario.Run(t.Context(), "x.star", []byte(c.src), scenario.Options{})
			if !errors.Is(err, scenario.ErrScript) {
				t.Fatalf("got %v, want an error of the script", err)
			}
			if !strings.Contains(err.Error(), c.place) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want it to name %q and to say %q", err, c.place, c.says)
			}
		})
	}
}

func TestAFailedExpectationIsNoScriptError(t *testing.T) {
	err := scenario.Run(t.Context(), "x.star", []byte("say(\"hello\")\nexpect(1 > 2, \"one is more than two\")\n"), scenario.Options{})
	if !errors.Is(err, scenario.ErrFailed) || errors.Is(err, scenario.ErrScript) {
		t.Fatalf("got %v, want a failed expectation", err)
	}
	if !strings.Contains(err.Error(), "x.star:2:") || !strings.Contains(err.Error(), "one is more than two") {
		t.Errorf("got %q, want the place and the sentence", err)
	}
}

func TestRandomIsTheSameInEveryRun(t *testing.T) {
	draw := func() string {
		var out []string
		err := scenario.Run(context.Background(), "x.star", []byte("for i in range(20): random(1000)\n"), scenario.Options{
			OnStep: func(s scenario.Step) { out = append(out, s.Result) }})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(out, " ")
	}
	if a, b := draw(), draw(); a != b {
		t.Errorf("first %s, then %s", a, b)
	}
}

// A load is many transactions in one step; its result says what came of them.
func TestRunLoad(t *testing.T) {
	src := `network("one-of-each", cut = "idle")
r = run_load(workload = "create", clients = 2, count = 20)
expect(r.committed == 20, "twenty transactions")
expect(r.codes["VALID"] == 20, "all valid")
`
	if err := scenario.Run(t.Context(), "load.star", []byte(src), scenario.Options{Runtime: "process"}); err != nil {
		t.Fatal(err)
	}
}

func FuzzCheck(f *testing.F) {
	for _, name := range assets.ScenarioNames() {
		src, err := assets.Scenario(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	for _, l := range assets.Lessons() {
		f.Add(l.Source)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if err := scenario.Check("fuzz.star", src); err != nil && !errors.Is(err, scenario.ErrScript) {
			t.Errorf("got %v, want an error of the script", err)
		}
	})
}
