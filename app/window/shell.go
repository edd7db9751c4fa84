package window

import (
	"sync"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/assets"
)

// presenterScale is how much larger everything is in presenter mode.
const presenterScale = 1.6

// Shell is the window: what it shows, the session behind it, and the state that belongs
// to no session. All of it lives on the goroutine of the user interface.
type Shell struct {
	app      fyne.App
	win      fyne.Window
	settings *session.Settings
	options  Options

	session   *session.Session
	main      *mainView  // nil on the start screen
	start     *startView // nil beside a session
	starting  *startingView
	lesson    *lessonState // of the script that runs, nil if none does
	presenter bool
	dark      bool // of the theme that is shown

	actions []action
	loop    *loop
	do      func(func()) // runs something on this goroutine later, from another one
	quit    func()       // ends the application
	mods    func() fyne.KeyModifier
	popups  []func()          // what Escape closes, newest last
	hook    fyne.CanvasObject // lets Escape be heard; nil in tests, which have no keyboard
	note    *toast
	ending  *endingView    // a network that stops
	aside   sync.WaitGroup // sessions that are being closed
	leaving bool           // the application ends when the session has ended
	forced  bool           // or at once

	systemLanguage string // as it was when the program began
}

// New makes the window of an application. Show shows it, Begin opens what the options
// name; Close ends it.
func New(a fyne.App, settings *session.Settings, o Options) *Shell {
	s := &Shell{app: a, settings: settings, options: o, presenter: o.Presenter || settings.Presenter, do: o.do, quit: a.Quit}
	if s.do == nil {
		s.do = fyne.Do
	}
	s.mods = s.driverMods
	s.systemLanguage = lang.SystemLocale().String()
	s.applyLanguage()
	s.applyTheme()
	a.SetIcon(fyne.NewStaticResource("fabriscope.png", assets.Icon()))
	s.win = a.NewWindow("Fabriscope")
	s.win.SetPadded(false)
	s.loop = newLoop(s.tick)
	s.actions = s.makeActions()
	s.bindKeys()
	w, h := settings.Width, settings.Height
	if o.Width > 0 && o.Height > 0 {
		w, h = o.Width, o.Height
	}
	s.win.Resize(fyne.NewSize(w, h))
	s.win.SetMaster()
	s.win.SetCloseIntercept(s.leave)
	s.showStart()
	return s
}

// Show puts the window on the screen.
func (s *Shell) Show() { s.win.Show() }

// Window is the Fyne window.
func (s *Shell) Window() fyne.Window { return s.win }

// Session is what is shown, nil on the start screen.
func (s *Shell) Session() *session.Session { return s.session }

// begin opens what the options ask for.
func (s *Shell) begin() {
	switch {
	case s.options.Lesson != "":
		s.openLesson(s.options.Lesson)
	case len(s.options.Open) > 0:
		s.open(s.options.Open)
	case s.options.Topology != nil:
		s.startTopology(s.options.Topology, "")
	case s.options.Sample != "":
		s.startSample(s.options.Sample)
	}
}

// tick is one frame. It says whether something moves, so that the next frame is soon.
// Without draw it only takes in what is new, for a later frame to show.
func (s *Shell) tick(dt time.Duration, draw bool) (busy bool) {
	if s.note != nil {
		s.note.tick(dt)
	}
	if s.starting != nil {
		s.starting.tick(dt)
		busy = true
	}
	if s.ending != nil {
		s.ending.tick(dt)
	}
	if s.session == nil {
		return busy
	}
	changed := s.session.Tick(dt)
	if s.main != nil {
		s.showWanted()
		busy = s.main.tick(dt, changed, draw) || busy
	}
	return busy
}

// Close waits for the session's end, unless the person did not want to, and keeps the
// settings. No window is left by then.
func (s *Shell) Close() {
	s.keepSize()
	s.dropStarting()
	if s.session != nil {
		s.main.close()
		s.closeAside(s.session)
		s.session, s.main, s.lesson = nil, nil, nil
	}
	if !s.forced {
		s.aside.Wait()
	}
	if err := s.settings.Save(); err != nil {
		fyne.LogError("settings could not be saved", err)
	}
}

func (s *Shell) keepSize() {
	size := s.win.Canvas().Size()
	if size.Width > 200 && size.Height > 200 && s.options.Width == 0 {
		s.settings.Width, s.settings.Height = size.Width, size.Height
	}
}

// show makes a session the one that the window shows; the one before has ended.
func (s *Shell) show(n *session.Session) {
	s.closePopups()
	s.session, s.start, s.starting = n, nil, nil
	n.Playhead.Scale = time.Duration(s.settings.ScaleNS)
	s.main = newMainView(s, n)
	s.setContent(s.main.content())
	s.win.SetTitle(n.Name() + " - Fabriscope")
	s.tick(0, true)
	s.main.repaint()
}

// rebuild makes the whole content anew, after the theme, its scale or the language changed.
func (s *Shell) rebuild() {
	s.closePopups()
	s.actions = s.makeActions()
	switch {
	case s.starting != nil || s.ending != nil:
		return // the theme reaches what is there
	case s.session == nil:
		s.showStart()
		return
	}
	old := s.main
	s.main = newMainView(s, s.session)
	s.main.inherit(old)
	old.close()
	s.setContent(s.main.content())
	s.tick(0, true)
	s.main.repaint()
}

// setContent shows a content with room for the notes that come and go above it.
func (s *Shell) setContent(content fyne.CanvasObject) {
	s.note = newToast()
	// The ground is the window's own, from the theme: painting it once more would cost
	// software OpenGL a quarter of every picture.
	all := container.NewStack(content, s.note.object)
	if s.hook != nil {
		all.Add(s.hook)
	}
	s.win.SetContent(all)
	s.win.Canvas().Unfocus()
}

// applyTheme sets the theme that the settings and the mode ask for.
func (s *Shell) applyTheme() {
	name := s.settings.Theme
	if s.options.Theme != "" {
		name = s.options.Theme
	}
	s.dark = name != "light"
	if name == "" {
		s.dark = s.app.Settings().ThemeVariant() == 0
	}
	tokens := paint.Light()
	if s.dark {
		tokens = paint.Dark()
	}
	if s.presenter {
		tokens = tokens.Larger(presenterScale)
	}
	s.app.Settings().SetTheme(look.NewTheme(tokens))
}

// setTheme changes dark or light while the window is open.
func (s *Shell) setTheme(name string) {
	s.settings.Theme, s.options.Theme = name, ""
	s.applyTheme()
	s.rebuild()
	s.saveSettings()
}

// setPresenter enters or leaves presenter mode.
func (s *Shell) setPresenter(on bool) {
	if s.presenter == on {
		return
	}
	s.presenter = on
	s.applyTheme()
	s.rebuild()
}

func (s *Shell) saveSettings() {
	if err := s.settings.Save(); err != nil {
		s.toast(err.Error())
	}
}

// driverMods asks the driver which modifier keys are down: Fyne does not hand Shift to
// keys without a character.
func (s *Shell) driverMods() fyne.KeyModifier {
	if d, ok := s.app.Driver().(desktop.Driver); ok {
		return d.CurrentKeyModifiers()
	}
	return 0
}
