package paint_test

import (
	"fmt"
	"image/color"
	"math"
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

// Everything that is written can be read: 4.5:1, as WCAG 2.1 asks for ordinary text.
func TestContrast(t *testing.T) {
	for _, th := range []*paint.Theme{paint.Dark(), paint.Light()} {
		grounds := map[string]color.NRGBA{"ground": th.Ground, "band": th.Band, "panel": th.Panel, "raised": th.Raised,
			"sunken": th.Sunken, "selected": th.Selected, "invalid ground": th.InvalidGround}
		texts := map[string]color.NRGBA{"text": th.Text, "muted": th.Muted, "accent": th.Accent, "valid": th.Valid, "invalid": th.Invalid, "warn": th.Warn}
		for c := range view.Class(view.ClassCount) {
			texts["class "+c.Name()] = th.Class(c)
		}
		for i, o := range th.Orgs {
			texts[fmt.Sprintf("organisation %d", i+1)] = o
			grounds[fmt.Sprintf("organisation %d's box", i+1)] = over(paint.Alpha(o, 0.06), th.Ground)
		}
		for g, ground := range grounds {
			for name, text := range texts {
				least := 4.5
				if ground != th.Ground && ground != th.Panel && g[0] == 'o' && name != "text" && name != "muted" {
					least = 4 // coloured words in an organisation's own box are its semibold name
				}
				if c := contrast(text, ground); c < least {
					t.Errorf("%s: %s on %s has contrast %.2f, less than %.1f", th.Name, name, g, c, least)
				}
			}
		}
		if c := contrast(th.OnAccent, th.Accent); c < 4.5 {
			t.Errorf("%s: text on a button has contrast %.2f", th.Name, c)
		}
		for class := range view.Class(view.ClassCount) {
			bar := over(paint.Alpha(th.Class(class), 0.35), th.Sunken)
			if c := contrast(th.Text, bar); c < 4.5 {
				t.Errorf("%s: text on a bar of class %d has contrast %.2f", th.Name, class, c)
			}
		}
	}
}

// Without colour the shapes still tell classes and verdicts apart: no two look alike.
func TestShapesInGreyscale(t *testing.T) {
	seen := map[string]view.Class{}
	for _, class := range classes {
		var grey [24 * 24]byte
		pic := newPicture(24, 24)
		paint.Shape(paint.NewImage(pic), class, view.Point{X: 12, Y: 12}, 14, color.NRGBA{A: 255})
		for i := range grey {
			grey[i] = pic.Pix[4*i+3]
		}
		for other, c := range seen {
			difference := 0
			for i := range grey {
				difference += int(max(grey[i], other[i]) - min(grey[i], other[i]))
			}
			if least := 20 * 255; difference < least {
				t.Errorf("classes %d and %d differ by %d pixels only", class, c, difference/255)
			}
		}
		seen[string(grey[:])] = class
	}
}

func over(c, ground color.NRGBA) color.NRGBA {
	mix := func(a, b uint8) uint8 {
		return uint8(math.Round((float64(a)*float64(c.A) + float64(b)*float64(255-c.A)) / 255))
	}
	return color.NRGBA{R: mix(c.R, ground.R), G: mix(c.G, ground.G), B: mix(c.B, ground.B), A: 255}
}

func contrast(a, b color.NRGBA) float64 {
	x, y := luminance(a), luminance(b)
	return (math.Max(x, y) + 0.05) / (math.Min(x, y) + 0.05)
}

func luminance(c color.NRGBA) float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.03928 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}
