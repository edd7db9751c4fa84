package inspect

import "github.com/fabriscope/fabriscope/app/words"

// In gives a document made by hand a language.
func (d *Document) In(b *words.Book) *Document { d.book = b; return d }
