package scenario_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/fabriscope/fabriscope/network/scenario"
)

func TestFunctionsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/SCENARIOS.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range regexp.MustCompile("`([a-z_]+)\\(").FindAllSubmatch(page, -1) {
		documented = append(documented, string(m[1]))
	}
	for _, name := range scenario.Functions() {
		if !slices.Contains(documented, name) {
			t.Errorf("docs/SCENARIOS.md lacks %s", name)
		}
	}
	for _, name := range documented {
		if !slices.Contains(scenario.Functions(), name) {
			t.Errorf("docs/SCENARIOS.md has %s, which does not exist", name)
		}
	}
}
