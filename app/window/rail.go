package window

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/drawers"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

// rail is the column of buttons at the left; each opens a drawer beside the stage.
type rail struct {
	s       *Shell
	m       *mainView
	object  *fyne.Container
	buttons []*railButton
	drawer  *fyne.Container
	panel   *drawers.Panel
	kept    map[int]keptPanel // of this session, open or closed
	open    int               // 1 to 7, 0: none
}

type drawerKind struct {
	icon, title string
	make        func(*session.Session, drawers.Host) *drawers.Panel
}

// drawerKinds are the drawers in the order of the keys 1 to 7.
func drawerKinds() []drawerKind {
	return []drawerKind{
		{"book", words.L("Lessons"), drawers.NewLessons},
		{"network", words.L("Network"), drawers.NewNetwork},
		{"cube", words.L("Chaincode"), drawers.NewChaincode},
		{"chart", words.L("Load"), drawers.NewLoad},
		{"bolt", words.L("Faults"), drawers.NewFaults},
		{"code", words.L("Script"), drawers.NewScript},
		{"list", words.L("Events"), drawers.NewEvents},
	}
}

func newRail(s *Shell, m *mainView) *rail {
	r := &rail{s: s, m: m, drawer: container.NewStack(), kept: map[int]keptPanel{}}
	column := look.Column(6, look.Gap(0, 8))
	for i, k := range drawerKinds() {
		b := newRailButton(k.icon, k.title, func() { r.toggle(i + 1) })
		r.buttons = append(r.buttons, b)
		column.Add(container.NewCenter(b))
	}
	r.object = column
	return r
}

// toggle opens a drawer, or closes it if it is open.
func (r *rail) toggle(number int) {
	if r.open == number {
		r.shut()
	} else {
		r.show(number)
	}
	r.m.arrange()
	r.m.repaint()
}

func (r *rail) show(number int) {
	r.shut()
	k := drawerKinds()[number-1]
	r.open, r.panel = number, r.panelOf(number)
	shut := look.IconButton("cross", words.L("Close the drawer"), func() { r.toggle(number) })
	head := look.Line(look.Title(k.title), shut)
	top := look.Inset(14, 8, head)
	// The head comes first in the order of Tab, too.
	r.drawer.Objects = []fyne.CanvasObject{look.OnPanel(container.New(layout.NewBorderLayout(top, nil, nil, nil), top, r.panel))}
	r.drawer.Refresh()
	r.buttons[number-1].setOn(true)
	r.panel.Refresh()
	// The client panel is there to be filled in. In the others the next Tab leads into the
	// drawer; meanwhile the digits still open other drawers, which a focused list or entry
	// would swallow.
	r.s.do(func() {
		if r.open != number {
			return
		}
		first := r.panel.First()
		if k.icon != "network" || first == nil {
			first = shut
		}
		r.s.win.Canvas().Focus(first)
	})
}

// keptPanel is a drawer with the look that it was made for.
type keptPanel struct {
	panel *drawers.Panel
	theme *paint.Theme
}

// panelOf gives a drawer as it was left, or makes it.
func (r *rail) panelOf(number int) *drawers.Panel {
	now := look.Current()
	if k, ok := r.kept[number]; ok {
		if k.theme.Name == now.Name && k.theme.Scale == now.Scale {
			return k.panel
		}
		k.panel.Close()
	}
	p := drawerKinds()[number-1].make(r.m.n, r.s.host())
	r.kept[number] = keptPanel{p, now}
	return p
}

// end closes all drawers for good.
func (r *rail) end() {
	r.shut()
	for _, k := range r.kept {
		k.panel.Close()
	}
	clear(r.kept)
}

func (r *rail) shut() {
	if r.open == 0 {
		return
	}
	r.buttons[r.open-1].setOn(false)
	r.open, r.panel = 0, nil
	r.drawer.Objects = nil
	if c := r.s.win.Canvas(); c.Overlays().Top() == nil {
		c.Unfocus() // keys do not go to what is not there any more
	}
}

// refresh brings the open drawer up to date.
func (r *rail) refresh() {
	if r.panel != nil {
		r.panel.Refresh()
	}
}

// railButton is an icon with its name below it.
type railButton struct {
	look.Painted
	on bool
}

func newRailButton(icon, title string, tapped func()) *railButton {
	b := &railButton{}
	b.Init(b, 60, 54, title, tapped, func(p *look.Painted, c paint.Canvas, w, h float64, k *paint.Theme) {
		tone, ground := look.Quiet, paint.Style{}
		if p.Hovered() {
			ground.Fill, tone = k.Sunken, look.Plain
		}
		if b.on {
			ground.Fill, tone = k.Selected, look.Accent
		}
		if p.Focused() {
			ground.Stroke, ground.Width = k.Accent, 2
		}
		c.Rect(view.Rect{W: w, H: h}.Inset(ground.Width/2), 8, ground)
		paint.Icon(c, icon, view.Rect{X: (w - 26) / 2, Y: 6, W: 26, H: 26}, tone.Color(k), 1.6)
		f := paint.Font{Size: look.SizeSmall}
		paint.TextMiddle(c, view.Point{X: w / 2, Y: paint.Baseline(h-12, f)}, title, f, tone.Color(k))
	})
	return b
}

func (b *railButton) setOn(on bool) {
	b.on = on
	b.Refresh()
}
