package window

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/network"
)

// startingView is what is seen while a network starts: each step with its time.
type startingView struct {
	s       *Shell
	ctx     context.Context
	cancel  context.CancelFunc
	again   func()
	object  fyne.CanvasObject
	steps   *look.Steps
	list    []look.Step
	current *look.Text
	elapsed *look.Text
	took    time.Duration
	shown   string
	began   time.Time
}

// maxSteps bounds the list of steps: a large network has hundreds, of which the last
// count.
const maxSteps = 14

func (s *Shell) showStarting(title, summary string) *startingView {
	v := &startingView{s: s, steps: look.NewSteps(), current: look.Body(lang.L("Starting ...")).Toned(look.Quiet), elapsed: look.Mono("").Toned(look.Quiet), began: time.Now()}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	stop := look.Secondary(lang.L("Stop"), v.cancel)
	content := look.Column(12,
		look.Column(2, look.Title(title), look.Muted(summary).Wrapped()),
		v.steps,
		look.Line(v.current, v.elapsed),
		look.Row(8, stop))
	v.object = look.Middle(look.Sized(520, 0, look.Card(look.Inset(8, 8, content))))
	s.start, s.starting = nil, v
	s.setContent(v.object)
	return v
}

// step adds a step that is done.
func (v *startingView) step(step network.Step) {
	v.list = append(v.list, look.Step{Text: step.Name, Time: clock(step.Took), Done: true})
	if len(v.list) > maxSteps {
		v.list = v.list[1:]
	}
	v.steps.Set(v.list)
}

// note shows how far something without steps is.
func (v *startingView) note(text string) { v.current.SetText(text) }

func (v *startingView) tick(dt time.Duration) {
	v.took += dt
	// Ten different texts a second would fill the cache of texts.
	if text := fmt.Sprintf("%d s", int(v.took.Seconds())); text != v.shown && v.took > time.Second {
		v.shown = text
		v.elapsed.SetText(text)
	}
}

// over ends the view: true if there is a session to show now.
func (v *startingView) over(n *session.Session, err error) bool {
	s := v.s
	mine := s.starting == v
	v.cancel()
	if !mine {
		if n != nil {
			go n.Close(context.Background())
		}
		return false
	}
	s.starting = nil
	if err == nil {
		return true
	}
	if errors.Is(err, context.Canceled) {
		s.showStart()
		return false
	}
	v.fail(err)
	return false
}

// fail shows what happened, why, and what to do, in place of the steps' foot.
func (v *startingView) fail(err error) {
	t := session.Explain(err)
	actions := []fyne.CanvasObject{look.Secondary(lang.L("Start screen"), v.s.showStart)}
	if v.again != nil {
		actions = append(actions, look.Primary(lang.L("Try again"), v.again))
	}
	box := look.ErrorBox(lang.L("It could not be started"), t.What, t.Remedy, actions...)
	v.list = append(v.list, look.Step{Text: lang.L("failed"), Bad: true})
	v.steps.Set(v.list)
	v.s.setContent(look.Middle(look.Sized(560, 0, container.NewVBox(v.steps, look.Gap(0, 10), box))))
}

// clock writes how long a step took.
func clock(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
