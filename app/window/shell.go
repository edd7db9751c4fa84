package window

import (
	"context"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
)

// presenterScale is how much larger everything is in presenter mode.
const presenterScale = 1.6

// closeTimeout bounds how long the window waits for what it started to end.
const closeTimeout = 30 * time.Second

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
	mods    func() fyne.KeyModifier
	popups  []func() // what Escape closes, newest last
	note    *toast
	closing bool
}

// New makes the window of an application. Show shows it, Begin opens what the options
// name; Close ends it.
func New(a fyne.App, settings *session.Settings, o Options) *Shell {
	s := &Shell{app: a, settings: settings, options: o, presenter: o.Presenter || settings.Presenter, do: fyne.Do}
	s.mods = s.driverMods
	addCatalogue()
	s.applyTheme()
	a.SetIcon(appIcon())
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
func (s *Shell) tick(dt time.Duration) (busy bool) {
	if s.note != nil {
		s.note.tick(dt)
	}
	if s.starting != nil {
		s.starting.tick(dt)
		busy = true
	}
	if s.session == nil {
		return busy
	}
	changed := s.session.Tick(dt)
	if s.main != nil {
		s.showWanted()
		busy = s.main.tick(dt, changed) || busy
	}
	return busy
}

// Close ends the session and keeps the settings.
func (s *Shell) Close() {
	s.keepSize()
	s.endSession()
	if err := s.settings.Save(); err != nil {
		fyne.LogError("settings could not be saved", err)
	}
}

// leave asks before a running network is lost, and ends the application.
func (s *Shell) leave() {
	if s.closing {
		return
	}
	s.closing = true
	s.keepSize()
	s.win.SetContent(look.Middle(look.Body(stopping())))
	// The screen is drawn once more before the nodes are stopped.
	go func() {
		time.Sleep(2 * busyFrame)
		s.do(func() {
			s.endSession()
			s.app.Quit()
		})
	}()
}

func (s *Shell) keepSize() {
	size := s.win.Canvas().Size()
	if size.Width > 200 && size.Height > 200 && s.options.Width == 0 {
		s.settings.Width, s.settings.Height = size.Width, size.Height
	}
}

// endSession closes the session, if there is one.
func (s *Shell) endSession() {
	if s.session == nil {
		return
	}
	if s.main != nil {
		s.main.close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := s.session.Close(ctx); err != nil {
		fyne.LogError("the session did not end in order", err)
	}
	s.session, s.main, s.lesson = nil, nil, nil
}

// show makes a session the one that the window shows.
func (s *Shell) show(n *session.Session) {
	s.endSession()
	s.closePopups()
	s.session, s.start, s.starting = n, nil, nil
	n.Playhead.Scale = time.Duration(s.settings.ScaleNS)
	s.main = newMainView(s, n)
	s.setContent(s.main.content())
	s.win.SetTitle(n.Name() + " - Fabriscope")
	s.tick(0)
	s.main.repaint()
}

// rebuild makes the whole content anew, after the theme, its scale or the language changed.
func (s *Shell) rebuild() {
	s.closePopups()
	s.actions = s.makeActions()
	if s.session == nil {
		s.showStart()
		return
	}
	old := s.main
	s.main = newMainView(s, s.session)
	s.main.inherit(old)
	old.close()
	s.setContent(s.main.content())
	s.tick(0)
	s.main.repaint()
}

// setContent shows a content with room for the notes that come and go above it.
func (s *Shell) setContent(content fyne.CanvasObject) {
	s.note = newToast()
	// The ground is the window's own, from the theme: painting it once more would cost
	// software OpenGL a quarter of every picture.
	s.win.SetContent(container.NewStack(content, s.note.object))
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
