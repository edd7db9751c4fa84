package paint_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

// An animation shows, frame by frame, what was drawn; what stands still is not repeated.
func TestGIF(t *testing.T) {
	th := paint.Dark()
	pic := newPicture(300, 120)
	draw := func(i int) *image.RGBA {
		m := paint.NewImage(pic)
		m.Rect(view.Rect{W: 300, H: 120}, 0, paint.Style{Fill: th.Ground})
		m.Text(view.Point{X: 10, Y: 20}, "peer0.org1 endorses", th.Sans(13), th.Text)
		x := float64(min(i, 20)) * 12
		paint.DrawDot(m, paint.Dot{Class: view.Write, Size: 12}, view.Point{X: 20 + x, Y: 60}, th)
		return pic
	}
	const n = 30
	var b bytes.Buffer
	if err := paint.WriteGIF(&b, n, 50*time.Millisecond, draw); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 40_000 {
		t.Errorf("%d bytes for 30 small pictures", b.Len())
	}
	g, err := gif.DecodeAll(&b)
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for _, d := range g.Delay {
		whole += d
	}
	if len(g.Image) != 21 || whole != n*5 {
		t.Errorf("%d pictures in %d hundredths of a second; want 21 in %d", len(g.Image), whole, n*5)
	}
	screen := newPicture(300, 120)
	for i, part := range g.Image {
		for y := part.Rect.Min.Y; y < part.Rect.Max.Y; y++ {
			for x := part.Rect.Min.X; x < part.Rect.Max.X; x++ {
				if c := color.RGBAModel.Convert(part.At(x, y)).(color.RGBA); c.A > 0 {
					screen.SetRGBA(x, y, c)
				}
			}
		}
		want := draw(i)
		for j := range want.Pix {
			if d := int(want.Pix[j]) - int(screen.Pix[j]); d > 24 || d < -24 {
				t.Fatalf("picture %d differs by %d at byte %d", i, d, j)
			}
		}
	}
}

// Too much is refused with what to do.
func TestGIFBounds(t *testing.T) {
	err := paint.WriteGIF(&bytes.Buffer{}, 100_000, time.Second, func(int) *image.RGBA { return newPicture(1, 1) })
	if !errors.Is(err, paint.ErrTooLong) {
		t.Errorf("got %v", err)
	}
	if err := paint.WriteGIF(&bytes.Buffer{}, 0, time.Second, nil); err == nil {
		t.Error("no picture at all was accepted")
	}
}
