package session

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// act carries out one action on the network in the background. onDone runs before the
// caller's done if the action succeeded.
func (s *Session) act(done func(error), do func(context.Context, *network.Network) error, onDone func()) {
	if done == nil {
		done = func(error) {}
	}
	n, err := s.live()
	if err == nil {
		err = s.background(func(ctx context.Context) func() {
			err := do(ctx, n)
			return func() {
				if err == nil && onDone != nil {
					onDone()
				}
				done(err)
			}
		})
	}
	if err != nil {
		done(err)
	}
}

// fault is act for what the scenario notes at its beginning.
func (s *Session) fault(text string, done func(error), do func(context.Context, *network.Network) error, onDone func()) {
	if _, err := s.live(); err != nil {
		s.act(done, do, nil)
		return
	}
	note := s.notes.step(s, text)
	s.act(func(err error) {
		if err != nil {
			note.failed = err.Error()
		}
		if done != nil {
			done(err)
		}
	}, do, onDone)
}

// StopNode stops a peer or ordering node in good order.
func (s *Session) StopNode(node string, done func(error)) {
	s.fault(fmt.Sprintf("stop(%s)", quoted(node)), done, func(ctx context.Context, n *network.Network) error { return n.StopNode(ctx, node) }, nil)
}

// Kill ends a node without warning.
func (s *Session) Kill(node string, done func(error)) {
	s.fault(fmt.Sprintf("kill(%s)", quoted(node)), done, func(_ context.Context, n *network.Network) error { return n.Kill(node) }, nil)
}

// Restart starts a stopped or killed node again; a running one is stopped first.
func (s *Session) Restart(node string, done func(error)) {
	s.fault(fmt.Sprintf("restart(%s)", quoted(node)), done, func(ctx context.Context, n *network.Network) error { return n.Restart(ctx, node) }, nil)
}

// SetLink shapes the connections between two ends: nodes, clients or organisations.
func (s *Session) SetLink(a, b string, shape link.Shape, done func(error)) {
	s.fault(linkCall(a, b, shape), done, func(_ context.Context, n *network.Network) error { return n.SetLink(a, b, shape) }, func() {
		s.links(a, b, shape)
	})
}

// Cut breaks the connections between two ends.
func (s *Session) Cut(a, b string, done func(error)) { s.SetLink(a, b, link.Shape{Cut: true}, done) }

// Mend makes the connections between two ends perfect.
func (s *Session) Mend(a, b string, done func(error)) { s.SetLink(a, b, link.Shape{}, done) }

// Partition divides nodes into groups that cannot reach each other.
func (s *Session) Partition(groups [][]string, done func(error)) {
	lists := make([]string, len(groups))
	for i, g := range groups {
		lists[i] = quotedList(g)
	}
	s.fault("partition("+strings.Join(lists, ", ")+")", done, func(_ context.Context, n *network.Network) error { return n.Partition(groups...) }, func() {
		for i, g := range groups {
			for _, h := range groups[i+1:] {
				s.links(strings.Join(g, ", "), strings.Join(h, ", "), link.Shape{Cut: true})
			}
		}
	})
}

// Heal makes all links perfect, those of the topology too.
func (s *Session) Heal(done func(error)) {
	s.fault("heal()", done, func(_ context.Context, n *network.Network) error { return n.Heal() }, func() { s.held.links = nil })
}

// Pause makes a chaincode's processes at a peer stand still, or go on. The package is
// named by its label or id.
func (s *Session) Pause(peer, label string, on bool, done func(error)) {
	note := fmt.Sprintf("pause(%s, %s%s)", quoted(peer), quoted(label), onText(on))
	s.fault(note, done, func(ctx context.Context, n *network.Network) error { return n.PauseChaincode(ctx, peer, label, on) }, func() {
		if node := s.nodes.byName[peer]; node != nil {
			node.Paused = slices.DeleteFunc(node.Paused, func(l string) bool { return l == label })
			if on {
				node.Paused = append(node.Paused, label)
			}
		}
	})
}

// Lie makes a peer's endorsements wrong, or right again.
func (s *Session) Lie(peer string, on bool, done func(error)) {
	s.fault(fmt.Sprintf("lie(%s%s)", quoted(peer), onText(on)), done, func(ctx context.Context, n *network.Network) error { return n.SetLie(ctx, peer, on) }, func() {
		if node := s.nodes.byName[peer]; node != nil {
			node.Lies = on
		}
	})
}

