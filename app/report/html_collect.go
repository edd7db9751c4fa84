package report

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// collector reads a trace once and keeps what a page shows, within bounds.
type collector struct {
	events, lost int
	first, last  int64
	messages     int

	nodes  map[string]*nodeLife
	order  []string // nodes in the order in which they appeared
	blocks map[uint64]*blockFacts

	codes    map[string]int
	valid    int
	invalidN int
	invalid  []string // ids of those that are explained
	pictures *pictures
	happened []happening
	start    []happening
	more     int // happenings beyond the bound
}

type nodeLife struct {
	role           string
	started, ended int64
	starts         int
	killed         bool
	height         uint64
	hash           string
	committed      bool
	different      uint64 // first block whose commit hash differs from the others'
}

type blockFacts struct {
	cut            string
	cutAt, done    int64
	judge          string // the peer whose verdicts count here
	valid, invalid int
	codes          map[string]int
	hash           string
	peers          int
	different      bool
}

// Bounds on what is remembered while reading.
const (
	mostKeptBlocks = 200_000
	mostKeptNodes  = 2_000
)

func newCollector(src Source) *collector {
	return &collector{pictures: newPictures(src), nodes: map[string]*nodeLife{}, blocks: map[uint64]*blockFacts{}, codes: map[string]int{}}
}

// read takes all events.
func (c *collector) read(src Source) error {
	var cursor uint64
	for {
		events, next, lost := src.Since(cursor, 4096)
		c.lost += int(lost)
		if len(events) == 0 {
			return nil
		}
		for i := range events {
			c.take(&events[i])
		}
		c.pictures.add(events)
		cursor = next
	}
}

func (c *collector) take(e *trace.Event) {
	if c.events++; c.events == 1 {
		c.first, c.last = e.Time, e.Time
	}
	c.first, c.last = min(c.first, e.Time), max(c.last, e.Time)
	if e.Dir == trace.Sent {
		c.messages++
	}
	switch e.Kind {
	case trace.BlockCut:
		if b := c.block(e.Block); b != nil && b.cut == "" {
			b.cut, b.cutAt = cutText(e), e.Time
		}
	case trace.Verdict:
		c.verdict(e)
	case trace.Committed:
		c.committed(e)
	case trace.BlockWritten:
		if n := c.node(e.Node); n != nil {
			n.height = max(n.height, e.Block+1)
		}
	case trace.NodeStart, trace.NodeReady, trace.NodeStop, trace.NodeKilled:
		c.life(e)
	}
	c.happening(e)
}

func (c *collector) block(number uint64) *blockFacts {
	b := c.blocks[number]
	if b == nil {
		if len(c.blocks) >= mostKeptBlocks {
			return nil
		}
		b = &blockFacts{codes: map[string]int{}}
		c.blocks[number] = b
	}
	return b
}

// cutText says why a batch was cut and what is in it.
func cutText(e *trace.Event) string {
	if e.What == trace.Untold {
		return ""
	}
	return e.What.String() + ", " + view.Count(int(e.A), "transaction")
}

// validName is the public name of what a valid transaction has.
var validName = facts.CodeName(facts.Valid)

// verdict counts a transaction once: the first peer that judges a block speaks for it.
func (c *collector) verdict(e *trace.Event) {
	code, _ := facts.CodeOf(e)
	valid := code == facts.Valid
	if b := c.block(e.Block); b != nil {
		if b.judge == "" {
			b.judge = e.Node
		}
		if b.judge != e.Node {
			return
		}
		b.codes[e.Key]++
		if valid {
			b.valid++
		} else {
			b.invalid++
		}
	}
	c.codes[e.Key]++
	if valid {
		c.valid++
	} else {
		c.invalidN++
		if len(c.invalid) < mostExplained && e.TxID != "" {
			c.invalid = append(c.invalid, e.TxID)
		}
	}
}

func (c *collector) committed(e *trace.Event) {
	n := c.node(e.Node)
	if n == nil {
		return
	}
	n.height, n.hash, n.committed = max(n.height, e.Block+1), e.Key, true
	b := c.block(e.Block)
	if b == nil {
		return
	}
	if b.peers++; b.done == 0 {
		b.done = e.Time
	}
	switch {
	case e.Key == "":
	case b.hash == "":
		b.hash = e.Key
	case b.hash != e.Key:
		b.different = true
		if n.different == 0 {
			n.different = e.Block
		}
	}
}

func (c *collector) node(name string) *nodeLife {
	n := c.nodes[name]
	if n == nil {
		if len(c.nodes) >= mostKeptNodes {
			return nil
		}
		n = &nodeLife{}
		c.nodes[name], c.order = n, append(c.order, name)
	}
	return n
}

func (c *collector) life(e *trace.Event) {
	n := c.node(e.Node)
	if n == nil {
		return
	}
	switch e.Kind {
	case trace.NodeStart:
		if n.starts++; e.What == trace.IsPeer || e.What == trace.IsOrderer {
			n.role = e.What.String()
		}
		if n.started == 0 {
			n.started = e.Time
		}
		n.ended, n.killed = 0, false
	case trace.NodeStop:
		n.ended = e.Time
	case trace.NodeKilled:
		n.ended, n.killed = e.Time, true
	}
}

