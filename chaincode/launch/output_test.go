package launch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/launch"
)

// heard collects what an Output tells.
type heard struct{ lines []string }

func (h *heard) said(line string, leftOut int) {
	if leftOut > 0 {
		line = fmt.Sprintf("(%d)", leftOut)
	}
	h.lines = append(h.lines, line)
}

func write(t *testing.T, o *launch.Output, text string) {
	t.Helper()
	if n, err := o.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("Write gave %d, %v", n, err)
	}
}

func TestOutputTellsLines(t *testing.T) {
	var h heard
	o := launch.NewOutput(&launch.Spec{Said: h.said})
	long := strings.Repeat("\u00e4", launch.MaxLineBytes)
	for _, piece := range []string{"one\ntw", "o\r\n\n", long + "\n", "bad \xff\n", "no end"} {
		write(t, o, piece)
	}
	o.Close()
	o.Close() // tells nothing twice
	want := []string{"one", "two", long[:launch.MaxLineBytes] + "...", "bad \uFFFD", "no end"}
	if got := strings.Join(h.lines, "|"); got != strings.Join(want, "|") {
		t.Errorf("told %q", h.lines)
	}
	if !strings.HasSuffix(o.String(), "no end") {
		t.Errorf("its end is %q", o.String())
	}
}

// Who prints without measure is told of within measure, and it is said what is missing.
func TestOutputIsBounded(t *testing.T) {
	var h heard
	o := launch.NewOutput(&launch.Spec{Said: h.said})
	now := time.Unix(1, 0)
	o.SetClock(func() time.Time { return now })
	write(t, o, strings.Repeat("x\n", 1000))
	if len(h.lines) != 200 {
		t.Fatalf("%d lines were told at once", len(h.lines))
	}
	now = now.Add(time.Second)
	write(t, o, strings.Repeat("y\n", 60))
	if got := h.lines[200:]; len(got) != 51 || got[0] != "(800)" || got[1] != "y" {
		t.Errorf("a second later: %q", got)
	}
	o.Close()
	if got := h.lines[len(h.lines)-1]; got != "(10)" {
		t.Errorf("at the end: %q", got)
	}
	if s := o.String(); len(s) != 2*1060 {
		t.Errorf("the end of it all has %d bytes", len(s))
	}
}

func TestPanicIn(t *testing.T) {
	for output, want := range map[string]string{
		"":       "",
		"a\nb\n": "",
		"log\npanic: oh no\n\ngoroutine 1 [running]:\nmain.main()\n": "panic: oh no",
		"panic: a [recovered]\n\tpanic: b\n":                         "panic: a [recovered]",
		"fatal error: all goroutines are asleep - deadlock!\n":       "fatal error: all goroutines are asleep - deadlock!",
		"panic: " + strings.Repeat("x", 5000):                        "panic: " + strings.Repeat("x", launch.MaxLineBytes-7),
	} {
		if got := launch.PanicIn(output); got != want {
			t.Errorf("%.40q: got %.60q", output, got)
		}
	}
}
