package player

import (
	"image"
	"math"
	"time"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/view/timeline"
)

// Panel is one of the painted panels.
type Panel int

// The panels. Where a block is enlarged its close-up is in place of the stage.
const (
	Stage Panel = iota
	Timeline
	Chain
	panelCount
)

// margin around a fitted stage, in units.
const margin = 22

// mostPixels bounds a panel's picture.
const mostPixels = 4096 * 4096

// panel is what a panel keeps between two pictures.
type panel struct {
	image    *image.RGBA
	scale    float64 // device pixels of a unit
	stage    paint.StagePainter
	timeline paint.TimelinePainter
	chain    paint.ChainPainter
	closeup  paint.ValidationPainter
	camera   view.Camera
	free     bool // the camera was moved by hand
	aspect   float64
	scroll   float64
	most     float64 // of scroll
	drag     drag
	at       view.Point // where the pointer was last
}

type drag uint8

const (
	noDrag drag = iota
	pressed
	panning
	scrubbing
)

// units is the panel's size in units.
func (c *panel) units() (w, h float64) {
	if c.image == nil || c.scale == 0 {
		return 0, 0
	}
	return float64(c.image.Rect.Dx()) / c.scale, float64(c.image.Rect.Dy()) / c.scale
}

// Paint draws a panel of w by h device pixels, scale of them to a unit. The picture is the
// panel's own and valid until it is painted again.
func (p *Player) Paint(which Panel, w, h int, scale float64) *image.RGBA {
	if which < 0 || which >= panelCount || w < 1 || h < 1 || w*h > mostPixels || !(scale > 0) {
		return image.NewRGBA(image.Rectangle{})
	}
	c := &p.panels[which]
	c.scale = scale
	if c.image == nil || c.image.Rect.Dx() != w || c.image.Rect.Dy() != h {
		c.image = image.NewRGBA(image.Rect(0, 0, w, h))
	}
	th := p.theme.Larger(scale)
	switch which {
	case Stage:
		p.paintStage(c, th)
	case Timeline:
		c.timeline.Paint(c.image, p.timelineFrame(), th)
	case Chain:
		f := p.chainFrame()
		c.most = f.ScrollMax
		c.chain.Paint(c.image, f, th)
	}
	return c.image
}

func (p *Player) paintStage(c *panel, th *paint.Theme) {
	if p.closeUp.What != view.Nothing {
		if v := p.chain.Validation(p.playhead.At, p.closeUp.Block, p.closeUp.Node); v != nil {
			c.closeup.Paint(c.image, v, th)
			return
		}
	}
	f := p.stageFrame()
	cam := c.camera
	cam.Scale *= c.scale
	c.stage.Paint(c.image, f, cam, th)
}

func (p *Player) stageFrame() *stage.Frame {
	c := &p.panels[Stage]
	o := stage.Options{Selection: p.selection, Heartbeats: p.heartbeats, StillMotion: p.still, Aspect: p.aspect()}
	switch {
	case p.playhead.Pace == view.Live:
		o.Scale = time.Second
	case p.playhead.Pace == view.Stretch && p.playhead.Playing:
		o.Scale = p.playhead.Scale
	}
	f := p.stage.Frame(p.playhead.At, o)
	if w, h := c.units(); !c.free {
		c.camera = view.Fit(f.Bounds, w, h, margin)
	}
	return f
}

// aspect is the shape of what a fitted stage fills; it stays once the camera was moved.
func (p *Player) aspect() float64 {
	c := &p.panels[Stage]
	w, h := c.units()
	if w, h = w-2*margin, h-2*margin; !c.free && w > 0 && h > 0 {
		c.aspect = w / h
	}
	return c.aspect
}

func (p *Player) timelineFrame() *timeline.Frame {
	p.follow()
	c := &p.panels[Timeline]
	r := c.image.Rect
	return p.timeline.Frame(timeline.Options{Window: p.window, W: float64(r.Dx()), H: float64(r.Dy()), Scale: c.scale, At: p.playhead.At,
		Selection: p.selection, Heartbeats: p.heartbeats, Lanes: timeline.Filter{HideQuiet: p.quiet, Pinned: p.pinned}, Book: p.book})
}

func (p *Player) chainFrame() *chain.Frame {
	c := &p.panels[Chain]
	w, h := c.units()
	return p.chain.Frame(chain.Options{At: p.playhead.At, Selection: p.selection, W: w, H: h, Scroll: c.scroll})
}

// crossing is in how many seconds the playhead crosses the timeline, until somebody zooms.
const (
	crossing   = 10
	eventsSpan = int64(10 * time.Millisecond)
)

// follow moves the timeline's window along with the playhead.
func (p *Player) follow() {
	at, span, scroll := p.playhead.At.Time, p.span, p.window.Scroll
	switch {
	case span > 0:
	case p.playhead.Pace == view.Events:
		span = eventsSpan
	default:
		span = int64(p.playhead.Scale) * crossing
	}
	switch {
	case p.window.Span() <= 0, p.follows && p.window.Span() != span:
		p.window = timeline.Window{From: at - span*3/10, To: at + span*7/10}
	case p.follows:
		p.window = p.window.Reveal(at)
	}
	p.window.Scroll = scroll
}

// setWindow is a zoom or pan by hand.
func (p *Player) setWindow(w timeline.Window) {
	before := p.window
	w = p.timeline.Clamp(w)
	if w.Span() != before.Span() {
		p.span = w.Span()
	} else if w.From != before.From {
		p.follows = false
	}
	p.window = w
}

// Point is a place of a panel in device pixels.
func (c *panel) unit(x, y float64) view.Point { return view.Point{X: x / c.scale, Y: y / c.scale} }

