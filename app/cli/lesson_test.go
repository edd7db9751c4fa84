package cli_test

import (
	"strings"
	"testing"
)

func TestLessonsOnTheCommandLine(t *testing.T) {
	p := newProgram(t)
	if out := p.must("run", "--list"); !strings.Contains(out, "two-clients-one-key\n") || !strings.Contains(out, "lesson-6  Too late: ") {
		t.Errorf("run --list gave %q", out)
	}
	out := p.must("run", "lesson-7", "--runtime", "process")
	for _, want := range []string{"== 2 of 7: A bid that was right", "C: No: the range that she read has a new key in it", "appeared"} {
		if !strings.Contains(out, want) {
			t.Errorf("lesson-7 does not say %q", want)
		}
	}
	// Nobody types anything: the lesson answers itself and does the task.
	out = p.must("run", "lesson-7", "--runtime", "process", "--ask")
	for _, want := range []string{"== 2/7 A bid that was right", "Your turn: Close the auction", "[Enter]"} {
		if strings.Count(out, want) == 0 {
			t.Errorf("lesson-7 --ask does not say %q", want)
		}
	}
	for _, c := range []struct{ args, says string }{
		{"run lesson-9", "lesson-1 to lesson-8"},
		{"run lesson-7 --ask --json", "exclude each other"},
	} {
		if code, _, errOut := p.run(strings.Fields(c.args)...); code != 2 || !strings.Contains(errOut, c.says) {
			t.Errorf("%s: exit code %d, %q; want 2 and %q", c.args, code, errOut, c.says)
		}
	}
}
