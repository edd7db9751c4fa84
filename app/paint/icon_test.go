package paint_test

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

// The icon's two files are what AppIcon draws. -update writes them anew.
func TestAppIcon(t *testing.T) {
	folder := filepath.Join("..", "..", "assets", "icon")
	pic := newPicture(512, 512)
	paint.AppIcon(paint.NewImage(pic), 512)
	var asPNG, asSVG bytes.Buffer
	if err := paint.WritePNG(&asPNG, pic); err != nil {
		t.Fatal(err)
	}
	s := paint.NewSVG(&asSVG, 512, 512)
	s.Title("Fabriscope")
	paint.AppIcon(s, 512)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if *update {
		for name, b := range map[string][]byte{"icon.png": asPNG.Bytes(), "icon.svg": asSVG.Bytes()} {
			if err := os.WriteFile(filepath.Join(folder, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if want, err := os.ReadFile(filepath.Join(folder, "icon.svg")); err != nil || !bytes.Equal(want, asSVG.Bytes()) {
		t.Errorf("icon.svg is not what AppIcon draws (%v); run go generate ./app/paint", err)
	}
	f, err := os.Open(filepath.Join(folder, "icon.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "icon.png", pic, want)
}

// Every icon leaves ink, all of it inside its square, and an unknown name none.
func TestIcons(t *testing.T) {
	for _, name := range append(paint.IconNames(), "no such icon") {
		pic := newPicture(60, 60)
		paint.Icon(paint.NewImage(pic), name, view.Rect{X: 10, Y: 10, W: 40, H: 40}, black, 2)
		ink := 0
		for y := range 60 {
			for x := range 60 {
				if pic.RGBAAt(x, y).A == 0 {
					continue
				}
				if ink++; x < 10 || y < 10 || x >= 50 || y >= 50 {
					t.Fatalf("%s draws outside its square, at %d, %d", name, x, y)
				}
			}
		}
		if (ink == 0) != (name == "no such icon") {
			t.Errorf("%s: %d pixels of ink", name, ink)
		}
	}
}
