package window

import (
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
)

// where says when an action can be used.
type where uint8

const (
	always  where = iota
	inRun         // beside a session
	inLive        // beside a session with a network that runs
	inStart       // on the start screen
)

// action is one thing that can be done from the keyboard, the menu and the palette. Keys
// that write a character are runes; the others are named keys, maybe with modifiers.
type action struct {
	id    string
	group string
	title string
	runes string
	keys  []chord
	where where
	do    func()
}

// chord is a named key with its modifiers.
type chord struct {
	key  fyne.KeyName
	mods fyne.KeyModifier
}

const ctrl = fyne.KeyModifierShortcutDefault

func key(k fyne.KeyName) []chord     { return []chord{{key: k}} }
func shifted(k fyne.KeyName) []chord { return []chord{{key: k, mods: fyne.KeyModifierShift}} }
func command(k fyne.KeyName) []chord { return []chord{{key: k, mods: ctrl}} }

// makeActions is the one table of everything that the window can do at a key.
func (s *Shell) makeActions() []action {
	file, run, show, help := words.L("File"), words.L("Time"), words.L("View"), words.L("Help")
	all := []action{
		{"start", file, words.L("Start a network"), "", command(fyne.KeyN), always, s.startDefault},
		{"open", file, words.L("Open a file ..."), "", command(fyne.KeyO), always, s.chooseFile},
		{"home", file, words.L("Start screen"), "", nil, inRun, s.goHome},
		{"record", file, words.L("Record the run to a file, or stop recording"), "", command(fyne.KeyR), inLive, s.toggleRecording},
		{"export", file, words.L("Export a picture or a report ..."), "", command(fyne.KeyE), inRun, s.showExport},
		{"settings", file, words.L("Settings ..."), "", command(fyne.KeyComma), always, s.showSettings},
		{"quit", file, words.L("Quit"), "", command(fyne.KeyQ), always, s.leave},

		{"play", run, words.L("Play or pause; go on in a lesson"), "", key(fyne.KeySpace), inRun, s.playPause},
		{"step", run, words.L("Next event"), "", key(fyne.KeyRight), inRun, func() { s.step(1) }},
		{"back", run, words.L("Event before"), "", key(fyne.KeyLeft), inRun, func() { s.step(-1) }},
		{"next", run, words.L("Next event of the selection"), "", shifted(fyne.KeyRight), inRun, func() { s.stepSelection(1) }},
		{"previous", run, words.L("Event of the selection before"), "", shifted(fyne.KeyLeft), inRun, func() { s.stepSelection(-1) }},
		{"page", run, words.L("Go on (clicker)"), "", key(fyne.KeyPageDown), inRun, s.clickOn},
		{"pageback", run, words.L("Go back (clicker)"), "", key(fyne.KeyPageUp), inRun, func() { s.step(-1) }},
		{"first", run, words.L("Beginning"), "", key(fyne.KeyHome), inRun, func() { s.seek(s.session.Axis.Start()) }},
		{"last", run, words.L("End"), "", key(fyne.KeyEnd), inRun, func() { s.seek(s.session.Axis.End()) }},
		{"live", run, words.L("Live: follow the newest event"), "lL", nil, inRun, s.goLive},
		{"events", run, words.L("Event by event: the same time for each"), "eE", nil, inRun, s.eventPace},
		{"faster", run, words.L("Faster: one second shows more"), "+=", nil, inRun, func() { s.scale(2) }},
		{"slower", run, words.L("Slower: one second shows less"), "-", nil, inRun, func() { s.scale(0.5) }},
		{"replay", run, words.L("Show the selected transaction in slow motion"), "aA", nil, inRun, s.replay},
		{"submit", run, words.L("Submit a first transaction, after a start"), "sS", nil, inLive, s.submitFirst},
		{"nextlesson", run, words.L("Next lesson, when one is over"), "nN", nil, inRun, s.nextLesson},

		{"palette", show, words.L("Command palette"), "", command(fyne.KeyK), always, s.showPalette},
		{"presenter", show, words.L("Presenter mode"), "", key(fyne.KeyF5), always, func() { s.setPresenter(!s.presenter) }},
		{"fit", show, words.L("Fit the stage"), "fF", nil, inRun, func() { s.main.stage.Fit() }},
		{"closeup", show, words.L("Enlarge the validation of the selected block"), "vV", nil, inRun, s.toggleCloseUp},
		{"whole", show, words.L("Timeline: the whole run"), "wW", nil, inRun, s.wholeTimeline},
		{"follow", show, words.L("Timeline: follow the playhead"), "tT", nil, inRun, s.followTimeline},
		{"quiet", show, words.L("Timeline: only lanes on which something happens"), "qQ", nil, inRun, s.quietLanes},
		{"pin", show, words.L("Timeline: keep the selected node's lane at the top, or let it go"), "xX", nil, inRun, func() { s.main.pin() }},
		{"markfrom", show, words.L("Timeline: the marked span begins at the playhead"), "[", nil, inRun, func() { s.main.markHere(true) }},
		{"markto", show, words.L("Timeline: the marked span ends at the playhead"), "]", nil, inRun, func() { s.main.markHere(false) }},
		{"peers", show, words.L("Compare the peers"), "pP", nil, inRun, func() { s.session.Select(view.Selection{What: view.SelectPeers}) }},
		{"heartbeats", show, words.L("Show Raft's heartbeats"), "hH", nil, inRun, s.toggleHeartbeats},
	}
	for i, k := range drawerKinds() {
		all = append(all, action{"drawer" + k.icon, show, words.L("Drawer") + ": " + k.title, string(rune('1' + i)), nil, inRun, func() { s.toggleDrawer(i + 1) }})
	}
	for _, p := range panelNames() {
		all = append(all, action{"panel" + p.name, show, words.L("Show or hide") + ": " + p.title, "", p.keys, inRun, func() { s.togglePanel(p.name) }})
	}
	return append(all,
		action{"reset", show, words.L("Lay the stage out anew"), "", nil, inRun, s.resetStage},
		action{"dark", show, words.L("Dark theme"), "", nil, always, func() { s.setTheme("dark") }},
		action{"light", show, words.L("Light theme"), "", nil, always, func() { s.setTheme("light") }},
		action{"help", help, words.L("Keys and help"), "?", key(fyne.KeyF1), always, s.showHelp},
	)
}

