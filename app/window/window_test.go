package window

import (
	"bytes"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/panel"
)

// race is a recorded run in which two clients change one key at the same time.
const race = "../view/testdata/two-clients-one-key.fscope"

// frame is the time of the screen between two ticks of a test.
const frame = 16 * time.Millisecond

// MustShell gives a window on Fyne's test driver: no screen, no OpenGL. What other
// goroutines want done waits until the test calls the returned function.
func MustShell(t testing.TB, o Options) (s *Shell, pump func()) {
	t.Helper()
	test.NewTempApp(t)
	queue := make(chan func(), 1000)
	o.SettingsPath = filepath.Join(t.TempDir(), "settings.json")
	settings, _ := session.LoadSettings(o.SettingsPath)
	o.Width, o.Height = 1440, 900
	o.do = func(f func()) { queue <- f }
	s = New(fyne.CurrentApp(), settings, o)
	s.mods = func() fyne.KeyModifier { return 0 }
	s.showStart()
	t.Cleanup(func() { s.Close() })
	return s, func() {
		for {
			select {
			case f := <-queue:
				f()
			default:
				s.tick(frame, true)
				return
			}
		}
	}
}

// MustOpen gives a window with a recorded run, read to its end.
func MustOpen(t *testing.T) (*Shell, func()) {
	t.Helper()
	s, pump := MustShell(t, Options{})
	s.open([]string{race})
	until(t, pump, "the run is opened", func() bool { return s.session != nil })
	deadline := time.Now().Add(time.Minute)
	for {
		pump()
		if _, done := s.session.Loading(); done {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the run was not read to its end")
		}
	}
	s.win.Resize(fyne.NewSize(1440, 900))
	s.win.Canvas().Capture() // draws everything once
	return s, pump
}

// press sends a named key to whatever has the keyboard, as the driver does.
func press(s *Shell, k fyne.KeyName) {
	c := s.win.Canvas()
	if f := c.Focused(); f != nil {
		f.TypedKey(&fyne.KeyEvent{Name: k})
		return
	}
	c.OnTypedKey()(&fyne.KeyEvent{Name: k})
}

func typed(s *Shell, text string) {
	for _, r := range text {
		if f := s.win.Canvas().Focused(); f != nil {
			f.TypedRune(r)
			continue
		}
		s.win.Canvas().OnTypedRune()(r)
	}
}

func TestStartScreen(t *testing.T) {
	s, _ := MustShell(t, Options{})
	if s.start == nil || len(s.start.lessons) != 8 {
		t.Fatalf("the start screen offers %d lessons, want 8", len(s.start.lessons))
	}
	var words []string
	walk(s.win.Content(), func(o fyne.CanvasObject) {
		switch w := o.(type) {
		case *look.Text:
			words = append(words, w.Text())
		case *look.Button:
			words = append(words, w.Text())
		}
	})
	page := strings.Join(words, "\n")
	for _, want := range []string{"Start a network", "Open a file ...", "Two organisations", "Crowded", "This computer", "Too late"} {
		if !strings.Contains(page, want) {
			t.Errorf("the start screen does not say %q", want)
		}
	}
	// Everything can be reached with Tab: two buttons, eight lessons, the samples.
	c := s.win.Canvas()
	reached := map[fyne.Focusable]bool{}
	for range 40 {
		c.FocusNext()
		reached[c.Focused()] = true
	}
	if len(reached) < 15 {
		t.Errorf("Tab reaches %d things, want at least 15", len(reached))
	}
}

func TestRecordedRunIsShown(t *testing.T) {
	s, _ := MustOpen(t)
	s.session.Playhead.Seek(s.session.Axis.End())
	g := s.main.gauges()
	if want := strconv.FormatUint(s.session.World.Now().Newest+1, 10); g[0].Value != want || want == "1" {
		t.Errorf("height is %s at the end, want %s", g[0].Value, want)
	}
	first, last, ok := s.session.Axis.Bounds()
	if !ok || last-first < 100 {
		t.Fatalf("the run has events %d to %d", first, last)
	}
	picture := s.main.stage.Image()
	if picture == nil || colours(picture.Pix) < 20 {
		t.Error("the stage is empty")
	}
}

// colours counts different colours of a picture, up to a hundred.
func colours(pix []uint8) int {
	seen := map[[3]uint8]bool{}
	for i := 0; i+3 < len(pix) && len(seen) < 100; i += 4 {
		seen[[3]uint8{pix[i], pix[i+1], pix[i+2]}] = true
	}
	return len(seen)
}

