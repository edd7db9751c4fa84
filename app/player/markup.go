package player

import (
	"html"
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/words"
)

// Markup is the document of the selection as HTML; links carry data-link="N" for Follow.
// It is "" while nothing is selected.
func (p *Player) Markup() string {
	m := markup{book: p.book}
	if d := p.Document(); d != nil {
		m.document(d)
	}
	p.links = m.links
	return m.out.String()
}

// Follow selects what the n-th link of the last markup leads to.
func (p *Player) Follow(n int) {
	if n >= 0 && n < len(p.links) {
		p.Select(p.links[n])
	}
}

// markup writes documents as HTML. All texts are escaped.
type markup struct {
	out   strings.Builder
	book  *words.Book
	links []view.Selection
}

func (m *markup) put(parts ...string) {
	for _, s := range parts {
		m.out.WriteString(s)
	}
}

func (m *markup) element(name, class, text string) {
	if text != "" {
		m.put("<", name, ` class="`, class, `">`, html.EscapeString(text), "</", name, ">")
	}
}

var toneNames = [...]string{"", "good", "bad", "warn", "weak"}

// linked writes a text that may lead somewhere.
func (m *markup) linked(text, class string, to view.Selection) {
	if to.What == view.Nothing {
		m.put(`<span class="`, class, `">`, html.EscapeString(text), "</span>")
		return
	}
	m.put(`<a href="#" class="`, class, `" data-link="`, strconv.Itoa(len(m.links)), `">`, html.EscapeString(text), "</a>")
	m.links = append(m.links, to)
}

func (m *markup) cell(c inspect.Cell) {
	class := toneNames[c.Tone]
	if c.Mono {
		class += " mono"
	}
	m.linked(c.Text, strings.TrimSpace(class), c.Link)
}

func (m *markup) document(d *inspect.Document) {
	m.element("h2", "title", d.Title)
	m.element("p", "subtitle", d.Subtitle)
	for i := range d.Blocks {
		m.block(&d.Blocks[i])
	}
}

func (m *markup) block(b *inspect.Block) {
	m.put(`<section class="`, b.Form.String(), " ", toneNames[b.Tone], `">`)
	if b.Title != "" || b.Aside.Text != "" {
		m.put("<h3>", html.EscapeString(b.Title))
		if b.Aside.Text != "" {
			m.put(`<span class="aside">`)
			m.cell(b.Aside)
			m.put("</span>")
		}
		m.put("</h3>")
	}
	if b.Search {
		m.put(`<input type="search" class="find" data-find="1" placeholder="`, html.EscapeString(m.book.L("Search keys and values")), `">`)
	}
	for _, line := range strings.Split(b.Text, "\n") {
		m.element("p", toneNames[b.Tone], line)
	}
	if len(b.Links) > 0 {
		m.put(`<p class="links">`)
		for _, c := range b.Links {
			m.cell(c)
			m.put(" ")
		}
		m.put("</p>")
	}
	m.stations(b.Stations)
	m.rows(b)
	m.sides(b.Sides)
	if len(b.Lines) > 0 {
		m.lines(b.Lines)
	}
	m.tree(b.Nodes)
	m.messages(b.List)
	if b.More > 0 {
		m.element("p", "weak", m.book.L("{{.N}} more are not shown", b.More))
	}
	m.put("</section>")
}

var markNames = [...]string{"", "done", "failed", "waiting"}

func (m *markup) stations(all []inspect.Station) {
	if len(all) == 0 {
		return
	}
	m.put(`<ol class="journey">`)
	for _, s := range all {
		m.put(`<li class="`, markNames[s.Mark], `"><span class="sign">`, s.Mark.Sign(), "</span>")
		m.linked(s.Name, "name", s.Link)
		m.element("span", "when mono", s.At)
		m.element("div", "weak", s.Detail)
		m.put("</li>")
	}
	m.put("</ol>")
}

func (m *markup) rows(b *inspect.Block) {
	if len(b.Rows) == 0 {
		return
	}
	m.put(`<div class="wide"><table>`)
	if len(b.Header) > 0 {
		m.put("<thead><tr>")
		for _, h := range b.Header {
			m.put("<th>", html.EscapeString(h), "</th>")
		}
		m.put("</tr></thead>")
	}
	m.put("<tbody>")
	for _, r := range b.Rows {
		m.put("<tr>")
		for _, c := range r {
			m.put("<td>")
			m.cell(c)
			m.put("</td>")
		}
		m.put("</tr>")
	}
	m.put("</tbody></table></div>")
}

func (m *markup) sides(all []inspect.Side) {
	if len(all) == 0 {
		return
	}
	m.put(`<div class="sides">`)
	for _, s := range all {
		m.put("<div>")
		m.linked(s.Name, "name", s.Link)
		m.lines(s.Lines)
		m.put("</div>")
	}
	m.put("</div>")
}

var changeNames = [...]string{"same", "added", "removed", "differs", "missing", "label"}

func (m *markup) lines(all []inspect.Line) {
	m.put(`<div class="lines mono">`)
	for _, l := range all {
		m.put(`<div class="`, changeNames[l.Change], `">`, html.EscapeString(l.Change.Sign()))
		m.linked(l.Text, "", l.Link)
		m.put("</div>")
	}
	m.put("</div>")
}

// deepest bounds how far a tree is followed; what lies below is said to be more.
const deepest = 60

func (m *markup) tree(nodes []*inspect.Node) {
	if len(nodes) > 0 {
		m.put(`<ul class="tree">`)
		for _, n := range nodes {
			m.node(n, 0)
		}
		m.put("</ul>")
	}
}

func (m *markup) node(n *inspect.Node, depth int) {
	m.put(`<li class="`, markNames[n.Mark], `">`)
	inner := len(n.Children) > 0 && depth < deepest
	if inner {
		m.put("<details")
		if n.Open {
			m.put(" open")
		}
		m.put("><summary>")
	}
	if n.Mark != inspect.NoMark {
		m.put(`<span class="sign">`, n.Mark.Sign(), "</span>")
	}
	m.linked(n.Name, "name", n.Link)
	if n.Value != "" {
		class := "value"
		if n.Mono {
			class = "value mono"
		}
		m.put(" ")
		m.element("span", class, n.Value)
	}
	if n.Note != "" {
		m.put(" ")
		m.element("span", "weak", n.Note)
	}
	if inner {
		m.put("</summary><ul>")
		for _, c := range n.Children {
			m.node(c, depth+1)
		}
		if n.More > 0 {
			m.element("li", "weak", m.book.L("{{.N}} more are not shown", n.More))
		}
		m.put("</ul></details>")
	}
	m.put("</li>")
}

func (m *markup) messages(all []inspect.Message) {
	if len(all) == 0 {
		return
	}
	m.put(`<div class="wide"><table class="messages"><tbody>`)
	for _, x := range all {
		class := "class" + strconv.Itoa(int(x.Class))
		if x.Reply {
			class += " reply"
		}
		m.put(`<tr class="`, class, `"><td class="mono weak">`, html.EscapeString(x.At), "</td><td>", html.EscapeString(x.From))
		if x.To != "" {
			m.put(" → ", html.EscapeString(x.To))
		}
		m.put("</td><td>")
		m.linked(x.What, toneNames[x.Tone], x.Link)
		m.put("</td></tr>")
	}
	m.put("</tbody></table></div>")
}
