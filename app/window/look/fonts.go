package look

import (
	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/assets"
)

// The text, semibold, monospaced and monospaced bold faces. Fyne remembers what it has read of
// each by the resource, so there is one of a kind.
var (
	sans     = fyne.NewStaticResource("Inter-Regular.otf", assets.FontSans())
	sansBold = fyne.NewStaticResource("Inter-SemiBold.otf", assets.FontSansBold())
	mono     = fyne.NewStaticResource("JetBrainsMono-Regular.ttf", assets.FontMono())
	monoBold = fyne.NewStaticResource("JetBrainsMono-Bold.ttf", assets.FontMonoBold())
)

// faceOf is the face of a style.
func faceOf(s fyne.TextStyle) fyne.Resource {
	switch {
	case s.Monospace && s.Bold:
		return monoBold
	case s.Monospace:
		return mono
	case s.Bold:
		return sansBold
	}
	return sans
}

// ownFace is the face that has every letter of a text, nil if some are to be looked for in Fyne's
// other faces and the system's. To get those ready takes Fyne a tenth of a second and 5 MB a
// style, most of it for coloured pictures, so it is only asked for when they are needed.
func ownFace(text string, s fyne.TextStyle) fyne.Resource {
	if !paint.Covers(text, paint.Font{Bold: s.Bold, Mono: s.Monospace}) {
		return nil
	}
	return faceOf(s)
}

// measured is the size of a line as Fyne draws it.
func measured(text string, size float32, s fyne.TextStyle) fyne.Size {
	got, _ := fyne.CurrentApp().Driver().RenderedTextSize(text, size, s, ownFace(text, s))
	return got
}
