// Package player shows a recorded run without the program that made it: the models and
// painters of the window behind a surface so small that a page in a browser can drive it.
// It knows no screen, no files and no network: bytes of a packed run go in, pixels, text
// and markup come out. Package player/page is the program that runs in the page; package
// player/write makes pages.
//
// A Player belongs to one goroutine. Nothing it does takes long: reading is sliced.
//
// Read next: pack.go (the run in a page), panels.go (what is drawn and what a hand does
// there), keys.go, address.go (a moment as a link), markup.go (the inspector).
package player

import (
	"time"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/view/meter"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Player is one run and the moment of it that is shown.
type Player struct {
	run      *Run
	axis     *view.Axis
	playhead *view.Playhead
	world    *facts.World
	stage    *stage.World
	timeline *timeline.Index
	chain    *chain.Strip
	meter    *meter.Meter
	index    *inspect.Index

	book       *words.Book
	theme      *paint.Theme
	still      bool // motion is reduced
	heartbeats bool

	selection view.Selection
	closeUp   view.Selection // a block that is enlarged in place of the stage; Nothing: none
	quiet     bool           // lanes without anything in the window are left out
	pinned    []string       // nodes whose lanes stay at the top
	window    timeline.Window
	follows   bool
	span      int64
	panels    [panelCount]panel
	doc       *inspect.Document
	docAt     uint64
	links     []view.Selection // of the markup that was given last
	search    string           // in the inspector's document
	found     []Choice
	goal      string // an address to go to when everything has been read
	arrived   bool   // the playhead was put somewhere since the beginning
}

// New begins to show a packed run. Load reads it.
func New(packed []byte) (*Player, error) {
	run, err := Unpack(packed)
	if err != nil {
		return nil, err
	}
	limit := int(run.Events)
	world := facts.New(run, limit)
	if run.Layout != nil {
		world.Describe(*run.Layout)
	}
	p := &Player{run: run, axis: view.NewAxis(limit), playhead: view.NewPlayhead(), world: world, stage: stage.New(world), timeline: timeline.New(world),
		chain: chain.New(world), meter: meter.New(), index: inspect.New(world), theme: paint.Dark(), quiet: true, follows: true}
	p.playhead.Pace, p.playhead.Playing = view.Stretch, false
	for i := range p.panels {
		p.panels[i].camera.Scale = 1
	}
	p.SetLanguage("en")
	return p, nil
}

// Load reads on for about a time and tells how much has been read, 0 to 1.
func (p *Player) Load(budget time.Duration) (share float64, err error) {
	for begin := time.Now(); !p.run.done; { // at least a little
		events, err := p.run.Read()
		if err != nil {
			return p.run.Share(), err
		}
		p.take(events)
		if time.Since(begin) >= budget {
			break
		}
	}
	if p.run.done && !p.arrived {
		p.arrived = true
		if !p.GoTo(p.goal) {
			p.begin()
		}
	}
	return p.run.Share(), nil
}

func (p *Player) take(events []trace.Event) {
	p.axis.Add(events)
	p.world.Add(events, func(e *facts.Step, gap bool) {
		p.timeline.Take(e, gap)
		p.meter.Take(e, gap)
	})
	p.stage.Take(events)
}

// begin puts the playhead where the network was ready: what comes before is the same in
// all runs.
func (p *Player) begin() {
	p.playhead.At = p.axis.Start()
	for i := range p.run.events {
		if p.run.events[i].Kind == trace.NetworkReady {
			p.playhead.At = p.axis.Moment(p.run.events[i].Seq)
			return
		}
	}
}

// SetLanguage changes the language of everything that is said: "en", "de_AT".
func (p *Player) SetLanguage(tag string) {
	p.book = words.Of(tag)
	words.Use(p.book)
	p.stage.SetBook(p.book)
	p.chain.SetBook(p.book)
	p.doc = nil
}

// SetLight chooses the light theme or the dark one.
func (p *Player) SetLight(on bool) {
	p.theme = paint.Dark()
	if on {
		p.theme = paint.Light()
	}
}

// SetStill reduces motion: messages stand still in the middle of their links.
func (p *Player) SetStill(on bool) { p.still = on }

// Tick moves the playhead by dt of the screen's time and tells whether it moved.
func (p *Player) Tick(dt time.Duration) bool {
	if !p.run.done {
		return false
	}
	moved := p.playhead.Tick(dt, p.axis)
	if p.playhead.Playing && p.playhead.Pace != view.Live && p.playhead.At.Time >= p.axis.End().Time {
		p.playhead.Playing, moved = false, true
	}
	return moved
}

// Select chooses one thing for all panels.
func (p *Player) Select(sel view.Selection) {
	if sel == p.selection {
		return
	}
	p.selection, p.doc, p.search = sel, nil, ""
	p.reveal()
}

// reveal lets the chain show the block of what is selected.
func (p *Player) reveal() {
	c := &p.panels[Chain]
	w, h := c.units()
	if w > 0 && p.selection.What != view.Nothing {
		c.scroll = p.chain.Reveal(p.selection, chain.Options{At: p.playhead.At, W: w, H: h, Scroll: c.scroll})
	}
}

// Document is what there is to say about the selection at the playhead, nil while nothing
// is selected.
func (p *Player) Document() *inspect.Document {
	if p.selection.What == view.Nothing {
		return nil
	}
	if p.doc == nil || p.docAt != p.playhead.At.Seq || p.doc.Partial {
		p.docAt = p.playhead.At.Seq
		p.doc = inspect.Of(inspect.Input{Book: p.book, Source: p.run, Index: p.index, At: p.playhead.At, Selection: p.selection, Search: p.search,
			Ahead: p.axis.End().Seq, Orgs: p.run.Orgs, Policies: p.run.Policies})
	}
	return p.doc
}

// Find sets what the inspector looks for in a ledger's state.
func (p *Player) Find(text string) { p.search, p.doc = text, nil }

// State is what stands around the panels.
type State struct {
	Name     string         `json:"name"`
	Share    float64        `json:"share"` // of the run that has been read
	Playing  bool           `json:"playing"`
	Pace     string         `json:"pace"`
	Scale    float64        `json:"scale"` // the slider, 0 to 1
	Clock    string         `json:"clock"`
	Caption  string         `json:"caption"`
	Address  string         `json:"address"`
	Gauges   [4]meter.Gauge `json:"gauges"`
	Position [3]uint64      `json:"position"` // event, first, last
	Closeup  bool           `json:"closeup"`
	Selected bool           `json:"selected"`
	Light    bool           `json:"light"`
	Language string         `json:"language"`
	Span     string         `json:"span"` // which events are missing, "" if none
}

// State gives what stands around the panels at the playhead.
func (p *Player) State() State {
	first, last, _ := p.axis.Bounds()
	s := State{Name: p.run.Name, Share: p.run.Share(), Playing: p.playhead.Playing, Pace: p.paceText(), Scale: view.ShareOf(p.playhead.Scale),
		Caption: p.stage.Caption(p.playhead.At, p.selection), Address: p.Address(), Position: [3]uint64{p.playhead.At.Seq, first, last},
		Closeup: p.closeUp.What != view.Nothing, Selected: p.selection.What != view.Nothing, Light: p.theme.Name == "light", Language: p.book.Tag()}
	r := p.meter.At(p.playhead.At)
	s.Gauges = r.Gauges(p.book)
	if p.run.Of > p.run.Events {
		s.Span = p.book.L("This page holds {{.N}} of the run's {{.Of}} events.", map[string]any{"N": view.Thousands(p.run.Events), "Of": view.Thousands(p.run.Of)})
	}
	if start := p.axis.Start().Time; start > 0 {
		s.Clock = view.SpanText(time.Duration(p.playhead.At.Time - start))
	}
	return s
}