type panelName struct {
	name, title string
	keys        []chord
}

func panelNames() []panelName {
	alt := func(k fyne.KeyName) []chord { return []chord{{k, fyne.KeyModifierAlt}} }
	return []panelName{{"inspector", words.L("Inspector"), alt(fyne.KeyI)}, {"timeline", words.L("Timeline"), alt(fyne.KeyT)},
		{"chain", words.L("Chain"), alt(fyne.KeyC)}, {"caption", words.L("Caption"), alt(fyne.KeyP)}}
}

// usable tells whether an action can be used now.
func (s *Shell) usable(a *action) bool {
	switch a.where {
	case inRun:
		return s.main != nil
	case inLive:
		return s.main != nil && s.session.Running()
	case inStart:
		return s.start != nil
	}
	return true
}

// do1 does the action with an id, if it can be used.
func (s *Shell) do1(id string) {
	for i := range s.actions {
		if a := &s.actions[i]; a.id == id && s.usable(a) {
			a.do()
			return
		}
	}
}

// keyText writes an action's keys for menus and help.
func (a *action) keyText() string {
	var all []string
	for _, c := range a.keys {
		all = append(all, c.text())
	}
	if a.runes != "" {
		all = append(all, strings.ToUpper(a.runes[:1]))
	}
	return strings.Join(all, ", ")
}

func (c chord) text() string {
	text := ""
	if c.mods&ctrl != 0 {
		text += "Ctrl+"
	}
	if c.mods&fyne.KeyModifierAlt != 0 {
		text += "Alt+"
	}
	if c.mods&fyne.KeyModifierShift != 0 {
		text += "Shift+"
	}
	switch c.key {
	case fyne.KeySpace:
		return text + words.L("Space")
	case fyne.KeyLeft:
		return text + "←"
	case fyne.KeyRight:
		return text + "→"
	case fyne.KeyPageUp:
		return text + words.L("Page up")
	case fyne.KeyPageDown:
		return text + words.L("Page down")
	}
	return text + string(c.key)
}

// bindKeys connects the table with the window's canvas.
func (s *Shell) bindKeys() {
	c := s.win.Canvas()
	for _, a := range s.actions {
		for _, k := range a.keys {
			if k.mods&^fyne.KeyModifierShift == 0 {
				continue // typedKey
			}
			id := a.id
			c.AddShortcut(&desktop.CustomShortcut{KeyName: k.key, Modifier: k.mods}, func(fyne.Shortcut) { s.do1(id) })
		}
	}
	c.SetOnTypedKey(s.typedKey)
	c.SetOnTypedRune(s.typedRune)
}

// typedKey is a named key that no focused widget wanted.
func (s *Shell) typedKey(e *fyne.KeyEvent) {
	if e.Name == fyne.KeyEscape {
		s.escape()
		return
	}
	if s.win.Canvas().Overlays().Top() != nil {
		return
	}
	if s.lesson != nil && s.main != nil && s.main.card.typedKey(e.Name) {
		return
	}
	mods := s.mods() & fyne.KeyModifierShift
	for i := range s.actions {
		a := &s.actions[i]
		for _, k := range a.keys {
			if k.key == e.Name && k.mods == mods && s.usable(a) {
				a.do()
				return
			}
		}
	}
}

// typedRune is a character that no focused entry wanted.
func (s *Shell) typedRune(r rune) {
	if s.win.Canvas().Overlays().Top() != nil {
		return
	}
	if s.start != nil && s.start.typedRune(r) {
		return
	}
	if s.lesson != nil && s.main != nil && s.main.card.typedRune(r) {
		return
	}
	for i := range s.actions {
		if a := &s.actions[i]; a.runes != "" && strings.ContainsRune(a.runes, r) && s.usable(a) {
			a.do()
			return
		}
	}
}

