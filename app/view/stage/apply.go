package stage

import (
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// step is one event with what the registry knows about it.
type step struct {
	*trace.Event
	info *kindInfo
	self int32 // Event.Node, -1 if it is none of the network's
	from int32 // of messages
	to   int32
	link int32
}

// apply does to the state what an event says.
func (w *World) apply(s *state, e *step) {
	s.seq, s.time = e.Seq, max(s.time, e.Time)
	if e.Dir != trace.None {
		w.message(s, e)
		return
	}
	if e.self < 0 {
		s.applyAnywhere(e)
		return
	}
	switch e.info.op {
	case opSimulate, opSimulated, opEndorsed, opPulled, opValidate, opJudged, opVerdict, opCommitted, opRefused:
		s.applyPeer(e)
	case opInstalled, opBuild, opBuilt, opLaunch, opLaunched, opExit, opProgress:
		w.applyChaincode(s, e)
	case opEnqueued, opCut, opWritten, opRole, opLeader:
		w.applyOrdering(s, e)
	case opSubmitted:
		s.node(e.self).begin(e, func(t *openTx) { t.submitted = true })
	case opCommitSeen:
		s.node(e.self).end(e)
	case opStart, opReady, opStop, opKilled, opJoin:
		s.applyLife(e)
	default:
		s.applyAnywhere(e)
	}
}

// applyPeer covers what a peer does to transactions and blocks.
func (s *state) applyPeer(e *step) {
	n := s.node(e.self)
	n.alive()
	switch e.info.op {
	case opSimulate:
		n.sims = append(n.sims, sim{tx: e.TxID, block: e.Block, start: e.Time})
	case opSimulated:
		n.sims = slices.DeleteFunc(n.sims, func(x sim) bool { return x.tx == e.TxID })
		for i := range n.docked {
			n.docked[i].finish(e.TxID)
		}
	case opEndorsed:
		n.endorses = n.endorses || !strings.HasPrefix(e.Key, "_")
	case opPulled:
		n.pulled = max(n.pulled, e.Block)
	case opValidate:
		n.validating, n.checking, n.judged = true, e.Block, 0
	case opJudged:
		n.judged++
	case opCommitted:
		n.validating, n.known, n.height = false, true, e.Block
		n.hash = view.ShortID(e.Note)
		if e.Block >= s.newest || s.commits == [ring]int64{} {
			if e.Block > s.newest || s.commits[e.Block%ring] == 0 {
				s.commits[e.Block%ring] = e.Time
			}
			s.newest = e.Block
		}
	}
}

// alive notes that a node acts: it runs, even if its start was not seen.
func (n *nodeState) alive() {
	if n.life == Unseen || n.life == Starting {
		n.life = Up
	}
}

func (s *state) applyLife(e *step) {
	n := s.node(e.self)
	switch e.info.op {
	case opStart:
		*n = nodeState{life: Starting, docked: n.docked, endorses: n.endorses, height: n.height, known: n.known, hash: n.hash, log: n.log, term: n.term, blocks: n.blocks}
	case opReady:
		n.life = Up
	case opJoin:
		n.joined = true
		n.alive()
	case opStop, opKilled:
		n.life = Stopped
		if e.info.op == opKilled {
			n.life = Killed
		}
		n.sims, n.asked, n.validating, n.role, n.leader = nil, 0, false, NoRole, 0
		for i := range n.docked {
			c := &n.docked[i]
			c.lanes = nil
			if c.phase != Installed {
				c.phase, c.note = Exited, "its peer is down"
			}
		}
		if s.batch.at == e.self+1 {
			s.batch = batchState{}
		}
	}
}

// dock finds or adds a chaincode at a peer.
func (n *nodeState) dock(node int32, label, id string) *container {
	for i := range n.docked {
		c := &n.docked[i]
		if node >= 0 && c.node == node || id != "" && c.id == id || c.label == label {
			if node >= 0 {
				c.node = node
			}
			if id != "" {
				c.id = id
			}
			return c
		}
	}
	n.docked = append(n.docked, container{node: node, label: label, id: id})
	return &n.docked[len(n.docked)-1]
}

// applyChaincode covers the life of a chaincode at its peer.
func (w *World) applyChaincode(s *state, e *step) {
	if e.info.op == opProgress && e.Note != "paused" && e.Note != "goes on" {
		return
	}
	n := s.node(e.self)
	n.alive()
	label, _, _ := strings.Cut(e.Key, ":")
	node := int32(-1)
	if e.Other != "" {
		node = w.reg.id(e.Other)
	}
	c := n.dock(node, strings.Replace(label, "_", " ", 1), e.Key)
	c.note, c.since = e.Note, e.Time
	switch e.info.op {
	case opInstalled:
		if c.phase != Ready {
			c.phase = Installed
		}
	case opBuild:
		c.phase = Building
	case opBuilt:
		c.phase = Built
	case opLaunch:
		c.phase, c.lanes = Launching, nil
	case opLaunched:
		c.phase = Ready
		if strings.HasPrefix(e.Note, "failed") {
			c.phase = Failed
		}
	case opExit:
		c.phase, c.lanes = Exited, nil
	case opProgress:
		c.phase = Ready
		if e.Note == "paused" {
			c.phase = Paused
		}
	}
	n.tidy()
	w.reg.makeRoom(len(n.docked))
}

// tidy drops chaincodes that have ended and that a running one of the same name replaces.
func (n *nodeState) tidy() {
	n.docked = slices.DeleteFunc(n.docked, func(c container) bool {
		if c.phase != Exited {
			return false
		}
		name, _, _ := strings.Cut(c.label, " ")
		return slices.ContainsFunc(n.docked, func(o container) bool {
			other, _, _ := strings.Cut(o.label, " ")
			return other == name && (o.phase == Ready || o.phase == Paused)
		})
	})
}

// makeRoom keeps as many places for containers as one peer ever needed.
func (r *registry) makeRoom(n int) {
	if n = min(n, maxSlots); n > r.slots {
		r.slots = n
		r.version++
	}
}

// applyAnywhere covers faults, link rules and holds, which may name patterns or nothing.
func (s *state) applyAnywhere(e *step) {
	switch e.info.op {
	case opRule:
		s.applyRule(e.Event)
	case opHoldSet:
		s.holds = append(s.holds, holdText(e.Event))
	case opHoldGone:
		if i := slices.Index(s.holds, holdText(e.Event)); i >= 0 {
			s.holds = slices.Delete(s.holds, i, i+1)
		}
	case opFault:
		if e.self >= 0 && e.TxID == "" {
			n := s.node(e.self)
			n.lies = strings.HasPrefix(e.Note, "it lies")
		}
		s.note(noteState{text: e.Note, node: e.Node, bad: true, time: e.Time})
	case opError:
		s.note(noteState{text: e.Note, node: e.Node, bad: true, time: e.Time})
	}
}

// holdText says what a hold stops.
func holdText(e *trace.Event) string {
	text := "holding " + e.Note
	if e.Note == "" {
		text = "holding every message"
	}
	if e.Node != "" {
		text += " from " + view.Short(e.Node)
	}
	if e.Other != "" {
		text += " to " + view.Short(e.Other)
	}
	if e.TxID != "" {
		text += " of transaction " + view.ShortID(e.TxID)
	}
	if e.Key != "" {
		text += " with key " + e.Key
	}
	return text
}

func (s *state) note(n noteState) {
	s.notes = append([]noteState{n}, s.notes[:min(len(s.notes), maxNotes-1)]...)
}

// applyRule reads a link rule from its note; internal/link writes them.
func (s *state) applyRule(e *trace.Event) {
	if e.Node == "" && e.Other == "" {
		switch {
		case strings.HasPrefix(e.Note, "partition: "):
			s.groups = nil
			for _, group := range strings.Split(strings.TrimPrefix(e.Note, "partition: "), " | ") {
				s.groups = append(s.groups, strings.Fields(group))
			}
		case e.Note == "healed":
			s.groups = nil
			rules := s.rules[:0:0]
			for _, r := range s.rules {
				if r.kind != CutRule || r.text != "cut" {
					r.text = strings.TrimPrefix(r.text, "cut, ")
					r.kind = ruleKind(r.text)
					rules = append(rules, r)
				}
			}
			s.rules = rules
		default:
			s.groups = nil
		}
		return
	}
	r := rule{from: e.Node, to: e.Other, text: e.Note}
	r.text, r.oneWay = strings.CutSuffix(r.text, ", one way")
	r.kind = ruleKind(r.text)
	s.rules = slices.DeleteFunc(slices.Clone(s.rules), func(o rule) bool {
		return o.from == r.from && o.to == r.to || !r.oneWay && o.from == r.to && o.to == r.from
	})
	if r.kind != Undisturbed && len(s.rules) < maxRules {
		s.rules = append(s.rules, r)
	}
}

// ruleKind is the worst thing that a rule does.
func ruleKind(text string) Rule {
	switch {
	case strings.HasPrefix(text, "cut"):
		return CutRule
	case strings.Contains(text, "loss"):
		return Lossy
	case strings.Contains(text, "latency"), strings.Contains(text, "jitter"):
		return Slow
	}
	return Undisturbed
}
