package drawers

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
)

// Panel is a drawer as the shell shows it.
type Panel struct {
	widget.BaseWidget
	title  string
	body   fyne.CanvasObject
	update func()
	shut   func()
	first  fyne.Focusable
	// firstOf gives first where it is not always the same; may be nil.
	firstOf func() fyne.Focusable
	pages   []*container.Scroll
	last    fyne.Focusable // that had the focus at the last Refresh
	ring    view.Rect      // of the link on it
}

func newPanel(title string, body fyne.CanvasObject, pages ...*container.Scroll) *Panel {
	p := &Panel{title: title, body: body, pages: pages}
	p.ExtendBaseWidget(p)
	return p
}

// Title is the drawer's name, in the language of the window.
func (p *Panel) Title() string { return p.title }

// Refresh takes in what has changed in the session. The shell calls it at most 5 times a
// second while the drawer is visible; it touches only what is different.
func (p *Panel) Refresh() {
	if p.update != nil {
		p.update()
	}
	p.reveal()
}

// Close ends what the drawer does by itself.
func (p *Panel) Close() {
	if p.shut != nil {
		p.shut()
	}
}

// First is where the keyboard should be when the drawer opens, nil for nowhere.
func (p *Panel) First() fyne.Focusable {
	if p.firstOf != nil {
		return p.firstOf()
	}
	return p.first
}

// CreateRenderer shows the body.
func (p *Panel) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(p.body) }

// reveal scrolls to the widget that the keyboard has come to, or to the link on a page.
func (p *Panel) reveal() {
	driver := fyne.CurrentApp().Driver()
	c := driver.CanvasForObject(p)
	if c == nil {
		return
	}
	var ring view.Rect
	if s, ok := c.Focused().(*sheet.Sheet); ok {
		ring, _ = s.Ring()
	}
	if c.Focused() == p.last && ring == p.ring {
		return
	}
	p.last, p.ring = c.Focused(), ring
	o, ok := p.last.(fyne.CanvasObject)
	if !ok {
		return
	}
	for _, s := range p.pages {
		if !s.Visible() || !contains(s.Content, o) {
			continue
		}
		y := driver.AbsolutePositionForObject(o).Y - driver.AbsolutePositionForObject(s).Y + float32(ring.Y)
		h := o.Size().Height
		if ring.H > 0 {
			h = float32(ring.H)
		}
		switch margin := look.Px(24); {
		case y < 0:
			s.ScrollToOffset(s.Offset.SubtractXY(0, margin-y))
		case y+h > s.Size().Height && h < s.Size().Height:
			s.ScrollToOffset(s.Offset.AddXY(0, y+h-s.Size().Height+margin))
		}
	}
}

// contains tells whether an object stands somewhere below another.
func contains(in, o fyne.CanvasObject) bool {
	if in == o {
		return true
	}
	switch x := in.(type) {
	case *fyne.Container:
		for _, c := range x.Objects {
			if contains(c, o) {
				return true
			}
		}
	case *section:
		return x.head == o || contains(x.body, o)
	}
	return false
}

// scroll puts a drawer's parts below each other on a page that scrolls.
func scroll(parts ...fyne.CanvasObject) *container.Scroll {
	return container.NewVScroll(look.Inset(16, 12, look.Column(10, parts...)))
}

// gate disables actions while there is no network to act on, and says why.
type gate struct {
	s       *session.Session
	note    *look.Text
	box     *fyne.Container
	actions []fyne.Disableable
	told    string
	asked   bool
}

func newGate(s *session.Session, actions ...fyne.Disableable) *gate {
	g := &gate{s: s, note: look.Small("").Wrapped().Toned(look.Warn), actions: actions}
	g.box = container.NewStack(g.note)
	g.update()
	return g
}

// add puts more actions behind the gate.
func (g *gate) add(actions ...fyne.Disableable) {
	g.actions = append(g.actions, actions...)
	g.asked = false
	g.update()
}

// update follows the session.
func (g *gate) update() {
	text := whyClosed(g.s)
	if g.asked && text == g.told {
		return
	}
	g.told, g.asked = text, true
	g.note.SetText(text)
	for _, a := range g.actions {
		look.Able(a, text == "")
	}
	look.Show(g.box, text != "")
}

func (g *gate) open() bool { return g.told == "" }

// list is a page within a drawer that is written anew when what it shows has changed.
type list struct {
	page *sheet.Sheet
	key  string
}

func newList(h Host) *list {
	l := &list{page: sheet.New(nil)}
	l.page.OnKey = h.OnKey
	return l
}

// show writes the list if its key, everything that it depends on, is another one.
func (l *list) show(key string, write sheet.Write) {
	if key != l.key {
		l.key = key
		l.page.Set(write)
	}
}

// whyClosed says in words why nothing can be changed, "" if something can.
func whyClosed(s *session.Session) string {
	switch {
	case s.Running():
		return ""
	case s.Kind != session.Live:
		return words.L("This is a recording, not a running network: nothing can be changed in it. Start a network to try things out.")
	case s.ScriptRun() != nil && s.ScriptRun().Running():
		return words.L("The network is being started.")
	default:
		return words.L("The network is stopped. Start it again to act on it.")
	}
}
