package player

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Choice is one thing that a search found.
type Choice struct {
	Title string `json:"title"`
	Note  string `json:"note"`
	sel   view.Selection
}

// mostChoices is how many things a search finds at most.
const mostChoices = 12

// Search finds transactions, blocks, nodes and keys by a few letters. Choose takes one.
func (p *Player) Search(text string) []Choice {
	text = strings.ToLower(strings.TrimSpace(text))
	p.found = p.found[:0]
	if text == "" {
		return nil
	}
	add := func(title, note string, sel view.Selection) {
		if len(p.found) < mostChoices && strings.Contains(strings.ToLower(title), text) {
			p.found = append(p.found, Choice{title, note, sel})
		}
	}
	f := p.chain.Frame(chain.Options{At: p.axis.End(), W: 1 << 20, H: 200})
	for i := len(f.Cards) - 1; i >= 0; i-- {
		card := &f.Cards[i]
		add(fmt.Sprintf("%s %d", p.book.L("Block"), card.Number), p.book.L("block"), view.Selection{What: view.SelectBlock, Block: card.Number})
		for j := range card.Squares {
			if q := &card.Squares[j]; q.TxID != "" {
				add(p.book.L("Transaction")+" "+q.TxID[:min(len(q.TxID), 12)], q.Code, view.Selection{What: view.SelectTx, TxID: q.TxID})
			}
		}
	}
	for _, name := range p.stage.Nodes() {
		add(name, p.book.L("node"), view.Selection{What: view.SelectNode, Node: name})
	}
	for _, k := range p.keys() {
		add(words.KeyText(k.Key), k.Namespace, k)
	}
	return p.found
}

// Choose selects what Search found as its i-th.
func (p *Player) Choose(i int) {
	if i >= 0 && i < len(p.found) {
		p.Select(p.found[i].sel)
		p.showSelection()
	}
}

// keys lists the keys that simulations touched, as selections: a transaction touches keys of
// the chaincode that its proposal calls.
func (p *Player) keys() []view.Selection {
	seen := map[view.Selection]bool{}
	called := map[string]string{}
	var out []view.Selection
	for i := range p.run.events {
		switch e := &p.run.events[i]; e.Kind {
		case trace.Proposal:
			called[e.TxID] = e.Key
		case trace.ReadAdded, trace.WriteAdded:
			sel := view.Selection{What: view.SelectKey, Namespace: called[e.TxID], Key: e.Key}
			if sel.Namespace != "" && !strings.HasPrefix(sel.Namespace, "_") && !seen[sel] {
				seen[sel] = true
				out = append(out, sel)
			}
		}
	}
	slices.SortFunc(out, func(a, b view.Selection) int { return strings.Compare(a.Key, b.Key) })
	return out
}
