package sheet

import (
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
)

// TestNothingLeavesThePage writes texts that are too long for a narrow page, in every
// block, and sees that none is written beyond its edges.
func TestNothingLeavesThePage(t *testing.T) {
	long := strings.Repeat("a long sentence about blocks ", 4)
	hash := strings.Repeat("0123456789abcdef", 4)
	for _, th := range []*paint.Theme{paint.Dark(), paint.Light().Larger(1.6)} {
		for _, width := range []float64{180, 318, 420} {
			b := newBuilder(th, width*th.Scale)
			b.Text(long+hash, Style{Size: 16, Bold: true})
			b.Section(long, hash, Good, func() {})
			b.Line(hash, Style{Mono: true})
			b.Box(Bad, func() { b.Text(long, Style{}); b.LinkText(hash, Style{Mono: true}, func() {}) })
			b.Table([]string{"key", "read version", "at commit", ""}, [][]Cell{{{Text: hash, Style: Style{Mono: true}}, {Text: "41:2"}, {Text: long}, {Text: hash}}, {{Text: "a"}}})
			b.Fields([][2]Cell{{{Text: long}, {Text: hash, Do: func() {}}}, {{Text: "x"}, {Text: ""}}})
			b.Codes([]Code{{Sign: "+", Text: "    " + hash}, {Text: long, Bold: true, Marked: true}})
			b.Columns([]Column{{Name: hash, Lines: []Code{{Text: hash}, {Text: "b"}}}, {Name: "c", Do: func() {}}})
			b.Journey([]Stop{{Name: "Proposed", Detail: long, Note: "+0.41 ms"}, {Sign: Cross, Name: "Invalid", Detail: hash}})
			b.Item(Item{Name: hash, Detail: long, Note: long, Sign: Tick, Share: 0.4, Do: func() {}, Actions: []Action{{Label: "Show transaction 51c0", Do: func() {}}, {Label: "Stop"}, {Label: "Kill"}, {Label: "Restart"}}})
			b.Branch(Branch{Depth: 14, Name: "signature", Value: hash, Note: "(71 bytes)", Mono: true, Fold: func() {}})
			b.Messages([]Message{{At: "+1000.00 ms", Text: hash, Lost: true, Do: func() {}}})
			b.Point(Tick, Good, long)
			b.Empty("Nothing", long)
			p := b.finish()
			for _, o := range p.ops {
				if o.text != "" && (o.r.X < 0 || o.r.X+o.r.W > b.right+1.5) {
					t.Errorf("width %v: %q is written from %.0f to %.0f", b.right, o.text, o.r.X, o.r.X+o.r.W)
				}
				if o.r.Y+o.r.H > p.height+1 {
					t.Errorf("%q is below the page", o.text)
				}
			}
			for _, l := range p.links {
				if l.Do == nil || l.Rect.W <= 0 || l.Rect.H <= 0 {
					t.Errorf("the link %q cannot be hit: %v", l.Name, l.Rect)
				}
			}
		}
	}
}

func TestAPageIsBounded(t *testing.T) {
	b := newBuilder(paint.Dark(), 300)
	for range maxOps {
		b.Line("x", Style{})
		b.Line("y", Style{})
	}
	if n := len(b.finish().ops); n > maxOps {
		t.Errorf("%d things to draw", n)
	}
}

func TestColumnsShrinkTheWidestFirst(t *testing.T) {
	w := shrink([]float64{40, 200, 300}, 240, 82)
	if w[0] != 40 || w[1] < 99 || w[1] > 101 || w[2] < 99 || w[2] > 101 {
		t.Errorf("widths %v", w)
	}
}