// happening keeps what somebody did, said or broke, and what failed.
func (c *collector) happening(e *trace.Event) {
	tell := words.Teller{Book: words.Now(), Name: func(node string) string { return node }}
	h := happening{At: since(e.Time - c.first), Text: tell.Brief(e), Class: "plain"}
	switch e.Kind {
	case trace.Step:
		h.What = e.Key
		if e.Key == "progress" {
			h.What = "start"
			c.start = append(c.start[:min(len(c.start), mostHappening)], h)
			return
		}
		if e.Key == "expect" {
			if h.Class = "ok"; e.What == trace.Failed {
				h.Class = "bad"
			}
		}
	case trace.Say:
		h.What, h.Class, h.Text = "says", "say", words.Now().Said(e)
	case trace.Fault:
		h.What, h.Class, h.Text = "fault", "bad", strings.TrimSpace(e.Node+": "+h.Text)
	case trace.ErrorEvent:
		h.What, h.Class, h.Text = "error", "bad", strings.TrimSpace(e.Node+": "+h.Text)
	case trace.NodeKilled:
		h.What, h.Class, h.Text = "killed", "bad", e.Node
	case trace.LinkRule:
		h.What, h.Text = "link", strings.TrimSpace(strings.TrimSpace(e.Node+" "+e.Other)+": "+h.Text)
	case trace.HoldSet, trace.HoldGone:
		h.What, h.Text = "hold", strings.TrimSpace(string(e.Kind)+" "+e.Key+" "+h.Text)
	case trace.NetworkReady:
		h.What, h.Class, h.Text = "ready", "ok", "network "+e.Node
		if e.What == trace.Told {
			h.Text += ", started in " + e.Took().Round(time.Millisecond).String()
		}
	case trace.RaftRole:
		if e.What != trace.Leader {
			return
		}
		h.What, h.Text = "leader", fmt.Sprintf("%s leads the ordering service, term %d", e.Node, e.A)
	default:
		return
	}
	if len(c.happened) >= mostHappening {
		c.more++
		return
	}
	c.happened = append(c.happened, h)
}

// page puts together what was read.
func (c *collector) page(info PageInfo) *page {
	p := &page{Title: info.Meta.Name, NoneBad: c.invalidN == 0, Start: c.start, Happened: c.happened, Topology: info.Meta.Topology}
	if p.Title == "" {
		p.Title = "a run"
	}
	if !strings.Contains(p.Topology, "organizations:") {
		p.Topology = "" // a scenario chooses its network while it runs; only its name is recorded
	}
	if len(p.Topology) > mostTopology {
		p.Topology = strings.ToValidUTF8(p.Topology[:mostTopology], "") + "\n..."
	}
	c.facts(p, info.Meta)
	c.gaps(p, info)
	total := c.valid + c.invalidN
	for code, n := range c.codes {
		share := 100 * float64(n) / float64(total)
		p.Codes = append(p.Codes, codeShare{Code: code, Count: n, Share: fmt.Sprintf("%.1f %%", share), Width: share, Good: code == validName})
	}
	sort.Slice(p.Codes, func(i, j int) bool {
		if p.Codes[i].Count != p.Codes[j].Count {
			return p.Codes[i].Count > p.Codes[j].Count
		}
		return p.Codes[i].Code < p.Codes[j].Code
	})
	c.blockRows(p)
	c.peerRows(p)
	return p
}

