package chain

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
)

// lifecycle is the namespace of chaincode definitions. Every endorser adds a read of
// the definition it used; it is left out here, because it would be on every card.
const lifecycle = "_lifecycle"

// readsOf are the entries of a transaction's read set that a card shows.
func readsOf(t *facts.TxContent) (reads []*facts.Read) {
	for i := range t.Reads {
		if r := &t.Reads[i]; r.Ranged || r.Namespace != lifecycle || t.Chaincode == lifecycle {
			reads = append(reads, r)
		}
	}
	return reads
}

// callText is the call as a person would write it, shortened.
func callText(t *facts.TxContent, book *words.Book) string {
	if t.Config {
		return book.L("channel configuration")
	}
	if len(t.Args) == 0 {
		return ""
	}
	call := make([]string, 0, len(t.Args))
	for _, a := range t.Args[1:] {
		call = append(call, printable(string(a), 24))
	}
	return printable(string(t.Args[0]), 40) + "(" + strings.Join(call, ", ") + ")"
}

// readText is an entry of a read set as a card shows it.
func readText(r *facts.Read, book *words.Book) string {
	key := shortKey(r.Key)
	switch {
	case r.Ranged && r.Key == "" && r.End == "":
		return book.L("all keys")
	case r.Ranged && strings.HasPrefix(r.Key, "\x00") && r.End == r.Key+"\U0010ffff":
		return key + " ..."
	case r.Ranged && r.End == "":
		return book.L("{{.Key}} .. last", key)
	case r.Ranged:
		return key + " .. " + shortKey(r.End)
	case r.Version == nil:
		return book.L("{{.Key}} absent", key)
	}
	return key + " " + r.Version.String()
}

// foundText says what the peer finds in place of it.
func foundText(r *facts.Read, f *facts.Found, book *words.Book) string {
	key := shortKey(r.Key)
	if f.By.Write != nil {
		key = shortKey(f.By.Write.Key)
	}
	switch {
	case f.Holds || !f.Known:
		return readText(r, book)
	case r.Ranged && f.By.Write == nil:
		return book.L("another result")
	case f.By.Gone():
		return book.L("{{.Key}} deleted", key)
	}
	return key + " " + f.By.Version.String()
}

// shownKeys bounds the keys of a range on a card.
const shownKeys = 6

// rangeOf is a range as the peer finds it: what the query met, and what has changed since.
func rangeOf(r *facts.Read, by *facts.Wrote, book *words.Book) *Range {
	x := &Range{Text: readText(r, book)}
	keys := make([]string, 0, len(r.Found)+1)
	for _, m := range r.Found {
		keys = append(keys, m.Key)
	}
	i, known := slices.BinarySearch(keys, by.Write.Key)
	if !known {
		keys = slices.Insert(keys, i, by.Write.Key)
	}
	switch id := view.ShortID(by.Tx); {
	case by.Gone():
		x.By = book.L("deleted by {{.ID}} in block {{.Block}}", id, by.Version.Block)
	case known:
		x.By = book.L("changed by {{.ID}} in block {{.Block}}", id, by.Version.Block)
	default:
		x.By = book.L("came in with {{.ID}} in block {{.Block}}", id, by.Version.Block)
	}
	if over := len(keys) - shownKeys; over > 0 { // the changed one stays
		from := min(max(0, slices.Index(keys, by.Write.Key)-shownKeys/2), over)
		keys, x.More = keys[from:from+shownKeys], over
	}
	for _, key := range keys {
		changed := key == by.Write.Key
		x.Keys = append(x.Keys, InRange{Text: shortKey(key), New: changed && !by.Gone(), Gone: changed && by.Gone()})
	}
	return x
}

// shortKey writes a state key for people, as short as a card needs it.
func shortKey(key string) string { return printable(words.KeyText(key), 24) }

// printable is text without what cannot be shown, shortened to most letters.
func printable(s string, most int) string {
	if len(s) > 4*most {
		s = strings.ToValidUTF8(s[:4*most], "") + "..."
	}
	letters := []rune(s)
	for i, r := range letters {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			if i == 0 || len(letters) > 64 {
				return fmt.Sprintf("(%d bytes)", len(s))
			}
			letters[i] = ' '
		}
	}
	if len(letters) > most {
		return string(letters[:most-3]) + "..."
	}
	return string(letters)
}
