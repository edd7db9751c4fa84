package panel_test

import (
	"slices"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/panel"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// small is a world of two peers and an ordering node that have just started.
func small() (*facts.World, view.Moment) {
	recorder := trace.NewRecorder(trace.Options{})
	for _, name := range []string{"peer0.org1.example.com", "peer0.org2.example.com"} {
		recorder.Record(trace.Event{Kind: trace.NodeStart, What: trace.IsPeer, Node: name})
	}
	recorder.Record(trace.Event{Kind: trace.NodeStart, What: trace.IsOrderer, Node: "orderer.example.com"})
	w := facts.New(recorder, 0)
	events, _, _ := recorder.Since(0, 100)
	w.Add(events, nil)
	last := events[len(events)-1]
	return w, view.Moment{Seq: last.Seq, Time: last.Time}
}

// mustShow puts a panel into a window and draws it; keys that it does not want are told.
func mustShow(t *testing.T, o fyne.CanvasObject) (w fyne.Window, passed *[]fyne.KeyName) {
	t.Helper()
	test.NewTempApp(t)
	fyne.CurrentApp().Settings().SetTheme(look.NewTheme(paint.Dark()))
	w = test.NewTempWindow(t, container.NewStack(o))
	w.SetPadded(false)
	w.Resize(fyne.NewSize(800, 500))
	passed = &[]fyne.KeyName{}
	w.Canvas().SetOnTypedKey(func(e *fyne.KeyEvent) { *passed = append(*passed, e.Name) })
	w.Canvas().Capture()
	return w, passed
}

func press(w fyne.Window, keys ...fyne.KeyName) {
	for _, k := range keys {
		w.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: k})
	}
}

func TestStage(t *testing.T) {
	world, at := small()
	model := stage.New(world)
	var chosen, opened, asked view.Selection
	var steps []int
	moved := map[string]view.Point{}
	s := panel.NewStage(func() *stage.Frame { return model.Frame(at, stage.Options{Aspect: 1.6}) }, panel.StageEvents{
		Select: func(x view.Selection) { chosen = x }, Open: func(x view.Selection) { opened = x },
		Menu: func(x view.Selection, _ fyne.Position) { asked = x }, Walk: func(n int) { steps = append(steps, n) },
		Move: func(node string, to view.Point) { moved[node] = to }})
	w, passed := mustShow(t, s)
	box, ok := s.Frame().Box("peer0.org1.example.com")
	if !ok {
		t.Fatal("the peer is not on the stage")
	}
	on := &fyne.PointEvent{Position: s.Where(view.Point{X: box.X + 12, Y: box.Y + 12})}
	s.Tapped(on)
	if chosen.Node != "peer0.org1.example.com" || opened.What != view.Nothing {
		t.Errorf("a tap chooses %+v and opens %+v", chosen, opened)
	}
	s.Tapped(on)
	if opened.Node != "peer0.org1.example.com" {
		t.Errorf("a second tap opens %+v", opened)
	}
	s.TappedSecondary(on)
	if asked.Node != "peer0.org1.example.com" {
		t.Errorf("a secondary tap asks for the menu of %+v", asked)
	}
	w.Canvas().Focus(s)
	press(w, fyne.KeyRight, fyne.KeyUp, fyne.KeyF5)
	if !slices.Equal(steps, []int{1, -1}) || !slices.Equal(*passed, []fyne.KeyName{fyne.KeyF5}) {
		t.Errorf("keys walk %v, the window hears %v", steps, *passed)
	}
	s.Dragged(&fyne.DragEvent{PointEvent: *on, Dragged: fyne.NewDelta(6, 4)})
	s.DragEnd()
	if len(moved) != 1 {
		t.Errorf("dragging a peer moves %v", moved)
	}
	before := s.Camera()
	s.Scrolled(&fyne.ScrollEvent{PointEvent: *on, Scrolled: fyne.NewDelta(0, 40)})
	if s.Camera().Scale <= before.Scale {
		t.Error("the wheel does not zoom")
	}
	s.Fit()
	w.Canvas().Capture()
	if s.Camera() != before {
		t.Errorf("fitting gives %+v, before it was %+v", s.Camera(), before)
	}
}

