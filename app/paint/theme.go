package paint

import "image/color"

// Theme is the one file of tokens for what is drawn: the window's own widgets take their
// colours from here too. Sizes are multiplied by Scale (1, or 1.6 for a presenter).
type Theme struct {
	Name  string // dark or light
	Scale float64

	Ground, Panel, Raised, Sunken color.NRGBA // window, bars and drawers, cards, lanes
	Line, Grid                    color.NRGBA // borders, thin lines of the timeline
	Text, Muted, Faint            color.NRGBA // Faint only for what need not be read
	Accent, OnAccent, Selected    color.NRGBA // Selected: the ground of a chosen thing

	Proposal, Read, Write, Endorsement, Raft, Block color.NRGBA // message classes
	Valid, Invalid, InvalidGround, Warn             color.NRGBA
	Orgs                                            []color.NRGBA // taken in turn
}

// Dark is the dark palette.
func Dark() *Theme {
	return &Theme{
		Name: "dark", Scale: 1,
		Ground: hex(0x0c1119), Panel: hex(0x141b26), Raised: hex(0x1b2430), Sunken: hex(0x212c3b),
		Line: hex(0x2a3647), Grid: hex(0x18202c),
		Text: hex(0xe8eef6), Muted: hex(0x9aa7b8), Faint: hex(0x566375),
		Accent: hex(0x58a6ff), OnAccent: hex(0x08131f), Selected: hex(0x1d3350),
		Proposal: hex(0x58a6ff), Read: hex(0x79d0f2), Write: hex(0xf0a44b), Endorsement: hex(0xb9e07a), Raft: hex(0xc792ea), Block: hex(0xf2cc60),
		Valid: hex(0x34c98e), Invalid: hex(0xff7b72), InvalidGround: hex(0x33181c), Warn: hex(0xf0a44b),
		Orgs: []color.NRGBA{hex(0x2fc6a8), hex(0x8b96f2), hex(0xe58fb1), hex(0xd9b25f), hex(0x6fc3e8), hex(0xa6cf6a),
			hex(0xd39be8), hex(0xe59a73), hex(0x7fd1c0), hex(0xb0b8f5), hex(0xd8c888), hex(0x9fc0d8)},
	}
}

// Light is the light palette.
func Light() *Theme {
	return &Theme{
		Name: "light", Scale: 1,
		Ground: hex(0xf6f8fc), Panel: hex(0xffffff), Raised: hex(0xffffff), Sunken: hex(0xeef2f8),
		Line: hex(0xc9d3e0), Grid: hex(0xe6ebf2),
		Text: hex(0x121a26), Muted: hex(0x55637a), Faint: hex(0x93a0b3),
		Accent: hex(0x0a63d8), OnAccent: hex(0xffffff), Selected: hex(0xd6e6fb),
		Proposal: hex(0x0a63d8), Read: hex(0x0d7a94), Write: hex(0xb5520d), Endorsement: hex(0x4c7d0c), Raft: hex(0x7d3cb5), Block: hex(0x8a6400),
		Valid: hex(0x0b7d57), Invalid: hex(0xc62828), InvalidGround: hex(0xfdeaea), Warn: hex(0xb5520d),
		Orgs: []color.NRGBA{hex(0x0b8f7a), hex(0x4a57c9), hex(0xb23b6d), hex(0x8a6400), hex(0x1878a8), hex(0x4f7d16),
			hex(0x8a3fb0), hex(0xb04a16), hex(0x0f766e), hex(0x5560c0), hex(0x7a6a14), hex(0x3b6c8f)},
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
