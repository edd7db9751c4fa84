package inspect

import (
	"encoding/json"
)

// Copy is the document as JSON, for the clipboard.
func (d *Document) Copy() ([]byte, error) { return json.MarshalIndent(d, "", "  ") }

// Text is the document in plain lines.
func (d *Document) Text() string { return d.Title + "\n" + d.Subtitle + "\n" }
