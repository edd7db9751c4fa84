package session

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/network"
)

// notes is what a person did in a live session, in its order, as the steps of a scenario.
//
// A call that is still under way when something else is done becomes begin() and a later
// wait(), otherwise submit(). Before anything is done to messages that are held there is
// a wait_held(), so that the scenario meets the network in the state in which the person
// met it.
type notes struct {
	off      bool
	source   string // of the scenario that ran before, "" if none
	start    string // the call of network()
	lines    []*note
	calls    int // numbers of variables
	holds    int
	waited   int // messages held when wait_held was noted last
	skipped  int
	packs    int               // numbers of packages
	packages map[string]string // variables by package id
}

// maxNotes bounds the scenario.
const maxNotes = 5000

// note is one entry: a step (text), or the beginning or end of calls.
type note struct {
	text   string
	calls  *noteCalls // of a beginning or end
	end    bool
	hold   int    // number of the hold that begins
	failed string // why the step was not done: it becomes a comment
}

// noteCalls is one or several calls begun together.
type noteCalls struct {
	number   int
	calls    []Call
	query    bool
	outcomes []Outcome // nil while it is under way
	dropped  bool
}

// Script is what was done in this session since it started, as a scenario: it runs
// without a window (fabriscope run FILE) and ends with the same results, unless what was
// done depended on chance.
func (s *Session) Script() string {
	if s.Kind != Live {
		return ""
	}
	return s.notes.script(s.name)
}

// ScriptSteps counts what has been noted.
func (s *Session) ScriptSteps() int { return len(s.notes.lines) }

// Note switches the noting of actions on or off; it begins on.
func (s *Session) Note(on bool) { s.notes.off = !on }

// Noting tells whether actions are noted.
func (s *Session) Noting() bool { return !s.notes.off && s.Kind == Live }

// ForgetNotes begins the scenario anew. It will only give the same results if the network
// is as it was at its start.
func (s *Session) ForgetNotes() {
	n := &s.notes
	n.lines, n.skipped, n.waited, n.packages = nil, 0, 0, nil
}

func (n *notes) base(source string) { n.source = source }

// topology notes how the network was started.
func (n *notes) topology(t *network.Topology) {
	if n.start == "" {
		n.start = networkCall(t)
	}
}

func (n *notes) add(e *note) *note {
	switch {
	case n.off:
	case len(n.lines) >= maxNotes:
		n.skipped++
	default:
		n.lines = append(n.lines, e)
	}
	return e
}

// held notes that messages stand still, if there are more than when it was noted last.
func (n *notes) held(s *Session) {
	count := countHeld(s.held.held)
	if count > n.waited {
		n.add(&note{text: fmt.Sprintf("wait_held(%d)", count)})
	}
	n.waited = count
}

// countHeld counts the held messages that a scenario can wait for. Raft goes on sending
// while it is held: of its messages there is one, or there are any number.
func countHeld(held []link.HeldMessage) int {
	count, raft := 0, 0
	for _, h := range held {
		if strings.HasPrefix(string(h.Event.Kind), "raft.") {
			raft = 1
		} else {
			count++
		}
	}
	return count + raft
}

// step notes an action at its beginning; what it gives takes word of a failure.
func (n *notes) step(s *Session, text string) *note {
	if text == "" {
		return &note{}
	}
	n.held(s)
	if text == "release()" || strings.HasPrefix(text, "unhold(") {
		n.waited = 0
	}
	return n.add(&note{text: text})
}

// begin notes the beginning of calls.
func (n *notes) begin(s *Session, calls []Call, query bool) *noteCalls {
	n.held(s)
	n.calls++
	c := &noteCalls{number: n.calls, calls: calls, query: query}
	n.add(&note{calls: c})
	return c
}

// end notes their outcomes.
func (n *notes) end(s *Session, c *noteCalls, outcomes []Outcome) {
	if c == nil || c.outcomes != nil {
		return
	}
	c.outcomes = outcomes
	n.add(&note{calls: c, end: true})
}

// drop takes calls back that were never made.
func (n *notes) drop(c *noteCalls) {
	if c != nil {
		c.dropped = true
	}
}

// hold notes a hold, which has a number in the scenario.
func (n *notes) hold(s *Session, f link.Filter) *note {
	n.held(s)
	n.holds++
	return n.add(&note{text: fmt.Sprintf("h%d = %s", n.holds, holdCall(f)), hold: n.holds})
}

// nextPackage is the variable of the next package.
func (n *notes) nextPackage() string {
	n.packs++
	return fmt.Sprintf("p%d", n.packs)
}

// packaged remembers which package a variable holds.
func (n *notes) packaged(id, name string) {
	if n.packages == nil {
		n.packages = map[string]string{}
	}
	n.packages[id] = name
}

// packageName names a package in the scenario.
func (n *notes) packageName(id string) string {
	if name := n.packages[id]; name != "" {
		return name
	}
	return quoted(id)
}

// releaseOne is the call that lets go on what one held message is: ids differ from run to
// run, so it is found by what it is about.
func (n *notes) releaseOne(held []link.HeldMessage, msg uint64) string {
	i := slices.IndexFunc(held, func(h link.HeldMessage) bool { return h.ID == msg })
	if i < 0 {
		return ""
	}
	h := held[i].Event
	same := 0
	for _, other := range held[:i] {
		e := other.Event
		if e.Kind == h.Kind && e.Node == h.Node && e.Other == h.Other && e.Key == h.Key {
			same++
		}
	}
	n.waited = len(held) // the call below waits itself
	text := fmt.Sprintf("release([m for m in wait_held(%d) if m.kind == %s and m.node == %s and m.other == %s and m.key == %s][%d].msg)",
		len(held), quoted(string(h.Kind)), quoted(h.Node), quoted(h.Other), quoted(h.Key), same)
	n.waited = len(held)
	return text
}

