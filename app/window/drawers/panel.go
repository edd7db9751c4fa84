package drawers

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"
)

// Panel is a drawer as the shell shows it.
type Panel struct {
	widget.BaseWidget
	title  string
	body   fyne.CanvasObject
	update func()
	shut   func()
	first  fyne.Focusable
}

func newPanel(title string, body fyne.CanvasObject) *Panel {
	p := &Panel{title: title, body: body}
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
}

// Close ends what the drawer does by itself.
func (p *Panel) Close() {
	if p.shut != nil {
		p.shut()
	}
}

// First is where the keyboard should be when the drawer opens, nil for nowhere.
func (p *Panel) First() fyne.Focusable { return p.first }

// CreateRenderer shows the body.
func (p *Panel) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(p.body) }
