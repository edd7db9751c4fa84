package panel

import (
	"image"

	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view/chain"
)

// Closeup shows how far a peer is with the validation of a block.
type Closeup struct {
	surface
	Frame   func() *chain.Validation
	painter paint.ValidationPainter
}

// NewCloseup makes a close-up that asks frame what to show.
func NewCloseup(frame func() *chain.Validation) *Closeup {
	c := &Closeup{Frame: frame}
	c.init(c, fyne.NewSize(400, 200), func(dst *image.RGBA, th *paint.Theme) {
		if v := c.Frame(); v != nil {
			c.painter.Paint(dst, v, th)
		}
	})
	return c
}
