package paint

import (
	"image/color"

	"github.com/fabriscope/fabriscope/app/view"
)

//go:generate go test -run TestAppIcon -update .

// AppIcon draws the application's icon: threads woven over and under each other, and a
// block where two of them meet. assets/icon holds it as SVG and PNG.
func AppIcon(c Canvas, size float64) {
	th := Dark()
	u := size / 64
	c.Rect(view.Rect{X: 2 * u, Y: 2 * u, W: 60 * u, H: 60 * u}, 14*u, Style{Fill: th.Panel})
	c.Rect(view.Rect{X: 2.75 * u, Y: 2.75 * u, W: 58.5 * u, H: 58.5 * u}, 13.25*u, Style{Stroke: th.Line, Width: 1.5 * u})

	const wide, gap = 5.2, 1.8
	across, down := []float64{18, 32, 46}, []float64{23.5, 40.5}
	box := func(x, y, w, h float64, colour color.NRGBA) {
		c.Rect(view.Rect{X: (x - w/2) * u, Y: (y - h/2) * u, W: w * u, H: h * u}, 0, Style{Fill: colour})
	}
	thread := func(x0, y0, x1, y1 float64) {
		c.Path([]view.Point{{X: x0 * u, Y: y0 * u}, {X: x1 * u, Y: y1 * u}}, false, Style{Stroke: th.Accent, Width: wide * u})
	}
	for _, x := range down {
		thread(x, 11, x, 53)
	}
	for _, y := range across {
		thread(12, y, 52, y)
	}
	// Where a thread goes over another one, the lower one has gaps beside it.
	for i, x := range down {
		for j, y := range across {
			if (i+j)%2 == 0 {
				box(x, y, wide+2*gap, wide+0.8, th.Panel)
				box(x, y, wide, wide+2, th.Accent)
			} else {
				box(x, y, wide+0.8, wide+2*gap, th.Panel)
				box(x, y, wide+2, wide, th.Accent)
			}
		}
	}
	block := view.Point{X: down[1] * u, Y: across[1] * u}
	Shape(c, view.Block, block, (16+2*gap)*u, th.Panel)
	Shape(c, view.Block, block, 15*u, th.Class(view.Block))
}
