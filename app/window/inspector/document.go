package inspector

import (
	"fmt"
	"strconv"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
)

// writer puts a document's blocks on a page.
type writer struct {
	*sheet.Builder
	follow func(view.Selection)
	folds  *folds
	toggle func(path string)
}

// folds remembers which branches of trees a person opened or closed, by their path.
type folds map[string]bool

func (w *writer) document(d *inspect.Document) {
	for i := range d.Blocks {
		w.block(i, &d.Blocks[i])
	}
	w.Gap(20)
}

func (w *writer) block(i int, k *inspect.Block) {
	if k.Form == inspect.Heading {
		w.Gap(16)
		w.Rule()
		w.Line(k.Title, sheet.Style{Size: 13, Bold: true})
		w.Gap(2)
		return
	}
	if k.Form != inspect.Card && (k.Title != "" || k.Aside.Text != "") {
		aside := toneOf(k.Aside.Tone)
		if k.Aside.Link.What != view.Nothing && aside == sheet.Plain {
			aside = sheet.Accent
		}
		if k.Aside.Tone == inspect.Neutral && k.Aside.Link.What == view.Nothing {
			aside = sheet.Quiet
		}
		w.Section(k.Title, k.Aside.Text, aside, w.link(k.Aside.Link))
	} else {
		w.Gap(8)
	}
	switch k.Form {
	case inspect.Text:
		w.Text(k.Text, sheet.Style{Tone: toneOf(k.Tone), Size: 11.5})
		w.links(k.Links)
	case inspect.Card:
		w.card(k)
	case inspect.Journey:
		w.journey(k.Stations)
	case inspect.Table:
		w.table(k)
	case inspect.Fields:
		w.fields(k.Rows)
	case inspect.Pair:
		w.pair(k.Sides)
	case inspect.Diff:
		w.Box(sheet.Plain, func() { w.Codes(w.diff(k.Lines)) })
	case inspect.Tree:
		w.Box(sheet.Plain, func() { w.tree(strconv.Itoa(i)+k.Title, k.Nodes, 0) })
	case inspect.Messages:
		w.messages(k.List)
	}
	if k.More > 0 {
		w.Gap(3)
		w.Line(words.L("{{.N}} more are not shown", map[string]any{"N": k.More}), sheet.Style{Tone: sheet.Quiet})
	}
}

// link is what following a selection does, nil for no selection.
func (w *writer) link(s view.Selection) func() {
	if s.What == view.Nothing {
		return nil
	}
	return func() { w.follow(s) }
}

func (w *writer) links(cells []inspect.Cell) {
	for _, c := range cells {
		w.Gap(3)
		w.LinkText(c.Text, sheet.Style{Mono: c.Mono, Tone: sheet.Accent}, w.link(c.Link))
	}
}

func (w *writer) card(k *inspect.Block) {
	tone := toneOf(k.Tone)
	if tone == sheet.Quiet {
		tone = sheet.Plain
	}
	w.Gap(4)
	w.Box(tone, func() {
		w.Gap(2)
		if k.Title != "" {
			w.Text(k.Title, sheet.Style{Size: 13, Bold: true, Tone: tone})
			w.Gap(3)
		}
		w.Text(k.Text, sheet.Style{Size: 11.5})
		w.links(k.Links)
		w.Gap(2)
	})
}

func (w *writer) journey(stations []inspect.Station) {
	stops := make([]sheet.Stop, len(stations))
	for i, s := range stations {
		stops[i] = sheet.Stop{Name: s.Name, Detail: s.Detail, Note: s.At, Do: w.link(s.Link)}
		stops[i].Sign, stops[i].Tone = signOf(s.Mark)
	}
	w.Journey(stops)
}

func (w *writer) table(k *inspect.Block) {
	rows := make([][]sheet.Cell, len(k.Rows))
	for i, r := range k.Rows {
		rows[i] = make([]sheet.Cell, len(r))
		for j, c := range r {
			rows[i][j] = w.cell(c)
		}
	}
	if len(rows) == 0 {
		w.Text(words.L("nothing here"), sheet.Style{Tone: sheet.Quiet})
		return
	}
	w.Table(k.Header, rows)
}

func (w *writer) cell(c inspect.Cell) sheet.Cell {
	return sheet.Cell{Text: c.Text, Style: sheet.Style{Mono: c.Mono, Tone: toneOf(c.Tone)}, Do: w.link(c.Link)}
}

func (w *writer) fields(rows [][]inspect.Cell) {
	all := make([][2]sheet.Cell, 0, len(rows))
	for _, r := range rows {
		if len(r) != 2 {
			continue
		}
		name := sheet.Cell{Text: r[0].Text, Style: sheet.Style{Tone: sheet.Quiet}}
		all = append(all, [2]sheet.Cell{name, w.cell(r[1])})
	}
	w.Fields(all)
}

