package stage

import (
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
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
	s := w.facts.At(at)
	if s.Batch.Pending > 0 {
		return ""
	}
	if n := len(s.Held); n > 0 {
		return w.book.L("The network waits: a hold has stopped {{.N}} messages.", n)
	}
	peers, up, level, first := 0, 0, 0, ""
	leader, down := "", ""
	for i := range w.facts.Nodes {
		n, id := s.Node(int32(i)), &w.facts.Nodes[i]
		if len(n.Sims) > 0 || n.Validating || len(n.Open) > 0 {
			return ""
		}
		for j := range n.Docked {
			if p := n.Docked[j].Phase; p == facts.Building || p == facts.Launching {
				return ""
			}
		}
		if id.Being == facts.Peer || id.Being == facts.Orderer {
			switch n.Life {
			case facts.Unseen, facts.Starting:
				return ""
			case facts.Stopped, facts.Killed:
				down = w.short(int32(i))
			}
		}
		switch {
		case id.Being == facts.Orderer && n.Life == facts.Up && n.Role == facts.Leader:
			leader = w.short(int32(i))
		case id.Being == facts.Peer:
			peers++
			if n.Life == facts.Up {
				up++
			}
			if n.Life == facts.Up && n.Known && n.Height == s.Newest {
				level++
				first = w.short(int32(i))
			}
		}
	}
	if peers == 0 {
		return ""
	}
	text := ""
	switch {
	case peers == 1 && level == 1:
		text = w.book.L("Nothing is under way. {{.Node}} has block {{.Block}}", first, s.Newest)
	case level == peers:
		text = w.book.L("Nothing is under way. All {{.N}} peers have block {{.Block}}", peers, s.Newest)
	default:
		text = w.book.L("Nothing is under way. {{.Level}} of {{.N}} peers have block {{.Block}}", level, peers, s.Newest)
	}
	switch {
	case leader != "":
		text += "; " + w.book.L("{{.Node}} leads the ordering service", leader)
	case up > 0:
		text += "; " + w.book.L("no ordering node leads, so nothing can be ordered")
	}
	if down != "" {
		text += "; " + w.book.L("{{.Node}} does not run", down)
	}
	return text + "."
}
