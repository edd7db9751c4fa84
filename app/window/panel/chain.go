package panel

import (
	"image"

	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
)

// ChainEvents are what a person does with the chain. Every field may be nil.
type ChainEvents struct {
	Select func(view.Selection)
	Menu   func(s view.Selection, at fyne.Position)
	Step   func(dx, dy int) // arrow keys, once the chain has the keyboard
}

// Chain shows the blocks.
type Chain struct {
	surface
	On ChainEvents
	// Frame gives the strip for a size in units and a number of units scrolled back.
	Frame   func(w, h, scroll float64) *chain.Frame
	painter paint.ChainPainter
	scroll  float64
	most    float64
	key     uint64
}

// NewChain makes a chain that asks frame what to show.
func NewChain(frame func(w, h, scroll float64) *chain.Frame, on ChainEvents) *Chain {
	c := &Chain{On: on, Frame: frame}
	c.init(c, fyne.NewSize(200, 70), func(dst *image.RGBA, th *paint.Theme) {
		if f := c.frame(); f != nil {
			c.key = f.Key
			c.painter.Paint(dst, f, th)
		}
	})
	c.onKey = c.typed
	return c
}

func (c *Chain) frame() *chain.Frame {
	w, h := c.units()
	f := c.Frame(w, h, c.scroll)
	if f == nil {
		return nil
	}
	c.most = f.ScrollMax
	return f
}

// Update draws the chain anew if it looks different.
func (c *Chain) Update() {
	if !c.Visible() || c.Size().Width == 0 {
		return
	}
	if f := c.frame(); f != nil && f.Key != c.key {
		c.Repaint()
	}
}

// Reveal scrolls the chain to where reveal says that something can be seen.
func (c *Chain) Reveal(reveal func(w, h, scroll float64) float64) {
	w, h := c.units()
	if to := reveal(w, h, c.scroll); to != c.scroll && w > 0 {
		c.scroll = to
		c.Repaint()
	}
}

// Tapped selects a block or a transaction and takes the keyboard.
func (c *Chain) Tapped(e *fyne.PointEvent) {
	c.focus()
	if f := c.frame(); f != nil && c.On.Select != nil {
		c.On.Select(f.Hit(c.at(e.Position)))
	}
}

// TappedSecondary asks for a menu.
func (c *Chain) TappedSecondary(e *fyne.PointEvent) {
	if f := c.frame(); f != nil && c.On.Menu != nil {
		c.On.Menu(f.Hit(c.at(e.Position)), e.AbsolutePosition)
	}
}

// Scrolled shows older or newer blocks.
func (c *Chain) Scrolled(e *fyne.ScrollEvent) { c.scrollBy(float64(e.Scrolled.DY + e.Scrolled.DX)) }

// Dragged moves the strip.
func (c *Chain) Dragged(e *fyne.DragEvent) { c.scrollBy(float64(e.Dragged.DX)) }

// DragEnd is Fyne's.
func (c *Chain) DragEnd() {}

func (c *Chain) scrollBy(units float64) {
	if to := max(0, min(c.scroll+units, c.most)); to != c.scroll {
		c.scroll = to
		c.Repaint()
	}
}

func (c *Chain) typed(e *fyne.KeyEvent) bool {
	if c.On.Step == nil {
		return false
	}
	switch e.Name {
	case fyne.KeyLeft:
		c.On.Step(-1, 0)
	case fyne.KeyRight:
		c.On.Step(1, 0)
	case fyne.KeyUp:
		c.On.Step(0, -1)
	case fyne.KeyDown:
		c.On.Step(0, 1)
	default:
		return false
	}
	return true
}
