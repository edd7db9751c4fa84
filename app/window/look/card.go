package look

import (
	"image/color"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

// Card is content on a rounded ground with a thin border.
func Card(content fyne.CanvasObject) *fyne.Container {
	return container.NewStack(NewPlane(10, raised, line), Inset(14, 12, content))
}

// SunkenCard is content on a rounded ground without a border, for rows of a list.
func SunkenCard(content fyne.CanvasObject) *fyne.Container {
	return container.NewStack(NewPlane(8, sunken, nil), Inset(12, 8, content))
}

// TapCard is a card to press as a whole.
type TapCard struct {
	Press
	content fyne.CanvasObject
	sunken  bool
	flat    bool
	on      bool
	hint    string
}

// NewTapCard makes a card with a border; hint says what pressing it does.
func NewTapCard(hint string, content fyne.CanvasObject, tapped func()) *TapCard {
	c := &TapCard{content: Inset(14, 12, content), hint: hint}
	c.Init(c, tapped)
	return c
}

// NewTapRow makes a row of a list to press as a whole.
func NewTapRow(hint string, content fyne.CanvasObject, tapped func()) *TapCard {
	c := &TapCard{content: Inset(14, 6, content), hint: hint, sunken: true}
	c.Init(c, tapped)
	return c
}

// NewTapOption makes one of several answers to choose from.
func NewTapOption(hint string, content fyne.CanvasObject, tapped func()) *TapCard {
	c := &TapCard{content: Inset(12, 2, content), hint: hint}
	c.Init(c, tapped)
	return c
}

// NewTapLine makes a line of a list without a ground of its own.
func NewTapLine(hint string, content fyne.CanvasObject, tapped func()) *TapCard {
	c := &TapCard{content: Inset(12, 4, content), hint: hint, flat: true}
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
	r := &cardRenderer{c, canvas.NewRectangle(color.Transparent)}
	r.style()
	return r
}

type cardRenderer struct {
	c *TapCard
	r *canvas.Rectangle
}

func (r *cardRenderer) style() {
	k := Current()
	r.r.CornerRadius, r.r.StrokeWidth = Px(10), Px(1)
	r.r.FillColor, r.r.StrokeColor = color.Color(k.Raised), color.Color(k.Line)
	if r.c.sunken {
		r.r.CornerRadius, r.r.FillColor, r.r.StrokeColor = Px(8), k.Sunken, k.Sunken
	}
	if r.c.flat {
		r.r.CornerRadius, r.r.FillColor, r.r.StrokeColor = Px(6), color.Transparent, color.Transparent
	}
	if r.c.on {
		r.r.FillColor, r.r.StrokeColor = k.Selected, k.Accent
	}
	if r.c.Hovered() {
		r.r.StrokeColor = k.Accent
	}
	if r.c.Focused() {
		r.r.StrokeColor, r.r.StrokeWidth = k.Accent, Px(2)
	}
}

func (r *cardRenderer) Layout(s fyne.Size) {
	r.r.Resize(s)
	r.c.content.Resize(s)
}
func (r *cardRenderer) MinSize() fyne.Size           { return r.c.content.MinSize() }
func (r *cardRenderer) Refresh()                     { r.style(); r.r.Refresh(); r.c.content.Refresh() }
func (r *cardRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.r, r.c.content} }
func (r *cardRenderer) Destroy()                     {}

// Pill is a word or two on a rounded ground in a tone.
func Pill(text string, tone Tone) fyne.CanvasObject {
	t := Small(text).Toned(tone)
	back := NewPlane(9, func(k *paint.Theme) color.NRGBA { return paint.Alpha(tone.Color(k), 0.16) }, nil)
	return container.NewStack(back, Inset(9, 1, t))
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

// Section is a heading with what it says and content below it.
func Section(title, explained string, content fyne.CanvasObject) *fyne.Container {
	if explained == "" {
		return Column(6, Heading(title), content)
	}
	return Column(6, Column(0, Heading(title), Muted(explained).Wrapped()), content)
}

// FormRow is a field with its label above it.
func FormRow(label string, field fyne.CanvasObject) *fyne.Container {
	return Column(2, Muted(label), field)
}

// EmptyState says what is not there yet, and how it comes.
func EmptyState(title, explained string, actions ...fyne.CanvasObject) *fyne.Container {
	all := []fyne.CanvasObject{Heading(title).Aligned(fyne.TextAlignCenter), Muted(explained).Wrapped().Aligned(fyne.TextAlignCenter)}
	for _, a := range actions {
		all = append(all, Middle(a))
	}
	return MiddleWide(Inset(20, 20, Column(8, all...)))
}

// ErrorBox says what happened, why, and what to do; its words can be copied.
func ErrorBox(what, why, remedy string, more ...fyne.CanvasObject) *fyne.Container {
	words := []fyne.CanvasObject{Heading(what).Wrapped().Toned(Bad)}
	if why != "" {
		words = append(words, Body(why).Wrapped())
	}
	if remedy != "" {
		words = append(words, Body(remedy).Wrapped().Toned(Quiet))
	}
	all := strings.TrimSpace(strings.Join([]string{what, why, remedy}, "\n"))
	copied := Secondary(lang.L("Copy"), func() { fyne.CurrentApp().Clipboard().SetContent(all) })
	buttons := append([]fyne.CanvasObject{copied}, more...)
	words = append(words, Row(8, buttons...))
	return container.NewStack(NewPlane(10, invalidGround, invalid), Inset(14, 12, Column(6, words...)))
}

// Bar is a thin bar that is filled in part.
type Bar struct {
	*Picture
	share float64
}

// NewBar makes a bar that is filled by share, 0 to 1.
func NewBar(share float64) *Bar {
	b := &Bar{share: share}
	b.Picture = NewPicture(20, 3, func(c paint.Canvas, w, h float64, k *paint.Theme) {
		c.Rect(view.Rect{W: w, H: h}, h/2, paint.Style{Fill: k.Grid})
		c.Rect(view.Rect{W: w * min(1, max(0, b.share)), H: h}, h/2, paint.Style{Fill: k.Accent})
	})
	return b
}

// Set changes how much is filled.
func (b *Bar) Set(share float64) {
	if b.share != share {
		b.share = share
		b.Refresh()
	}
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
		icon, tone := "dots", Accent
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