func TestKeysMoveThePlayhead(t *testing.T) {
	s, _ := MustOpen(t)
	p, axis := s.session.Playhead, s.session.Axis
	press(s, fyne.KeyHome)
	if p.At != axis.Start() {
		t.Errorf("Home leads to %v, want the beginning %v", p.At, axis.Start())
	}
	at := p.At.Seq
	press(s, fyne.KeyRight)
	if want := axis.Next(at, 1); p.At.Seq != want {
		t.Errorf("Right leads to %d, want %d", p.At.Seq, want)
	}
	press(s, fyne.KeyLeft)
	if p.At.Seq > axis.Next(at, 1) {
		t.Errorf("Left does not go back")
	}
	press(s, fyne.KeyEnd)
	if p.At.Seq != axis.End().Seq {
		t.Errorf("End leads to %d, want %d", p.At.Seq, axis.End().Seq)
	}
	press(s, fyne.KeyHome)
	typed(s, "e")
	if p.Pace != view.Events || !p.Playing {
		t.Error("E does not play event by event")
	}
	press(s, fyne.KeySpace)
	if p.Playing {
		t.Error("Space does not pause")
	}
	before := p.Scale
	typed(s, "+")
	if p.Scale != 2*before || p.Pace != view.Stretch {
		t.Errorf("+ gives one second for %v, want %v", p.Scale, 2*before)
	}
}

// Walking a hundred events on and back again gives the same picture.
func TestBackGivesTheSamePicture(t *testing.T) {
	s, _ := MustOpen(t)
	press(s, fyne.KeyHome)
	for range 150 {
		press(s, fyne.KeyRight)
	}
	s.win.Canvas().Capture()
	before := bytes.Clone(s.main.stage.Image().Pix)
	at := s.session.Playhead.At
	for range 100 {
		press(s, fyne.KeyLeft)
	}
	for range 100 {
		press(s, fyne.KeyRight)
	}
	if s.session.Playhead.At != at {
		t.Fatalf("the playhead is at %v, want %v", s.session.Playhead.At, at)
	}
	s.main.stage.Repaint()
	s.win.Canvas().Capture()
	if !bytes.Equal(before, s.main.stage.Image().Pix) {
		t.Error("the stage looks different after 100 steps back and on")
	}
}

func TestShiftFollowsTheSelection(t *testing.T) {
	s, _ := MustOpen(t)
	s.mods = func() fyne.KeyModifier { return fyne.KeyModifierShift }
	tx := anyTx(t, s)
	s.session.Select(view.Selection{What: view.SelectTx, TxID: tx})
	s.session.Playhead.Seek(s.session.Axis.Start())
	press(s, fyne.KeyRight)
	if events := s.session.Source().ByTx(tx); s.session.Playhead.At.Seq != events[0].Seq {
		t.Errorf("Shift+Right leads to %d, want the transaction's first event %d", s.session.Playhead.At.Seq, events[0].Seq)
	}
}

// anyTx is the id of the transaction in the last block of the run that has one.
func anyTx(t *testing.T, s *Shell) string {
	t.Helper()
	s.session.Playhead.Seek(s.session.Axis.End())
	f := s.session.Chain.Frame(s.main.wideChain())
	for i := len(f.Cards) - 1; i >= 0; i-- {
		for _, q := range f.Cards[i].Squares {
			if q.TxID != "" {
				return q.TxID
			}
		}
	}
	t.Fatal("the run has no transaction")
	return ""
}

func TestStageTapSelectsAndOpensMenu(t *testing.T) {
	s, _ := MustOpen(t)
	m := s.main
	f := m.stageFrame()
	box, ok := f.Box("peer0.org1.example.com")
	if !ok {
		t.Fatal("peer0.org1 is not on the stage")
	}
	at := m.stage.Where(view.Point{X: box.X + 12, Y: box.Y + 12})
	m.stage.Tapped(&fyne.PointEvent{Position: at})
	if sel := s.session.Selection(); sel.What != view.SelectNode || sel.Node != "peer0.org1.example.com" {
		t.Errorf("a tap on peer0.org1 selects %+v", sel)
	}
	items := m.menuItems(s.session.Selection())
	if len(items) == 0 || items[0].Label != "Open its ledger" {
		t.Errorf("the menu of a peer of a recording begins with %v", items)
	}
	m.stage.TappedSecondary(&fyne.PointEvent{Position: at, AbsolutePosition: at})
	if s.win.Canvas().Overlays().Top() == nil {
		t.Error("a secondary tap opens no menu")
	}
	press(s, fyne.KeyEscape)
	if s.win.Canvas().Overlays().Top() != nil {
		t.Error("Escape does not close the menu")
	}
}

