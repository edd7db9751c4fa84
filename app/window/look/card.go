package look

import (
	"image/color"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
)

// Card is content on a rounded ground with a thin border.
func Card(content fyne.CanvasObject) *fyne.Container {
	return container.NewStack(NewPlane(10, raised, line), Inset(14, 12, content))
}

// TapCard is content on a ground to press as a whole.
type TapCard struct {
	Press
	content fyne.CanvasObject
	ground  *Plane
	on      bool
	hint    string
}

// NewTapCard makes a card with a border; hint says what pressing it does.
func NewTapCard(hint string, content fyne.CanvasObject, tapped func()) *TapCard {
	return newTapCard(hint, Inset(14, 12, content), tapped, 10, raised, line)
}

// NewTapRow makes a row of a list to press as a whole.
func NewTapRow(hint string, content fyne.CanvasObject, tapped func()) *TapCard {
	return newTapCard(hint, Inset(14, 6, content), tapped, 8, sunken, sunken)
}

// NewTapOption makes one of several answers to choose from.
func NewTapOption(hint string, content fyne.CanvasObject, tapped func()) *TapCard {
	return newTapCard(hint, Inset(12, 2, content), tapped, 10, raised, line)
}

// NewTapLine makes a line of a list without a ground of its own.
func NewTapLine(hint string, content fyne.CanvasObject, tapped func()) *TapCard {
	return newTapCard(hint, Inset(12, 4, content), tapped, 6, bareGround, bareGround)
}

func newTapCard(hint string, content fyne.CanvasObject, tapped func(), radius float32, fill, line func(*paint.Theme) color.NRGBA) *TapCard {
	c := &TapCard{content: content, hint: hint}
	c.ground = NewPlane(radius, func(k *paint.Theme) color.NRGBA {
		if c.on {
			return k.Selected
		}
		return fill(k)
	}, func(k *paint.Theme) color.NRGBA {
		if c.on || c.Hovered() || c.Focused() {
			return k.Accent
		}
		return line(k)
	})
	c.Init(c, tapped)
	return c
}

// Hint is what pressing the card does.
func (c *TapCard) Hint() string { return c.hint }

// SetOn shows the card as chosen or not.
func (c *TapCard) SetOn(on bool) {
	if c.on != on {
		c.on = on
		c.Refresh()
	}
}

// CreateRenderer is Fyne's.
func (c *TapCard) CreateRenderer() fyne.WidgetRenderer {
	return NewFilled(c.content.MinSize, func() {
		c.ground.Thick(1)
		if c.Focused() {
			c.ground.Thick(2)
		}
		c.ground.Refresh()
		c.content.Refresh()
	}, c.ground, c.content)
}

// Dot is a small disc in a tone, for a state that words beside it say too.
func Dot(tone Tone) fyne.CanvasObject {
	return NewPicture(12, 12, func(c paint.Canvas, w, h float64, k *paint.Theme) {
		c.Circle(view.Point{X: w / 2, Y: h / 2}, 4.5, paint.Style{Fill: tone.Color(k)})
	})
}

// Badge is a disc with a number or an icon in it.
func Badge(text, icon string, size float32, tone Tone) fyne.CanvasObject {
	return NewPicture(size, size, func(c paint.Canvas, w, h float64, k *paint.Theme) {
		col := tone.Color(k)
		c.Circle(view.Point{X: w / 2, Y: h / 2}, w/2, paint.Style{Fill: paint.Alpha(col, 0.16)})
		if icon != "" {
			paint.Icon(c, icon, view.Rect{X: w / 4, Y: h / 4, W: w / 2, H: h / 2}, col, 2)
			return
		}
		f := paint.Font{Bold: true, Size: w * 0.44}
		c.Text(view.Point{X: (w - paint.TextWidth(text, f)) / 2, Y: h/2 + f.Size*0.36}, text, f, col)
	})
}

// FormRow is a field with its label above it.
func FormRow(label string, field fyne.CanvasObject) *fyne.Container {
	return Column(2, Muted(label), field)
}

// ErrorBox says what happened, why, and what to do; its words can be copied.
func ErrorBox(what, why, remedy string, more ...fyne.CanvasObject) *fyne.Container {
	lines := []fyne.CanvasObject{Heading(what).Wrapped().Toned(Bad)}
	if why != "" {
		lines = append(lines, Body(why).Wrapped())
	}
	if remedy != "" {
		lines = append(lines, Body(remedy).Wrapped().Toned(Quiet))
	}
	all := strings.TrimSpace(strings.Join([]string{what, why, remedy}, "\n"))
	copied := Secondary(words.L("Copy"), func() { fyne.CurrentApp().Clipboard().SetContent(all) })
	buttons := append([]fyne.CanvasObject{copied}, more...)
	lines = append(lines, Row(8, buttons...))
	return container.NewStack(NewPlane(10, invalidGround, invalid), Inset(14, 12, Column(6, lines...)))
}

// NewBar makes a thin bar that is filled by share, 0 to 1.
func NewBar(share float64) *Picture {
	return NewPicture(20, 3, func(c paint.Canvas, w, h float64, k *paint.Theme) {
		c.Rect(view.Rect{W: w, H: h}, h/2, paint.Style{Fill: k.Grid})
		c.Rect(view.Rect{W: w * min(1, max(0, share)), H: h}, h/2, paint.Style{Fill: k.Accent})
	})
}

// Steps lists what is being done, with the time that each step took.
type Steps struct {
	widget.BaseWidget
	list *fyne.Container
}

// NewSteps makes an empty list.
func NewSteps() *Steps {
	s := &Steps{list: Column(6)}
	s.ExtendBaseWidget(s)
	return s
}

// CreateRenderer is Fyne's.
func (s *Steps) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(s.list) }

// Step is one line of Steps.
type Step struct {
	Text, Time string
	Done, Bad  bool
}

// Set shows the steps.
func (s *Steps) Set(steps []Step) {
	s.list.Objects = s.list.Objects[:0]
	for _, p := range steps {
		icon, tone := "clock", Accent
		switch {
		case p.Bad:
			icon, tone = "cross", Bad
		case p.Done:
			icon, tone = "check", Good
		}
		s.list.Add(container.NewBorder(nil, nil, Middle(NewIcon(icon, 14, tone).Picture), Mono(p.Time).Toned(Quiet),
			Inset(8, 0, Body(p.Text).Cut())))
	}
	s.list.Refresh()
}
