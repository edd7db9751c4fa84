package window

import (
	"fmt"
	"sort"
	"strings"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

// choice is one line of the command palette.
type choice struct {
	title, note string
	do          func()
}

// mostChoices is how many lines of the palette are shown.
const mostChoices = 11

// palette finds actions, nodes, transactions and blocks by a few letters.
type palette struct {
	s      *Shell
	entry  *paletteEntry
	list   *fyne.Container
	all    []choice
	found  []choice
	marked int
}

// paletteEntry is an entry whose arrows and Enter belong to the list below it.
type paletteEntry struct {
	look.Entry
	key func(fyne.KeyName) bool
}

// TypedKey gives arrows and Enter to the list.
func (e *paletteEntry) TypedKey(k *fyne.KeyEvent) {
	if !e.key(k.Name) {
		e.Entry.TypedKey(k)
	}
}

func (s *Shell) showPalette() {
	if s.win.Canvas().Overlays().Top() != nil {
		return
	}
	p := &palette{s: s, all: s.choices(), list: look.Column(2)}
	p.entry = &paletteEntry{key: p.typed}
	p.entry.Init(p.entry)
	p.entry.SetPlaceHolder(words.L("What do you want to do, or see?"))
	p.entry.OnChanged = p.search
	s.popUp(look.Column(8, p.entry, look.Sized(520, 30*mostChoices, container.NewVBox(p.list))), 560)
	p.search("")
	s.win.Canvas().Focus(p.entry)
}

// choices lists everything that can be found: what can be done now, the network's nodes,
// its newest transactions and blocks.
func (s *Shell) choices() []choice {
	var all []choice
	for i := range s.actions {
		a := &s.actions[i]
		if a.id != "palette" && s.usable(a) {
			all = append(all, choice{a.title, a.keyText(), a.do})
		}
	}
	all = append(all, s.lessonChoices()...)
	if s.main == nil {
		return all
	}
	n := s.session
	pick := func(sel view.Selection) func() { return func() { n.Select(sel) } }
	for _, name := range n.Stage.Nodes() {
		all = append(all, choice{n.Short(name), words.L("node"), pick(view.Selection{What: view.SelectNode, Node: name})})
	}
	for _, name := range n.Peers() {
		all = append(all, choice{words.L("Ledger of {{.Node}}", map[string]any{"Node": n.Short(name)}), words.L("ledger"), pick(view.Selection{What: view.SelectLedger, Node: name})})
	}
	f := n.Chain.Frame(s.main.wideChain())
	for i := len(f.Cards) - 1; i >= 0; i-- {
		card := f.Cards[i]
		all = append(all, choice{fmt.Sprintf("%s %d", words.L("Block"), card.Number), words.L("block"), pick(view.Selection{What: view.SelectBlock, Block: card.Number})})
		for _, q := range card.Squares {
			if q.TxID != "" {
				all = append(all, choice{words.L("Transaction") + " " + q.TxID[:min(len(q.TxID), 12)], q.Code, pick(view.Selection{What: view.SelectTx, TxID: q.TxID})})
			}
		}
	}
	return all
}

func (s *Shell) lessonChoices() []choice {
	var out []choice
	for _, l := range lessonsOf(s) {
		out = append(out, choice{fmt.Sprintf("%s %d: %s", words.L("Lesson"), l.Number, words.Say(l.Title)), words.L("lesson"),
			func() { s.replacing(func() { s.openLesson(l.Name) }) }})
	}
	return out
}

// search shows what fits the words, best first.
func (p *palette) search(words string) {
	type scored struct {
		choice
		score int
	}
	var fits []scored
	for _, c := range p.all {
		if n, ok := fuzzy(words, c.title); ok {
			fits = append(fits, scored{c, n})
		}
	}
	sort.SliceStable(fits, func(i, j int) bool { return fits[i].score > fits[j].score })
	p.found = p.found[:0]
	for _, f := range fits[:min(len(fits), mostChoices)] {
		p.found = append(p.found, f.choice)
	}
	p.marked = 0
	p.show()
}

func (p *palette) show() {
	p.list.Objects = p.list.Objects[:0]
	for i, c := range p.found {
		row := look.NewTapLine(c.title, look.Line(look.Body(c.title).Cut(), look.Muted(c.note)), func() { p.take(i) })
		row.SetOn(i == p.marked)
		p.list.Objects = append(p.list.Objects, row)
	}
	if len(p.found) == 0 {
		p.list.Objects = append(p.list.Objects, look.Inset(8, 8, look.Muted(words.L("Nothing fits these letters."))))
	}
	p.list.Refresh()
}

func (p *palette) take(i int) {
	if i < 0 || i >= len(p.found) {
		return
	}
	do := p.found[i].do
	p.s.closePopup()
	do()
}

func (p *palette) typed(k fyne.KeyName) bool {
	switch k {
	case fyne.KeyDown:
		p.marked = min(p.marked+1, len(p.found)-1)
	case fyne.KeyUp:
		p.marked = max(p.marked-1, 0)
	case fyne.KeyReturn, fyne.KeyEnter:
		p.take(p.marked)
		return true
	default:
		return false
	}
	p.show()
	return true
}

// fuzzy tells whether the letters of words appear in text in their order, and how well:
// letters beside one another and beginnings of words count more.
func fuzzy(words, text string) (score int, ok bool) {
	want := []rune(strings.ToLower(strings.TrimSpace(words)))
	if len(want) == 0 {
		return 0, true
	}
	if i := strings.Index(strings.ToLower(text), string(want)); i >= 0 {
		score = 50 - min(i, 40)
	}
	at, last := 0, -2
	var before rune = ' '
	for i, r := range []rune(strings.ToLower(text)) {
		if at < len(want) && r == want[at] {
			score++
			if last == i-1 {
				score += 3
			}
			if !unicode.IsLetter(before) && !unicode.IsDigit(before) {
				score += 4
			}
			at, last = at+1, i
		}
		before = r
	}
	return score, at == len(want)
}

// paletteChain is a strip wide enough for the newest blocks that can be found by name.
const paletteChain = 4000

// wideChain is what the palette searches: the newest blocks, whatever the panel's width.
func (m *mainView) wideChain() chain.Options {
	return chain.Options{At: m.n.Playhead.At, W: paletteChain, H: 200, Peer: m.chainPeer}
}
