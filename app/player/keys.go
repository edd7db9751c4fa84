package player

import (
	"cmp"
	"slices"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Key does what a key does in the window, by the names that browsers give to keys, and
// tells whether it does anything.
func (p *Player) Key(key string, shift bool) bool {
	switch key {
	case " ":
		p.PlayPause()
	case "ArrowRight", "ArrowLeft", "PageDown", "PageUp":
		n := 1
		if key == "ArrowLeft" || key == "PageUp" {
			n = -1
		}
		if shift {
			return p.StepSelection(n)
		}
		p.Step(n)
	case "ArrowUp", "ArrowDown":
		n := 1
		if key == "ArrowUp" {
			n = -1
		}
		p.Select(p.chain.Step(p.selection, n, 0))
	case "Home":
		p.playhead.Seek(p.axis.Start())
	case "End", "l", "L":
		p.playhead.Seek(p.axis.End())
	case "e", "E":
		p.playhead.Pace, p.playhead.Playing = view.Events, true
	case "+", "=":
		p.SetScale(view.Scaled(p.playhead.Scale, 2))
	case "-":
		p.SetScale(view.Scaled(p.playhead.Scale, 0.5))
	case "f", "F":
		p.panels[Stage].free = false
	case "v", "V":
		return p.enlarge()
	case "w", "W":
		p.window, p.follows = p.timeline.Fit(), false
	case "t", "T":
		p.follows, p.span = true, 0
	case "q", "Q":
		p.quiet = !p.quiet
	case "x", "X":
		if p.selection.What != view.SelectNode {
			return false
		}
		p.pinned = view.Toggled(p.pinned, p.selection.Node)
	case "[", "]":
		p.Select(p.selection.Mark(p.playhead.At.Seq, key == "["))
	case "p", "P":
		p.Select(view.Selection{What: view.SelectPeers})
	case "h", "H":
		p.heartbeats = !p.heartbeats
	case "n", "N":
		return p.walk(1)
	case "Enter":
		p.open(p.selection)
	case "Escape":
		return p.escape()
	default:
		return false
	}
	return true
}

// PlayPause starts or stops the playhead; from the end it begins anew.
func (p *Player) PlayPause() {
	h := p.playhead
	if !h.Playing && h.At.Seq >= p.axis.End().Seq {
		h.Seek(p.axis.Start())
	}
	h.Playing = !h.Playing
}

// Step moves by n events and pauses.
func (p *Player) Step(n int) { p.playhead.Step(p.axis, n) }

// SetScale is how much of the run one second shows.
func (p *Player) SetScale(scale time.Duration) {
	p.playhead.Pace, p.playhead.Scale = view.Stretch, scale
}

func (p *Player) paceText() string {
	if p.playhead.Pace == view.Events {
		return p.book.L("event by event")
	}
	return p.book.L("1 s shows {{.Time}}", map[string]any{"Time": view.SpanText(p.playhead.Scale)})
}

// StepSelection moves to the next (n > 0) or previous event of what is selected.
func (p *Player) StepSelection(n int) bool {
	from := p.playhead.At.Seq
	if tx := p.selection.Tx(); tx != "" {
		seqs := p.run.byTx[tx]
		i, found := slices.BinarySearchFunc(seqs, from, cmp.Compare[uint64])
		switch {
		case n > 0 && found:
			i++
		case n < 0:
			i--
		}
		if i < 0 || i >= len(seqs) {
			return false
		}
		p.pauseAt(seqs[i])
		return true
	}
	return p.scan(from, n, func(e *trace.Event) bool { return p.selection.Concerns(e) })
}

// scan pauses at the next or previous event that fits.
func (p *Player) scan(from uint64, n int, fits func(*trace.Event) bool) bool {
	events := p.run.events
	for i := int(from-p.run.First) + sign(n); i >= 0 && i < len(events); i += sign(n) {
		if fits(&events[i]) {
			p.pauseAt(events[i].Seq)
			return true
		}
	}
	return false
}

func sign(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}

func (p *Player) pauseAt(seq uint64) {
	p.Seek(seq)
	p.playhead.Playing = false
}

// enlarge shows how the selected block is validated in place of the stage, or the stage
// again.
func (p *Player) enlarge() bool {
	sel := p.selection
	switch {
	case p.closeUp.What != view.Nothing:
		p.closeUp = view.Selection{}
		return true
	case sel.What == view.SelectBlock:
		p.closeUp = sel
		return true
	case sel.Tx() != "":
		if block, _, ok := p.chain.Find(p.axis.End(), sel.Tx()); ok {
			p.closeUp = view.Selection{What: view.SelectBlock, Block: block}
			return true
		}
	}
	return false
}

// walk selects the next node.
func (p *Player) walk(step int) bool {
	nodes := p.stage.Nodes()
	if len(nodes) == 0 {
		return false
	}
	at := -1
	if p.selection.What == view.SelectNode {
		at = slices.Index(nodes, p.selection.Node)
	}
	p.Select(view.Selection{What: view.SelectNode, Node: nodes[(at+step+len(nodes))%len(nodes)]})
	return true
}

func (p *Player) escape() bool {
	switch {
	case p.closeUp.What != view.Nothing:
		p.closeUp = view.Selection{}
	case p.selection.What != view.Nothing:
		p.Select(view.Selection{})
	default:
		return false
	}
	return true
}
