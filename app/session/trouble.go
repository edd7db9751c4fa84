package session

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network"
)

// Trouble is an error as a person is told of it.
type Trouble struct {
	What   string // what happened and why, in one sentence
	Remedy string // what to do, "" if that is not known
	Detail string // the whole text, to copy
}

// Explain makes of an error what happened and what to do. The engine's errors name the
// thing and the cause and end with a remedy after a semicolon.
func Explain(err error) Trouble {
	if err == nil {
		return Trouble{}
	}
	t := Trouble{Detail: err.Error()}
	var topology *network.TopologyError
	var fault *words.Fault
	switch {
	case errors.Is(err, context.Canceled):
		return Trouble{What: words.L("It was stopped before it was done."), Detail: t.Detail}
	case errors.Is(err, context.DeadlineExceeded):
		return Trouble{What: words.L("It took too long and was given up."), Remedy: words.L("See whether all nodes run and no message is held."), Detail: t.Detail}
	case errors.As(err, &topology):
		return Trouble{What: view.Sentence(topology.Problem), Remedy: words.L("Change {{.Key}} in the topology.", topology.Key), Detail: t.Detail}
	case errors.As(err, &fault):
		what, remedy := fault.In(words.Now())
		return Trouble{What: view.Sentence(what), Remedy: view.Sentence(remedy), Detail: t.Detail}
	case errors.Is(err, fs.ErrNotExist):
		t.Remedy = words.L("Choose a file that exists.")
	case errors.Is(err, fs.ErrPermission):
		t.Remedy = words.L("Choose a folder that you may write to.")
	}
	line, _, _ := strings.Cut(t.Detail, "\n")
	what, remedy, ok := cutLast(line, "; ")
	if !ok {
		t.What = view.Sentence(line)
		return t
	}
	t.What, t.Remedy = view.Sentence(what), view.Sentence(remedy)
	return t
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
