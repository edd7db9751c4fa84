package window

import (
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/app/window/inspector"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/panel"
)

// slowEvery is how often the parts made of Fyne's own widgets are brought up to date.
const slowEvery = 200 * time.Millisecond

// mainView is a session on the screen: bar, rail, drawer, stage, timeline, chain,
// inspector and caption.
type mainView struct {
	s *Shell
	n *session.Session

	bar       *topBar
	head      *presenterBar
	rail      *rail
	stage     *panel.Stage
	closeup   *panel.Closeup
	timeline  *panel.Timeline
	chain     *panel.Chain
	inspector *inspector.Inspector
	caption   *captionLine
	card      *lessonCard
	layout    *mainLayout
	column    *fyne.Container

	closeUp    closeUp // the block that is enlarged; block 0: none
	window     timeline.Window
	follows    bool  // the window runs along with the playhead
	span       int64 // of a window that follows, 0: as the pace asks for
	quiet      bool  // lanes without anything in the window are left out
	chainPeer  string
	sinceSlow  time.Duration
	newsSeq    uint64        // the newest event that is worth a picture
	sinceNews  time.Duration // how long ago it came
	sincePaint time.Duration
	wasPlaying bool
	stopSelect bool // the view was closed; the session still knows its listener
}

type closeUp struct {
	block uint64
	peer  string
}

// The timeline's width in the screen's time, until a person zooms: the playhead crosses
// it in so many seconds.
const (
	liveSpan   = int64(4 * time.Second)
	eventsSpan = int64(10 * time.Millisecond)
	crossing   = 10
)

func newMainView(s *Shell, n *session.Session) *mainView {
	m := &mainView{s: s, n: n, follows: true, quiet: true}
	s.main = m
	m.bar = newTopBar(s)
	m.head = newPresenterBar(s)
	m.stage = panel.NewStage(m.stageFrame, panel.StageEvents{Select: n.Select, Open: m.open, Menu: m.menu, Walk: m.walk,
		Move: func(node string, to view.Point) { n.Stage.Move(node, to) }, Moved: m.stageChanged, Line: m.partition})
	say := stageWords()
	m.stage.Say(func(word string) string {
		if said, ok := say[word]; ok {
			return said
		}
		return word
	})
	m.closeup = panel.NewCloseup(m.validation)
	m.timeline = panel.NewTimeline(panel.TimelineEvents{Select: n.Select, Menu: m.menu, Seek: m.seek, Window: m.setWindow, Mods: s.mods,
		Frame: m.timelineFrame})
	m.chain = panel.NewChain(m.chainFrame, panel.ChainEvents{Select: n.Select, Menu: m.menu, Step: m.stepChain})
	m.inspector = inspector.New(inspector.Events{Select: n.Select, Copy: s.copied, Search: n.Search, Key: s.typedKey})
	m.rail = newRail(s, m)
	m.caption = newCaption()
	m.card = newLessonCard(s)
	m.build()
	n.OnSelect(func(view.Selection) {
		if !m.stopSelect {
			m.revealBlock()
			m.repaint()
		}
	})
	return m
}

// build puts the parts into their places.
func (m *mainView) build() {
	s := m.s
	l := &mainLayout{m: m}
	m.layout = l
	side := look.OnPanel(m.inspector.Content())
	l.sides[0] = newDivider(true, func(by float32) { l.move("inspector", -by) }, s.saveSettings)
	l.sides[1] = newDivider(false, func(by float32) { l.move("timeline", -by) }, s.saveSettings)
	l.sides[2] = newDivider(false, func(by float32) { l.move("chain", -by) }, s.saveSettings)
	l.top = look.OnPanel(m.bar.object)
	if s.presenter {
		l.top = look.OnPanel(m.head.object)
	}
	l.topLine, l.railLine = look.HLine(), look.VLine()
	l.rail, l.drawer, l.drawerLine = look.OnPanel(m.rail.object), m.rail.drawer, look.VLine()
	l.side = side
	l.column = look.OnPanel(container.NewStack())
	l.foreign = look.MiddleWide(look.Inset(60, 0, look.Column(8, look.Title(lang.L("Blocks of another network")),
		look.Body(m.n.Counts().Text()).Wrapped(),
		look.Muted(lang.L("Blocks hold no messages, so stage and timeline stay empty. Choose a square in the chain, or walk through it with the arrow keys: the inspector says why a transaction was rejected.")).Wrapped())))
	// In the order of Tab; nothing overlaps but the dividers.
	objects := []fyne.CanvasObject{l.top, l.topLine, l.rail, l.railLine, l.drawer, l.drawerLine, l.column, m.card.object, l.foreign, m.stage, m.closeup,
		m.timeline, m.chain, l.side, m.caption.object}
	for _, d := range l.sides {
		objects = append(objects, d)
	}
	m.column = container.New(l, objects...)
	m.arrange()
}

