package window

import (
	"errors"
	"image/color"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// lessonState is what the window remembers of the script that runs: what it said since
// the person last went on, and the option that is marked.
type lessonState struct {
	run     *session.ScriptRun
	texts   []scenario.Text // said since the last pause, question or chapter
	marked  int             // option, -1 none
	askedAt int             // how many of the texts stand before the question
	taskAt  int             // and before the task
	verdict scenario.Text   // about the answer, ID "" while there is none
	right   bool
	started bool // its network runs
	ended   bool
	err     error
	changed int // counts up whenever the card has to look different
}

func newLessonState(run *session.ScriptRun) *lessonState { return &lessonState{run: run, marked: -1} }

// mostTexts is how many sentences stand on the card at a time.
const mostTexts = 4

// lessonHooks keeps the state and the card up to date. All run inside of the session's
// Tick.
func lessonHooks(s *Shell) session.Hooks {
	with := func(f func(l *lessonState)) {
		if l := s.lesson; l != nil {
			f(l)
			l.changed++
			if s.main != nil {
				s.main.card.update()
			}
		}
	}
	return session.Hooks{
		Network: func() { with(func(l *lessonState) { l.started = true }) },
		Chapter: func(scenario.Chapter) {
			with(func(l *lessonState) { l.texts, l.verdict, l.marked = nil, scenario.Text{}, -1 })
		},
		Say: func(text scenario.Text) {
			with(func(l *lessonState) { l.say(text) })
		},
		Ask: func(scenario.Question) {
			with(func(l *lessonState) { l.verdict, l.marked, l.askedAt = scenario.Text{}, -1, len(l.texts) })
		},
		Pause: func(scenario.Text) { with(func(*lessonState) {}) },
		Task:  func(scenario.Task) { with(func(l *lessonState) { l.taskAt = len(l.texts) }) },
		TaskDone: func() {
			with(func(l *lessonState) { l.drop(min(l.taskAt, len(l.texts))) }) // what led to it has been read
			if c := s.win.Canvas(); c.Overlays().Top() == nil {
				c.Unfocus() // so that Space goes on, not into a field
			}
		},
		CloseUp: func(c scenario.CloseUp) {
			with(func(*lessonState) {})
			if s.main != nil {
				s.main.setCloseUp(c.Block, c.Peer)
			}
		},
		End: func(err error) {
			if errors.Is(err, scenario.ErrLeft) {
				s.closeLesson()
				return
			}
			with(func(l *lessonState) { l.ended, l.err = true, err })
		},
	}
}

// say adds a sentence to the card.
func (l *lessonState) say(text scenario.Text) {
	if text.ID == "lesson.right" || text.ID == "lesson.wrong" { // it says the same, and more
		l.texts = slices.DeleteFunc(l.texts, func(t scenario.Text) bool { return t.ID == "window.later" })
	}
	if l.texts = append(l.texts, text); len(l.texts) > mostTexts {
		l.drop(1)
	}
}

// drop forgets the oldest sentences.
func (l *lessonState) drop(n int) {
	l.texts = l.texts[n:]
	l.askedAt, l.taskAt = max(0, l.askedAt-n), max(0, l.taskAt-n)
}

// goOn is what Space does: it confirms a marked answer or continues a pause; false if
// the lesson waits for nothing.
func (l *lessonState) goOn() bool {
	if q, answered := l.run.Question(); q != nil && !answered {
		if l.marked >= 0 {
			l.answer(l.marked)
		}
		return true
	}
	if _, paused := l.run.Paused(); paused {
		l.texts, l.verdict, l.marked = nil, scenario.Text{}, -1
		l.run.Continue()
		l.changed++
		return true
	}
	return false
}

// answer gives the answer and keeps what to say about it.
func (l *lessonState) answer(i int) {
	q, _ := l.run.Question()
	if q == nil {
		return
	}
	right, ok := l.run.Answer(i)
	if !ok {
		return
	}
	l.marked, l.right = i, right
	l.changed++
	switch {
	case q.Later:
		l.verdict = scenario.Text{}
		l.say(q.About("window.later", i))
	case right:
		l.verdict = q.About("window.right", i)
	default:
		l.verdict = q.About("window.wrong", q.Answer)
	}
}

// said is the sentence that a presenter's caption shows: what the lesson pauses with, or
// the newest that it said.
func (l *lessonState) said() string {
	if text, paused := l.run.Paused(); paused && text.ID != "" {
		return words.Say(text)
	}
	if n := len(l.texts); n > 0 {
		return words.Say(l.texts[n-1])
	}
	return ""
}

// beside are the sentences that stand on the card: in presenter mode the one before the
// caption's, since the picture needs the room.
func (l *lessonState) beside(presenter bool) []scenario.Text {
	text, paused := l.run.Paused()
	paused = paused && text.ID != ""
	switch {
	case presenter && !paused && len(l.texts) > 0:
		return l.texts[max(0, len(l.texts)-2) : len(l.texts)-1]
	case presenter:
		return l.texts[max(0, len(l.texts)-1):]
	case !presenter && paused:
		return append(slices.Clone(l.texts), text)
	}
	return l.texts
}

func letter(i int) string { return string(rune('A' + i)) }

// lessonCard is the card that tells, asks and lets go on: at the top of the right column,
// in presenter mode below the stage.
type lessonCard struct {
	s       *Shell
	object  *fyne.Container
	content *fyne.Container
	scroll  *container.Scroll
	empty   bool // in presenter mode, while there is only the caption
	shown   int  // of lessonState.changed
	of      *lessonState
	options []*look.TapCard
}

func newLessonCard(s *Shell) *lessonCard {
	c := &lessonCard{s: s, shown: -1}
	c.content = container.NewStack()
	plane := look.NewPlane(12, func(k *paint.Theme) color.NRGBA { return k.Panel }, func(k *paint.Theme) color.NRGBA { return k.Accent })
	c.scroll = container.NewVScroll(c.content)
	c.object = container.NewStack(plane.Thick(1.5), look.Inset(cardInset, cardInset, c.scroll))
	c.object.Hide()
	return c
}

// update builds the card anew if the lesson is somewhere else.
func (c *lessonCard) update() {
	l := c.s.lesson
	if l == nil || c.of == l && c.shown == l.changed {
		return
	}
	c.of, c.shown = l, l.changed
	c.content.Objects = []fyne.CanvasObject{c.build(l)}
	c.content.Refresh()
	if c.s.main != nil && c.s.main.card == c {
		c.s.main.arrange()
	}
	c.scroll.ScrollToBottom() // the newest, where not all has room
}

func (c *lessonCard) build(l *lessonState) fyne.CanvasObject {
	column := look.Column(8)
	if !c.s.presenter {
		column.Add(c.heading(l))
	}
	c.options = nil
	q, answered := l.run.Question()
	_, paused := l.run.Paused()
	asked := q != nil && (!answered || l.verdict.ID != "")
	texts := l.beside(c.s.presenter)
	for i := range len(texts) + 1 {
		if asked && i == min(l.askedAt, len(texts)) {
			column.Add(c.question(l, q, answered))
		}
		if i < len(texts) {
			column.Add(look.Body(words.Say(texts[i])).Wrapped())
		}
	}
	if task := l.run.Task(); task != nil {
		column.Add(c.task(task))
	}
	switch {
	case paused && c.s.presenter: // the caption says that Space goes on
	case paused:
		column.Add(container.NewHBox(look.Primary(words.L("Go on"), func() { c.s.do1("play") }), look.Middle(look.Muted(words.L("or Space")))))
	case l.ended:
		column.Add(c.ending(l))
	}
	head := 1
	if c.s.presenter {
		head = 0
	}
	if len(column.Objects) == head && !l.started {
		column.Add(look.Muted(words.L("The network is being started ...")))
	}
	// A scenario without narration needs no card, nor does a presenter's caption.
	c.empty = len(column.Objects) == head && (c.s.presenter || l.run.Chapter().Of == 0)
	return column
}

func (c *lessonCard) heading(l *lessonState) fyne.CanvasObject {
	title := words.Say(l.run.Title)
	head := look.Line(look.Muted(title).Cut(), look.IconButton("cross", words.L("End the lesson; the network stays"), c.leave))
	if ch := l.run.Chapter(); ch.Title.ID != "" {
		return look.Column(4, head, chapterDashes(l, 160), look.Gap(0, 2), look.Title(words.Say(ch.Title)).Wrapped())
	}
	return head
}

func (c *lessonCard) question(l *lessonState, q *scenario.Question, answered bool) fyne.CanvasObject {
	title := look.Title(words.Say(q.Text)).Wrapped()
	column := look.Column(5, title)
	for i := range q.Options {
		o := words.Say(q.Options[i])
		tag := look.Sized(22, 22, container.NewStack(look.NewPlane(5, func(k *paint.Theme) color.NRGBA { return k.Sunken }, nil),
			look.Middle(look.Heading(letter(i)))))
		text := look.Body(o).Wrapped()
		if i == l.marked {
			text.Bold()
		}
		var mark fyne.CanvasObject
		if answered && !q.Later {
			switch i {
			case q.Answer:
				mark = look.Middle(look.NewIcon("check", 18, look.Good).Picture)
			case l.marked:
				mark = look.Middle(look.NewIcon("cross", 18, look.Bad).Picture)
			}
		}
		row := look.NewTapOption(o, container.NewBorder(nil, nil, look.Middle(tag), mark, look.MiddleWide(look.Inset(10, 0, text))), func() {
			if !answered {
				l.answer(i)
				c.update()
			}
		})
		row.SetOn(i == l.marked)
		c.options = append(c.options, row)
		column.Add(row)
	}
	switch {
	case l.verdict.ID != "":
		tone := look.Plain // a wrong prediction is no failure
		if l.right {
			tone = look.Good
		}
		column.Add(look.Body(words.Say(l.verdict)).Wrapped().Toned(tone))
	case !c.s.presenter:
		column.Add(look.Muted(words.L("Choose with A, B, C and confirm with Enter.")))
	}
	return column
}

func (c *lessonCard) task(t *scenario.Task) fyne.CanvasObject {
	column := look.Column(6, look.Heading(words.L("Your turn")), look.Body(words.Say(t.Text)).Wrapped())
	if hint := words.Say(t.Hint); hint != "" {
		column.Add(look.Muted(hint).Wrapped())
	}
	if t.Do != nil {
		do := t.Do
		column.Add(container.NewHBox(look.Secondary(words.L("Show me"), func() { go do() }), look.Middle(look.Muted(words.L("or S")))))
	}
	return column
}

// hint is what the person can do now, for the presenter's caption.
func (l *lessonState) hint() string {
	if _, paused := l.run.Paused(); paused {
		return words.L("Space goes on")
	}
	return ""
}

// Sizes of the card, in pixels.
const (
	cardInset  = 16
	cardMargin = 12
	cardWidth  = 900 // at most, in presenter mode
)

// tall is how high the card has to be at a width, to show everything.
func (c *lessonCard) tall(width float32) float32 {
	// Text is wrapped when it gets its width; what it needs is known afterwards.
	for _, o := range c.content.Objects {
		for range 2 {
			o.Resize(fyne.NewSize(width-2*look.Px(cardInset), o.MinSize().Height))
		}
	}
	return c.content.MinSize().Height + 2*look.Px(cardInset) + 1 // what rounding takes
}

// placeBelow puts the card at the foot of the stage's room and gives the height that it
// takes.
func (c *lessonCard) placeBelow(x, y, w, h float32) float32 {
	margin := look.Px(cardMargin)
	width := min(w-2*margin, look.Px(cardWidth))
	height := min(c.tall(width), h*0.72)
	c.object.Resize(fyne.NewSize(width, height))
	c.object.Move(fyne.NewPos(x+(w-width)/2, y+h-height-margin))
	return height + 2*margin
}

// placeAbove puts the card at the top of the right column and gives the height that it
// takes; the inspector has the rest.
func (c *lessonCard) placeAbove(x, y, w, h float32) float32 {
	margin := look.Px(cardMargin)
	width := w - 2*margin
	height := min(c.tall(width), h*0.78)
	c.object.Resize(fyne.NewSize(width, height))
	c.object.Move(fyne.NewPos(x+margin, y+margin))
	return height + 2*margin
}

// typedRune takes the letters of a question's options.
func (c *lessonCard) typedRune(r rune) bool {
	l := c.s.lesson
	if l.over() && (r == 'n' || r == 'N') {
		c.s.nextLesson()
		return true
	}
	q, answered := l.run.Question()
	if q == nil || answered {
		t := l.run.Task()
		if t == nil || t.Do == nil || toLower(r) != 's' {
			return false
		}
		go t.Do()
		return true
	}
	i := strings.IndexRune("abcdefgh", toLower(r))
	if i < 0 || i >= len(q.Options) {
		return false
	}
	if l.marked == i {
		l.answer(i)
	} else {
		l.marked = i
		l.changed++
	}
	c.update()
	return true
}

func toLower(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 32
	}
	return r
}

