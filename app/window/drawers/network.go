package drawers

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
)

// NewNetwork makes the drawer "Network": the client panel, and the topology editor.
func NewNetwork(s *session.Session, h Host) *Panel {
	c := newClient(s, h)
	t := newTopology(s, h)
	tabs := look.NewSegmented([]string{lang.L("Client"), lang.L("Topology")}, nil)
	choose := func(i int) {
		show(c.page, i == 0)
		show(t.box, i == 1)
	}
	tabs.OnChanged = choose
	p := newPanel(lang.L("Network"), container.NewBorder(look.Inset(16, 4, container.NewHBox(tabs)), nil, nil, nil, container.NewStack(c.page, t.box)),
		c.page, t.page)
	p.update = func() {
		if tabs.Chosen() == 0 {
			c.update()
		} else {
			t.update()
		}
	}
	p.firstOf = func() fyne.Focusable {
		if tabs.Chosen() != 0 || why(s) != "" {
			return nil
		}
		return c.focus()
	}
	first := 0
	if why(s) != "" && (s == nil || s.Topology() != nil) {
		first = 1
	}
	tabs.Choose(first)
	choose(first)
	return p
}
