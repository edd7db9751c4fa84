package words

import (
	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Say is what a lesson or scenario says, in the language of the window. Its texts stand in
// assets/texts: the scripts are run without a window too.
func Say(t assets.Text) string { return Now().Say(t) }

// Say is what a lesson or scenario says, in the book's language.
func (b *Book) Say(t assets.Text) string { return t.In(b.Tag()) }

// Said is what a script said when it recorded an event: in the book's language, or as its
// author wrote it where that was a sentence and no text of the catalogues.
func (b *Book) Said(e *trace.Event) string {
	if t, ok := assets.ReadText(e.Name); ok {
		return b.Say(t)
	}
	return e.Note
}
