package paint

import "github.com/fabriscope/fabriscope/app/view"

// FooterHigh is how high a footer is: two lines of a caption, or three smaller ones.
const FooterHigh = 46.0

// DrawFooter writes below a picture that leaves the window which moment it shows, and what
// happens there.
func DrawFooter(c Canvas, r view.Rect, moment, caption string, th *Theme) {
	c.Rect(r, 0, Style{Fill: th.Panel})
	c.Rect(view.Rect{X: r.X, Y: r.Y, W: r.W, H: 1}, 0, Style{Fill: th.Line})
	when, says := Font{Size: 12, Mono: true}, Font{Size: 13}
	x := r.X + 16
	x += c.Text(view.Point{X: x, Y: Baseline(r.Y+r.H/2, when)}, moment, when, th.Muted) + 16
	width, pitch := max(1, r.X+r.W-16-x), 18.0
	lines := Wrap(caption, says, width, 0)
	if len(lines) > 2 {
		says.Size, pitch = 11, 14
		lines = Wrap(caption, says, width, 3)
	}
	for i, line := range lines {
		y := r.Y + r.H/2 + (float64(i)-float64(len(lines)-1)/2)*pitch
		c.Text(view.Point{X: x, Y: Baseline(y, says)}, line, says, th.Text)
	}
}
