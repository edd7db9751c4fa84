package window

import (
	"image/color"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/meter"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

const topHeight = 48

// topBar is the line above everything: the run, the transport, the numbers that change.
type topBar struct {
	s      *Shell
	object *fyne.Container
	name   *look.Text
	lag    *lagNote
	play   *look.Button
	live   *look.Button
	slider *stretch
	label  *look.Picture
	said   string // on label
	gauges *look.Picture
	shown  [4]meter.Gauge
	rec    *fyne.Container
	recPic *look.Picture
	recFor string
}

func newTopBar(s *Shell) *topBar {
	b := &topBar{s: s}
	b.name = look.Body("").Toned(look.Quiet).Cut()
	b.lag = newLagNote(s)
	left := container.NewBorder(nil, nil, look.Row(8, look.Gap(8, 0), s.logo()), nil, look.MiddleWide(look.Inset(8, 0, look.Column(0, b.name, b.lag))))

	back := look.IconButton("back", words.L("One event back"), func() { s.do1("back") })
	b.play = look.IconButton("pause", words.L("Play or pause"), func() { s.do1("play") })
	step := look.IconButton("step", words.L("One event on"), func() { s.do1("step") })
	b.slider = newStretch(s.setPace)
	b.label = look.NewPicture(114, 20, func(c paint.Canvas, w, h float64, k *paint.Theme) {
		f := paint.Font{Size: look.SizeBody - 1}
		paint.TextEnd(c, view.Point{X: w, Y: paint.Baseline(h/2, f)}, paint.Fit(b.said, f, w), f, k.Muted)
	})
	b.live = look.Secondary("L", func() { s.do1("live") })
	label := look.Middle(b.label)
	transport := look.Sheet(look.Inset(10, 0, look.Row(4, look.Middle(back), look.Middle(b.play), look.Middle(step), look.Gap(8, 0),
		look.Middle(b.slider), look.Gap(2, 0), label, look.Gap(2, 0), look.Middle(b.live))))

	b.gauges = look.NewPicture(310, 36, b.drawGauges)
	b.recPic = look.NewPicture(98, 22, b.drawRecording)
	rec := &logoButton{content: b.recPic}
	rec.Init(rec, func() { s.do1("record") })
	b.rec = look.Middle(rec)
	b.object = container.New(&topLayout{pace: label}, left, look.Middle(transport), look.Middle(b.gauges), b.rec)
	return b
}

// logo is the program's name, which opens the menu.
func (s *Shell) logo() fyne.CanvasObject {
	menu := &logoButton{content: look.Row(7, look.Middle(look.NewIcon("mark", 28, look.Accent).Picture), look.Middle(look.Title("Fabriscope")))}
	menu.Init(menu, func() { s.showMenu(fyne.NewPos(look.Px(10), look.Px(topHeight-4))) })
	return look.Middle(menu)
}

// logoButton is content to press that looks like nothing but its content.
type logoButton struct {
	look.Press
	content fyne.CanvasObject
}

func (l *logoButton) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(l.content) }

// topLayout puts the transport near the middle, the numbers after it, recording at the
// right end; the name has what is left. In a narrow window the pace's words give way first,
// which the slider says too, then the numbers.
type topLayout struct{ pace fyne.CanvasObject }

func (*topLayout) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(0, look.Px(topHeight)) }

func (l *topLayout) Layout(o []fyne.CanvasObject, s fyne.Size) {
	gap, least := look.Px(24), look.Px(180)
	tw, gw, rw := o[1].MinSize().Width, o[2].MinSize().Width, o[3].MinSize().Width
	right := s.Width - look.Px(16) - rw
	pace := l.pace.MinSize().Width + look.Px(4)
	whole := tw
	if !l.pace.Visible() {
		whole += pace
	}
	words := least+whole+gap+gw <= right
	look.Show(l.pace, words)
	if tw = whole; !words {
		tw -= pace
	}
	x := (s.Width-tw)/2 - look.Px(44)
	x = min(x, right-gap-gw-gap-tw)
	x = max(x, least)
	place := func(c fyne.CanvasObject, x, w float32) {
		c.Move(fyne.NewPos(x, 0))
		c.Resize(fyne.NewSize(w, s.Height))
	}
	place(o[0], 0, x-look.Px(8))
	place(o[1], x, tw)
	place(o[2], x+tw+gap, gw)
	look.Show(o[2], x+tw+gap+gw <= right)
	place(o[3], right, rw)
}

func (b *topBar) drawGauges(c paint.Canvas, w, h float64, k *paint.Theme) {
	value, name := paint.Font{Mono: true, Size: look.SizeBody}, paint.Font{Size: look.SizeTiny}
	x := 0.0
	for _, g := range b.shown {
		c.Text(view.Point{X: x, Y: 14}, g.Value, value, k.Text)
		c.Text(view.Point{X: x, Y: 30}, g.Name, name, k.Muted)
		x += max(paint.TextWidth(g.Value, value), paint.TextWidth(g.Name, name), 34) + 15
	}
}