func onText(on bool) string {
	if on {
		return ""
	}
	return ", on = False"
}

// LinkRule is a link that a person has shaped, newest last.
type LinkRule struct {
	A, B  string
	Shape link.Shape
}

// Links lists the links that are not as the topology says, as far as they were shaped
// here.
func (s *Session) Links() []LinkRule { return slices.Clone(s.held.links) }

func (s *Session) links(a, b string, shape link.Shape) {
	s.held.links = slices.DeleteFunc(s.held.links, func(r LinkRule) bool { return r.A == a && r.B == b || r.A == b && r.B == a })
	if shape != (link.Shape{}) {
		s.held.links = append(s.held.links, LinkRule{a, b, shape})
	}
}

// Hold is a rule that stops messages.
type Hold struct {
	ID     link.HoldID
	Filter link.Filter
	number int // in the scenario that is noted
}

// Text names the hold in a list: "chaincode.get_state at peer0.org1".
func (h Hold) Text() string {
	text := string(h.Filter.Kind)
	if text == "" {
		text = "every message"
	}
	for _, part := range []struct{ word, value string }{{" from ", view.Short(h.Filter.Node)}, {" to ", view.Short(h.Filter.Other)}, {" about ", h.Filter.Key}} {
		if part.value != "" {
			text += part.word + part.value
		}
	}
	if h.Filter.TxID != "" {
		text += fmt.Sprintf(" of transaction %.4s", h.Filter.TxID)
	}
	if h.Filter.Count > 0 {
		text += fmt.Sprintf(", the next %d", h.Filter.Count)
	}
	return text
}

// heldBook knows the holds and what they have stopped.
type heldBook struct {
	holds   []Hold
	numbers map[link.HoldID]int  // of holds that a person set, in the scenario
	spent   map[link.HoldID]bool // holds with a count that have stopped their last message
	gone    []trace.Event        // what said that a hold is gone, until the next look; at most maxActions
	held    []link.HeldMessage
	links   []LinkRule
	polling bool
	wanted  bool // an action may have changed the list
	waited  time.Duration
	version int
}

// pollHeldEvery is how often the list of held messages is asked for while holds are
// active. The call costs a lock, and a request to each child where nodes are processes.
const pollHeldEvery = 200 * time.Millisecond

// HoldKinds lists the kinds of message that are worth holding, with what each is.
func HoldKinds() []HoldKind {
	return []HoldKind{
		{trace.Proposal, "a proposal on its way to an endorser"},
		{trace.ProposalResponse, "an endorser's answer"},
		{trace.ChaincodeTransaction, "a call handed to the chaincode"},
		{trace.ChaincodeGetState, "the chaincode asks for a key"},
		{trace.ChaincodePutState, "the chaincode writes a key"},
		{trace.ChaincodeResponse, "the peer's answer to the chaincode"},
		{trace.ChaincodeCompleted, "the chaincode's result"},
		{trace.Broadcast, "a transaction on its way to the ordering service"},
		{trace.Forward, "a transaction passed on to the Raft leader"},
		{trace.RaftAppend, "log entries for a follower"},
		{trace.DeliverBlock, "a block on its way to a peer"},
		{trace.PeerCall, "a call between peers"},
	}
}

// HoldKind is a kind of message and what it is in words.
type HoldKind struct {
	Kind trace.Kind
	Text string
}

// Hold stops messages that fit the filter until they are released.
func (s *Session) Hold(f link.Filter, done func(Hold, error)) {
	if done == nil {
		done = func(Hold, error) {}
	}
	n, err := s.live()
	if err == nil && f.Kind == "" {
		err = fmt.Errorf("a hold needs a kind of message, like %s", trace.Broadcast)
	}
	if err == nil {
		for _, name := range []*string{&f.Node, &f.Other} {
			if full, err := n.NodeName(*name); *name != "" && err == nil {
				*name = full
			}
		}
		note := s.notes.hold(s, f)
		err = s.background(func(context.Context) func() {
			id, err := n.Hold(f)
			return func() {
				h := Hold{id, f, note.hold}
				if err == nil {
					s.held.holds = append(s.held.holds, h)
					s.held.numbers[id] = note.hold
					s.held.version++
				} else {
					note.failed = err.Error()
				}
				done(h, err)
			}
		})
		if err != nil {
			note.failed = err.Error()
		}
	}
	if err != nil {
		done(Hold{}, err)
	}
}