func (m *mainView) content() fyne.CanvasObject { return m.column }

// inherit keeps what a person was looking at when the view is built anew.
func (m *mainView) inherit(old *mainView) {
	m.window, m.follows, m.span, m.quiet = old.window, old.follows, old.span, old.quiet
	m.closeUp, m.chainPeer = old.closeUp, old.chainPeer
	m.rail.kept, old.rail.kept = old.rail.kept, nil
	if old.rail.open > 0 && !m.s.presenter {
		m.rail.show(old.rail.open)
	}
	m.card.update()
	m.arrange()
}

// close ends what the view does by itself; the session goes on.
func (m *mainView) close() {
	m.stopSelect = true
	m.rail.end()
}

// tick shows what has changed since the last frame, and says whether something moves.
func (m *mainView) tick(dt time.Duration, changed bool) bool {
	p := m.n.Playhead
	if p.Playing != m.wasPlaying {
		m.wasPlaying, changed = p.Playing, true
	}
	if changed = changed && m.worth(dt); changed {
		m.sincePaint = 0
		m.repaint()
	}
	if m.sinceSlow += dt; m.sinceSlow >= slowEvery || dt == 0 {
		m.sinceSlow = 0
		m.slow()
	}
	return changed
}

// settled is how long after the last event other than heartbeats a live stage still
// moves: messages leave a trail of a second.
const settled = 1300 * time.Millisecond

// worth tells whether a change is worth a picture. A live network at rest has nothing but
// heartbeats: then two pictures a second are enough, unless heartbeats are to be seen.
func (m *mainView) worth(dt time.Duration) bool {
	m.sinceNews += dt
	m.sincePaint += dt
	p := m.n.Playhead
	if p.Pace != view.Live || !p.Playing || m.s.settings.Heartbeats {
		return true
	}
	if next := m.n.Axis.Next(m.newsSeq, 1); next != m.newsSeq || m.n.Pending() > 0 {
		m.newsSeq, m.sinceNews = m.n.Axis.End().Seq, 0
	}
	return m.sinceNews < settled || m.sincePaint >= slowEvery*5/2
}

// slow brings up to date what is made of widgets.
func (m *mainView) slow() {
	m.inspector.Show(m.n.Document())
	m.rail.refresh()
	m.bar.update()
	m.card.update()
}

// repaint draws the panels anew, as far as they show something else.
func (m *mainView) repaint() {
	if m.closeUp.block != 0 {
		m.closeup.Repaint()
	} else {
		m.stage.Repaint()
	}
	m.followPlayhead()
	if m.timeline.Visible() {
		m.timeline.Repaint()
	}
	m.chain.Update()
	m.caption.set(m.captionText())
	if m.s.presenter {
		m.head.update()
	} else {
		m.bar.update()
	}
}

// stageFrame is what the stage shows at the playhead.
func (m *mainView) stageFrame() *stage.Frame {
	n := m.n
	o := stage.Options{Selection: n.Selection(), Heartbeats: m.s.settings.Heartbeats, StillMotion: m.s.settings.ReduceMotion, Highlight: n.Highlight(),
		Also: n.HighlightedTxs(), Aspect: m.stage.Aspect()}
	if n.Playhead.Pace == view.Live {
		o.Scale = time.Second
	} else if n.Playhead.Pace == view.Stretch && n.Playhead.Playing {
		o.Scale = n.Playhead.Scale
	}
	for _, h := range n.Held() {
		o.Held = append(o.Held, stage.Held{Msg: h.ID, Node: h.Event.Node})
	}
	return n.Stage.Frame(n.Playhead.At, o)
}

