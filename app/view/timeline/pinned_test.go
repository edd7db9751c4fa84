package timeline_test

import (
	"testing"

	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// A pinned lane, with those of its chaincodes, is at the top wherever the timeline is
// scrolled to, also where nothing happens on it; no other lane covers it.
func TestPinnedLanes(t *testing.T) {
	run, err := runfile.Open("../testdata/two-clients-one-key.fscope")
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	events, _, _ := run.Since(0, 1<<20)
	x := timeline.New(facts.New(run, 1<<20))
	x.Add(events)
	end := events[len(events)-1].Time
	o := timeline.Options{W: 900, H: 150, Window: x.Fit(), Lanes: timeline.Filter{HideQuiet: true, Pinned: []string{"peer1.org2.example.com"}}}
	for _, w := range []timeline.Window{x.Fit(), {From: end - 1000, To: end}} {
		for scroll := 0.0; scroll < 400; scroll += 13 {
			o.Window = w
			o.Window.Scroll = scroll
			f := x.Frame(o)
			if len(f.Lanes) < 2 || f.Lanes[0].Node != "peer1.org2.example.com" || !f.Lanes[0].Pinned || f.Lanes[0].Y != f.Header {
				t.Fatalf("scrolled by %.0f the first lane is %+v", scroll, f.Lanes[0])
			}
			bottom := f.Header
			for _, l := range f.Lanes {
				switch {
				case l.Pinned && l.Y != bottom:
					t.Errorf("scrolled by %.0f, %s is at %.1f, want %.1f", scroll, l.Node, l.Y, bottom)
				case l.Pinned:
					bottom += l.H
				case l.Y+l.H > f.Header && l.Y < bottom-0.5:
					t.Errorf("scrolled by %.0f, %s covers a pinned lane", scroll, l.Node)
				}
			}
			if bottom == f.Header+f.Lanes[0].H {
				t.Fatal("its chaincode's lane is not pinned with it")
			}
		}
	}
	o.Lanes.Pinned, o.Window = nil, x.Fit()
	if f := x.Frame(o); f.Lanes[0].Pinned {
		t.Error("a lane stays pinned")
	}
}
