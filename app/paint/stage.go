package paint

import (
	"image"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/stage"
)

// StagePainter paints the stage. It keeps the slow layer between frames and is ready as it
// is; use one for each widget, from one goroutine.
type StagePainter struct {
	key uint64
}

// Paint draws a frame over the whole of dst.
func (p *StagePainter) Paint(dst *image.RGBA, f *stage.Frame, cam view.Camera, th *Theme) {}

// DrawStage draws the whole picture on any canvas, for exports.
func DrawStage(c Canvas, f *stage.Frame, cam view.Camera, th *Theme) {}