func TestStagePansZoomsAndFits(t *testing.T) {
	s, _ := MustOpen(t)
	m := s.main
	m.stage.Scrolled(&fyne.ScrollEvent{PointEvent: fyne.PointEvent{Position: fyne.NewPos(300, 200)}, Scrolled: fyne.NewDelta(0, 40)})
	zoomed := m.stage.Camera()
	typed(s, "f")
	s.win.Canvas().Capture()
	fitted := m.stage.Camera()
	if zoomed.Scale <= fitted.Scale {
		t.Errorf("the wheel zooms to %.2f, fitting is %.2f", zoomed.Scale, fitted.Scale)
	}
	corner := fyne.NewPos(m.stage.Size().Width-4, 4)
	m.stage.Dragged(&fyne.DragEvent{PointEvent: fyne.PointEvent{Position: corner}, Dragged: fyne.NewDelta(-30, 0)})
	m.stage.DragEnd()
	if m.stage.Camera().Origin.X <= fitted.Origin.X {
		t.Error("dragging the ground to the left does not pan")
	}
}

func TestChainWalksWithArrows(t *testing.T) {
	s, _ := MustOpen(t)
	press(s, fyne.KeyEnd)
	s.win.Canvas().Focus(s.main.chain)
	press(s, fyne.KeyLeft)
	first := s.session.Selection()
	if first.What == view.Nothing {
		t.Fatal("an arrow key in the chain selects nothing")
	}
	press(s, fyne.KeyLeft)
	if s.session.Selection() == first {
		t.Error("a second arrow key does not go on")
	}
	press(s, fyne.KeyEscape)
	if s.win.Canvas().Focused() != nil {
		t.Error("Escape does not give the keyboard back")
	}
}

func TestPalette(t *testing.T) {
	s, _ := MustOpen(t)
	s.do1("palette")
	if s.win.Canvas().Overlays().Top() == nil {
		t.Fatal("no palette opens")
	}
	typed(s, "orderer2")
	press(s, fyne.KeyReturn)
	if sel := s.session.Selection(); sel.Node != "orderer2.example.com" {
		t.Errorf("the palette selected %+v for orderer2", sel)
	}
	if s.win.Canvas().Overlays().Top() != nil {
		t.Error("the palette stays open")
	}
	s.showPalette()
	press(s, fyne.KeyEscape)
	if s.win.Canvas().Overlays().Top() != nil {
		t.Error("Escape does not close the palette")
	}
}

func TestFuzzy(t *testing.T) {
	for _, c := range []struct {
		words, text string
		ok          bool
	}{{"", "anything", true}, {"prm", "Presenter mode", true}, {"mode", "Presenter mode", true}, {"xyz", "Presenter mode", false}} {
		if _, ok := fuzzy(c.words, c.text); ok != c.ok {
			t.Errorf("fuzzy(%q, %q) is %v", c.words, c.text, ok)
		}
	}
	near, _ := fuzzy("step", "Next step")
	far, _ := fuzzy("step", "Start the pendulum")
	if near <= far {
		t.Errorf("a whole word counts %d, scattered letters %d", near, far)
	}
}

// A focused entry must not swallow the window's own keys. (Shortcuts with Ctrl go the same
// way, but Fyne's test canvas takes none.)
func TestEntriesLetKeysThrough(t *testing.T) {
	s, _ := MustOpen(t)
	e := look.NewEntry()
	s.setContent(e)
	s.win.Canvas().Focus(e)
	typed(s, "e1")
	if e.Text != "e1" {
		t.Errorf("the entry holds %q, want what was typed", e.Text)
	}
	press(s, fyne.KeyF5)
	if !s.presenter {
		t.Error("F5 did not reach the window")
	}
}

func TestPresenterMode(t *testing.T) {
	s, _ := MustOpen(t)
	press(s, fyne.KeyF5)
	if !s.presenter || look.Current().Scale != presenterScale {
		t.Fatalf("F5 gives scale %.1f, want %.1f", look.Current().Scale, presenterScale)
	}
	if s.main.layout.rail.Visible() || s.main.layout.side.Visible() {
		t.Error("the side panels do not collapse")
	}
	press(s, fyne.KeyHome)
	at := s.session.Playhead.At.Seq
	press(s, fyne.KeyPageDown)
	if s.session.Playhead.At.Seq <= at {
		t.Error("Page Down does not step")
	}
	press(s, fyne.KeyEscape)
	if s.presenter {
		t.Error("Escape does not leave presenter mode")
	}
}

func TestCloseUpOfABlock(t *testing.T) {
	s, _ := MustOpen(t)
	press(s, fyne.KeyEnd)
	s.session.Select(view.Selection{What: view.SelectBlock, Block: 4})
	typed(s, "v")
	if s.main.closeUp.block != 4 || !s.main.closeup.Visible() || s.main.stage.Visible() {
		t.Errorf("V enlarges %+v", s.main.closeUp)
	}
	press(s, fyne.KeyEscape)
	if s.main.closeUp.block != 0 || !s.main.stage.Visible() {
		t.Error("Escape does not go back to the stage")
	}
}