// A line that is drawn across the stage divides the nodes.
func TestStageDrawsALine(t *testing.T) {
	world, at := small()
	model := stage.New(world)
	lines := 0
	s := panel.NewStage(func() *stage.Frame { return model.Frame(at, stage.Options{Aspect: 1.6}) },
		panel.StageEvents{Line: func(a, b view.Point) { lines++ }})
	mustShow(t, s)
	s.DrawLine(true)
	if !s.Drawing() {
		t.Fatal("no line is awaited")
	}
	for i := range 5 {
		s.Dragged(&fyne.DragEvent{PointEvent: fyne.PointEvent{Position: fyne.NewPos(300, float32(50+60*i))}, Dragged: fyne.NewDelta(0, 60)})
	}
	s.DragEnd()
	if lines != 1 || s.Drawing() {
		t.Errorf("%d lines, another is awaited: %v", lines, s.Drawing())
	}
	left, right := panel.Sides(view.Point{X: 0, Y: 0}, view.Point{X: 0, Y: 10}, map[string]view.Point{"a": {X: 5, Y: 5}, "b": {X: -5, Y: 5}})
	if !slices.Equal(left, []string{"a"}) || !slices.Equal(right, []string{"b"}) {
		t.Errorf("on one side %v, on the other %v", left, right)
	}
}

func TestTimeline(t *testing.T) {
	world, at := small()
	model := timeline.New(world)
	window := timeline.Window{From: at.Time - 1_000_000, To: at.Time + 1_000_000}
	seeks := 0
	line := panel.NewTimeline(panel.TimelineEvents{
		Frame: func(w, h, scale float64) *timeline.Frame {
			return model.Frame(timeline.Options{Window: window, W: w, H: h, Scale: scale, At: at})
		},
		Window: func(w timeline.Window) { window = w },
		Seek:   func(int64) { seeks++ },
		Key:    func(e *fyne.KeyEvent) bool { return e.Name == fyne.KeyLeft },
	})
	w, passed := mustShow(t, line)
	before := window
	line.Scrolled(&fyne.ScrollEvent{PointEvent: fyne.PointEvent{Position: fyne.NewPos(500, 60)}, Scrolled: fyne.NewDelta(0, 40)})
	if window.Span() >= before.Span() {
		t.Errorf("the wheel makes %d ns of %d", window.Span(), before.Span())
	}
	line.Tapped(&fyne.PointEvent{Position: fyne.NewPos(500, 12)})
	if seeks != 1 {
		t.Errorf("a tap on the ruler seeks %d times", seeks)
	}
	w.Canvas().Focus(line)
	press(w, fyne.KeyLeft, fyne.KeyHome)
	if !slices.Equal(*passed, []fyne.KeyName{fyne.KeyHome}) {
		t.Errorf("the window hears %v", *passed)
	}
}

func TestChainAndCloseup(t *testing.T) {
	world, at := small()
	model := chain.New(world)
	var steps [][2]int
	c := panel.NewChain(func(w, h, scroll float64) *chain.Frame {
		return model.Frame(chain.Options{At: at, W: w, H: h, Scroll: scroll})
	}, panel.ChainEvents{Step: func(dx, dy int) { steps = append(steps, [2]int{dx, dy}) }})
	w, _ := mustShow(t, c)
	w.Canvas().Focus(c)
	press(w, fyne.KeyLeft, fyne.KeyDown)
	if !slices.Equal(steps, [][2]int{{-1, 0}, {0, 1}}) {
		t.Errorf("arrow keys step %v", steps)
	}
	c.Repaint()
	if c.Image() == nil {
		t.Error("the chain is not drawn")
	}
	shown := panel.NewCloseup(func() *chain.Validation { return nil })
	mustShow(t, shown) // of no block there is nothing to draw
	if shown.Image() == nil {
		t.Error("the close-up is not drawn")
	}
}
