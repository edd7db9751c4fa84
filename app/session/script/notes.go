// Package script knows scenarios as a session does: it writes what a person did as one
// (Notes), and keeps what one that runs asks and shows (Run). It neither knows the session
// nor acts on a network.
package script

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// Notes is what a person did in a live session, in its order, as the steps of a scenario.
// The zero value writes; its Held has to be set.
//
// A call that is still under way when something else is done becomes begin() and a later
// wait(), otherwise submit(). Before anything is done to messages that are held there is
// a wait_held(), so that the scenario meets the network in the state in which the person
// met it.
type Notes struct {
	// Held lists the messages that stand still.
	Held func() []link.HeldMessage

	off      bool
	source   string // of the scenario that ran before, "" if none
	start    string // the call of network()
	entries  []*Entry
	calls    int // numbers of variables
	holds    int
	packs    int
	waited   int // messages held when wait_held was noted last
	skipped  int
	packages map[string]string // variables by package id
}

// maxEntries bounds the scenario.
const maxEntries = 5000

// Entry is one thing that was noted: a step, or the beginning or end of calls.
type Entry struct {
	Hold int // number of the hold that begins or ends, 0 for others

	step   Step
	calls  *Calls // of a beginning or end
	end    bool
	failed string // why the step was not done: it becomes a comment
}

// Fail says that the step was not done.
func (e *Entry) Fail(err error) {
	if err != nil {
		e.failed = err.Error()
	}
}

// Text is what is done, as the scenario says it.
func (e *Entry) Text() string { return e.step.text }

// Replace says what was done after all.
func (e *Entry) Replace(s Step) { e.step = s }

// Call is one transaction or query and who asks for it.
type Call struct {
	Identity string // a client of the topology, or a user like User1@Org1
	network.Call
}

// Result is what came of a call, as far as a scenario expects it again.
type Result struct {
	Valid bool
	Code  string // "" without a verdict
	Text  string
}

// Calls is one or several calls begun together.
type Calls struct {
	number  int
	calls   []Call
	query   bool
	results []Result // nil while it is under way
	dropped bool
}

// Switch turns the noting of actions on or off; it begins on.
func (n *Notes) Switch(on bool) { n.off = !on }

// On tells whether actions are noted.
func (n *Notes) On() bool { return !n.off }

// Len counts what has been noted.
func (n *Notes) Len() int { return len(n.entries) }

// Follow says that everything comes after this scenario.
func (n *Notes) Follow(source string) { n.source = source }

// Start notes how the network was started, the first time.
func (n *Notes) Start(t *network.Topology) {
	if n.start == "" {
		n.start = networkCall(t)
	}
}

func (n *Notes) appendEntry(e *Entry) *Entry {
	switch {
	case n.off:
	case len(n.entries) >= maxEntries:
		n.skipped++
	default:
		n.entries = append(n.entries, e)
	}
	return e
}

// waitHeld notes that messages stand still, if there are more than when it was noted last.
// Raft goes on sending while it is held: of its messages there is one, or there are any
// number.
func (n *Notes) waitHeld() {
	count, raft := 0, 0
	for _, h := range n.Held() {
		switch h.Event.Kind {
		case trace.RaftAppend, trace.RaftAppendReply, trace.RaftHeartbeat, trace.RaftHeartbeatAck, trace.RaftVote, trace.RaftVoteReply,
			trace.RaftSnapshot, trace.RaftTimeoutNow, trace.RaftOther:
			raft = 1
		default:
			count++
		}
	}
	if count += raft; count > n.waited {
		n.appendEntry(&Entry{step: Do("wait_held", count)})
	}
	n.waited = count
}

// Step notes an action at its beginning; what it gives takes word of a failure.
func (n *Notes) Step(s Step) *Entry {
	n.waitHeld()
	return n.appendEntry(&Entry{step: s})
}

// Begin notes the beginning of calls.
func (n *Notes) Begin(calls []Call, query bool) *Calls {
	n.waitHeld()
	n.calls++
	c := &Calls{number: n.calls, calls: calls, query: query}
	n.appendEntry(&Entry{calls: c})
	return c
}

