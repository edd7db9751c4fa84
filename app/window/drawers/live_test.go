package drawers_test

import (
	"context"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/drawers"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/network"
)

func TestMain(m *testing.M) {
	network.Hook()
	samples.Hook()
	os.Exit(m.Run())
}

// live starts a small network whose blocks are cut quickly.
func live(t *testing.T) *session.Session {
	t.Helper()
	topology, err := network.ParseTopology("test.yaml", []byte(`
name: Test
organizations: [{name: Org1, peers: 2}, {name: Org2, peers: 1}]
orderers: {nodes: 1}
block: {maxMessageCount: 2, batchTimeout: 300ms}
runtime: process
chaincodes: [{name: basic, sample: asset, call: [InitLedger]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.Start(t.Context(), topology, session.StartOptions{Settings: session.DefaultSettings()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// drawer shows a drawer in a window of the drawers' width.
type drawer struct {
	t *testing.T
	s *session.Session
	p *drawers.Panel
	w fyne.Window
}

func open(t *testing.T, s *session.Session, tokens *paint.Theme, height float32, make func(*session.Session, drawers.Host) *drawers.Panel, h drawers.Host) *drawer {
	t.Helper()
	test.NewTempApp(t).Settings().SetTheme(look.NewTheme(tokens))
	if h.ShowError == nil {
		h.ShowError = func(err error) { t.Errorf("an error was shown: %v", err) }
	}
	h.Confirm = func(_, _ string, do func()) { do() }
	for asks, i := reflect.ValueOf(&h).Elem(), 0; i < asks.NumField(); i++ {
		if f := asks.Field(i); f.IsNil() { // what a test does not ask for does nothing
			f.Set(reflect.MakeFunc(f.Type(), func([]reflect.Value) []reflect.Value { return nil }))
		}
	}
	for range 20 {
		s.Tick(16 * time.Millisecond)
	}
	p := make(s, h)
	w := test.NewTempWindow(t, look.OnPanel(p))
	w.SetPadded(false)
	w.Resize(fyne.NewSize(360*float32(tokens.Scale), height*float32(tokens.Scale)))
	d := &drawer{t, s, p, w}
	t.Cleanup(p.Close)
	d.frame()
	return d
}

// frame lets the session and the drawer go on by one frame.
func (d *drawer) frame() {
	d.s.Tick(16 * time.Millisecond)
	d.p.Refresh()
}

// until lets frames pass until something holds.
func (d *drawer) until(what string, holds func() bool) {
	d.t.Helper()
	end := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		d.frame()
		select {
		case <-end:
			d.t.Fatalf("after a minute: not %s; the drawer says:\n%s", what, strings.Join(d.texts(), "\n"))
		case <-tick.C:
		}
	}
}

// picture keeps a picture where FABRISCOPE_PICTURES says, to be looked at.
func (d *drawer) picture(name string) {
	d.t.Helper()
	dir := os.Getenv("FABRISCOPE_PICTURES")
	if dir == "" {
		return
	}
	f, err := os.Create(filepath.Join(dir, name+"-"+look.Current().Name+".png"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	size := d.w.Canvas().Size() // a second layout, as the window's own driver makes it for texts that take more lines
	d.w.Resize(size.AddWidthHeight(1, 0))
	d.w.Resize(size)
	if err := png.Encode(f, d.w.Canvas().Capture()); err != nil {
		d.t.Fatal(err)
	}
}

// walk visits every visible object below o.
func walk(o fyne.CanvasObject, visit func(fyne.CanvasObject)) {
	if !o.Visible() {
		return
	}
	visit(o)
	switch x := o.(type) {
	case *fyne.Container:
		for _, c := range x.Objects {
			walk(c, visit)
		}
	case fyne.Widget:
		for _, c := range test.WidgetRenderer(x).Objects() {
			walk(c, visit)
		}
	}
}

// texts is everything that can be read in the drawer.
func (d *drawer) texts() []string {
	var out []string
	walk(d.p, func(o fyne.CanvasObject) {
		switch x := o.(type) {
		case *sheet.Sheet:
			out = append(out, x.Texts()...)
		case *sheet.Scrolling:
			out = append(out, x.Texts()...)
		case *look.Text:
			out = append(out, x.Text())
		case *look.Entry:
			out = append(out, x.Text)
		case *drawers.Choice:
			out = append(out, x.Selected)
		case *widget.Check:
			out = append(out, x.Text)
		case interface{ Hint() string }: // what can be pressed
			out = append(out, x.Hint())
		}
	})
	return out
}

// says tells whether some text of the drawer contains all words.
func (d *drawer) says(words ...string) bool {
	all := strings.Join(d.texts(), " ")
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(all, w) })
}

func (d *drawer) mustSay(words ...string) {
	d.t.Helper()
	for _, w := range words {
		if !d.says(w) {
			d.t.Errorf("the drawer does not say %q, but:\n%s", w, strings.Join(d.texts(), "\n"))
		}
	}
}

// press presses a button by its words.
func (d *drawer) press(name string) {
	d.t.Helper()
	found := false
	walk(d.p, func(o fyne.CanvasObject) {
		if b, ok := o.(*look.Button); ok && !found && b.Hint() == name {
			found = true
			if b.Disabled() {
				d.t.Errorf("the button %q is disabled", name)
			}
			test.Tap(b)
		}
	})
	if !found {
		d.t.Fatalf("there is no button %q", name)
	}
}

// unfold opens or closes a part of the drawer.
func (d *drawer) unfold(title string) {
	d.t.Helper()
	var head fyne.Tappable
	walk(d.p, func(o fyne.CanvasObject) {
		if h, ok := o.(interface {
			fyne.Tappable
			Hint() string
		}); ok && h.Hint() == title && head == nil {
			head = h
		}
	})
	if head == nil {
		d.t.Fatalf("there is no part %q", title)
	}
	head.Tapped(&fyne.PointEvent{})
}

// enabled tells whether a button can be pressed.
func (d *drawer) enabled(name string) bool {
	on := false
	walk(d.p, func(o fyne.CanvasObject) {
		if b, ok := o.(*look.Button); ok && b.Hint() == name {
			on = on || !b.Disabled()
		}
	})
	return on
}

// follow taps the n-th link or small button with these words on a page of the drawer.
func (d *drawer) follow(name string, n int) {
	d.t.Helper()
	done := false
	walk(d.p, func(o fyne.CanvasObject) {
		s, ok := o.(*sheet.Sheet)
		if !ok || done {
			return
		}
		for _, l := range s.Links() {
			if !strings.Contains(l.Name, name) {
				continue
			}
			if n--; n >= 0 {
				continue
			}
			done = true
			test.TapAt(s, fyne.NewPos(float32(l.Rect.X+l.Rect.W/2), float32(l.Rect.Y+3)))
			return
		}
	})
	if !done {
		d.t.Fatalf("there is no link %q; there are %q", name, d.texts())
	}
}

// field is the entry below a label.
func (d *drawer) field(label string, n int) *look.Entry {
	d.t.Helper()
	e, ok := d.below(label, n, func(o fyne.CanvasObject) bool { _, ok := o.(*look.Entry); return ok }).(*look.Entry)
	if !ok {
		d.t.Fatalf("there is no field %q", label)
	}
	return e
}

// choose chooses in the select below a label.
func (d *drawer) choose(label, option string) {
	d.t.Helper()
	s, ok := d.below(label, 0, func(o fyne.CanvasObject) bool { _, ok := o.(*drawers.Choice); return ok }).(*drawers.Choice)
	if !ok {
		d.t.Fatalf("there is no choice %q", label)
	}
	for _, o := range s.Options {
		if strings.Contains(o, option) {
			s.SetSelected(o)
			return
		}
	}
	d.t.Fatalf("%s: no %q in %q", label, option, s.Options)
}

// below is the first object of a kind after the n-th text that is the label.
func (d *drawer) below(label string, n int, fits func(fyne.CanvasObject) bool) (found fyne.CanvasObject) {
	armed := false
	walk(d.p, func(o fyne.CanvasObject) {
		if text, ok := o.(*look.Text); ok && text.Text() == label && !armed {
			n--
			armed = n < 0
		}
		if armed && found == nil && fits(o) {
			found = o
		}
	})
	return found
}

func (d *drawer) write(label string, n int, text string) {
	d.t.Helper()
	e := d.field(label, n)
	e.SetText("")
	test.Type(e, text)
}

// editor is the first entry of many lines.
func (d *drawer) editor() (found *look.Entry) {
	d.t.Helper()
	walk(d.p, func(o fyne.CanvasObject) {
		if e, ok := o.(*look.Entry); ok && e.MultiLine && found == nil {
			found = e
		}
	})
	if found == nil {
		d.t.Fatal("there is no editor")
	}
	return found
}
