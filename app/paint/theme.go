package paint

import (
	"image/color"

	"github.com/fabriscope/fabriscope/app/view"
)

// Theme is the one file of tokens for what is drawn: the window's own widgets take their
// colours from here too. Sizes are multiplied by Scale (1, or 1.6 for a presenter).
type Theme struct {
	Name  string // dark or light
	Scale float64

	// From behind to the front: the stage; the timeline and the chain; bars, drawers and the
	// cards that stand on the stage; boxes within those; lanes, pills and keys.
	Ground, Band, Panel, Raised, Sunken color.NRGBA
	Line, Grid                          color.NRGBA // borders, thin lines of the timeline
	Text, Muted, Faint                  color.NRGBA // Faint only for what need not be read
	Accent, OnAccent, Selected          color.NRGBA // Selected: the ground of a chosen thing

	Classes                             [view.ClassCount]color.NRGBA // of messages
	Valid, Invalid, InvalidGround, Warn color.NRGBA
	Orgs                                []color.NRGBA // taken in turn
}

// Dark is the dark palette. In both palettes text, muted text and every colour that says
// something can be read (4.5:1) on every ground; a test holds it.
func Dark() *Theme {
	return &Theme{
		Name: "dark", Scale: 1,
		Ground: hex(0x0d131d), Band: hex(0x111823), Panel: hex(0x141c29), Raised: hex(0x1b2534), Sunken: hex(0x243145),
		Line: hex(0x2a384c), Grid: hex(0x1a2231),
		Text: hex(0xe8eef7), Muted: hex(0x90a2ba), Faint: hex(0x5b6b82),
		Accent: hex(0x58a6ff), OnAccent: hex(0x08131f), Selected: hex(0x1f3550),
		Classes: [...]color.NRGBA{view.Plain: hex(0x90a2ba), view.Proposal: hex(0x58a6ff), view.Read: hex(0x7dd3fc), view.Write: hex(0xffb454),
			view.Endorsement: hex(0xc3e88d), view.Raft: hex(0xc792ea), view.Block: hex(0xf2d16b)},
		Valid: hex(0x34d399), Invalid: hex(0xff7a7a), InvalidGround: hex(0x2a222d), Warn: hex(0xffb454),
		Orgs: []color.NRGBA{hex(0x2dd4bf), hex(0x8fa8ff), hex(0xe58fb1), hex(0xd9b25f), hex(0x6fc3e8), hex(0xa6cf6a),
			hex(0xd39be8), hex(0xe59a73), hex(0x7fd1c0), hex(0xb0b8f5), hex(0xd8c888), hex(0x9fc0d8)},
	}
}

// Light is the light palette.
func Light() *Theme {
	return &Theme{
		Name: "light", Scale: 1,
		Ground: hex(0xf6f8fb), Band: hex(0xfbfcfd), Panel: hex(0xffffff), Raised: hex(0xf0f3f8), Sunken: hex(0xe4eaf2),
		Line: hex(0xd3dce8), Grid: hex(0xecf0f5),
		Text: hex(0x142033), Muted: hex(0x55667e), Faint: hex(0x93a0b3),
		Accent: hex(0x0b61ce), OnAccent: hex(0xffffff), Selected: hex(0xd7e6f8),
		Classes: [...]color.NRGBA{view.Plain: hex(0x55667e), view.Proposal: hex(0x0b61ce), view.Read: hex(0x026c90), view.Write: hex(0xa44b09),
			view.Endorsement: hex(0x47700f), view.Raft: hex(0x7e3fb2), view.Block: hex(0x806000)},
		Valid: hex(0x0b7450), Invalid: hex(0xc02b2b), InvalidGround: hex(0xfaeeee), Warn: hex(0xa44b09),
		Orgs: []color.NRGBA{hex(0x0d7266), hex(0x4457c7), hex(0xae396b), hex(0x826000), hex(0x186c90), hex(0x486f16),
			hex(0x8a3fb0), hex(0xaa4716), hex(0x0f726a), hex(0x515cbc), hex(0x746414), hex(0x396a8d)},
	}
}

// Larger is the theme with everything factor times as large, for presenting.
func (t *Theme) Larger(factor float64) *Theme {
	c := *t
	c.Scale *= factor
	return &c
}

// Org is the colour of the i-th organisation.
func (t *Theme) Org(i int) color.NRGBA { return t.Orgs[i%len(t.Orgs)] }

// Alpha is c with another opacity, 0 to 1.
func Alpha(c color.NRGBA, a float64) color.NRGBA {
	c.A = uint8(float64(c.A)*a + 0.5)
	return c
}

func hex(rgb uint32) color.NRGBA {
	return color.NRGBA{R: uint8(rgb >> 16), G: uint8(rgb >> 8), B: uint8(rgb), A: 255}
}

// The fonts at the theme's scale; size is 16, 13, 11 or 10.

// Sans is Inter Regular.
func (t *Theme) Sans(size float64) Font { return Font{Size: size * t.Scale} }

// SansBold is Inter SemiBold.
func (t *Theme) SansBold(size float64) Font { return Font{Size: size * t.Scale, Bold: true} }

// Mono is JetBrains Mono Regular.
func (t *Theme) Mono(size float64) Font { return Font{Size: size * t.Scale, Mono: true} }

// MonoBold is JetBrains Mono Bold.
func (t *Theme) MonoBold(size float64) Font {
	return Font{Size: size * t.Scale, Mono: true, Bold: true}
}
