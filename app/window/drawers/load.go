package drawers

import (
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
)

// NewLoad makes the drawer "Load".
func NewLoad(s *session.Session, h Host) *Panel {
	return newPanel(lang.L("Load"), container.NewVBox())
}
