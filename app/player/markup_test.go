package player

import (
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/words"
)

// What a run says is text in the page, never markup of its own.
func TestMarkupIsEscaped(t *testing.T) {
	m := markup{book: words.English()}
	m.document(&inspect.Document{Title: `<script>alert("x")</script>`, Blocks: []inspect.Block{{Form: inspect.Card, Title: "a & b", Text: "<b>"}}})
	if got := m.out.String(); strings.Contains(got, "<script") || strings.Contains(got, "<b>") || !strings.Contains(got, "a &amp; b") {
		t.Error(got)
	}
}
