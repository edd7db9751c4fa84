package mango

import (
	"fmt"
	"unicode/utf8"
)

// Error is what is wrong with a query or an index definition: CouchDB's name for it,
// which clients compare, and a sentence.
type Error struct {
	Name   string // such as invalid_operator
	Reason string // what is wrong, where, and what to write instead
}

// Error is name and reason in one line.
func (e *Error) Error() string { return e.Name + ": " + e.Reason }

func failure(name, format string, args ...any) *Error {
	return &Error{Name: name, Reason: fmt.Sprintf(format, args...)}
}

// clip shortens what somebody wrote for an error text.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}
