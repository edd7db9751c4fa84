package view_test

import (
	"testing"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Every class has a name and a figure of its own, and is that of some kind of event.
func TestEveryClassIsItself(t *testing.T) {
	names, figures, used := map[string]bool{}, map[view.Figure]bool{}, map[view.Class]bool{}
	for _, k := range trace.Kinds() {
		used[view.ClassOf(k)] = true
	}
	for c := range view.Class(view.ClassCount) {
		if names[c.Name()] || figures[c.Figure()] {
			t.Errorf("class %d is called %q and drawn as figure %d, as another one is", c, c.Name(), c.Figure())
		}
		names[c.Name()], figures[c.Figure()] = true, true
		if !used[c] {
			t.Errorf("no kind of event is of class %q", c.Name())
		}
	}
	if len(figures) != view.FigureCount {
		t.Errorf("%d figures are drawn, there are %d", len(figures), view.FigureCount)
	}
}
