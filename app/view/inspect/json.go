package inspect

import (
	"bytes"
	"encoding/json"
)

// Copy is the document as JSON, for the clipboard: what is said, without its look.
func (d *Document) Copy() ([]byte, error) {
	out := documentJSON{Title: d.Title, Subtitle: d.Subtitle}
	for i := range d.Blocks {
		out.Blocks = append(out.Blocks, d.Blocks[i].json())
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(out)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

type documentJSON struct {
	Title    string      `json:"title"`
	Subtitle string      `json:"subtitle,omitempty"`
	Blocks   []blockJSON `json:"blocks,omitempty"`
}

// blockJSON is one block in its shortest useful form.
type blockJSON struct {
	Form     string              `json:"form"`
	Title    string              `json:"title,omitempty"`
	Aside    string              `json:"aside,omitempty"`
	Text     string              `json:"text,omitempty"`
	Stations []stationJSON       `json:"stations,omitempty"`
	Rows     []map[string]string `json:"rows,omitempty"`
	Fields   map[string]string   `json:"fields,omitempty"`
	Lines    []string            `json:"lines,omitempty"`
	Sides    map[string][]string `json:"sides,omitempty"`
	Tree     []nodeJSON          `json:"tree,omitempty"`
	Messages []messageJSON       `json:"messages,omitempty"`
	More     int                 `json:"more,omitempty"`
}

type stationJSON struct {
	Name   string `json:"name"`
	At     string `json:"at,omitempty"`
	Detail string `json:"detail,omitempty"`
	State  string `json:"state"`
}

type nodeJSON struct {
	Name     string     `json:"name"`
	Value    string     `json:"value,omitempty"`
	Note     string     `json:"note,omitempty"`
	State    string     `json:"state,omitempty"`
	Children []nodeJSON `json:"children,omitempty"`
	More     int        `json:"more,omitempty"`
}

type messageJSON struct {
	At   string `json:"at"`
	From string `json:"from"`
	To   string `json:"to,omitempty"`
	What string `json:"what"`
}

func (m Mark) word() string {
	switch m {
	case Done:
		return "done"
	case Failed:
		return "failed"
	case Waiting:
		return "waiting"
	}
	return ""
}

func (b *Block) json() blockJSON {
	out := blockJSON{Form: b.Form.String(), Title: b.Title, Aside: b.Aside.Text, Text: b.Text, More: b.More}
	for _, s := range b.Stations {
		out.Stations = append(out.Stations, stationJSON{s.Name, s.At, s.Detail, s.Mark.word()})
	}
	for _, row := range b.Rows {
		if b.Form == Fields && len(row) == 2 {
			if out.Fields == nil {
				out.Fields = map[string]string{}
			}
			out.Fields[row[0].Text] = row[1].Text
			continue
		}
		cells := map[string]string{}
		for i, c := range row {
			cells[b.column(i)] = c.Text
		}
		out.Rows = append(out.Rows, cells)
	}
	for _, l := range b.Lines {
		out.Lines = append(out.Lines, l.Change.sign()+l.Text)
	}
	for _, s := range b.Sides {
		if out.Sides == nil {
			out.Sides = map[string][]string{}
		}
		for _, l := range s.Lines {
			out.Sides[s.Name] = append(out.Sides[s.Name], l.Change.sign()+l.Text)
		}
	}
	for _, n := range b.Nodes {
		out.Tree = append(out.Tree, n.json())
	}
	for _, m := range b.List {
		out.Messages = append(out.Messages, messageJSON{m.At, m.From, m.To, m.What})
	}
	return out
}

// column names a column of a table, also one without a header.
func (b *Block) column(i int) string {
	if i < len(b.Header) && b.Header[i] != "" {
		return b.Header[i]
	}
	return []string{"a", "b", "c", "d", "e", "f"}[min(i, 5)]
}

func (n *Node) json() nodeJSON {
	out := nodeJSON{Name: n.Name, Value: n.Value, Note: n.Note, State: n.Mark.word(), More: n.More}
	for _, c := range n.Children {
		out.Children = append(out.Children, c.json())
	}
	return out
}
