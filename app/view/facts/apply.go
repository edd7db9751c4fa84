package facts

import (
	"slices"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Step is one event with what the registry knows about it.
type Step struct {
	*trace.Event
	Info *Kind
	Self int32 // Event.Node, -1 if it is none of the network's
	From int32 // of messages, else -1
	To   int32
	Link int32

	// Given to those who see new events: the event's time, which never runs backwards, the
	// number of its transaction in Messages, and the spans that it begins and ends.
	Now      int64
	Tx       uint32
	Spans    []Span
	Progress Progress
	spans    *spans // nil while events are read again
}

// apply does to the state what an event says.
func (w *World) apply(s *State, e *Step) {
	s.Seq, s.Time = e.Seq, max(s.Time, e.Time)
	if s.Channel == "" {
		s.Channel = e.Channel
	}
	if e.Dir != trace.None {
		w.applyMessage(s, e)
		return
	}
	if e.Self < 0 {
		s.applyAnywhere(e)
		return
	}
	switch e.Info.Op {
	case OpSimulate, OpSimulated, OpEndorsed, OpPulled, OpValidate, OpJudged, OpVerdict, OpCommitted, OpRefused:
		s.applyPeer(e)
	case OpInstalled, OpBuild, OpBuilt, OpLaunch, OpLaunched, OpExit:
		w.applyChaincode(s, e)
	case OpProgress:
		if e.What == trace.CodePaused || e.What == trace.CodeResumed {
			w.applyChaincode(s, e)
		} else {
			s.applyAnywhere(e)
		}
	case OpEnqueued, OpConfig, OpCut, OpWritten, OpRole, OpLeader:
		w.applyOrdering(s, e)
	case OpCompared, OpSubmitted, OpCommitSeen:
		if w.Nodes[e.Self].Being == Client { // a peer may do it for a client, as its gateway, but does not wait itself
			s.applyClient(e)
		}
	case OpStart, OpReady, OpStop, OpKilled, OpJoin:
		w.applyLife(s, e)
	case OpSync:
		e.syncs()
	default:
		s.applyAnywhere(e)
	}
}

// applyPeer covers what a peer does to transactions and blocks.
func (s *State) applyPeer(e *Step) {
	n := s.node(e.Self)
	n.alive()
	switch e.Info.Op {
	case OpSimulate:
		n.Sims = append(n.Sims, Simulation{Tx: e.TxID, Block: e.Block, Start: e.Time})
		e.begins(Simulate, e.Self)
	case OpSimulated:
		n.Sims = slices.DeleteFunc(n.Sims, func(x Simulation) bool { return x.Tx == e.TxID })
		for i := range n.Docked {
			n.Docked[i].finish(e.TxID)
		}
		e.ends(Simulate, e.Self, e.What == trace.Rejected || e.What == trace.Failed)
	case OpRefused:
		e.ends(Simulate, e.Self, true)
	case OpEndorsed:
		n.Endorses = n.Endorses || !strings.HasPrefix(e.Key, "_")
	case OpPulled:
		n.Pulled = max(n.Pulled, e.Block)
	case OpValidate:
		n.Validating, n.Checking, n.Judged = true, e.Block, 0
		e.checks()
	case OpJudged:
		n.Judged++
	case OpCommitted:
		n.Validating, n.Known, n.Height = false, true, e.Block
		n.Hash = e.Key
		e.checked()
		if e.Block >= s.Newest || s.commits == [commitRing]int64{} {
			if e.Block > s.Newest || s.commits[e.Block%commitRing] == 0 {
				s.commits[e.Block%commitRing] = e.Time
			}
			s.Newest = e.Block
		}
	}
}

// alive notes that a node acts: it runs, even if its start was not seen.
func (n *Node) alive() {
	if n.Life == Unseen || n.Life == Starting {
		n.Life = Up
	}
}

func (w *World) applyLife(s *State, e *Step) {
	n := s.node(e.Self)
	switch e.Info.Op {
	case OpStart:
		*n = Node{Life: Starting, Since: e.Time, Docked: n.Docked, Endorses: n.Endorses, Height: n.Height, Known: n.Known, Hash: n.Hash, Log: n.Log, Term: n.Term, Blocks: n.Blocks}
	case OpReady:
		n.Life, n.Since, n.Address = Up, e.Time, e.Name
		e.ends(Down, e.Self, false)
	case OpJoin:
		n.Joined = true
		n.alive()
	case OpStop, OpKilled:
		n.Life, n.Since, n.Address = Stopped, e.Time, ""
		if e.Info.Op == OpKilled {
			n.Life = Killed
		}
		n.Sims, n.Asked, n.Validating, n.Role, n.Leader, n.Lies = nil, 0, false, NoRole, 0, false
		for i := range n.Docked {
			c := &n.Docked[i]
			c.Lanes = nil
			if c.Phase != Installed {
				c.Phase, c.Cause = Exited, e.kept()
			}
		}
		s.deposed(e.Self)
		e.goesDown(&w.Registry, e.Self)
	}
}

// kept is a copy of the event that outlives the list it came in.
func (e *Step) kept() *trace.Event {
	c := *e.Event
	return &c
}

// dock finds or adds a chaincode at a peer.
func (n *Node) dock(node int32, label, id string) *Chaincode {
	for i := range n.Docked {
		c := &n.Docked[i]
		if node >= 0 && c.Node == node || id != "" && c.ID == id || c.Label == label {
			if node >= 0 {
				c.Node = node
			}
			if id != "" {
				c.ID = id
			}
			return c
		}
	}
	n.Docked = append(n.Docked, Chaincode{Node: node, Label: label, ID: id})
	return &n.Docked[len(n.Docked)-1]
}

// applyChaincode covers the life of a chaincode at its peer.
func (w *World) applyChaincode(s *State, e *Step) {
	n := s.node(e.Self)
	n.alive()
	node, at := int32(-1), e.Self // what takes time is its own lane's, or its peer's before it has one
	if e.Other != "" {
		if node = w.id(e.Other); w.Nodes[node].Being == Code {
			at = node
		}
	}
	c := n.dock(node, words.Label(e.Key), e.Key)
	c.Cause, c.Since = nil, e.Time
	switch e.Info.Op {
	case OpInstalled:
		if c.Phase != Ready {
			c.Phase = Installed
		}
		if len(s.Packages) < maxNames && !slices.Contains(s.Packages, e.Key) {
			s.Packages = append(s.Packages, e.Key)
		}
	case OpBuild:
		c.Phase = Building
		e.begins(Build, at)
	case OpBuilt:
		c.Phase = Built
		e.ends(Build, at, e.What == trace.Failed)
	case OpLaunch:
		c.Phase, c.Lanes, c.Runs = Launching, nil, e.Name
		e.ends(Down, at, false)
		e.begins(Launch, at)
	case OpLaunched:
		c.Phase, c.Runs = Ready, e.Name
		e.ends(Launch, at, e.What == trace.Failed)
		if e.What == trace.Failed {
			c.Phase, c.Cause = Failed, e.kept()
		}
	case OpExit:
		c.Phase, c.Lanes, c.Cause = Exited, nil, e.kept()
		if at != e.Self {
			e.goesDown(&w.Registry, at)
		}
	case OpProgress:
		c.Phase = Ready
		if e.What == trace.CodePaused {
			c.Phase = Paused
		}
	}
	n.tidy()
	w.makeRoom(n)
}

// Name is a chaincode's name in its label: basic of "basic 1.0".
func (c *Chaincode) Name() string {
	if i := strings.LastIndexByte(c.Label, ' '); i > 0 {
		return c.Label[:i]
	}
	return c.Label
}

// tidy drops chaincodes that have ended and that a running one of the same name replaces.
func (n *Node) tidy() {
	n.Docked = slices.DeleteFunc(n.Docked, func(c Chaincode) bool {
		if c.Phase != Exited {
			return false
		}
		return slices.ContainsFunc(n.Docked, func(o Chaincode) bool {
			return o.Name() == c.Name() && (o.Phase == Ready || o.Phase == Paused)
		})
	})
}

// maxSlots bounds for how many chaincodes a peer's box makes room, and maxLanes for how many
// calls a chaincode's box does.
const (
	maxSlots = 3
	maxLanes = 16
)

// makeRoom keeps as many places for chaincodes as one peer ever needed, and as many lanes as
// one chaincode did.
func (r *Registry) makeRoom(n *Node) {
	lanes := 0
	for i := range n.Docked {
		lanes = max(lanes, len(n.Docked[i].Lanes))
	}
	slots := min(len(n.Docked), maxSlots)
	if lanes = min(lanes, maxLanes); slots > r.Slots || lanes > r.Lanes {
		r.Slots, r.Lanes = max(slots, r.Slots), max(lanes, r.Lanes)
		r.Version++
	}
}

// applyAnywhere covers faults, link rules, holds and what is of the whole network; they may
// name patterns or no node.
func (s *State) applyAnywhere(e *Step) {
	switch e.Info.Op {
	case OpRule:
		s.applyRule(e.Event)
	case OpPartition:
		s.applyPartition(e.Event)
	case OpHoldSet:
		s.Holds = append(s.Holds, *HoldOf(e.Event))
		s.Holds = s.Holds[max(0, len(s.Holds)-maxRules):]
	case OpHoldGone:
		s.Holds = slices.DeleteFunc(s.Holds, func(h Hold) bool { return h.ID == e.A })
	case OpFault:
		if e.Self >= 0 && (e.What == trace.FaultLies || e.What == trace.FaultHonest) {
			s.node(e.Self).Lies = e.What == trace.FaultLies
		}
		s.trouble(e, true)
	case OpError:
		s.trouble(e, false)
	case OpProgress:
		if e.What == trace.StepDone && len(s.Steps) < maxNames {
			s.Steps = append(s.Steps, Done{e.Key, time.Duration(e.A)})
		}
	case OpDefinition:
		s.define(e.Event)
	case OpNetwork:
		s.Ready = true
	}
}

func (s *State) define(e *trace.Event) {
	for i := range s.Definitions {
		if d := &s.Definitions[i]; d.Name == e.Key {
			if e.A >= d.Sequence {
				d.Version, d.Sequence = e.Name, e.A
			}
			return
		}
	}
	if len(s.Definitions) < maxNames {
		s.Definitions = append(s.Definitions, Definition{Name: e.Key, Version: e.Name, Sequence: e.A})
	}
}

func (s *State) trouble(e *Step, fault bool) {
	s.Troubles = append([]Trouble{{e.kept(), fault}}, s.Troubles[:min(len(s.Troubles), maxTroubles-1)]...)
}

// applyRule notes what was done to links. A rule for the same ends replaces the one before.
func (s *State) applyRule(e *trace.Event) {
	r := Rule{From: e.Node, To: e.Other, Latency: time.Duration(e.A), Jitter: time.Duration(e.B), Loss: float64(e.C) / 1e6}
	r.OneWay = e.What == trace.RuleCutOneWay || e.What == trace.RuleShapedOneWay
	r.Cut = e.What == trace.RuleCut || e.What == trace.RuleCutOneWay
	s.Rules = slices.DeleteFunc(slices.Clone(s.Rules), func(o Rule) bool {
		return o.From == r.From && o.To == r.To || !r.OneWay && o.From == r.To && o.To == r.From
	})
	if e.What != trace.RuleHealed && e.What != trace.Untold && len(s.Rules) < maxRules {
		s.Rules = append(s.Rules, r)
	}
}

// applyPartition collects the groups of a partition, told node by node, or ends it.
func (s *State) applyPartition(e *trace.Event) {
	if e.What != trace.Parted {
		s.Groups, s.partition = nil, 0
		return
	}
	if e.A < 0 || e.A >= maxRules {
		return
	}
	groups := slices.Clone(s.Groups)
	if s.partition != e.C {
		groups, s.partition = nil, e.C
	}
	for int(e.A) >= len(groups) {
		groups = append(groups, nil)
	}
	groups[e.A] = append(slices.Clone(groups[e.A]), e.Node)
	s.Groups = groups // replaced as a whole: copies of the state share it
}

// applyMessage does to the state what a message says that was sent, received or held.
func (w *World) applyMessage(s *State, e *Step) {
	if e.From < 0 {
		return
	}
	switch e.Dir {
	case trace.Held:
		s.applyHeld(e)
		return
	case trace.Released, trace.Lost:
		s.Held = slices.DeleteFunc(s.Held, func(h Held) bool { return h.Msg == e.Msg })
		if (e.Info.Op == OpProposalResponse || e.Info.Op == OpGatewayAnswer) && e.Dir == trace.Lost && e.To == e.Self {
			s.answered(e, e.To) // its client does not wait for it any longer
		}
		return
	}
	self := s.node(e.Self)
	self.alive()
	switch e.Info.Op {
	case OpProposal, OpGateway, OpBroadcast:
		w.asks(s, e, self)
	case OpProposalResponse, OpGatewayAnswer, OpBroadcastAnswer:
		w.answers(s, e, self)
	case OpSeek:
		if e.What == trace.SeekForEver { // not a look at one block only
			s.node(e.From).Source = e.To + 1
		}
	case OpRaftAppend, OpRaftReply, OpRaftVote, OpRaftVoteReply:
		s.applyRaft(e, self)
	case OpCall, OpRequest, OpCompleted:
		w.applyCall(s, e)
	}
}

// applyHeld notes where a message stands. Its sender recorded it as sent, unless it comes
// from outside: then it stands at the receiver. The registry has put its ends right.
func (s *State) applyHeld(e *Step) {
	if len(s.Held) >= maxHeld {
		return
	}
	s.Held = append(s.Held, Held{Msg: e.Msg, Seq: e.Seq, Since: e.Time, From: e.From, To: e.To, At: e.Self, Link: e.Link, Tx: e.TxID, Key: e.Key, Info: e.Info})
}

// applyCall follows the calls between a peer and its chaincode. Only the peer records them.
func (w *World) applyCall(s *State, e *Step) {
	code := e.From
	if w.Nodes[code].Being != Code {
		code = e.To
	}
	host := w.Nodes[code].Host
	if host < 0 {
		return
	}
	n := s.node(host)
	c := n.dock(code, w.Nodes[code].Label, "")
	fromCode := e.From == code
	switch {
	case e.Info.Op == OpCall:
		if c.Phase != Paused {
			c.Phase = Ready // calls reach it, whether or not its start was seen
		}
		c.Lanes = append(c.Lanes, Lane{Tx: e.TxID, Fn: e.Key, Start: e.Time})
		s.noteFunction(c.Name(), e.Key)
		e.begins(Call, code)
	case e.Info.Op == OpCompleted && fromCode:
		c.finish(e.TxID)
		e.ends(Call, code, e.What == trace.Rejected || e.What == trace.Failed)
	case e.Info.Op == OpRequest && fromCode:
		i := slices.IndexFunc(c.Lanes, func(l Lane) bool { return l.Tx == e.TxID })
		if i < 0 {
			return
		}
		l := &c.Lanes[i]
		l.Call, l.Key = e.Info.Call, e.Key
		if l.Write = e.Info.Class == view.Write; l.Write {
			l.Writes++
			e.writes(code)
		} else {
			l.Reads++
		}
	}
	w.makeRoom(n)
}

// noteFunction remembers what can be called.
func (s *State) noteFunction(chaincode, function string) {
	c := called{chaincode, function}
	if function != "" && len(s.functions) < maxNames && !slices.Contains(s.functions, c) {
		s.functions = append(s.functions, c)
	}
}

// finish closes a transaction's lane.
func (c *Chaincode) finish(tx string) {
	c.Lanes = slices.DeleteFunc(c.Lanes, func(l Lane) bool { return l.Tx == tx })
}
