package paint_test

import (
	"image"
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// A run file of version 1 has events without facts. Every panel paints it, from its first
// moment to its last, and shows what its events do tell: nodes, messages and verdicts.
func TestAFileWithoutFactsIsShown(t *testing.T) {
	const old = "../../../internal/trace/runfile/testdata/version-1"
	w, events := mustStage(t, old)
	src, _ := MustRun(t, old)
	strip, lanes := chain.Alone(src), timeline.Alone(100_000)
	strip.Add(events)
	lanes.Add(events)
	verdict := MustFind(t, events, "a conflict", func(e *trace.Event) bool {
		return e.Kind == trace.Verdict && e.Key == "MVCC_READ_CONFLICT"
	})
	selected := view.Selection{What: view.SelectTx, TxID: verdict.TxID}
	th := paint.Dark()
	messages := 0
	for i := 0; i < len(events); i += len(events)/40 + 1 {
		at := momentOf(events[i])
		f := w.Frame(at, stage.Options{Selection: selected})
		messages += len(f.Dots)
		if colours := len(distinct(photo(f, th, 600, 400))); colours < 8 {
			t.Errorf("the stage at event %d has %d colours", at.Seq, colours)
		}
		pic := image.NewRGBA(image.Rect(0, 0, 600, 200))
		new(paint.TimelinePainter).Paint(pic, lanes.Frame(timeline.Options{W: 600, H: 200, Scale: 1, At: at, Window: lanes.Fit(), Selection: selected}), th)
		chainPicture(strip.Frame(chain.Options{At: at, W: 600, H: 124, Selection: selected}), th)
	}
	if messages == 0 {
		t.Error("the stage never shows a message")
	}
	end := strip.Frame(chain.Options{At: momentOf(events[len(events)-1]), W: 1000, H: 124})
	if len(end.Cards) == 0 {
		t.Error("the chain shows no block")
	}
}

func distinct(pic *image.RGBA) map[[3]uint8]bool {
	seen := map[[3]uint8]bool{}
	for i := 0; i < len(pic.Pix); i += 4 {
		seen[[3]uint8(pic.Pix[i:i+3])] = true
	}
	return seen
}
