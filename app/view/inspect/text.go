package inspect

import (
	"fmt"
	"strings"

	"github.com/fabriscope/fabriscope/app/words"
)

// Text is the document in plain lines, for the clipboard and for tests.
func (d *Document) Text() string {
	var w strings.Builder
	fmt.Fprintln(&w, d.Title)
	if d.Subtitle != "" {
		fmt.Fprintln(&w, d.Subtitle)
	}
	for i := range d.Blocks {
		d.Blocks[i].write(&w, d.book)
	}
	return w.String()
}

func (b *Block) write(w *strings.Builder, in *words.Book) {
	w.WriteByte('\n')
	if b.Title != "" || b.Aside.Text != "" {
		line := b.Title
		if b.Aside.Text != "" {
			line = strings.TrimSpace(line + "  [" + b.Aside.Text + "]")
		}
		fmt.Fprintln(w, line)
	}
	if b.Text != "" {
		for _, line := range strings.Split(b.Text, "\n") {
			fmt.Fprintln(w, "  "+line)
		}
	}
	for _, l := range b.Links {
		fmt.Fprintln(w, "  -> "+l.Text)
	}
	for _, s := range b.Stations {
		line := fmt.Sprintf("  %s %-10s %11s  %s", s.Mark.Sign(), s.Name, s.At, s.Detail)
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	b.writeRows(w)
	b.writeSides(w)
	for _, l := range b.Lines {
		fmt.Fprintln(w, "  "+l.Change.Sign()+l.Text)
	}
	for _, n := range b.Nodes {
		n.write(w, 1, in)
	}
	for _, m := range b.List {
		line := fmt.Sprintf("  %11s  %s", m.At, m.From)
		if m.To != "" {
			line += " -> " + m.To
		}
		fmt.Fprintln(w, line+"  "+m.What)
	}
	if b.More > 0 {
		fmt.Fprintln(w, "  "+in.L("and {{.N}} more", b.More))
	}
}

// Sign is the mark as a character.
func (m Mark) Sign() string {
	switch m {
	case Done:
		return "✓"
	case Failed:
		return "✗"
	case Waiting:
		return "○"
	}
	return " "
}

// Sign stands before a changed line.
func (c Change) Sign() string {
	switch c {
	case Added:
		return "+ "
	case Removed:
		return "- "
	case Differs:
		return "≠ "
	case Missing:
		return "∅ "
	case Label:
		return ""
	}
	return "  "
}

// writeRows writes a table with its columns below each other.
func (b *Block) writeRows(w *strings.Builder) {
	var widths []int
	wide := func(i int, s string) {
		for len(widths) <= i {
			widths = append(widths, 0)
		}
		widths[i] = min(72, max(widths[i], len([]rune(s))))
	}
	for i, h := range b.Header {
		wide(i, h)
	}
	for _, row := range b.Rows {
		for i, c := range row {
			wide(i, c.Text)
		}
	}
	line := func(texts []string) {
		var l strings.Builder
		for i, t := range texts {
			l.WriteString("  " + t + strings.Repeat(" ", max(0, widths[i]-len([]rune(t)))))
		}
		fmt.Fprintln(w, strings.TrimRight(l.String(), " "))
	}
	if len(b.Header) > 0 && len(b.Rows) > 0 {
		line(b.Header)
	}
	for _, row := range b.Rows {
		texts := make([]string, len(row))
		for i, c := range row {
			texts[i] = c.Text
		}
		line(texts)
	}
}

func (b *Block) writeSides(w *strings.Builder) {
	for _, s := range b.Sides {
		fmt.Fprintln(w, "  "+s.Name)
		for _, l := range s.Lines {
			fmt.Fprintln(w, "    "+l.Change.Sign()+l.Text)
		}
	}
}

func (n *Node) write(w *strings.Builder, depth int, in *words.Book) {
	line := strings.Repeat("  ", depth)
	if n.Mark != NoMark {
		line += n.Mark.Sign() + " "
	}
	line += n.Name
	if n.Value != "" {
		line += ": " + n.Value
	}
	if n.Note != "" {
		line += "  (" + n.Note + ")"
	}
	fmt.Fprintln(w, line)
	for _, c := range n.Children {
		c.write(w, depth+1, in)
	}
	if n.More > 0 {
		fmt.Fprintln(w, strings.Repeat("  ", depth+1)+in.L("and {{.N}} more", n.More))
	}
}
