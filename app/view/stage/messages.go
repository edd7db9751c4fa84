package stage

import (
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// message does to the state what a message says that was sent, received or held.
func (w *World) message(s *state, e *step) {
	if e.from < 0 {
		return
	}
	switch e.Dir {
	case trace.Held:
		w.hold(s, e)
		return
	case trace.Released, trace.Lost:
		s.held = slices.DeleteFunc(s.held, func(h heldState) bool { return h.msg == e.Msg })
		return
	}
	self := s.node(e.self)
	self.alive()
	switch e.info.op {
	case opProposal, opGateway, opBroadcast:
		w.asks(s, e, self)
	case opProposalResponse, opGatewayAnswer, opBroadcastAnswer:
		w.answers(s, e, self)
	case opSeek:
		if strings.HasSuffix(e.Note, "to ever") { // not a look at one block only
			s.node(e.from).source = e.to + 1
		}
	case opRaftAppend, opRaftReply, opRaftVote, opRaftVoteReply:
		s.raft(e, self)
	case opCall, opRequest, opCompleted:
		w.chaincode(s, e)
	}
}

// hold notes where a message stands. Its sender recorded it as sent, unless it comes from
// outside: then it stands at the receiver. The registry has put its ends right, except for
// those of chaincodes.
func (w *World) hold(s *state, e *step) {
	if len(s.held) >= maxHeld {
		return
	}
	h := heldState{msg: e.Msg, seq: e.Seq, from: e.from, to: e.to, at: e.self, link: e.link, tx: e.TxID, info: e.info}
	if e.info.chaincode && e.info.fromCode {
		h.from, h.to = h.to, h.from
	}
	s.held = append(s.held, h)
}

// asks counts what a client has asked and what a peer has been asked. An outside client
// records nothing: what arrives at the peer tells of it.
func (w *World) asks(s *state, e *step, self *nodeState) {
	if e.Dir == trace.Received {
		if e.info.op == opProposal {
			self.asked++
		}
		if w.reg.nodes[e.from].speaks {
			return
		}
		self = s.node(e.from)
	}
	self.begin(e, func(t *openTx) { t.asked++ })
}

// answers closes what asks has opened.
func (w *World) answers(s *state, e *step, self *nodeState) {
	if e.Dir == trace.Sent {
		if e.info.op == opProposalResponse {
			self.asked = max(0, self.asked-1)
		}
		if w.reg.nodes[e.to].speaks {
			return
		}
		self = s.node(e.to)
	}
	t, ok := self.open[e.TxID]
	if !ok {
		return
	}
	refused := e.info.op == opBroadcastAnswer && !strings.HasPrefix(e.Note, "SUCCESS")
	t.answered++
	if t.answered >= t.asked && (!t.submitted || refused) {
		self.end(e)
		return
	}
	self.open[e.TxID] = t
}

// begin notes that a client waits for a transaction.
func (n *nodeState) begin(e *step, change func(*openTx)) {
	if e.TxID == "" {
		return
	}
	if n.open == nil || len(n.open) >= maxOpen {
		n.open = map[string]openTx{}
	}
	t, ok := n.open[e.TxID]
	if !ok {
		t.seq = e.Seq
	}
	change(&t)
	n.open[e.TxID], n.last = t, e.TxID
	n.active = e.Time
}

// end notes that a client waits no longer.
func (n *nodeState) end(e *step) {
	delete(n.open, e.TxID)
	n.active = e.Time
}

// chaincode follows the calls between a peer and its chaincode. Only the peer records them.
func (w *World) chaincode(s *state, e *step) {
	code := e.from
	if w.reg.nodes[code].kind != chaincodeKind {
		code = e.to
	}
	host := w.reg.nodes[code].host
	if host < 0 {
		return
	}
	n := s.node(host)
	c := n.dock(code, w.reg.nodes[code].label, "")
	fromCode := e.from == code
	switch {
	case e.info.op == opCall:
		if c.phase != Paused {
			c.phase = Ready // calls reach it, whether or not its start was seen
		}
		c.lanes = append(c.lanes, lane{tx: e.TxID, fn: e.Note, start: e.Time})
	case e.info.op == opCompleted && fromCode:
		c.finish(e.TxID)
	case e.info.op == opRequest && fromCode:
		i := slices.IndexFunc(c.lanes, func(l lane) bool { return l.tx == e.TxID })
		if i < 0 {
			return
		}
		l := &c.lanes[i]
		l.call, l.key = e.info.call, e.Key
		if l.write = e.info.class == writeClass; l.write {
			l.writes++
		} else {
			l.reads++
		}
	}
	w.reg.makeRoom(len(n.docked))
}

// finish closes a transaction's lane.
func (c *container) finish(tx string) {
	c.lanes = slices.DeleteFunc(c.lanes, func(l lane) bool { return l.tx == tx })
}
