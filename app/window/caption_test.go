package window

import (
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/window/look"
)

// A caption is written to its end, however narrow the window and long the sentence: it takes the
// lines that it needs, and the room for them.
func TestCaptionsWrap(t *testing.T) {
	long := strings.Repeat("peer0.org1 answers alice that it does not endorse the transaction, because a key has changed; ", 5) + "END"
	c := newCaption()
	for _, large := range []bool{false, true} {
		c.set("alice proposes.", "")
		if h := c.height(700, 28, large); large == (h == 28) {
			t.Errorf("large %v: a short caption is %v high", large, h)
		}
		c.set(long, "")
		for _, w := range []float64{300, 700, 1400} {
			lines, f := c.lines(w, large)
			if got := strings.Join(lines, " "); got != long {
				t.Errorf("in %v pixels it says %q", w, got)
			}
			for _, line := range lines {
				if paint.TextWidth(line, f) > w {
					t.Errorf("a line is wider than %v: %q", w, line)
				}
			}
			if h := c.height(w, 28, large); h < f.Size*float64(len(lines)) || f.Size < look.SizeSmall {
				t.Errorf("%d lines have %v", len(lines), h)
			}
		}
	}
}
