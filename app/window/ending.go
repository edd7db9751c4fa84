package window

import (
	"strings"
	"time"

	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

// endingView is what is seen while a network stops: which nodes still run, and a way not
// to wait for them.
type endingView struct {
	*waiting
	closing *session.Closing
	names   view.Names
	left    *look.Text
	shown   int // nodes that left counts
	then    func()
}

// maxLeft bounds the names of nodes that are shown while they stop.
const maxLeft = 8

// endSession ends the session, if there is one, and calls then when it has ended. The
// window does not wait: it shows meanwhile what is still closing. Asked again meanwhile,
// it does what was asked for last.
func (s *Shell) endSession(then func()) {
	switch {
	case s.ending != nil:
		s.ending.then = then
		return
	case s.session == nil:
		then()
		return
	}
	n := s.session
	s.closePopups()
	if s.main != nil {
		s.main.close()
	}
	s.session, s.main, s.lesson = nil, nil, nil
	closing := s.closeAside(n)
	if n.Kind != session.Live { // nothing runs that a next session could meet
		then()
		return
	}
	v := &endingView{closing: closing, names: n.World.Names(), left: look.Muted("").Wrapped(), shown: -1, then: then}
	v.waiting = newWaiting(n.Name(), stoppingText(),
		words.L("Stopping the network ..."), v.left, look.Secondary(words.L("Close the program now"), s.force))
	v.tick(0)
	s.ending = v
	s.setContent(v.object)
	s.win.SetTitle("Fabriscope")
	go func() {
		<-closing.Done()
		s.do(func() { s.ended(v) })
	}()
}

// stoppingText says what becomes of what does not stop.
func stoppingText() string {
	return words.L("What does not stop in time is killed. Who does not wait may have to end what still runs by hand.")
}

// ended goes on to what was asked for.
func (s *Shell) ended(v *endingView) {
	if s.ending != v {
		return
	}
	s.ending = nil
	if s.leaving {
		s.quit()
		return
	}
	v.then()
}

// closeAside closes a session in the background; Close waits for it.
func (s *Shell) closeAside(n *session.Session) *session.Closing {
	closing := n.BeginClose()
	s.aside.Go(func() {
		<-closing.Done()
		if err := closing.Err(); err != nil {
			fyne.LogError("the session did not end in order", err)
		}
	})
	return closing
}

// force closes the program without waiting for what still runs.
func (s *Shell) force() {
	s.forced = true
	s.quit()
}

// leave ends the session and then the application; asked again, it goes on waiting.
func (s *Shell) leave() {
	if s.leaving {
		return
	}
	s.leaving = true
	s.keepSize()
	if v := s.starting; v != nil { // its end is the application's, see over
		v.giveUp()
		return
	}
	s.endSession(s.quit)
}

func (v *endingView) tick(dt time.Duration) {
	v.waiting.tick(dt)
	left := v.closing.Left()
	if len(left) == v.shown {
		return
	}
	v.shown = len(left)
	if v.shown == 0 {
		v.left.SetText(words.L("All nodes have stopped; what was under way is being ended."))
		return
	}
	v.left.SetText(leftText(left, v.names))
}

// leftText says which nodes still run.
func leftText(left []string, short view.Names) string {
	names := make([]string, 0, maxLeft)
	for _, name := range left[:min(len(left), maxLeft)] {
		names = append(names, short.Short(name))
	}
	if len(left) > maxLeft {
		names = append(names, "...")
	}
	return words.L("{{.N}} nodes still run: {{.Names}}", map[string]any{"N": len(left), "Names": strings.Join(names, ", ")})
}
