package stage

import (
	"github.com/fabriscope/fabriscope/app/view"
)

type functionNames struct{}

// Caption is one plain sentence on what is happening at the moment, "" when nothing is.
func (w *World) Caption(at view.Moment, sel view.Selection) string { return "" }
