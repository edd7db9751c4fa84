package window

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network"
)

// startingView is what is seen while a network starts or a file is read: each step with
// its time, and of the one that is under way since when and what it waits for.
type startingView struct {
	*waiting
	s       *Shell
	ctx     context.Context
	cancel  context.CancelFunc
	again   func()
	file    string // that is read, "" for a network that starts
	steps   *look.Steps
	list    []look.Step // that are done
	watch   *session.StartWatch
	step    string        // that is under way, "" between two
	since   time.Duration // of the screen's time, when it began
	why     string        // what is odd about it
	long    *look.Text    // what it waits for
	seconds int           // that the steps show of it
	given   bool          // it is given up, and stops
	left    int           // nodes that the view says still run
}

// maxSteps bounds the list of steps: a large network has hundreds, of which the last
// count.
const maxSteps = 14

// longStep is from when on a step says what it waits for.
const longStep = 3 * time.Second

func (s *Shell) showStarting(title, summary, current string) *startingView {
	s.dropStarting()
	v := &startingView{s: s, steps: look.NewSteps(), watch: &session.StartWatch{}, long: look.Muted("").Wrapped(), left: -1}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	v.long.Hide()
	v.waiting = newWaiting(title, summary, current, look.Column(6, v.steps, v.long), look.Secondary(words.L("Stop"), v.giveUp))
	s.start, s.starting = nil, v
	s.setContent(v.object)
	return v
}

// run makes a session in the background and calls show with it on this goroutine.
func (v *startingView) run(open func(ctx context.Context) (*session.Session, error), show func(*session.Session)) {
	v.s.aside.Go(func() {
		n, err := open(v.ctx)
		if n != nil && v.ctx.Err() != nil { // it came too late
			err = errors.Join(v.ctx.Err(), n.Close(context.Background()))
			n = nil
		}
		v.s.do(func() {
			if v.over(n, err) {
				v.s.endSession(func() { show(n) })
			}
		})
	})
}

// dropStarting gives up what is being started; it cleans up after itself.
func (s *Shell) dropStarting() {
	if s.starting != nil {
		s.starting.cancel()
		s.starting = nil
	}
}

// giveUp stops what is being started, and shows that it does: what runs already has to end.
func (v *startingView) giveUp() {
	v.given, v.step = true, ""
	v.cancel()
	title, summary := words.L("Stopping the network ..."), stoppingText()
	if v.file != "" {
		title, summary = filepath.Base(v.file), ""
	}
	v.waiting = newWaiting(title, summary, words.L("What was begun is being undone."), v.long, look.Secondary(words.L("Close the program now"), v.s.force))
	v.s.setContent(v.object)
	v.tick(0)
}

// begins hears of a step that begins.
func (v *startingView) begins(step string) {
	v.step, v.since, v.why, v.seconds = step, v.took, "", 0
	v.showSteps()
}

// done adds a step that is done.
func (v *startingView) done(step network.Step) {
	v.step = ""
	v.list = append(v.list, look.Step{Text: words.Now().StartStep(step.Name), Time: clock(step.Took), Done: true})
	if len(v.list) > maxSteps {
		v.list = v.list[1:]
	}
	v.showSteps()
}

// waits hears what is odd about a step that takes long.
func (v *startingView) waits(step, why string) {
	if step == v.step {
		v.why = why
		v.tick(0)
	}
}

// showSteps lists what is done and what is under way.
func (v *startingView) showSteps() {
	list := v.list
	if v.step != "" {
		now := look.Step{Text: words.Now().StartStep(v.step)}
		if v.seconds > 0 {
			now.Time = fmt.Sprintf("%d s", v.seconds)
		}
		list = append(list[:len(list):len(list)], now)
	}
	v.steps.Set(list)
}

// tick brings times, and what is waited for, up to date.
func (v *startingView) tick(dt time.Duration) {
	v.waiting.tick(dt)
	if v.given {
		v.tellLeft(v.watch.Left())
		return
	}
	under := v.took - v.since
	if s := int(under.Seconds()); v.step != "" && s != v.seconds {
		v.seconds = s
		v.showSteps()
	}
	text := ""
	if v.step != "" && under >= longStep {
		text = partsText(v.watch.Parts(), v.why)
	}
	v.long.SetText(text)
	look.Show(v.long, text != "")
}

// tellLeft says which nodes of a start that was given up still run.
func (v *startingView) tellLeft(left []string) {
	if len(left) == v.left {
		return
	}
	v.left = len(left)
	text := ""
	if v.left > 0 {
		text = leftText(left, view.NamesOf(left, nil))
	}
	v.long.SetText(text)
	look.Show(v.long, text != "")
}

// partsText says how far a long step is, by the parts of the start, and what is odd.
func partsText(p session.Parts, why string) string {
	parts := []string{words.L("{{.N}} of {{.All}} nodes ready", p.Nodes, p.OfNodes)}
	if p.OfImages > 0 {
		parts = append(parts, words.L("{{.N}} of {{.All}} images made", p.Images, p.OfImages))
	}
	if p.OfChaincodes > 0 {
		parts = append(parts, words.L("chaincode runs at {{.N}} of {{.All}} places", p.Chaincodes, p.OfChaincodes))
	}
	if p.Failed > 0 {
		parts = append(parts, words.L("it could not be started at {{.N}} places", p.Failed))
	}
	if why == "" && p.Failed == 0 {
		why = words.L("nothing is odd, it takes its time")
	}
	if why != "" {
		parts = append(parts, why)
	}
	return view.Sentence(strings.Join(parts, "; "))
}

// note shows how far something without steps is.
func (v *startingView) note(text string) { v.current.SetText(text) }

// over ends the view: true if there is a session to show now. One that nobody waits for
// any more is closed.
func (v *startingView) over(n *session.Session, err error) bool {
	s := v.s
	v.cancel()
	if s.starting != v || s.leaving {
		if n != nil {
			s.closeAside(n)
		}
		if s.starting == v {
			s.starting = nil
			s.quit()
		}
		return false
	}
	s.starting = nil
	switch {
	case err == nil:
		return true
	case v.file != "" || errors.Is(err, context.Canceled):
		s.back()
		if !errors.Is(err, context.Canceled) {
			s.openFailed(v.file, err)
		}
	default:
		v.fail(err)
	}
	return false
}

// back shows what was there before: a session goes on while a file is read.
func (s *Shell) back() {
	if s.session == nil {
		s.showStart()
		return
	}
	s.setContent(s.main.content())
}

// fail shows what happened, why, and what to do, in place of the steps' foot.
func (v *startingView) fail(err error) {
	t := session.Explain(err)
	actions := []fyne.CanvasObject{look.Secondary(words.L("Start screen"), v.s.showStart)}
	if v.again != nil {
		actions = append(actions, look.Primary(words.L("Try again"), v.again))
	}
	box := look.ErrorBox(words.L("It could not be started"), t.What, t.Remedy, actions...)
	failed := words.L("failed")
	if v.step != "" {
		failed = words.Now().StartStep(v.step) + ": " + failed
	}
	v.list = append(v.list, look.Step{Text: failed, Bad: true})
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
