package facts

import (
	"sort"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// What is remembered of the past at most; the oldest goes first.
const (
	maxLife    = 512  // of each node
	maxCalls   = 2048 // of each node
	maxLog     = 512  // of each chaincode
	maxChanged = 1024 // link rules and partitions
	maxOrdered = 2 * maxBlocks
)

// Past is an event that somebody may want to look up later: where it stands in the trace, and
// what it did.
type Past struct {
	Seq uint64
	Tx  uint32 // its transaction, as Messages numbers them; 0 = none
	Op  Op
}

// History is what a node did besides messages and blocks, oldest first. A state says what is
// true at a moment; this says how it came to be.
type History struct {
	Life  []Past // starts and ends, faults, roles and votes in Raft, packages and chaincodes
	Calls []Past // simulations of a peer, calls of a chaincode, transactions of a client
	Log   []Past // lines that a chaincode printed
	Order []Past // blocks that an ordering node cut as leader or wrote
}

// Defined is a definition of a chaincode, and the block that it was committed with.
type Defined struct {
	Name       string
	Seq, Block uint64
}

// HistoryOf is what a node did; empty for one that is not known.
func (w *World) HistoryOf(name string) History {
	if i, ok := w.ids[name]; ok && int(i) < len(w.histories) {
		return w.histories[i]
	}
	return History{}
}

// Until is the part of a list that had happened with an event.
func Until(list []Past, seq uint64) []Past {
	return list[:sort.Search(len(list), func(i int) bool { return list[i].Seq > seq })]
}

// Defined are the definitions of chaincodes, oldest first, as the first peer told each.
func (w *World) Defined() []Defined { return w.defined }

// notes keeps the place of an event for the history of whom it concerns.
func (w *World) notes(e *Step) {
	switch e.Info.Op {
	case OpMessage:
		if e.Kind == trace.ChaincodeRegister || e.Kind == trace.ChaincodeReady {
			w.lived(e, w.codeOf(e))
		}
	case OpStart, OpReady, OpStop, OpKilled, OpJoin, OpRole, OpLeader, OpRaftVote, OpRaftVoteReply, OpFault, OpError:
		w.lived(e, e.Self)
	case OpInstalled, OpBuild, OpBuilt, OpLaunch, OpLaunched, OpExit:
		w.lived(e, e.Self)
		if at, ok := w.ids[e.Other]; ok && e.Other != "" {
			w.lived(e, at)
		}
	case OpLog:
		if at, ok := w.ids[e.Other]; ok {
			if h := w.history(at); h != nil {
				keep(&h.Log, e, maxLog)
			}
		}
	case OpDefinition:
		w.lived(e, e.Self)
		for i := range w.defined {
			if d := &w.defined[i]; d.Name == e.Key && d.Block == e.Event.Block {
				return
			}
		}
		if len(w.defined) < maxNames {
			w.defined = append(w.defined, Defined{e.Key, e.Seq, e.Event.Block})
		}
	case OpCut, OpWritten:
		if h := w.history(e.Self); h != nil {
			keep(&h.Order, e, maxOrdered)
		}
	case OpRule, OpPartition:
		keep(&w.changed, e, maxChanged)
	case OpSimulate, OpSimulated, OpRefused, OpCompared, OpSubmitted, OpCommitSeen:
		w.called(e, e.Self)
	case OpCall, OpCompleted:
		if e.Dir == trace.Sent || e.Dir == trace.Received {
			w.called(e, w.codeOf(e))
		}
	case OpProposal, OpGateway: // where it arrived, if its client does not record
		if e.Dir == trace.Sent || e.Dir == trace.Received && e.From >= 0 && !w.Nodes[e.From].Speaks {
			w.called(e, e.From)
		}
	}
}

// codeOf is the end of a message that is a chaincode, -1 if none is.
func (w *World) codeOf(e *Step) int32 {
	for _, end := range [2]int32{e.From, e.To} {
		if end >= 0 && w.Nodes[end].Being == Code {
			return end
		}
	}
	return -1
}

func (w *World) lived(e *Step, node int32) {
	if h := w.history(node); h != nil {
		keep(&h.Life, e, maxLife)
	}
}

func (w *World) called(e *Step, node int32) {
	if h := w.history(node); h != nil {
		keep(&h.Calls, e, maxCalls)
	}
}

// history is a node's history, made room for; nil for a node that is none of ours.
func (w *World) history(node int32) *History {
	if node < 0 {
		return nil
	}
	for int(node) >= len(w.histories) {
		w.histories = append(w.histories, History{})
	}
	return &w.histories[node]
}

// keep adds to a bounded list; an eighth goes at once, so that it is seldom moved.
func keep(list *[]Past, e *Step, most int) {
	if len(*list) >= most+most/8 {
		*list = append((*list)[:0:0], (*list)[len(*list)-most:]...)
	}
	*list = append(*list, Past{e.Seq, e.Tx, e.Info.Op})
}

// Changed lists what was done to the link between two nodes until an event: rules, and
// partitions as rules that cut it and heal it. Events that have left the source are missing.
func (w *World) Changed(a, b string, seq uint64) (rules []trace.Event) {
	s := &State{}
	for _, p := range Until(w.changed, seq) {
		e, ok := w.Event(p.Seq)
		if !ok {
			continue
		}
		if e.Kind == trace.LinkRule {
			if e.Node == "" && e.Other == "" || matches(e.Node, a) && matches(e.Other, b) || matches(e.Node, b) && matches(e.Other, a) {
				rules = append(rules, e)
			}
			continue
		}
		was := s.parted(a, b)
		if s.applyPartition(&e); s.parted(a, b) != was {
			rule := trace.Event{Seq: e.Seq, Time: e.Time, Kind: trace.LinkRule, Node: a, Other: b, What: trace.RuleCut}
			if was {
				rule.What = trace.RuleHealed
			}
			rules = append(rules, rule)
		}
	}
	return rules
}

// Event reads one event of the trace; ok is false when it is not there any more.
func (w *World) Event(seq uint64) (e trace.Event, ok bool) {
	if w.src == nil || seq == 0 {
		return trace.Event{}, false
	}
	events, _, lost := w.src.Since(seq-1, 1)
	if len(events) == 0 || lost > 0 {
		return trace.Event{}, false
	}
	return events[0], true
}

// EventsOf are a transaction's events until one, oldest first.
func (w *World) EventsOf(tx string, seq uint64) (events []trace.Event) {
	if w.src == nil {
		return nil
	}
	places, whole := w.messages.Txs.trail(tx)
	if !whole {
		events = w.src.ByTx(tx)
		return events[:sort.Search(len(events), func(i int) bool { return events[i].Seq > seq })]
	}
	events = make([]trace.Event, 0, len(places))
	for i := len(places) - 1; i >= 0 && places[i] <= seq; i-- {
		if e, ok := w.Event(places[i]); ok {
			events = append(events, e)
		}
	}
	return events
}
