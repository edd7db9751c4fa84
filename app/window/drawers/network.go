package drawers

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

// NewNetwork makes the drawer "Network": the client panel, and the topology editor.
func NewNetwork(s *session.Session, h Host) *Panel {
	c := newClient(s, h)
	t := newTopology(s, h)
	tabs, pages := tabs([]string{words.L("Client"), words.L("Topology")}, nil, c.page, t.box)
	p := newPanel(words.L("Network"), container.NewBorder(look.Inset(16, 4, container.NewHBox(tabs)), nil, nil, nil, pages), c.page, t.page)
	p.update = func() {
		if tabs.Chosen() == 0 {
			c.update()
		} else {
			t.update()
		}
	}
	p.firstOf = func() fyne.Focusable {
		if tabs.Chosen() != 0 || whyClosed(s) != "" {
			return nil
		}
		return c.focus()
	}
	if whyClosed(s) != "" && s.Topology() != nil {
		tabs.Choose(1)
		tabs.OnChanged(1)
	}
	return p
}
