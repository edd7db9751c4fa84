package panel

import (
	"image"
	"math"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/window/look"
)

// StageEvents are what a person does on the stage. Every field may be nil.
type StageEvents struct {
	Select func(view.Selection)                     // a tap; Nothing on the ground
	Open   func(view.Selection)                     // a double tap on something
	Menu   func(s view.Selection, at fyne.Position) // a secondary tap, at a place of the window
	Move   func(node string, to view.Point)         // a node is dragged
	Moved  func()                                   // and let go
	Line   func(a, b view.Point)                    // a line was drawn, in the stage's plane
	Walk   func(step int)                           // arrow keys: to the next or previous node
}

// Stage shows the network. It is panned by dragging the ground, zoomed with the wheel,
// and fits everything until a person does either.
type Stage struct {
	surface
	On StageEvents
	// Frame gives what to show; it is called when the stage is drawn or hit.
	Frame func() *stage.Frame

	painter  paint.StagePainter
	camera   view.Camera
	free     bool // the camera was moved by hand
	aspect   float64
	margin   float64
	drawing  bool // the next drag draws a line
	line     [2]view.Point
	hasLine  bool
	drag     dragKind
	dragNode string
	grip     view.Point // from the node's corner to where it was taken
	tapped   time.Time
	tappedAt fyne.Position
}

type dragKind uint8

const (
	noDrag dragKind = iota
	panning
	moving
	lining
)

// doubleTap is how soon a second tap makes a double one.
const doubleTap = 350 * time.Millisecond

// NewStage makes a stage that asks frame what to show.
func NewStage(frame func() *stage.Frame, on StageEvents) *Stage {
	s := &Stage{On: on, Frame: frame, margin: 22, camera: view.Camera{Scale: 1}}
	s.init(s, fyne.NewSize(260, 160), s.draw)
	s.onKey = s.key
	return s
}

func (s *Stage) draw(dst *image.RGBA, th *paint.Theme) {
	f := s.Frame()
	if f == nil {
		return
	}
	s.follow(f)
	cam := s.camera
	cam.Scale *= th.Scale
	s.painter.Paint(dst, f, cam, th)
	if s.hasLine {
		a, b := cam.ToScreen(s.line[0]), cam.ToScreen(s.line[1])
		paint.NewImage(dst).Path([]view.Point{a, b}, false, paint.Style{Stroke: th.Invalid, Width: 3 * th.Scale, Dash: 8 * th.Scale})
	}
}

// follow fits the camera unless a person moved it.
func (s *Stage) follow(f *stage.Frame) {
	if s.free {
		return
	}
	w, h := s.units()
	s.camera = view.Fit(f.Bounds, w, h, s.margin)
}

// Aspect is the width by the height of what a fitted stage fills. Once a person has moved the
// camera or a box it stays, so that nothing jumps.
func (s *Stage) Aspect() float64 {
	w, h := s.units()
	w, h = w-2*s.margin, h-2*s.margin
	if w <= 0 || h <= 0 {
		return s.aspect
	}
	if !s.free {
		s.aspect = w / h
	}
	return s.aspect
}

// Fit shows everything again.
func (s *Stage) Fit() { s.free = false; s.Repaint() }

// Camera is how the plane is shown, in units.
func (s *Stage) Camera() view.Camera { return s.camera }

// Where is where a point of the plane is in the panel.
func (s *Stage) Where(p view.Point) fyne.Position {
	q := s.camera.ToScreen(p)
	k := look.Current().Scale
	return fyne.NewPos(float32(q.X*k), float32(q.Y*k))
}

// DrawLine makes the next drag draw a line instead of moving anything.
func (s *Stage) DrawLine(on bool) {
	s.drawing, s.hasLine = on, false
	s.Repaint()
}

// Drawing tells whether the next drag draws a line.
func (s *Stage) Drawing() bool { return s.drawing }

// hit finds what is at a place of the panel.
func (s *Stage) hit(p fyne.Position) view.Selection {
	f := s.Frame()
	if f == nil {
		return view.Selection{}
	}
	s.follow(f)
	w := s.camera.ToWorld(s.at(p))
	if sel := f.Hit(w); sel.What != view.Nothing && sel.What != view.SelectOrg {
		return sel
	} else if link, ok := f.HitLink(w, 6/s.camera.Scale); ok {
		return link
	} else {
		return sel
	}
}