func TestDrawersOpenByDigit(t *testing.T) {
	s, pump := MustOpen(t)
	for i := range drawerKinds() {
		typed(s, strconv.Itoa(i+1))
		pump()
		if s.main.rail.open != i+1 || s.main.rail.panel == nil {
			t.Fatalf("key %d opens drawer %d", i+1, s.main.rail.open)
		}
	}
	press(s, fyne.KeyEscape) // gives the keyboard back
	press(s, fyne.KeyEscape)
	if s.main.rail.open != 0 {
		t.Error("Escape does not close the drawer")
	}
}

func TestPanelsAreHiddenAndRemembered(t *testing.T) {
	s, _ := MustOpen(t)
	s.togglePanel("timeline")
	if s.main.timeline.Visible() {
		t.Error("the timeline is still shown")
	}
	again, _ := session.LoadSettings(s.options.SettingsPath)
	if on, known := again.Panels["timeline"]; on || !known {
		t.Error("the settings do not remember that the timeline is hidden")
	}
}

func TestThemeChanges(t *testing.T) {
	s, _ := MustOpen(t)
	s.setTheme("light")
	if look.Current().Name != "light" || s.session == nil {
		t.Error("the light theme is not shown, or the run is lost")
	}
	s.setTheme("dark")
	if look.Current().Name != "dark" {
		t.Error("the dark theme is not shown")
	}
}

// walk visits an object and everything in it.
func walk(o fyne.CanvasObject, visit func(fyne.CanvasObject)) {
	visit(o)
	for _, child := range children(o) {
		walk(child, visit)
	}
}

func children(o fyne.CanvasObject) []fyne.CanvasObject {
	switch c := o.(type) {
	case *fyne.Container:
		return c.Objects
	case fyne.Widget:
		return test.WidgetRenderer(c).Objects()
	}
	return nil
}

func TestFileDialogsOpenAndClose(t *testing.T) {
	s, _ := MustOpen(t)
	for name, open := range map[string]func(){
		"open":   s.chooseFile,
		"save":   func() { s.saveFile("run.fscope", func(string) {}) },
		"folder": func() { s.openFolder(func(string) {}) },
	} {
		open()
		if s.win.Canvas().Overlays().Top() == nil {
			t.Errorf("%s: no dialog", name)
		}
		if name == "save" { // its entry is Fyne's own and keeps Escape; it has a button
			s.closePopups()
		}
		press(s, fyne.KeyEscape)
		if s.win.Canvas().Overlays().Top() != nil {
			t.Errorf("%s: the dialog does not close", name)
			s.closePopups()
		}
	}
}

func TestDialogsOfTheWindow(t *testing.T) {
	s, _ := MustOpen(t)
	for name, open := range map[string]func(){"help": s.showHelp, "settings": s.showSettings, "export": s.showExport,
		"error": func() { s.showError(errors.New("open the thing: it is gone; choose another")) },
		"menu":  func() { s.showMenu(fyne.NewPos(10, 40)) }} {
		open()
		if s.win.Canvas().Overlays().Top() == nil {
			t.Errorf("%s: nothing opened", name)
		}
		s.closePopups()
	}
}

// A line across the stage divides its nodes.
func TestALineDividesTheStage(t *testing.T) {
	s, _ := MustOpen(t)
	at := centers(s.main.stageFrame())
	if len(at) != 7 {
		t.Fatalf("the stage has %d nodes, want 7", len(at))
	}
	p, q := at["peer0.org1.example.com"], at["orderer.example.com"]
	x := (p.X + q.X) / 2
	left, right := panel.Sides(view.Point{X: x, Y: -1000}, view.Point{X: x, Y: 1000}, at)
	if len(left)+len(right) != 7 || len(left) != 4 && len(right) != 4 {
		t.Errorf("a line between peers and orderers gives %v and %v", left, right)
	}
}

// From a drawer's head, Tab leads into the drawer.
func TestTabLeadsIntoTheDrawer(t *testing.T) {
	s, pump := MustOpen(t)
	typed(s, "4")
	pump()
	c := s.win.Canvas()
	if b, ok := c.Focused().(*look.Button); !ok || b.Hint() != "Close the drawer" {
		t.Fatalf("the drawer's head has not the keyboard, but %T", c.Focused())
	}
	c.FocusNext()
	inside := false
	walk(s.main.rail.drawer, func(o fyne.CanvasObject) {
		if f, ok := o.(fyne.Focusable); ok && f == c.Focused() {
			inside = true
		}
	})
	if !inside {
		t.Errorf("Tab leads to %T outside of the drawer", c.Focused())
	}
}
