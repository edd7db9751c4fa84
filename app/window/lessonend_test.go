package window

import (
	"strings"
	"testing"

	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
)

// takeLesson goes through the lesson that runs by keyboard alone, up to where stop says.
func takeLesson(t *testing.T, s *Shell, pump func(), stop func(run *session.ScriptRun) bool) {
	t.Helper()
	run := s.lesson.run
	until(t, func() {
		if _, paused := run.Paused(); paused {
			press(s, fyne.KeySpace)
		}
		if task := run.Task(); task != nil {
			typed(s, "s")
		}
		if q, answered := run.Question(); q != nil && !answered && !stop(run) {
			typed(s, string(rune('a'+q.Answer)))
			press(s, fyne.KeyReturn)
		}
		pump()
	}, "the lesson is there", func() bool { return stop(run) || !run.Running() })
}

// A lesson that is over tells what was learned, offers the next one at one key and staying at
// another; what was done of it is kept, also when it is left or taken again.
func TestLessonsEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("starts networks")
	}
	s, pump := MustShell(t, Options{Runtime: "process"})
	over := func(run *session.ScriptRun) bool { return !run.Running() }
	typed(s, "7")
	takeLesson(t, s, pump, over)
	if err := s.lesson.err; err != nil || !s.lesson.over() {
		t.Fatalf("the lesson ended with %v", err)
	}
	done := session.Lessons(s.settings)[6].Progress
	if !done.Done || done.Right != done.Asked || done.Asked == 0 {
		t.Errorf("progress %+v", done)
	}
	mustStand(t, s, "A range query is checked by walking it again. What appeared in it is a phantom. A rich query is not asked again, and an evaluation is never checked.")
	mustOffer(t, s, "Next lesson: Different answers", "Stay in this network and try")
	words.Use(words.Of("de"))
	name := s.session.Name()
	words.Use(words.English())
	if name != "Lektion 7 Phantome" || s.session.Name() != "Lesson 7 Phantoms" {
		t.Errorf("the lesson is called %q in German and %q in English", name, s.session.Name())
	}
	press(s, fyne.KeyEscape)
	if s.lesson != nil || s.session == nil || !s.session.Running() {
		t.Fatal("Esc does not leave the lesson's network to its learner")
	}
	next := func() bool {
		pump()
		return s.session != nil && s.lesson != nil && s.lesson.run.Lesson == "8-different-answers"
	}
	typed(s, "n")
	if s.win.Canvas().Overlays().Top() != nil {
		t.Fatal("the next lesson asks before it begins")
	}
	until(t, pump, "the next lesson runs", next)

	// The seventh once more: its first step takes nothing away.
	s.openLesson("7")
	until(t, pump, "the seventh runs again", func() bool { return s.lesson != nil && s.lesson.run.Lesson == "7-phantoms" })
	takeLesson(t, s, pump, func(run *session.ScriptRun) bool { q, answered := run.Question(); return q != nil && !answered })
	if again := session.Lessons(s.settings)[6].Progress; again != done {
		t.Errorf("taken again, the lesson has %+v of %+v", again, done)
	}
	// It is left while a message stands still and a question is open.
	if len(s.session.Held()) == 0 {
		t.Error("the lesson holds no message at its first question")
	}
	s.main.card.leave()
	until(t, pump, "the held message goes on", func() bool { return !s.session.ScriptRun().Running() && len(s.session.Held()) == 0 })
	if s.lesson != nil || !s.session.Running() {
		t.Error("the network does not outlive the lesson that was left")
	}
	if behind := s.session.Behind(); behind > 0 && s.session.Axis.End().Seq < s.session.World.Now().Seq {
		t.Errorf("%d events are not shown after the lesson was left", behind)
	}
}

// mustOffer fails unless the card has these buttons.
func mustOffer(t *testing.T, s *Shell, labels ...string) {
	t.Helper()
	offered := map[string]bool{}
	walk(s.main.card.object, func(o fyne.CanvasObject) {
		if b, ok := o.(*look.Button); ok {
			offered[b.Text()] = true
		}
	})
	for _, label := range labels {
		if !offered[label] {
			t.Errorf("the card does not offer %q but %v", label, offered)
		}
	}
}

// Lessons are reached from the drawer by keyboard: Tab leads into their list, the arrows along
// it, Enter opens one.
func TestLessonsByTab(t *testing.T) {
	s, pump := MustOpen(t)
	typed(s, "1")
	pump()
	c := s.win.Canvas()
	for range 12 {
		c.FocusNext()
		if page, ok := c.Focused().(*sheet.Sheet); ok && len(page.Links()) >= 8 {
			break
		}
	}
	page, ok := c.Focused().(*sheet.Sheet)
	if !ok || len(page.Links()) < 8 {
		t.Fatalf("Tab leads to %T, not to the lessons", c.Focused())
	}
	press(s, fyne.KeyDown)
	press(s, fyne.KeyReturn)
	until(t, pump, "the second lesson runs", func() bool { return s.lesson != nil && s.lesson.run.Lesson == "2-in-parallel" })
}

// The help names every key of a lesson.
func TestHelpListsLessonKeys(t *testing.T) {
	s, _ := MustShell(t, Options{})
	press(s, fyne.KeyF1)
	var shown []string
	walk(s.win.Canvas().Overlays().Top(), func(o fyne.CanvasObject) {
		if text, ok := o.(*look.Text); ok {
			shown = append(shown, text.Text())
		}
	})
	page := strings.Join(shown, "\n")
	for _, want := range []string{"Lessons", "A – F", "Show me: let the lesson do the task", "Next lesson, at the end of one"} {
		if !strings.Contains(page, want) {
			t.Errorf("the help does not say %q", want)
		}
	}
}
