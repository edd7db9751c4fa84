package window

import (
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/app/view/meter"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/app/window/inspector"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/panel"
	"github.com/fabriscope/fabriscope/app/words"
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
	replay    *replayStrip
	layout    *mainLayout
	column    *fyne.Container

	closeUp    closeUp // the block that is enlarged; block 0: none
	window     timeline.Window
	follows    bool     // the window runs along with the playhead
	span       int64    // of a window that follows, 0: as the pace asks for
	quiet      bool     // lanes without anything in the window are left out
	pinned     []string // nodes whose lanes stay at the top
	chainPeer  string
	sinceSlow  time.Duration
	newsSeq    uint64        // the newest event that is worth a picture
	sinceNews  time.Duration // how long ago it came
	sincePaint time.Duration
	missed     bool // something changed in a frame that was not drawn
	wasPlaying bool
	announced  bool // what is damaged of a recording was said
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
	n.SetBook(words.Now())
	m.closeup = panel.NewCloseup(m.validation)
	m.timeline = panel.NewTimeline(panel.TimelineEvents{Select: n.Select, Menu: m.menu, Seek: m.seek, Window: m.setWindow, Mark: m.mark, Mods: s.mods,
		Frame: m.timelineFrame})
	m.chain = panel.NewChain(m.chainFrame, panel.ChainEvents{Select: n.Select, Menu: m.menu, Step: m.stepChain})
	m.inspector = inspector.New(inspector.Events{Select: n.Select, Copy: s.copied, Search: n.Search, Key: s.typedKey})
	m.rail = newRail(s, m)
	m.caption = newCaption()
	m.card = newLessonCard(s)
	m.replay = newReplayStrip(s, m)
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
	l.foreign = look.MiddleWide(look.Inset(60, 0, look.Column(8, look.Title(words.L("Blocks of another network")),
		look.Body(m.n.Counts().Text()).Wrapped(),
		look.Muted(words.L("Blocks hold no messages, so stage and timeline stay empty. Choose a square in the chain, or walk through it with the arrow keys: the inspector says why a transaction was rejected.")).Wrapped())))
	// In the order of Tab; nothing overlaps but the dividers.
	objects := []fyne.CanvasObject{l.top, l.topLine, l.rail, l.railLine, l.drawer, l.drawerLine, l.column, m.card.object, m.replay.object, l.foreign, m.stage, m.closeup,
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
	m.window, m.follows, m.span, m.quiet, m.pinned = old.window, old.follows, old.span, old.quiet, old.pinned
	m.closeUp, m.chainPeer, m.announced = old.closeUp, old.chainPeer, old.announced
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
// Without draw it keeps in mind that something has.
func (m *mainView) tick(dt time.Duration, changed, draw bool) bool {
	p := m.n.Playhead
	if changed, m.missed = changed || m.missed, false; !draw {
		m.missed = changed
		m.sinceSlow += dt
		m.sinceNews += dt
		m.sincePaint += dt
		return changed
	}
	m.replay.update()
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

// restEvery is how often a network at rest is drawn, for the clock and the axis of the timeline. A
// picture costs 70 ms of processor time where no graphics card draws it.
const restEvery = 5 * time.Second

// worth tells whether a change is worth a picture. A live network at rest has nothing but
// heartbeats: then a picture from time to time is enough, unless heartbeats are to be seen.
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
	return m.sinceNews < settled || m.sincePaint >= restEvery
}

// slow brings up to date what is made of widgets.
func (m *mainView) slow() {
	m.inspector.Show(m.n.Document())
	m.rail.refresh()
	m.bar.update()
	m.card.update()
	if damage := m.n.Damage(); damage != "" && !m.announced {
		m.announced = true
		m.s.toast(damage)
	}
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
	if m.caption.set(m.captionText()) {
		m.layout.placeCaption()
	}
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
	return n.Stage.Frame(n.Playhead.At, o)
}

func (m *mainView) timelineFrame(w, h, scale float64) *timeline.Frame {
	if m.window.Span() <= 0 {
		m.followPlayhead()
	}
	return m.n.Timeline.Frame(timeline.Options{Window: m.window, W: w, H: h, Scale: scale, At: m.n.Playhead.At, Selection: m.n.Selection(),
		Also: m.n.HighlightedTxs(), Heartbeats: m.s.settings.Heartbeats, Lanes: timeline.Filter{HideQuiet: m.quiet, Pinned: m.pinned}, Book: words.Now()})
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
	return m.n.Chain.Frame(chain.Options{At: m.n.Playhead.At, Selection: m.n.Selection(), Also: m.n.HighlightedTxs(), W: w, H: h, Scroll: scroll, Peer: m.chainPeer})
}

// validation is the close-up of a block.
func (m *mainView) validation() *chain.Validation {
	return m.n.Chain.Validation(m.n.Playhead.At, m.closeUp.block, m.closeUp.peer)
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

// pin lets the selected node's lane stay at the timeline's top, or lets it go again.
func (m *mainView) pin() {
	sel := m.n.Selection()
	if sel.What != view.SelectNode && sel.What != view.SelectLedger {
		m.s.toast(words.L("Select a node first."))
		return
	}
	m.pinned = view.Toggled(m.pinned, sel.Node)
	m.repaint()
}

// mark selects what happened between two times.
func (m *mainView) mark(from, to int64) {
	m.n.Select(view.Span(m.n.Axis.At(from).Seq, m.n.Axis.At(to).Seq))
}

// markHere lets the marked span begin or end at the playhead.
func (m *mainView) markHere(begin bool) { m.n.Select(m.n.Selection().Mark(m.n.Playhead.At.Seq, begin)) }

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
	n, ok := m.n.Node(name)
	return ok && n.Role == "peer"
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
	enlarged := m.closeUp.block != 0
	foreign := m.n.Kind == session.Blocks
	look.Show(l.foreign, foreign)
	look.Show(m.stage, !enlarged && !foreign)
	look.Show(m.closeup, enlarged)
	p := m.s.presenter
	lesson := m.s.lesson != nil
	look.Show(l.rail, !p)
	look.Show(l.railLine, !p)
	look.Show(l.drawer, !p && m.rail.open > 0)
	look.Show(l.drawerLine, !p && m.rail.open > 0)
	look.Show(l.side, !p && m.s.shows("inspector"))
	look.Show(m.timeline, m.s.shows("timeline") && !foreign && !(p && (lesson || enlarged)))
	look.Show(m.chain, m.s.shows("chain") && !p)
	look.Show(m.caption.object, m.s.shows("caption") || p)
	look.Show(m.card.object, lesson && !m.card.empty)
	look.Show(m.replay.object, m.replay.shown != session.Silent && !foreign)
	look.Show(l.column, l.side.Visible() || m.card.object.Visible() && !p)
	look.Show(l.sides[0], l.column.Visible())
	look.Show(l.sides[1], m.timeline.Visible())
	look.Show(l.sides[2], m.chain.Visible())
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
func (m *mainView) gauges() [4]meter.Gauge {
	r := m.n.Meter.At(m.n.Playhead.At)
	return r.Gauges(words.Now())
}