// escape closes what is open: a popup, the line that divides the network, the close-up,
// the drawer, the presenter mode; at last it selects nothing.
func (s *Shell) escape() {
	c := s.win.Canvas()
	switch {
	case s.closePopup():
	case c.Focused() != nil:
		c.Unfocus()
	case s.main == nil:
	case s.main.stage.Drawing():
		s.main.stage.DrawLine(false)
	case s.main.closeUp.block != 0:
		s.main.setCloseUp(0, "")
	case s.main.rail.open > 0 && !s.presenter:
		s.main.rail.toggle(s.main.rail.open)
	case s.lesson != nil && s.lesson.over():
		s.main.card.leave()
	case s.presenter:
		s.setPresenter(false)
	default:
		s.session.Select(view.Selection{})
	}
}

// playPause starts or stops the playhead; in a lesson that waits it goes on.
func (s *Shell) playPause() {
	if s.lesson != nil && s.lesson.goOn() {
		s.main.card.update()
		return
	}
	p := s.session.Playhead
	switch {
	case p.Playing:
		p.Playing = false
		if p.Pace == view.Live { // what stands still is no longer live
			p.Seek(p.At)
		}
	case p.At.Seq >= s.session.Axis.End().Seq && p.Pace != view.Live:
		if s.session.Running() {
			p.GoLive(s.session.Axis)
		} else {
			p.Seek(s.session.Axis.Start())
			p.Playing = true
		}
	default:
		p.Playing = true
	}
	s.moved()
}

// clickOn is what a clicker's button does: go on in a lesson, otherwise one event.
func (s *Shell) clickOn() {
	if s.lesson != nil && s.lesson.goOn() {
		s.main.card.update()
		return
	}
	s.step(1)
}

func (s *Shell) step(n int) {
	if n > 0 && s.session.Replays.AtEnd() {
		s.stepReplay()
		return
	}
	s.session.Playhead.Step(s.session.Axis, n)
	s.moved()
}

func (s *Shell) stepSelection(n int) {
	if !s.session.StepSelection(n) {
		s.toast(words.L("There is no further event of the selection."))
	}
	s.moved()
}

func (s *Shell) seek(m view.Moment) {
	s.session.Playhead.Seek(m)
	s.moved()
}

// moved shows that the playhead is somewhere else.
func (s *Shell) moved() {
	s.main.repaint()
	s.main.bar.update()
}

func (s *Shell) goLive() {
	s.session.Playhead.GoLive(s.session.Axis)
	s.main.follows = true
	s.moved()
}

func (s *Shell) eventPace() {
	p := s.session.Playhead
	p.Pace, p.Playing = view.Events, true
	s.moved()
}

// scale makes time pass factor times as fast.
func (s *Shell) scale(factor float64) {
	p := s.session.Playhead
	if p.Pace == view.Live {
		factor = 1
	}
	s.setPace(view.Stretch, view.Scaled(p.Scale, factor))
}

// setPace changes how the playhead moves; it goes on playing if it did.
func (s *Shell) setPace(pace view.Pace, scale time.Duration) {
	p := s.session.Playhead
	if pace == view.Live {
		s.goLive()
		return
	}
	p.Pace = pace
	s.setScale(scale)
	s.moved()
}

func (s *Shell) toggleCloseUp() {
	if s.main.closeUp.block != 0 {
		s.main.setCloseUp(0, "")
		return
	}
	if s.session.Source() == nil {
		s.toast(words.L("Blocks alone do not tell how they were validated."))
		return
	}
	sel := s.session.Selection()
	if sel.What != view.SelectBlock {
		if doc := s.session.Document(); doc != nil {
			for _, b := range doc.Blocks {
				for _, st := range b.Stations {
					if st.Link.What == view.SelectBlock {
						sel = st.Link
					}
				}
			}
		}
	}
	if sel.What != view.SelectBlock || sel.Block == 0 {
		s.toast(words.L("Select a block in the chain first."))
		return
	}
	s.main.setCloseUp(sel.Block, sel.Node)
}

func (s *Shell) wholeTimeline() {
	s.main.window, s.main.follows = s.session.Timeline.Fit(), false
	s.main.repaint()
}

func (s *Shell) followTimeline() {
	s.main.follows, s.main.span = true, 0
	s.main.repaint()
}

func (s *Shell) quietLanes() {
	s.main.quiet = !s.main.quiet
	s.main.repaint()
}

func (s *Shell) toggleHeartbeats() {
	s.settings.Heartbeats = !s.settings.Heartbeats
	s.main.repaint()
}

func (s *Shell) toggleDrawer(number int) {
	if s.presenter {
		return
	}
	s.main.rail.toggle(number)
}

func (s *Shell) resetStage() {
	s.session.Stage.ResetPositions()
	s.main.stage.Fit()
}

func (s *Shell) copied(text string) {
	s.app.Clipboard().SetContent(text)
	s.toast(words.L("Copied."))
}
