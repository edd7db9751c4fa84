package paint_test

import (
	"image"
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// TestValidationPicture is the close-up at the places that matter, as a presenter sees it.
func TestValidationPicture(t *testing.T) {
	pictures := []struct {
		name, run string
		versions  int // version checks that are done in the block with a conflict
		verdicts  bool
		theme     *paint.Theme
	}{
		{"before", "mixed-block", 0, false, paint.Dark()},
		{"phantom", "mixed-block", 1, false, paint.Dark()},
		{"conflict", "mixed-block", 3, false, paint.Dark()},
		{"second-page", "mixed-block", 5, false, paint.Light()},
		{"two", "two-clients-one-key", 1, false, paint.Light()},
		{"decided", "two-clients-one-key", 2, true, paint.Dark()},
	}
	for _, p := range pictures {
		src, events := MustRun(t, p.run)
		strip := chain.Alone(src)
		strip.Add(events)
		conflict := MustFind(t, events, "a conflict", func(e *trace.Event) bool { return e.Kind == trace.Verdict && e.Key == "MVCC_READ_CONFLICT" })
		seen := 0
		at := MustFind(t, events, p.name, func(e *trace.Event) bool {
			if e.Block != conflict.Block || e.Node != conflict.Node {
				return false
			}
			switch e.Kind {
			case trace.VersionCheck:
				seen++
				return seen == p.versions && !p.verdicts
			case trace.PolicyJudged:
				// The last policy check comes right before the first version check.
				return p.versions == 0 && events[e.Seq].Kind == trace.VersionCheck
			}
			return p.verdicts && e.Kind == trace.Committed
		})
		v := strip.Validation(momentOf(at), conflict.Block, conflict.Node)
		th := p.theme.Larger(1.6)
		height := int(paint.ValidationHeight(v, th) + 32*th.Scale)
		pic := image.NewRGBA(image.Rect(0, 0, 1440, height))
		(&paint.ValidationPainter{}).Paint(pic, v, th)
		golden(t, "validation-"+p.name+"-"+p.theme.Name+".png", pic)
	}
}
