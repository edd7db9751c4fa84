package window

import (
	"fmt"
	"image/color"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

// clientDrawer is the number of the drawer that calls chaincode.
const clientDrawer = 2

// replayStrip is the line at the stage's foot that invites to a first transaction, says that
// it is under way, and goes with it through its replay.
type replayStrip struct {
	s       *Shell
	m       *mainView
	object  *fyne.Container
	content *fyne.Container
	text    *look.Text
	shown   session.Guidance
	tx      string
	narrow  bool // the buttons stand below the text, without their keys
}

// leastBeside is the width from which on text and buttons stand beside one another.
const leastBeside = 560

func newReplayStrip(s *Shell, m *mainView) *replayStrip {
	r := &replayStrip{s: s, m: m, content: container.NewStack(), text: look.Body("").Wrapped()}
	plane := look.NewPlane(10, func(k *paint.Theme) color.NRGBA { return k.Panel }, func(k *paint.Theme) color.NRGBA { return k.Accent })
	r.object = container.NewStack(plane.Thick(1.5), look.Inset(14, 8, r.content))
	r.object.Hide()
	return r
}

// update follows the session, and says whether the strip comes, goes or changes its form.
func (r *replayStrip) update() {
	stage := r.m.n.Replays.Guidance()
	tx, _ := r.m.n.Replays.Tx()
	if stage != r.shown || tx != r.tx && stage >= session.Replaying {
		began := stage == session.Replaying && (r.shown != stage || tx != r.tx)
		r.shown, r.tx = stage, tx
		if began {
			r.m.follows, r.m.span = true, 0
			if c := r.s.win.Canvas(); c.Overlays().Top() == nil {
				c.Unfocus() // so that keys go to the replay, not into a field
			}
		}
		r.text.SetText(r.said())
		r.fill()
		r.m.arrange()
		return
	}
	if said := r.said(); said != r.text.Text() {
		r.text.SetText(said)
		r.m.arrange() // it may need another line
	}
}

// fill puts text and buttons into the strip.
func (r *replayStrip) fill() {
	form := fyne.CanvasObject(container.NewBorder(nil, nil, nil, look.Middle(r.buttons()), look.MiddleWide(r.text)))
	if r.narrow {
		form = look.Column(6, r.text, r.buttons())
	}
	r.content.Objects = []fyne.CanvasObject{form}
	r.content.Refresh()
}

// said is what the strip says now.
func (r *replayStrip) said() string {
	n := r.m.n
	tx, outcome := n.Replays.Tx()
	switch r.shown {
	case session.Invited:
		if c, ok := n.FirstCall(); ok {
			return words.L("The network runs. Submit your first transaction: {{.Call}}.", session.CallText(c))
		}
		return words.L("The network runs. Submit your first transaction.")
	case session.Underway:
		text := words.L("Your transaction is on its way.")
		if s := int(n.Replays.Took().Seconds()); s >= 3 {
			text = words.L("Your transaction has been on its way for {{.N}} seconds.", s) + " " + whyWaiting(n)
		}
		return text
	case session.Replaying:
		return words.L("A transaction in slow motion: 1 s shows {{.Time}}. The network goes on meanwhile.", view.SpanText(n.Playhead.Scale))
	case session.Replayed:
		if outcome != nil {
			return words.L("That was your transaction. {{.Outcome}}", outcome.Text)
		}
		return words.L("That was transaction {{.Tx}}.", view.ShortID(tx))
	}
	return ""
}

// buttons are what can be done now, each with its key.
func (r *replayStrip) buttons() fyne.CanvasObject {
	s := r.s
	row := look.Row(6)
	offer := func(make func(string, func()) *look.Button, text, key string, do func()) {
		if !r.narrow {
			text = words.L("{{.Text}} ({{.Key}})", text, key)
		}
		row.Add(look.Middle(make(text, do)))
	}
	switch r.shown {
	case session.Invited:
		if _, ok := r.m.n.FirstCall(); ok {
			offer(look.Primary, words.L("Submit"), "S", s.submitFirst)
			offer(look.Secondary, words.L("Another one"), fmt.Sprint(clientDrawer), s.openClient)
		} else {
			offer(look.Primary, words.L("Choose a function"), "S", s.openClient)
		}
	case session.Replaying:
		offer(look.Secondary, words.L("Slower"), "-", func() { s.scale(0.5) })
		offer(look.Secondary, words.L("Faster"), "+", func() { s.scale(2) })
		offer(look.Secondary, words.L("Live"), "L", s.goLive)
	case session.Replayed:
		offer(look.Primary, words.L("Again"), "A", s.replay)
		offer(look.Secondary, words.L("Step"), "→", s.stepReplay)
		if r.m.n.Running() {
			offer(look.Secondary, words.L("Live"), "L", s.goLive)
		}
	}
	row.Add(look.Middle(look.IconButton("cross", words.L("Close"), r.dismiss)))
	return row
}

func (r *replayStrip) dismiss() {
	r.m.n.Replays.Dismiss()
	r.update()
}

// place puts the strip at the foot of the stage's room and gives the height that it takes.
func (r *replayStrip) place(x, y, w, h float32) float32 {
	margin := look.Px(8)
	width := w - 2*margin
	if narrow := width < look.Px(leastBeside); narrow != r.narrow {
		r.narrow = narrow
		r.fill()
	}
	r.object.Resize(fyne.NewSize(width, r.object.Size().Height)) // lines break at it
	height := min(r.object.MinSize().Height, h*0.6)
	r.object.Resize(fyne.NewSize(width, height))
	r.object.Move(fyne.NewPos(x+margin, y+h-height-margin))
	return height + margin
}

// submitFirst submits the transaction that the strip invites to.
func (s *Shell) submitFirst() {
	if s.session.Replays.Guidance() != session.Invited {
		return
	}
	if !s.session.Replays.SubmitFirst(s.showError) {
		s.openClient()
	}
}

// openClient opens the drawer in which transactions are submitted.
func (s *Shell) openClient() {
	if !s.presenter && s.main.rail.open != clientDrawer {
		s.main.rail.toggle(clientDrawer)
	}
}

// replay shows the selected transaction in slow motion, or the one that was shown before.
func (s *Shell) replay() {
	r := s.session.Replays
	tx := s.session.Selection().Tx()
	if tx == "" {
		tx, _ = r.Tx()
	}
	if !r.Begin(tx) {
		s.toast(words.L("Select a transaction first."))
		return
	}
	s.main.replay.update()
	s.moved()
}

// stepReplay goes to the beginning of what was replayed, to step through it.
func (s *Shell) stepReplay() {
	s.session.Replays.Step()
	s.moved()
}

// setScale keeps the pace that a person gave to replays apart from that of other times.
func (s *Shell) setScale(scale time.Duration) {
	p := s.session.Playhead
	if p.Scale = scale; s.session.Replays.Guidance() >= session.Replaying {
		s.settings.ReplayNS = int64(scale)
	} else {
		s.settings.ScaleNS = int64(scale)
	}
}
