package panel

import (
	"image"
	"math"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/app/window/look"
)

// TimelineEvents are what a person does with the timeline. Every field may be nil.
type TimelineEvents struct {
	Select func(view.Selection)
	Menu   func(s view.Selection, at fyne.Position)
	Seek   func(ns int64)            // a place of the ruler, or the playhead dragged
	Window func(w timeline.Window)   // zoomed or panned by hand
	Mark   func(from, to int64)      // a span of time was marked: dragged with Shift
	Mods   func() fyne.KeyModifier   // which modifier keys are down
	Key    func(*fyne.KeyEvent) bool // keys while the timeline has the keyboard
	Frame  func(w, h, scale float64) *timeline.Frame
}

// Timeline shows what happens when. The wheel zooms around the mouse, dragging pans, with
// Shift it marks a span; the ruler and the playhead are dragged to scrub.
type Timeline struct {
	surface
	On      TimelineEvents
	painter paint.TimelinePainter
	drag    timelineDrag
	began   int64 // marking: where
}

type timelineDrag uint8

const (
	noTimelineDrag timelineDrag = iota
	scrubbing
	sliding
	marking
)

// NewTimeline makes a timeline that asks On.Frame what to show.
func NewTimeline(on TimelineEvents) *Timeline {
	t := &Timeline{On: on}
	t.init(t, fyne.NewSize(260, 70), func(dst *image.RGBA, th *paint.Theme) {
		if f := t.On.Frame(float64(dst.Rect.Dx()), float64(dst.Rect.Dy()), th.Scale); f != nil {
			t.painter.Paint(dst, f, th)
		}
	})
	t.onKey = func(e *fyne.KeyEvent) bool { return t.On.Key != nil && t.On.Key(e) }
	return t
}

// Frame is what is shown now, in the pixels of the picture.
func (t *Timeline) Frame() *timeline.Frame {
	w, h := float64(t.Size().Width), float64(t.Size().Height)
	k := t.pixels()
	return t.On.Frame(w*k, h*k, look.Current().Scale*k)
}

// pixels is how many of the picture's pixels one of Fyne's units has.
func (t *Timeline) pixels() float64 {
	if t.image == nil || t.Size().Width == 0 {
		return 1
	}
	return float64(t.image.Rect.Dx()) / float64(t.Size().Width)
}

func (t *Timeline) place(p fyne.Position) view.Point {
	k := t.pixels()
	return view.Point{X: float64(p.X) * k, Y: float64(p.Y) * k}
}

// Tapped selects a bar or a message, or moves the playhead when the ruler is tapped.
func (t *Timeline) Tapped(e *fyne.PointEvent) {
	t.unfocus()
	f := t.Frame()
	if f == nil {
		return
	}
	sel, ns, ruler := f.Hit(t.place(e.Position))
	switch {
	case ruler && t.On.Seek != nil:
		t.On.Seek(ns)
	case !ruler && t.On.Select != nil:
		t.On.Select(sel)
	}
}

// TappedSecondary asks for a menu.
func (t *Timeline) TappedSecondary(e *fyne.PointEvent) {
	if f := t.Frame(); f != nil && t.On.Menu != nil {
		sel, _, _ := f.Hit(t.place(e.Position))
		t.On.Menu(sel, e.AbsolutePosition)
	}
}

// Scrolled zooms, pans with a sideways wheel, or scrolls the lanes over their names.
func (t *Timeline) Scrolled(e *fyne.ScrollEvent) {
	f := t.Frame()
	if f == nil || t.On.Window == nil {
		return
	}
	w, p := f.Window, t.place(e.Position)
	width := f.W - f.Gutter
	shift := t.On.Mods != nil && t.On.Mods()&fyne.KeyModifierShift != 0
	switch {
	case p.X < f.Gutter || shift && f.MaxScroll > 0:
		w.Scroll = max(0, min(f.MaxScroll, w.Scroll-float64(e.Scrolled.DY)*t.pixels()))
	case math.Abs(float64(e.Scrolled.DX)) > math.Abs(float64(e.Scrolled.DY)):
		w = w.Pan(-float64(e.Scrolled.DX) / max(1, width))
	default:
		w = w.Zoom(math.Exp(float64(e.Scrolled.DY)*0.012), (p.X-f.Gutter)/max(1, width))
	}
	t.On.Window(w)
}

// Dragged scrubs when it began on the ruler or at the playhead, and pans otherwise.
func (t *Timeline) Dragged(e *fyne.DragEvent) {
	f := t.Frame()
	if f == nil {
		return
	}
	if t.drag == noTimelineDrag {
		start := t.place(fyne.NewPos(e.Position.X-e.Dragged.DX, e.Position.Y-e.Dragged.DY))
		t.drag = sliding
		if start.Y < f.Header || math.Abs(start.X-f.Playhead) < 6*f.Scale {
			t.drag = scrubbing
		}
		if t.On.Mark != nil && t.On.Mods != nil && t.On.Mods()&fyne.KeyModifierShift != 0 {
			t.drag, t.began = marking, f.TimeAt(start.X)
		}
	}
	switch {
	case t.drag == marking:
		t.On.Mark(t.began, f.TimeAt(t.place(e.Position).X))
	case t.drag == scrubbing && t.On.Seek != nil:
		t.On.Seek(f.TimeAt(t.place(e.Position).X))
	case t.drag == sliding && t.On.Window != nil:
		w := f.Window.Pan(-float64(e.Dragged.DX) * t.pixels() / max(1, f.W-f.Gutter))
		w.Scroll = max(0, min(f.MaxScroll, w.Scroll-float64(e.Dragged.DY)*t.pixels()))
		t.On.Window(w)
	}
}

// DragEnd is the end of a drag.
func (t *Timeline) DragEnd() { t.drag = noTimelineDrag }

// Cursor shows over the ruler that it can be dragged.
func (t *Timeline) Cursor() desktop.Cursor {
	if t.drag == scrubbing {
		return desktop.HResizeCursor
	}
	return desktop.DefaultCursor
}
