package window

import (
	"bytes"
	"errors"
	"image/gif"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

func TestExports(t *testing.T) {
	s, _ := MustOpen(t)
	press(s, fyne.KeyEnd)
	for name, begin := range map[string]string{"stage.png": "\x89PNG", "stage.svg": "<", "timeline.png": "\x89PNG", "timeline.svg": "<", "run.html": "<"} {
		path := filepath.Join(t.TempDir(), name)
		write := map[string]func() error{
			"stage.png":    func() error { return writeFile(path, s.stagePNG) },
			"stage.svg":    func() error { return writeFile(path, s.stageSVG) },
			"timeline.png": func() error { return writeFile(path, s.timelinePNG) },
			"timeline.svg": func() error { return writeFile(path, s.timelineSVG) },
			"run.html":     func() error { return writeFile(path, s.reportHTML) },
		}[name]
		if err := write(); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) < 500 || !strings.HasPrefix(string(b), begin) {
			t.Errorf("%s has %d bytes (%v)", name, len(b), err)
		}
	}
}

func TestWrongFileIsExplained(t *testing.T) {
	s, pump := MustShell(t, Options{})
	s.open([]string{"nothing.txt"})
	if s.win.Canvas().Overlays().Top() == nil {
		t.Error("a file of an unknown kind is not refused with words")
	}
	s.closePopups()
	for _, ending := range endings() {
		s.open([]string{filepath.Join(t.TempDir(), "missing"+ending)})
		until(t, pump, "a missing "+ending+" is refused with words", func() bool { return s.win.Canvas().Overlays().Top() != nil })
		if s.closePopups(); s.start == nil {
			t.Errorf("a missing %s does not lead back to the start screen", ending)
		}
	}
}

func TestNoDisplay(t *testing.T) {
	none := func(string) string { return "" }
	refuse := func(string, string) error { return errors.New("refused") }
	answer := func(string, string) error { return nil }
	at := func(display string) func(string) string {
		return func(name string) string {
			if name == "DISPLAY" {
				return display
			}
			return ""
		}
	}
	for _, c := range []struct {
		name   string
		getenv func(string) string
		dial   func(string, string) error
		ok     bool
	}{
		{"no DISPLAY", none, answer, false},
		{"nothing answers", at(":7"), refuse, false},
		{"not a display", at("nonsense"), answer, false},
		{"a server answers", at(":7.0"), answer, true},
		{"a server elsewhere", at("host:10.0"), answer, true},
	} {
		err := checkDisplay(c.getenv, c.dial)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && (!errors.Is(err, ErrNoDisplay) || !strings.Contains(err.Error(), "fabriscope run")) {
			t.Errorf("%s: %v does not name the headless commands", c.name, err)
		}
	}
}

func TestFyneErrorsTellWhyThereIsNoWindow(t *testing.T) {
	var out bytes.Buffer
	f := &fyneErrors{to: &out}
	for _, line := range []string{"2026/01/01 Fyne error:  Translation failure\n", "2026/01/01   Cause: message not found\n", "2026/01/01   At: lang.go:99\n",
		"2026/01/01 Fyne error:  window creation error\n", "2026/01/01   Cause: APIUnavailable: GLX: no GLXFBConfigs returned\n", "2026/01/01   At: driver.go:180\n",
		"2026/01/01 Fyne error:  something else\n"} {
		if _, err := f.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if want := "APIUnavailable: GLX: no GLXFBConfigs returned"; f.creation() != want {
		t.Errorf("the cause is %q, want %q", f.creation(), want)
	}
	if out.String() != "2026/01/01 Fyne error:  something else\n" {
		t.Errorf("passed on: %q", out.String())
	}
}

// An animation is written in the background: the window goes on and hears how far it is.
func TestGIFInTheBackground(t *testing.T) {
	s, pump := MustOpen(t)
	s.wholeTimeline()
	path := filepath.Join(t.TempDir(), "run.gif")
	s.exportGIF(path)
	if !strings.Contains(s.note.text.Text(), "0 %") {
		t.Errorf("at the beginning the note is %q", s.note.text.Text())
	}
	s.session.Select(view.Selection{What: view.SelectPeers}) // the window is free meanwhile
	told := 0
	last := s.note.text.Text()
	until(t, pump, "the animation is written", func() bool {
		if now := s.note.text.Text(); now != last {
			last, told = now, told+1
		}
		return strings.Contains(last, path)
	})
	if told < 2 {
		t.Errorf("progress was told %d times", told)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if g, err := gif.DecodeAll(f); err != nil || len(g.Image) < 10 {
		t.Errorf("%v", err)
	}
}

// An animation shows the life of the selected transaction, else what the timeline shows.
func TestAnimatedSpan(t *testing.T) {
	s, _ := MustOpen(t)
	s.wholeTimeline()
	s.session.Select(view.Selection{What: view.SelectPeers})
	from, span, ofTx := s.animatedSpan()
	if ofTx || from != s.main.window.From || span != s.main.window.Span() {
		t.Errorf("without a transaction: from %d, %d long, of a transaction: %v", from, span, ofTx)
	}
	events, _, _ := s.session.Source().Since(0, 1_000_000)
	for i := range events {
		if events[i].Kind == trace.Verdict {
			s.session.Select(view.Selection{What: view.SelectTx, TxID: events[i].TxID})
			life, ok := s.session.Timeline.OfTx(events[i].TxID)
			if from, span, ofTx := s.animatedSpan(); !ok || !ofTx || from != life.From || span != life.Span() {
				t.Errorf("of a transaction: from %d, %d long; want %+v", from, span, life)
			}
			return
		}
	}
	t.Fatal("the run has no verdict")
}
