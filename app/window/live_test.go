package window

import (
	"os"
	"slices"
	"testing"
	"time"

	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/network"
)

// TestMain lets the test program be the chaincode processes and nodes that it starts.
func TestMain(m *testing.M) {
	network.Hook()
	samples.Hook()
	os.Exit(m.Run())
}

// until pumps the window until a condition holds.
func until(t testing.TB, pump func(), what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		pump()
		time.Sleep(5 * time.Millisecond) // the network works meanwhile
	}
}

// mustStand fails unless the lesson's card shows these texts.
func mustStand(t *testing.T, s *Shell, texts ...string) {
	t.Helper()
	var shown []string
	walk(s.main.card.object, func(o fyne.CanvasObject) {
		if text, ok := o.(*look.Text); ok {
			shown = append(shown, text.Text())
		}
	})
	for _, text := range texts {
		if !slices.Contains(shown, text) {
			t.Errorf("the card does not say %q, but %q", text, shown)
		}
	}
}

// A lesson is taken from its beginning to its first answer by keyboard alone, on a real
// network: a digit on the start screen, a letter, Enter, Space.
func TestLessonByKeyboard(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a network")
	}
	s, pump := MustShell(t, Options{})
	typed(s, "2")
	if s.session == nil || s.lesson == nil {
		t.Fatal("digit 2 starts no lesson")
	}
	run := s.lesson.run
	asked := func() bool { q, answered := run.Question(); return q != nil && !answered }
	goOn := func() {
		if _, paused := run.Paused(); paused {
			press(s, fyne.KeySpace)
		}
		pump()
	}
	until(t, goOn, "the lesson asks", func() bool { return asked() || !run.Running() })
	q, _ := run.Question()
	if q == nil {
		t.Fatalf("the lesson ended without a question: %v", run.Err())
	}
	press(s, fyne.KeySpace) // nothing is marked yet
	if !asked() {
		t.Error("Space answers although nothing is marked")
	}
	mustStand(t, s, q.Text.In("en"), q.Options[0].In("en"))
	s.setLanguage("de")
	mustStand(t, s, q.Text.In("de"), q.Options[0].In("de"), "Lektion 2 Nebeneinander")
	s.setLanguage("en")
	typed(s, string(rune('a'+q.Answer)))
	press(s, fyne.KeyReturn)
	if asked() {
		t.Error("letter and Enter do not answer")
	}
	if right, _ := run.Score(); right != 1 {
		t.Errorf("%d answers are right, want 1", right)
	}
	press(s, fyne.KeyF5)
	if !s.presenter || s.lesson == nil || s.lesson.run != run {
		t.Error("presenter mode loses the lesson")
	}
	items := s.main.menuItems(view.Selection{What: view.SelectNode, Node: "peer0.org1.example.com"})
	if len(items) < 5 {
		t.Errorf("a peer of a running network has a menu of %d items", len(items))
	}
}
