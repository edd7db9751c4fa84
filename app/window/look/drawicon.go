package look

import (
	"image/color"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

// drawIcon draws one of package paint's line icons.
func drawIcon(c paint.Canvas, name string, r view.Rect, col color.NRGBA, width float64) {}
