// Package look is how the window's widgets look: Fyne's theme made from the same tokens
// that the panels are painted with, and a small set of thin widgets in that style.
// Widgets here know nothing of networks; they raise callbacks and decide nothing.
//
// Read next: text.go, button.go and card.go; app/window puts them together.
package look

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"github.com/fabriscope/fabriscope/app/paint"
)

// The four sizes of text, in device-independent pixels before the theme's scale.
const (
	SizeTitle = 16
	SizeBody  = 13
	SizeSmall = 11
	SizeTiny  = 10
)

// Theme is Fyne's theme over the tokens of paint.Theme.
type Theme struct {
	tokens                *paint.Theme
	text, bold, mono, mob fyne.Resource
	variant               fyne.ThemeVariant
}

// NewTheme makes Fyne's theme from the tokens.
func NewTheme(tokens *paint.Theme) *Theme {
	t := &Theme{tokens: tokens, variant: theme.VariantDark}
	if tokens.Name == "light" {
		t.variant = theme.VariantLight
	}
	t.text, t.bold, t.mono, t.mob = faces()
	return t
}

// Tokens are the colours and the scale that the theme was made from.
func (t *Theme) Tokens() *paint.Theme { return t.tokens }

// Current gives the tokens of the application's theme.
func Current() *paint.Theme {
	if a := fyne.CurrentApp(); a != nil {
		if t, ok := a.Settings().Theme().(*Theme); ok {
			return t.tokens
		}
	}
	return paint.Dark()
}

// Px is v pixels in the current theme's scale.
func Px(v float32) float32 { return v * float32(Current().Scale) }

// Color gives the colour for one of Fyne's own names.
func (t *Theme) Color(name fyne.ThemeColorName, _ fyne.ThemeVariant) color.Color {
	k := t.tokens
	switch name {
	case theme.ColorNameBackground:
		return k.Ground
	case theme.ColorNameButton, theme.ColorNameDisabledButton, theme.ColorNameInputBackground, theme.ColorNameHeaderBackground:
		return k.Sunken
	case theme.ColorNameMenuBackground, theme.ColorNameOverlayBackground:
		return k.Panel
	case theme.ColorNameForeground:
		return k.Text
	case theme.ColorNameDisabled, theme.ColorNamePlaceHolder:
		return k.Muted
	case theme.ColorNamePrimary, theme.ColorNameHyperlink:
		return k.Accent
	case theme.ColorNameForegroundOnPrimary:
		return k.OnAccent
	case theme.ColorNameFocus, theme.ColorNameSelection:
		return k.Selected
	case theme.ColorNameHover:
		return paint.Alpha(k.Accent, 0.10)
	case theme.ColorNamePressed:
		return paint.Alpha(k.Accent, 0.25)
	case theme.ColorNameInputBorder, theme.ColorNameSeparator:
		return k.Line
	case theme.ColorNameScrollBar:
		return paint.Alpha(k.Muted, 0.5)
	case theme.ColorNameScrollBarBackground:
		return color.Transparent
	case theme.ColorNameShadow:
		return color.NRGBA{A: 60}
	case theme.ColorNameError:
		return k.Invalid
	case theme.ColorNameSuccess:
		return k.Valid
	case theme.ColorNameWarning:
		return k.Warn
	}
	return theme.DefaultTheme().Color(name, t.variant)
}

// Font gives Inter, or JetBrains Mono for monospaced text.
func (t *Theme) Font(s fyne.TextStyle) fyne.Resource {
	switch {
	case s.Symbol:
		return theme.DefaultTheme().Font(s)
	case s.Monospace && s.Bold:
		return t.mob
	case s.Monospace:
		return t.mono
	case s.Bold:
		return t.bold
	}
	return t.text
}

// Icon gives Fyne's own icons, for what Fyne itself draws (menus, dialogs, entries).
func (t *Theme) Icon(name fyne.ThemeIconName) fyne.Resource {
	return theme.DefaultTheme().Icon(name)
}

// Size gives the sizes, all times the scale.
func (t *Theme) Size(name fyne.ThemeSizeName) float32 {
	k := float32(t.tokens.Scale)
	switch name {
	case theme.SizeNameText:
		return SizeBody * k
	case theme.SizeNameHeadingText, theme.SizeNameSubHeadingText:
		return SizeTitle * k
	case theme.SizeNameCaptionText:
		return SizeSmall * k
	case theme.SizeNamePadding:
		return 4 * k
	case theme.SizeNameInnerPadding:
		return 7 * k
	case theme.SizeNameInlineIcon:
		return 16 * k
	case theme.SizeNameInputRadius, theme.SizeNameSelectionRadius:
		return 6 * k
	case theme.SizeNameScrollBar:
		return 10 * k
	case theme.SizeNameScrollBarSmall:
		return 4 * k
	case theme.SizeNameModalBlurRadius:
		return 0
	}
	return theme.DefaultTheme().Size(name) * k
}
