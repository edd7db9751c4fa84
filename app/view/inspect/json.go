package inspect

import (
	"bytes"
	"encoding/json"
)

// Copy is the document as JSON, for the clipboard: what is said, without its look.
func (d *Document) Copy() ([]byte, error) {
	out := documentJSON{Call: d.Tx, Title: d.Title, Subtitle: d.Subtitle}
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
	*Call
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
	Stations []Station           `json:"stations,omitempty"`
	Rows     []map[string]string `json:"rows,omitempty"`
	Fields   map[string]string   `json:"fields,omitempty"`
	Lines    []string            `json:"lines,omitempty"`
	Sides    map[string][]string `json:"sides,omitempty"`
	Tree     []*Node             `json:"tree,omitempty"`
	Messages []Message           `json:"messages,omitempty"`
	More     int                 `json:"more,omitempty"`
}

// MarshalText gives the mark's word in JSON, "" for none.
func (m Mark) MarshalText() ([]byte, error) {
	return []byte([...]string{NoMark: "", Done: "done", Failed: "failed", Waiting: "waiting"}[m]), nil
}

func (b *Block) json() blockJSON {
	out := blockJSON{Form: b.Form.String(), Title: b.Title, Aside: b.Aside.Text, Text: b.Text, Stations: b.Stations,
		Tree: b.Nodes, Messages: b.List, More: b.More}
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
		out.Lines = append(out.Lines, l.Change.Sign()+l.Text)
	}
	for _, s := range b.Sides {
		if out.Sides == nil {
			out.Sides = map[string][]string{}
		}
		for _, l := range s.Lines {
			out.Sides[s.Name] = append(out.Sides[s.Name], l.Change.Sign()+l.Text)
		}
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
