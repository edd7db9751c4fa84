package window

import (
	"path/filepath"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

// popUp shows content in a card over everything; Escape and closePopup close it. With width
// 0 it is as wide as the content.
func (s *Shell) popUp(content fyne.CanvasObject, width float32) {
	c := s.win.Canvas()
	room := fyne.NewSize(min(look.Px(width), c.Size().Width-look.Px(40)), 0)
	body := container.NewStack(look.Gap(room.Width/look.Px(1), 0), look.Inset(18, 14, content))
	p := widget.NewModalPopUp(body, c)
	p.Show()
	// Wrapped text knows its height once it has a width.
	p.Resize(fyne.NewSize(room.Width, p.MinSize().Height))
	p.Resize(fyne.NewSize(room.Width, p.MinSize().Height))
	s.popups = append(s.popups, p.Hide)
}

// shut makes of something to do what closes the newest popup first.
func (s *Shell) shut(do func()) func() {
	return func() {
		s.closePopup()
		do()
	}
}

// closer is the button that only closes the newest popup.
func (s *Shell) closer() *look.Button {
	return look.Primary(words.L("Close"), func() { s.closePopup() })
}

// closePopup closes the newest popup; false if there is none.
func (s *Shell) closePopup() bool {
	over := s.win.Canvas().Overlays()
	shown := len(over.List())
	s.popups = s.popups[:min(len(s.popups), shown)] // those above have closed by themselves
	switch n := len(s.popups); {
	case shown == 0:
		return false
	case n < shown: // Fyne's own, such as a file dialog's question
		over.Remove(over.Top())
	default:
		s.popups[n-1]()
		s.popups = s.popups[:n-1]
	}
	return true
}

func (s *Shell) closePopups() {
	for s.closePopup() {
	}
}

// showError says what happened, why, and what to do; nothing where err is nil.
func (s *Shell) showError(err error) {
	if err == nil {
		return
	}
	t := session.Explain(err)
	ok := s.closer()
	s.popUp(look.ErrorBox(words.L("That did not work"), t.What, t.Remedy, ok), 520)
	s.win.Canvas().Focus(ok)
}

// confirm asks before something that cannot be taken back.
func (s *Shell) confirm(title, text string, do func()) {
	yes := look.Primary(words.L("Go on"), s.shut(do))
	no := look.Secondary(words.L("Cancel"), func() { s.closePopup() })
	s.popUp(look.Column(10, look.Title(title), look.Body(text).Wrapped(),
		container.NewHBox(layout.NewSpacer(), no, yes)), 440)
	s.win.Canvas().Focus(yes)
}

// told is what hears how something ended: it shows the error, or says what was done.
func (s *Shell) told(text string) func(error) {
	return func(err error) {
		if err != nil {
			s.showError(err)
			return
		}
		s.toast(text)
	}
}

// openFile lets a person choose a file with one of the endings.
func (s *Shell) openFile(endings []string, got func(path string)) {
	d := dialog.NewFileOpen(func(r fyne.URIReadCloser, err error) {
		s.showError(err)
		if r == nil {
			return
		}
		path := r.URI().Path()
		r.Close()
		s.settings.Folder = filepath.Dir(path)
		got(path)
	}, s.win)
	if len(endings) > 0 {
		d.SetFilter(storage.NewExtensionFileFilter(endings))
	}
	s.atFolder(d.SetLocation)
	s.showDialog(d)
}

// saveFile lets a person choose where to save a file.
func (s *Shell) saveFile(name string, got func(path string)) {
	d := dialog.NewFileSave(func(w fyne.URIWriteCloser, err error) {
		s.showError(err)
		if w == nil {
			return
		}
		path := w.URI().Path()
		w.Close()
		s.settings.Folder = filepath.Dir(path)
		got(path)
	}, s.win)
	d.SetFileName(name)
	s.atFolder(d.SetLocation)
	s.showDialog(d)
}

func (s *Shell) openFolder(got func(path string)) {
	d := dialog.NewFolderOpen(func(u fyne.ListableURI, err error) {
		s.showError(err)
		if u != nil {
			got(u.Path())
		}
	}, s.win)
	s.atFolder(d.SetLocation)
	s.showDialog(d)
}

func (s *Shell) atFolder(set func(fyne.ListableURI)) {
	if s.settings.Folder == "" {
		return
	}
	if u, err := storage.ListerForURI(storage.NewFileURI(s.settings.Folder)); err == nil {
		set(u)
	}
}

func (s *Shell) showDialog(d dialog.Dialog) {
	size := s.win.Canvas().Size()
	d.Show() // before Resize: Fyne's file dialog has no size until it is shown
	d.Resize(fyne.NewSize(min(look.Px(860), size.Width*0.9), min(look.Px(580), size.Height*0.9)))
	s.popups = append(s.popups, d.Dismiss)
}

// toast is a note at the foot of the window that goes away by itself.
type toast struct {
	object *fyne.Container
	text   *look.Text
	left   time.Duration
}

const toastTime = 4 * time.Second

func newToast() *toast {
	t := &toast{text: look.Body("")}
	card := look.Card(t.text)
	t.object = container.NewVBox(layout.NewSpacer(), container.NewHBox(layout.NewSpacer(), card, layout.NewSpacer()), look.Gap(0, 48))
	t.object.Hide()
	return t
}

func (t *toast) tick(dt time.Duration) {
	if t.left <= 0 {
		return
	}
	if t.left -= dt; t.left <= 0 {
		t.object.Hide()
	}
}

// toast says for a moment that something was done.
func (s *Shell) toast(text string) {
	if s.note == nil {
		return
	}
	s.note.text.SetText(text)
	s.note.left = toastTime
	s.note.object.Show()
	s.note.object.Refresh()
}
