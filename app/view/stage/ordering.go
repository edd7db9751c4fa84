package stage

import (
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

const writeClass = view.Write

// applyOrdering covers the batch and Raft's roles.
func (w *World) applyOrdering(s *state, e *step) {
	n := s.node(e.self)
	n.alive()
	b := &s.batch
	switch e.info.op {
	case opEnqueued:
		pending, bytes := pendingOf(e.Note)
		if b.at != e.self+1 {
			*b = batchState{at: e.self + 1}
		}
		if b.pending == 0 || pending <= b.pending && pending > 0 && b.since == 0 {
			b.since = e.Time
		}
		b.pending, b.bytes = pending, bytes
	case opCut:
		if b.at == e.self+1 {
			b.since = e.Time // what is left waits for a new period
			if !strings.HasPrefix(e.Note, "count") && !strings.HasPrefix(e.Note, "bytes") {
				b.pending, b.bytes, b.since = 0, 0, 0
			}
		}
	case opWritten:
		n.blocks = max(n.blocks, e.Block)
	case opRole:
		n.term = max(n.term, e.Block)
		s.term = max(s.term, n.term)
		n.role = roleOf(e.Note)
		if n.role != Leader && b.at == e.self+1 {
			*b = batchState{} // its clients have to send again
		}
		if n.role == Candidate {
			n.vote, n.voted = e.self+1, n.term
		}
	case opLeader:
		n.leader = 0
		if e.Other != "" {
			n.leader = w.reg.id(e.Other) + 1
			if n.role == NoRole || n.role == Candidate && n.leader != e.self+1 {
				n.role = Follower
			}
		}
	}
}

func roleOf(note string) Role {
	switch note {
	case "leader":
		return Leader
	case "candidate":
		return Candidate
	case "follower":
		return Follower
	}
	return NoRole
}

// raft reads term and log positions from Raft's messages, as their senders say them.
func (s *state) raft(e *step, self *nodeState) {
	term := numberAfter(e.Note, "term ")
	if term > self.term {
		self.term = term
	}
	s.term = max(s.term, term)
	if e.Dir != trace.Sent {
		return
	}
	switch e.info.op {
	case opRaftAppend, opRaftReply:
		if self.role == NoRole && e.info.op == opRaftReply {
			self.role = Follower
		}
		if last := lastEntry(e.Note); last > self.log {
			self.log = last
		}
	case opRaftVoteReply:
		if strings.HasPrefix(e.Note, "granted") {
			self.vote, self.voted = e.to+1, term
		}
	}
}

// lastEntry reads the highest log position from "entry 7", "entries 2 to 3", "nothing
// after entry 7" or "has all up to entry 7".
func lastEntry(note string) uint64 {
	if i := strings.Index(note, "entries "); i >= 0 {
		return numberAfter(note[i:], " to ")
	}
	return numberAfter(note, "entry ")
}

// numberAfter reads the decimal number that follows a word.
func numberAfter(note, word string) uint64 {
	i := strings.Index(note, word)
	if i < 0 {
		return 0
	}
	n := uint64(0)
	for _, c := range []byte(note[i+len(word):]) {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}

// pendingOf reads "2 pending, 6986 bytes".
func pendingOf(note string) (pending, bytes int) {
	pending = int(numberAfter(note, ""))
	return pending, int(numberAfter(note, "pending, "))
}
