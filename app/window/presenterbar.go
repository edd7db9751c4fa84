package window

import (
	"fmt"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

// presenterBar is the line above everything in presenter mode.
type presenterBar struct {
	s      *Shell
	object *fyne.Container
	title  *look.Text
	lag    *lagNote
	dashes *fyne.Container
	label  *look.Picture
	said   string
	dashed string
}

func newPresenterBar(s *Shell) *presenterBar {
	b := &presenterBar{s: s, title: look.Title("").Cut(), lag: newLagNote(s), dashes: container.NewStack()}
	b.label = look.NewPicture(130, 20, func(c paint.Canvas, w, h float64, k *paint.Theme) {
		f := paint.Font{Size: 11}
		paint.TextEnd(c, view.Point{X: w, Y: paint.Baseline(h/2, f)}, b.said, f, k.Muted)
	})
	b.object = container.New(&presenterBarLayout{}, look.Middle(look.NewIcon("mark", 26, look.Accent).Picture), look.MiddleWide(look.Column(0, b.title, b.lag)),
		look.Middle(b.dashes), look.Middle(b.label))
	return b
}

type presenterBarLayout struct{}

func (presenterBarLayout) MinSize([]fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(0, look.Px(topHeight))
}

func (presenterBarLayout) Layout(o []fyne.CanvasObject, s fyne.Size) {
	place := func(c fyne.CanvasObject, x, w float32) {
		c.Move(fyne.NewPos(x, 0))
		c.Resize(fyne.NewSize(w, s.Height))
	}
	icon, label := o[0].MinSize().Width, o[3].MinSize().Width
	place(o[0], look.Px(10), icon)
	dashes := look.Px(210)
	place(o[1], look.Px(10)+icon+look.Px(8), (s.Width-dashes)/2-icon-look.Px(26))
	place(o[2], (s.Width-dashes)/2, dashes)
	place(o[3], s.Width-label-look.Px(16), label)
}

func (b *presenterBar) update() {
	title, dashed := b.s.session.Name(), ""
	if l := b.s.lesson; l != nil {
		title = words.Say(l.run.Title)
		dashed = fmt.Sprint(l.run.Chapter(), l.ended)
	}
	b.title.SetText(title)
	b.lag.update()
	if dashed != b.dashed {
		b.dashed = dashed
		b.dashes.Objects = nil
		if b.s.lesson != nil {
			b.dashes.Objects = []fyne.CanvasObject{chapterDashes(b.s.lesson, 200)}
		}
		b.dashes.Refresh()
	}
	if said := paceText(b.s.session.Playhead); said != b.said {
		b.said = said
		b.label.Refresh()
	}
}