func (m *mainView) timelineFrame(w, h, scale float64) *timeline.Frame {
	if m.window.Span() <= 0 {
		m.followPlayhead()
	}
	return m.n.Timeline.Frame(timeline.Options{Window: m.window, W: w, H: h, Scale: scale, At: m.n.Playhead.At, Selection: m.n.Selection(),
		Also: m.n.HighlightedTxs(), Heartbeats: m.s.settings.Heartbeats, Lanes: timeline.Filter{HideQuiet: m.quiet},
		Words: timeline.Words{Title: lang.L("Timeline"), Note: lang.L("each slanted line is one message"),
			Empty: lang.L("Nothing has happened yet: messages and simulations appear here as they happen.")}})
}

// revealBlock lets the chain show the block of what is selected.
func (m *mainView) revealBlock() {
	m.chain.Reveal(func(w, h, scroll float64) float64 {
		if m.n.Selection().What == view.Nothing && m.n.Kind == session.Live {
			return 0 // the newest block
		}
		return m.n.Chain.Reveal(m.n.Selection(), chain.Options{At: m.n.Playhead.At, W: w, H: h, Scroll: scroll, Peer: m.chainPeer})
	})
}

func (m *mainView) chainFrame(w, h, scroll float64) *chain.Frame {
	return m.n.Chain.Frame(chain.Options{At: m.n.Playhead.At, Selection: m.n.Selection(), Also: m.n.HighlightedTxs(), W: w, H: h, Scroll: scroll, Peer: m.chainPeer,
		Words: chain.Words{Title: lang.L("Chain"), Note: lang.L("one square per transaction"), Next: lang.L("next"), Empty: lang.L("no block with transactions yet")}})
}

// validation is the close-up of a block, with its words in the person's language.
func (m *mainView) validation() *chain.Validation {
	v := m.n.Chain.Validation(m.n.Playhead.At, m.closeUp.block, m.closeUp.peer)
	if v != nil {
		v.Words = chain.CheckWords{Title: lang.L("Block {block} at {peer}"), Read: lang.L("read when simulated"), Found: lang.L("found now"),
			Stands: lang.L("the peer stands here")}
		v.Stage = validationStage(v)
	}
	return v
}

// validationStage says how far the peer is, in the person's language.
func validationStage(v *chain.Validation) string {
	switch v.Step {
	case chain.Written:
		return lang.L("All verdicts are in; block, state and history are written.")
	case chain.Decided:
		return lang.L("All transactions are judged; the block is being written.")
	case chain.Versions:
		return lang.L("Policies were checked in parallel. Versions are checked one after the other, in block order.")
	case chain.Policies:
		return lang.L("Signatures and endorsement policies are checked, several transactions at a time.")
	}
	return v.Stage
}

// stageWords are the words that the stage's painter writes, in the person's language.
func stageWords() map[string]string {
	return map[string]string{"proposal": lang.L("proposal"), "read": lang.L("read"), "write": lang.L("write"), "endorsement": lang.L("endorsement"),
		"block": lang.L("block"), "container": lang.L("container"), "builder": lang.L("builder"), "Ordering service": lang.L("Ordering service")}
}

// followPlayhead moves the timeline's window along with the playhead.
func (m *mainView) followPlayhead() {
	p := m.n.Playhead
	at := p.At.Time
	if at == 0 {
		return
	}
	scroll, span := m.window.Scroll, m.wantedSpan()
	switch {
	case m.follows && p.Pace == view.Live && p.Playing:
		m.window = m.n.Timeline.FollowAt(at, span)
	case m.window.Span() <= 0, m.follows && m.window.Span() != span:
		m.window = timeline.Window{From: at - span*3/10, To: at + span*7/10}
	case m.follows:
		m.window = m.window.Reveal(at)
	}
	m.window.Scroll = scroll
}

// wantedSpan is how much of the trace a following timeline shows.
func (m *mainView) wantedSpan() int64 {
	switch {
	case m.span > 0:
		return m.span
	case m.n.Playhead.Pace == view.Live:
		return liveSpan
	case m.n.Playhead.Pace == view.Events:
		return eventsSpan
	}
	return int64(m.n.Playhead.Scale) * crossing
}

// setWindow is a zoom or pan by hand: a live timeline keeps following with the new span.
func (m *mainView) setWindow(w timeline.Window) {
	before := m.window
	w = m.n.Timeline.Clamp(w)
	if w.Span() != before.Span() {
		m.span = w.Span()
	} else if w.From != before.From {
		m.follows = false
	}
	m.window = w
	m.timeline.Repaint()
}

// seek puts the playhead where a person pointed.
func (m *mainView) seek(ns int64) {
	m.n.Playhead.Seek(m.n.Axis.At(ns))
	m.repaint()
}

