package window

import (
	"fmt"
	"time"

	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/window/look"
)

// waiting is a card in the middle of the window for something that takes its time: what
// it is, what is being done, for how long, and what a person can do meanwhile.
type waiting struct {
	object  fyne.CanvasObject
	current *look.Text
	elapsed *look.Text
	took    time.Duration
	seconds int // that are shown
}

// newWaiting makes the card; more stands between its title and its foot.
func newWaiting(title, summary, current string, more fyne.CanvasObject, buttons ...fyne.CanvasObject) *waiting {
	w := &waiting{current: look.Body(current).Toned(look.Quiet), elapsed: look.Mono("").Toned(look.Quiet)}
	content := look.Column(12,
		look.Column(2, look.Title(title), look.Muted(summary).Wrapped()),
		more,
		look.Line(w.current, w.elapsed),
		look.Row(8, buttons...))
	w.object = look.Middle(look.Sized(520, 0, look.Card(look.Inset(8, 8, content))))
	return w
}

func (w *waiting) tick(dt time.Duration) {
	w.took += dt
	// Ten different texts a second would fill the cache of texts.
	if s := int(w.took.Seconds()); s != w.seconds {
		w.seconds = s
		w.elapsed.SetText(fmt.Sprintf("%d s", s))
	}
}
