package drawers

import (
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
)

// NewNetwork makes the drawer "Network".
func NewNetwork(s *session.Session, h Host) *Panel {
	return newPanel(lang.L("Network"), container.NewVBox())
}
