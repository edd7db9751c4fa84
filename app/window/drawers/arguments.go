package drawers

import (
	"slices"
	"strings"

	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

// arguments is a row of a call: who calls, and with which arguments.
type arguments struct {
	box      *fyne.Container
	identity *Choice
	fields   *fyne.Container
	args     []session.Argument
	entries  []*field
	lines    *look.Entry // one argument a line, where their names are not known
	enter    func()      // Enter in a field
	second   bool        // where nothing is written the first call's values count
}

// field is an argument's entry with a line that says that it must be filled in.
type field struct {
	*look.Entry
	lacking complaint
}

// newField makes an empty field; enter is what Enter does in it.
func newField(enter func()) *field {
	f := &field{look.NewEntry(), newComplaint()}
	f.OnSubmitted = func(string) { enter() }
	f.OnChanged = func(text string) {
		if text != "" {
			f.lacking.say("")
		}
	}
	return f
}

// lacks tells whether something must be written in the field and is not, and marks it.
func (f *field) lacks(optional bool) bool {
	lacks := !optional && strings.TrimSpace(f.Text) == ""
	text := ""
	if lacks {
		text = words.L("Fill it in.")
	}
	f.lacking.say(text)
	return lacks
}

// row is the field below its label, beside which stands what it takes.
func (f *field) row(label, takes string, input fyne.CanvasObject) *fyne.Container {
	return look.Column(2, look.Line(look.Muted(label), look.Muted(takes).Toned(look.Faint)), input, f.lacking.Text)
}

// newArguments makes the row of a call without arguments; enter is what Enter does in its
// fields.
func newArguments(enter func(), second bool) *arguments {
	a := &arguments{identity: newSelect(nil, nil), fields: look.Column(6), enter: enter, second: second}
	a.lines = look.NewMultiLineEntry()
	a.lines.SetMinRowsVisible(3)
	a.lines.PlaceHolder = words.L("one argument a line")
	a.box = look.Column(6, look.FormRow(words.L("Client"), a.identity), a.fields)
	return a
}

// who offers the identities; the one at index is chosen while none is.
func (a *arguments) who(identities []string, index int) {
	a.identity.offer(identities, index)
}

// set shows a field for each argument; nil: they are not known. What was written for an
// argument of the same name stays.
func (a *arguments) set(args []session.Argument) {
	if args == nil {
		a.args, a.entries = nil, nil
		a.fields.Layout = look.Column(6).Layout
		a.fields.Objects = []fyne.CanvasObject{look.FormRow(words.L("Arguments"), a.lines)}
		a.fields.Refresh()
		return
	}
	before := map[string]string{}
	for i, e := range a.entries {
		before[a.args[i].Name] = e.Text
	}
	a.args, a.entries = slices.Clone(args), nil
	a.fields.Layout = look.Grid(2).Layout
	a.fields.RemoveAll()
	for _, arg := range args {
		e := newField(func() { a.enter() })
		switch {
		case a.second:
			e.PlaceHolder = words.L("the same")
		case arg.Example != "":
			e.PlaceHolder = words.L("such as {{.Example}}", map[string]any{"Example": arg.Example})
		}
		e.Text = before[arg.Name]
		a.entries = append(a.entries, e)
		a.fields.Add(e.row(arg.Name, takes(arg), e.Entry))
	}
	a.fields.Refresh()
}

// takes says of which type an argument is, and that it may be left out.
func takes(arg session.Argument) string {
	text := words.Type(arg.Type)
	if arg.Optional {
		text = strings.TrimPrefix(text+", "+words.L("may be left out"), ", ")
	}
	return text
}

// missing marks the fields that must be filled in and are not, and gives the first of them,
// nil if there is none. An example that is shown in a field is not its content.
func (a *arguments) missing() fyne.Focusable {
	var first fyne.Focusable
	for i, e := range a.entries {
		if e.lacks(a.args[i].Optional) && first == nil {
			first = e.Entry
		}
	}
	return first
}

// values are the arguments; those at the end that may be left out and are, are not sent.
func (a *arguments) values() []string {
	if a.entries == nil {
		if a.lines.Text == "" {
			return nil
		}
		return strings.Split(strings.TrimSuffix(a.lines.Text, "\n"), "\n")
	}
	out := make([]string, len(a.entries))
	for i, e := range a.entries {
		out[i] = e.Text
	}
	for n := len(out); n > 0 && out[n-1] == "" && a.args[n-1].Optional; n = len(out) {
		out = out[:n-1]
	}
	return out
}
