package window

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

// lessonKey is what a key does in a lesson, for the help: the card takes them.
type lessonKey struct{ keys, does string }

func lessonKeys() []lessonKey {
	return []lessonKey{
		{"1 – 8", words.L("Start a lesson, on the start screen")},
		{"A – F", words.L("Mark an answer; once more: give it")},
		{"Enter", words.L("Give the marked answer")},
		{words.L("Space"), words.L("Go on")},
		{"S", words.L("Show me: let the lesson do the task")},
		{"N", words.L("Next lesson, at the end of one")},
		{"Esc", words.L("Stay in the lesson's network, at its end")},
	}
}

// over tells whether the lesson ran to its end.
func (l *lessonState) over() bool { return l.ended && l.err == nil }

// ending is what the card shows when a lesson is over, below what it said last: what was
// learned, and what to try.
func (c *lessonCard) ending(l *lessonState) fyne.CanvasObject {
	if l.err != nil {
		t := session.Explain(l.err)
		return look.ErrorBox(words.L("It ended early"), t.What, t.Remedy, look.Secondary(words.L("Close"), c.leave))
	}
	if l.run.Lesson == "" {
		return look.Column(8, look.Body(words.L("It ran to its end, and everything held. The network goes on: try things out.")).Wrapped(),
			container.NewHBox(look.Primary(words.L("Close"), c.leave)))
	}
	column := look.Column(8)
	if right, asked := l.run.Score(); asked > 0 {
		column.Add(look.Muted(words.L("Done: {{.Right}} of {{.Asked}} predictions were right.", map[string]any{"Right": right, "Asked": asked})).Wrapped())
	}
	offer := func(b *look.Button, key string) {
		column.Add(container.NewHBox(b, look.Middle(look.Muted(words.L("or {{.Key}}", key)))))
	}
	if next, ok := session.NextLesson(c.s.settings, l.run.Lesson); ok {
		offer(look.Primary(words.L("Next lesson: {{.Title}}", words.Say(next.Title)), c.s.nextLesson), "N")
	}
	offer(look.Secondary(words.L("Stay in this network and try"), c.leave), "Esc")
	column.Add(container.NewHBox(look.Secondary(words.L("All lessons"), func() { c.leave(); c.s.do1("drawerbook") })))
	return column
}

// leave ends the lesson and lets the network go on.
func (c *lessonCard) leave() {
	c.s.session.LeaveScript()
	c.s.closeLesson()
}

// closeLesson takes the lesson's card away.
func (s *Shell) closeLesson() {
	s.lesson = nil
	if s.main != nil {
		s.main.setCloseUp(0, "")
	}
}

// inLesson tells whether the network is a lesson's: its progress is kept, and it can be had
// again.
func (s *Shell) inLesson() bool {
	r := s.session.ScriptRun()
	return r != nil && r.Lesson != ""
}

// nextLesson starts the lesson after the one that is over.
func (s *Shell) nextLesson() {
	if !s.inLesson() || s.session.ScriptRun().Running() {
		return
	}
	if next, ok := session.NextLesson(s.settings, s.session.ScriptRun().Lesson); ok {
		s.openLesson(next.Name)
	}
}
