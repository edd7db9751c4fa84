package drawers

import (
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
)

// NewChaincode makes the drawer "Chaincode".
func NewChaincode(s *session.Session, h Host) *Panel {
	return newPanel(lang.L("Chaincode"), container.NewVBox())
}
