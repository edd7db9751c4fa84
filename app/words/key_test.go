package words_test

import (
	"testing"

	"github.com/fabriscope/fabriscope/app/words"
)

func TestKeyText(t *testing.T) {
	for key, want := range map[string]string{
		"asset1":                                "asset1",
		"":                                      "",
		"größe 木":                               "größe 木",
		"\x00asset~color\x00blue\x00asset1\x00": "asset~color: [blue, asset1]",
		"\x00asset~color\x00\x00asset1\x00":     "asset~color: [, asset1]",
		"\x00asset~color\x00":                   "asset~color: []",
		"\x00asset~color\x00blue\x00\U0010ffff": "asset~color: [blue, …]",
		"a\x01b\xff":                            "a·b·",
		"\x00":                                  ": []",
	} {
		if got := words.KeyText(key); got != want {
			t.Errorf("%q is written %q, want %q", key, got, want)
		}
	}
}
