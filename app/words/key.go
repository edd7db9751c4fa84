package words

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// KeyText writes a state key for people. A composite key is a type and its attributes, each
// ended by a zero byte: it becomes "asset~color: [blue, asset1]". Where a range of them ends
// stands the largest rune; it becomes "…". What cannot be shown becomes "·".
func KeyText(key string) string {
	parts, composite := strings.CutPrefix(key, "\x00")
	if !composite {
		return visible(key)
	}
	kind, attributes, _ := strings.Cut(parts, "\x00")
	var shown []string
	for rest := attributes; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "\x00")
		shown = append(shown, visible(part))
	}
	return visible(kind) + ": [" + strings.Join(shown, ", ") + "]"
}

// visible is text without what cannot be shown.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.MaxRune:
			return '…'
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '·'
		}
		return r
	}, text)
}
