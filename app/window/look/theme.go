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
	tokens  *paint.Theme
	variant fyne.ThemeVariant
	colors  map[fyne.ThemeColorName]color.Color
}

// NewTheme makes Fyne's theme from the tokens.
func NewTheme(tokens *paint.Theme) *Theme {
	t := &Theme{tokens: tokens, variant: theme.VariantDark, colors: colorsOf(tokens)}
	if tokens.Name == "light" {
		t.variant = theme.VariantLight
	}
	return t
}

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

// colorsOf are the colours of Fyne's own names.
func colorsOf(k *paint.Theme) map[fyne.ThemeColorName]color.Color {
	return map[fyne.ThemeColorName]color.Color{
		theme.ColorNameBackground: k.Ground, theme.ColorNameMenuBackground: k.Panel, theme.ColorNameOverlayBackground: k.Panel,
		theme.ColorNameButton: k.Sunken, theme.ColorNameDisabledButton: k.Sunken, theme.ColorNameInputBackground: k.Sunken, theme.ColorNameHeaderBackground: k.Sunken,
		theme.ColorNameForeground: k.Text, theme.ColorNameDisabled: k.Muted, theme.ColorNamePlaceHolder: k.Muted,
		theme.ColorNamePrimary: k.Accent, theme.ColorNameHyperlink: k.Accent, theme.ColorNameForegroundOnPrimary: k.OnAccent,
		theme.ColorNameFocus: k.Selected, theme.ColorNameSelection: k.Selected,
		theme.ColorNameHover: paint.Alpha(k.Accent, 0.10), theme.ColorNamePressed: paint.Alpha(k.Accent, 0.25),
		theme.ColorNameInputBorder: k.Line, theme.ColorNameSeparator: k.Line,
		theme.ColorNameScrollBar: paint.Alpha(k.Muted, 0.5), theme.ColorNameScrollBarBackground: color.Transparent, theme.ColorNameShadow: color.NRGBA{A: 60},
		theme.ColorNameError: k.Invalid, theme.ColorNameSuccess: k.Valid, theme.ColorNameWarning: k.Warn,
	}
}

// sizes are those of Fyne's own names, before the scale.
var sizes = map[fyne.ThemeSizeName]float32{
	theme.SizeNameText: SizeBody, theme.SizeNameHeadingText: SizeTitle, theme.SizeNameSubHeadingText: SizeTitle, theme.SizeNameCaptionText: SizeSmall,
	theme.SizeNamePadding: 4, theme.SizeNameInnerPadding: 7, theme.SizeNameInlineIcon: 16, theme.SizeNameInputRadius: 6, theme.SizeNameSelectionRadius: 6,
	theme.SizeNameScrollBar: 10, theme.SizeNameScrollBarSmall: 4, theme.SizeNameModalBlurRadius: 0,
}

// Color gives the colour for one of Fyne's own names.
func (t *Theme) Color(name fyne.ThemeColorName, _ fyne.ThemeVariant) color.Color {
	if c, ok := t.colors[name]; ok {
		return c
	}
	return theme.DefaultTheme().Color(name, t.variant)
}

// Font gives Inter, or JetBrains Mono for monospaced text.
func (t *Theme) Font(s fyne.TextStyle) fyne.Resource {
	if s.Symbol {
		return theme.DefaultTheme().Font(s)
	}
	return faceOf(s)
}

// Icon gives Fyne's own icons, for what Fyne itself draws (menus, dialogs, entries).
func (t *Theme) Icon(name fyne.ThemeIconName) fyne.Resource {
	return theme.DefaultTheme().Icon(name)
}

// Size gives the sizes, all times the scale.
func (t *Theme) Size(name fyne.ThemeSizeName) float32 {
	size, ok := sizes[name]
	if !ok {
		size = theme.DefaultTheme().Size(name)
	}
	return size * float32(t.tokens.Scale)
}
