package paint_test

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

var update = flag.Bool("update", false, "write the golden pictures of this package anew")

var classes = []view.Class{view.Plain, view.Proposal, view.Read, view.Write, view.Endorsement, view.Raft, view.Block}

const specimenW, specimenH = 900, 620

// specimen draws one of everything: letters, shapes, icons, frames.
func specimen(c paint.Canvas, th *paint.Theme) {
	c.Rect(view.Rect{W: specimenW, H: specimenH}, 0, paint.Style{Fill: th.Ground})
	y := 30.0
	for _, f := range []paint.Font{th.SansBold(16), th.Sans(13), th.SansBold(13), th.Sans(11), th.SansBold(11), th.Sans(10), th.Mono(13), th.Mono(11), th.MonoBold(11), th.Mono(10)} {
		c.Text(view.Point{X: 20, Y: y}, "Transaction 51c0: AVATAR Type 0O 1lI #42 → ✓ ✗ … · ä ß é", f, th.Text)
		c.Text(view.Point{X: 560, Y: y}, "next block: 2 of 10 tx", f, th.Muted)
		y += 22
	}
	for i, class := range classes {
		x := 30 + float64(i)*60
		paint.DrawDot(c, paint.Dot{Class: class, Size: 12}, view.Point{X: x, Y: y}, th)
		paint.DrawDot(c, paint.Dot{Class: class, Size: 18}, view.Point{X: x + 25, Y: y}, th)
	}
	y += 30
	frames(c, th, y)
	y += 110
	for i, name := range paint.IconNames() {
		at := view.Rect{X: 20 + float64(i%18)*48, Y: y + float64(i/18)*56, W: 24, H: 24}
		paint.Icon(c, name, at, th.Muted, 1.6)
		f := th.Sans(10)
		paint.TextMiddle(c, view.Point{X: at.Center().X, Y: at.Y + 38}, name, f, th.Muted)
	}
}

func frames(c paint.Canvas, th *paint.Theme, y float64) {
	c.Rect(view.Rect{X: 20, Y: y, W: 120, H: 80}, 10, paint.Style{Fill: th.Raised, Stroke: th.Line, Width: 1.5})
	c.Rect(view.Rect{X: 160, Y: y, W: 120, H: 80}, 10, paint.Style{Fill: paint.Alpha(th.Org(0), 0.08), Stroke: th.Org(0), Width: 1.5})
	c.Rect(view.Rect{X: 300, Y: y, W: 120, H: 80}, 10, paint.Style{Stroke: th.Line, Width: 1.5, Dash: 4})
	c.Path([]view.Point{{X: 440, Y: y}, {X: 500, Y: y + 80}, {X: 560, Y: y + 10}}, false, paint.Style{Stroke: th.Class(view.Proposal), Width: 1.5})
	c.Path([]view.Point{{X: 560, Y: y}, {X: 640, Y: y + 80}}, false, paint.Style{Stroke: th.Muted, Width: 1.2, Dash: 3})
	c.Circle(view.Point{X: 690, Y: y + 40}, 30, paint.Style{Fill: th.Selected, Stroke: th.Accent, Width: 2})
	restore := c.Clip(view.Rect{X: 740, Y: y + 10, W: 60, H: 60})
	c.Circle(view.Point{X: 790, Y: y + 40}, 40, paint.Style{Fill: th.Valid})
	c.Text(view.Point{X: 720, Y: y + 44}, "clipped on both sides", th.Sans(13), th.Text)
	restore()
	for i := range 10 {
		c.Rect(view.Rect{X: 820 + float64(i%5)*15, Y: y + float64(i/5)*15, W: 12, H: 12}, 2.5, paint.Style{Fill: th.Valid})
	}
	for i, o := range th.Orgs {
		c.Rect(view.Rect{X: 820 + float64(i%6)*13, Y: y + 40 + float64(i/6)*15, W: 11, H: 11}, 2, paint.Style{Fill: o})
	}
}

func TestSpecimen(t *testing.T) {
	for _, th := range []*paint.Theme{paint.Dark(), paint.Light()} {
		pic := image.NewRGBA(image.Rect(0, 0, specimenW, specimenH))
		specimen(paint.NewImage(pic), th)
		golden(t, "specimen-"+th.Name+".png", pic)
	}
}

// golden compares a picture with the one under testdata. Small differences of single
// channels are allowed: rounding differs between processors.
func golden(t *testing.T, name string, pic *image.RGBA) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		var b bytes.Buffer
		if err := paint.WritePNG(&b, pic); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -run %s -update writes it", err, t.Name())
	}
	want, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, name, pic, want)
}

func compare(t *testing.T, name string, pic *image.RGBA, want image.Image) {
	t.Helper()
	if want.Bounds() != pic.Bounds() {
		t.Fatalf("%s is %v, the golden one %v", name, pic.Bounds(), want.Bounds())
	}
	different := 0
	for y := range pic.Rect.Dy() {
		for x := range pic.Rect.Dx() {
			a, b := pic.RGBAAt(x, y), color.RGBAModel.Convert(want.At(x, y)).(color.RGBA)
			if apart(a.R, b.R) || apart(a.G, b.G) || apart(a.B, b.B) || apart(a.A, b.A) {
				different++
			}
		}
	}
	if different > 20 {
		t.Errorf("%s: %d pixels differ from the golden picture; if that is meant, run go test -run %s -update and look at it", name, different, t.Name())
	}
}

func apart(a, b uint8) bool { return max(a, b)-min(a, b) > 6 }