// stageChanged keeps the positions that a person gave to nodes.
func (m *mainView) stageChanged() { m.stage.Repaint() }

// walk selects the next or previous node.
func (m *mainView) walk(step int) {
	nodes := m.n.Stage.Nodes()
	if len(nodes) == 0 {
		return
	}
	at := -1
	for i, name := range nodes {
		if m.n.Selection().What == view.SelectNode && m.n.Selection().Node == name {
			at = i
		}
	}
	if at < 0 && step < 0 {
		at = 0
	}
	m.n.Select(view.Selection{What: view.SelectNode, Node: nodes[(at+step+len(nodes))%len(nodes)]})
}

func (m *mainView) stepChain(dx, dy int) { m.n.Select(m.n.Chain.Step(m.n.Selection(), dx, dy)) }

// open is a double tap: a transaction or message is shown from its beginning, a block
// enlarged.
func (m *mainView) open(sel view.Selection) {
	m.n.Select(sel)
	switch {
	case sel.What == view.SelectBlock:
		m.setCloseUp(sel.Block, sel.Node)
	case sel.Tx() != "":
		m.showTx(sel.Tx())
	case sel.What == view.SelectNode && m.isPeer(sel.Node):
		m.n.Select(view.Selection{What: view.SelectLedger, Node: sel.Node})
	}
}

func (m *mainView) isPeer(name string) bool {
	for _, p := range m.n.Peers() {
		if p == name {
			return true
		}
	}
	return false
}

// showTx lets the timeline show the whole way of a transaction.
func (m *mainView) showTx(tx string) {
	if w, ok := m.n.Timeline.OfTx(tx); ok {
		w.Scroll = m.window.Scroll
		m.window, m.follows, m.span = w, false, w.Span()
		m.timeline.Repaint()
	}
}

// setCloseUp enlarges the validation of a block; block 0 goes back to the stage.
func (m *mainView) setCloseUp(block uint64, peer string) {
	m.closeUp = closeUp{block, peer}
	m.arrange()
	m.repaint()
}

// arrange shows and hides the parts and lays them out.
func (m *mainView) arrange() {
	l := m.layout
	shown := func(o fyne.CanvasObject, on bool) {
		if on {
			o.Show()
		} else {
			o.Hide()
		}
	}
	enlarged := m.closeUp.block != 0
	foreign := m.n.Kind == session.Blocks
	shown(l.foreign, foreign)
	shown(m.stage, !enlarged && !foreign)
	shown(m.closeup, enlarged)
	p := m.s.presenter
	lesson := m.s.lesson != nil
	shown(l.rail, !p)
	shown(l.railLine, !p)
	shown(l.drawer, !p && m.rail.open > 0)
	shown(l.drawerLine, !p && m.rail.open > 0)
	shown(l.side, !p && m.s.shows("inspector"))
	shown(m.timeline, m.s.shows("timeline") && !foreign && !(p && (lesson || enlarged)))
	shown(m.chain, m.s.shows("chain") && !p)
	shown(m.caption.object, m.s.shows("caption") || p)
	shown(m.card.object, lesson && !m.card.empty)
	shown(l.column, l.side.Visible() || m.card.object.Visible() && !p)
	shown(l.sides[0], l.column.Visible())
	shown(l.sides[1], m.timeline.Visible())
	shown(l.sides[2], m.chain.Visible())
	m.column.Refresh()
	l.Layout(nil, m.column.Size())
}

// shows tells whether a panel is shown; all are until a person hides one.
func (s *Shell) shows(name string) bool {
	on, known := s.settings.Panels[name]
	return on || !known
}

// togglePanel shows or hides a panel.
func (s *Shell) togglePanel(name string) {
	s.settings.Panels[name] = !s.shows(name)
	s.main.arrange()
	s.main.repaint()
	s.saveSettings()
}

// gauges are the numbers of the top bar at the playhead.
func (m *mainView) gauges() [4]gauge {
	r := m.n.Meter.At(m.n.Playhead.At)
	return [4]gauge{
		{thousands(r.Height), lang.L("height")},
		{thousands(uint64(r.TxPerSecond + 0.5)), lang.L("tx/s")},
		{thousands(uint64(max(0, r.Pending))), lang.L("pending")},
		{percent(r.ConflictShare), lang.L("conflicts")},
	}
}