func (w *writer) diff(lines []inspect.Line) []sheet.Code {
	out := make([]sheet.Code, len(lines))
	for i, l := range lines {
		out[i] = w.line(l)
	}
	return out
}

// line gives a line its sign, so that it can be told without its colour.
func (w *writer) line(l inspect.Line) sheet.Code {
	c := sheet.Code{Text: l.Text, Do: w.link(l.Link)}
	switch l.Change {
	case inspect.Added:
		c.Sign, c.Tone = "+", sheet.Good
	case inspect.Removed:
		c.Sign, c.Tone = "-", sheet.Bad
	case inspect.Differs:
		c.Sign, c.Tone, c.Marked = "≠", sheet.Bad, true
	case inspect.Missing:
		c.Sign, c.Tone = "·", sheet.Faint
	case inspect.Label:
		c.Tone, c.Bold = sheet.Written, true
	}
	return c
}

// pair sets sides next to each other, two in a row.
func (w *writer) pair(sides []inspect.Side) {
	for len(sides) > 0 {
		two := sides[:min(2, len(sides))]
		sides = sides[len(two):]
		columns := make([]sheet.Column, len(two))
		for i, s := range two {
			columns[i] = sheet.Column{Name: s.Name, Do: w.link(s.Link), Lines: w.diff(s.Lines)}
		}
		w.Columns(columns)
		w.Gap(6)
	}
}

func (w *writer) tree(path string, nodes []*inspect.Node, depth int) {
	for i, n := range nodes {
		here := fmt.Sprintf("%s/%d", path, i)
		open, chosen := (*w.folds)[here]
		if !chosen {
			open = n.Open
		}
		b := sheet.Branch{Depth: depth, Name: n.Name, Value: n.Value, Note: n.Note, Mono: n.Mono, Do: w.link(n.Link)}
		if n.Mark != inspect.NoMark {
			b.Sign, b.Tone = signOf(n.Mark)
		}
		if len(n.Children) > 0 || n.More > 0 {
			b.Fold, b.Open = func() { w.toggle(here) }, open
		}
		w.Branch(b)
		if open {
			w.tree(here, n.Children, depth+1)
			if n.More > 0 {
				w.Branch(sheet.Branch{Depth: depth + 1, Note: words.L("{{.N}} more are not shown", map[string]any{"N": n.More})})
			}
		}
	}
}

// toggled is the opposite of how a branch at a path is shown now.
func toggled(d *inspect.Document, f folds, path string) bool {
	if open, ok := f[path]; ok {
		return !open
	}
	for i := range d.Blocks {
		if n := nodeAt(strconv.Itoa(i)+d.Blocks[i].Title, d.Blocks[i].Nodes, path); n != nil {
			return !n.Open
		}
	}
	return true
}

func nodeAt(path string, nodes []*inspect.Node, want string) *inspect.Node {
	for i, n := range nodes {
		here := fmt.Sprintf("%s/%d", path, i)
		if here == want {
			return n
		}
		if len(want) > len(here) && want[:len(here)+1] == here+"/" {
			return nodeAt(here, n.Children, want)
		}
	}
	return nil
}

func (w *writer) messages(list []inspect.Message) {
	out := make([]sheet.Message, len(list))
	for i, m := range list {
		text := m.From
		if m.To != "" {
			text += " → " + m.To
		}
		if m.What != "" {
			text += " " + m.What
		}
		tone := sheet.Of(m.Class)
		if m.Tone == inspect.Bad {
			tone = sheet.Bad
		}
		out[i] = sheet.Message{At: m.At, Text: text, Tone: tone, Lost: m.Tone == inspect.Bad, Do: w.link(m.Link)}
	}
	w.Messages(out)
}

func signOf(m inspect.Mark) (sheet.Sign, sheet.Tone) {
	return [...]sheet.Sign{inspect.NoMark: sheet.Disc, inspect.Done: sheet.Tick, inspect.Failed: sheet.Cross, inspect.Waiting: sheet.Ring}[m],
		[...]sheet.Tone{inspect.NoMark: sheet.Quiet, inspect.Done: sheet.Good, inspect.Failed: sheet.Bad, inspect.Waiting: sheet.Quiet}[m]
}

func toneOf(t inspect.Tone) sheet.Tone {
	return [...]sheet.Tone{inspect.Neutral: sheet.Plain, inspect.Good: sheet.Good, inspect.Bad: sheet.Bad, inspect.Warn: sheet.Warn, inspect.Weak: sheet.Quiet}[t]
}
