package drawers

import (
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/window/look"
)

// arguments is a row of a call: who calls, and with which arguments.
type arguments struct {
	box      *fyne.Container
	identity *Choice
	fields   *fyne.Container
	names    []string
	entries  []*look.Entry
	lines    *look.Entry // one argument a line, where their names are not known
	enter    func()      // Enter in a field
}

func newArguments() *arguments {
	a := &arguments{identity: newSelect(nil, nil), fields: look.Column(6)}
	a.lines = look.NewMultiLineEntry()
	a.lines.SetMinRowsVisible(3)
	a.lines.PlaceHolder = lang.L("one argument a line")
	a.box = look.Column(6, look.FormRow(lang.L("Client"), a.identity), a.fields)
	return a
}

// who offers the identities; the one at index is chosen while none is.
func (a *arguments) who(identities []string, index int) {
	if !slices.Equal(identities, a.identity.Options) {
		a.identity.SetOptions(identities)
	}
	if a.identity.Selected == "" && len(identities) > 0 {
		a.identity.SetSelected(identities[min(index, len(identities)-1)])
	}
}

// set shows a field for each argument; nil: their names are not known. What was written
// for an argument of the same name stays.
func (a *arguments) set(names []string) {
	if names == nil {
		a.names, a.entries = nil, nil
		a.fields.Layout = look.Column(6).Layout
		a.fields.Objects = []fyne.CanvasObject{look.FormRow(lang.L("Arguments"), a.lines)}
		a.fields.Refresh()
		return
	}
	before := map[string]string{}
	for i, e := range a.entries {
		before[a.names[i]] = e.Text
	}
	a.names, a.entries = slices.Clone(names), nil
	a.fields.Layout = twoColumns{}
	a.fields.RemoveAll()
	for _, n := range names {
		e := look.NewEntry()
		e.PlaceHolder = example(strings.TrimSuffix(n, "?"))
		e.Text = before[n]
		e.OnSubmitted = func(string) {
			if a.enter != nil {
				a.enter()
			}
		}
		a.entries = append(a.entries, e)
		label := n
		if bare, optional := strings.CutSuffix(n, "?"); optional {
			label = lang.L("{{.Name}} (may be left out)", map[string]any{"Name": bare})
		}
		a.fields.Add(look.FormRow(label, e))
	}
	a.fields.Refresh()
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
	for n := len(out); n > 0 && out[n-1] == "" && strings.HasSuffix(a.names[n-1], "?"); n = len(out) {
		out = out[:n-1]
	}
	return out
}

// example is what an argument may look like.
func example(name string) string {
	switch name {
	case "id":
		return "asset1"
	case "newOwner", "owner", "bidder", "seller":
		return "carol"
	case "color":
		return "blue"
	case "size", "amount", "step", "by", "n", "count":
		return "5"
	case "appraisedValue", "value", "price":
		return "300"
	case "name", "counter", "key":
		return "c1"
	case "auction", "item":
		return "a1"
	case "milliseconds", "ms":
		return "200"
	}
	return ""
}

// twoColumns sets objects in two columns, row by row.
type twoColumns struct{}

// MinSize is two of the widest, and all rows.
func (twoColumns) MinSize(objects []fyne.CanvasObject) fyne.Size {
	w, h := float32(0), float32(0)
	gap := look.Px(8)
	for i := 0; i < len(objects); i += 2 {
		row := objects[i].MinSize()
		w = max(w, row.Width)
		if i+1 < len(objects) {
			second := objects[i+1].MinSize()
			w, row.Height = max(w, second.Width), max(row.Height, second.Height)
		}
		if i > 0 {
			h += look.Px(6)
		}
		h += row.Height
	}
	return fyne.NewSize(2*w+gap, h)
}

// Layout makes both columns equally wide; a single object has the whole width.
func (twoColumns) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	gap := look.Px(8)
	w := (size.Width - gap) / 2
	if len(objects) == 1 {
		w = size.Width
	}
	y := float32(0)
	for i := 0; i < len(objects); i += 2 {
		h := objects[i].MinSize().Height
		if i+1 < len(objects) {
			h = max(h, objects[i+1].MinSize().Height)
			objects[i+1].Move(fyne.NewPos(w+gap, y))
			objects[i+1].Resize(fyne.NewSize(w, h))
		}
		objects[i].Move(fyne.NewPos(0, y))
		objects[i].Resize(fyne.NewSize(w, h))
		y += h + look.Px(6)
	}
}
