package facts

import (
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// applyOrdering covers the batch, its limits and Raft's roles.
func (w *World) applyOrdering(s *State, e *Step) {
	n := s.node(e.Self)
	n.alive()
	b := &s.Batch
	e.orders()
	switch e.Info.Op {
	case OpConfig:
		s.Limits = Limits{Known: true, Messages: int(e.A), Bytes: int(e.B), Timeout: time.Duration(e.C)}
	case OpEnqueued:
		pending := int(e.A)
		if b.At != e.Self+1 {
			*b = Batch{At: e.Self + 1}
		}
		if b.Pending == 0 || pending <= b.Pending && pending > 0 && b.Since == 0 {
			b.Since = e.Time
		}
		b.Pending, b.Bytes = pending, int(e.B)
	case OpCut:
		if b.At == e.Self+1 {
			b.Since = e.Time // what is left waits for a new period
			if e.What != trace.CutByCount && e.What != trace.CutByBytes {
				b.Pending, b.Bytes, b.Since = 0, 0, 0
			}
		}
	case OpWritten:
		n.Blocks = max(n.Blocks, e.Block)
	case OpRole:
		s.applyRole(e, n)
	case OpLeader:
		n.Leader = 0
		if e.Other != "" {
			n.Leader = w.id(e.Other) + 1
			if n.Role == NoRole || n.Role == Candidate && n.Leader != e.Self+1 {
				n.Role = Follower
			}
		}
	}
}

// applyRole notes which role Raft gives a node.
func (s *State) applyRole(e *Step, n *Node) {
	n.Term = max(n.Term, uint64(e.A))
	s.Term = max(s.Term, n.Term)
	n.Role = roles[e.What]
	switch n.Role {
	case Leader:
		s.Leader = e.Self + 1
	case Candidate:
		n.Vote, n.Voted = e.Self+1, n.Term
	}
	if n.Role != Leader {
		s.deposed(e.Self)
		e.endsBatches(e.Self)
	}
}

var roles = map[trace.What]Role{trace.Leader: Leader, trace.Candidate: Candidate, trace.Follower: Follower}

// deposed notes that a node does not lead: what was in its batch its clients have to send
// again.
func (s *State) deposed(node int32) {
	if s.Batch.At == node+1 {
		s.Batch = Batch{}
	}
	if s.Leader == node+1 {
		s.Leader = 0
	}
}

// applyRaft takes term and log positions from Raft's messages, as their senders say them.
func (s *State) applyRaft(e *Step, self *Node) {
	term := uint64(e.A)
	self.Term = max(self.Term, term)
	s.Term = max(s.Term, term)
	if e.Dir != trace.Sent {
		return
	}
	switch e.Info.Op {
	case OpRaftAppend, OpRaftReply:
		if self.Role == NoRole && e.Info.Op == OpRaftReply {
			self.Role = Follower
		}
		self.Log = max(self.Log, uint64(e.B))
	case OpRaftVoteReply:
		if e.What == trace.Accepted {
			self.Vote, self.Voted = e.To+1, term
		}
	}
}