// hit finds what is at a place of a panel; ruler tells that it is a time of the timeline.
func (p *Player) hit(which Panel, x, y float64) (sel view.Selection, ns int64, ruler bool) {
	c := &p.panels[which]
	switch which {
	case Stage:
		if p.closeUp.What != view.Nothing {
			return p.selection, 0, false
		}
		return p.hitStage(c.unit(x, y)), 0, false
	case Timeline:
		return p.timelineFrame().Hit(view.Point{X: x, Y: y})
	}
	return p.chainFrame().Hit(c.unit(x, y)), 0, false
}

func (p *Player) hitStage(at view.Point) view.Selection {
	c := &p.panels[Stage]
	f := p.stageFrame()
	w := c.camera.ToWorld(at)
	sel := f.Hit(w)
	if sel.What == view.Nothing || sel.What == view.SelectOrg {
		if link, ok := f.HitLink(w, 6/c.camera.Scale); ok {
			return link
		}
	}
	return sel
}

// Down is a button pressed, or a finger, at device pixels of a panel that was painted.
func (p *Player) Down(which Panel, x, y float64) {
	if which < 0 || which >= panelCount || p.panels[which].image == nil {
		return
	}
	c := &p.panels[which]
	c.drag, c.at = pressed, view.Point{X: x, Y: y}
	if which == Timeline {
		f := p.timelineFrame()
		if y < f.Header || math.Abs(x-f.Playhead) < 6*c.scale {
			c.drag = scrubbing
			p.seekTime(f.TimeAt(x))
		}
	}
}

// reach is how far a press moves before it becomes a drag, in units.
const reach = 4

// Move is a drag to a place; it tells whether something is dragged.
func (p *Player) Move(which Panel, x, y float64) bool {
	if which < 0 || which >= panelCount || p.panels[which].drag == noDrag {
		return false
	}
	c := &p.panels[which]
	dx, dy := x-c.at.X, y-c.at.Y
	if c.drag == pressed {
		if math.Hypot(dx, dy) < reach*c.scale {
			return false
		}
		c.drag = panning
	}
	switch {
	case c.drag == scrubbing:
		p.seekTime(p.timelineFrame().TimeAt(x))
	case which == Stage:
		c.free = true
		c.camera.Origin.X -= dx / c.scale / c.camera.Scale
		c.camera.Origin.Y -= dy / c.scale / c.camera.Scale
	case which == Timeline:
		f := p.timelineFrame()
		w := f.Window.Pan(-dx / max(1, f.W-f.Gutter))
		w.Scroll = max(0, min(f.MaxScroll, w.Scroll-dy))
		p.setWindow(w)
	default:
		c.scroll = max(0, min(c.scroll+dx/c.scale, c.most))
	}
	c.at = view.Point{X: x, Y: y}
	return true
}

// Up ends a press: what was not dragged is selected, and opened by a second press.
func (p *Player) Up(which Panel, x, y float64, double bool) {
	if which < 0 || which >= panelCount {
		return
	}
	c := &p.panels[which]
	was := c.drag
	c.drag = noDrag
	if was != pressed {
		return
	}
	sel, _, _ := p.hit(which, x, y)
	p.Select(sel)
	switch {
	case !double:
	case sel.What == view.Nothing && which == Stage:
		c.free = false
	default:
		p.open(sel)
	}
}

// open shows more of what is selected: a block is enlarged, the timeline shows the whole
// way of a transaction, a peer's ledger is listed.
func (p *Player) open(sel view.Selection) {
	switch {
	case sel.What == view.SelectBlock:
		p.closeUp = sel
	case sel.Tx() != "":
		if w, ok := p.timeline.OfTx(sel.Tx()); ok {
			w.Scroll = p.window.Scroll
			p.window, p.follows, p.span = w, false, w.Span()
		}
	case sel.What == view.SelectNode && p.isPeer(sel.Node):
		p.Select(view.Selection{What: view.SelectLedger, Node: sel.Node})
	}
}

// Wheel zooms stage and timeline around a place and scrolls the chain; dx and dy are in
// device pixels as a browser counts them, positive to the right and down.
func (p *Player) Wheel(which Panel, x, y, dx, dy float64, shift bool) {
	if which < 0 || which >= panelCount || p.panels[which].image == nil {
		return
	}
	c := &p.panels[which]
	switch which {
	case Stage:
		if p.closeUp.What == view.Nothing {
			c.free = true
			c.camera = c.camera.Zoom(math.Exp(-dy/c.scale*0.002), c.unit(x, y))
		}
	case Timeline:
		f := p.timelineFrame()
		w, width := f.Window, max(1, f.W-f.Gutter)
		switch {
		case x < f.Gutter || shift && f.MaxScroll > 0:
			w.Scroll = max(0, min(f.MaxScroll, w.Scroll+dy))
		case math.Abs(dx) > math.Abs(dy):
			w = w.Pan(dx / width)
		default:
			w = w.Zoom(math.Exp(-dy/c.scale*0.003), (x-f.Gutter)/width)
		}
		p.setWindow(w)
	case Chain:
		c.scroll = max(0, min(c.scroll-(dx+dy)/c.scale, c.most))
	}
}

func (p *Player) seekTime(ns int64) { p.playhead.Seek(p.axis.At(ns)) }

// Seek puts the playhead at an event.
func (p *Player) Seek(seq uint64) { p.playhead.Seek(p.axis.Moment(seq)) }

func (p *Player) isPeer(name string) bool {
	i, known := p.world.ID(name)
	return known && p.world.Nodes[i].Being == facts.Peer
}
