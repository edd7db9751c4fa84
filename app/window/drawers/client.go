package drawers

import (
	"fmt"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// maxOutcomes bounds the list of what came of a person's calls.
const maxOutcomes = 30

// client is the panel that calls chaincode: one call, two at the same time, or a query.
type client struct {
	s *session.Session
	h Host

	chaincode, function    *Choice
	other                  *field // the function's name, of chaincodes whose functions are not known
	doc                    *look.Text
	first, second          *arguments
	endorsers              *fyne.Container
	checks                 []*widget.Check
	peers                  []string
	flow                   *look.Segmented
	submit, both, evaluate *look.Button
	gate                   *gate
	outcomes               *list
	told                   []told
	number                 int
	page                   *container.Scroll
	task                   *scenario.Task // the lesson's that was taken in
}

// told is one call in the list, under way while its outcome is nil.
type told struct {
	number  int
	call    session.Call
	query   bool
	outcome *session.Outcome
}

func newClient(s *session.Session, h Host) *client {
	c := &client{s: s, h: h, outcomes: newList(h)}
	c.chaincode = newSelect(nil, func(string) { c.chosenChaincode() })
	c.function = newSelect(nil, func(string) { c.chosenFunction() })
	c.other = newField(c.entered)
	c.other.PlaceHolder = words.L("name of the function")
	c.doc = look.Muted("").Wrapped()
	c.first, c.second = newArguments(c.entered, false), newArguments(c.submitTwo, true)
	c.endorsers = container.NewVBox()
	c.flow = look.NewSegmented([]string{words.L("client asks all"), words.L("through a gateway")}, nil)
	c.submit = look.Primary(words.L("Submit"), c.submitOne)
	c.both = look.Secondary(words.L("Submit two at once"), c.submitTwo)
	c.evaluate = look.Secondary(words.L("Evaluate"), c.ask)
	c.gate = newGate(s, c.submit, c.both, c.evaluate)
	c.page = scroll(c.parts()...)
	c.update()
	return c
}

func (c *client) parts() []fyne.CanvasObject {
	who := newSection(words.L("Endorsers and flow"), false, look.Column(8,
		look.FormRow(words.L("Endorsers to ask; none chosen: one peer of every organisation"), c.endorsers),
		look.FormRow(words.L("Flow"), container.NewHBox(c.flow))))
	second := look.Column(6, look.Muted(words.L("Both are proposed before either of them is ordered. What if they read the same key?")).Wrapped(),
		c.second.box, container.NewHBox(c.both))
	return []fyne.CanvasObject{c.gate.box,
		look.FormRow(words.L("Chaincode"), c.chaincode), c.other.row(words.L("Function"), "", container.NewStack(c.function, c.other.Entry)),
		c.doc, c.first.box, who, look.Row(8, c.submit, c.evaluate),
		newSection(words.L("A second one at the same time"), true, second), c.outcomes.page}
}

// update takes in new chaincodes, peers and identities.
func (c *client) update() {
	c.gate.update()
	c.writeOutcomes()
	identities := c.s.Identities()
	c.first.who(identities, 0)
	c.second.who(identities, 1)
	var names []string
	for _, cc := range c.s.Chaincodes.List() {
		names = append(names, cc.Name)
	}
	c.chaincode.offer(names, 0)
	c.updateFunctions()
	c.follow(c.lessonTask())
	if peers := c.s.Peers(); !slices.Equal(peers, c.peers) {
		c.listPeers(peers)
	}
}

// lessonTask is what a lesson asks the person to do now.
func (c *client) lessonTask() *scenario.Task {
	if r := c.s.ScriptRun(); r != nil {
		return r.Task()
	}
	return nil
}

// follow chooses what a lesson's task is about, once for each task.
func (c *client) follow(t *scenario.Task) {
	if t == nil || t == c.task || t.Chaincode == "" || !slices.Contains(c.chaincode.Options, t.Chaincode) {
		return
	}
	c.task = t
	c.chaincode.SetSelected(t.Chaincode)
	if slices.Contains(c.function.Options, t.Function) {
		c.function.SetSelected(t.Function)
	} else if c.other.Visible() {
		c.other.SetText(t.Function)
	}
}

// focus is where the keyboard begins: at the first argument if the call is chosen by a
// task, else at the chaincode.
func (c *client) focus() fyne.Focusable {
	if t := c.task; t != nil && t == c.lessonTask() && len(c.first.entries) > 0 {
		return c.first.entries[0].Entry
	}
	return c.chaincode
}

// entered is Enter in a field of the first call.
func (c *client) entered() {
	for _, f := range c.s.Functions(c.chaincode.Selected) {
		if f.Name == c.function.Selected && f.ReadOnly {
			c.ask()
			return
		}
	}
	c.submitOne()
}

// complete tells whether a call can be made: there is a network, and what the call needs is
// written. Otherwise the keyboard goes to the first field that is empty and must not be.
func (c *client) complete() bool {
	if !c.gate.open() {
		return false
	}
	first := c.first.missing()
	if c.other.lacks(!c.other.Visible()) {
		first = c.other.Entry
	}
	if first == nil {
		return true
	}
	if canvas := fyne.CurrentApp().Driver().CanvasForObject(c.page); canvas != nil {
		canvas.Focus(first)
	}
	return false
}

func (c *client) listPeers(peers []string) {
	c.peers, c.checks = peers, nil
	c.endorsers.RemoveAll()
	for _, p := range peers {
		check := widget.NewCheck(c.s.Short(p), nil)
		c.checks = append(c.checks, check)
		c.endorsers.Add(check)
	}
	if len(peers) > 4 {
		c.endorsers.Layout = look.Grid(2).Layout
	}
	c.endorsers.Refresh()
}

func (c *client) chosenChaincode() {
	c.function.ClearSelected()
	c.updateFunctions()
}

// updateFunctions offers the functions of the chosen chaincode. Of a chaincode that is no
// sample only those that were called are known, so any name can be written.
func (c *client) updateFunctions() {
	var names []string
	known := true
	for _, f := range c.s.Functions(c.chaincode.Selected) {
		names = append(names, f.Name)
		known = known && !f.Seen
	}
	if len(names) == 0 {
		known = false
	}
	if !slices.Equal(names, c.function.Options) || known != c.function.Visible() {
		c.function.SetOptions(names)
		look.Show(c.function, known)
		look.Show(c.other.Entry, !known)
		if known && c.function.Selected == "" {
			c.function.SetSelected(preferred(names))
		}
		if !known {
			c.first.set(nil)
			c.second.set(nil)
			c.doc.SetText(words.L("The functions of this chaincode are not known. Write the name, and one argument a line."))
		}
	}
}

// preferred is the function to begin with: one that changes something that exists.
func preferred(names []string) string {
	for _, want := range []string{"TransferAsset", "Increment", "Add", "Bid"} {
		if slices.Contains(names, want) {
			return want
		}
	}
	return names[0]
}

func (c *client) chosenFunction() {
	for _, f := range c.s.Functions(c.chaincode.Selected) {
		if f.Name != c.function.Selected {
			continue
		}
		doc := f.Doc
		if f.ReadOnly {
			doc += " " + words.L("It writes nothing: evaluate it.")
		}
		c.doc.SetText(doc)
		c.first.set(f.Args)
		c.second.set(f.Args)
	}
}

// call puts together what is asked for.
func (c *client) call(a *arguments) session.Call {
	call := session.Call{Identity: a.identity.Selected, Call: network.Call{Chaincode: c.chaincode.Selected, Function: c.function.Selected, Args: a.values()}}
	if c.other.Visible() {
		call.Function = strings.TrimSpace(c.other.Text)
	}
	for i, check := range c.checks {
		if check.Checked {
			call.Endorsers = append(call.Endorsers, c.peers[i])
		}
	}
	call.Flow = network.FanOut
	if c.flow.Chosen() == 1 {
		call.Flow = network.Gateway
	}
	return call
}

func (c *client) submitOne() {
	if !c.complete() {
		return
	}
	call := c.call(c.first)
	n := c.begin(call, false)
	c.s.Submit(call, func(o session.Outcome) { c.end(n, o) })
}

func (c *client) ask() {
	if !c.complete() {
		return
	}
	call := c.call(c.first)
	n := c.begin(call, true)
	c.s.Evaluate(call, func(o session.Outcome) { c.end(n, o) })
}

// submitTwo submits both calls at the same time. Where nothing is written for the second
// one it has the arguments of the first.
func (c *client) submitTwo() {
	if !c.complete() {
		return
	}
	one, two := c.call(c.first), c.call(c.second)
	for i, v := range two.Args {
		if v == "" && i < len(one.Args) {
			two.Args[i] = one.Args[i]
		}
	}
	if len(two.Args) < len(one.Args) {
		two.Args = append(two.Args, one.Args[len(two.Args):]...)
	}
	a, b := c.begin(one, false), c.begin(two, false)
	c.s.SubmitTogether([]session.Call{one, two}, func(all []session.Outcome) {
		c.end(b, all[1])
		c.end(a, all[0])
	})
}

func (c *client) begin(call session.Call, query bool) int {
	c.number++
	c.told = append([]told{{number: c.number, call: call, query: query}}, c.told...)
	c.told = c.told[:min(len(c.told), maxOutcomes)]
	c.writeOutcomes()
	return c.number
}

func (c *client) end(number int, o session.Outcome) {
	for i := range c.told {
		if c.told[i].number == number {
			c.told[i].outcome = &o
		}
	}
	c.writeOutcomes()
}

func (c *client) writeOutcomes() {
	key := "outcomes"
	for _, t := range c.told {
		key += fmt.Sprintf(" %d%t", t.number, t.outcome != nil)
	}
	c.outcomes.show(key, func(b *sheet.Builder) {
		b.Section(words.L("What came of it"), "", sheet.Quiet, nil)
		if len(c.told) == 0 {
			b.Text(words.L("Nothing yet. Choose a function and submit it; the verdict stands here."), sheet.Style{Tone: sheet.Quiet})
		}
		for _, t := range c.told {
			c.outcome(b, t)
		}
	})
}

func (c *client) outcome(b *sheet.Builder, t told) {
	name := session.CallText(t.call)
	it := sheet.Item{Name: name, Mono: true, Sign: sheet.Disc, Tone: sheet.Proposal, Detail: t.call.Identity + ": " + words.L("under way")}
	if o := t.outcome; o != nil {
		it.Detail = t.call.Identity + ": " + o.Text
		it.Sign, it.Tone = sheet.Tick, sheet.Good
		if !o.Valid {
			it.Sign, it.Tone = sheet.Cross, sheet.Bad
		}
		if o.TxID != "" && !t.query {
			tx := view.Selection{What: view.SelectTx, TxID: o.TxID}
			it.Actions = []sheet.Action{{Label: words.L("Show transaction {{.ID}}", map[string]any{"ID": view.ShortID(o.TxID)}), Tone: sheet.Accent, Do: func() { c.h.choose(tx) }}}
		}
	}
	b.Item(it)
}
