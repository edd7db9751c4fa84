package paint_test

import (
	"fmt"
	"image"
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// MustRun opens a recorded run and gives all its events.
func MustRun(t testing.TB, name string) (view.Source, []trace.Event) {
	t.Helper()
	run, err := runfile.Open("../view/testdata/" + name + ".fscope")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Close() })
	var events []trace.Event
	for cursor := uint64(0); ; {
		some, next, _ := run.Since(cursor, 4096)
		if len(some) == 0 {
			return run, events
		}
		events, cursor = append(events, some...), next
	}
}

// MustFind gives the first event that fits.
func MustFind(t testing.TB, events []trace.Event, what string, fits func(*trace.Event) bool) trace.Event {
	t.Helper()
	for i := range events {
		if fits(&events[i]) {
			return events[i]
		}
	}
	t.Fatalf("no event: %s", what)
	return trace.Event{}
}

func momentOf(e trace.Event) view.Moment { return view.Moment{Seq: e.Seq, Time: e.Time} }

func TestChainPicture(t *testing.T) {
	src, events := MustRun(t, "mixed-block")
	strip := chain.Alone(src)
	strip.Add(events)
	rejected := MustFind(t, events, "a conflict", func(e *trace.Event) bool { return e.Kind == trace.Verdict && e.Key == "MVCC_READ_CONFLICT" })
	filling := MustFind(t, events, "a batch of four", func(e *trace.Event) bool {
		return e.Kind == trace.Enqueued && e.A == 4
	})
	cut := MustFind(t, events, "the mixed block is cut", func(e *trace.Event) bool { return e.Kind == trace.BlockCut && e.Block == rejected.Block })
	for name, at := range map[string]view.Moment{"end": momentOf(events[len(events)-1]), "filling": momentOf(filling), "cut": momentOf(cut)} {
		for _, th := range []*paint.Theme{paint.Dark(), paint.Light()} {
			f := strip.Frame(chain.Options{At: at, W: 1000, H: 124, Selection: view.Selection{What: view.SelectTx, TxID: rejected.TxID}})
			golden(t, "chain-"+name+"-"+th.Name+".png", chainPicture(f, th))
		}
	}
}

func chainPicture(f *chain.Frame, th *paint.Theme) *image.RGBA {
	pic := image.NewRGBA(image.Rect(0, 0, int(f.W*th.Scale), int(f.H*th.Scale)))
	(&paint.ChainPainter{}).Paint(pic, f, th)
	return pic
}

// TestFullChainPicture has more blocks than fit, and blocks too large for squares.
func TestFullChainPicture(t *testing.T) {
	strip := chain.Alone(nil)
	var blocks []chain.Block
	for n := range 20 {
		b := chain.Block{Number: uint64(n), Hash: fmt.Sprintf("%04x", n*7919)}
		for i := range []int{1, 7, 10, 24, 60, 240, 500, 3}[n%8] {
			tx := chain.Tx{ID: fmt.Sprintf("%d-%d", n, i), Code: "VALID", Recorded: "VALID"}
			switch {
			case i%17 == 9:
				tx.Code = "MVCC_READ_CONFLICT"
			case i%31 == 3:
				tx.Code, tx.Recorded = "ENDORSEMENT_POLICY_FAILURE", "ENDORSEMENT_POLICY_FAILURE"
			case i%41 == 2:
				tx.Code, tx.Recorded = "", ""
			}
			b.Txs = append(b.Txs, tx)
		}
		blocks = append(blocks, b)
	}
	blocks[17].Problem = "its hash does not fit"
	strip.SetBlocks(blocks)
	f := strip.Frame(chain.Options{W: 1000, H: 124, Selection: view.Selection{What: view.SelectBlock, Block: 15}})
	golden(t, "chain-full-dark.png", chainPicture(f, paint.Dark()))
}

// TestPainterRests: the same frame is not painted twice.
func TestPainterRests(t *testing.T) {
	src, events := MustRun(t, "two-clients-one-key")
	strip := chain.Alone(src)
	strip.Add(events)
	p := &paint.ChainPainter{}
	pic := image.NewRGBA(image.Rect(0, 0, 800, 124))
	o := chain.Options{At: momentOf(events[len(events)-1]), W: 800, H: 124}
	if !p.Paint(pic, strip.Frame(o), paint.Dark()) {
		t.Fatal("the first picture was not painted")
	}
	if p.Paint(pic, strip.Frame(o), paint.Dark()) {
		t.Error("the same picture was painted again")
	}
	o.Selection = view.Selection{What: view.SelectBlock, Block: 4}
	if !p.Paint(pic, strip.Frame(o), paint.Dark()) {
		t.Error("a selection was not painted")
	}
}

func BenchmarkChainPaint(b *testing.B) {
	src, events := MustRun(b, "mixed-block")
	strip := chain.Alone(src)
	strip.Add(events)
	pic := image.NewRGBA(image.Rect(0, 0, 1000, 124))
	o := chain.Options{At: momentOf(events[len(events)-1]), W: 1000, H: 124}
	th := paint.Dark()
	for b.Loop() {
		paint.DrawChain(paint.NewImage(pic), strip.Frame(o), th)
	}
}
