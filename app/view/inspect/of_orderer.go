package inspect

import (
	"regexp"
	"strconv"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// orderer makes the document of an ordering node.
func (a *about) orderer(name string) {
	a.doc.Title = view.Short(name)
	n := a.x.of(name)
	life, blocks := upTo(n.life, a.seq), upTo(n.blocks, a.seq)
	state, address := standing(life)
	b := Block{Form: Fields, Rows: [][]Cell{field("state", state)}}
	row := func(k string, c Cell) { b.Rows = append(b.Rows, field(k, c)) }
	if address != "" {
		row("address", mono(address))
	}
	a.doc.Subtitle = "ordering node"
	if state.Tone == Good {
		role, term := raftOf(life)
		a.doc.Subtitle += ", " + role
		if term != "" {
			a.doc.Subtitle += " in term " + term
		}
		row("Raft role", plain(role))
		row("term", mono(term))
		row("log", mono(a.logOf(name)))
	}
	if leader, ok := last(life, isKind(trace.RaftLeader)); ok {
		c := Cell{Text: "none", Tone: Warn}
		if leader.Other != "" {
			c = nodeCell(leader.Other)
		}
		row("follows", c)
	}
	if written, ok := last(blocks, isKind(trace.BlockWritten)); ok {
		row("last block written", blockCell(written.Block))
	}
	cuts := 0
	for i := range blocks {
		if blocks[i].Kind == trace.BlockCut {
			cuts++
		}
	}
	row("blocks cut as leader", plain(strconv.Itoa(cuts)))
	a.add(b)
	if votes := a.votes(life); len(votes.Rows) > 0 {
		a.add(votes)
	}
	list := Block{Form: Table, Title: "Blocks", Header: []string{"block", "what", "time"}}
	for i := len(blocks) - 1; i >= 0; i-- {
		if len(list.Rows) == shownCalls {
			list.More = i + 1
			break
		}
		e := &blocks[i]
		what := "written"
		if e.Kind == trace.BlockCut {
			what = "cut: " + e.Note
		}
		list.Rows = append(list.Rows, []Cell{blockCell(e.Block), plain(what), mono(clock(e.Time))})
	}
	if len(list.Rows) > 0 {
		a.add(list)
	}
	a.add(lifeBlock(life))
}

// termIn finds the term in the note of an election's message.
var termIn = regexp.MustCompile(`term (\d+)`)

// raftOf is an ordering node's role and the newest term that it showed.
func raftOf(life []trace.Event) (role, term string) {
	role = "follower"
	if e, ok := last(life, isKind(trace.RaftRole)); ok {
		role = e.Note
	}
	for i := len(life) - 1; i >= 0; i-- {
		switch e := &life[i]; e.Kind {
		case trace.RaftRole:
			if e.Note == "leader" {
				return role, strconv.FormatUint(e.Block, 10)
			}
		case trace.RaftVote, trace.RaftVoteReply:
			if m := termIn.FindStringSubmatch(e.Note); m != nil {
				return role, m[1]
			}
		}
	}
	return role, ""
}

// entryIn finds the log entry that a message of Raft speaks of.
var entryIn = regexp.MustCompile(`entry (\d+)`)

// logOf is the newest entry of a node's log, as its last messages before the moment say.
func (a *about) logOf(name string) string {
	from := uint64(0)
	if a.seq > nearby {
		from = a.seq - nearby
	}
	newest := ""
	for cursor := from; cursor < a.seq && a.x.src != nil; {
		events, next, _ := a.x.src.Since(cursor, 1024)
		if len(events) == 0 {
			break
		}
		for i := range events {
			e := &events[i]
			if e.Seq > a.seq || e.Node != name || e.Dir != trace.Sent || e.Kind != trace.RaftAppend && e.Kind != trace.RaftAppendReply {
				continue
			}
			if m := entryIn.FindStringSubmatch(e.Note); m != nil {
				newest = m[1]
			}
		}
		cursor = next
	}
	if newest == "" {
		return "not said lately"
	}
	return "entry " + newest
}

// votes lists the elections that a node took part in.
func (a *about) votes(life []trace.Event) Block {
	b := Block{Form: Table, Title: "Votes", Header: []string{"time", "", "what"}}
	for i := len(life) - 1; i >= 0 && len(b.Rows) < shownCalls; i-- {
		e := &life[i]
		switch {
		case e.Kind == trace.RaftVote && e.Dir == trace.Sent:
			b.Rows = append(b.Rows, []Cell{mono(clock(e.Time)).to(messageSel(e)), nodeCell(e.Other), plain("asked for its vote: " + e.Note)})
		case e.Kind == trace.RaftVoteReply && e.Dir == trace.Received:
			b.Rows = append(b.Rows, []Cell{mono(clock(e.Time)).to(messageSel(e)), nodeCell(e.Other), plain(e.Note)})
		case e.Kind == trace.RaftVoteReply && e.Dir == trace.Sent:
			b.Rows = append(b.Rows, []Cell{mono(clock(e.Time)).to(messageSel(e)), nodeCell(e.Other), plain("told it: " + e.Note)})
		}
	}
	return b
}
