package view

import (
	"strconv"
	"strings"
)

// Sentence makes a text begin with a capital letter and end with a full stop.
func Sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return text
	}
	// Names such as peer0.org1 stay as they are.
	if word, _, _ := strings.Cut(text, " "); !strings.ContainsAny(word, ".@_:/") {
		first := []rune(text)
		first[0] = []rune(strings.ToUpper(string(first[0])))[0]
		text = string(first)
	}
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "!") && !strings.HasSuffix(text, "?") {
		text += "."
	}
	return text
}

// Count is a number with its noun: "1 block", "2 blocks".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// Thousands writes a number with a gap between groups of three digits.
func Thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// Clip shortens a text to most letters.
func Clip(text string, most int) string {
	letters := []rune(text)
	if len(letters) <= most {
		return text
	}
	return string(letters[:most]) + "..."
}
