package facts

import "github.com/fabriscope/fabriscope/internal/trace"

// applyClient covers what a client does between its questions.
func (s *State) applyClient(e *Step) {
	n := s.node(e.Self)
	switch e.Info.Op {
	case OpCompared: // it has all the answers that it waits for
		if t, ok := n.Open[e.TxID]; ok && !t.Submitted {
			n.end(e)
		}
		e.ends(Propose, e.Self, e.What == trace.Differs)
	case OpSubmitted:
		n.begin(e, func(t *Waiting) { t.Submitted = true })
		e.ends(Propose, e.Self, false)
		e.begins(Await, e.Self)
	case OpCommitSeen:
		n.end(e)
		e.ends(Await, e.Self, e.What == trace.Invalid)
	}
}

// asks counts what a client has asked and what a peer has been asked. An outside client
// records nothing: what arrives at the peer tells of it.
func (w *World) asks(s *State, e *Step, self *Node) {
	if e.Dir == trace.Received {
		if e.Info.Op == OpProposal {
			self.Asked++
		}
		if w.Nodes[e.From].Speaks {
			return
		}
	}
	if e.TxID == "" || w.Nodes[e.From].Being != Client {
		return // a peer asks others for its client, as its gateway
	}
	t := s.node(e.From).begin(e, func(t *Waiting) { t.Asked++ })
	switch {
	case t.Submitted:
	case e.Info.Op == OpBroadcast:
		e.begins(Await, e.From)
	default:
		e.begins(Propose, e.From)
	}
}

// answers closes what asks has opened.
func (w *World) answers(s *State, e *Step, self *Node) {
	if e.Dir == trace.Sent {
		if e.Info.Op == OpProposalResponse {
			self.Asked = max(0, self.Asked-1)
		}
		if w.Nodes[e.To].Speaks {
			return
		}
	}
	s.answered(e, e.To)
}

// answered counts an answer that a client has.
func (s *State) answered(e *Step, client int32) {
	n := s.node(client)
	t, ok := n.Open[e.TxID]
	if !ok {
		return
	}
	refused := e.Info.Op != OpProposalResponse && (e.What == trace.Rejected || e.What == trace.Failed)
	t.Answered++
	switch {
	case t.Answered < t.Asked || t.Submitted && !refused:
		n.Open[e.TxID] = t
	case t.Submitted && e.Info.Op == OpBroadcastAnswer && (e.A < 400 || e.A >= 500):
		n.end(e) // it tries again, with another ordering node or later
		if n.Refused == nil || len(n.Refused) >= maxOpen {
			n.Refused = map[string]Waiting{}
		}
		n.Refused[e.TxID] = t
	default:
		n.end(e)
		e.ends(Propose, client, false)
		e.ends(Await, client, refused)
	}
}

// begin notes that a client waits for a transaction.
func (n *Node) begin(e *Step, change func(*Waiting)) Waiting {
	if e.TxID == "" {
		return Waiting{}
	}
	if n.Open == nil || len(n.Open) >= maxOpen {
		n.Open = map[string]Waiting{}
	}
	t, ok := n.Open[e.TxID]
	if !ok {
		if t, ok = n.Refused[e.TxID]; ok {
			delete(n.Refused, e.TxID)
		} else {
			t.Seq = e.Seq
		}
	}
	change(&t)
	n.Open[e.TxID], n.Last = t, e.TxID
	n.Active = e.Time
	return t
}

// end notes that a client waits no longer.
func (n *Node) end(e *Step) {
	delete(n.Open, e.TxID)
	n.Active = e.Time
}
