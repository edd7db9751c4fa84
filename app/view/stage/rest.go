package stage

import (
	"fmt"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// restAfter is how long after the last event worth telling a network without work is said
// to rest.
const restAfter = int64(1.5e9)

// chatter tells whether an event is of Raft's routine, which there is with every block, or a
// message between ordering nodes that gets lost again and again.
func chatter(e *trace.Event) bool {
	return e.Kind == trace.RaftAppend || e.Kind == trace.RaftAppendReply || e.Kind == trace.RaftOther ||
		e.Dir == trace.Lost && strings.HasPrefix(string(e.Kind), "raft.")
}

// rest is a sentence on a network in which nothing is under way: who has which block, who
// leads, and what is not as it should be. "" while it is being set up or works.
func (w *World) rest(at view.Moment) string {
	s := w.stateAt(at)
	if s.batch.pending > 0 {
		return ""
	}
	if n := len(s.held); n > 0 {
		return fmt.Sprintf("The network waits: a hold has stopped %s.", count(n, "message"))
	}
	peers, up, level, first := 0, 0, 0, ""
	leader, down := "", ""
	for i := range w.reg.nodes {
		n, id := s.look(int32(i)), &w.reg.nodes[i]
		if len(n.sims) > 0 || n.validating || len(n.open) > 0 {
			return ""
		}
		for j := range n.docked {
			if p := n.docked[j].phase; p == Building || p == Launching {
				return ""
			}
		}
		if id.kind == peerKind || id.kind == ordererKind {
			switch n.life {
			case Unseen, Starting:
				return ""
			case Stopped, Killed:
				down = view.Short(id.name)
			}
		}
		switch {
		case id.kind == ordererKind && n.life == Up && n.role == Leader:
			leader = view.Short(id.name)
		case id.kind == peerKind:
			peers++
			if n.life == Up {
				up++
			}
			if n.life == Up && n.known && n.height == s.newest {
				level++
				first = view.Short(id.name)
			}
		}
	}
	if peers == 0 {
		return ""
	}
	text := "Nothing is under way. "
	switch {
	case peers == 1 && level == 1:
		text += fmt.Sprintf("%s has block %d", first, s.newest)
	case level == peers:
		text += fmt.Sprintf("All %d peers have block %d", peers, s.newest)
	default:
		text += fmt.Sprintf("%d of %d peers have block %d", level, peers, s.newest)
	}
	switch {
	case leader != "":
		text += "; " + leader + " leads the ordering service"
	case up > 0:
		text += "; no ordering node leads, so nothing can be ordered"
	}
	if down != "" {
		text += "; " + down + " does not run"
	}
	return text + "."
}
