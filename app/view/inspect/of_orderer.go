package inspect

import (
	"strconv"

	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// raftRoles are the roles as events name them.
var raftRoles = map[facts.Role]trace.What{facts.Leader: trace.Leader, facts.Candidate: trace.Candidate}

// orderer makes the document of an ordering node.
func (a *about) orderer(name string) {
	a.doc.Title, a.doc.Subtitle = a.short(name), a.L("ordering node")
	node, life := a.at(name), facts.Until(a.x.world.HistoryOf(name).Life, a.seq)
	state := a.standing(&node)
	b := Block{Form: Fields}
	b.row(a.L("state"), state)
	b.row(a.L("address"), mono(node.Address))
	if state.Tone == Good {
		role, term := a.Role(raftRoles[node.Role]), ""
		a.doc.Subtitle += ", " + role
		if node.Term > 0 {
			term = strconv.FormatUint(node.Term, 10)
			a.doc.Subtitle = a.L("{{.What}} in term {{.Term}}", a.doc.Subtitle, term)
		}
		entry := a.L("not said lately")
		if node.Log > 0 {
			entry = a.L("entry {{.N}}", strconv.FormatUint(node.Log, 10))
		}
		b.row(a.L("Raft role"), plain(role))
		b.row(a.L("term"), mono(term))
		b.row(a.L("log"), mono(entry))
	}
	if leader, ok := a.x.last(life, facts.OpLeader); ok {
		c := Cell{Text: a.L("none"), Tone: Warn}
		if leader.Other != "" {
			c = a.nodeCell(leader.Other)
		}
		b.row(a.L("follows"), c)
	}
	if node.Blocks > 0 {
		b.row(a.L("last block written"), blockCell(node.Blocks))
	}
	list, cuts := a.orderedBlocks(name)
	b.row(a.L("blocks cut as leader"), plain(strconv.Itoa(cuts)))
	a.add(b, a.votes(life), list, a.lifeBlock(life))
}

// orderedBlocks lists what an ordering node did to blocks, newest first, and counts those that
// it cut as leader.
func (a *about) orderedBlocks(name string) (list Block, cuts int) {
	did := facts.Until(a.x.world.HistoryOf(name).Order, a.seq)
	for i := range did {
		if did[i].Op == facts.OpCut {
			cuts++
		}
	}
	list = Block{Form: Table, Title: a.L("Blocks"), Header: []string{a.L("block"), a.L("what"), a.L("time")}}
	for i := len(did) - 1; i >= 0; i-- {
		if len(list.Rows) == shownCalls {
			list.More = i + 1
			break
		}
		e, ok := a.x.world.Event(did[i].Seq)
		if !ok {
			continue
		}
		what := a.L("written")
		if e.Kind == trace.BlockCut {
			what = a.L("cut: {{.Why}}", a.brief(&e))
		}
		list.Rows = append(list.Rows, []Cell{blockCell(e.Block), plain(what), mono(clock(e.Time))})
	}
	return list, cuts
}

// votes lists the elections that a node took part in, newest first.
func (a *about) votes(life []facts.Past) Block {
	b := Block{Form: Table, Title: a.L("Votes"), Header: []string{a.L("time"), "", a.L("what")}}
	a.x.newest(life, func(e *trace.Event) bool {
		what := ""
		switch {
		case e.Kind == trace.RaftVote && e.Dir == trace.Sent:
			what = a.L("asked for its vote for term {{.Term}}", e.A)
		case e.Kind == trace.RaftVoteReply && e.Dir == trace.Received:
			what = a.brief(e)
		case e.Kind == trace.RaftVoteReply && e.Dir == trace.Sent:
			what = a.L("told it: {{.What}}", a.brief(e))
		default:
			return true
		}
		b.Rows = append(b.Rows, []Cell{mono(clock(e.Time)).to(messageSel(e)), a.nodeCell(e.Other), plain(what)})
		return len(b.Rows) < shownCalls
	}, facts.OpRaftVote, facts.OpRaftVoteReply)
	return b
}
