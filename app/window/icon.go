package window

import (
	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/assets"
)

// iconResource is the program's icon as Fyne wants it.
func iconResource() fyne.Resource { return fyne.NewStaticResource("fabriscope.png", assets.Icon()) }
