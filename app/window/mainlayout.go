package window

import (
	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/window/look"
)

// mainLayout places the parts; sizes are shares of the window, kept in the settings.
type mainLayout struct {
	m                            *mainView
	top, topLine, rail, railLine fyne.CanvasObject
	drawer, drawerLine, side     fyne.CanvasObject
	column                       fyne.CanvasObject // behind lesson and inspector
	foreign                      fyne.CanvasObject // in place of the stage, where there are only blocks
	sides                        [3]*divider
	size                         fyne.Size
	captionAt                    fyne.Position // its lower left corner
	captionLow, captionWide      float32
}

// placeCaption gives the caption the height that its text needs.
func (l *mainLayout) placeCaption() {
	px := look.Px(1)
	h := px * float32(l.m.caption.height(float64(l.captionWide/px), float64(l.captionLow), l.m.s.presenter))
	l.m.caption.object.Move(l.captionAt.SubtractXY(0, h))
	l.m.caption.object.Resize(fyne.NewSize(max(0, l.captionWide), h))
}

// The sizes of the target picture, in pixels at 1440 by 900.
const (
	railWidth    = 72
	drawerWidth  = 348
	captionLow   = 28
	captionHigh  = 60 // in presenter mode, before its scale
	sideShare    = 364.0 / 1440
	timelineRate = 206.0 / 852
	chainRate    = 104.0 / 852
)

func (l *mainLayout) share(name string) float64 {
	if v, ok := l.m.s.settings.Splits[name]; ok && v > 0 && v < 0.9 {
		return v
	}
	switch name {
	case "inspector":
		return sideShare
	case "timeline":
		return timelineRate
	}
	return chainRate
}

// move changes a panel's size by pixels.
func (l *mainLayout) move(name string, by float32) {
	whole := l.size.Height - look.Px(topHeight)
	if name == "inspector" {
		whole = l.size.Width
	}
	if whole <= 0 {
		return
	}
	l.m.s.settings.Splits[name] = min(0.7, max(0.05, l.share(name)+float64(by/whole)))
	l.Layout(nil, l.size)
}

// MinSize lets the window be as small as a person likes.
func (l *mainLayout) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(640, 420) }

// Layout places everything.
func (l *mainLayout) Layout(_ []fyne.CanvasObject, size fyne.Size) {
	if size.Width < 1 || size.Height < 1 {
		return
	}
	l.size = size
	m := l.m
	place := func(o fyne.CanvasObject, x, y, w, h float32) {
		o.Move(fyne.NewPos(x, y))
		o.Resize(fyne.NewSize(max(0, w), max(0, h)))
	}
	top := look.Px(topHeight)
	place(l.top, 0, 0, size.Width, top)
	place(l.topLine, 0, top-look.Px(1), size.Width, look.Px(1))
	x, right, bottom := float32(0), size.Width, size.Height
	if l.rail.Visible() {
		place(l.rail, 0, top, look.Px(railWidth), bottom-top)
		x = look.Px(railWidth)
		place(l.railLine, x, top, look.Px(1), bottom-top)
		x += look.Px(1)
	}
	grip := look.Px(dividerGrip)
	card := m.card.object.Visible()
	beside := card && !m.s.presenter
	if l.side.Visible() || beside {
		w := max(look.Px(280), min(size.Width*float32(l.share("inspector")), size.Width-x-look.Px(320)))
		right -= w
		place(l.column, right, top, w, bottom-top)
		above := float32(0)
		if beside {
			above = m.card.placeAbove(right, top, w, bottom-top)
		}
		place(l.side, right, top+above, w, bottom-top-above)
		place(l.sides[0], right-grip/2, top, grip, bottom-top)
	}
	if l.drawer.Visible() {
		w := min(look.Px(drawerWidth), (right-x)*0.6)
		place(l.drawer, x, top, w, bottom-top)
		x += w
		place(l.drawerLine, x, top, look.Px(1), bottom-top)
		x += look.Px(1)
	}
	width, whole := right-x, size.Height-top
	if m.caption.object.Visible() {
		low := float32(captionLow)
		if m.s.presenter {
			low = captionHigh
		}
		bottom -= look.Px(low)
		l.captionAt = fyne.NewPos(x, size.Height)
		l.captionLow, l.captionWide = low, width
		l.placeCaption()
	}
	if m.chain.Visible() {
		h := max(look.Px(70), whole*float32(l.share("chain")))
		bottom -= h
		place(m.chain, x, bottom, width, h)
		place(l.sides[2], x, bottom-grip/2, width, grip)
	}
	if m.timeline.Visible() {
		h := min(max(look.Px(70), whole*float32(l.share("timeline"))), max(look.Px(70), (bottom-top)*0.7))
		bottom -= h
		place(m.timeline, x, bottom, width, h)
		place(l.sides[1], x, bottom-grip/2, width, grip)
	}
	cardHeight := float32(0)
	if card && !beside {
		cardHeight = m.card.placeBelow(x, top, width, bottom-top)
	}
	if m.replay.object.Visible() {
		cardHeight += m.replay.place(x, top, width, bottom-top-cardHeight)
	}
	place(m.stage, x, top, width, bottom-top-cardHeight)
	place(m.closeup, x, top, width, bottom-top-cardHeight)
	place(l.foreign, x, top, width, bottom-top-cardHeight)
}
