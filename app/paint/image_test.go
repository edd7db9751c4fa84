package paint_test

import (
	"fmt"
	"image/color"
	"math"
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

var red = color.NRGBA{R: 255, A: 255}

// The ink of a shape is its area.
func TestAreas(t *testing.T) {
	at := view.Point{X: 30.3, Y: 29.6}
	for name, c := range map[string]struct {
		draw func(paint.Canvas)
		want float64
	}{
		"rectangle": {func(c paint.Canvas) { c.Rect(view.Rect{X: 5.25, Y: 6.5, W: 20.5, H: 10.25}, 0, paint.Style{Fill: red}) }, 20.5 * 10.25},
		"rounded":   {func(c paint.Canvas) { c.Rect(view.Rect{X: 5, Y: 6, W: 40, H: 20}, 6, paint.Style{Fill: red}) }, 800 - (4-math.Pi)*36},
		"frame": {func(c paint.Canvas) {
			c.Rect(view.Rect{X: 10, Y: 10, W: 40, H: 30}, 0, paint.Style{Stroke: red, Width: 2})
		}, 2 * 140},
		"disc": {func(c paint.Canvas) { c.Circle(at, 12, paint.Style{Fill: red}) }, math.Pi * 144},
		"ring": {func(c paint.Canvas) { c.Circle(at, 12, paint.Style{Stroke: red, Width: 3}) }, math.Pi * 2 * 12 * 3},
		"triangle": {func(c paint.Canvas) {
			c.Path([]view.Point{{X: 5, Y: 5}, {X: 45, Y: 10}, {X: 10, Y: 50}}, true, paint.Style{Fill: red})
		}, 0.5 * (40*45 - 5*5)},
		"line": {func(c paint.Canvas) {
			c.Path([]view.Point{{X: 10, Y: 10}, {X: 40, Y: 50}}, false, paint.Style{Stroke: red, Width: 2})
		}, 50*2 + math.Pi},
		"corner": {func(c paint.Canvas) {
			c.Path([]view.Point{{X: 10, Y: 10.5}, {X: 40, Y: 10.5}, {X: 40, Y: 45}}, false, paint.Style{Stroke: red, Width: 4})
		}, 30*4 + 34.5*4 - 4 + math.Pi + 0.0 + math.Pi*4*3/4},
		"beyond the edge": {func(c paint.Canvas) { c.Rect(view.Rect{X: -100, Y: -100, W: 120, H: 130}, 0, paint.Style{Fill: red}) }, 20 * 30},
		"slanted outside": {func(c paint.Canvas) {
			c.Path([]view.Point{{X: -60, Y: 0}, {X: 60, Y: 0}, {X: -60, Y: 60}}, true, paint.Style{Fill: red})
		}, 60 * 30 / 2},
	} {
		pic := newPicture(60, 60)
		c.draw(paint.NewImage(pic))
		sum := 0.0
		for i := 3; i < len(pic.Pix); i += 4 {
			sum += float64(pic.Pix[i]) / 255
		}
		if math.Abs(sum-c.want) > 0.02*c.want+1.5 {
			t.Errorf("%s: %.1f pixels of ink, want %.1f", name, sum, c.want)
		}
	}
}

// A frame along the axes is crisp: no pixel is half painted.
func TestFramesAreCrisp(t *testing.T) {
	pic := newPicture(60, 60)
	paint.NewImage(pic).Rect(view.Rect{X: 10.3, Y: 9.8, W: 30.1, H: 20.4}, 0, paint.Style{Stroke: red, Width: 1})
	for i := 3; i < len(pic.Pix); i += 4 {
		if a := pic.Pix[i]; a != 0 && a != 255 {
			t.Fatalf("pixel %d has opacity %d", i/4, a)
		}
	}
}

// No number, however strange, leaves the picture or hangs.
func FuzzShapes(f *testing.F) {
	f.Add(10.0, 10.0, 20.0, 20.0, 5.0, 2.0)
	f.Add(math.NaN(), math.Inf(1), 1e300, -1e300, math.Inf(-1), 1e-300)
	f.Add(-1e9, -1e9, 2e9, 2e9, 1e9, 0.001)
	f.Fuzz(func(t *testing.T, x, y, w, h, r, width float64) {
		pic := newPicture(40, 40)
		m := paint.NewImage(pic)
		defer m.Clip(view.Rect{X: 5, Y: 5, W: 30, H: 30})()
		for _, dash := range []float64{0, width} {
			s := paint.Style{Fill: red, Stroke: red, Width: width, Dash: dash}
			m.Rect(view.Rect{X: x, Y: y, W: w, H: h}, r, s)
			m.Circle(view.Point{X: x, Y: y}, r, s)
			m.Path([]view.Point{{X: x, Y: y}, {X: w, Y: h}, {X: r, Y: width}}, dash == 0, s)
		}
		var sprites paint.Sprites
		sprites.Stamp(pic, paint.Dot{Class: view.Read, Size: math.Mod(math.Abs(w), 100)}, view.Point{X: x, Y: y}, paint.Dark())
		for _, i := range []int{0, 39 * 4, len(pic.Pix) - 4} {
			if pic.Pix[i+3] != 0 && !(math.Abs(x) < 200 || math.Abs(y) < 200) {
				t.Fatalf("ink in the corner %d", i)
			}
		}
	})
}

func BenchmarkShapes(b *testing.B) {
	for name, draw := range map[string]func(paint.Canvas){
		"large frame": func(c paint.Canvas) {
			c.Rect(view.Rect{X: 10, Y: 10, W: 1000, H: 700}, 10, paint.Style{Stroke: red, Width: 1.5})
		},
		"card": func(c paint.Canvas) {
			c.Rect(view.Rect{X: 10, Y: 10, W: 160, H: 80}, 8, paint.Style{Fill: black, Stroke: red, Width: 1.5})
		},
		"long line": func(c paint.Canvas) {
			c.Path([]view.Point{{X: 10, Y: 10}, {X: 1000, Y: 700}}, false, paint.Style{Stroke: red, Width: 1.5})
		},
		"bar": func(c paint.Canvas) {
			c.Rect(view.Rect{X: 10.4, Y: 10, W: 60, H: 10}, 2, paint.Style{Fill: paint.Alpha(red, 0.4), Stroke: red, Width: 1})
		},
	} {
		b.Run(name, func(b *testing.B) {
			m := paint.NewImage(newPicture(1200, 800))
			for b.Loop() {
				draw(m)
			}
		})
	}
}

// A thousand dots are the most that a stage shows.
func BenchmarkStamp(b *testing.B) {
	for _, size := range []float64{8, 12} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			pic := newPicture(1200, 800)
			var s paint.Sprites
			th := paint.Dark()
			i := 0
			for b.Loop() {
				i++
				s.Stamp(pic, paint.Dot{Class: view.Class(i % 7), Size: size}, view.Point{X: float64(i%1150) + 20.3, Y: float64(i%750) + 20.6}, th)
			}
		})
	}
}