func (c *collector) facts(p *page, m trace.Meta) {
	add := func(name, value string) {
		if value != "" {
			p.Facts = append(p.Facts, fact{name, value})
		}
	}
	add("Recorded by", m.Program)
	if !m.Started.IsZero() {
		add("Started", m.Started.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if c.events > 0 {
		add("Lasted", time.Duration(c.last-c.first).Round(time.Millisecond).String())
	}
	if m.Seed != 0 {
		add("Seed", fmt.Sprint(m.Seed))
	}
	roles := map[string]int{}
	for _, n := range c.nodes {
		if n.role != "" {
			roles[n.role]++
		}
	}
	var nodes []string
	for role := range roles {
		nodes = append(nodes, view.Count(roles[role], role))
	}
	sort.Strings(nodes)
	add("Nodes", strings.Join(nodes, ", "))
	labels := make([]string, 0, len(m.Labels))
	for k := range m.Labels {
		labels = append(labels, k)
	}
	sort.Strings(labels)
	for _, k := range labels {
		add(k, m.Labels[k])
	}
	total := c.valid + c.invalidN
	p.Counts = []fact{{"transactions", fmt.Sprint(total)}, {"valid", fmt.Sprint(c.valid)}, {"invalid", fmt.Sprint(c.invalidN)},
		{"blocks", fmt.Sprint(len(c.blocks))}, {"messages", fmt.Sprint(c.messages)}, {"events", fmt.Sprint(c.events)}}
	if s := c.pictures.series; s.Judged > 0 && !math.IsNaN(s.All50) {
		p.Counts = append(p.Counts, fact{"median latency", fmt.Sprintf("%.1f ms", s.All50)}, fact{"99th percentile", fmt.Sprintf("%.1f ms", s.All99)})
	}
}

// gaps says what the page does not show, and why.
func (c *collector) gaps(p *page, info PageInfo) {
	if info.Damage != nil {
		if err := info.Damage(); err != nil {
			p.Gaps = append(p.Gaps, "The run file is damaged: "+err.Error()+". What could be read is shown.")
		}
	}
	if c.lost > 0 {
		p.Gaps = append(p.Gaps, fmt.Sprintf("%s of the trace are missing; counts are too low by what they held.", view.Count(c.lost, "event")))
	}
	if c.events > 0 && !info.Meta.Started.IsZero() && info.Meta.Ended.IsZero() {
		p.Gaps = append(p.Gaps, "The recording was not ended in order: the program was killed, or it still runs.")
	}
	if c.events == 0 {
		p.Gaps = append(p.Gaps, "The trace has no events.")
	}
	if n := c.invalidN - len(c.invalid); n > 0 {
		p.Gaps = append(p.Gaps, fmt.Sprintf("The first %d invalid transactions are explained, %d more are only counted; \"fabriscope tx\" explains any of them.", len(c.invalid), n))
	}
	if n := len(c.blocks) - mostBlocks; n > 0 {
		p.Gaps = append(p.Gaps, fmt.Sprintf("The table of blocks shows the last %d; %d earlier ones are left out.", mostBlocks, n))
	}
	if len(c.blocks) >= mostKeptBlocks {
		p.Gaps = append(p.Gaps, fmt.Sprintf("Only the first %d blocks are counted one by one.", mostKeptBlocks))
	}
	if c.more > 0 {
		p.Gaps = append(p.Gaps, fmt.Sprintf("%d more steps, faults or errors are left out.", c.more))
	}
}

func (c *collector) blockRows(p *page) {
	numbers := make([]uint64, 0, len(c.blocks))
	for n := range c.blocks {
		numbers = append(numbers, n)
	}
	sort.Slice(numbers, func(i, j int) bool { return numbers[i] < numbers[j] })
	numbers = numbers[max(0, len(numbers)-mostBlocks):]
	for _, n := range numbers {
		b := c.blocks[n]
		row := blockRow{Number: n, Cut: b.cut, Valid: b.valid, Invalid: b.invalid, Hash: b.hash, Peers: b.peers, Different: b.different}
		if b.cutAt > 0 {
			row.At = since(b.cutAt - c.first)
			if b.done > 0 {
				row.Took = since(b.done - b.cutAt)
			}
		} else if b.done > 0 {
			row.At = since(b.done - c.first)
		}
		codes := make([]string, 0, len(b.codes))
		for code, n := range b.codes {
			if code != validName {
				codes = append(codes, fmt.Sprintf("%d %s", n, code))
			}
		}
		sort.Strings(codes)
		row.Codes = strings.Join(codes, ", ")
		p.Blocks = append(p.Blocks, row)
	}
}

func (c *collector) peerRows(p *page) {
	var highest uint64
	peers, different := 0, 0
	for _, n := range c.nodes {
		if n.committed {
			highest = max(highest, n.height)
		}
	}
	for _, name := range c.order {
		n := c.nodes[name]
		if n.role == "" && !n.committed {
			continue
		}
		row := peerRow{Name: name, Role: n.role, Life: c.lifeOf(n)}
		if n.height > 0 {
			row.Height = fmt.Sprint(n.height)
		}
		if n.committed {
			peers++
			row.Hash = n.hash
			switch {
			case n.different > 0:
				row.Bad, row.Verdict = true, fmt.Sprintf("another commit hash from block %d on", n.different)
				different++
			case n.height == highest:
				row.Verdict = "equal"
			default:
				row.Verdict = view.Count(int(highest-n.height), "block") + " behind, equal so far"
			}
		}
		p.Peers = append(p.Peers, row)
	}
	switch {
	case peers == 0:
		p.PeersSay = "No peer committed a block in this trace."
	case different > 0:
		p.PeersSay = fmt.Sprintf("The chains of %s differ. Peers that execute the same blocks have equal commit hashes; these do not.", view.Count(different, "peer"))
	default:
		p.PeersSay = fmt.Sprintf("All %s computed equal commit hashes for every block that they have in common.", view.Count(peers, "peer"))
	}
}

func (c *collector) lifeOf(n *nodeLife) string {
	var parts []string
	if n.started > 0 {
		parts = append(parts, "from "+since(n.started-c.first))
	}
	if n.starts > 1 {
		parts = append(parts, fmt.Sprintf("started %d times", n.starts))
	}
	if n.ended > 0 {
		what := "stopped "
		if n.killed {
			what = "killed "
		}
		parts = append(parts, what+since(n.ended-c.first))
	}
	return strings.Join(parts, ", ")
}
