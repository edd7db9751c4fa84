package paint_test

import (
	"image"
	"image/color"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

var (
	sans  = paint.Font{Size: 13}
	black = color.NRGBA{A: 255}
)

func newPicture(w, h int) *image.RGBA { return image.NewRGBA(image.Rect(0, 0, w, h)) }

// What is too wide ends with an ellipsis and fits.
func TestFit(t *testing.T) {
	const text = "TransferAsset(\"asset1\", \"carol\")"
	if got := paint.Fit(text, sans, 1000); got != text {
		t.Errorf("with room for everything: %q", got)
	}
	last := ""
	for width := 0.0; width < 250; width++ {
		got := paint.Fit(text, sans, width)
		if got != "" && paint.TextWidth(got, sans) > width+0.01 {
			t.Errorf("%q is %.1f wide; there was room for %.0f", got, paint.TextWidth(got, sans), width)
		}
		if got != text && got != "" && !strings.HasSuffix(got, "…") {
			t.Errorf("%q was cut without an ellipsis", got)
		}
		if len(got) < len(last) && got != text {
			t.Errorf("more room, less text: %q after %q", got, last)
		}
		last = got
	}
}

// Lines break at spaces, and inside words only where one word is wider than a line.
func TestWrap(t *testing.T) {
	got := paint.Wrap("When it was simulated, asset1 had version 41:2.\n\nThe value is gone.", sans, 150, 0)
	want := []string{"When it was simulated,", "asset1 had version 41:2.", "", "The value is gone."}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, line := range paint.Wrap(strings.Repeat("0123456789abcdef", 8), sans, 90, 0) {
		if paint.TextWidth(line, sans) > 90 {
			t.Errorf("%q is wider than its line", line)
		}
	}
	if got := paint.Wrap("one two three four five six", sans, 60, 2); len(got) != 2 || !strings.HasSuffix(got[1], "…") {
		t.Errorf("two lines at most: %q", got)
	}
}

// Every sign that the program writes has a shape; none is an empty box.
func TestSigns(t *testing.T) {
	for _, f := range []paint.Font{{Size: 13}, {Size: 13, Bold: true}, {Size: 13, Mono: true}, {Size: 13, Mono: true, Bold: true}} {
		unknown := ink("\ufffd", f)
		for _, r := range "→←↑↓✓✗×…·–—„“”‘’°±µ≥≤≠≈∞−äöüÄÖÜßéñŁżАяΩ€§¶•▸▾●○■□◆▲│─└├" {
			if got := ink(string(r), f); got == unknown || got == "" {
				t.Errorf("%q (%U) has no shape in %+v", r, r, f)
			}
		}
	}
}

// ink is what a text leaves on a picture.
func ink(text string, f paint.Font) string {
	pic := newPicture(40, 30)
	paint.NewImage(pic).Text(view.Point{X: 5, Y: 20}, text, f, black)
	if strings.Trim(string(pic.Pix), "\x00") == "" {
		return ""
	}
	return string(pic.Pix)
}

// Any text can be measured, cut and drawn; the picture's bounds hold.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "asset1", "\xff\xfe\x00", "a\u202eb", "👩‍👩‍👧 漢字 שלום", "\u0301\u0301", strings.Repeat("W", 3000), "\n\t\r", "\ufeff\ufffd"} {
		f.Add(seed, 13.0, 80.0)
	}
	f.Fuzz(func(t *testing.T, text string, size, width float64) {
		font := paint.Font{Size: size, Mono: len(text)%2 == 0}
		w := paint.TextWidth(text, font)
		if w < 0 || w != w {
			t.Fatalf("width %v", w)
		}
		fitted := paint.Fit(text, font, width)
		if utf8.ValidString(text) && !utf8.ValidString(fitted) {
			t.Fatalf("Fit cut %q inside a character: %q", text, fitted)
		}
		if fitted != text && fitted != "" && paint.TextWidth(fitted, font) > width*1.001+1 {
			t.Fatalf("Fit gave %q, too wide", fitted)
		}
		pic := newPicture(60, 30)
		m := paint.NewImage(pic)
		restore := m.Clip(view.Rect{X: 10, Y: 5, W: 30, H: 20})
		if got := m.Text(view.Point{X: width, Y: 20}, text, font, black); got != w {
			t.Fatalf("drawn %v wide, measured %v", got, w)
		}
		restore()
		for y := range 30 {
			for x := range 60 {
				if (x < 10 || x >= 40 || y < 5 || y >= 25) && pic.RGBAAt(x, y).A != 0 {
					t.Fatalf("ink outside the clip at %d, %d", x, y)
				}
			}
		}
	})
}

// An export may be drawn while the window is drawn.
func TestTextFromManyGoroutines(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			m := paint.NewImage(newPicture(100, 40))
			for i := range 200 {
				m.Text(view.Point{X: float64(g), Y: 20}, "peer0.org1", paint.Font{Size: float64(8 + i%20)}, black)
			}
		}()
	}
	wg.Wait()
}

// 200 short texts are a full stage's worth.
func TestCovers(t *testing.T) {
	for text, want := range map[string][2]bool{
		"Transfer of asset1 …": {true, true}, "Schlüssel für Größe, Übung": {true, true}, "": {true, true},
		"日本": {}, "a 😀": {}, "a\u200bb": {}, "0\ufe0f\u20e3": {},
	} {
		if got := [2]bool{paint.Covers(text, paint.Font{}), paint.Covers(text, paint.Font{Mono: true, Bold: true})}; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func BenchmarkTexts(b *testing.B) {
	pic := newPicture(1200, 800)
	m := paint.NewImage(pic)
	for b.Loop() {
		for i := range 200 {
			m.Text(view.Point{X: float64(i%10)*110 + 0.3, Y: float64(i/10)*35 + 20}, "peer0.org1", sans, black)
		}
	}
}

func BenchmarkFit(b *testing.B) {
	for b.Loop() {
		paint.Fit("TransferAsset(\"asset1\", \"carol\")", sans, 100)
	}
}
