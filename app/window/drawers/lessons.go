package drawers

import (
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
)

// NewLessons makes the drawer "Lessons".
func NewLessons(s *session.Session, h Host) *Panel {
	return newPanel(lang.L("Lessons"), container.NewVBox())
}
