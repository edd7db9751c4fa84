package drawers

import (
	"context"
	"errors"
	"fmt"

	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// maxNarration bounds how many paragraphs of the narration are shown.
const maxNarration = 60

// lessons is the drawer with the lessons and the one that runs.
type lessons struct {
	s      *session.Session
	h      Host
	run    *list
	all    *list
	scroll *container.Scroll
}

// NewLessons makes the drawer "Lessons".
func NewLessons(s *session.Session, h Host) *Panel {
	d := &lessons{s: s, h: h, run: newList(h), all: newList(h)}
	d.scroll = container.NewVScroll(look.Inset(16, 12, look.Column(6, d.run.page, d.all.page)))
	p := newPanel(words.L("Lessons"), d.scroll, d.scroll)
	p.update = d.update
	p.first = d.all.page
	d.update()
	return p
}

// running is the lesson that the session runs or ran, with its run.
func (d *lessons) running(all []session.Lesson) (*session.Lesson, *session.ScriptRun) {
	r := d.s.ScriptRun()
	if r == nil {
		return nil, nil
	}
	for i := range all {
		if all[i].Name == r.Lesson {
			return &all[i], r
		}
	}
	return nil, nil
}

func (d *lessons) update() {
	all := session.Lessons(d.s.Settings())
	l, r := d.running(all)
	key := ""
	for _, x := range all {
		key += fmt.Sprint(x.Name, x.Progress.Step, x.Progress.Done, " ")
	}
	if l != nil {
		key += l.Name
	}
	d.all.show(key, func(b *sheet.Builder) { d.list(b, all, l) })
	d.showRun(l, r)
}

func (d *lessons) list(b *sheet.Builder, all []session.Lesson, running *session.Lesson) {
	if running != nil {
		b.Section(words.L("All lessons"), "", sheet.Quiet, nil)
	} else {
		b.Text(words.L("Each takes about five minutes and runs on a real network that it starts itself."), sheet.Style{Tone: sheet.Quiet})
		b.Gap(8)
	}
	if len(all) == 0 {
		b.Empty(words.L("There are no lessons."), words.L("This program was built without them."))
	}
	for _, l := range all {
		it := sheet.Item{Badge: fmt.Sprint(l.Number), Sign: sheet.Ring, Tone: sheet.Accent, Name: words.Say(l.Title), Detail: words.Say(l.Question),
			Do: func() { d.open(l.Name) }, Marked: running != nil && running.Name == l.Name}
		if l.Progress.Done {
			it.Sign, it.Tone, it.Badge = sheet.Tick, sheet.Good, ""
			it.Note, it.NoteIn = words.L("done"), sheet.Good
		} else if l.Progress.Step > 0 {
			it.Share = l.Progress.Share()
			it.Note, it.NoteIn = words.L("{{.Step}} of {{.Steps}}", map[string]any{"Step": l.Progress.Step, "Steps": l.Progress.Steps}), sheet.Quiet
		}
		b.Item(it)
	}
}

func (d *lessons) open(name string) {
	d.h.OpenLesson(name)
}

// showRun writes the lesson that runs: its chapters, and what it has said so far.
func (d *lessons) showRun(l *session.Lesson, r *session.ScriptRun) {
	if l == nil {
		look.Show(d.run.page, false)
		return
	}
	look.Show(d.run.page, true)
	_, answered := r.Question()
	text, paused := r.Paused()
	key := fmt.Sprint(l.Name, r.Chapter().N, len(r.Said()), answered, paused, text, r.Running(), r.Err(), r.Task() != nil)
	if q, _ := r.Question(); q != nil {
		key += fmt.Sprint(q.N)
	}
	d.run.show(key, func(b *sheet.Builder) {
		b.Text(words.Say(l.FullName()), sheet.Style{Size: 16, Bold: true})
		b.Text(words.Say(l.Question), sheet.Style{Tone: sheet.Quiet})
		b.Gap(10)
		d.chapters(b, l, r)
		d.now(b, r)
		b.Gap(8)
		b.Actions(d.buttons(l, r)...)
		d.narration(b, r)
	})
}

func (d *lessons) chapters(b *sheet.Builder, l *session.Lesson, r *session.ScriptRun) {
	stops := make([]sheet.Stop, len(l.Chapters))
	over := !r.Running() && r.Err() == nil
	for i, c := range l.Chapters {
		stops[i] = sheet.Stop{Name: words.Say(c), Sign: sheet.Ring, Tone: sheet.Quiet}
		switch n := r.Chapter().N; {
		case i+1 < n || over:
			stops[i].Sign, stops[i].Tone = sheet.Tick, sheet.Good
		case i+1 == n:
			stops[i].Sign, stops[i].Tone = sheet.Disc, sheet.Accent
		}
	}
	b.Journey(stops)
}

// now writes what the lesson waits for, or how it ended.
func (d *lessons) now(b *sheet.Builder, r *session.ScriptRun) {
	b.Gap(4)
	q, answered := r.Question()
	text, paused := r.Paused()
	switch {
	case errors.Is(r.Err(), scenario.ErrLeft):
		b.Text(words.L("You have left the lesson. What you have done of it is kept; the network goes on: try things out."), sheet.Style{Size: 11.5, Tone: sheet.Quiet})
	case errors.Is(r.Err(), context.Canceled):
		b.Text(words.L("The lesson was stopped."), sheet.Style{Size: 11.5, Tone: sheet.Quiet})
	case r.Err() != nil:
		b.Box(sheet.Bad, func() { b.Text(explained(r.Err()), sheet.Style{Size: 11.5}) })
	case !r.Running():
		right, asked := r.Score()
		b.Text(words.L("The lesson is over. {{.Right}} of {{.Asked}} questions answered rightly. The network goes on: try things out.",
			map[string]any{"Right": right, "Asked": asked}), sheet.Style{Size: 11.5, Tone: sheet.Good})
	case q != nil && !answered:
		b.Box(sheet.Accent, func() {
			b.Text(words.Say(q.Text), sheet.Style{Size: 11.5, Bold: true})
			for i, o := range q.Options {
				b.Gap(5)
				b.LinkText(string(rune('A'+i))+"  "+words.Say(o), sheet.Style{Size: 11.5, Tone: sheet.Accent}, func() { r.Answer(i); d.update() })
			}
		})
	case r.Task() != nil:
		b.Box(sheet.Accent, func() {
			b.Text(words.L("Your turn"), sheet.Style{Bold: true, Tone: sheet.Accent})
			b.Text(words.Say(r.Task().Text), sheet.Style{Size: 11.5})
			if hint := words.Say(r.Task().Hint); hint != "" {
				b.Text(hint, sheet.Style{Tone: sheet.Quiet})
			}
		})
	case paused && text.ID != "":
		b.Text(words.Say(text), sheet.Style{Size: 11.5})
	}
}

func (d *lessons) buttons(l *session.Lesson, r *session.ScriptRun) []sheet.Action {
	var out []sheet.Action
	if _, paused := r.Paused(); paused {
		out = append(out, sheet.Action{Label: words.L("Go on"), Tone: sheet.Accent, On: true, Do: func() { r.Continue(); d.update() }})
	}
	if t := r.Task(); t != nil && t.Do != nil {
		out = append(out, sheet.Action{Label: words.L("Show me"), Do: t.Do})
	}
	out = append(out, sheet.Action{Label: words.L("Start again"), Do: func() { d.open(l.Name) }})
	if r.Running() {
		out = append(out, sheet.Action{Label: words.L("Leave the lesson"), Do: func() { d.s.LeaveScript(); d.update() }})
	} else if next, ok := session.NextLesson(d.s.Settings(), l.Name); ok && r.Err() == nil {
		out = append(out, sheet.Action{Label: words.L("Next lesson"), Tone: sheet.Accent, On: true, Do: func() { d.open(next.Name) }})
	}
	return out
}

func (d *lessons) narration(b *sheet.Builder, r *session.ScriptRun) {
	said := r.Said()
	if len(said) == 0 {
		return
	}
	b.Section(words.L("So far"), "", sheet.Quiet, nil)
	said = said[max(0, len(said)-maxNarration):]
	for i := len(said) - 1; i >= 0; i-- {
		s := sheet.Style{Size: 11.5, Tone: sheet.Quiet}
		if i == len(said)-1 {
			s.Tone = sheet.Plain
		}
		b.Text(words.Say(said[i]), s)
		b.Gap(6)
	}
}