func (b *topBar) drawRecording(c paint.Canvas, w, h float64, k *paint.Theme) {
	f := paint.Font{Mono: true, Size: 12}
	if b.recFor == "" {
		c.Rect(view.Rect{W: w, H: h}.Inset(0.5), h/2, paint.Style{Stroke: k.Line, Width: 1})
		c.Circle(view.Point{X: 15, Y: h / 2}, 4, paint.Style{Stroke: k.Muted, Width: 1.4})
		f.Mono = false
		c.Text(view.Point{X: 27, Y: paint.Baseline(h/2, f)}, words.L("record"), f, k.Muted)
		return
	}
	c.Rect(view.Rect{W: w, H: h}, h/2, paint.Style{Fill: paint.Alpha(k.Invalid, 0.22)})
	c.Circle(view.Point{X: 13, Y: h / 2}, 4, paint.Style{Fill: k.Invalid})
	c.Text(view.Point{X: 23, Y: paint.Baseline(h/2, f)}, b.recFor, f, k.Invalid)
}

// update shows what has changed.
func (b *topBar) update() {
	n := b.s.session
	name := n.Name()
	if ch := n.Channel(); ch != "" {
		name += "  ·  " + ch
	}
	b.name.SetText(name)
	b.lag.update()
	p := n.Playhead
	if p.Playing {
		b.play.SetIcon("pause", words.L("Pause"))
	} else {
		b.play.SetIcon("play", words.L("Play"))
	}
	b.play.SetOn(p.Playing)
	b.live.SetOn(p.Pace == view.Live)
	b.slider.show(p.Pace, p.Scale)
	if said := paceText(p); said != b.said {
		b.said = said
		b.label.Refresh()
	}
	if g := b.s.main.gauges(); g != b.shown {
		b.shown = g
		b.gauges.Refresh()
	}
	look.Show(b.rec, n.Running())
	if text := b.s.recordingText(); text != b.recFor {
		b.recFor = text
		b.recPic.Refresh()
	}
}

// paceText says how time is shown.
func paceText(p *view.Playhead) string {
	switch p.Pace {
	case view.Live:
		return words.L("live")
	case view.Events:
		return words.L("event by event")
	}
	return words.L("1 s shows {{.Time}}", map[string]any{"Time": view.SpanText(p.Scale)})
}

// stretch is the slider for how much of the trace one second shows: from a microsecond at
// the left to one second, and live at the right end, on a logarithmic scale.
type stretch struct {
	look.Painted
	at      float64 // 0 to 1
	changed func(pace view.Pace, scale time.Duration)
}

const stretchLive = 0.96 // beyond: live

func newStretch(changed func(view.Pace, time.Duration)) *stretch {
	s := &stretch{changed: changed}
	s.Init(s, 148, 24, "", nil, func(_ *look.Painted, c paint.Canvas, w, h float64, k *paint.Theme) {
		x := 8 + s.at*(w-16)
		track := func(from, to float64, col color.NRGBA) {
			c.Rect(view.Rect{X: from, Y: h/2 - 2, W: to - from, H: 4}, 2, paint.Style{Fill: col})
		}
		track(0, w, k.Line)
		track(0, x, k.Accent)
		radius := 7.0
		if s.Focused() || s.Hovered() {
			radius = 8.5
			c.Circle(view.Point{X: x, Y: h / 2}, radius+2, paint.Style{Fill: paint.Alpha(k.Accent, 0.4)})
		}
		c.Circle(view.Point{X: x, Y: h / 2}, radius, paint.Style{Fill: k.Text})
	})
	return s
}

// Tapped puts the slider where it was tapped.
func (s *stretch) Tapped(e *fyne.PointEvent) { s.put(e.Position.X) }

// Dragged moves the slider.
func (s *stretch) Dragged(e *fyne.DragEvent) { s.put(e.Position.X) }

// DragEnd is Fyne's.
func (s *stretch) DragEnd() {}

func (s *stretch) put(x float32) {
	edge := look.Px(8)
	s.set(float64((x - edge) / (s.Size().Width - 2*edge)))
}

func (s *stretch) set(at float64) {
	at = min(1, max(0, at))
	if at >= stretchLive {
		s.changed(view.Live, 0)
		return
	}
	s.changed(view.Stretch, view.ScaleAt(at/stretchLive))
}

// TypedKey moves the slider in small steps while it has the keyboard.
func (s *stretch) TypedKey(e *fyne.KeyEvent) {
	switch e.Name {
	case fyne.KeyLeft, fyne.KeyDown:
		s.set(s.at - 0.04)
	case fyne.KeyRight, fyne.KeyUp:
		s.set(s.at + 0.04)
	default:
		s.Press.TypedKey(e)
	}
}

// show puts the slider where the playhead's pace is.
func (s *stretch) show(pace view.Pace, scale time.Duration) {
	at := 1.0
	if pace != view.Live {
		at = stretchLive * view.ShareOf(scale)
	}
	if at != s.at {
		s.at = at
		s.Refresh()
	}
}
