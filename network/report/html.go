package report

import (
	"bufio"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// PageInfo is what a page says about a run beside its events.
type PageInfo struct {
	Meta   trace.Meta
	Damage func() error // what of the run file cannot be read; asked after reading it, nil: nothing
}

// Bounds of a page, so that a run of an hour gives one that a browser can open.
// What is left out is counted on the page.
const (
	mostExplained = 40    // invalid transactions with their diagrams
	mostOpen      = 8     // of these are unfolded
	mostBlocks    = 300   // rows of the table of blocks
	mostHappening = 400   // steps, faults and errors
	mostArrows    = 120   // messages of one diagram
	mostTopology  = 64000 // bytes of its YAML
)

//go:embed html.tmpl
var pageText string

// WriteHTML writes a run as one page that needs nothing else: no other file, no network,
// no script. It has the summary, charts, what was done and broken, all blocks, every
// invalid transaction with its reason and messages, and how the peers' chains compare.
func WriteHTML(w io.Writer, src Source, info PageInfo) error {
	c := newCollector()
	if err := c.read(src); err != nil {
		return err
	}
	page := c.page(info)
	for _, id := range c.invalid {
		x, err := Explain(src, id)
		if err != nil {
			page.Gaps = append(page.Gaps, err.Error())
			continue
		}
		page.Invalid = append(page.Invalid, invalidOn(x, len(page.Invalid) < mostOpen))
	}
	t, err := template.New("page").Funcs(template.FuncMap{"short": shortID}).Parse(pageText)
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
	Facts    []fact
	Gaps     []string // what is damaged, missing or left out
	Counts   []fact
	Charts   []chart
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
	*Explanation
	Call    string
	Diagram *diagram
	Open    bool
}

func invalidOn(x *Explanation, open bool) invalidTx {
	quoted := make([]string, len(x.Args))
	for i, a := range x.Args {
		quoted[i] = fmt.Sprintf("%q", a)
	}
	return invalidTx{Explanation: x, Call: fmt.Sprintf("%s(%s)", x.Function, strings.Join(quoted, ", ")), Diagram: newDiagram(x), Open: open}
}

func shortID(id string) string { return id[:min(8, len(id))] }

func milliseconds(v float64) string { return fmt.Sprintf("%+.3f ms", v) }

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

// plural gives "1 block", "2 blocks".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
