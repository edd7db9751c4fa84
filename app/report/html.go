package report

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// PageInfo is what a page says about a run beside its events.
type PageInfo struct {
	Meta   trace.Meta
	Damage func() error // what of the run file cannot be read; asked after reading it, nil: nothing
	Player *Player      // what shows the run in motion above the report; nil: only the report
}

// Player is the part of a page that shows its run in motion, ready to be put in; see
// package player/write.
type Player struct {
	Style template.CSS
	Body  template.HTML // at the page's beginning
	Tail  template.HTML // at its end: the run, the program and what starts it
	Show  string        // what the report's button says that goes to the player
}

// Bounds of a page, so that a run of an hour gives one that a browser can open.
// What is left out is counted on the page.
const (
	mostExplained = 40    // invalid transactions with their diagrams
	mostOpen      = 8     // of these are unfolded
	mostBlocks    = 300   // rows of the table of blocks
	mostHappening = 400   // steps, faults and errors
	mostTopology  = 64000 // bytes of its YAML
)

//go:embed html.tmpl
var pageText string

// WriteHTML writes a run as one page that needs nothing else: no other file, no network,
// no script. It has the summary, charts, what was done and broken, all blocks, every
// invalid transaction with its reason and messages, and how the peers' chains compare.
func WriteHTML(w io.Writer, src Source, info PageInfo) error {
	c := newCollector(src)
	if err := errors.Join(c.read(src), c.pictures.close()); err != nil {
		return err
	}
	page := c.page(info)
	var errs [3]error
	page.Player = info.Player
	page.Charts, errs[0] = c.pictures.charts()
	page.Covers = c.pictures.covers()
	page.Stage, errs[1] = c.pictures.opening()
	page.Timeline, errs[2] = c.pictures.timelineOf("")
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	for _, id := range c.invalid {
		doc, err := explain(src, c.pictures.index, id, 0)
		if err != nil {
			page.Gaps = append(page.Gaps, err.Error())
			continue
		}
		tx := invalidTx{Document: doc, Open: len(page.Invalid) < mostOpen}
		if tx.Open {
			if tx.Timeline, err = c.pictures.timelineOf(id); err != nil {
				return err
			}
		}
		page.Invalid = append(page.Invalid, tx)
	}
	t, err := template.New("page").Funcs(template.FuncMap{"short": shortID, "tone": toneClass}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("the page's template: %w", err)
	}
	out := bufio.NewWriter(w)
	if err := t.Execute(out, page); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return out.Flush()
}

// page is what the template shows.
type page struct {
	Title    string
	Player   *Player
	Facts    []fact
	Gaps     []string // what is damaged, missing or left out
	Counts   []fact
	Charts   template.HTML
	Covers   string // which part of a long run the charts show, "" for all of it
	Stage    template.HTML
	Timeline template.HTML
	Codes    []codeShare
	Start    []happening // the network's start, folded
	Happened []happening
	Invalid  []invalidTx
	NoneBad  bool
	Blocks   []blockRow
	Peers    []peerRow
	PeersSay string // whether the chains agree
	Topology string
}

type fact struct{ Name, Value string }

// happening is something that was done, said or broken, or that failed.
type happening struct {
	At    string
	What  string // step, say, fault, error, ...
	Text  string
	Class string // ok, bad, say or plain
}

type codeShare struct {
	Code  string
	Count int
	Share string
	Width float64 // of 100
	Good  bool
}

type blockRow struct {
	Number         uint64
	Cut            string
	At, Took       string
	Valid, Invalid int
	Codes          string
	Hash           string
	Peers          int
	Different      bool
}

type peerRow struct {
	Name, Role, Life string
	Height           string
	Hash             string
	Verdict          string
	Bad              bool
}

// invalidTx is one transaction that was not committed as valid.
type invalidTx struct {
	*inspect.Document
	Timeline template.HTML
	Open     bool
}

// toneClass is how a tone looks; it is never the only sign of what is meant.
func toneClass(t inspect.Tone) string {
	return [...]string{inspect.Neutral: "", inspect.Good: "ok", inspect.Bad: "badtext", inspect.Warn: "warn", inspect.Weak: "muted"}[t]
}

func shortID(id string) string { return id[:min(8, len(id))] }

// since says a time as a person reads it: "+12.4 ms", "+3.29 s".
func since(ns int64) string {
	switch d := time.Duration(ns); {
	case d < 0:
		return "-" + (-d).Round(time.Microsecond).String()
	case d < time.Millisecond:
		return fmt.Sprintf("+%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("+%.1f ms", float64(d)/1e6)
	case d < 10*time.Minute:
		return fmt.Sprintf("+%.2f s", d.Seconds())
	}
	return "+" + time.Duration(ns).Round(time.Second).String()
}
