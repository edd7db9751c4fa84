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
		lines, f := c.lines(w, k.Scale > presenterAt)
		pitch := f.Size * captionPitch
		y := h/2 - pitch*float64(len(lines)-1)/2
		for i, line := range lines {
			if k.Scale > presenterAt {
				paint.TextMiddle(to, view.Point{X: w / 2, Y: paint.Baseline(y+pitch*float64(i), f)}, line, f, k.Text)
				continue
			}
			to.Text(view.Point{X: 15, Y: paint.Baseline(y+pitch*float64(i), f)}, line, f, k.Muted)
		}
		if c.hint != "" {
			paint.TextEnd(to, view.Point{X: w - 12, Y: h - 7}, c.hint, paint.Font{Size: look.SizeTiny}, k.Muted)
		}
	})
	c.object = container.NewStack(look.OnPanel(c.picture), look.Column(0, look.HLine()))
	return c
}

const (
	presenterAt  = 1.3 // the scale from which on the caption stands large, in the middle
	captionPitch = 1.35
)

// lines are the caption as it is written in a width: as large as two lines allow, and with as many
// as it takes.
func (c *captionLine) lines(w float64, large bool) ([]string, paint.Font) {
	f, margin := paint.Font{Size: look.SizeSmall + 1}, 30.0
	if large {
		f.Size, margin = look.SizeTitle, 120
		if len(paint.Wrap(c.text, f, w-margin, 0)) > 2 {
			f.Size = look.SizeBody
		}
	}
	return paint.Wrap(c.text, f, w-margin, 0), f
}

// height is how high the caption must be in a width, in the unit of pictures; low is what it has
// anyway. One that is higher covers what is above it for as long as it is said: nothing moves.
func (c *captionLine) height(w, low float64, large bool) float64 {
	lines, f := c.lines(w, large)
	return max(low, 11+f.Size*captionPitch*float64(len(lines)))
}

// set says something else, and tells whether it is.
func (c *captionLine) set(text, hint string) (changed bool) {
	if text == c.text && hint == c.hint {
		return false
	}
	c.text, c.hint = text, hint
	c.picture.Refresh()
	return true
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