// End notes what came of calls.
func (n *Notes) End(c *Calls, results []Result) {
	if c.results == nil {
		c.results = results
		n.appendEntry(&Entry{calls: c, end: true})
	}
}

// Drop takes calls back that were never made.
func (c *Calls) Drop() { c.dropped = true }

// Hold notes a hold, which has a number in the scenario.
func (n *Notes) Hold(f link.Filter) *Entry {
	n.waitHeld()
	n.holds++
	s := Do("hold", string(f.Kind), Named{"node", f.Node}, Named{"other", f.Other}, Named{"key", f.Key}, Named{"count", f.Count})
	s.text = fmt.Sprintf("h%d = %s", n.holds, s.text)
	return n.appendEntry(&Entry{step: s, Hold: n.holds})
}

// Unhold notes that a hold was taken away; number 0 is one that the scenario has set, which
// about tells.
func (n *Notes) Unhold(number int, about string) *Entry {
	n.waitHeld()
	n.waited = 0
	if number == 0 {
		return n.appendEntry(&Entry{step: Step{text: "# The scenario's hold of " + about + " was taken away by hand here."}})
	}
	return n.appendEntry(&Entry{step: Step{"unhold", fmt.Sprintf("unhold(h%d)", number)}, Hold: number})
}

// Release notes that all held messages go on (0), or one: ids differ from run to run, so
// it is found by what it is about.
func (n *Notes) Release(msg uint64) *Entry {
	n.waitHeld()
	held := n.Held()
	if msg == 0 {
		n.waited = 0
		return n.appendEntry(&Entry{step: Do("release")})
	}
	i := slices.IndexFunc(held, func(h link.HeldMessage) bool { return h.ID == msg })
	if i < 0 {
		return &Entry{}
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
	return n.appendEntry(&Entry{step: Step{"release", fmt.Sprintf("release([m for m in wait_held(%d) if m.kind == %s and m.node == %s and m.other == %s and m.key == %s][%d].msg)",
		len(held), quoted(string(h.Kind)), quoted(h.Node), quoted(h.Other), quoted(h.Key), same)}})
}

// Install notes that a package is made and installed; peers nil are all that run. When it
// is done, called tells the package's id.
func (n *Notes) Install(c network.Chaincode, peers []string) (e *Entry, called func(id string)) {
	n.packs++
	name := fmt.Sprintf("p%d", n.packs)
	s := Do("install", append(source(c), Named{"peers", peers})...)
	s.text = name + " = " + s.text
	return n.Step(s), func(id string) {
		if n.packages == nil {
			n.packages = map[string]string{}
		}
		n.packages[id] = name
	}
}

// Approve notes that an organisation approves a definition.
func (n *Notes) Approve(c network.Chaincode, sequence int64, packageID, org string) *Entry {
	var id any = packageID
	if name := n.packages[packageID]; name != "" {
		id = variable(name)
	}
	return n.Step(Do("approve", append([]any{c.Name, org, Named{"package", id}}, definition(c, sequence)...)...))
}

// variable is a name that is written as it is.
type variable string

// Text puts the notes together: a scenario that runs without a window and ends with the
// same results, unless what was done depended on chance.
func (n *Notes) Text(name string) string {
	var b strings.Builder
	if n.source != "" {
		b.WriteString(strings.TrimRight(n.source, "\n") + "\n\n# What was done by hand after that:\n\n")
	} else {
		fmt.Fprintf(&b, "# What was done in the window, in %s.\n\n%s\n\n", name, n.start)
	}
	pending, begun, holds := map[*Calls]bool{}, map[*Calls]bool{}, map[int]bool{}
	for i, e := range n.entries {
		if e.calls != nil && !e.end {
			begun[e.calls] = true
		}
		if e.Hold > 0 && e.step.function == "hold" && e.failed == "" {
			holds[e.Hold] = true
		}
		switch {
		case e.calls != nil && (e.calls.dropped || e.end && !begun[e.calls]):
		case e.step.function == "unhold" && !holds[e.Hold]:
			// It was set while nothing was noted.
		case e.failed != "":
			fmt.Fprintf(&b, "# %s failed: %s\n", e.step.text, view.Clip(strings.ReplaceAll(e.failed, "\n", " "), 200))
		case e.calls == nil:
			b.WriteString(e.step.text + "\n")
		case e.end:
			if pending[e.calls] {
				fmt.Fprintf(&b, "r%d = wait(t%d)\n", e.calls.number, e.calls.number)
				delete(pending, e.calls)
			}
			b.WriteString(e.calls.expectText())
		case e.calls.query && !n.endFollows(i, e.calls):
			// A query is never begun: it is asked where it was answered.
			b.WriteString("# A query was under way here.\n" + e.calls.submitText())
		case len(e.calls.calls) == 1 && n.endFollows(i, e.calls):
			b.WriteString(e.calls.submitText())
		default:
			b.WriteString(e.calls.beginText())
			pending[e.calls] = true
		}
	}
	n.writeEnding(&b, pending)
	return b.String()
}

// endFollows tells whether the end of calls is noted right after their beginning.
func (n *Notes) endFollows(i int, c *Calls) bool {
	return i+1 < len(n.entries) && n.entries[i+1].calls == c && n.entries[i+1].end
}

// writeEnding lets everything come to rest and says what must hold then.
func (n *Notes) writeEnding(b *strings.Builder, pending map[*Calls]bool) {
	if n.skipped > 0 {
		fmt.Fprintf(b, "\n# %d further steps were not noted.\n", n.skipped)
	}
	var active []int
	broken := false
	for _, e := range n.entries {
		switch f := e.step.function; {
		case e.failed != "":
		case f == "hold":
			active = append(active, e.Hold)
		case f == "unhold":
			active = slices.DeleteFunc(active, func(h int) bool { return h == e.Hold })
		case f == "link", f == "partition":
			broken = true
		case f == "heal":
			broken = false
		}
	}
	if len(active) > 0 || broken {
		b.WriteString("\n# So that the nodes can agree in the end, what is still in their way is taken away.\n")
	}
	for _, h := range active {
		fmt.Fprintf(b, "unhold(h%d)\n", h)
	}
	if broken {
		b.WriteString("heal()\n")
	}
	for _, e := range n.entries { // in order, not as the map has them
		if e.calls != nil && pending[e.calls] {
			fmt.Fprintf(b, "# Nobody had seen the outcome of t%d when these notes ended.\n", e.calls.number)
			delete(pending, e.calls)
		}
	}
	b.WriteString("\nexpect(settle(), \"all peers agree\")\n")
}

func (c *Calls) submitText() string {
	name := "submit"
	if c.query {
		name = "evaluate"
	}
	return fmt.Sprintf("r%d = %s\n", c.number, invoke(name, c.calls[0]))
}

func (c *Calls) beginText() string {
	if len(c.calls) == 1 {
		return fmt.Sprintf("t%d = %s\n", c.number, invoke("begin", c.calls[0]))
	}
	var lines strings.Builder
	for _, call := range c.calls {
		lines.WriteString("    " + invoke("begin", call) + ",\n")
	}
	return fmt.Sprintf("t%d = [\n%s]\n", c.number, lines.String())
}

// expectText says what came of the calls.
func (c *Calls) expectText() string {
	if len(c.results) == 1 {
		r := c.results[0]
		switch {
		case c.query && r.Valid:
			return fmt.Sprintf("expect(r%d.ok, \"the peer answered\")\n", c.number)
		case r.Code == "" && !r.Valid:
			return fmt.Sprintf("expect(not r%d.ok, %s)\n", c.number, quoted("it failed: "+view.Clip(r.Text, 120)))
		default:
			return fmt.Sprintf("expect(r%d.code == %s, %s)\n", c.number, quoted(r.Code), quoted("the transaction is "+r.Code))
		}
	}
	codes := make([]string, len(c.results))
	for i, r := range c.results {
		codes[i] = r.Code
	}
	slices.Sort(codes)
	return fmt.Sprintf("expect(sorted([r.code for r in r%d]) == %s, %s)\n", c.number, literal(codes), quoted("the outcomes are "+strings.Join(codes, ", ")))
}
