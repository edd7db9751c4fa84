package session_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
)

// Settings are kept, and a file that is broken does no harm.
func TestSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fabriscope", "settings.json")
	s, note := session.LoadSettings(path)
	if note != "" || s.Width != 1440 {
		t.Errorf("first start: %q, %+v", note, s)
	}
	s.Theme, s.Language, s.ReduceMotion = "light", "de", true
	s.Lessons["6-too-late"] = session.LessonProgress{Step: 2, Steps: 4}
	s.Opened("/tmp/a.star", "scenario", "first")
	s.Opened("/tmp/b.fscope", "run", "")
	s.Opened("/tmp/a.star", "scenario", "second")
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	again, note := session.LoadSettings(path)
	if note != "" || again.Theme != "light" || !again.ReduceMotion || again.Lessons["6-too-late"].Share() != 0.5 {
		t.Errorf("%q, %+v", note, again)
	}
	if len(again.Recent) != 2 || again.Recent[0].Note != "second" || again.Recent[1].Kind != "run" || again.Recent[0].Exists() {
		t.Errorf("recent %+v", again.Recent)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, broken := range []string{"{", `{"width": "wide"}`, strings.Repeat("x", 5<<20)} {
		if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		s, note = session.LoadSettings(path)
		if s.Theme != "" || s.Width != 1440 || s.Lessons == nil {
			t.Errorf("not the defaults: %+v", s)
		}
		mustContain(t, note, "defaults", ".broken")
		if err := s.Save(); err != nil {
			t.Fatal(err)
		}
	}
	if s, _ := session.LoadSettings(path); s.Recent != nil {
		t.Errorf("what was broken comes back: %+v", s)
	}
}

// A width that no screen has is not taken over.
func TestSettingsAreRepaired(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(path, []byte(`{"width": -5, "height": 3, "scaleNS": -1, "lessons": null}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, note := session.LoadSettings(path)
	if note != "" || s.Width != 1440 || s.Height != 900 || s.ScaleNS <= 0 || s.Lessons == nil {
		t.Errorf("%q, %+v", note, s)
	}
}

// Boxes stay where they were put: beside the topology, or in the settings for a sample.
func TestPositions(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mine.yaml")
	settings, _ := session.LoadSettings(filepath.Join(dir, "settings.json"))
	at := view.Point{X: 123, Y: 45}
	for _, where := range []string{file, ""} {
		for round := range 2 {
			s, err := session.Start(context.Background(), mustTopology(t, small), session.StartOptions{File: where, Settings: settings, NoDeploy: true})
			if err != nil {
				t.Fatal(err)
			}
			s.Tick(frame)
			if round == 0 {
				s.Stage.Move("alice", at)
			} else if got := s.Stage.Positions()["alice"]; got != at {
				t.Errorf("alice is at %v, not %v", got, at)
			}
			if err := s.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "mine.layout.json")); err != nil {
		t.Error(err)
	}
}

// A session opens in the background while another one keeps its positions.
func TestPositionsAreKeptWhileOthersAreRead(t *testing.T) {
	settings, _ := session.LoadSettings(filepath.Join(t.TempDir(), "settings.json"))
	opened := make(chan *session.Session)
	go func() {
		defer close(opened)
		for range 10 {
			s, err := session.OpenRun("../view/testdata/two-clients-one-key.fscope", session.StartOptions{Settings: settings})
			if err != nil {
				t.Error(err)
				return
			}
			opened <- s
		}
	}()
	at := view.Point{}
	for s := range opened {
		at = view.Point{X: at.X + 1, Y: 7}
		s.Stage.Move("alice", at)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := settings.Layouts["two-clients-one-key.star"]["alice"]; got != at {
		t.Errorf("alice is kept at %v, not at %v", got, at)
	}
}

// The computer is looked at; nothing that is found lacks its words.
func TestComputer(t *testing.T) {
	findings := session.Computer(context.Background())
	var names []string
	for _, f := range findings {
		names = append(names, f.Name)
		if f.Detail == "" || !f.OK && f.Remedy == "" {
			t.Errorf("%+v", f)
		}
	}
	mustContain(t, strings.Join(names, " "), "Docker", "Go", "Samples", "Memory", "Temp folder", "Graphics")
}
