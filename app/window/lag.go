package window

import (
	"fmt"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

// lagNote says in the bar what is missing on the panels: of a network with which the window
// does not keep up, how many events it still has to show and how many have left the memory
// before it could; of a recording, what is damaged.
type lagNote struct {
	look.Press
	s      *Shell
	text   *look.Text
	damage string // of the recording
	waits  string // an action that has been under way for long
}

// longWait is from when on an action says that it is under way, and what it may wait for.
const longWait = 3 * time.Second

// leastBehind is from how many events on the window is behind: it is never quite at the
// newest one while a network works.
const leastBehind = 5_000

func newLagNote(s *Shell) *lagNote {
	n := &lagNote{s: s, text: look.Small("").Toned(look.Warn).Cut()}
	n.Init(n, func() {
		if n.damage != "" {
			s.toast(n.damage)
			return
		}
		if n.waits != "" {
			s.toast(n.waits + ": " + whyWaiting(s.session))
			return
		}
		s.toast(words.L("The network was faster than the window. What was lost is missing on stage, timeline and inspector; a recording holds everything."))
	})
	n.Hide()
	return n
}

// CreateRenderer is Fyne's.
func (n *lagNote) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(n.text) }

func (n *lagNote) update() {
	of := n.s.session
	text := lagText(of.Behind(), of.Lost())
	if of.Kind == session.Recorded {
		n.damage = of.Damage()
		text = n.damage
		if share, read := of.Loading(); !read {
			text = words.L("{{.Share}} read", map[string]any{"Share": fmt.Sprintf("%.0f %%", 100*share)})
		}
	}
	what, since := of.LongestWait()
	if n.waits = waitText(what, time.Since(since)); n.waits != "" {
		text = strings.TrimSuffix(n.waits+", "+text, ", ")
	}
	n.text.SetText(text)
	look.Show(n, text != "")
}

// lagText is what the note says, "" if the window keeps up and has lost nothing.
func lagText(behind, lost uint64) string {
	var parts []string
	if behind >= leastBehind { // in thousands: not another text in every frame
		parts = append(parts, words.L("{{.N}} events behind", map[string]any{"N": view.Thousands(behind / 1000 * 1000)}))
	}
	if lost > 0 {
		parts = append(parts, words.L("{{.N}} events lost", map[string]any{"N": view.Thousands(lost)}))
	}
	return strings.Join(parts, ", ")
}

// waitText says which action has been under way for long, "" if none has.
func waitText(what string, took time.Duration) string {
	if what == "" || took < longWait {
		return ""
	}
	return words.L("{{.What}} for {{.N}} seconds now", what, int(took.Seconds()))
}

// whyWaiting says what of the network can hold up an action.
func whyWaiting(n *session.Session) string {
	var why []string
	if held := len(n.Held()); held > 0 {
		why = append(why, words.L("{{.N}} messages are held", held))
	}
	cut, stopped := 0, 0
	for _, l := range n.Links() {
		if l.Shape.Cut {
			cut++
		}
	}
	for _, node := range n.Nodes() {
		if !node.Running {
			stopped++
		}
	}
	if cut > 0 {
		why = append(why, words.L("{{.N}} links are cut", cut))
	}
	if stopped > 0 {
		why = append(why, words.L("{{.N}} nodes do not run", stopped))
	}
	if len(why) == 0 {
		why = append(why, words.L("nothing is held, cut or stopped; it takes its time"))
	}
	return view.Sentence(strings.Join(why, ", "))
}