// script puts the notes together.
func (n *notes) script(name string) string {
	var b strings.Builder
	if n.source != "" {
		b.WriteString(strings.TrimRight(n.source, "\n") + "\n\n# What was done by hand after that:\n\n")
	} else {
		fmt.Fprintf(&b, "# What was done in the window, in %s.\n\n%s\n\n", name, n.start)
	}
	pending, begun, holds := map[*noteCalls]bool{}, map[*noteCalls]bool{}, map[string]bool{}
	for i, e := range n.lines {
		if e.calls != nil && !e.end {
			begun[e.calls] = true
		}
		if e.hold > 0 && e.failed == "" {
			holds[fmt.Sprintf("unhold(h%d)", e.hold)] = true
		}
		switch {
		case e.calls != nil && (e.calls.dropped || e.end && !begun[e.calls]):
		case strings.HasPrefix(e.text, "unhold(") && !holds[e.text]:
			// It was set while nothing was noted.
		case e.failed != "":
			fmt.Fprintf(&b, "# %s failed: %s\n", e.text, clip(strings.ReplaceAll(e.failed, "\n", " "), 200))
		case e.text != "":
			b.WriteString(e.text + "\n")
		case e.end:
			if pending[e.calls] {
				b.WriteString(e.calls.waitText())
				delete(pending, e.calls)
			}
			b.WriteString(e.calls.expectText())
		case e.calls.query && !n.follows(i, e.calls):
			// A query is never begun: it is asked where it was answered.
			b.WriteString("# A query was under way here.\n")
			b.WriteString(e.calls.submitText())
		case len(e.calls.calls) == 1 && n.follows(i, e.calls):
			b.WriteString(e.calls.submitText())
		default:
			b.WriteString(e.calls.beginText())
			pending[e.calls] = true
		}
	}
	b.WriteString(n.ending(pending))
	return b.String()
}

// follows tells whether the end of calls is noted right after their beginning.
func (n *notes) follows(i int, c *noteCalls) bool {
	return i+1 < len(n.lines) && n.lines[i+1].calls == c && n.lines[i+1].end
}

// ending lets everything come to rest and says what must hold then.
func (n *notes) ending(pending map[*noteCalls]bool) string {
	var b strings.Builder
	if n.skipped > 0 {
		fmt.Fprintf(&b, "\n# %d further steps were not noted.\n", n.skipped)
	}
	active := map[string]bool{}
	broken := false
	for _, e := range n.lines {
		switch {
		case e.failed != "":
		case e.hold > 0:
			active[fmt.Sprintf("h%d", e.hold)] = true
		case strings.HasPrefix(e.text, "unhold("):
			delete(active, strings.TrimSuffix(strings.TrimPrefix(e.text, "unhold("), ")"))
		case strings.HasPrefix(e.text, "link("), strings.HasPrefix(e.text, "partition("):
			broken = true
		case e.text == "heal()":
			broken = false
		}
	}
	if len(active) > 0 || broken {
		b.WriteString("\n# So that the nodes can agree in the end, what is still in their way is taken away.\n")
	}
	for _, h := range slices.Sorted(maps.Keys(active)) {
		fmt.Fprintf(&b, "unhold(%s)\n", h)
	}
	if broken {
		b.WriteString("heal()\n")
	}
	for _, e := range n.lines { // in order, not as the map has them
		if e.calls != nil && pending[e.calls] {
			fmt.Fprintf(&b, "# Nobody had seen the outcome of t%d when these notes ended.\n", e.calls.number)
			delete(pending, e.calls)
		}
	}
	b.WriteString("\nexpect(settle(), \"all peers agree\")\n")
	return b.String()
}

func (c *noteCalls) submitText() string {
	name := "submit"
	if c.query {
		name = "evaluate"
	}
	return fmt.Sprintf("r%d = %s\n", c.number, callText(name, c.calls[0]))
}

func (c *noteCalls) beginText() string {
	if len(c.calls) == 1 {
		return fmt.Sprintf("t%d = %s\n", c.number, callText("begin", c.calls[0]))
	}
	lines := make([]string, len(c.calls))
	for i, call := range c.calls {
		lines[i] = "    " + callText("begin", call) + ","
	}
	return fmt.Sprintf("t%d = [\n%s\n]\n", c.number, strings.Join(lines, "\n"))
}

func (c *noteCalls) waitText() string { return fmt.Sprintf("r%d = wait(t%d)\n", c.number, c.number) }

// expectText says what came of the calls.
func (c *noteCalls) expectText() string {
	if len(c.outcomes) == 1 {
		o := c.outcomes[0]
		switch {
		case c.query && o.Valid:
			return fmt.Sprintf("expect(r%d.ok, \"the peer answered\")\n", c.number)
		case o.Code == "" && !o.Valid:
			return fmt.Sprintf("expect(not r%d.ok, %s)\n", c.number, quoted("it failed: "+clip(o.Text, 120)))
		default:
			return fmt.Sprintf("expect(r%d.code == %s, %s)\n", c.number, quoted(o.Code), quoted("the transaction is "+o.Code))
		}
	}
	codes := make([]string, len(c.outcomes))
	for i, o := range c.outcomes {
		codes[i] = o.Code
	}
	slices.Sort(codes)
	return fmt.Sprintf("expect(sorted([r.code for r in r%d]) == %s, %s)\n", c.number, quotedList(codes), quoted("the outcomes are "+strings.Join(codes, ", ")))
}
