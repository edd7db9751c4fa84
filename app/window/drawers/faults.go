package drawers

import (
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
)

// NewFaults makes the drawer "Faults".
func NewFaults(s *session.Session, h Host) *Panel {
	return newPanel(lang.L("Faults"), container.NewVBox())
}
