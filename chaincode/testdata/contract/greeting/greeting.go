// Package greeting is a second package of the module, with a file that it embeds.
package greeting

import (
	_ "embed"
	"strings"
)

//go:embed greeting.txt
var text string

// Text is the greeting.
func Text() string { return strings.TrimSpace(text) }
