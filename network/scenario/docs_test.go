package scenario_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/network"
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

// TestLessonsAreDocumented: docs/LESSONS.md names each lesson, and chapters that exist.
func TestLessonsAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/LESSONS.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	lessons := assets.Lessons()
	if len(lessons) != 8 {
		t.Fatalf("there are %d lessons, want 8", len(lessons))
	}
	for i, l := range lessons {
		if l.Number != i+1 || !assets.HasText(l.Title.ID) || !assets.HasText(l.Question.ID) || l.Minutes != 5 || len(l.Chapters) < 5 {
			t.Errorf("%s has number %d, title %q, question %q, %d minutes, %d chapters", l.Name, l.Number, l.Title, l.Question, l.Minutes, len(l.Chapters))
		}
		if row := fmt.Sprintf("| %d | %s |", l.Number, l.Title); !strings.Contains(page, row) {
			t.Errorf("docs/LESSONS.md lacks the row %q", row)
		}
		if found, err := assets.FindLesson(fmt.Sprintf("lesson-%d", l.Number)); err != nil || found.Name != l.Name {
			t.Errorf("lesson-%d gives %q, %v", l.Number, found.Name, err)
		}
	}
	rows := regexp.MustCompile(`(?m)^\| [^|]+\?"? \| (\d) \| ([^|]+) \|$`).FindAllStringSubmatch(page, -1)
	if len(rows) < 20 {
		t.Errorf("docs/LESSONS.md answers %d questions, want at least 20", len(rows))
	}
	for _, m := range rows {
		l := lessons[m[1][0]-'1']
		for chapter := range strings.SplitSeq(m[2], "; ") {
			if chapter, _, _ = strings.Cut(chapter, " ("); !slices.ContainsFunc(l.Chapters, func(c assets.Text) bool { return c.String() == chapter }) {
				t.Errorf("docs/LESSONS.md names chapter %q of lesson %d; there are %q", chapter, l.Number, l.Chapters)
			}
		}
	}
}

// Whoever breaks something in a scenario can undo it there.
func TestFaultsCanBeUndone(t *testing.T) {
	for kind := range network.FaultCount {
		spec := kind.Spec()
		for _, name := range []string{spec.Name, spec.Undo} {
			if !slices.Contains(scenario.Functions(), name) {
				t.Errorf("fault %s needs the function %s, which does not exist", spec.Name, name)
			}
		}
	}
}
