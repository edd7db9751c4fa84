package drawers

import (
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
)

// NewScript makes the drawer "Script".
func NewScript(s *session.Session, h Host) *Panel {
	return newPanel(lang.L("Script"), container.NewVBox())
}