// typedKey takes Enter and the arrows while a question is open.
func (c *lessonCard) typedKey(k fyne.KeyName) bool {
	l := c.s.lesson
	q, answered := l.run.Question()
	if q == nil || answered {
		if k == fyne.KeyReturn || k == fyne.KeyEnter {
			return l.goOn()
		}
		return false
	}
	switch k {
	case fyne.KeyDown:
		l.marked = (l.marked + 1) % len(q.Options)
	case fyne.KeyUp:
		l.marked = (max(l.marked, 0) + len(q.Options) - 1) % len(q.Options)
	case fyne.KeyReturn, fyne.KeyEnter:
		if l.marked < 0 {
			return true
		}
		l.answer(l.marked)
	default:
		return false
	}
	l.changed++
	c.update()
	return true
}

// chapterDashes shows how far a lesson is: one dash for each chapter.
func chapterDashes(l *lessonState, width float32) fyne.CanvasObject {
	return look.NewPicture(width, 10, func(c paint.Canvas, w, h float64, k *paint.Theme) {
		ch := l.run.Chapter()
		if ch.Of == 0 {
			return
		}
		gap := 6.0
		each := (w - gap*float64(ch.Of-1)) / float64(ch.Of)
		for i := range ch.Of {
			col := k.Line
			switch {
			case i+1 < ch.N || l.ended && l.err == nil:
				col = k.Valid
			case i+1 == ch.N:
				col = k.Accent
			}
			c.Rect(view.Rect{X: float64(i) * (each + gap), Y: h/2 - 2.5, W: each, H: 5}, 2.5, paint.Style{Fill: col})
		}
	})
}
