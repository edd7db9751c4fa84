package look

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"
)

// Entry is Fyne's entry, except that the window's own shortcuts still work while it has
// the focus: all with Ctrl that an entry does not know itself, function keys, Escape and
// Page Up/Down. Every entry of the window is one of these.
type Entry struct {
	widget.Entry
	super fyne.CanvasObject
}

// NewEntry makes an entry of one line.
func NewEntry() *Entry {
	e := &Entry{}
	e.Init(e)
	return e
}

// Init names the widget that the entry is part of; what embeds an Entry calls it once.
func (e *Entry) Init(of fyne.Widget) {
	e.super = of
	e.ExtendBaseWidget(of)
}

// NewMultiLineEntry makes an entry of many lines.
func NewMultiLineEntry() *Entry {
	e := &Entry{}
	e.MultiLine, e.Wrapping = true, fyne.TextWrapOff
	e.Init(e)
	return e
}

// NewMonoEntry makes an entry of many lines for code.
func NewMonoEntry() *Entry {
	e := NewMultiLineEntry()
	e.TextStyle.Monospace = true
	return e
}

// TypedShortcut takes what entries know and hands the rest to the window.
func (e *Entry) TypedShortcut(s fyne.Shortcut) {
	switch s.(type) {
	case *fyne.ShortcutCopy, *fyne.ShortcutCut, *fyne.ShortcutPaste, *fyne.ShortcutSelectAll, *fyne.ShortcutUndo, *fyne.ShortcutRedo:
		e.Entry.TypedShortcut(s)
		return
	}
	if k, ok := s.(fyne.KeyboardShortcut); ok {
		switch k.Key() {
		case fyne.KeyLeft, fyne.KeyRight, fyne.KeyBackspace, fyne.KeyDelete, fyne.KeyHome, fyne.KeyEnd:
			e.Entry.TypedShortcut(s)
			return
		}
	}
	if c, ok := e.canvas().(fyne.Shortcutable); ok {
		c.TypedShortcut(s)
	}
}

// TypedKey hands function keys and Escape to the window.
func (e *Entry) TypedKey(k *fyne.KeyEvent) {
	switch k.Name {
	case fyne.KeyF1, fyne.KeyF5, fyne.KeyEscape:
		KeyToWindow(e.super, k)
		return
	}
	e.Entry.TypedKey(k)
}

func (e *Entry) canvas() fyne.Canvas { return fyne.CurrentApp().Driver().CanvasForObject(e.super) }

// Segmented is a row of choices of which one holds.
type Segmented struct {
	widget.BaseWidget
	OnChanged func(index int)
	buttons   []*Button
	chosen    int
	row       *fyne.Container
}

// NewSegmented makes a row of choices; the first holds.
func NewSegmented(options []string, changed func(index int)) *Segmented {
	s := &Segmented{OnChanged: changed}
	var objects []fyne.CanvasObject
	for i, o := range options {
		b := newButton(o, "", bare, func() { s.choose(i, true) })
		s.buttons = append(s.buttons, b)
		objects = append(objects, b)
	}
	s.row = Row(2, objects...)
	s.ExtendBaseWidget(s)
	s.choose(0, false)
	return s
}

// Chosen is the index of the choice that holds.
func (s *Segmented) Chosen() int { return s.chosen }

// Choose sets the choice without calling OnChanged.
func (s *Segmented) Choose(index int) { s.choose(index, false) }

func (s *Segmented) choose(index int, tell bool) {
	s.chosen = index
	for i, b := range s.buttons {
		b.SetOn(i == index)
	}
	if tell && s.OnChanged != nil {
		s.OnChanged(index)
	}
}

// CreateRenderer is Fyne's.
func (s *Segmented) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(Sheet(s.row))
}

// Sheet is the rounded ground that groups of controls stand on.
func Sheet(o fyne.CanvasObject) *fyne.Container {
	back := NewPlane(8, sunken, line)
	c := Inset(2, 2, o)
	return container.NewStack(back, c)
}
