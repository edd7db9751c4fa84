package paint

import (
	"image"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
)

// ValidationPainter paints the close-up of a validation; its zero value is ready.
type ValidationPainter struct{}

// Paint draws a close-up over the whole of dst.
func (p *ValidationPainter) Paint(dst *image.RGBA, v *chain.Validation, th *Theme) {}

// DrawValidation draws the close-up of a validation into r.
func DrawValidation(c Canvas, v *chain.Validation, r view.Rect, th *Theme) {}
