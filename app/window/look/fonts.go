package look

import (
	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/assets"
)

// faces gives the text, semibold, monospaced and monospaced bold faces.
func faces() (text, bold, mono, monoBold fyne.Resource) {
	return fyne.NewStaticResource("Inter-Regular.otf", assets.FontSans()),
		fyne.NewStaticResource("Inter-SemiBold.otf", assets.FontSansBold()),
		fyne.NewStaticResource("JetBrainsMono-Regular.ttf", assets.FontMono()),
		fyne.NewStaticResource("JetBrainsMono-Bold.ttf", assets.FontMonoBold())
}