// Tapped selects what was tapped; a second tap soon after opens it, or fits the stage
// where there is nothing.
func (s *Stage) Tapped(e *fyne.PointEvent) {
	s.unfocus()
	sel := s.hit(e.Position)
	now := time.Now()
	near := math.Hypot(float64(e.Position.X-s.tappedAt.X), float64(e.Position.Y-s.tappedAt.Y)) < 8
	double := near && now.Sub(s.tapped) < doubleTap
	s.tapped, s.tappedAt = now, e.Position
	switch {
	case double && sel.What == view.Nothing:
		s.tapped = time.Time{}
		s.Fit()
	case double && s.On.Open != nil:
		s.tapped = time.Time{}
		s.On.Open(sel)
	case s.On.Select != nil:
		s.On.Select(sel)
	}
}

// TappedSecondary asks for a menu.
func (s *Stage) TappedSecondary(e *fyne.PointEvent) {
	if s.On.Menu != nil {
		s.On.Menu(s.hit(e.Position), e.AbsolutePosition)
	}
}

// Scrolled zooms around the mouse.
func (s *Stage) Scrolled(e *fyne.ScrollEvent) {
	if e.Scrolled.DY != 0 {
		s.camera, s.free = s.camera.Zoom(math.Exp(float64(e.Scrolled.DY)*0.01), s.at(e.Position)), true
		s.Repaint()
	}
}

// Dragged pans, moves a node or draws a line, as it began.
func (s *Stage) Dragged(e *fyne.DragEvent) {
	here := s.camera.ToWorld(s.at(e.Position))
	if s.drag == noDrag {
		s.begin(fyne.NewPos(e.Position.X-e.Dragged.DX, e.Position.Y-e.Dragged.DY))
	}
	k := look.Current().Scale * s.camera.Scale
	switch s.drag {
	case panning:
		s.camera.Origin.X -= float64(e.Dragged.DX) / k
		s.camera.Origin.Y -= float64(e.Dragged.DY) / k
		s.free = true
	case moving:
		if s.On.Move != nil {
			s.On.Move(s.dragNode, view.Point{X: here.X - s.grip.X, Y: here.Y - s.grip.Y})
		}
	case lining:
		s.line[1], s.hasLine = here, true
	}
	s.Repaint()
}

func (s *Stage) begin(at fyne.Position) {
	p := s.camera.ToWorld(s.at(at))
	s.drag = panning
	if s.drawing {
		s.drag, s.line = lining, [2]view.Point{p, p}
		return
	}
	f := s.Frame()
	if f == nil {
		return
	}
	if name, corner, ok := f.BoxAt(p); ok {
		s.drag, s.dragNode, s.grip = moving, name, view.Point{X: p.X - corner.X, Y: p.Y - corner.Y}
		s.free = true // the others must not jump while one is moved
	}
}

// DragEnd is the end of a drag.
func (s *Stage) DragEnd() {
	kind := s.drag
	s.drag = noDrag
	switch {
	case kind == moving && s.On.Moved != nil:
		s.On.Moved()
	case kind == lining && s.hasLine:
		a, b := s.line[0], s.line[1]
		s.DrawLine(false)
		if s.On.Line != nil {
			s.On.Line(a, b)
		}
	}
}

// Cursor is a cross while a line is to be drawn.
func (s *Stage) Cursor() desktop.Cursor {
	if s.drawing {
		return desktop.CrosshairCursor
	}
	return desktop.DefaultCursor
}

func (s *Stage) key(e *fyne.KeyEvent) bool {
	step := map[fyne.KeyName]int{fyne.KeyRight: 1, fyne.KeyDown: 1, fyne.KeyLeft: -1, fyne.KeyUp: -1}[e.Name]
	if step == 0 || s.On.Walk == nil {
		return false
	}
	s.On.Walk(step)
	return true
}

// Sides tells on which side of a line through a and b the points lie: those at the left
// when one looks from a to b, and the others. It is how a drawn line divides the network.
func Sides(a, b view.Point, points map[string]view.Point) (left, right []string) {
	for name, p := range points {
		if (b.X-a.X)*(p.Y-a.Y)-(b.Y-a.Y)*(p.X-a.X) < 0 {
			left = append(left, name)
		} else {
			right = append(right, name)
		}
	}
	return left, right
}