// Holds lists the holds that are active, oldest first: a person's and a script's.
func (s *Session) Holds() []Hold { return slices.Clone(s.held.holds) }

// Unhold takes a hold away; messages that it stopped go on.
func (s *Session) Unhold(id link.HoldID, done func(error)) {
	i := slices.IndexFunc(s.held.holds, func(h Hold) bool { return h.ID == id })
	if i < 0 {
		if done != nil {
			done(fmt.Errorf("hold %d is gone already", id))
		}
		return
	}
	text := fmt.Sprintf("unhold(h%d)", s.held.holds[i].number)
	if s.held.holds[i].number == 0 {
		text = "# The scenario's hold of " + s.held.holds[i].Text() + " was taken away by hand here."
	}
	s.fault(text, done, func(_ context.Context, n *network.Network) error { return n.Unhold(id) }, func() {
		s.held.holds = slices.DeleteFunc(s.held.holds, func(h Hold) bool { return h.ID == id })
		s.held.version++
		s.held.wanted = true
	})
}

// Release lets one held message go on, by its id, or all of them with 0.
func (s *Session) Release(msg uint64, done func(error)) {
	note := "release()"
	if msg != 0 {
		note = s.notes.releaseOne(s.held.held, msg)
	}
	s.fault(note, done, func(_ context.Context, n *network.Network) error {
		count, err := n.Release(msg)
		if err == nil && count == 0 {
			return fmt.Errorf("nothing was held any more")
		}
		return err
	}, func() { s.held.wanted = true })
}

// Held lists the messages that stand still, as of the last look, at most a fifth of a
// second ago, oldest first.
func (s *Session) Held() []link.HeldMessage { return s.held.held }

// watch learns from events when there is something new to ask.
func (b *heldBook) watch(events []trace.Event) {
	for i := range events {
		e := &events[i]
		if e.Dir == trace.Held || e.Dir == trace.Released || e.Kind == trace.HoldSet {
			b.wanted = true
		}
		if e.Kind != trace.HoldGone {
			continue
		}
		b.wanted = true
		b.gone = append(b.gone, *e)
	}
	b.gone = b.gone[max(0, len(b.gone)-maxActions):]
}

// end marks the hold that an event says is gone: one whose count is used up is still
// listed by the network.
func (b *heldBook) end(e *trace.Event, holds []network.ActiveHold) {
	for _, h := range holds {
		f := h.Filter
		if f.Count > 0 && !b.spent[h.ID] && string(f.Kind) == e.Note && f.Node == e.Node && f.Other == e.Other && f.Key == e.Key && f.TxID == e.TxID {
			b.spent[h.ID] = true
			return
		}
	}
}

// pollHeld asks for holds and held messages now and then, in the background.
func (s *Session) pollHeld(dt time.Duration) {
	b := &s.held
	b.waited += dt
	active := len(b.held) > 0 || b.wanted
	if b.polling || !active || b.waited < pollHeldEvery {
		return
	}
	n := s.Net()
	if n == nil {
		if len(b.held)+len(b.holds) > 0 {
			b.held, b.holds = nil, nil
			b.version++
		}
		return
	}
	b.polling, b.wanted, b.waited = true, false, 0
	known := len(b.gone)
	s.aside(func(context.Context) func() {
		holds := n.Holds()
		held, err := n.Held()
		return func() {
			b.polling = false
			if err == nil {
				b.heard(holds, held, known)
			}
		}
	})
}

// heard takes what the network said after the first known of the holds that are gone were
// known to be so.
func (b *heldBook) heard(holds []network.ActiveHold, held []link.HeldMessage, known int) {
	known = min(known, len(b.gone))
	for i := range known {
		b.end(&b.gone[i], holds)
	}
	b.gone = b.gone[known:]
	var now []Hold
	for _, h := range holds {
		if !b.spent[h.ID] {
			now = append(now, Hold{h.ID, h.Filter, b.numbers[h.ID]})
		}
	}
	sort.Slice(held, func(i, j int) bool { return held[i].Since.Before(held[j].Since) })
	if !sameHeld(b.held, held) || !slices.Equal(b.holds, now) {
		b.held, b.holds = held, now
		b.version++
	}
}

func sameHeld(a, b []link.HeldMessage) bool {
	return slices.EqualFunc(a, b, func(x, y link.HeldMessage) bool { return x.ID == y.ID && x.Event.Node == y.Event.Node })
}
