package paint

import (
	"image"

	"github.com/fabriscope/fabriscope/app/view/chain"
)

// ChainPainter paints the chain panel; its zero value is ready.
type ChainPainter struct{}

// Paint draws a frame over the whole of dst.
func (p *ChainPainter) Paint(dst *image.RGBA, f *chain.Frame, th *Theme) {}

// DrawChain draws the chain panel on any canvas.
func DrawChain(c Canvas, f *chain.Frame, th *Theme) {}
