package window

import (
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/window/panel"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// showMenu opens the main menu: everything that can be done, by groups.
func (s *Shell) showMenu(at fyne.Position) {
	widget.ShowPopUpMenuAtPosition(s.mainMenu(), s.win.Canvas(), at)
}

// mainMenu makes the menu from the table of actions.
func (s *Shell) mainMenu() *fyne.Menu {
	menu := fyne.NewMenu("Fabriscope")
	var group *fyne.MenuItem
	for i := range s.actions {
		a := &s.actions[i]
		if group == nil || group.Label != a.group {
			group = fyne.NewMenuItem(a.group, nil)
			group.ChildMenu = fyne.NewMenu(a.group)
			menu.Items = append(menu.Items, group)
		}
		title := a.title
		if keys := a.keyText(); keys != "" {
			title += "   " + keys
		}
		item := fyne.NewMenuItem(title, a.do)
		item.Disabled = !s.usable(a)
		group.ChildMenu.Items = append(group.ChildMenu.Items, item)
	}
	return menu
}

// menu is what a secondary tap on something opens: what can be done with it.
func (m *mainView) menu(sel view.Selection, at fyne.Position) {
	if sel.What != view.Nothing {
		m.n.Select(sel)
	}
	items := m.menuItems(sel)
	if len(items) == 0 {
		return
	}
	widget.ShowPopUpMenuAtPosition(fyne.NewMenu("", items...), m.s.win.Canvas(), at)
}

// menuItems lists what can be done with a selection.
func (m *mainView) menuItems(sel view.Selection) []*fyne.MenuItem {
	var items []*fyne.MenuItem
	switch sel.What {
	case view.Nothing:
		return m.groundItems()
	case view.SelectNode:
		items = m.nodeItems(sel.Node)
	case view.SelectLink:
		items = m.linkItems(sel.Node, sel.Other)
	case view.SelectMessage:
		items = m.messageItems(sel)
	case view.SelectTx:
		items = m.txItems(sel.TxID)
	case view.SelectBlock:
		items = []*fyne.MenuItem{fyne.NewMenuItem(words.L("Enlarge its validation"), func() { m.setCloseUp(sel.Block, sel.Node) })}
	}
	return items
}

func (m *mainView) groundItems() []*fyne.MenuItem {
	items := []*fyne.MenuItem{
		fyne.NewMenuItem(words.L("Fit the stage"), m.stage.Fit),
		fyne.NewMenuItem(words.L("Lay the stage out anew"), m.s.resetStage),
		fyne.NewMenuItem(words.L("Compare the peers"), func() { m.s.do1("peers") }),
		fyne.NewMenuItem(words.L("Export a picture or a report ..."), m.s.showExport),
	}
	if m.n.Running() {
		items = append(items, fyne.NewMenuItemSeparator(),
			fyne.NewMenuItem(words.L("Partition: draw a line"), func() { m.s.host().PartitionMode(true) }),
			fyne.NewMenuItem(words.L("Heal all links"), func() { m.n.Heal(m.s.told(words.L("All links are whole."))) }))
	}
	return items
}

func (m *mainView) nodeItems(name string) []*fyne.MenuItem {
	short := m.n.Short(name)
	if peer := view.PeerOf(name); peer != "" {
		return m.containerItems(name, peer)
	}
	node, known := m.n.Node(name)
	var items []*fyne.MenuItem
	if known && node.Role == "peer" {
		items = append(items, fyne.NewMenuItem(words.L("Open its ledger"), func() { m.n.Select(view.Selection{What: view.SelectLedger, Node: name}) }))
	}
	if !m.n.Running() {
		return items
	}
	if !known {
		return append(items, m.holdItems(link.Filter{Node: name}, trace.Proposal, trace.Broadcast)...)
	}
	title := map[string]any{"Node": short}
	if node.Running {
		items = append(items,
			fyne.NewMenuItem(words.L("Stop {{.Node}}", title), func() { m.n.StopNode(name, m.s.told(words.L("{{.Node}} is stopped.", title))) }),
			fyne.NewMenuItem(words.L("Kill {{.Node}}", title), func() { m.n.Kill(name, m.s.told(words.L("{{.Node}} was killed.", title))) }))
	}
	items = append(items, fyne.NewMenuItem(words.L("Restart {{.Node}}", title), func() { m.n.Restart(name, m.s.told(words.L("{{.Node}} runs again.", title))) }))
	if node.Role == "peer" {
		lie := words.L("Lie: change results before endorsing")
		if node.Lies {
			lie = words.L("Tell the truth again")
		}
		items = append(items, fyne.NewMenuItem(lie, func() { m.n.Lie(name, !node.Lies, m.s.told(words.L("Done."))) }))
	}
	items = append(items, fyne.NewMenuItem(words.L("Cut it off from everything"), func() { m.n.Cut(name, "*", m.s.told(words.L("{{.Node}} is cut off.", title))) }),
		fyne.NewMenuItemSeparator())
	if node.Role == "peer" {
		return append(items, m.holdItems(link.Filter{Other: name}, trace.Proposal, trace.DeliverBlock, trace.ChaincodeGetState, trace.ChaincodePutState)...)
	}
	return append(items, m.holdItems(link.Filter{Other: name}, trace.Broadcast, trace.RaftAppend)...)
}

// holdItems offers to stop kinds of message.
func (m *mainView) holdItems(f link.Filter, kinds ...trace.Kind) []*fyne.MenuItem {
	var items []*fyne.MenuItem
	for _, k := range kinds {
		f.Kind = k
		items = append(items, m.holdItem(words.L("Hold here")+": "+words.Held(k), f))
	}
	return items
}

func (m *mainView) holdItem(text string, f link.Filter) *fyne.MenuItem {
	return fyne.NewMenuItem(text, func() {
		m.n.Hold(f, func(h session.Hold, err error) {
			m.s.told(words.L("Held from now on") + ": " + words.Now().Hold(h.Words(m.n.World.Names())))(err)
		})
	})
}

func (m *mainView) containerItems(name, peer string) []*fyne.MenuItem {
	if !m.n.Running() {
		return nil
	}
	label, _, _ := strings.Cut(name, "@")
	paused := false
	if node, ok := m.n.Node(peer); ok {
		paused = slices.Contains(node.Paused, label)
	}
	text := words.L("Pause this chaincode")
	if paused {
		text = words.L("Let this chaincode go on")
	}
	items := []*fyne.MenuItem{fyne.NewMenuItem(text, func() { m.n.Pause(peer, label, !paused, m.s.told(words.L("Done."))) }), fyne.NewMenuItemSeparator()}
	return append(items, m.holdItems(link.Filter{Node: name}, trace.ChaincodeGetState, trace.ChaincodePutState, trace.ChaincodeCompleted)...)
}

func (m *mainView) linkItems(a, b string) []*fyne.MenuItem {
	if !m.n.Running() || view.PeerOf(a) != "" || view.PeerOf(b) != "" {
		return nil
	}
	shape := func(text string, sh link.Shape) *fyne.MenuItem {
		return fyne.NewMenuItem(text, func() { m.n.SetLink(a, b, sh, m.s.told(text+": "+m.n.Short(a)+", "+m.n.Short(b))) })
	}
	return []*fyne.MenuItem{
		shape(words.L("Cut this link"), link.Shape{Cut: true}),
		shape(words.L("Slow: 60 ms"), link.Shape{Latency: 60 * time.Millisecond}),
		shape(words.L("Very slow: 500 ms"), link.Shape{Latency: 500 * time.Millisecond}),
		shape(words.L("Lossy: 5 %"), link.Shape{Loss: 0.05}),
		shape(words.L("Mend this link"), link.Shape{}),
	}
}

func (m *mainView) messageItems(sel view.Selection) []*fyne.MenuItem {
	var items []*fyne.MenuItem
	if sel.TxID != "" {
		items = m.txItems(sel.TxID)
	}
	if m.n.Source() == nil {
		return items
	}
	events, _, _ := m.n.Source().Since(sel.Seq-1, 1)
	if len(events) == 0 || !m.n.Running() {
		return items
	}
	e := events[0]
	for _, h := range m.n.Held() {
		if h.ID == e.Msg {
			items = append(items, fyne.NewMenuItem(words.L("Release this message"), func() { m.n.Release(h.ID, m.s.told(words.L("Released."))) }),
				fyne.NewMenuItem(words.L("Release all messages"), func() { m.n.Release(0, m.s.told(words.L("Released."))) }))
		}
	}
	return append(items, m.holdItem(words.L("Hold messages like this one"), link.Filter{Kind: e.Kind, Node: e.Node, Other: e.Other}))
}

func (m *mainView) txItems(tx string) []*fyne.MenuItem {
	return []*fyne.MenuItem{
		fyne.NewMenuItem(words.L("Show the whole transaction"), func() { m.n.Select(view.Selection{What: view.SelectTx, TxID: tx}); m.showTx(tx) }),
		fyne.NewMenuItem(words.L("Go to its first event"), func() {
			if m.n.Source() == nil {
				return
			}
			if events := m.n.Source().ByTx(tx); len(events) > 0 {
				m.s.seek(m.n.Axis.Moment(events[0].Seq))
			}
		}),
		fyne.NewMenuItem(words.L("Copy its id"), func() { m.s.copied(tx) }),
	}
}

// partition divides the network along a line that was drawn across the stage.
func (m *mainView) partition(a, b view.Point) {
	f := m.stageFrame()
	left, right := panel.Sides(a, b, centers(f))
	if len(left) == 0 || len(right) == 0 {
		m.s.toast(words.L("All nodes are on one side of that line."))
		return
	}
	slices.Sort(left)
	slices.Sort(right)
	m.n.Partition([][]string{left, right}, m.s.told(words.L("Partitioned: {{.A}} nodes here, {{.B}} there.", map[string]any{"A": len(left), "B": len(right)})))
}

// centers are the middles of all peers and ordering nodes on the stage.
func centers(f *stage.Frame) map[string]view.Point {
	out := map[string]view.Point{}
	for _, o := range f.Orgs {
		for _, p := range o.Peers {
			out[p.Name] = p.Rect.Center()
		}
	}
	for _, n := range f.Ordering.Nodes {
		out[n.Name] = n.Rect.Center()
	}
	return out
}
