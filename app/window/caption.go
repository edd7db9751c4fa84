package window

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
)

// captionLine is one plain sentence on what is happening at the playhead. It is painted,
// since it changes often.
type captionLine struct {
	object  fyne.CanvasObject
	picture *look.Picture
	text    string
	hint    string
}

func newCaption() *captionLine {
	c := &captionLine{}
	c.picture = look.NewPicture(100, 20, func(to paint.Canvas, w, h float64, k *paint.Theme) {
		if k.Scale > 1.3 {
			c.large(to, w, h, k)
			return
		}
		f := paint.Font{Size: look.SizeSmall + 1}
		to.Text(view.Point{X: 15, Y: paint.Baseline(h/2, f)}, paint.Fit(c.text, f, w-30), f, k.Muted)
	})
	c.object = container.NewStack(look.OnPanel(c.picture), look.Column(0, look.HLine()))
	return c
}

// large writes the caption of presenter mode in the middle, in at most three lines.
func (c *captionLine) large(to paint.Canvas, w, h float64, k *paint.Theme) {
	f := paint.Font{Size: look.SizeTitle}
	lines := paint.Wrap(c.text, f, w-120, 0)
	if len(lines) > 2 {
		f.Size = look.SizeBody
		lines = paint.Wrap(c.text, f, w-120, 3)
	}
	pitch := f.Size * 1.35
	y := h/2 - pitch*float64(len(lines)-1)/2
	for i, line := range lines {
		paint.TextMiddle(to, view.Point{X: w / 2, Y: paint.Baseline(y+pitch*float64(i), f)}, line, f, k.Text)
	}
	small := paint.Font{Size: look.SizeTiny}
	paint.TextEnd(to, view.Point{X: w - 12, Y: h - 7}, c.hint, small, k.Muted)
}

func (c *captionLine) set(text, hint string) {
	if text != c.text || hint != c.hint {
		c.text, c.hint = text, hint
		c.picture.Refresh()
	}
}

// captionText is what a lesson says, or what happens at the playhead.
func (m *mainView) captionText() (text, hint string) {
	if m.s.presenter && m.s.lesson != nil {
		if said := m.s.lesson.said(); said != "" {
			return said, m.s.lesson.hint()
		}
	}
	return m.n.Stage.Caption(m.n.Playhead.At, m.n.Selection()), ""
}
